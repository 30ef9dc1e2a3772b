import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import Handpiece, Intent, PulseFlag, Result, Stop, Stopped
from protocols.requests import Acknowledge, Arm, CommitSetpoint, Grant, Standby
from protocols.states import ARMED, State
from safety.freshness import Input
from safety.latches import LATCHES, LatchId
from safety.reactions import LatchCleared, LatchSet, Note, Reaction, StopNow
from safety.supervisor import Supervisor
from tests.safety.desk import LINK, Desk, latched, stops
from tests.safety.laser import ARM, COUNTERS, DEVICE, DONE, FOREARM, GRANT, SETPOINT, TELEMETRY, plan

L = LatchId


# -- the road to light


def test_the_whole_road_from_start_to_sixty_pulses() -> None:
    desk = Desk().in_standby()
    number = 100
    assert desk.arm()
    for series in range(3):
        assert desk.grant(permit_id=900 + series)
        assert desk.refused(replace(GRANT, permit_id=999, stop_epoch=3)) == {"permit_open"}
        desk.status(state=State.EMITTING)
        for _ in range(20):
            number += 1
            for _ in range(4):
                desk.wait(50_000)
                desk.daemon()
                desk.status()
            assert desk.fire(number, permit_id=900 + series) == []
            desk.status()
            desk.observe(TELEMETRY)
            heartbeat = desk.supervisor.heartbeat(desk.now_us)
            assert heartbeat is not None
            assert (heartbeat.intent, heartbeat.challenge) == (Intent.PERMIT, desk.last.challenge)
        ended = desk.status(state=State.READY, permit_id=0)
        assert [reaction.event for reaction in ended if isinstance(reaction, Note)] == ["permit_ended"]
    view = desk.supervisor.view(desk.now_us)
    assert (view.plan_done, view.plan_pulses, view.pulses_seen, view.reported_to) == (60, 60, 60, 160)
    assert desk.latches() == {}
    assert not stops(desk.reactions)
    assert desk.refused(replace(GRANT, permit_id=999)) == {"plan_done", "pulses"}


def test_intent_follows_what_this_host_asked_and_was_told() -> None:
    desk = Desk().in_standby()

    def intent() -> Intent:
        heartbeat = desk.supervisor.heartbeat(desk.now_us)
        assert heartbeat is not None
        return heartbeat.intent

    assert intent() is Intent.IDLE
    assert desk.send(ARM)
    assert intent() is Intent.ARMED
    desk.supervisor.answered(ARM, DONE)
    desk.status(state=State.READY, arm_epoch=12)
    assert intent() is Intent.ARMED
    assert desk.send(GRANT)
    assert intent() is Intent.ARMED
    desk.supervisor.answered(GRANT, DONE)
    assert intent() is Intent.PERMIT
    desk.status(permit_id=900)
    desk.status(permit_id=0)
    assert intent() is Intent.ARMED
    assert desk.send(Standby())
    assert intent() is Intent.IDLE
    assert latched(desk.status()) == []  # still READY: our message is on its way
    desk.status(state=State.STANDBY)
    assert intent() is Intent.IDLE


@pytest.mark.parametrize("reply", [None, replace(DONE, result=Result.REFUSED)])
def test_a_refused_arm_or_grant_leaves_nothing_behind(reply: Any) -> None:
    desk = Desk().in_standby()
    desk.send(ARM)
    desk.supervisor.answered(ARM, reply)
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    desk = Desk().in_ready()
    desk.send(GRANT)
    desk.supervisor.answered(GRANT, reply)
    view = desk.supervisor.view(desk.now_us)
    assert (view.intent, view.permit) == (Intent.ARMED, None)
    assert desk.refused(GRANT) == {"permit_used"}
    assert desk.grant(permit_id=901)


def test_other_answers_change_no_books() -> None:
    desk = Desk().in_ready()
    desk.supervisor.answered(Standby(), DONE)
    desk.supervisor.answered(replace(GRANT, permit_id=55), DONE)
    desk.supervisor.requested(Acknowledge(1), desk.now_us)
    assert desk.supervisor.view(desk.now_us).intent is Intent.ARMED


def test_committing_a_set_point_demands_that_it_is_read_back_again() -> None:
    desk = Desk().in_standby()
    assert desk.send(CommitSetpoint(SETPOINT.hash))
    assert desk.arm_refused() == {"setpoint_unread"}
    desk.observe(SETPOINT)
    assert desk.arm_refused() == set()


