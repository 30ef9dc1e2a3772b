"""The line is pulled out, cut, silent or shared in mid-series; judged by the plant's truth."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import serial

from tests.processes.judge import back_to_standby, emission_ends, lit
from tests.processes.lines import relay, tcp_relay, thief
from tests.processes.rig import Rig, plan
from tests.processes.status import latched, permitted, state

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(180)]

SERIES = 8


async def firing(rig: Rig) -> None:
    """Arm, press, and wait for two pulses; the foot stays down."""
    given = (await rig.truth()).aperture
    await rig.arm()
    await rig.foot("press")
    await rig.pulses_given(given + 2)


async def lost_and_found(
    rig: Rig, session: str, cut: Callable[[], object], mend: Callable[[], object]
) -> None:
    """Cut the line in mid-series: emission ends; once it is mended everything is recorded, and goes on."""
    await firing(rig)
    truth, _ = await emission_ends(rig, cut)
    await rig.until("the loss is noticed", lambda now: now["link"]["state"] != "up")
    mend()
    records = await rig.balanced()
    counted = lit([pulse for pulse in records if pulse.session_id == session])
    assert counted == truth.aperture
    await back_to_standby(rig, session, counted)
    assert (await rig.truth()).aperture == truth.aperture
    await rig.arm()
    await rig.finish(session)
    assert (await rig.truth()).aperture == SERIES


@pytest.mark.shows("HZ-034")
async def test_the_pseudo_terminal_is_closed_in_mid_series_and_comes_back_under_its_name(rig: Rig) -> None:
    await rig.start_laser()
    rig.url = str(rig.folder / "cable")
    with relay(rig.port, rig.folder / "cable") as cable:
        await rig.start_under_daemon()
        session = await rig.begin(plan(SERIES))
        await lost_and_found(rig, session, cable.end.close, cable.end.open)


async def test_the_name_of_the_port_is_unlinked_in_mid_series_and_nothing_else_happens(rig: Rig) -> None:
    await rig.start()
    session = await rig.begin(plan(SERIES))
    await firing(rig)
    name = os.readlink(rig.port)
    rig.port.unlink()
    await rig.ended(session)
    rig.port.symlink_to(name)
    assert rig.session(session).state.value == "done"
    assert (await rig.truth()).aperture == SERIES


async def test_a_tcp_connection_is_reset_in_mid_series(rig: Rig) -> None:
    served = await rig.start_laser("--tcp", "127.0.0.1:0")
    found = re.search(r"socket://127\.0\.0\.1:(\d+)", served)
    assert found
    async with tcp_relay(int(found[1])) as line:
        rig.url = f"socket://127.0.0.1:{line.port}"
        await rig.start_under_daemon()
        session = await rig.begin(plan(SERIES))
        tasks: list[asyncio.Task[None]] = []

        def later(work: Coroutine[Any, Any, None]) -> None:
            tasks.append(asyncio.create_task(work))

        await lost_and_found(rig, session, lambda: later(line.close()), lambda: later(line.open()))
        await asyncio.gather(*tasks)


@pytest.mark.shows("HZ-034")
async def test_a_tcp_line_falls_silent_in_mid_series_without_closing(rig: Rig) -> None:
    served = await rig.start_laser("--tcp", "127.0.0.1:0")
    found = re.search(r"socket://127\.0\.0\.1:(\d+)", served)
    assert found
    async with tcp_relay(int(found[1])) as line:
        rig.url = f"socket://127.0.0.1:{line.port}"
        await rig.start_under_daemon()
        session = await rig.begin(plan(SERIES))
        await lost_and_found(
            rig, session, lambda: setattr(line, "silent", True), lambda: setattr(line, "silent", False)
        )


async def test_a_terminal_that_asks_for_the_port_is_told_that_it_is_busy(rig: Rig) -> None:
    await rig.start()
    session = await rig.begin(plan(SERIES))
    await firing(rig)
    with pytest.raises(serial.SerialException, match=r"(?i)exclusively lock|busy"):
        serial.Serial(str(rig.port), exclusive=True)
    assert await rig.ended(session) == "done"


async def test_a_terminal_that_asks_nobody_and_steals_bytes_costs_no_pulse_its_record(rig: Rig) -> None:
    await rig.start()
    session = await rig.begin(plan(SERIES))
    await firing(rig)
    with thief(rig.port) as stolen:

        async def enough() -> bool:
            return len(stolen) >= 256

        await rig.wait("the thief has some frames' worth", enough, lambda: f"{len(stolen)} bytes")
    await rig.foot("release")
    now = await rig.until("the laser is heard again", lambda now: bool(state(now)))
    if permitted(now):
        await rig.client.stop()
    await rig.until("the laser is not armed", lambda now: state(now) in {"standby", "fault"})
    records = await rig.balanced()
    truth = await rig.truth()
    counted = lit([pulse for pulse in records if pulse.session_id == session])
    assert counted == truth.aperture
    await rig.ended(session)
    if latched(await rig.client.status()):
        await rig.acknowledge()
    await rig.until_standby()
    if rig.session(session).remaining_pulses:
        await rig.resume()
        await rig.arm()
        await rig.finish(session)
    assert (await rig.truth()).aperture == SERIES
