"""The whole stack on a line that is slow, noisy or pulled: nobody is hurt, nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from controller.store import Role
from protocols.messages import Heartbeat, PulseReport, Status
from protocols.requests import Grant, Reply
from protocols.states import State
from rig.stack import Stack, plan_text
from sim_device.line import Way
from sim_device.simulator import Simulator
from sim_device.vices import Delay, Drop, Echo, LampNoise, Noise, Overtake, Repeat, Split, Vice

SHORT = plan_text(series="[20]")


def balanced(stack: Stack) -> None:
    assert stack.truth.aperture == 20
    assert stack.recorded == stack.truth.total


async def give(stack: Stack) -> None:
    await stack.prepare(SHORT)
    await stack.arm()
    await stack.give_all()
    balanced(stack)


@pytest.mark.parametrize("baud", [115_200, 921_600])
async def test_a_series_is_given_on_a_line_that_takes_its_time(baud: int) -> None:
    async with Stack(seed=1) as stack:
        stack.laser.work(lambda simulator: simulator.wire.set_device(baud))
        await give(stack)


@pytest.mark.parametrize(
    "vice",
    [Split(7, 100), Delay(2_000, 3_000), Echo(), Repeat(), Drop().only(Status, Heartbeat, probability=0.05)],
    ids=lambda vice: type(vice).__name__,
)
async def test_a_series_is_given_in_spite_of(vice: Vice) -> None:
    async with Stack(seed=2) as stack:
        await stack.prepare(SHORT)
        stack.line.to_device.vices = stack.line.to_host.vices = (vice,)
        await stack.arm()
        await stack.give_all()
        balanced(stack)
        assert vice.fired > 10


def ring(simulator: Simulator) -> None:
    """From now on the lamp is heard on the line."""
    for way in (simulator.wire.to_device, simulator.wire.to_host):
        vice = LampNoise(way, bits=4, rings_us=2_900)
        way.add(vice)
        simulator.observers.append(vice)


@pytest.mark.shows("REQ-033", "HZ-033")
async def test_bit_flips_at_each_lamp_trigger_lose_no_pulse() -> None:
    """HZ-033: what the lamp's discharge garbles is asked for again."""
    async with Stack(seed=3) as stack:
        await stack.prepare(SHORT)
        stack.laser.work(ring)
        await stack.arm()
        await stack.give_all()
        balanced(stack)
        assert sum(vice.fired for way in ways(stack) for vice in way.vices if isinstance(vice, Vice)) >= 10


@pytest.mark.shows("REQ-032", "HZ-002")
async def test_frames_half_a_second_late_end_emission_in_time() -> None:
    """HZ-002: with heartbeats late, no challenge is answered in its 200 ms, and no pulse follows."""
    async with Stack(seed=4) as stack:
        await stack.prepare(SHORT)
        await stack.arm()
        await stack.fire(3)
        late = Delay(500_000)
        stack.line.to_device.add(late)
        began_us = stack.laser.now_us
        await asyncio.sleep(5)
        assert late.fired
        assert max(pulse.time_us for pulse in stack.truth.pulses) <= began_us + 250_000


@pytest.mark.shows("REQ-033", "HZ-036")
async def test_a_grant_that_is_replayed_gives_no_light() -> None:
    """HZ-036: the permit of a captured frame is used up or void, whatever the foot does."""
    async with Stack(seed=5) as stack:
        await stack.prepare(SHORT)
        again = Repeat(after_us=15_000_000, copies=3).only(Grant)
        stack.line.to_device.add(again)
        await stack.arm()
        await stack.give_all()
        balanced(stack)
        stack.press()
        await asyncio.sleep(60)
        assert again.fired == 1
        balanced(stack)