def test_a_plan_with_refusals_changes_nothing_and_dropping_it_ends_permission() -> None:
    desk = Desk().in_ready()
    assert desk.supervisor.load_plan(plan(spot_mm=9.0), DEVICE, 0, desk.now_us)
    assert desk.supervisor.view(desk.now_us).plan == "tattoo forearm"
    for done in (-1, 61):
        with pytest.raises(ValueError, match=str(done)):
            desk.supervisor.load_plan(FOREARM, DEVICE, done, desk.now_us)
    assert desk.supervisor.view(desk.now_us).intent is Intent.ARMED
    desk.supervisor.drop_plan(desk.now_us)
    view = desk.supervisor.view(desk.now_us)
    assert (view.plan, view.plan_done, view.plan_pulses, view.intent) == (None, 0, 0, Intent.IDLE)


def test_what_was_done_before_counts_in_a_resumed_plan() -> None:
    desk = Desk().in_standby()
    assert desk.supervisor.load_plan(FOREARM, DEVICE, 27, desk.now_us) == ()
    desk.arm()
    assert desk.refused(replace(GRANT, pulses=14)) == {"pulses"}
    assert desk.refused(replace(GRANT, pulses=13)) == set()


# -- every latch: what sets it, that it stays while its cause is there, that it goes afterwards


def _fault(desk: Desk) -> list[Reaction]:
    return desk.status(state=State.FAULT, first_fault=Fault.DOOR, fault_instance=5)


def _no_fault(desk: Desk) -> None:
    desk.status(state=State.STANDBY, first_fault=Fault.NONE, fault_instance=0)


def _restart(desk: Desk) -> list[Reaction]:
    desk.take(desk.supervisor.link_down("silent", desk.now_us))
    reactions = desk.connect(boot=8, session=78)
    desk.last = replace(desk.last, boot=8, device_time_us=0, state=State.STANDBY, permit_id=0)
    return reactions


def _reconnect(desk: Desk) -> list[Reaction]:
    desk.take(desk.supervisor.link_down("silent", desk.now_us))
    desk.last = replace(desk.last, state=State.STANDBY, permit_id=0)
    return desk.connect(session=78)


def _stale(desk: Desk) -> list[Reaction]:
    desk.wait(200_000)
    desk.take(desk.supervisor.tick(desk.now_us))
    desk.wait(100_001)
    desk.supervisor._known.freshness.note(Input.TICK, desk.now_us)
    return desk.take(desk.supervisor.tick(desk.now_us))


def _lag(desk: Desk) -> list[Reaction]:
    return desk.take(desk.supervisor.loop_lag(100_001, desk.now_us))


def _gap(desk: Desk) -> list[Reaction]:
    return desk.fire(101) + desk.fire(101, monitor_a_uj=172_000)


def _missing_report(desk: Desk) -> list[Reaction]:
    desk.fire(102)
    for _ in range(16):
        desk.wait(100_000)
        desk.refresh()
    return [reaction for reaction in desk.reactions if isinstance(reaction, LatchSet | StopNow)]


def _nothing(desk: Desk) -> None:
    """The event is over as soon as the laser is disarmed."""


