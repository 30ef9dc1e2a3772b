"""A second daemon on the database, the socket or the port of one that is firing: told so, and ended."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path

import pytest

from controller.processes import Child
from controller.stage import PYTHON
from tests.processes.judge import running
from tests.processes.rig import START_S, TRIES, Rig, plan
from tests.processes.status import permitted, state

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]

SERIES = 450  # 90 s: whatever the machine, it is still firing when the second one has ended
PERIOD_US = 200_000
JITTER_US = 2_000


async def second(folder: Path, url: str, database: Path, api: Path) -> tuple[int, str]:
    """Run another daemon with these until it ends; its exit status and what it said."""
    config, log = folder / "second.toml", folder / "second.log"
    config.write_text(f'[device]\nurl = "{url}"\n[store]\npath = "{database}"\n[api]\nsocket = "{api}"\n')
    command = [*PYTHON, "controller.cli", "run", "--config", str(config), "--until-stdin-closes"]
    child = await Child.start("second daemon", command, log)
    return await ended_by_itself(child), log.read_text()


async def ended_by_itself(child: Child) -> int:
    done, _ = await asyncio.wait({child.ended}, timeout=START_S)
    status = await child.end()
    assert done, "it did not end by itself"
    return status


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ("database", r"another picolase daemon \(process {pid}\) has this database open"),
        ("socket", r"daemon\.sock: another daemon answers there; stop it, or use another path"),
        ("port", r"laser0: another program has the port open: end that program first; `fuser -v"),
    ],
)
async def test_a_second_daemon_ends_with_a_message_and_the_first_one_goes_on_firing(
    rig: Rig, shared: str, words: str
) -> None:
    await rig.start()
    session = await rig.begin(plan(SERIES))
    for _ in range(TRIES):
        if not permitted(await rig.client.status()):
            await rig.arm()
        await rig.foot("press")
        began, late = await rig.truth(), rig.late
        await rig.pulses_given(began.aperture + 2)
        await _is_turned_away(rig, shared, words)
        now = await rig.client.status()
        if await rig.tripped_by_load():
            continue
        assert state(now) == "emitting"
        await rig.pulses_given((await rig.truth()).aperture + 2)
        await rig.foot("release")
        if rig.late == late:
            break
    else:
        pytest.fail("not once did the first one go on firing")
    times_us = [time_us for time_us in (await rig.truth()).times_us if time_us > began.now_us]
    gaps_us = [after - before for before, after in itertools.pairwise(times_us)]
    assert len(gaps_us) >= 3
    assert all(abs(gap_us - PERIOD_US) <= JITTER_US for gap_us in gaps_us)
    assert (await rig.client.stop())["confirmed"]
    assert await rig.ended(session) == "interrupted"
    assert rig.session(session).delivered_pulses == (await rig.truth()).aperture


async def _is_turned_away(rig: Rig, shared: str, words: str) -> None:
    """Start a second daemon that wants what they share, and see it end with a clear text."""
    status, said = await second(
        rig.folder,
        url=str(rig.port) if shared == "port" else str(rig.folder / "laser1"),
        database=rig.database if shared == "database" else rig.folder / "second.db",
        api=rig.api if shared == "socket" else rig.folder / "second.sock",
    )
    assert status == 1, said
    assert re.search(words.format(pid=running(rig.daemon).pid), said), said
    assert "Traceback" not in said
    assert not (rig.folder / "second.sock").exists()
