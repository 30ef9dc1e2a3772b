"""A plan from confirmation to the last pulse, and everything that may come in between. The plant judges."""

import asyncio
import math
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from controller.declined import Declined
from controller.store import CommandOutcome, PulseRecord, SessionState
from controller.tomlfile import TomlError
from protocols.messages import Leave, Shutter
from protocols.requests import Setpoint
from protocols.states import ARMED, State
from rig.stack import PLAN, Stack, plan_text
from safety.latches import LatchId
from sim_device.plant.truth import TruePulse

VIRTUAL_TIME = True

CALIBRATION = 32  # pulses the laser gave into its port before anybody connected: two shutter proofs, thirty


def of_plan(stack: Stack) -> list[PulseRecord]:
    return [pulse for pulse in stack.reader.pulses(stack.serial) if pulse.session_id is not None]


def lit(stack: Stack) -> list[TruePulse]:
    return [pulse for pulse in stack.truth.pulses if pulse.aperture]


def assert_all_agree(stack: Stack, given: int) -> None:
    """The device's counter, the plant's truth and the records tell the same, number by number."""
    assert stack.truth.aperture == len(lit(stack)) == given
    assert all(pulse.foot_pressed and not pulse.open_contacts for pulse in lit(stack))
    recorded = [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial)]
    assert recorded == list(range(1, stack.device.pulse_number + 1))
    assert len(of_plan(stack)) == given
    assert stack.reader.check() == []


async def test_a_plan_is_carried_out_and_all_counts_agree(stack: Stack) -> None:
    session = await stack.prepare()
    assert stack.truth.aperture == 0
    await stack.arm()
    await stack.give_all()

    assert_all_agree(stack, 60)
    assert stack.device.pulse_number == CALIBRATION + 60 == stack.truth.total
    pulses = of_plan(stack)
    assert {pulse.session_id for pulse in pulses} == {session["id"]}
    assert sorted(Counter(pulse.permit_id for pulse in pulses).values()) == [20, 20, 20]
    assert [pulse.series for pulse in pulses] == [1] * 20 + [2] * 20 + [3] * 20
    for pulse, true in zip(pulses, lit(stack), strict=True):
        assert pulse.aperture
        assert not pulse.flags
        assert pulse.monitor_b_mj == pytest.approx(true.transmitted_uj / 1e3, rel=0.05)  # REQ-018's meters
        assert pulse.pulse_width_ps == pytest.approx(true.width_ps, rel=0.05)
        assert pulse.set_energy_mj == 173.0
    record = stack.reader.session(str(session["id"]))
    assert (record.state, record.delivered_pulses, record.unknown_pulses) == (SessionState.DONE, 60, 0)
    area_cm2 = math.pi * 0.35**2 / 4
    dose = sum((pulse.monitor_b_mj or math.nan) / 1e3 / area_cm2 for pulse in pulses)
    assert record.dose_j_cm2 == pytest.approx(dose)
    await asyncio.sleep(0.2)
    assert stack.device.shutter is Shutter.CLOSED
    assert stack.latched == set()