SETTERS: list[tuple[str, LatchId, Callable[[Desk], list[Reaction]], Callable[[Desk], None] | None]] = [
    ("reconnected", L.RECONNECTED, _reconnect, _nothing),
    ("restarted", L.DEVICE_RESTARTED, _restart, _nothing),
    ("stale", L.STALE, _stale, _nothing),
    (
        "uncertain",
        L.UNCERTAIN,
        lambda desk: desk.take(desk.supervisor.uncertain("cmd-9", "no answer to Grant", desk.now_us)),
        lambda desk: desk.supervisor.settled("cmd-9"),
    ),
    (
        "unknown pulse",
        L.UNCERTAIN,
        lambda desk: desk.fire(101, flags=frozenset({PulseFlag.UNKNOWN})),
        lambda desk: [desk.observe(replace(COUNTERS, pulse_number=101))].clear(),
    ),
    (
        "unknown pulse, settled by hand",
        L.UNCERTAIN,
        lambda desk: desk.fire(101, flags=frozenset({PulseFlag.UNKNOWN})),
        lambda desk: desk.supervisor.pulses_settled(101, desk.now_us),
    ),
    ("unknown permit", L.UNPERMITTED_LIGHT, lambda desk: desk.fire(101, permit_id=5), _nothing),
    ("no permit", L.UNPERMITTED_LIGHT, lambda desk: desk.fire(101, permit_id=0), _nothing),
    (
        "emitting under another permit",
        L.UNPERMITTED_LIGHT,
        lambda desk: desk.status(state=State.EMITTING, permit_id=4),
        _nothing,
    ),
    ("other permit", L.UNEXPECTED_STATE, lambda desk: desk.status(permit_id=4), _nothing),
    ("other arming", L.UNEXPECTED_STATE, lambda desk: desk.status(arm_epoch=13), _nothing),
    ("energy", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, monitor_a_uj=220_000), _nothing),
    ("saturated", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, monitor_a_uj=5_000_000), _nothing),
    ("width", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, pulse_width_ps=4_000_000_000), _nothing),
    ("other spot", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, spot_um=2_000), _nothing),
    ("other energy", L.PULSE_JUDGEMENT, lambda desk: desk.fire(101, set_energy_uj=170_000), _nothing),
    (
        "changed repetition",
        L.COUNTER_GAP,
        _gap,
        lambda desk: desk.supervisor.pulses_settled(101, desk.now_us),
    ),
    (
        "jump",
        L.COUNTER_GAP,
        lambda desk: desk.fire(150),
        lambda desk: desk.supervisor.pulses_settled(150, desk.now_us),
    ),
    (
        "missing report",
        L.COUNTER_GAP,
        _missing_report,
        lambda desk: [desk.fire(101)].clear(),
    ),
    (
        "counter back",
        L.COUNTER_GAP,
        lambda desk: desk.status(pulse_number=99),
        lambda desk: desk.supervisor.pulses_settled(99, desk.now_us),
    ),
    (
        "counters forgot",
        L.COUNTER_GAP,
        lambda desk: desk.observe(replace(COUNTERS, pulse_number=104, acknowledged=104)),
        lambda desk: desk.supervisor.pulses_settled(104, desk.now_us),
    ),
    (
        "cut sensor",
        L.BAD_INPUT,
        lambda desk: desk.observe(replace(TELEMETRY, coolant_mc=-50_000)),
        lambda desk: [desk.observe(TELEMETRY)].clear(),
    ),
    ("device clock back", L.BAD_INPUT, lambda desk: desk.status(device_time_us=1), _nothing),
    ("lag", L.LOOP_LAG, _lag, lambda desk: [desk.supervisor.loop_lag(0, desk.now_us)].clear()),
    (
        "task",
        L.TASK_ENDED,
        lambda desk: desk.take(desk.supervisor.task_ended("writer", desk.now_us)),
        None,  # it ends the daemon
    ),
    (
        "store",
        L.STORE_FAILED,
        lambda desk: desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us)),
        lambda desk: [desk.supervisor.store_state(True, "written", desk.now_us)].clear(),
    ),
]
STAYS = {  # the cause outlives the disarming, so that an acknowledgement must be refused for it
    "uncertain",
    "unknown pulse",
    "unknown pulse, settled by hand",
    "changed repetition",
    "jump",
    "missing report",
    "counter back",
    "counters forgot",
    "cut sensor",
    "lag",
    "task",
    "store",
}


@pytest.mark.parametrize(("name", "which", "happens", "cured"), SETTERS, ids=[row[0] for row in SETTERS])
def test_a_latch_is_set_stays_while_its_cause_is_there_and_goes_afterwards(
    name: str,
    which: LatchId,
    happens: Callable[[Desk], list[Reaction]],
    cured: Callable[[Desk], None] | None,
) -> None:
    desk = Desk().with_permit()
    reactions = happens(desk)
    assert which in latched(reactions)
    latch = desk.latches()[which]
    assert LATCHES[which].text in latch.text
    assert latch.action == LATCHES[which].action
    if which not in {L.RECONNECTED, L.DEVICE_RESTARTED}:  # nobody hears a stop on a link that is gone
        assert stops(reactions)
    # permission is gone at once, by heartbeat, by gate and in the books
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert "latched" in desk.refused(replace(GRANT, permit_id=950))
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    # while the laser is armed, or not known not to be, nothing is acknowledged
    assert "host.still_armed" in desk.acknowledge_all()
    assert which in desk.latches()
    # the device follows the stop
    settled_time = max(desk.last.device_time_us, 5_000_000)
    number = max(desk.last.pulse_number, 100)
    quiet: dict[str, Any] = {
        "state": State.STANDBY,
        "permit_id": 0,
        "stop_epoch": 4,
        "device_time_us": settled_time,
        "pulse_number": number,
    }
    desk.status(**quiet)
    if name in STAYS:
        assert "host.cause_present" in desk.acknowledge_all()
        assert which in desk.latches()
        desk.status()  # the mere passing of time and messages takes nothing off
        assert which in desk.latches()
    if cured is None:
        return
    cured(desk)
    assert which in desk.latches()
    assert desk.acknowledge_all() == ()
    assert desk.latches() == {}
    # and leads nowhere near READY
    view = desk.supervisor.view(desk.now_us)
    assert view.state is State.STANDBY
    assert view.intent is Intent.IDLE
    assert "wrong_state" in desk.refused(GRANT)


