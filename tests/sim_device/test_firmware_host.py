"""Heartbeat, challenges, intent, sessions and permits, to the microsecond."""

from itertools import pairwise
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Beam, Heartbeat, Intent, Leave, Telemetry
from protocols.refusals import Refusal
from protocols.requests import Counters, ReadCounters, ReadSetpoint
from protocols.states import ARMED, State
from tests.sim_device.bench import MS, Bench, S, at

QUIET_US = 3 * MS
"""HZ-033: what is told unasked waits so long after a lamp trigger."""


def silent(stage: str) -> Bench:
    """A bench whose host has just said its last word; what it said before is through."""
    bench = at(stage)
    bench.host_alive = False
    bench.run(10 * MS)
    return bench


def answered_us(bench: Bench) -> int:
    """When the newest challenge was issued that the host has answered."""
    return bench.firmware.device.host.alive_until_us - 200 * MS


@pytest.mark.shows("REQ-032")
@pytest.mark.parametrize("stage", ["arming", "ready", "granted", "emitting"])
def test_a_silent_host_is_lost_exactly_200_ms_after_the_challenge_it_answered(stage: str) -> None:
    bench = silent(stage)
    deadline_us = answered_us(bench) + 200 * MS
    bench.advance(deadline_us - 1)
    assert bench.state in ARMED
    bench.run(1)
    assert bench.state is State.FAULT
    assert bench.first_fault is Fault.LINK_LOST
    assert bench.dark
    assert not bench.firmware.device.permit.held


@pytest.mark.shows("REQ-032", "HZ-034")
@pytest.mark.parametrize("phase_us", range(0, 100_000, 7_001))
def test_emission_ends_within_200_ms_of_the_last_answered_challenge_at_every_phase(phase_us: int) -> None:
    bench = at("emitting")
    bench.run(phase_us)
    bench.host_alive = False
    bench.run(10 * MS)
    issued_us = answered_us(bench)
    bench.run(S)
    assert bench.triggers[-1] < issued_us + 200 * MS
    assert bench.first_fault is Fault.LINK_LOST


@pytest.mark.shows("REQ-032")
@pytest.mark.parametrize("early_us", [1, 0])
def test_an_answer_keeps_the_host_alive_only_if_it_comes_before_the_deadline(early_us: int) -> None:
    bench = silent("ready")
    deadline_us = answered_us(bench) + 200 * MS
    bench.advance(deadline_us - 50 * MS)
    challenge = bench.status.challenge
    issued_us = bench.status.device_time_us
    bench.advance(deadline_us - early_us)
    bench.say(Heartbeat(challenge, Intent.ARMED))
    assert (bench.state is State.READY) is bool(early_us)
    if early_us:
        assert answered_us(bench) == issued_us
        bench.advance(issued_us + 200 * MS)
        assert bench.first_fault is Fault.LINK_LOST


@pytest.mark.shows("REQ-032", "HZ-036")
def test_words_left_in_a_buffer_keep_nothing_alive() -> None:
    bench = silent("emitting")
    deadline_us = answered_us(bench) + 200 * MS
    old = [status.challenge for status in bench.statuses[:-1]]
    for challenge in [*old[-3:] * 20, 0, 1, 2**32 - 1]:
        if challenge != bench.status.challenge:
            bench.say(Heartbeat(challenge, Intent.PERMIT))
        if bench.now_us < deadline_us - 3 * MS:
            bench.run(MS)
    bench.advance(max(bench.now_us, answered_us(bench) + 200 * MS))
    assert bench.first_fault is Fault.LINK_LOST
    assert bench.now_us <= deadline_us + 60 * MS


def test_a_heartbeat_never_shortens_a_life() -> None:
    bench = at("ready")
    before = bench.firmware.device.host.alive_until_us
    bench.say(Heartbeat(bench.statuses[-4].challenge, Intent.ARMED))
    assert bench.firmware.device.host.alive_until_us == before


@pytest.mark.parametrize(("back", "counts"), [(0, True), (6, True), (7, True), (8, False), (20, False)])
def test_the_last_eight_challenges_are_known(back: int, counts: bool) -> None:
    bench = at("standby")
    bench.host_alive = False
    bench.run(3 * S)
    chosen = bench.statuses[-1 - back]
    bench.say(Heartbeat(chosen.challenge, Intent.IDLE))
    assert (bench.firmware.device.host.alive_until_us == chosen.device_time_us + 200 * MS) is counts


def test_every_status_carries_a_new_challenge_that_is_never_zero() -> None:
    bench = at("ready")
    bench.run(5 * S)
    challenges = [status.challenge for status in bench.statuses]
    assert len(set(challenges)) == len(challenges)
    assert 0 not in challenges


