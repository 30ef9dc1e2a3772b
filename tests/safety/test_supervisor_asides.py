"""What the supervisor keeps, forgets and tells beside its decisions: found missing by mutation testing."""

from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import AckPulses, Heartbeat, Intent, Message, Stop
from protocols.requests import CommitSetpoint, ReadCounters, Setpoint
from protocols.states import State
from safety.courses import EffectKind
from safety.freshness import Consequence, Input, Quality
from safety.judgement import impossible
from safety.latches import LatchId
from safety.plan import TreatmentPlan
from safety.reactions import Note, Reaction, StopNow
from safety.reasons import HostReason
from safety.sequence import GAP_MAX_US
from safety.supervisor import Supervisor
from tests.safety.desk import LINK, Desk, latched
from tests.safety.laser import ARM, COUNTERS, DEVICE, DONE, FOREARM, GRANT, SETPOINT, TELEMETRY, report

L = LatchId


def notes(reactions: list[Reaction]) -> list[str]:
    return [reaction.event for reaction in reactions if isinstance(reaction, Note)]


@pytest.mark.parametrize("words", [Consequence, EffectKind, HostReason, Input, LatchId, Quality])
def test_what_stands_in_records_and_answers_is_the_members_name_in_small_letters(
    words: type[Consequence | EffectKind | HostReason | Input | LatchId | Quality],
) -> None:
    assert [str(member.value) for member in words] == [member.name.lower() for member in words]


def test_the_first_connection_is_noted_and_only_that() -> None:
    desk = Desk()
    assert desk.connect() == [Note("link_up", "connected to PL755-0001")]
    assert desk.supervisor.link_down("silent", desk.now_us) == [Note("link_down", "silent")]


def test_a_connection_to_the_same_start_of_the_same_laser_is_no_restart_of_it() -> None:
    desk = Desk().in_standby()
    assert latched(desk.reconnect()) == [L.RECONNECTED]
    assert latched(desk.connect(boot=8)) == [L.DEVICE_RESTARTED]


@pytest.mark.shows("REQ-008")
def test_a_second_connection_without_an_end_of_the_first_takes_what_was_known_with_it_too() -> None:
    desk = Desk().with_permit()
    desk.connect(session=78)
    view = desk.supervisor.view(desk.now_us)
    assert (view.state, view.intent, view.permit) == (None, Intent.IDLE, None)
    assert desk.arm_refused() >= {"status", "telemetry", "setpoint_unread"}


def test_a_connection_tells_where_the_record_of_that_laser_ends() -> None:
    desk = Desk()
    desk.connect(recorded_to=42)
    assert desk.supervisor.view(desk.now_us).reported_to == 42


@pytest.mark.parametrize("message", [DONE, replace(COUNTERS), TELEMETRY, report(pulse_number=101)])
def test_only_a_setpoint_is_taken_for_the_one_that_was_read_back(message: Message) -> None:
    desk = Desk().in_standby()
    desk.observe(message)
    assert desk.supervisor._known.setpoint == SETPOINT


def test_without_a_link_no_report_can_come_so_that_none_is_overdue() -> None:
    desk = Desk().emitting()
    desk.status(pulse_number=102)
    desk.supervisor.link_down("silent", desk.now_us)
    desk.wait(GAP_MAX_US + 1)
    assert desk.supervisor.tick(desk.now_us) == []


def test_each_input_is_shown_with_its_words() -> None:
    desk = Desk().in_standby()
    shown = {name: seen.text for name, seen in desk.supervisor.view(desk.now_us).inputs.items()}
    assert shown == {
        "status": "STANDBY",
        "telemetry": "",
        "tick": "",
        "loop": "500 us",
        "tasks": "all run",
        "store": "written",
        "operator": "ada",
        "calibration": "made today",
    }
    nonsense = replace(TELEMETRY, hv_mv=2_000_000)
    assert impossible(nonsense)
    desk.observe(nonsense)
    assert desk.supervisor.view(desk.now_us).inputs["telemetry"].text == impossible(nonsense)


def test_impossible_telemetry_stops_an_armed_laser_only_and_permits_nothing_in_either() -> None:
    nonsense = replace(TELEMETRY, hv_mv=2_000_000)
    idle = Desk().in_standby()
    assert idle.observe(nonsense) == []
    assert "telemetry" in idle.arm_refused()
    assert latched(Desk().in_ready().observe(nonsense)) == [L.BAD_INPUT]