def test_every_latch_is_provoked() -> None:
    shown_elsewhere = {L.START_UP, L.DEVICE_FAULT}
    assert {which for _, which, _, _ in SETTERS} | shown_elsewhere == set(LatchId) == set(LATCHES)
    assert {name for name, *_ in SETTERS} >= STAYS


def test_the_start_of_the_process_counts_as_a_trip() -> None:
    desk = Desk()
    assert set(desk.latches()) == {L.START_UP}
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert desk.acknowledge_all() == ("host.still_armed",)  # nothing is known of the laser
    desk.connect()
    assert desk.acknowledge_all() == ("host.still_armed",)
    desk.refresh()
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert "latched" in desk.arm_refused()
    assert desk.acknowledge_all() == ()
    assert desk.supervisor.heartbeat(desk.now_us) is not None


def test_a_fault_of_the_device_is_mirrored_and_goes_with_the_devices_own_acknowledgement() -> None:
    desk = Desk().emitting()
    reactions = _fault(desk)
    assert latched(reactions) == [L.DEVICE_FAULT]
    assert stops(reactions)
    assert "host.cause_present" in desk.acknowledge_all()
    first = desk.latches()[L.DEVICE_FAULT]
    assert "door" in first.text
    assert latched(_fault(desk)) == []
    second = desk.status(first_fault=Fault.ESTOP, fault_instance=6)
    assert [type(reaction) for reaction in second] == [LatchCleared, LatchSet]
    assert desk.latches()[L.DEVICE_FAULT].instance > first.instance
    assert desk.refused(Acknowledge(6)) == set()
    _no_fault(desk)
    assert desk.latches() == {}
    assert desk.supervisor.view(desk.now_us).state is State.STANDBY


def test_a_fault_seen_first_at_connecting_is_latched_without_a_stop() -> None:
    desk = Desk()
    desk.connect()
    assert latched(_fault(desk)) == [L.DEVICE_FAULT]
    assert not stops(desk.reactions)


def test_a_status_of_another_start_is_not_taken_for_fresh() -> None:
    desk = Desk().in_ready()
    desk.wait(290_000)
    desk.daemon()
    reactions = desk.status(boot=8)
    assert latched(reactions) == [L.DEVICE_RESTARTED]
    assert stops(reactions)
    desk.wait(20_000)
    assert "status" in desk.arm_refused()
    assert "host.still_armed" in desk.acknowledge_all()


def test_a_second_cause_neither_renews_the_latch_nor_hides_the_first() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.task_ended("writer", desk.now_us))
    first = desk.latches()[L.TASK_ENDED]
    assert latched(desk.take(desk.supervisor.task_ended("mqtt", desk.now_us + 5))) == []
    assert desk.latches()[L.TASK_ENDED] == first
    assert desk.acknowledge_all() == ("host.cause_present",)


def test_an_acknowledgement_names_the_instance_and_is_all_or_nothing() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us))
    desk.take(desk.supervisor.store_state(True, "written", desk.now_us))
    old = desk.latches()[L.STORE_FAILED].instance
    assert desk.acknowledge_all() == ()
    desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us))
    desk.take(desk.supervisor.store_state(True, "written", desk.now_us))
    new = desk.latches()[L.STORE_FAILED].instance
    assert new > old
    for instances in ([old], [new, old], [0]):
        refused = desk.supervisor.acknowledge(instances, desk.now_us)
        assert [why.code for why in refused] == ["host.other_latch"]
        assert L.STORE_FAILED in desk.latches()
    desk.take(desk.supervisor.task_ended("mqtt", desk.now_us))
    assert desk.acknowledge_all() == ("host.cause_present",)
    assert set(desk.latches()) == {L.STORE_FAILED, L.TASK_ENDED}
    assert desk.supervisor.acknowledge([new], desk.now_us) == ()
    assert set(desk.latches()) == {L.TASK_ENDED}


# -- permission lost without a latch


