"""The gate in every situation: what makes light leaves in exactly one."""

import itertools
from dataclasses import fields
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import Beam, Handpiece, Intent, Message
from protocols.refusals import Refusal
from protocols.requests import Calibrate, CommitSetpoint, Trigger
from protocols.states import State
from safety.freshness import Input, Quality
from safety.gate import LoadedPlan, Situation, refusals
from safety.reasons import HOST_REASONS, HostReason, reason
from tests.safety.laser import ARM, GRANT, SETPOINT, plan, status
from tests.safety.situations import (
    FOREARM,
    GOOD,
    INPUT_CODES,
    LATCH,
    LINK,
    READY,
    STANDBY,
    codes,
    on_device,
    replace,
)


@pytest.mark.shows("REQ-041", "HZ-022")
def test_every_reason_has_words_for_an_operator() -> None:
    assert set(HOST_REASONS) == set(HostReason)
    for row in HOST_REASONS.values():
        assert row.text
        assert row.action


def test_arm_and_grant_leave_when_everything_is_known_and_good() -> None:
    assert refusals(ARM, STANDBY) == ()
    assert refusals(GRANT, READY) == ()


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("message", [ARM, GRANT, Calibrate()], ids=["arm", "grant", "calibrate"])
def test_what_makes_light_leaves_in_exactly_one_situation(message: Message) -> None:
    wanted = State.READY if message is GRANT else State.STANDBY
    base = READY if message is GRANT else STANDBY
    yes_no = (False, True)
    space: Any = itertools.product((None, LINK), (Quality.GOOD, Quality.STALE), State, *[yes_no] * 7)
    for link, quality, state, latched, uncertain, interlock, fault, block, calibrated, may in space:
        device = replace(
            base.device or status(),
            state=state,
            open_interlocks=frozenset({Interlock.DOOR} if interlock else ()),
            first_fault=Fault.DOOR if fault else Fault.NONE,
            blocks=frozenset({Refusal.FOOT_HELD} if block else ()),
            calibrated=calibrated,
        )
        situation = replace(
            base,
            link=link,
            qualities=GOOD | {Input.STATUS: quality, Input.OPERATOR: Quality.GOOD if may else Quality.BAD},
            device=device,
            latches=(LATCH,) if latched else (),
            uncertain=("cmd-1",) if uncertain else (),
        )
        expected = {
            "link_down": link is None,
            "status": quality is not Quality.GOOD,
            "operator": not may,
            "latched": latched,
            "uncertain": uncertain,
            "interlock": interlock,
            "fault": fault or state is State.FAULT,
            "wrong_state": state is not wanted,
            "block": block and not isinstance(message, Calibrate),
            "not_calibrated": not calibrated and not isinstance(message, Calibrate),
        }
        assert codes(message, situation) == {code for code, hit in expected.items() if hit}


@pytest.mark.parametrize("message", [ARM, GRANT, Calibrate()], ids=["arm", "grant", "calibrate"])
def test_every_input_must_be_good(message: Message) -> None:
    base = READY if message is GRANT else STANDBY
    needed = set(INPUT_CODES.values()) - ({"calibration"} if isinstance(message, Calibrate) else set())
    for qualities in itertools.product(Quality, repeat=len(Input)):
        given = dict(zip(Input, qualities, strict=True))
        bad = {INPUT_CODES[which] for which, quality in given.items() if quality is not Quality.GOOD}
        assert codes(message, replace(base, qualities=given)) == bad & needed
    assert codes(message, replace(base, qualities={})) == needed


def test_nothing_known_gives_every_reason_at_once() -> None:
    nothing = Situation(None, {}, None, None, None)
    unknown = {"link_down", *INPUT_CODES.values(), "counters", "wrong_state", "no_plan", "setpoint_unread"}
    assert codes(ARM, nothing) == unknown
    assert codes(GRANT, nothing) == unknown | {"not_armed"}
    assert codes(Calibrate(), nothing) == unknown - {"no_plan", "setpoint_unread", "calibration"}


OTHER_GRANT: dict[str, tuple[Any, str]] = {
    "boot": (8, "boot"),
    "session": (78, "session"),
    "arm_epoch": (11, "not_armed"),
    "stop_epoch": (2, "stopped_since"),
    "pulses": (21, "pulses"),
    "beam": (Beam.SHUTTER, "beam"),
    "trigger": (Trigger.INTERNAL, "trigger"),
    "wavelength_nm": (532, "wavelength"),
    "mode_width_ps": (650, "mode"),
    "rep_rate_mhz": (10_000, "rate"),
    "handpiece": (Handpiece.FIXED_6, "handpiece"),
    "spot_um": (2_000, "spot"),
    "setpoint_hash": (1, "setpoint_differs"),
    "ends_us": (1_000_000, "permit_end"),
    "permit_id": (666, "permit_used"),
}


