"""What may fire: the foot or the internal trigger, as the permit says and the board's strap bears out."""

import itertools

import pytest

from protocols.faults import Fault
from protocols.messages import Beam, Leave
from protocols.refusals import Refusal
from protocols.requests import Trigger
from protocols.states import State
from tests.sim_device.bench import MS, Bench, S, at


def strapped(stage: str = "ready") -> Bench:
    """At this stage, with the strap fitted for a moment."""
    bench = at(stage)
    bench.set(internal_trigger_strap=True)
    bench.run(20 * MS)
    return bench


def internal(bench: Bench, pulses: int = 5, permit_id: int = 1) -> frozenset[Refusal]:
    return bench.reasons(bench.grant_request(pulses, permit_id, trigger=Trigger.INTERNAL))


@pytest.mark.parametrize(
    ("trigger", "strap", "stage"),
    list(itertools.product(Trigger, (False, True), ("ready", "rehearsal ready"))),
)
def test_a_permit_is_refused_for_a_trigger_that_the_board_does_not_have(
    trigger: Trigger, strap: bool, stage: str
) -> None:
    bench = at(stage)
    bench.set(internal_trigger_strap=strap)
    refused = bench.reasons(bench.grant_request(5, trigger=trigger))
    agree = (trigger is Trigger.INTERNAL) == strap
    assert refused == (set() if agree else {Refusal.TRIGGER})
    assert bench.firmware.device.permit.held is agree


def test_the_internal_trigger_fires_what_its_permit_allows_and_no_more() -> None:
    bench = strapped()
    fired = len(bench.triggers)
    assert not internal(bench)
    bench.run(3 * S)
    assert len(bench.triggers) == fired + 5
    assert {bench.reports[number].press for number in sorted(bench.reports)[-5:]} == {0}
    assert (bench.state, bench.firmware.device.permit.held) == (State.READY, False)


def test_a_strap_does_not_fire_under_a_permit_for_the_foot() -> None:
    bench = at("granted")
    fired = len(bench.triggers)
    bench.set(internal_trigger_strap=True)
    assert (bench.state, bench.left) == (State.STANDBY, Leave.TRIGGER)
    bench.run(3 * S)
    assert len(bench.triggers) == fired
    assert bench.first_fault is Fault.NONE


def test_a_foot_does_not_fire_under_a_permit_for_the_internal_trigger() -> None:
    bench = strapped("ready")
    bench.press()
    bench.run(20 * MS)
    assert internal(bench) == {Refusal.FOOT_HELD}
    bench.release()
    bench.run(MS)
    assert not internal(bench, permit_id=2)
    bench.run(150 * MS)
    bench.press()
    bench.run(50 * MS)
    fired = len(bench.triggers)
    bench.set(internal_trigger_strap=False)
    bench.run(S)
    assert len(bench.triggers) == fired, "the foot took over from the strap"
    assert (bench.state, bench.left) == (State.STANDBY, Leave.TRIGGER)


@pytest.mark.parametrize("stage", ["granted", "emitting"])
def test_a_strap_that_is_fitted_under_a_permit_for_the_foot_voids_it_in_the_same_step(stage: str) -> None:
    bench = at(stage)
    bench.set(internal_trigger_strap=True)
    assert (bench.state, bench.left) == (State.STANDBY, Leave.TRIGGER)
    assert bench.dark
    assert not bench.firmware.device.permit.held


@pytest.mark.parametrize("after_us", [0, 1, 100 * MS, 250 * MS, 310 * MS])
def test_a_strap_that_goes_under_its_permit_voids_it_in_the_same_step(after_us: int) -> None:
    bench = strapped()
    assert not internal(bench)
    bench.run(after_us)
    fired = len(bench.triggers)
    bench.set(internal_trigger_strap=False)
    assert (bench.state, bench.left) == (State.STANDBY, Leave.TRIGGER)
    assert bench.dark
    bench.set(internal_trigger_strap=True)
    bench.run(S)
    assert len(bench.triggers) == fired, "the strap came back and fired without a new permit"


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready"])
def test_without_a_permit_the_strap_changes_nothing(stage: str) -> None:
    bench = at(stage)
    state, fired = bench.state, len(bench.triggers)
    for level in (True, False):
        bench.set(internal_trigger_strap=level)
        bench.run(100 * MS)
    assert (bench.state, len(bench.triggers)) == (state, fired)


def test_a_strap_that_goes_between_commit_and_trigger_skips_the_numbered_pulse() -> None:
    bench = strapped()
    assert not internal(bench)
    bench.run(50 * MS)
    fired = len(bench.triggers)
    bench.memory.on_write = (bench.inputs, "internal_trigger_strap", False)
    while bench.memory.on_write is not None:
        bench.run(MS)
    bench.run(S)
    assert len(bench.triggers) == fired


def test_a_rehearsal_may_be_fired_by_the_internal_trigger() -> None:
    bench = strapped("rehearsal ready")
    fired = len(bench.triggers)
    request = bench.grant_request(3, trigger=Trigger.INTERNAL)
    assert request.beam is Beam.SHUTTER
    assert not bench.reasons(request)
    bench.run(2 * S)
    assert len(bench.triggers) == fired + 3
    assert not any(bench.shutter_was_open[fired:])
