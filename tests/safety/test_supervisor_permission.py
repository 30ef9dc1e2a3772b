"""Permission lost without a latch, and the health of the daemon itself."""

import math
from typing import Any

import pytest

from protocols.interlocks import Interlock
from protocols.messages import Handpiece, Intent, Stop
from protocols.states import ARMED, State
from safety.freshness import Input
from safety.latches import LatchId
from safety.reactions import Note, StopNow
from safety.supervisor import Supervisor
from tests.safety.desk import Desk, latched, stops
from tests.safety.laser import GRANT

L = LatchId


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


@pytest.mark.shows("REQ-045")
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


@pytest.mark.shows("REQ-032", "HZ-024", "HZ-035")
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


@pytest.mark.shows("REQ-032", "HZ-024", "HZ-035")
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


@pytest.mark.shows("REQ-049")
def test_a_clock_that_goes_back_makes_nothing_good() -> None:
    desk = Desk().in_standby()
    desk.now_us -= 1
    assert desk.supervisor.heartbeat(desk.now_us) is None
    assert desk.arm_refused() >= {"status", "telemetry", "tick", "loop"}


@pytest.mark.shows("REQ-032", "HZ-034")
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