def test_a_grant_with_any_set_of_wrong_fields_is_refused_for_each_of_them() -> None:
    assert set(OTHER_GRANT) == {field.name for field in fields(GRANT)}
    situation = replace(READY, permit_used=lambda permit_id: permit_id == 666)
    names = list(OTHER_GRANT)
    few = [wrong for size in range(4) for wrong in itertools.combinations(names, size)]
    for wrong in [*few, tuple(names)]:
        message = replace(GRANT, **{name: OTHER_GRANT[name][0] for name in wrong})
        assert codes(message, situation) == {OTHER_GRANT[name][1] for name in wrong}


@pytest.mark.parametrize("message", [ARM, GRANT, Calibrate()], ids=["arm", "grant", "calibrate"])
def test_another_interface_or_another_start_of_the_device_is_refused(message: Message) -> None:
    base = READY if message is GRANT else STANDBY
    other = replace(LINK, interface_matches=False)
    assert codes(message, replace(base, link=other)) == {"interface"}
    restarted = codes(message, replace(base, link=replace(LINK, boot=8)))
    assert restarted == {"boot"}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("setpoint_hash", 1, "setpoint_differs"),
        ("stop_epoch", 2, "stopped_since"),
        ("stop_epoch", 4, "stopped_since"),
        ("beam", Beam.SHUTTER, "beam"),
    ],
)
def test_an_arm_with_a_wrong_field_is_refused(field: str, value: Any, code: str) -> None:
    assert codes(replace(ARM, **{field: value}), STANDBY) == {code}


@pytest.mark.shows("REQ-022", "HZ-016")
@pytest.mark.parametrize("message", [ARM, GRANT], ids=["arm", "grant"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"handpiece": Handpiece.FIXED_6}, {"handpiece"}),
        ({"handpiece": Handpiece.NONE}, {"handpiece"}),
        ({"spot_um": 3_499}, {"spot"}),
        ({"spot_um": 3_501}, {"spot"}),
        ({"wavelength_nm": 532}, {"wavelength"}),
        ({"setpoint_hash": 0}, {"setpoint_unread", "setpoint_differs"}),
        ({"stop_epoch": 4}, {"stopped_since"}),
        ({"boot": 8}, {"boot"}),
        ({"faults": frozenset({Fault.DOOR})}, {"fault"}),
        ({"fault_instance": 1}, {"fault"}),
        ({"blocks": frozenset({Refusal.WRONG_STATE})}, set()),
        ({"blocks": frozenset({Refusal.AIMING_BEAM})}, {"block"}),
        ({"blocks": frozenset({Refusal.DOCKED})}, {"block"}),
    ],
)
def test_the_device_must_be_as_planned(message: Message, changes: dict[str, Any], expected: set[str]) -> None:
    assert codes(message, on_device(READY if message is GRANT else STANDBY, **changes)) == expected


@pytest.mark.parametrize("block", Refusal)
def test_a_rehearsal_needs_neither_aiming_beam_nor_an_undocked_handpiece(block: Refusal) -> None:
    rehearsal = replace(STANDBY, plan=LoadedPlan(plan(rehearsal=True), SETPOINT, 1, 0, 120_000_000))
    message = replace(ARM, beam=Beam.SHUTTER)
    free = {Refusal.WRONG_STATE, Refusal.AIMING_BEAM, Refusal.DOCKED}
    expected = set() if block in free else {"block"}
    assert codes(message, on_device(rehearsal, blocks=frozenset({block}))) == expected


@pytest.mark.parametrize("message", [ARM, GRANT], ids=["arm", "grant"])
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"plan": None}, {"no_plan"}),
        ({"plan": replace(FOREARM, done=60)}, {"plan_done"}),
        ({"setpoint": None}, {"setpoint_unread"}),
        ({"setpoint": replace(SETPOINT, pulse_energy_uj=174_000)}, {"setpoint_unread"}),
        ({"reported_to": None}, {"counters"}),
        ({"behind": True}, {"reports_behind"}),
        ({"permit_open": True}, {"permit_open"}),
        ({"latches": (LATCH, LATCH)}, {"latched"}),
    ],
)
def test_the_books_must_be_in_order(message: Message, changes: dict[str, Any], expected: set[str]) -> None:
    found = codes(message, replace(READY if message is GRANT else STANDBY, **changes))
    assert found == (expected | {"pulses"} if message is GRANT and "plan_done" in expected else expected)


