"""The supervisor and the link: what a lost link takes with it, and whose pulses are whose."""

from dataclasses import replace

import pytest

from protocols.messages import Intent, PulseFlag, Stopped
from protocols.requests import Arm
from protocols.states import State
from safety.freshness import Input
from safety.latches import LatchId
from safety.reactions import Note
from tests.safety.desk import LINK, Desk, latched, stops
from tests.safety.laser import ARM, COUNTERS, DEVICE, SETPOINT, TELEMETRY, plan

L = LatchId


def test_nothing_is_believed_before_a_laser_is_identified() -> None:
    desk = Desk()
    for message in (desk.last, TELEMETRY, COUNTERS, SETPOINT):
        assert desk.observe(message) == []
    desk.daemon()
    assert desk.supervisor.view(desk.now_us).state is None
    assert desk.fire(101) == []


def test_two_statuses_of_one_microsecond_are_no_clock_that_went_back() -> None:
    desk = Desk()
    desk.in_ready()
    at_us = desk.last.device_time_us
    assert latched(desk.status(device_time_us=at_us)) == []
    assert L.BAD_INPUT in latched(desk.status(device_time_us=at_us - 1))


@pytest.mark.shows("REQ-008", "HZ-034")
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
    desk.reconnect()
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


@pytest.mark.shows("REQ-046")
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
