"""Everything that comes in between in a treatment."""

import asyncio
from dataclasses import replace

import pytest

from controller.declined import Declined
from controller.store import SessionState
from protocols.messages import Leave
from protocols.requests import Setpoint
from protocols.states import State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from tests.controller.treatments import assert_all_agree, lit, of_plan

VIRTUAL_TIME = True


@pytest.mark.shows("REQ-010", "REQ-022", "HZ-016")
async def test_a_spot_turned_in_ready_disarms_and_the_session_stays_open(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[4, 4]))
    await stack.arm()
    await stack.give_series()
    await stack.permitted()
    stack.laser.act("spot", spot_mm=5.0)
    await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY")
    assert stack.device.leave is Leave.SPOT
    refused = await stack.daemon.console.arm(await stack.login())
    assert "host.spot" in {reason["code"] for reason in refused["reasons"]}
    stack.laser.act("spot", spot_mm=3.5)
    await stack.until(lambda: stack.device.spot_um == 3500, "the spot back")
    assert stack.daemon.treatment.session is not None
    await stack.arm()
    await stack.give_all()
    assert_all_agree(stack, 8)


TRIPS = {
    "door": ("door", {"to": "open"}, {"to": "close"}),
    "estop": ("estop", {"to": "press"}, {"to": "release"}),
    "cover": ("cover", {"to": "open"}, {"to": "close"}),
}


@pytest.mark.shows("REQ-007", "REQ-008")
@pytest.mark.parametrize("contact", TRIPS)
async def test_an_interlock_while_emitting_trips_and_resume_gives_exactly_what_remains(
    stack: Stack, contact: str
) -> None:
    action, opened, closed = TRIPS[contact]
    session = await stack.prepare(plan_text(series=[10, 10]))
    await stack.arm()
    await stack.fire(7)
    stack.laser.act(action, **opened)
    at_us = stack.laser.now_us
    await stack.until(lambda: stack.device.state is State.FAULT, "FAULT")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    assert stack.latched == {LatchId.DEVICE_FAULT}
    assert all(pulse.time_us <= at_us + 10_000 for pulse in lit(stack))  # DESIGN: to trigger inhibit
    given = stack.truth.aperture
    await asyncio.sleep(2)
    record = stack.reader.session(str(session["id"]))
    assert (record.state, record.delivered_pulses) == (SessionState.INTERRUPTED, given)

    kept = await stack.acknowledge()
    assert kept["kept"], "acknowledged although the contact is still open"
    stack.release()
    stack.laser.act(action, **closed)
    await stack.until(lambda: not stack.device.faults_present, "the cause gone")
    assert (await stack.acknowledge())["kept"] == []
    await stack.standby()
    assert stack.device.state is State.STANDBY
    resumed = await stack.resume()
    assert (resumed["id"], resumed["remaining"]) == (session["id"], 20 - given)
    await stack.arm()
    await stack.give_all()
    assert_all_agree(stack, 20)
    assert stack.reader.session(str(session["id"])).state is SessionState.DONE


async def test_the_operators_stop_interrupts_and_latches_nothing(stack: Stack) -> None:
    session = await stack.prepare()
    await stack.arm()
    await stack.fire(5)
    answer = await stack.daemon.console.stop("operator", "enough")
    assert answer["confirmed"]
    stopped_us = stack.laser.now_us
    assert answer["took_ms"] <= 100
    await asyncio.sleep(2)
    assert lit(stack)[-1].time_us <= stopped_us
    assert stack.device.state is State.STANDBY
    assert stack.device.leave is Leave.STOP
    assert stack.latched == set()
    stack.release()
    given = stack.truth.aperture
    assert stack.reader.session(str(session["id"])).state is SessionState.INTERRUPTED
    with pytest.raises(Declined):
        await stack.daemon.console.arm(await stack.login())
    assert (await stack.resume())["remaining"] == 60 - given
    await stack.arm()
    await stack.give_all()
    assert_all_agree(stack, 60)


@pytest.mark.shows("REQ-006", "HZ-004")
async def test_the_key_turned_off_in_mid_series_ends_it(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.fire(3)
    stack.laser.act("key", to="off")
    at_us = stack.laser.now_us
    await stack.until(lambda: stack.device.state is State.OFF, "OFF")
    await asyncio.sleep(2)
    assert all(pulse.time_us <= at_us + 10_000 for pulse in lit(stack))
    assert stack.daemon.recorder.balanced


async def test_a_rehearsal_counts_and_lets_no_light_out(stack: Stack) -> None:
    session = await stack.prepare(plan_text(rehearsal=True, series=[5, 5]))
    shuttered = stack.truth.shuttered
    await stack.arm()
    await stack.give_all()
    assert stack.truth.aperture == 0
    assert stack.truth.shuttered - shuttered >= 10
    record = stack.reader.session(str(session["id"]))
    assert record.state is SessionState.DONE
    assert (record.dose_j_cm2, record.energy_mj) == (0.0, 0.0)
    pulses = of_plan(stack)
    assert len(pulses) == 10
    assert all("shutter_closed" in pulse.flags and not pulse.aperture for pulse in pulses)


async def test_an_interrupted_rehearsal_is_resumed_with_what_remains(stack: Stack) -> None:
    await stack.prepare(plan_text(rehearsal=True, series=[10]))
    await stack.arm()
    await stack.fire(4)
    await stack.daemon.console.stop("operator", "enough")
    stack.release()
    await asyncio.sleep(1)
    given = len(of_plan(stack))
    assert (await stack.resume())["remaining"] == 10 - given
    await stack.arm()
    await stack.give_all()
    assert len(of_plan(stack)) == 10
    assert stack.truth.aperture == 0


@pytest.mark.parametrize(
    ("later", "state", "over"),
    [(0, State.READY, False), (0, State.STANDBY, True), (1, State.READY, True), (-1, State.STANDBY, False)],
)
async def test_an_arming_is_over_when_a_status_says_so_of_it_or_tells_of_a_later_one(
    stack: Stack, later: int, state: State, over: bool
) -> None:
    await stack.prepare()
    await stack.arm()
    treatment = stack.daemon.treatment
    assert treatment.session is not None
    epoch = stack.device.arm_epoch
    assert treatment.session.arm_epoch == epoch
    treatment.status(replace(stack.device, arm_epoch=epoch + later, state=state))
    assert treatment.session.arm_epoch == (None if over else epoch)


async def test_the_set_point_in_force_is_the_plans(stack: Stack) -> None:
    await stack.prepare()
    laser = stack.daemon.commands.laser
    assert laser is not None
    outcome = await laser.read_setpoint()
    expected = Setpoint(755, 750, 173_000, 5_000, stack.device.handpiece, 3_500)
    await stack.until(lambda: stack.device.setpoint_hash == expected.hash, "a Status that tells its hash")
    assert "set_point" in repr(outcome)