@pytest.mark.shows("REQ-017")
def test_a_calibration_that_does_not_hold_lets_nothing_be_armed() -> None:
    desk = Desk().in_standby()
    assert desk.arm_refused() == set()
    assert desk.supervisor.calibration_state(False, "91 days old", desk.now_us) == []
    assert desk.arm_refused() == {"calibration"}
    desk.supervisor.calibration_state(True, "made today", desk.now_us)
    assert desk.arm_refused() == set()


def test_a_repeated_arm_whose_effect_shows_already_is_still_our_own() -> None:
    desk = Desk().in_standby()
    assert desk.send(ARM)
    desk.status(state=State.ARMING, arm_epoch=12)
    assert desk.send(ARM), "the answer was lost; the same bytes leave again"
    assert latched(desk.status()) == []
    desk.supervisor.answered(ARM, DONE)
    assert latched(desk.status(state=State.READY)) == []


def test_mere_words_between_an_arm_and_its_repetition_do_not_make_it_a_second_one() -> None:
    desk = Desk().in_standby()
    assert desk.send(ARM)
    desk.status(state=State.ARMING, arm_epoch=12)
    words: list[Message] = [ReadCounters(), AckPulses(100), Heartbeat(desk.last.challenge, Intent.ARMED)]
    for message in words:
        desk.supervisor.requested(message, desk.now_us)
    assert desk.send(ARM)


def test_what_the_gate_would_never_let_out_is_not_booked_when_nothing_is_known_of_the_laser() -> None:
    desk = Desk()
    desk.supervisor.requested(ARM, desk.now_us)
    desk.supervisor.requested(GRANT, desk.now_us)
    view = desk.supervisor.view(desk.now_us)
    assert (view.intent, view.permit) == (Intent.IDLE, None)


def test_a_committed_setpoint_must_be_read_back_before_anything_is_armed() -> None:
    desk = Desk().in_standby()
    desk.supervisor.requested(CommitSetpoint(SETPOINT.hash), desk.now_us)
    assert desk.arm_refused() == {"setpoint_unread"}
    desk.observe(replace(SETPOINT))
    assert desk.arm_refused() == set()


def test_a_stop_that_was_asked_for_names_who_asked() -> None:
    desk = Desk().in_ready()
    stop, note = desk.supervisor.stop_requested("ada", desk.now_us)
    assert isinstance(stop, StopNow)
    assert (stop.reason.code, note) == ("host.stop", Note("stop", "stop asked for by ada"))


def test_a_fault_without_an_instance_is_over_with_its_cause() -> None:
    desk = Desk().in_standby()
    assert latched(desk.status(faults=frozenset({Fault.DOOR}))) == [L.DEVICE_FAULT]
    desk.status(faults=frozenset())
    assert L.DEVICE_FAULT not in desk.latches()


def test_a_stop_of_the_devices_is_noted_with_what_it_ended() -> None:
    desk = Desk().emitting()
    reactions = desk.status(stop_epoch=4, state=State.STANDBY, permit_id=0)
    assert notes(reactions)[0] == "stopped"


def test_a_stop_that_leaves_ends_the_permit_here_at_once() -> None:
    desk = Desk().with_permit()
    desk.supervisor.requested(Stop(1), desk.now_us)
    view = desk.supervisor.view(desk.now_us)
    assert (view.intent, view.permit) == (Intent.IDLE, None)


def test_a_setpoint_of_somebody_elses_is_nothing_without_a_link() -> None:
    desk = Desk()
    desk.observe(Setpoint(755, 750, 1_000, 5_000, SETPOINT.handpiece, 3_500))
    assert desk.supervisor._known.setpoint is None
    desk.connect()
    assert LINK.session == desk.supervisor.view(desk.now_us).session


def test_a_trip_says_its_stop_before_anything_else_and_why() -> None:
    reactions = Desk().in_ready().observe(replace(TELEMETRY, hv_mv=2_000_000))
    stop = reactions[0]
    assert isinstance(stop, StopNow)
    assert stop.reason.code == "host.latched"
    assert "a measured value cannot be" in stop.reason.text
    assert latched(reactions) == [L.BAD_INPUT]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"open_interlocks": frozenset({Interlock.DOOR})}, "host.interlock"),
        ({"calibrated": False}, "host.not_calibrated"),
        ({"spot_um": 5_000}, "host.spot"),
    ],
)
def test_what_ends_permission_in_an_armed_laser_is_the_reason_of_the_stop(change: Any, code: str) -> None:
    reactions = Desk().in_ready().status(**change)
    assert [reaction.reason.code for reaction in reactions if isinstance(reaction, StopNow)] == [code]


