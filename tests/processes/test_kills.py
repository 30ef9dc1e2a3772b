"""`kill -9` of the daemon, of the laser and of both, and cuts of its power, at random moments of a series."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence

import pytest

from controller.store import PulseRecord
from tests.processes.judge import ARMED, back_to_standby, emission_ends, lit, running, unknown
from tests.processes.rig import STOP_US, Rig, plan
from tests.processes.status import latched, state

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]

SERIES = 10
# Of these sessions each press gives one series at the most, however slow the machine, and one is left.
PULSES_US = 1_000_000  # a moment up to five pulses after the press


async def to_the_brink(rig: Rig, chance: random.Random) -> None:
    """Arm, press, and wait until a random moment of the series; the foot stays down."""
    await rig.arm()
    await rig.foot("press")
    now_us: int = (await rig.control.state())["now_us"]
    await rig.device_time(now_us + chance.randrange(PULSES_US))


@pytest.mark.shows("REQ-032", "HZ-035")
async def test_the_daemon_is_killed_at_twelve_random_moments_of_a_series(
    rig: Rig, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(1)
    ends_ms = []
    await rig.start()
    lit_before = lit(rig.records())
    session = await rig.begin(plan(*[SERIES] * 13))
    for _ in range(12):
        await to_the_brink(rig, chance)
        truth, at_us = await emission_ends(rig, lambda: rig.signal(signal.SIGKILL))
        assert await running(rig.daemon).end() == -signal.SIGKILL
        ends_ms.append((truth.last_us - at_us) / 1e3)
        await rig.start_daemon()
        records = await rig.balanced()
        assert lit(records) - lit_before == truth.aperture, "a record of each pulse of light, and of no other"
        assert not unknown(records)
        await back_to_standby(rig, session, truth.aperture)
        assert (await rig.truth()).aperture == truth.aperture, "light that nobody asked for"
    await rig.arm()
    await rig.finish(session)
    done = rig.session(session)
    assert (done.state.value, done.delivered_pulses, done.unknown_pulses) == ("done", 13 * SERIES, 0)
    assert (await rig.truth()).aperture == 13 * SERIES
    await rig.balanced()
    record_property("last_pulse_after_the_kill_ms", ends_ms)


async def test_the_laser_is_killed_at_six_random_moments_of_a_series(rig: Rig) -> None:
    chance = random.Random(2)
    await rig.start()
    session = await rig.begin(plan(*[SERIES] * 7))
    before = rig.records()
    for _ in range(6):
        await to_the_brink(rig, chance)
        seen = await rig.truth()
        await rig.kill(rig.laser)
        await rig.until("the loss is noticed", lambda now: now["link"]["state"] != "up")
        await rig.start_laser()
        before = await _after_power_loss(rig, session, before, seen.aperture)
    await _finish_in_full(rig, session)


async def test_laser_and_daemon_are_killed_at_once_at_six_random_moments_of_a_series(rig: Rig) -> None:
    chance = random.Random(3)
    await rig.start()
    session = await rig.begin(plan(*[SERIES] * 7))
    before = rig.records()
    for number in range(6):
        await to_the_brink(rig, chance)
        seen = await rig.truth()
        await rig.kill(rig.laser, rig.daemon)
        if number % 2:
            await rig.start_laser()
            await rig.start_daemon()
        else:
            await rig.start_daemon()
            await rig.start_laser()
        before = await _after_power_loss(rig, session, before, seen.aperture)
    await _finish_in_full(rig, session)


@pytest.mark.shows("REQ-026", "HZ-003")
async def test_the_power_of_the_laser_is_cut_at_six_random_moments_of_a_series(rig: Rig) -> None:
    chance = random.Random(4)
    await rig.start()
    session = await rig.begin(plan(*[SERIES] * 7))
    before, lit_before = rig.records(), lit(rig.records())
    for cut in range(1, 7):
        await to_the_brink(rig, chance)
        await rig.control.operate("power", to="cut")
        truth = await rig.truth()
        await rig.foot("release")  # the self-test waits for that
        await rig.until("the loss is noticed", lambda now: now["link"]["state"] != "up")
        await rig.control.operate("power", to="return")
        before = await _after_power_loss(rig, session, before, 0)
        given, lost = lit(before) - lit_before, unknown(before)
        assert lost <= cut
        assert given <= truth.aperture <= given + lost, "light that has no record, or a record too many"
        assert (await rig.truth()).aperture == truth.aperture
    await _finish_in_full(rig, session)


async def _after_power_loss(
    rig: Rig, session_id: str, before: Sequence[PulseRecord], seen: int
) -> list[PulseRecord]:
    """All records, once the books are closed again; `seen` pulses of light are known to have been given."""
    await rig.until("self-test and warm-up are over", lambda now: state(now) in {"standby", "fault"})
    records = await rig.balanced()
    new = records[len(before) :]
    assert unknown(new) <= 1, "a loss of power hides one pulse at most"
    of_session = [pulse for pulse in new if pulse.session_id == session_id]
    assert lit(of_session) + unknown(of_session) >= seen, "light that has no record"
    assert all(pulse.session_id == session_id for pulse in new if pulse.aperture or pulse.unknown)
    counted = sum(pulse.delivered for pulse in records if pulse.session_id == session_id)
    await back_to_standby(rig, session_id, counted)
    return records


async def _finish_in_full(rig: Rig, session_id: str) -> None:
    await rig.arm()
    await rig.finish(session_id)
    done = rig.session(session_id)
    assert done.state.value == "done"
    assert done.delivered_pulses == done.planned_pulses
    await rig.balanced()


@pytest.mark.shows("REQ-032", "HZ-024", "HZ-035")
async def test_a_stopped_daemon_goes_on_as_after_a_trip(rig: Rig) -> None:
    await rig.start()
    session = await rig.begin(plan(*[SERIES] * 3))
    for _ in range(2):
        await rig.arm()
        await rig.foot("press")
        await rig.pulses_given((await rig.truth()).aperture + 2)
        truth, _ = await emission_ends(rig, lambda: rig.signal(signal.SIGSTOP))
        rig.signal(signal.SIGCONT)
        now = await rig.until("the daemon knows what happened", lambda now: bool(latched(now)))
        assert state(now).upper() not in ARMED
        await rig.ended(session)
        await rig.balanced()
        await rig.device_time((await rig.truth()).now_us + 4 * STOP_US)
        assert (await rig.truth()).aperture == truth.aperture, "a pulse after the daemon was woken"
        await back_to_standby(rig, session, truth.aperture)
    await _finish_in_full(rig, session)