@pytest.mark.shows("REQ-023", "REQ-024", "HZ-019")
def test_a_set_point_that_was_read_back_must_be_the_plans_and_under_the_ceiling() -> None:
    other = replace(SETPOINT, pulse_energy_uj=174_000)
    situation = on_device(replace(STANDBY, setpoint=other), setpoint_hash=other.hash)
    assert codes(replace(ARM, setpoint_hash=other.hash), situation) == {"setpoint_differs"}
    high = replace(SETPOINT, pulse_energy_uj=400_000)
    situation = on_device(replace(STANDBY, setpoint=high), setpoint_hash=high.hash)
    assert codes(replace(ARM, setpoint_hash=high.hash), situation) == {"setpoint_differs", "ceiling"}


@pytest.mark.shows("REQ-046", "HZ-044")
@pytest.mark.parametrize("done", range(62))
def test_a_permit_goes_no_further_than_its_series(done: int) -> None:
    left = 20 - done % 20 if done < 60 else 0
    situation = replace(READY, plan=replace(FOREARM, done=done))
    for pulses in range(1, 25):
        expected = ({"pulses"} if pulses > left else set()) | ({"plan_done"} if left == 0 else set())
        assert codes(replace(GRANT, pulses=pulses), situation) == expected


@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize("epoch", [None, 12])
def test_arming_is_done_once_and_a_grant_needs_it(intent: Intent, epoch: int | None) -> None:
    assert codes(ARM, replace(STANDBY, intent=intent)) == (
        set() if intent is Intent.IDLE else {"wrong_state"}
    )
    expected = {"not_armed"} if epoch is None else set()
    assert codes(GRANT, replace(READY, intent=intent, arm_epoch=epoch)) == expected


def test_a_permit_must_end_in_the_devices_future() -> None:
    for ends_us, refused in ((0, True), (1_000_000, True), (1_000_001, False)):
        assert codes(replace(GRANT, ends_us=ends_us), READY) == ({"permit_end"} if refused else set())


@pytest.mark.parametrize("message", [ARM, GRANT, Calibrate()], ids=["arm", "grant", "calibrate"])
def test_no_reason_is_given_twice(message: Message) -> None:
    nothing = Situation(None, {}, None, None, None)
    unarmed = replace(STANDBY if message == ARM else READY, arm_epoch=None)
    for situation in (nothing, unarmed, replace(STANDBY, link=None)):
        given = [reason.code for reason in refusals(message, situation)]
        assert len(given) == len(set(given))


def test_nothing_is_set_without_a_link_and_that_is_the_reason() -> None:
    assert codes(CommitSetpoint(SETPOINT.hash), replace(STANDBY, link=None)) == {"link_down"}


def test_nobody_may_serve_unless_it_is_said() -> None:
    plan_of_service = FOREARM._replace(plan=replace(FOREARM.plan, indication="service"))
    assert not Situation(None, {}, None, None, None).may_serve
    assert codes(ARM, replace(STANDBY, plan=plan_of_service)) == {"service"}


def test_a_wrong_state_is_told_with_both_states() -> None:
    for situation, is_now in ((READY, "READY"), (replace(STANDBY, device=None), "unknown")):
        texts = [reason.text for reason in refusals(Calibrate(), situation)]
        assert f"the laser is in another state ({is_now} instead of STANDBY)" in texts


@pytest.mark.parametrize("block", [Refusal.AIMING_BEAM, Refusal.DOCKED])
def test_without_a_plan_nothing_is_taken_for_a_rehearsal(block: Refusal) -> None:
    blocked = on_device(replace(STANDBY, plan=None), blocks=frozenset({block}))
    assert codes(ARM, blocked) == {"no_plan", "block"}


def test_a_reason_names_what_is_open_what_an_input_is_worth_and_what_differs() -> None:
    def texts(message: Message, situation: Situation) -> dict[str, str]:
        return {reason.code: reason.text for reason in refusals(message, situation)}

    opened = on_device(STANDBY, open_interlocks=frozenset({Interlock.DOOR, Interlock.KEY}))
    names = ", ".join(sorted((Interlock.DOOR, Interlock.KEY))[at].name.lower() for at in range(2))
    assert texts(ARM, opened)["host.interlock"].endswith(f"({names})")
    unseen = texts(ARM, replace(STANDBY, qualities={}))
    assert unseen["host.status"] == "the laser's state is not known just now (bad)"
    assert texts(replace(ARM, beam=Beam.SHUTTER), STANDBY)["host.beam"].endswith(
        "(beam SHUTTER instead of APERTURE)"
    )
    assert texts(replace(ARM, stop_epoch=2), STANDBY)["host.stopped_since"].endswith(
        "(stop_epoch 2 instead of 3)"
    )


def test_a_reason_without_a_detail_is_the_sentence_alone() -> None:
    assert reason(HostReason.LINK_DOWN).text == "the laser is not connected"
    assert reason(HostReason.LINK_DOWN, "silent").text == "the laser is not connected (silent)"
