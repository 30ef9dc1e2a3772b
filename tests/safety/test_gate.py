import dataclasses
import itertools
from dataclasses import fields
from typing import Any, TypeVar

import pytest

from protocols.faults import Fault
from protocols.interface import MESSAGES
from protocols.interlocks import Interlock
from protocols.messages import (
    AckPulses,
    Beam,
    Connect,
    Effect,
    Handpiece,
    Heartbeat,
    Intent,
    Message,
    Sender,
    Stop,
    layout,
)
from protocols.refusals import Refusal
from protocols.requests import (
    Acknowledge,
    Calibrate,
    CommitSetpoint,
    SetAiming,
    StageSetpoint,
    Standby,
    Trigger,
)
from protocols.states import State
from safety.freshness import Input, Quality
from safety.gate import LinkFacts, LoadedPlan, Situation, refusals, withheld
from safety.latches import Latch, LatchId
from safety.reasons import HOST_REASONS, HostReason
from tests.safety import laser
from tests.safety.laser import ARM, GRANT, SETPOINT, plan, ready, report, status

T = TypeVar("T")


def replace(thing: T, **changes: Any) -> T:
    """A message or a situation with these fields changed."""
    if isinstance(thing, (Situation, LoadedPlan)):
        return thing._replace(**changes)  # type: ignore[return-value]  # of the same class
    return dataclasses.replace(thing, **changes)  # type: ignore[type-var]  # everything else is a dataclass


LINK = LinkFacts("PL755-0001", 7, 77, interface_matches=True, recorded_to=100)
GOOD = dict.fromkeys(Input, Quality.GOOD)
LATCH = Latch(LatchId.START_UP, 1, 0, "the daemon was started", "acknowledge")
FOREARM = LoadedPlan(plan(), SETPOINT, 1, 0, 120_000_000)
STANDBY = Situation(LINK, GOOD, status(), SETPOINT, FOREARM, reported_to=100)
READY = replace(STANDBY, device=ready(), intent=Intent.ARMED, arm_epoch=12)
STAGE = StageSetpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)
INPUT_CODES = {
    Input.STATUS: "status",
    Input.TELEMETRY: "telemetry",
    Input.TICK: "tick",
    Input.LOOP: "loop",
    Input.TASKS: "tasks",
    Input.STORE: "store",
    Input.OPERATOR: "operator",
    Input.CALIBRATION: "calibration",
}


def codes(message: Message, situation: Situation) -> set[str]:
    found = [reason.code for reason in refusals(message, situation)]
    assert all(code.startswith("host.") for code in found)
    return {code.removeprefix("host.") for code in found}


def on_device(situation: Situation, **changes: Any) -> Situation:
    assert situation.device is not None
    return replace(situation, device=replace(situation.device, **changes))


def test_every_reason_has_words_for_an_operator() -> None:
    assert set(HOST_REASONS) == set(HostReason)
    for row in HOST_REASONS.values():
        assert row.text
        assert row.action


def test_arm_and_grant_leave_when_everything_is_known_and_good() -> None:
    assert refusals(ARM, STANDBY) == ()
    assert refusals(GRANT, READY) == ()


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


def test_a_set_point_that_was_read_back_must_be_the_plans_and_under_the_ceiling() -> None:
    other = replace(SETPOINT, pulse_energy_uj=174_000)
    situation = on_device(replace(STANDBY, setpoint=other), setpoint_hash=other.hash)
    assert codes(replace(ARM, setpoint_hash=other.hash), situation) == {"setpoint_differs"}
    high = replace(SETPOINT, pulse_energy_uj=400_000)
    situation = on_device(replace(STANDBY, setpoint=high), setpoint_hash=high.hash)
    assert codes(replace(ARM, setpoint_hash=high.hash), situation) == {"setpoint_differs", "ceiling"}


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


# -- every message there is, in every state