@pytest.mark.parametrize(
    "changes",
    [
        {"open_interlocks": frozenset({Interlock.DOOR})},
        {"calibrated": False},
        {"handpiece": Handpiece.NONE},
        {"spot_um": 2_000},
        {"wavelength_nm": 532},
    ],
    ids=str,
)
def test_what_the_device_acts_on_by_itself_is_stopped_but_not_latched(changes: dict[str, Any]) -> None:
    desk = Desk().emitting()
    reactions = desk.status(**changes)
    assert stops(reactions)
    assert latched(reactions) == []
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    in_standby = Desk().in_standby()
    assert not stops(in_standby.status(**changes))
    assert in_standby.arm_refused()


def test_an_armed_laser_is_watched_even_when_its_plan_was_dropped() -> None:
    desk = Desk().in_ready()
    desk.supervisor.drop_plan(desk.now_us)
    assert not stops(desk.status(spot_um=2_000))
    assert stops(desk.status(calibrated=False))


def test_an_operators_stop_is_never_refused_and_no_fault() -> None:
    for desk in (Desk(), Desk().in_standby(), Desk().emitting()):
        reactions = desk.supervisor.stop_requested("ada", desk.now_us)
        assert [type(reaction) for reaction in reactions] == [StopNow, Note]
        assert "ada" in str(reactions[0])
        assert latched(reactions) == []
        assert desk.refused(Stop(1)) == set()
        assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE


def test_after_a_stop_the_laser_may_be_seen_armed_for_half_a_second_and_no_longer() -> None:
    desk = Desk().emitting()
    desk.supervisor.requested(Stop(1), desk.now_us)
    for _ in range(10):
        desk.wait(50_000)
        desk.daemon()
        assert latched(desk.status()) == []
    desk.wait(1)
    reactions = desk.status()
    assert stops(reactions)
    assert set(latched(reactions)) == {L.UNPERMITTED_LIGHT, L.UNEXPECTED_STATE}


def test_a_stop_by_somebody_else_voids_the_permit() -> None:
    desk = Desk().with_permit()
    reactions = desk.status(stop_epoch=4)
    assert [reaction.event for reaction in reactions if isinstance(reaction, Note)] == ["stopped"]
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    assert desk.refused(GRANT) >= {"not_armed", "stopped_since"}
    desk.status(state=State.STANDBY, permit_id=0)
    assert desk.latches() == {}


def test_a_laser_that_goes_back_by_itself_is_followed() -> None:
    desk = Desk().with_permit()
    reactions = desk.status(state=State.STANDBY, permit_id=0)
    assert {reaction.event for reaction in reactions if isinstance(reaction, Note)} == {
        "disarmed",
        "permit_ended",
    }
    assert desk.supervisor.view(desk.now_us).intent is Intent.IDLE
    assert desk.latches() == {}


@pytest.mark.parametrize(("name", "may_treat"), [(None, True), ("", True), ("bob", False)])
def test_without_an_operator_who_may_treat_nothing_stays_armed(name: str | None, may_treat: bool) -> None:
    desk = Desk().in_standby()
    assert desk.supervisor.operator_present(name, desk.now_us, may_treat=may_treat) == []
    assert desk.arm_refused() == {"operator"}
    desk = Desk().in_ready()
    assert stops(desk.supervisor.operator_present(name, desk.now_us, may_treat=may_treat))
    assert desk.latches() == {}


def test_an_armed_state_without_our_arming_is_stopped_and_latched() -> None:
    for state in State:
        desk = Desk().in_standby()
        reactions = desk.status(state=state)
        assert stops(reactions) == (state in ARMED)
        expected = {L.UNEXPECTED_STATE} if state in ARMED else set()
        expected |= {L.UNPERMITTED_LIGHT} if state is State.EMITTING else set()
        expected |= {L.DEVICE_FAULT} if state is State.FAULT else set()
        assert set(latched(reactions)) == expected


# -- the daemon's own health


@pytest.mark.parametrize(
    ("lag_us", "ok"),
    [
        (0, True),
        (99_999, True),
        (100_000, True),
        (100_001, False),
        (-1, False),
        (math.nan, False),
        (math.inf, False),
    ],
)
def test_a_lagging_loop_withholds_the_heartbeat_and_latches_only_an_armed_laser(
    lag_us: float, ok: bool
) -> None:
    desk = Desk().in_standby()
    assert desk.take(desk.supervisor.loop_lag(lag_us, desk.now_us)) == []
    assert (desk.supervisor.heartbeat(desk.now_us) is not None) == ok
    assert desk.arm_refused() == (set() if ok else {"loop"})
    desk = Desk().in_ready()
    assert latched(desk.supervisor.loop_lag(lag_us, desk.now_us)) == ([] if ok else [L.LOOP_LAG])