def test_before_anybody_is_logged_in_nobody_may_treat_or_serve() -> None:
    desk = Desk()
    assert not desk.supervisor._known.situation(desk.now_us).may_serve
    assert "operator" in desk.arm_refused()


def test_with_everything_in_order_no_latch_has_a_cause() -> None:
    desk = Desk().in_standby()
    assert {which: desk.supervisor._known.cause(which, desk.now_us) for which in L} == dict.fromkeys(L, "")


def test_a_permit_that_the_device_still_holds_is_a_cause_that_is_there() -> None:
    desk = Desk().in_standby()
    assert latched(desk.status(permit_id=5)) == [L.UNEXPECTED_STATE]
    latch = desk.latches()[L.UNEXPECTED_STATE]
    (why,) = desk.supervisor.acknowledge([latch.instance], desk.now_us)
    assert (why.code, "unexpected_state: it holds a permit" in why.text) == ("host.cause_present", True)
    desk.status(permit_id=0)
    assert desk.acknowledge_all() == ()


def test_what_broke_the_count_is_the_cause_that_is_told() -> None:
    desk = Desk().in_standby()
    assert L.COUNTER_GAP in latched(desk.status(pulse_number=99))
    assert desk.supervisor._known.cause(L.COUNTER_GAP, desk.now_us) == (
        "the device's pulse counter went back from 100 to 99"
    )


def test_the_greatest_age_of_an_input_comes_from_the_configuration() -> None:
    supervisor = Supervisor(0, max_age_us={Input.LOOP: 10})
    supervisor.loop_lag(0, 0)
    assert supervisor.quality(Input.LOOP, 10) is Quality.GOOD
    assert supervisor.quality(Input.LOOP, 11) is Quality.STALE


def test_who_is_logged_in_is_told_and_what_ends_permission_when_they_leave() -> None:
    def stopped_by(plan: TreatmentPlan, name: str | None, *, may_treat: bool, may_serve: bool) -> list[str]:
        desk = Desk().in_standby()
        desk.supervisor.operator_present("ada", desk.now_us, may_treat=True, may_serve=True)
        assert desk.supervisor.load_plan(plan, DEVICE, 0, desk.now_us) == ()
        assert desk.arm()
        reactions = desk.supervisor.operator_present(
            name, desk.now_us, may_treat=may_treat, may_serve=may_serve
        )
        assert desk.supervisor.view(desk.now_us).inputs["operator"].text == (name or "nobody")
        return [reaction.reason.code for reaction in reactions if isinstance(reaction, StopNow)]

    service = replace(FOREARM, indication="service", skin_type=None, fluence_j_cm2=None)
    assert stopped_by(FOREARM, None, may_treat=False, may_serve=False) == ["host.operator"]
    assert stopped_by(FOREARM, "bob", may_treat=False, may_serve=True) == ["host.operator"]
    assert stopped_by(FOREARM, "bob", may_treat=True, may_serve=False) == []
    assert stopped_by(service, "bob", may_treat=True, may_serve=False) == ["host.service"]
    assert stopped_by(service, "bob", may_treat=True, may_serve=True) == []


def test_why_an_input_is_bad_stands_in_the_reason() -> None:
    desk = Desk().in_standby()
    desk.supervisor.calibration_state(False, "91 days old", desk.now_us)
    (why,) = desk.supervisor.refusals(ARM, desk.now_us)
    assert "(bad: 91 days old)" in why.text


def test_somebody_of_whom_nothing_else_is_said_may_do_nothing() -> None:
    desk = Desk().in_standby()
    desk.supervisor.operator_present("ada", desk.now_us)
    assert desk.arm_refused() == {"operator"}
    desk.supervisor.operator_present("ada", desk.now_us, may_treat=True)
    assert desk.arm_refused() == set()
    assert not desk.supervisor._known.may_serve


def test_tasks_that_ended_are_named_while_their_latch_stands() -> None:
    desk = Desk().in_standby()
    for task in ("writer", "mqtt"):
        desk.take(desk.supervisor.task_ended(task, desk.now_us))
    latch = desk.latches()[L.TASK_ENDED]
    (why,) = desk.supervisor.acknowledge([latch.instance], desk.now_us)
    assert (why.code, "task_ended: mqtt, writer" in why.text) == ("host.cause_present", True)


def test_tasks_of_which_nothing_is_known_are_a_cause_in_words() -> None:
    desk = Desk().in_standby()
    before_us = desk.now_us - 1_000_000_000  # a clock that went back
    assert desk.supervisor._known.cause(L.TASK_ENDED, before_us) == "not known to run"
