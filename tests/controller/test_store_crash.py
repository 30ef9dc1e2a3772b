"""Killed while it writes: everything that was acknowledged is there, and the chain holds."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store import Store

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from controller.store import DeviceRecord, PulseRecord, Store

NOW = datetime(2026, 3, 4, tzinfo=UTC)
store = Store.open(Path(sys.argv[1]), wall_clock=lambda: NOW)
store.save_device(DeviceRecord("PL-1", "m", "f", True, {}, 0))
if store.resumable_session("PL-1") is None:
    store.open_session("s1", device_serial="PL-1", operator="ann", plan={}, plan_sha256="0" * 64,
                       planned_pulses=10**9, now_us=0)
number = store.highest_pulse("PL-1") or 0
while True:
    store.begin_command(f"{sys.argv[2]}-{number}", "grant", {}, actor="ann", now_us=number)
    pulses = [
        PulseRecord("PL-1", number + step, 1, 1, 1, 0, 200.0, 200.0, 200.0, 750.0, 755, 750, 6.0, "zoom",
                    frozenset(), True, False, 0.7, "s1", NOW, number)
        for step in (1, 2, 3)
    ]
    store.record_pulses(pulses)
    number += 3
    print(number, flush=True)
"""


@pytest.mark.shows("REQ-042", "HZ-035")
@pytest.mark.processes
def test_after_a_kill_in_the_middle_of_writing_everything_acknowledged_is_there(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    acknowledged = 0
    for lines in (1, 7, 20, 33, 50):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(lines)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(lines):
                acknowledged = int(child.stdout.readline())
            child.kill()
            # What it had still said before it died was acknowledged too.
            rest = child.stdout.read().splitlines(keepends=True)
            acknowledged = max([acknowledged, *(int(line) for line in rest if line.endswith("\n"))])
        with Store.open(path, wall_clock=lambda: datetime(2026, 3, 4, tzinfo=UTC)) as store:
            assert store.check() == []
            highest = store.highest_pulse("PL-1") or 0
            assert highest >= acknowledged
            assert highest % 3 == 0  # A call was recorded whole or not at all.
            assert store.missing_pulses("PL-1", device_counter=highest) == []
            assert store.session("s1").delivered_pulses == store.count_pulses("PL-1") == highest
            assert store.outbox_depth() == highest
            assert [message.seq for message in store.outbox_next(10**6)] == list(range(1, highest + 1))
            # Every grant was written ahead of its pulses, and of none is it known what became of it.
            assert len(store.open_commands()) >= highest / 3
