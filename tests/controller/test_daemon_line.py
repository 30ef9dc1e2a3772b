"""What a bad line does to a running treatment: cut, unplugged, lost answers, doubled and garbled frames."""

import asyncio
import contextlib
import random

import pytest

from controller.store import CommandOutcome, SessionState
from protocols.frame import Frame
from protocols.messages import PulseReport, Status, Stop, Stopped, Telemetry
from protocols.requests import Arm, Grant, Reply
from protocols.states import ARMED, State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Drop, Tap

VIRTUAL_TIME = True

SHORT = plan_text(series=[10, 10])


def assert_books_balance(stack: Stack) -> None:
    """Device counter = records, no gap and no double; every aperture pulse is the plan's."""
    numbers = [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial)]
    assert numbers == list(range(1, stack.device.pulse_number + 1))
    lit = sum(pulse.aperture for pulse in stack.reader.pulses(stack.serial))
    assert lit == stack.truth.aperture
    assert stack.reader.check() == []


async def finish(stack: Stack) -> None:
    """Resume what is left of `SHORT` and give it."""
    stack.release()
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert_books_balance(stack)


@pytest.mark.shows("REQ-032", "HZ-034")
@pytest.mark.parametrize("phase_us", [0, 20_000, 73_000, 111_000, 199_000])
async def test_a_line_cut_in_mid_series_ends_emission_within_250_ms(stack: Stack, phase_us: int) -> None:
    session = await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(4)
    await asyncio.sleep(phase_us / 1e6)
    stack.line.cut()
    cut_us = stack.laser.now_us
    await asyncio.sleep(8)
    assert max(pulse.time_us for pulse in stack.truth.pulses) <= cut_us + 250_000
    assert stack.laser.state is State.FAULT  # the link was lost while armed
    given = stack.truth.aperture

    stack.line.mend()
    await stack.until(lambda: stack.status is not None, "connected again")
    await stack.until(lambda: stack.daemon.recorder.balanced, "the reports in")
    assert_books_balance(stack)
    record = stack.reader.session(str(session["id"]))
    assert (record.state, record.delivered_pulses) == (SessionState.INTERRUPTED, given)
    assert LatchId.RECONNECTED in stack.latched
    await asyncio.sleep(5)
    assert stack.device.state not in ARMED  # never READY by itself
    assert stack.truth.aperture == given
    stack.release()
    assert (await stack.acknowledge())["kept"] == []
    await finish(stack)


