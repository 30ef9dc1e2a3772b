"""The supervisor: the road to light, and the requests whose answer is awaited."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols.interlocks import Interlock
from protocols.messages import Intent, Result
from protocols.requests import Acknowledge, Arm, CommitSetpoint, Grant, Standby
from protocols.states import State
from safety.freshness import Input
from safety.latches import LatchId
from safety.reactions import Note
from tests.safety.desk import Desk, latched, stops
from tests.safety.laser import ARM, DEVICE, DONE, FOREARM, GRANT, SETPOINT, TELEMETRY, plan

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


@pytest.mark.shows("REQ-024", "HZ-019")
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


@pytest.mark.shows("REQ-046", "HZ-044")
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