@pytest.mark.parametrize("late_us", [0, 99_999, 100_000, 100_001, 300_000])
def test_the_heartbeat_is_withheld_as_soon_as_the_tick_is_late(late_us: int) -> None:
    desk = Desk().in_ready()
    desk.wait(late_us)
    desk.status()
    late = late_us > 100_000
    assert (desk.supervisor.heartbeat(desk.now_us) is None) == late
    reactions = desk.supervisor.tick(desk.now_us)
    assert latched(reactions) == ([L.LOOP_LAG] if late else [])
    assert stops(reactions) == late


def test_a_late_tick_of_an_idle_daemon_is_no_trip() -> None:
    desk = Desk().in_standby()
    desk.wait(10_000_000)
    desk.refresh()
    assert desk.latches() == {}


def test_a_clock_that_goes_back_makes_nothing_good() -> None:
    desk = Desk().in_standby()
    desk.now_us -= 1
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert desk.arm_refused() >= {"status", "telemetry", "tick", "loop"}


@pytest.mark.parametrize("age_us", [0, 299_999, 300_000, 300_001])
def test_permission_ends_when_the_status_is_too_old(age_us: int) -> None:
    desk = Desk().in_ready()
    desk.wait(age_us)
    desk.supervisor._known.freshness.note(Input.TICK, desk.now_us)
    fresh = age_us <= 300_000
    assert (desk.supervisor.heartbeat(desk.now_us) is not None) == fresh
    assert ("status" in desk.refused(GRANT)) == (not fresh)
    assert latched(desk.supervisor.tick(desk.now_us)) == ([] if fresh else [L.STALE])


def test_an_idle_laser_that_falls_silent_is_refused_but_not_latched() -> None:
    desk = Desk().in_standby()
    desk.wait(400_000)
    desk.daemon()
    assert desk.latches() == {}
    assert desk.arm_refused() == {"status"}


def test_ages_and_lag_come_from_the_configuration() -> None:
    supervisor = Supervisor(0, max_age_us={Input.STATUS: 10}, loop_lag_max_us=5)
    supervisor.loop_lag(6, 0)
    view = supervisor.view(0)
    assert "host.loop" in {why.code for why in view.heartbeat_withheld}
    supervisor.loop_lag(5, 0)
    assert "host.loop" not in {why.code for why in supervisor.view(0).heartbeat_withheld}


# -- the link


def test_nothing_is_believed_before_a_laser_is_identified() -> None:
    desk = Desk()
    for message in (desk.last, TELEMETRY, COUNTERS, SETPOINT):
        assert desk.observe(message) == []
    desk.daemon()
    assert desk.supervisor.view(desk.now_us).state is None
    assert desk.fire(101) == []


def test_a_lost_link_takes_everything_the_device_said_with_it() -> None:
    desk = Desk().with_permit()
    assert [type(reaction) for reaction in desk.supervisor.link_down("silent", desk.now_us)] == [Note]
    view = desk.supervisor.view(desk.now_us)
    assert (view.serial, view.boot, view.session, view.state, view.intent) == (
        None,
        None,
        None,
        None,
        Intent.IDLE,
    )
    assert desk.arm_refused() >= {"link_down", "status", "telemetry", "wrong_state", "setpoint_unread"}
    assert desk.supervisor.heartbeat(desk.now_us) is None
    desk.wait(50_000)
    assert desk.supervisor.tick(desk.now_us) == []


def test_another_laser_begins_with_empty_books() -> None:
    desk = Desk().with_permit()
    desk.fire(101)
    desk.supervisor.link_down("unplugged", desk.now_us)
    reactions = desk.connect(serial="PL755-0002", recorded_to=None)
    assert latched(reactions) == [L.RECONNECTED]
    view = desk.supervisor.view(desk.now_us)
    assert (view.serial, view.plan, view.reported_to) == ("PL755-0002", None, None)
    assert latched(desk.fire(7)) == [L.UNPERMITTED_LIGHT]


def test_pulses_of_the_last_moment_are_booked_after_a_reconnection() -> None:
    desk = Desk().emitting()
    desk.fire(101)
    _reconnect(desk)
    desk.status(pulse_number=102)
    assert desk.refused(ARM) >= {"reports_behind"}
    assert latched(desk.fire(102, device_time_us=desk.last.device_time_us - 500)) == []
    assert desk.supervisor.view(desk.now_us).plan_done == 2