async def test_each_series_has_one_permit_written_down_before_it_was_asked_for(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.give_all()
    grants = stack.reader.commands("grant")
    assert [grant.body["pulses"] for grant in grants] == [20, 20, 20]
    assert {grant.outcome for grant in grants} == {CommandOutcome.DONE}
    firsts = {pulse.permit_id: pulse.mono_us for pulse in reversed(of_plan(stack))}
    begun = {int(str(grant.body["permit_id"])): grant.begun_mono_us for grant in grants}
    assert begun.keys() == firsts.keys()
    assert all(begun[permit] < firsts[permit] for permit in begun)
    assert [command.outcome for command in stack.reader.commands("arm")] == [CommandOutcome.DONE]


async def test_no_series_is_granted_before_the_one_before_is_on_disk(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.prepare(plan_text(series=[3, 3]))
    await stack.arm()
    write = stack.daemon.recorder._write

    async def slow(batch: list[Any]) -> bool:
        await asyncio.sleep(0.7)  # a disk that takes its time
        return await write(batch)

    monkeypatch.setattr(stack.daemon.recorder, "_write", slow)
    await stack.give_series()
    await asyncio.sleep(0.2)
    counted = stack.device.pulse_number
    assert stack.recorded < counted
    assert stack.device.permit_id == 0
    await stack.permitted()
    assert stack.recorded == counted


async def test_the_pulses_keep_the_rate_of_the_plan(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[30]))
    await stack.arm()
    await stack.give_all()
    times_us = [pulse.time_us for pulse in lit(stack)]
    gaps_us = [late - early for early, late in pairwise(times_us)]
    assert min(gaps_us) >= 200_000 - 100
    assert max(gaps_us) <= 400_000  # one trigger may be skipped while the capacitor charges


async def test_a_foot_held_over_the_end_of_a_series_fires_nothing_more(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    stack.press()
    await stack.until(lambda: stack.truth.aperture == 20, "the first series")
    await asyncio.sleep(5)
    assert stack.truth.aperture == 20
    assert stack.device.permit_id == 0
    assert len(stack.reader.commands("grant")) == 1
    stack.release()
    await stack.permitted()
    await asyncio.sleep(1)
    assert stack.truth.aperture == 20  # a permit alone makes no light: a fresh press does
    await stack.give_all()
    assert_all_agree(stack, 60)


async def test_a_foot_taken_off_in_mid_series_and_put_back_goes_on(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[10, 5]))
    await stack.arm()
    await stack.fire(4)
    stack.release()
    released_us = stack.laser.now_us
    await asyncio.sleep(3)
    given = stack.truth.aperture
    assert lit(stack)[-1].time_us <= released_us + 20_000  # DESIGN: foot to last pulse
    assert stack.device.permit_pulses_left == 10 - given
    await stack.give_series()
    await stack.until(lambda: stack.recorded == CALIBRATION + 10, "the series recorded")
    await stack.give_all()
    assert_all_agree(stack, 15)
    assert len(stack.reader.commands("grant")) == 2


async def test_several_passes_repeat_the_series(stack: Stack) -> None:
    stack.laser.act("handpiece", name="LENS_ARRAY_6")
    changes = {
        "indication": '"acne_scars"',
        "handpiece": '"lens_array_6"',
        "spot_mm": 6.0,
        "pulse_energy_mj": 200.0,
        "passes": 3,
    }
    await stack.prepare(plan_text(series=[2, 3], **changes))
    await stack.arm()
    await stack.give_all()
    assert_all_agree(stack, 15)
    grants = [grant.body["pulses"] for grant in reversed(stack.reader.commands("grant"))]
    assert grants == [2, 3, 2, 3, 2, 3]


async def test_an_idle_ready_returns_to_standby_and_the_session_can_be_armed_again() -> None:
    async with Stack(safety={"idle_standby_s": 30}) as stack:
        await stack.prepare(plan_text(series=[3]))
        await stack.arm()
        began_s = stack.loop.time()
        await stack.until(lambda: stack.device.state is State.STANDBY, "STANDBY", within_s=60)
        assert 27 <= stack.loop.time() - began_s <= 32
        assert stack.device.permit_id == 0
        assert stack.latched == set()
        await stack.arm()
        await stack.give_all()
        assert_all_agree(stack, 3)


# -- what is refused


@pytest.mark.parametrize(
    ("eyewear_nm", "checklist", "missing"),
    [
        (1064, True, {"confirm.eyewear"}),
        (755, False, {"confirm.checklist"}),
        (532, False, {"confirm.eyewear", "confirm.checklist"}),
    ],
)
async def test_missing_confirmations_are_all_named_and_nothing_is_half_applied(
    stack: Stack, eyewear_nm: int, checklist: bool, missing: set[str]
) -> None:
    await stack.settled()
    await stack.acknowledge()
    who = await stack.login()
    train(stack, eyewear_nm)  # the one who holds the wrong eyewear may well be trained for it
    with pytest.raises(Declined) as declined:
        await stack.daemon.console.open_session(who, PLAN, "plan.toml", eyewear_nm, checklist)
    assert {reason["code"] for reason in declined.value.reasons} == missing
    await assert_nothing_was_applied(stack)


def train(stack: Stack, wavelength_nm: int) -> None:
    assert stack.store is not None
    expires = stack.wall_clock() + timedelta(days=1)
    stack.store.record_training("anna", wavelength_nm, expires, actor="test", now_us=0)


async def test_an_operator_whose_training_expired_may_not_treat(stack: Stack) -> None:
    await stack.prepare()
    who = await stack.login()
    assert stack.store is not None
    past = stack.wall_clock() - timedelta(seconds=1)
    stack.store.record_training("anna", 755, past, actor="test", now_us=0)
    for ask in (
        stack.daemon.console.arm(who),
        stack.daemon.console.resume_session(who, 755, checklist=True),
        stack.daemon.console.open_session(who, PLAN, "plan.toml", 755, checklist=True),
    ):
        with pytest.raises(Declined, match="no training for 755 nm") as declined:
            await ask
        assert declined.value.status == 403
    assert stack.device.arm_epoch == 0


async def assert_nothing_was_applied(stack: Stack) -> None:
    await asyncio.sleep(1)
    assert stack.device.setpoint_hash == 0
    assert stack.reader.sessions() == []
    assert stack.daemon.treatment.session is None
    assert stack.daemon.supervisor.view(0).plan is None
    with pytest.raises(Declined, match="no session is in hand"):
        await stack.daemon.console.arm(await stack.login())


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"pulse_energy_mj": 350.0}, {"pulse_energy_mj"}),
        ({"mode_width_ps": 300}, {"mode_width_ps"}),
        ({"wavelength_nm": 900}, {"wavelength_nm", "pulse_energy_mj"}),
        ({"rep_rate_hz": 20.0}, {"rep_rate_hz"}),
        ({"rep_rate_hz": 3.0}, {"rep_rate_hz"}),
        ({"spot_mm": 9.0}, {"spot_mm", "pulse_energy_mj"}),
        ({"passes": 9}, {"passes"}),
        ({"series": []}, {"treatment.series"}),
        ({"rep_rate_hz": 20.0, "passes": 9}, {"rep_rate_hz", "passes"}),
    ],
)
async def test_a_plan_that_may_not_be_done_is_refused_with_every_field(
    stack: Stack, changes: dict[str, object], fields: set[str]
) -> None:
    await stack.settled()
    await stack.acknowledge()
    who = await stack.login()
    with pytest.raises(Declined) as declined:
        await stack.daemon.console.open_session(who, plan_text(**changes), "plan.toml", 755, checklist=True)
    assert {problem["field"] for problem in declined.value.problems} == fields
    assert all(problem["allowed"] or problem["action"] for problem in declined.value.problems)
    await assert_nothing_was_applied(stack)