WORST = Situation(None, {}, None, None, None, (LATCH,), ("cmd",), Intent.IDLE, None, True, lambda _: True)
HOSTS: list[type[Message]] = [type_ for type_ in MESSAGES if type_.sender is Sender.HOST]
SAMPLES: dict[type[Message], Message] = {
    type(sample): sample
    for sample in (
        Connect(1, 1),
        Stop(1),
        Heartbeat(4711, Intent.IDLE),
        AckPulses(100),
        STAGE,
        CommitSetpoint(1),
        SetAiming(True),
        Calibrate(),
        Acknowledge(1),
        Standby(),
        ARM,
        GRANT,
    )
}


def sample(type_: type[Message]) -> Message:
    if type_ in SAMPLES:
        return SAMPLES[type_]
    size = layout(type_).packer.size
    return type_.decode(bytes(size))  # the reads: all their fields may be 0


@pytest.mark.parametrize("type_", HOSTS)
@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("linked", [False, True])
def test_every_message_in_every_state_passes_only_where_it_is_listed(
    type_: type[Message], state: State | None, linked: bool
) -> None:
    base = replace(WORST, latches=(), uncertain=(), link=LINK if linked else None)
    situation = replace(
        base,
        qualities={} if state is None else GOOD,
        device=None if state is None else status(state=state),
        reported_to=100,
    )
    passes = not refusals(sample(type_), situation)
    fresh_standby = linked and state is State.STANDBY
    if type_.effect in {Effect.STOPS, Effect.READS} or type_ in {Connect, AckPulses}:
        assert passes
    elif type_ in {Acknowledge, Standby, SetAiming}:
        assert passes == linked
    elif type_ in {StageSetpoint, CommitSetpoint, Calibrate}:
        assert passes == fresh_standby
    elif type_ is Heartbeat:
        assert passes == (linked and state is not None)
    else:
        assert type_.effect is Effect.PERMITS
        assert not passes


@pytest.mark.parametrize("type_", HOSTS)
def test_stops_and_reads_pass_in_the_worst_situation_and_nothing_else_but_connect(
    type_: type[Message],
) -> None:
    passes = not refusals(sample(type_), WORST)
    assert passes == (type_.effect in {Effect.STOPS, Effect.READS} or type_ is Connect)


@pytest.mark.parametrize(
    "message", [report(), status(), laser.TELEMETRY, laser.COUNTERS, laser.DONE, SETPOINT]
)
def test_the_devices_own_messages_never_leave_the_host(message: Message) -> None:
    assert codes(message, READY) == {"not_ours"}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("quality", Quality)
def test_set_points_are_changed_in_standby_only_and_never_blindly(state: State, quality: Quality) -> None:
    situation = on_device(replace(STANDBY, qualities=GOOD | {Input.STATUS: quality}), state=state)
    expected = ({"wrong_state"} if state is not State.STANDBY else set()) | (
        {"status"} if quality is not Quality.GOOD else set()
    )
    assert codes(STAGE, situation) == expected
    assert codes(CommitSetpoint(5), situation) == expected


def test_no_staged_set_point_is_above_a_ceiling() -> None:
    assert codes(STAGE, STANDBY) == set()
    above: list[dict[str, Any]] = [
        {"pulse_energy_uj": 200_001},
        {"rep_rate_mhz": 10_001},
        {"spot_um": 1_500},
    ]
    for changes in above:
        assert codes(replace(STAGE, **changes), STANDBY) == {"ceiling"}


@pytest.mark.parametrize("number", [0, 99, 100, 101])
@pytest.mark.parametrize("reported_to", [None, 0, 100])
def test_only_reported_pulses_are_acknowledged(number: int, reported_to: int | None) -> None:
    refused = reported_to is None or number > reported_to
    situation = replace(STANDBY, reported_to=reported_to)
    assert codes(AckPulses(number), situation) == ({"ack_unseen"} if refused else set())


# -- a repetition of the request whose answer is awaited