def test_pulses_of_an_earlier_process_are_permitted_by_its_record_and_void_the_loaded_plan() -> None:
    desk = Desk().in_standby()
    desk.supervisor.recall_permit(555, 20)
    reactions = desk.fire(101, permit_id=555)
    assert [reaction.event for reaction in reactions if isinstance(reaction, Note)] == ["plan_dropped"]
    assert latched(reactions) == []
    assert desk.supervisor.view(desk.now_us).plan is None
    assert desk.fire(102, permit_id=555) == []


@pytest.mark.parametrize("flag", [PulseFlag.CALIBRATION, PulseFlag.SHUTTER_CLOSED])
def test_pulses_of_a_calibration_need_no_permit_and_count_for_no_plan(flag: PulseFlag) -> None:
    desk = Desk().in_standby()
    assert desk.fire(101, permit_id=0, flags=frozenset({flag}), monitor_b_uj=0) == []
    assert desk.supervisor.view(desk.now_us).plan_done == 0


def test_a_skipped_pulse_is_accounted_for_but_not_as_dose() -> None:
    desk = Desk().emitting()
    skipped = frozenset({PulseFlag.SKIPPED})
    assert desk.fire(101, flags=skipped, monitor_a_uj=0, monitor_b_uj=0) == []
    view = desk.supervisor.view(desk.now_us)
    assert (view.plan_done, view.reported_to) == (0, 101)
    assert view.permit is not None
    assert view.permit.counted == 0


def test_an_unknown_pulse_counts_as_given() -> None:
    desk = Desk().emitting()
    desk.fire(101, flags=frozenset({PulseFlag.UNKNOWN}), monitor_a_uj=0, monitor_b_uj=0)
    assert desk.supervisor.view(desk.now_us).plan_done == 1
    desk.observe(replace(COUNTERS, pulse_number=103))  # two reports are still missing
    assert "pulse 101" in desk.supervisor._known.cause(L.UNCERTAIN, desk.now_us)


def test_a_repeated_report_is_booked_once() -> None:
    desk = Desk().emitting()
    desk.fire(101)
    again = desk.last.device_time_us
    for _ in range(5):
        assert desk.fire(101, device_time_us=again + 500) == []
    view = desk.supervisor.view(desk.now_us)
    assert (view.plan_done, view.pulses_seen) == (1, 1)


def test_one_pulse_more_than_permitted_is_unpermitted_light() -> None:
    desk = Desk().in_ready()
    desk.grant(pulses=2)
    desk.status(state=State.EMITTING)
    assert desk.fire(101) == []
    assert desk.fire(102) == []
    reactions = desk.fire(103)
    assert latched(reactions) == [L.UNPERMITTED_LIGHT]
    assert stops(reactions)


def test_other_messages_are_taken_without_a_word() -> None:
    desk = Desk().in_standby()
    assert desk.observe(Stopped(1, 4, 0, True, True, True, True)) == []


def test_a_closed_report_of_the_view_names_what_refuses() -> None:
    desk = Desk().in_standby()
    view = desk.supervisor.view(desk.now_us)
    assert view.arming_refused == ()
    assert view.heartbeat_withheld == ()
    assert set(view.inputs) == {which.value for which in Input}
    assert (view.serial, view.boot, view.session, view.state) == (LINK.serial, 7, 77, State.STANDBY)
    desk.arm()
    desk.grant()
    permit = desk.supervisor.view(desk.now_us).permit
    assert permit is not None
    assert (permit.permit_id, permit.pulses, permit.counted, permit.granted) == (900, 20, 0, True)
    desk.supervisor.uncertain("cmd-1", "no answer", desk.now_us)
    assert desk.supervisor.view(desk.now_us).uncertain == ("cmd-1",)


def test_an_arm_refused_in_a_rehearsal_view_is_computed_for_its_beam() -> None:
    desk = Desk().in_standby()
    assert desk.supervisor.load_plan(plan(rehearsal=True), DEVICE, 0, desk.now_us) == ()
    assert desk.supervisor.view(desk.now_us).arming_refused == ()
    assert "beam" in desk.arm_refused()
    assert isinstance(ARM, Arm)


# -- a request whose answer is awaited, repeated by the link


@pytest.mark.parametrize("message", [ARM, GRANT], ids=["arm", "grant"])
def test_a_request_in_flight_may_be_repeated_and_is_booked_once(message: Arm | Grant) -> None:
    desk = Desk().in_standby() if message is ARM else Desk().in_ready()
    for _ in range(3):
        assert desk.send(message)
    view = desk.supervisor.view(desk.now_us)
    assert view.intent is Intent.ARMED
    desk.supervisor.answered(message, DONE)
    repeated = {"wrong_state"} if message is ARM else {"permit_open", "permit_used"}
    assert desk.refused(message) == repeated