async def test_a_spot_that_is_not_the_planned_one_is_refused_by_the_laser_itself(stack: Stack) -> None:
    await stack.settled()
    await stack.acknowledge()
    stack.laser.act("spot", spot_mm=4.0)
    with pytest.raises(Declined, match="did not take the set-point") as declined:
        await stack.prepare()
    assert {reason["code"] for reason in declined.value.reasons} == {"device.spot_differs"}
    await assert_nothing_was_applied(stack)


async def test_a_plan_that_is_no_plan_is_declined_as_a_file(stack: Stack) -> None:
    await stack.settled()
    with pytest.raises(TomlError):
        stack.daemon.treatment.check("format = ", "plan.toml")
    with pytest.raises(Declined, match="is not a plan that can be read"):
        await stack.daemon.console.check_plan("format = ", "plan.toml")


async def test_an_unfinished_session_must_be_resumed_or_abandoned_before_another(stack: Stack) -> None:
    first = await stack.prepare()
    with pytest.raises(Declined, match="60 pulses left") as declined:
        await stack.prepare()
    assert declined.value.code == "session.unfinished"
    abandoned = await stack.daemon.console.abandon_session(await stack.login())
    assert abandoned == {"id": first["id"], "state": "abandoned", "planned": 60, "delivered": 0}
    second = await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert stack.reader.session(str(second["id"])).state is SessionState.DONE
    assert stack.reader.session(str(first["id"])).state is SessionState.ABANDONED


async def test_abandoning_while_armed_ends_the_permission_too(stack: Stack) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.fire(3)
    await stack.daemon.console.abandon_session(await stack.login())
    given = stack.truth.aperture
    await asyncio.sleep(3)
    assert stack.truth.aperture <= given + 1
    assert stack.device.state not in ARMED
    stack.release()
    await stack.until(lambda: stack.daemon.recorder.balanced, "every pulse recorded")
    assert len(of_plan(stack)) == stack.truth.aperture


async def test_arming_without_acknowledging_the_start_is_refused_with_its_reason(stack: Stack) -> None:
    await stack.settled()
    await stack.daemon.console.open_session(await stack.login(), PLAN, "plan.toml", 755, checklist=True)
    answer = await stack.daemon.console.arm(await stack.login())
    assert answer["outcome"] == "refused"
    assert "host.latched" in {reason["code"] for reason in answer["reasons"]}
    assert stack.device.state is State.STANDBY


async def test_arming_with_the_foot_down_is_refused(stack: Stack) -> None:
    await stack.prepare()
    stack.press()
    await stack.until(lambda: bool(stack.device.foot), "the foot seen")
    answer = await stack.daemon.console.arm(await stack.login())
    assert answer["outcome"] == "refused"
    await asyncio.sleep(5)
    assert stack.truth.aperture == 0


# -- what comes in between


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


async def test_the_set_point_in_force_is_the_plans(stack: Stack) -> None:
    await stack.prepare()
    laser = stack.daemon.commands.laser
    assert laser is not None
    outcome = await laser.read_setpoint()
    expected = Setpoint(755, 750, 173_000, 5_000, stack.device.handpiece, 3_500)
    await stack.until(lambda: stack.device.setpoint_hash == expected.hash, "a Status that tells its hash")
    assert "set_point" in repr(outcome)