def test_only_the_very_message_in_flight_is_a_repetition() -> None:
    used = replace(READY, permit_open=True, permit_used=lambda _: True, in_flight=GRANT)
    assert codes(GRANT, used) == set()
    assert codes(replace(GRANT, permit_id=901), used) == {"permit_open", "permit_used"}
    assert codes(replace(GRANT, pulses=19), used) == {"permit_open", "permit_used"}
    armed = replace(STANDBY, intent=Intent.ARMED, in_flight=ARM)
    assert codes(ARM, armed) == set()
    assert codes(ARM, replace(armed, in_flight=GRANT)) == {"wrong_state"}
    assert codes(ARM, replace(STANDBY, permit_open=True)) == {"permit_open"}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("repeated", [False, True])
def test_a_repetition_may_leave_where_its_own_effect_already_shows(state: State, repeated: bool) -> None:
    arm_from = {State.STANDBY, State.ARMING, State.READY} if repeated else {State.STANDBY}
    grant_from = {State.READY, State.EMITTING} if repeated else {State.READY}
    for message, base, allowed in ((ARM, STANDBY, arm_from), (GRANT, READY, grant_from)):
        situation = replace(on_device(base, state=state), in_flight=message if repeated else None)
        assert ("wrong_state" in codes(message, situation)) == (state not in allowed)


def test_pulses_given_before_the_answer_do_not_make_a_repetition_too_large() -> None:
    assert READY.plan is not None
    some_given = replace(READY, plan=replace(READY.plan, done=READY.plan.done + 1))
    assert "pulses" in codes(GRANT, some_given)
    assert codes(GRANT, replace(some_given, in_flight=GRANT)) == set()


def test_a_repetition_is_refused_for_everything_else_all_the_same() -> None:
    for message, base in ((GRANT, READY), (ARM, STANDBY)):
        trouble = replace(
            on_device(base, open_interlocks=frozenset({Interlock.DOOR}), state=State.FAULT),
            in_flight=message,
            latches=(LATCH,),
            qualities=GOOD | {Input.STATUS: Quality.STALE},
        )
        expected = {"interlock", "fault", "wrong_state", "latched", "status"}
        assert codes(message, trouble) == expected


# -- the heartbeat


def test_the_heartbeat_is_withheld_for_every_reason_that_demands_it() -> None:
    demanding = {Input.STATUS, Input.TICK, Input.LOOP, Input.TASKS}
    space: Any = itertools.product(
        (None, replace(LINK, interface_matches=False), replace(LINK, boot=8), LINK),
        (False, True),
        (False, True),
        *[(Quality.GOOD, Quality.STALE)] * len(Input),
    )
    for link, latched, uncertain, *qualities in space:
        given = dict(zip(Input, qualities, strict=True))
        situation = replace(
            READY,
            link=link,
            qualities=given,
            latches=(LATCH,) if latched else (),
            uncertain=("cmd",) if uncertain else (),
        )
        expected = {INPUT_CODES[which] for which in demanding if given[which] is not Quality.GOOD}
        expected |= {"latched"} if latched else set()
        expected |= {"uncertain"} if uncertain else set()
        if link is not LINK:
            expected |= {"link_down" if link is None else "boot" if link.boot == 8 else "interface"}
        assert {reason.code.removeprefix("host.") for reason in withheld(situation)} == expected
        assert codes(Heartbeat(4711, Intent.ARMED), situation) == expected


@pytest.mark.parametrize("challenge", [4710, 4711])
@pytest.mark.parametrize("said", Intent)
@pytest.mark.parametrize("meant", Intent)
def test_a_heartbeat_says_what_is_meant_and_answers_the_latest_challenge(
    challenge: int, said: Intent, meant: Intent
) -> None:
    expected = set() if said is meant and challenge == 4711 else {"intent"}
    assert codes(Heartbeat(challenge, said), replace(READY, intent=meant)) == expected
