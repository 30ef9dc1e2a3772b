"""The gate and every message there is: in every state, as a repetition, and the heartbeat."""

import itertools
from typing import Any

import pytest

from protocols.interface import MESSAGES
from protocols.interlocks import Interlock
from protocols.messages import (
    AckPulses,
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
from protocols.requests import Acknowledge, Calibrate, CommitSetpoint, SetAiming, StageSetpoint, Standby
from protocols.states import State
from safety.freshness import Input, Quality
from safety.gate import Situation, refusals, withheld
from tests.safety import laser
from tests.safety.laser import ARM, GRANT, SETPOINT, report, status
from tests.safety.situations import GOOD, INPUT_CODES, LATCH, LINK, READY, STANDBY, codes, on_device, replace

STAGE = StageSetpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)


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


@pytest.mark.shows("REQ-001")
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


@pytest.mark.shows("REQ-024", "HZ-019")
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("quality", Quality)
def test_set_points_are_changed_in_standby_only_and_never_blindly(state: State, quality: Quality) -> None:
    situation = on_device(replace(STANDBY, qualities=GOOD | {Input.STATUS: quality}), state=state)
    expected = ({"wrong_state"} if state is not State.STANDBY else set()) | (
        {"status"} if quality is not Quality.GOOD else set()
    )
    assert codes(STAGE, situation) == expected
    assert codes(CommitSetpoint(5), situation) == expected


@pytest.mark.shows("REQ-023", "HZ-008")
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


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("held", [0, GRANT.permit_id, GRANT.permit_id + 1])
@pytest.mark.parametrize("repeated", [False, True])
def test_a_pressed_foot_is_no_reason_against_repeating_the_permit_that_the_device_holds(
    refusal: Refusal, held: int, repeated: bool
) -> None:
    base = on_device(READY, blocks=frozenset({refusal}), permit_id=held)
    asked_again = repeated and held == GRANT.permit_id and refusal is Refusal.FOOT_HELD
    blocked = refusal is not Refusal.WRONG_STATE and not asked_again
    expected = {"block"} if blocked else set()
    assert codes(GRANT, replace(base, in_flight=GRANT if repeated else None)) == expected


def test_a_pressed_foot_is_a_reason_against_every_arming() -> None:
    base = on_device(STANDBY, blocks=frozenset({Refusal.FOOT_HELD}))
    for in_flight in (None, ARM):
        assert codes(ARM, replace(base, in_flight=in_flight)) == {"block"}


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


@pytest.mark.shows("REQ-032", "HZ-035")
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