@pytest.mark.parametrize(
    ("stage", "period_us"), [("standby", 100 * MS), ("ready", 50 * MS), ("emitting", 50 * MS)]
)
def test_status_comes_in_its_period_and_on_every_change(stage: str, period_us: int) -> None:
    bench = at(stage)
    count = len(bench.statuses)
    bench.run(S)
    times = [status.device_time_us for status in bench.statuses[count:]]
    assert max(b - a for a, b in pairwise(times)) <= period_us + (QUIET_US if stage == "emitting" else 0)
    bench.run(20 * MS)
    bench.dock(stage == "standby")
    bench.run(10 * MS)
    assert bench.status.docked is (stage == "standby")


def test_a_chattering_contact_does_not_flood_the_line() -> None:
    bench = at("standby")
    count = len(bench.statuses)
    for index in range(2_000):
        bench.set(door_closed=index % 2 == 0)
        bench.run(100)
    assert len(bench.statuses) - count <= 200 * MS // (10 * MS) + 1


def test_telemetry_comes_every_second_and_counts() -> None:
    bench = at("ready")
    count = len(bench.heard)
    bench.run(5 * S)
    samples: list[Any] = [m for m in bench.heard[count:] if hasattr(m, "sample")]
    assert [b.device_time_us - a.device_time_us for a, b in pairwise(samples)] == [S] * 4
    assert [b.sample - a.sample for a, b in pairwise(samples)] == [1] * 4


# --- intent ---


def beats(bench: Bench, intent: Intent, count: int) -> None:
    """This many heartbeats of that intent, each answering its own fresh Status."""
    bench.intent = intent
    seen = len(bench.statuses)
    while len(bench.statuses) < seen + count:
        bench.run(MS)
    bench.run(6 * MS)


@pytest.mark.parametrize(("count", "returns"), [(2, False), (3, True)])
def test_three_idle_heartbeats_running_end_an_arming(count: int, returns: bool) -> None:
    bench = at("ready")
    bench.run(100 * MS)
    beats(bench, Intent.IDLE, count)
    assert (bench.left is Leave.INTENT) is returns
    if not returns:
        beats(bench, Intent.ARMED, 1)
        beats(bench, Intent.IDLE, 2)
        assert bench.state is State.READY


@pytest.mark.parametrize(("stage", "claim"), [("ready", Intent.PERMIT), ("granted", Intent.ARMED)])
def test_a_wrong_claim_about_the_permit_counts_only_once_it_is_settled(stage: str, claim: Intent) -> None:
    bench = at(stage)
    changed_us = bench.now_us
    bench.intent = claim
    bench.until(State.STANDBY, 2 * S)
    assert bench.left is Leave.INTENT
    assert 500 * MS <= bench.now_us - changed_us <= 650 * MS


def test_a_grant_that_is_lost_for_a_while_does_not_end_the_arming() -> None:
    bench = at("ready")
    bench.intent = Intent.PERMIT  # the host has sent its Grant, and it does not arrive
    bench.run(450 * MS)
    bench.grant()
    bench.run(2 * S)
    assert bench.state is State.READY


def test_an_idle_heartbeat_in_flight_while_arming_begins_is_not_held_against_the_host() -> None:
    bench = at("set")
    old = bench.status.challenge
    assert not bench.reasons(bench.arm_request())
    for _ in range(5):
        bench.say(Heartbeat(old, Intent.IDLE))
    assert bench.state is State.ARMING


# --- sessions ---


@pytest.mark.shows("REQ-008")
@pytest.mark.parametrize("stage", ["arming", "ready", "granted", "emitting"])
def test_a_new_session_voids_the_permit_and_returns_to_standby(stage: str) -> None:
    bench = at(stage)
    bench.connect()
    assert (bench.state, bench.left) == (State.STANDBY, Leave.SESSION)
    assert bench.dark
    assert not bench.firmware.device.permit.held
    assert not bench.firmware.device.host.alive(bench.now_us)


@pytest.mark.shows("REQ-033", "HZ-036")
def test_words_of_the_session_before_are_not_taken() -> None:
    bench = at("set")
    old = bench.session
    bench.connect()
    bench.host_alive = False
    bench.run(300 * MS)
    bench.say(Heartbeat(bench.status.challenge, Intent.IDLE), session=old)
    assert not bench.firmware.device.host.alive(bench.now_us)
    bench.run(20 * MS)
    assert Refusal.HOST_SILENT in bench.status.blocks


def test_the_set_point_in_force_outlives_a_session_and_is_read_back() -> None:
    bench = at("set")
    before = bench.ask(ReadSetpoint())
    bench.connect()
    assert bench.ask(ReadSetpoint()) == before


# --- permits and presses ---