def _door(desk: Desk) -> None:
    desk.status(open_interlocks=frozenset({Interlock.DOOR}))
    desk.status(open_interlocks=frozenset())


def _nobody(desk: Desk) -> None:
    desk.take(desk.supervisor.operator_present(None, desk.now_us))
    desk.daemon()


def _by_hand(desk: Desk) -> None:
    desk.take(desk.supervisor.stop_requested("ada", desk.now_us))


def _by_standby(desk: Desk) -> None:
    desk.send(Standby())


def _by_another_plan(desk: Desk) -> None:
    assert desk.supervisor.load_plan(FOREARM, DEVICE, 0, desk.now_us) == ()


@pytest.mark.parametrize("lost", [_door, _nobody, _by_hand, _by_standby, _by_another_plan])
def test_a_grant_in_flight_is_not_repeated_once_permission_was_lost(lost: Callable[[Desk], None]) -> None:
    desk = Desk().in_ready()
    assert desk.send(GRANT)
    lost(desk)
    assert desk.latches() == {}
    assert desk.refused(GRANT) == {"not_armed", "permit_used"}


def test_an_arm_that_was_given_up_is_a_new_one_when_it_is_sent_again() -> None:
    desk = Desk().in_standby()
    assert desk.send(ARM)
    assert desk.send(Standby())
    assert desk.arm()
    assert desk.latches() == {}
    assert desk.supervisor.view(desk.now_us).intent is Intent.ARMED


def test_an_arming_that_ended_before_its_answer_leaves_nothing_in_flight() -> None:
    desk = Desk().in_standby()
    assert desk.send(ARM)
    desk.status(state=State.ARMING, arm_epoch=12)
    desk.status(state=State.STANDBY)
    assert desk.arm()
    assert desk.latches() == {}


def test_what_refuses_the_next_series_is_told_before_there_is_a_grant() -> None:
    desk = Desk()
    told = {why.code for why in desk.supervisor.granting_refused(desk.now_us)}
    assert told >= {"host.link_down", "host.latched", "host.wrong_state", "host.no_plan", "host.not_armed"}
    desk = Desk().in_ready()
    assert desk.supervisor.granting_refused(desk.now_us) == ()
    desk.grant()
    assert [why.code for why in desk.supervisor.granting_refused(desk.now_us)] == ["host.permit_open"]


def test_whether_a_latchs_cause_is_there_is_told_without_acknowledging() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.store_state(False, "disk full", desk.now_us))
    latch = desk.latches()[L.STORE_FAILED]
    assert desk.supervisor.cause_present(latch, desk.now_us)
    desk.supervisor.store_state(True, "written", desk.now_us)
    assert not desk.supervisor.cause_present(latch, desk.now_us)
    assert L.STORE_FAILED in desk.latches()


def test_a_plan_whose_every_pulse_was_given_is_loaded_as_done() -> None:
    desk = Desk().in_standby()
    assert desk.supervisor.load_plan(FOREARM, DEVICE, 60, desk.now_us) == ()
    assert desk.arm_refused() == {"plan_done"}


def test_the_tasks_that_ended_are_named() -> None:
    desk = Desk().in_standby()
    assert desk.supervisor.view(desk.now_us).inputs["tasks"].text == "all run"
    desk.supervisor.task_ended("writer", desk.now_us)
    desk.supervisor.task_ended("mqtt", desk.now_us)
    assert desk.supervisor.view(desk.now_us).inputs["tasks"].text == "mqtt, writer"


def test_the_single_questions_answer_as_the_whole_view_does() -> None:
    stale = Desk().in_ready()
    stale.wait(1_000_000)
    stale.take(stale.supervisor.tick(stale.now_us))
    for desk in (Desk(), Desk().in_standby(), stale):
        view = desk.supervisor.view(desk.now_us)
        assert desk.supervisor.latches == view.latches
        assert (desk.supervisor.link.serial if desk.supervisor.link else None) == view.serial
        for which in Input:
            assert desk.supervisor.quality(which, desk.now_us) is view.inputs[which.value].quality


def test_the_first_tick_is_no_late_one_even_of_a_laser_that_is_armed() -> None:
    desk = Desk()
    desk.connect()
    desk.status(state=State.READY)
    desk.wait(200_000)
    desk.take(desk.supervisor.tick(desk.now_us))
    assert L.LOOP_LAG not in desk.latches()
    desk.wait(100_001)
    desk.take(desk.supervisor.tick(desk.now_us))
    assert L.LOOP_LAG in desk.latches(), "the control: a second one may be"
