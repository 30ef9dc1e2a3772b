"""The daemon killed and the laser's power cut at any moment: nothing is lost, nothing is done twice."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from controller.store import PulseRecord, SessionState
from protocols.frame import Frame
from protocols.messages import AckPulses, Heartbeat, PulseReport, Status
from protocols.requests import Arm, CommitSetpoint, Grant, Reply, SetAiming, StageSetpoint
from protocols.states import ARMED, State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Tap

VIRTUAL_TIME = True

LONG = plan_text(series=[10] * 30)
AFTER_A_KILL = {LatchId.START_UP, LatchId.DEVICE_FAULT, LatchId.UNCERTAIN}
WHILE_ARMING = ((StageSetpoint, 1), (CommitSetpoint, 1), (SetAiming, 1), (Arm, 1), (Grant, 1), (Reply, 1))
WHILE_FIRING = ((PulseReport, 12), (AckPulses, 12), (Status, 80), (Heartbeat, 80), (Grant, 3), (Reply, 3))


def pulses(stack: Stack) -> list[PulseRecord]:
    return [pulse for pulse in stack.reader.pulses(stack.serial)]


def assert_nothing_lost_or_doubled(stack: Stack, unknown_max: int = 0) -> None:
    """Device counter = records without gap or double; light at the aperture = records that say so."""
    recorded = pulses(stack)
    assert [pulse.pulse_number for pulse in recorded] == list(range(1, stack.device.pulse_number + 1))
    unknown = sum(pulse.unknown for pulse in recorded)
    assert unknown <= unknown_max
    sure = sum(pulse.aperture and not pulse.unknown for pulse in recorded)
    assert sure <= stack.truth.aperture <= sure + unknown  # what is unknown counts as given
    assert stack.reader.check() == []


async def treat(stack: Stack, chance: random.Random, armed: asyncio.Event) -> None:
    """An operator and a foot, on and on."""
    if not stack.reader.sessions():
        await stack.prepare(LONG)
    else:
        await stack.resume()
    await stack.arm()
    armed.set()
    while True:
        await stack.permitted()
        await asyncio.sleep(chance.uniform(0, 0.2))
        stack.press()
        await asyncio.sleep(chance.uniform(0.2, 2.5))
        stack.release()
        await asyncio.sleep(chance.uniform(0.05, 0.5))


async def killed(stack: Stack, chance: random.Random) -> int:
    """Treat until a random moment, kill the daemon there, and return the device's time of it.

    The moment is some turns of the loop after some frame of a kind: of those that come before the first
    permit in one of four cases, of those that come while firing in the others.
    """
    dead: asyncio.Future[int] = stack.loop.create_future()
    armed = asyncio.Event()
    kind, most = chance.choice(WHILE_ARMING if chance.random() < 0.25 else WHILE_FIRING)
    frames_left = chance.randint(1, most)

    def kill() -> None:
        if not dead.done():
            dead.set_result(stack.laser.now_us)
            stack.kill_daemon()

    def soon(turns: int) -> None:
        if turns:
            stack.loop.call_soon(soon, turns - 1)
        else:
            kill()

    def at_frame(piece: bytes, frame: Frame | None) -> list[bytes]:
        nonlocal frames_left
        if frame is not None and isinstance(frame.message, kind) and armed.is_set() == (most > 1):
            frames_left -= 1
            if not frames_left:
                soon(chance.randint(0, 12))
        return [piece]

    stack.line.to_host.vices = stack.line.to_device.vices = (Tap(at_frame),)
    treating = asyncio.create_task(treat(stack, chance, armed))
    both: set[asyncio.Future[Any]] = {dead, treating}
    try:
        async with asyncio.timeout(60):
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not dead.done():
            await treating  # which failed
        return await dead
    finally:
        stack.line.to_host.vices = stack.line.to_device.vices = ()
        treating.cancel()
        await asyncio.wait({treating})  # what it says of a daemon that is dead does not matter
        if not treating.cancelled():
            treating.exception()


@pytest.mark.shows("REQ-032", "REQ-042", "HZ-035")
@pytest.mark.parametrize("seed", range(5))
async def test_a_daemon_killed_at_any_moment_leaves_no_gap_and_no_double(seed: int) -> None:
    chance = random.Random(seed)
    async with Stack(seed=1) as stack:
        for _ in range(10):
            killed_us = await killed(stack, chance)
            bytes_then = stack.line.bytes_carried
            if chance.random() < 0.5:
                stack.release()
            await asyncio.sleep(chance.choice((0.0, 0.1, 0.6, 2.0)))
            stack.start_daemon()
            assert stack.line.bytes_carried >= bytes_then
            await stack.until(lambda: stack.status is not None, "connected again")
            assert stack.device.state not in ARMED
            stack.release()
            await stack.until(lambda: stack.daemon.recorder.balanced, "the reports in")
            assert all(
                pulse.time_us <= killed_us + 250_000 for pulse in stack.truth.pulses
            )  # the new daemon granted nothing
            # Among them no UNPERMITTED_LIGHT: what the dead daemon had permitted is known from its record.
            assert {LatchId.START_UP} <= stack.latched <= AFTER_A_KILL
            await stack.until(lambda: not stack.daemon.commands.uncertain, "settled by the device's books")
            assert_nothing_lost_or_doubled(stack)
            assert all(session.state is not SessionState.OPEN for session in stack.reader.sessions())
            await stack.until(lambda: not stack.device.faults_present, "the cause gone")
            for kind in ("arm", "grant", "set_point", "aiming", "standby", "acknowledge"):
                assert not any(command.unresolved for command in stack.reader.commands(kind))
            stack.release()
        assert stack.truth.aperture > 10


@pytest.mark.shows("REQ-008", "HZ-035")
async def test_a_killed_daemons_successor_refuses_to_arm_until_somebody_has_looked(stack: Stack) -> None:
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(3)
    stack.kill_daemon()
    await asyncio.sleep(1)
    stack.release()
    stack.start_daemon()
    await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "books")
    assert stack.device.state is State.FAULT
    assert {LatchId.START_UP, LatchId.DEVICE_FAULT} <= stack.latched
    who = await stack.login()
    await stack.acknowledge()
    await stack.settled()
    await stack.daemon.console.resume_session(who, 755, checklist=True)
    await stack.arm()
    await stack.give_series()
    assert_nothing_lost_or_doubled(stack)


async def test_a_killed_daemon_never_speaks_again(stack: Stack) -> None:
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(2)
    heard: list[object] = []
    stack.kill_daemon()

    def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
        heard.append(frame)
        return [piece]

    stack.line.to_device.vices = (Tap(listen),)
    count = len(pulses(stack))
    await asyncio.sleep(20)
    assert heard == []
    assert len(pulses(stack)) == count


async def test_a_file_database_survives_the_kill_like_the_one_in_memory(tmp_path: Path) -> None:
    async with Stack(folder=tmp_path) as stack:
        await stack.prepare(LONG)
        await stack.arm()
        await stack.fire(4)
        stack.kill_daemon()
        await asyncio.sleep(0.5)
        stack.release()
        stack.start_daemon()
        await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "books")
        assert_nothing_lost_or_doubled(stack)
        await stack.acknowledge()
        assert (await stack.resume())["delivered"] == stack.truth.aperture
        assert await stack.end_daemon()
        stack.start_daemon()  # the lock was given up in order, too
        await stack.settled()


async def test_an_orderly_end_stops_records_and_resumes(stack: Stack) -> None:
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(4)
    ended_us = stack.laser.now_us
    assert await stack.end_daemon()
    assert all(pulse.time_us <= ended_us + 20_000 for pulse in stack.truth.pulses)
    assert stack.laser.state is State.STANDBY
    stack.release()
    stack.start_daemon()
    await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "books")
    assert not stack.daemon.commands.uncertain
    assert_nothing_lost_or_doubled(stack)
    await stack.acknowledge()
    assert (await stack.resume())["delivered"] == stack.truth.aperture


# -- the laser's own power


async def brought_back(stack: Stack) -> None:
    """Power returns; the laser tests itself and is in STANDBY again."""
    stack.laser.act("power", to="return")
    await stack.until(
        lambda: stack.status is not None and stack.status.state is State.STANDBY, "STANDBY", within_s=120
    )
    await stack.until(lambda: stack.daemon.recorder.balanced, "the reports in")


@pytest.mark.shows("REQ-026", "HZ-003")
@pytest.mark.parametrize("seed", range(16))
async def test_a_power_cut_around_a_trigger_leaves_one_unknown_pulse_at_most(stack: Stack, seed: int) -> None:
    chance = random.Random(seed)
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(chance.randint(1, 4))
    next_us = stack.truth.pulses[-1].time_us + 200_000
    cut_us = next_us + chance.choice((-400, -150, -50, 0, 50, 150, 1_000, 3_000)) + chance.randint(-50, 50)
    await asyncio.sleep((cut_us - stack.laser.now_us) / 1e6)
    stack.laser.act("power", to="cut")
    stack.release()
    await asyncio.sleep(chance.uniform(0.5, 3))
    assert all(pulse.time_us <= cut_us for pulse in stack.truth.pulses)
    stack.laser.act("power", to="return")
    await stack.until(lambda: LatchId.DEVICE_RESTARTED in stack.latched, "the restart seen")
    await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "the reports in")
    assert_nothing_lost_or_doubled(stack, unknown_max=1)
    assert (LatchId.UNCERTAIN in stack.latched) == any(pulse.unknown for pulse in pulses(stack))
    session = stack.reader.sessions()[0]
    assert session.state is SessionState.INTERRUPTED
    given = [pulse for pulse in pulses(stack) if pulse.session_id == session.id]
    assert session.delivered_pulses == sum(pulse.delivered for pulse in given) >= stack.truth.aperture
    assert session.unknown_pulses == sum(pulse.unknown for pulse in given)


@pytest.mark.shows("REQ-046", "HZ-044")
async def test_an_unknown_pulse_counts_for_the_plan_and_the_rest_is_given(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[10]))
    await stack.arm()
    await stack.fire(3)
    next_us = stack.truth.pulses[-1].time_us + 200_000
    await asyncio.sleep((next_us + 50 - stack.laser.now_us) / 1e6)  # the light is out, nothing is reported
    stack.laser.act("power", to="cut")
    stack.release()
    await asyncio.sleep(1)
    await brought_back(stack)
    unknown = [pulse for pulse in pulses(stack) if pulse.unknown]
    assert len(unknown) == 1
    assert unknown[0].monitor_b_mj is None
    assert unknown[0].delivered_energy_mj == 173.0
    assert LatchId.UNCERTAIN in stack.latched
    await asyncio.sleep(2)
    assert (await stack.acknowledge())["kept"] == []
    resumed = await stack.resume()
    assert (resumed["unknown"], resumed["remaining"]) == (1, 10 - resumed["delivered"])
    await stack.arm()
    await stack.give_all()
    session = stack.reader.sessions()[0]
    assert (session.state, session.delivered_pulses) == (SessionState.DONE, 10)
    assert_nothing_lost_or_doubled(stack, unknown_max=1)


@pytest.mark.shows("REQ-026", "HZ-003")
async def test_a_reset_of_the_processor_is_a_trip_like_a_power_cut(stack: Stack) -> None:
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(3)
    stack.laser.act("reset")
    reset_us = stack.laser.now_us
    stack.release()
    await stack.until(lambda: LatchId.DEVICE_RESTARTED in stack.latched, "the restart seen")
    await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "the reports in")
    assert all(pulse.time_us <= reset_us + 10_000 for pulse in stack.truth.pulses)
    assert_nothing_lost_or_doubled(stack, unknown_max=1)


async def test_the_daemon_and_the_power_may_go_together(stack: Stack) -> None:
    await stack.prepare(LONG)
    await stack.arm()
    await stack.fire(3)
    stack.kill_daemon()
    await asyncio.sleep(0.1)
    stack.laser.act("power", to="cut")
    stack.release()
    await asyncio.sleep(2)
    stack.start_daemon()
    await brought_back(stack)
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled")
    assert_nothing_lost_or_doubled(stack, unknown_max=1)
    await asyncio.sleep(1)
    await stack.acknowledge()
    await stack.resume()
    await stack.arm()
    await stack.give_series()