@pytest.mark.shows("REQ-003")
def test_a_press_before_the_grant_never_counts() -> None:
    bench = at("ready")
    request = bench.grant_request()
    bench.press()
    bench.run(20 * MS)
    bench.release()
    bench.run(20 * MS)
    bench.set(foot_a_closed=True)  # one contact already down
    assert not bench.reasons(request)
    bench.run(S // 25)
    assert bench.state is State.READY


@pytest.mark.shows("REQ-003")
@pytest.mark.parametrize(("delay_us", "fires"), [(0, False), (1, True)])
def test_a_press_must_begin_after_the_grant(delay_us: int, fires: bool) -> None:
    bench = at("ready")
    bench.grant()
    bench.run(delay_us)
    bench.press()
    bench.run(20 * MS)
    assert (bench.state is State.EMITTING) is fires


@pytest.mark.shows("REQ-002", "REQ-003", "HZ-032")
@pytest.mark.parametrize("stage", ["standby", "set", "arming"])
def test_no_press_at_any_time_before_ready_fires(stage: str) -> None:
    for at_us in range(0, 2_300_000, 99_991):
        bench = at(stage)
        fired = len(bench.triggers)
        bench.run(at_us)
        if bench.state is State.READY:
            break
        bench.press()
        bench.run(50 * MS)
        assert bench.outputs.gate_enable is False or bench.state is State.ARMING
        assert len(bench.triggers) == fired


@pytest.mark.shows("REQ-003")
def test_every_loss_of_permission_needs_a_fresh_press() -> None:
    bench = at("granted")
    bench.press()
    bench.run(3 * S)  # the permit is used up, the foot is still down
    fired = len(bench.triggers)
    bench.run(S)
    assert len(bench.triggers) == fired == 52
    assert bench.reasons(bench.grant_request(permit_id=2)) == {Refusal.FOOT_HELD}
    bench.release()
    bench.run(MS)
    bench.grant(5, permit_id=3)
    bench.run(S)
    assert len(bench.triggers) == fired
    bench.press()
    bench.run(S)
    assert len(bench.triggers) == fired + 5
    assert bench.last_report.press == 2


def test_a_release_keeps_the_rest_of_the_permit_for_the_next_press() -> None:
    bench = at("granted")
    for expected in (4, 8, 12):
        bench.press()
        bench.run(350 * MS)
        bench.release()
        bench.run(200 * MS)
        assert len(bench.triggers) == 32 + expected
    assert bench.status.permit_pulses_left == 8
    assert bench.status.permit_id == 1


def test_an_aperture_permit_is_not_held_over_into_a_rehearsal() -> None:
    bench = at("granted")
    bench.stop()
    bench.run(20 * MS)
    assert not bench.reasons(bench.arm_request(Beam.SHUTTER))
    bench.until(State.READY)
    bench.run(20 * MS)
    assert bench.status.permit_id == 0
    assert Refusal.BEAM in bench.reasons(bench.grant_request(permit_id=5, beam=Beam.APERTURE))


# --- the lamp rings


def test_nothing_is_told_unasked_while_the_lamp_rings_and_everything_right_after() -> None:
    bench = at("granted")
    for _ in range(4):
        fired, statuses, reports = len(bench.triggers), len(bench.statuses), len(bench.reports)
        bench.press()
        while len(bench.triggers) == fired:
            statuses, reports = len(bench.statuses), len(bench.reports)
            bench.run(10)
        trigger_us = bench.triggers[-1]
        bench.advance(trigger_us + QUIET_US - 1)
        assert (len(bench.statuses), len(bench.reports)) == (statuses, reports)
        bench.run(1)
        assert len(bench.reports) == reports + 1
        bench.run(10 * MS - QUIET_US)  # no Status follows another closer than that
        assert len(bench.statuses) > statuses
        assert bench.status.pulse_number == max(bench.reports)


def test_telemetry_that_is_due_while_the_lamp_rings_is_told_after_it() -> None:
    bench = at("emitting")
    reporter = bench.firmware._reporter
    count = len(bench.heard)
    bench.advance(bench.triggers[-1] + 95 * MS)
    reporter._telemetry_us = bench.now_us - bench.boot_us + 6 * MS  # 1 ms after the next trigger
    reporter.deadline_us = min(reporter.deadline_us, reporter._telemetry_us)
    bench.run(50 * MS)
    told = [message for message in bench.heard[count:] if isinstance(message, Telemetry)]
    assert [message.device_time_us for message in told] == [bench.triggers[-1] - bench.boot_us + QUIET_US]


@pytest.mark.parametrize("after_us", [0, 1, 200, 999, 1_500, 2_999])
def test_a_stop_and_a_request_are_answered_at_once_while_the_lamp_rings(after_us: int) -> None:
    bench = at("emitting")
    fired = len(bench.triggers)
    while len(bench.triggers) == fired:
        bench.run(10)
    bench.advance(bench.triggers[-1] + after_us)
    assert isinstance(bench.ask(ReadCounters()), Counters)
    statuses = len(bench.statuses)
    stopped = bench.stop()
    assert stopped.no_permit
    assert len(bench.statuses) == statuses
    bench.run(QUIET_US)
    assert bench.status.state is State.STANDBY
