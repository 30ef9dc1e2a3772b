"""What keeps a treatment from beginning, told with all its reasons."""

import asyncio
from datetime import timedelta

import pytest

from controller.declined import Declined
from controller.store import CommandOutcome, SessionState
from controller.tomlfile import TomlError
from protocols.states import ARMED, State
from rig.stack import PLAN, Stack, plan_text
from safety.checklist import ITEMS
from tests.controller.treatments import of_plan

VIRTUAL_TIME = True


@pytest.mark.shows("REQ-044", "HZ-018", "HZ-045")
@pytest.mark.parametrize(
    ("eyewear_nm", "checklist", "missing"),
    [
        (1064, True, {"confirm.eyewear_nm"}),
        (755, False, {f"confirm.{key}" for key in ITEMS}),
        # That it is worn by everybody, and what it is made for, are two things.
        (532, False, {f"confirm.{key}" for key in ITEMS} | {"confirm.eyewear_nm"}),
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


@pytest.mark.shows("REQ-045")
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


@pytest.mark.shows("REQ-022", "HZ-016")
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


async def test_nothing_is_resumed_before_every_pulse_is_on_record(stack: Stack) -> None:
    await stack.prepare()
    await stack.daemon.console.stop("operator", "enough")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    stack.daemon.recorder.device_counter(stack.device.pulse_number + 1)
    with pytest.raises(Declined, match="not all recorded") as declined:
        await stack.daemon.console.resume_session(await stack.login(), 755, checklist=True)
    assert declined.value.code == "session.books"
    stack.daemon.recorder.accept_gap(stack.device.pulse_number + 1)
    assert (await stack.resume())["remaining"] == 60


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


@pytest.mark.shows("REQ-008")
async def test_arming_without_acknowledging_the_start_is_refused_with_its_reason(stack: Stack) -> None:
    await stack.settled()
    await stack.daemon.console.open_session(await stack.login(), PLAN, "plan.toml", 755, checklist=True)
    answer = await stack.daemon.console.arm(await stack.login())
    assert answer["outcome"] == "refused"
    assert "host.latched" in {reason["code"] for reason in answer["reasons"]}
    assert stack.device.state is State.STANDBY


@pytest.mark.shows("REQ-003")
async def test_arming_with_the_foot_down_is_refused(stack: Stack) -> None:
    await stack.prepare()
    stack.press()
    await stack.until(lambda: bool(stack.device.foot), "the foot seen")
    answer = await stack.daemon.console.arm(await stack.login())
    assert answer["outcome"] == "refused"
    await asyncio.sleep(5)
    assert stack.truth.aperture == 0


async def test_a_permit_that_the_laser_refuses_is_asked_for_again_once_a_second(stack: Stack) -> None:
    """Whether the strap of the internal trigger is set is for the laser alone to know."""
    await stack.prepare()
    stack.laser.act("strap", to="on")
    answer = await stack.daemon.console.arm(await stack.login())
    assert answer["outcome"] == "done"
    await stack.until(lambda: stack.device.state is State.READY, "READY")
    await stack.until(lambda: bool(stack.reader.commands("grant")), "a refused permit")
    await asyncio.sleep(10.5)
    refused = stack.reader.commands("grant")
    assert {command.outcome for command in refused} == {CommandOutcome.REFUSED}
    assert len(refused) in {10, 11}
    stack.laser.act("strap", to="off")
    await stack.permitted()
