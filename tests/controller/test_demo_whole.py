"""The whole demo as a process: well, late, tripped, and with something killed."""

import contextlib
import json
import os
import re
import select
import signal
from pathlib import Path

import pytest

from controller.store import Reader
from sim_device.control_client import Control
from tests.controller.demo_running import WARMED_UP, Running, assert_nothing_is_left, demo, wait_until_ended

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.usefixtures("alone"),
    pytest.mark.timeout(900, func_only=True),  # waiting to be alone does not count
]


def test_the_demo_carries_out_its_plan_and_all_counts_agree(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", "--speed", "300") as running:
        end = os.pidfd_open(running.process.pid)
        while WARMED_UP not in running.errors():  # it tells its story there, and its result on the pipe
            if select.select([end], [], [], 0.1)[0]:
                break
        else:
            running.warmed_up()
        os.close(end)
        status = running.end()
    assert status == 0, running.errors()
    summary = json.loads("".join(running.lines))
    assert summary["agree"] is True
    assert {count["plan"] for count in summary["counts"]} == {60}
    assert len({count["all"] for count in summary["counts"]} - {None}) == 1
    # The judgement of the firmware: 173 mJ +-15 %, 750 ps +-15 %; 1.80 J/cm2 a pulse.
    assert 173.0 * 0.85 < summary["energy_mj"]["mean"] < 173.0 * 1.15
    assert 637 < summary["width_ps"]["mean"] < 825
    assert summary["dose_j_cm2"] == pytest.approx(
        60 * summary["energy_mj"]["mean"] / 1000 / 0.09621, rel=1e-3
    )
    folder = Path(summary["folder"])
    assert {path.name for path in folder.iterdir()} >= {
        "picolase.toml", "picolase.db", "broker.log", "laser.log", "daemon.log", "device"
    }  # fmt: skip
    with Reader.open(folder / "picolase.db") as reader:
        (session,) = reader.sessions()
        # A trip by a busy machine in the instant of the last pulse leaves nothing to resume.
        late = "this computer was late" in running.errors()
        assert session.state.value == "done" or (late and session.state.value == "interrupted")
        assert session.delivered_pulses == len(list(reader.session_pulses(session.id))) == 60
        assert reader.check() == []
    assert not (tmp_path / "run" / "laser0").is_symlink()
    assert list(folder.glob("*.sock")) == []
    errors = running.errors()
    assert "READY" in errors
    assert "times as fast" in errors


@pytest.mark.parametrize("name", ["the broker", "the simulated laser", "the daemon"])
def test_a_killed_process_ends_the_demo_and_is_named(tmp_path: Path, name: str) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        os.kill(running.pid(name), signal.SIGKILL)
        status = running.end()
        assert status == 1
        assert f"{name} (process {running.pid(name)}) ended by SIGKILL" in running.errors()
        assert ".log" in running.errors()
        assert "Traceback" not in running.errors()
        assert_nothing_is_left(running)


@pytest.mark.parametrize(
    ("number", "moment", "status"),
    [
        (signal.SIGINT, "state EMITTING", 130),
        (signal.SIGTERM, "state CALIBRATING", 143),
        (signal.SIGTERM, "starting the daemon", 143),
        (signal.SIGKILL, "state EMITTING", -9),
    ],
)
def test_a_demo_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, moment: str, status: int
) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until(moment)
        if moment == "starting the daemon":
            running.until("the daemon is process")
        os.kill(running.process.pid, number)
        assert running.end() == status
        assert "Traceback" not in running.errors()
        if number is signal.SIGKILL:  # the children end by themselves; each removes what it made
            wait_until_ended(running.pids())
        if moment == "state EMITTING" and number is not signal.SIGKILL:
            assert any("STOP confirmed" in line for line in running.lines)
        assert_nothing_is_left(running)


def control_of(running: Running) -> contextlib.closing[Control]:
    """The control channel of its laser; read far enough first."""
    said = "".join(running.lines)
    found = re.search(r"control (\S+\.sock)", said)
    assert found is not None, said
    return contextlib.closing(Control(running.folder / found[1]))


def test_a_daemon_that_was_late_and_no_more_is_forgiven_and_the_plan_is_carried_out(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        os.kill(running.pid("the daemon"), signal.SIGSTOP)
        try:
            with control_of(running) as control:
                while control.state()["state"] != "FAULT":  # the laser's own watch
                    pass
        finally:
            os.kill(running.pid("the daemon"), signal.SIGCONT)
        assert running.end() == 0, running.errors()
    assert any("this computer was late, and that is all" in line for line in running.lines)
    assert "All counts agree" in running.errors()


def test_a_fault_that_says_more_than_lateness_ends_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        with control_of(running) as control:
            control.operate("estop", to="press")
        assert running.end() == 1
        assert_nothing_is_left(running)
    assert "estop" in running.errors()
    assert "The demo failed" in running.errors()