@pytest.mark.shows("REQ-032", "HZ-034")
async def test_an_unplugged_cable_does_the_same(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.unplug()
    cut_us = stack.laser.now_us
    await stack.until(lambda: stack.status is None, "the loss seen", within_s=1)
    await asyncio.sleep(3)
    report = stack.daemon.reporter.report()
    assert report["link"]["state"] == "down"
    assert report["laser"] is None
    assert report["telemetry"] is None
    assert max(pulse.time_us for pulse in stack.truth.pulses) <= cut_us + 250_000
    stack.line.plug_in()
    await stack.until(lambda: stack.status is not None, "connected again")
    stack.release()
    await stack.until(lambda: not stack.device.foot, "the foot off")
    assert (await stack.acknowledge())["kept"] == []
    await finish(stack)


async def test_a_line_cut_for_a_moment_only_is_survived_or_latched_never_half(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.cut()
    await asyncio.sleep(0.1)
    stack.line.mend()
    await stack.until(lambda: not stack.device.permit_id, "the series over", within_s=30)
    stack.release()
    await stack.until(lambda: stack.daemon.recorder.balanced, "the reports in")
    assert_books_balance(stack)
    assert stack.truth.aperture == 10
    assert stack.latched == set()


# -- lost answers


async def test_an_arm_whose_answers_are_all_lost_is_uncertain_stopped_and_settled(stack: Stack) -> None:
    session = await stack.prepare(SHORT)
    await stack.daemon.console.aiming(await stack.login(), on=True)
    await stack.until(lambda: stack.device.aiming_on, "the aiming beam")
    stack.line.to_host.vices = (Drop().only(Reply),)
    answer = await stack.daemon.console.arm(await stack.login())
    stack.line.to_host.vices = ()
    assert answer["outcome"] == "uncertain"
    assert LatchId.UNCERTAIN in stack.latched
    arm = stack.reader.commands("arm")[0]
    assert arm.outcome is CommandOutcome.UNCERTAIN
    await stack.until(lambda: stack.status is not None and stack.device.state not in ARMED, "disarmed")
    assert stack.truth.aperture == 0
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled by the device's books")
    assert not stack.reader.command(arm.id).unresolved
    assert LatchId.UNCERTAIN in stack.latched  # settled is not acknowledged
    assert stack.reader.session(str(session["id"])).state is SessionState.INTERRUPTED
    assert (await stack.acknowledge())["kept"] == []
    await finish(stack)


async def test_a_grant_whose_answers_are_all_lost_is_stopped_before_a_foot_can_use_it(stack: Stack) -> None:
    await stack.prepare(SHORT)

    def lose_grants(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Grant):
            stack.line.to_host.vices = (Drop().only(Reply),)
        return [piece]

    stack.line.to_device.vices = (Tap(lose_grants),)
    arming = await stack.daemon.console.arm(await stack.login())
    assert arming["outcome"] == "done"
    await stack.until(lambda: LatchId.UNCERTAIN in stack.latched, "the doubt latched")
    stack.line.to_host.vices = stack.line.to_device.vices = ()
    stack.press()
    await asyncio.sleep(2)
    assert stack.truth.aperture == 0
    stack.release()
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled")
    grant = stack.reader.commands("grant")[0]
    assert grant.outcome is CommandOutcome.UNCERTAIN
    assert grant.settled_how is not None
    await stack.settled()
    assert (await stack.acknowledge())["kept"] == []
    await finish(stack)


@pytest.mark.shows("REQ-033")
async def test_one_lost_answer_is_asked_for_again_and_nothing_happens_twice(stack: Stack) -> None:
    await stack.prepare(SHORT)
    stack.line.to_host.vices = (Drop().only(Reply, times=1),)
    assert (await stack.arm())["outcome"] == "done"
    await stack.give_series()
    stack.line.to_host.vices = (Drop().only(Reply, times=1),)  # of the second grant
    await stack.permitted()
    await asyncio.sleep(0.2)  # a hand's time: the grant was asked for again and answered
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert_books_balance(stack)
    assert {grant.outcome for grant in stack.reader.commands("grant")} == {CommandOutcome.DONE}
    assert stack.latched == set()


async def test_a_request_that_is_lost_on_its_way_is_sent_again(stack: Stack) -> None:
    await stack.prepare(SHORT)
    stack.line.to_device.vices = (Drop().only(Arm, times=2),)
    assert (await stack.arm())["outcome"] == "done"
    stack.line.to_device.vices = (Drop().only(Grant, times=2),)
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert_books_balance(stack)


async def test_a_stop_gets_through_when_most_of_its_repetitions_are_lost(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.to_device.vices = (Drop().only(Stop, times=3),)
    answer = await stack.daemon.console.stop("operator", "enough")
    assert answer["confirmed"]
    assert 150 <= answer["took_ms"] <= 250  # three repetitions of 50 ms
    assert stack.device.state is State.STANDBY


async def test_a_stop_that_is_never_confirmed_says_so_and_the_device_ends_by_itself(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.cut()
    at_us = stack.laser.now_us
    answer = await stack.daemon.console.stop("operator", "enough")
    assert not answer["confirmed"]
    assert answer["level"] == "port closed"
    assert "hardware stop" in answer["text"]
    assert max(pulse.time_us for pulse in stack.truth.pulses) <= at_us + 250_000


async def test_a_stop_whose_confirmation_is_lost_escalates_to_a_fresh_link(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.to_host.vices = (Drop().only(Stopped, times=12),)
    answer = await stack.daemon.console.stop("operator", "enough")
    assert answer["confirmed"]
    assert answer["level"] == "link reset"


# -- lost, doubled and garbled words


async def test_lost_reports_are_repeated_until_they_are_on_record(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    losing = Drop().only(PulseReport, probability=0.4, seed=5)
    stack.line.to_host.vices = (losing,)
    await stack.give_all()
    assert losing.fired
    assert stack.truth.aperture == 20
    assert_books_balance(stack)


async def test_a_report_that_never_comes_stops_and_latches(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    stack.line.to_host.vices = (Drop().only(PulseReport),)
    stack.press()
    await stack.until(lambda: LatchId.COUNTER_GAP in stack.latched, "the gap latched")
    await asyncio.sleep(1)
    assert stack.device.state not in ARMED
    stack.line.to_host.vices = ()
    stack.release()
    await stack.settled()
    assert_books_balance(stack)
    assert (await stack.acknowledge())["kept"] == []
    await finish(stack)


@pytest.mark.shows("REQ-032")
async def test_lost_status_removes_permission(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(3)
    stack.line.to_host.vices = (Drop().only(Status),)
    at_us = stack.laser.now_us
    await stack.until(lambda: LatchId.STALE in stack.latched, "stale", within_s=1)
    await asyncio.sleep(1)
    assert max(pulse.time_us for pulse in stack.truth.pulses) <= at_us + 250_000


async def test_lost_telemetry_refuses_the_next_arming_and_stops_nothing(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.fire(1)
    stack.line.to_host.vices = (Drop().only(Telemetry),)
    await asyncio.sleep(4)
    assert stack.truth.aperture == 10
    assert stack.daemon.reporter.report()["telemetry"]["quality"] == "stale"
    stack.release()
    await asyncio.sleep(2)
    assert stack.device.permit_id == 0  # the next series is not granted
    stack.line.to_host.vices = ()
    await stack.permitted()
    await stack.give_all()
    assert_books_balance(stack)


@pytest.mark.shows("REQ-033", "HZ-036")
@pytest.mark.parametrize("seed", range(2))
async def test_a_doubling_line_changes_nothing(stack: Stack, seed: int) -> None:
    chance = random.Random(seed)
    await stack.prepare(SHORT)

    def double(piece: bytes, _: Frame | None) -> list[bytes]:
        return [piece] * chance.choice((1, 1, 2, 3))

    stack.line.to_host.vices = stack.line.to_device.vices = (Tap(double),)
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 20
    assert_books_balance(stack)
    assert stack.latched == set()


@pytest.mark.shows("REQ-033", "HZ-033")
@pytest.mark.parametrize("seed", range(4))
async def test_a_garbling_line_loses_and_doubles_no_pulse(stack: Stack, seed: int) -> None:
    chance = random.Random(seed)
    await stack.prepare(SHORT)

    def garble(piece: bytes, _: Frame | None) -> list[bytes]:
        if chance.random() < 0.9:
            return [piece]
        dirty = bytearray(piece)
        dirty[chance.randrange(len(dirty))] ^= 1 << chance.randrange(8)
        return [bytes(dirty)]

    for _ in range(20):  # a trip may end any arming: begin again until all is given
        stack.line.to_host.vices = stack.line.to_device.vices = (Tap(garble),)
        outcome = await stack.daemon.console.arm(await stack.login())
        for _ in range(2 if outcome["outcome"] == "done" else 0):
            with contextlib.suppress(AssertionError):
                await stack.until(lambda: stack.device.permit_id != 0, "a permit", within_s=3)
            stack.press()
            await asyncio.sleep(3)
            stack.release()
            await asyncio.sleep(0.2)
        stack.line.to_host.vices = stack.line.to_device.vices = ()
        await stack.until(lambda: stack.status is not None and stack.daemon.recorder.balanced, "books")
        assert_books_balance(stack)
        if stack.truth.aperture == 20:
            return
        await put_right(stack)
    raise AssertionError(f"{stack.truth.aperture} of 20 pulses after 20 armings")


async def put_right(stack: Stack) -> None:
    """What an operator does after a trip: look, acknowledge, take the session in hand again."""
    if stack.status is not None and stack.device.state in ARMED:
        await stack.daemon.console.standby(await stack.login())
    await stack.until(lambda: not stack.daemon.commands.uncertain, "settled")
    if stack.latches:
        await stack.until(lambda: not stack.device.faults_present, "the cause gone")
        assert (await stack.acknowledge())["kept"] == []
    await stack.settled()
    if stack.daemon.treatment.session is None:
        await stack.resume()
