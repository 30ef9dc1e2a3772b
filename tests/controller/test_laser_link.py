"""A laser comes, goes, comes back as another, or was built otherwise."""

import asyncio

import pytest

from controller.store import SessionState
from hal.reconnect import LineState
from protocols.frame import Frame, encode
from protocols.messages import Connected, Status
from protocols.requests import ReadCapabilities
from protocols.states import ARMED, State
from rig.laser import SERIAL, SimulatedLaser, cold_laser
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator
from sim_device.vices import Drop, Tap

VIRTUAL_TIME = True


def events(stack: Stack) -> list[str]:
    return [event.text for event in stack.reader.events(limit=1000)]


async def test_a_laser_is_taken_in_with_its_name_its_limits_and_its_books(stack: Stack) -> None:
    await stack.settled()
    device = stack.reader.device(SERIAL)
    assert device is not None
    assert (device.serial, device.simulated, device.baseline_pulse) == (SERIAL, True, 0)
    limits = stack.daemon.treatment.limits
    assert limits is not None
    assert limits.rates_hz == (1.0, 2.5, 5.0, 10.0)
    assert {(mode.wavelength_nm, mode.mode_width_ps) for mode in limits.modes} >= {(755, 750)}
    assert stack.recorded == 32 == stack.device.pulse_number
    report = stack.daemon.reporter.report()
    assert report["device"]["serial"] == SERIAL
    assert report["device"]["calibration"] is not None


async def test_another_laser_on_the_line_is_told_apart_and_left_alone(stack: Stack) -> None:
    await stack.settled()
    stack.line.unplug()
    await stack.until(lambda: stack.status is None, "the loss seen")
    stack.laser.close()
    other = Simulator(Reference(serial="PL755-0002"), Plant(2, Contacts(key_on=True)), RamMemory())
    stack.laser = SimulatedLaser(other, stack.line)
    stack.line.plug_in()
    await stack.until(lambda: stack.daemon.link.line is LineState.OTHER_DEVICE, "told apart")
    await asyncio.sleep(10)
    assert stack.status is None
    assert "PL755-0002, not PL755-0001" in stack.daemon.reporter.report()["link"]["reason"]
    assert stack.reader.device("PL755-0002") is None
    assert sum("PL755-0002, not PL755-0001" in text for text in events(stack)) == 1  # told once


@pytest.mark.shows("REQ-008")
async def test_a_lost_line_forgets_what_was_known_and_a_new_one_is_a_trip(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[4]))
    stack.line.unplug()
    await stack.until(lambda: stack.status is None, "the loss seen")
    assert stack.daemon.treatment.limits is None
    assert stack.daemon.commands.laser is None
    await asyncio.sleep(2)
    stack.line.plug_in()
    await stack.until(lambda: stack.status is not None, "connected again")
    assert LatchId.RECONNECTED in stack.latched
    assert stack.reader.sessions()[0].state is SessionState.INTERRUPTED
    await stack.resume()
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 4


@pytest.mark.shows("REQ-001", "HZ-001")
async def test_a_laser_that_is_armed_by_nobody_here_is_stopped(stack: Stack) -> None:
    """What a killed daemon left READY is not this daemon's: its Connect has voided it, and it is watched."""
    await stack.prepare()
    await stack.arm()
    stack.kill_daemon()
    stack.start_daemon()  # within the 200 ms that the old one's heartbeat still lives
    await stack.until(lambda: stack.status is not None, "connected again", within_s=1)
    assert stack.device.state not in ARMED
    assert stack.device.permit_id == 0
    await asyncio.sleep(1)
    assert stack.laser.state is State.STANDBY


async def test_a_device_that_does_not_answer_is_asked_again_for_ever(stack: Stack) -> None:
    await stack.settled()
    stack.line.to_device.vices = (Drop().only(ReadCapabilities),)
    stack.line.unplug()
    stack.line.plug_in()
    await asyncio.sleep(30)
    assert stack.status is None
    assert stack.daemon.commands.laser is None
    stack.line.to_device.vices = ()
    await stack.until(lambda: stack.status is not None, "connected again")


async def test_a_device_of_another_interface_is_shown_and_never_armed() -> None:
    async with Stack() as stack:

        def older(piece: bytes, frame: Frame | None) -> list[bytes]:
            if frame is None or not isinstance(frame.message, Connected):
                return [piece]
            told = frame.message
            other = Connected(told.host_nonce, told.boot, told.interface_hash ^ 1)
            return [encode(Frame(frame.session, frame.seq, other))]

        stack.line.to_host.vices = (Tap(older),)
        await stack.settled()
        report = stack.daemon.reporter.report()
        assert report["device"]["interface_matches"] is False
        await stack.daemon.console.acknowledge(await stack.login(), [("start_up", 1)])
        await stack.daemon.console.open_session(await stack.login(), plan_text(), "plan", 755, checklist=True)
        answer = await stack.daemon.console.arm(await stack.login())
        assert "host.interface" in {reason["code"] for reason in answer["reasons"]}
        assert stack.truth.aperture == 0


async def test_a_cold_laser_is_followed_from_the_key_to_standby() -> None:
    """The whole start with the daemon attached: every state seen in its order, every test pulse recorded."""
    async with Stack(warm=False) as stack:
        seen: list[State] = []

        def note(piece: bytes, frame: Frame | None) -> list[bytes]:
            state = frame.message.state if frame and isinstance(frame.message, Status) else None
            if state is not None and seen[-1:] != [state]:
                seen.append(state)
            return [piece]

        stack.line.to_host.vices = (Tap(note),)
        await stack.until(lambda: stack.status is not None, "connected")
        # The water of a short pause: the nine minutes of a cold morning would only cost time.
        simulator, now_us = stack.laser.simulator, stack.laser.now_us
        simulator.act(lambda plant: plant.coolant.set_celsius(now_us, 59.5), now_us)
        stack.laser.act("key", to="on")
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=300)
        order = [State.OFF, State.SELF_TEST, State.WARM_UP, State.CALIBRATING, State.STANDBY]
        assert [state for state in seen if state in order] == order
        stack.laser.act("undock")
        await stack.prepare(plan_text(series=[3]))
        await stack.arm()
        await stack.give_all()
        assert stack.truth.aperture == 3
        assert stack.recorded == stack.truth.total


@pytest.mark.parametrize("seed", [2, 3])
async def test_each_seed_is_a_laser_of_its_own_and_all_can_treat(seed: int) -> None:
    async with Stack(seed=seed) as stack:
        await stack.prepare(plan_text(series=[3]))
        await stack.arm()
        await stack.give_all()
        assert stack.truth.aperture == 3
        assert cold_laser(seed).state is State.OFF