async def test_a_grant_whose_answers_are_lost_is_asked_about_again_while_the_foot_is_down() -> None:
    async with Stack(seed=9) as stack:
        await stack.prepare(SHORT)
        await stack.daemon.console.arm(await stack.login())
        lost = Drop().only(Reply)
        stack.line.to_host.add(lost)
        await stack.permitted()
        stack.press()
        await stack.until(lambda: stack.device.state is State.EMITTING, "emission")
        asked_before = lost.fired
        await stack.until(lambda: lost.fired > asked_before, "a repetition under the pressed foot")
        stack.line.to_host.vices = ()
        await stack.until(lambda: not stack.device.permit_id, "the permit used up")
        stack.release()
        await stack.until(lambda: stack.daemon.treatment.session is None, "the session done")
        balanced(stack)
        assert "stop" not in {event.kind.value for event in stack.reader.events(limit=200)}


async def test_noise_and_overtaking_keep_the_books() -> None:
    async with Stack(seed=6) as stack:
        await stack.prepare(SHORT)
        noisy, late = Noise(0.0002).only(seed=1), Overtake(30_000).only(PulseReport, probability=0.3, seed=2)
        stack.line.to_host.vices = (noisy, late)
        await stack.arm()
        stack.press()
        await asyncio.sleep(30)
        stack.line.to_host.vices = ()
        await stack.until(lambda: stack.daemon.recorder.balanced, "every pulse recorded")
        assert stack.recorded == stack.truth.total
        assert stack.truth.aperture
        assert noisy.fired
        assert late.fired


@pytest.mark.shows("REQ-032", "HZ-034")
async def test_a_cable_pulled_by_the_scenarios_agenda_ends_emission_and_comes_back() -> None:
    async with Stack(seed=7) as stack:
        await stack.prepare(SHORT)
        await stack.arm()
        await stack.fire(3)
        pulled_us = stack.laser.now_us + 123_000
        stack.laser.work(lambda simulator: simulator.at(pulled_us, unplug))
        stack.laser.work(lambda simulator: simulator.at(pulled_us + 4_000_000, plug))
        await asyncio.sleep(2)
        assert stack.status is None
        await stack.until(lambda: stack.status is not None, "connected again")
        await stack.until(lambda: stack.daemon.recorder.balanced, "every pulse recorded")
        assert max(pulse.time_us for pulse in stack.truth.pulses) <= pulled_us + 250_000
        assert stack.recorded == stack.truth.total


def unplug(simulator: Simulator) -> None:
    simulator.wire.unplug()


def plug(simulator: Simulator) -> None:
    simulator.wire.plug()


def ways(stack: Stack) -> tuple[Way, Way]:
    return stack.line.to_device, stack.line.to_host


@pytest.mark.parametrize(("baud", "struck"), [(0, 100), (115_200, 1)])
async def test_a_lamp_that_rings_on_the_line_at_10_hz_costs_neither_link_nor_emission(
    baud: int, struck: int
) -> None:
    """HZ-033: what the laser tells of itself waits until the lamp has ceased to ring.

    Where bytes take time, a Status, its answer and the report keep their distance from each pulse: then the
    line is as good as silent when the lamp rings (decision 0014).
    """
    text = plan_text(indication='"service"', rep_rate_hz=10.0, series=[120]).replace('skin_type = "II"\n', "")
    async with Stack(seed=8, role=Role.SERVICE) as stack:
        stack.laser.work(lambda simulator: simulator.wire.set_device(baud))
        await stack.settled()
        await stack.acknowledge()
        console = stack.daemon.console
        await console.open_session(await stack.login(), text, "plan.toml", 755, False, service=True)
        stack.laser.work(ring)
        await stack.arm()
        began_us = stack.laser.now_us
        await stack.give_all()
        assert stack.truth.aperture == 120
        assert stack.recorded == stack.truth.total
        assert stack.laser.now_us - began_us < 20_000_000, "some pulses had to be given anew"
        assert (
            sum(vice.fired for way in ways(stack) for vice in way.vices if isinstance(vice, Vice)) >= struck
        )
