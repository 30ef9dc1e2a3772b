"""Pairs of contacts that disagree: told, latched, not acknowledged; a port that must see its light."""

import pytest

from protocols.faults import Fault
from protocols.messages import Leave, PulseFlag
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, Calibrate
from protocols.states import State
from tests.sim_device.bench import MS, Bench, S, at

TOO_LONG_US = 50 * MS
LATCHING = {  # contact: the fault that its being open trips, and that of its pair
    "estop_a_closed": (Fault.ESTOP, Fault.ESTOP_DISAGREES),
    "estop_b_closed": (Fault.ESTOP, Fault.ESTOP_DISAGREES),
    "cover_a_closed": (Fault.COVER, Fault.COVER_DISAGREES),
    "cover_b_closed": (Fault.COVER, Fault.COVER_DISAGREES),
}
DOCK = ("docked_a_closed", "docked_b_closed")


def has(bench: Bench, fault: Fault) -> bool:
    return bench.firmware.device.faults.has(fault)


@pytest.mark.shows("REQ-009", "HZ-021")
@pytest.mark.parametrize("contact", LATCHING)
@pytest.mark.parametrize("stage", ["self_test", "warm_up", "calibrating", "standby", "ready", "emitting"])
def test_a_contact_unlike_its_twin_for_more_than_50_ms_latches_beside_the_trip(
    contact: str, stage: str
) -> None:
    trip, disagrees = LATCHING[contact]
    bench = at(stage)
    bench.set(**{contact: False})
    assert bench.first_fault is trip
    bench.run(TOO_LONG_US)
    assert not has(bench, disagrees)
    bench.run(1)
    assert has(bench, disagrees)
    assert bench.first_fault is trip
    instance = bench.firmware.device.faults.instance
    bench.run(S)
    assert bench.firmware.device.faults.instance == instance


@pytest.mark.shows("REQ-037")
@pytest.mark.parametrize("contact", LATCHING)
def test_it_is_acknowledged_only_once_both_contacts_agree(contact: str) -> None:
    bench = at("standby")
    bench.set(**{contact: False})
    bench.run(100 * MS)
    instance = bench.firmware.device.faults.instance
    assert bench.status.faults_present >= {LATCHING[contact][1]}
    assert bench.reasons(Acknowledge(instance)) == {Refusal.CAUSE_PRESENT}
    bench.set(**{contact: True})
    assert not bench.reasons(Acknowledge(instance))
    bench.run(S)
    assert bench.first_fault is Fault.NONE


@pytest.mark.parametrize(
    ("a", "b"), [("estop_a_closed", "estop_b_closed"), ("cover_a_closed", "cover_b_closed")]
)
def test_contacts_that_follow_each_other_within_50_ms_are_a_pair_that_works(a: str, b: str) -> None:
    bench = at("standby")
    for level in (False, True):
        bench.set(**{a: level})
        bench.run(TOO_LONG_US)
        bench.set(**{b: level})
        bench.run(S)
    assert not any(has(bench, pair) for _, pair in LATCHING.values())


def test_with_the_key_off_nothing_latches_and_with_the_key_it_does() -> None:
    bench = at("standby")
    bench.set(key_on=False)
    bench.set(cover_b_closed=False)
    bench.run(S)
    assert bench.first_fault is Fault.NONE
    bench.set(key_on=True)
    assert has(bench, Fault.COVER)
    assert has(bench, Fault.COVER_DISAGREES)


# --- the calibration port


@pytest.mark.parametrize("contact", DOCK)
def test_one_contact_of_the_port_is_neither_in_nor_out(contact: str) -> None:
    bench = at("set")
    bench.set(**{contact: True})
    bench.run(20 * MS)
    assert bench.status.docked is False
    assert bench.reasons(Calibrate()) == {Refusal.NOT_DOCKED}
    assert bench.reasons(bench.arm_request()) == {Refusal.DOCKED}
    bench.run(TOO_LONG_US)
    assert Refusal.DOCK_DISAGREES in bench.status.blocks
    assert bench.reasons(Calibrate()) == {Refusal.NOT_DOCKED, Refusal.DOCK_DISAGREES}
    assert bench.reasons(bench.arm_request()) == {Refusal.DOCKED, Refusal.DOCK_DISAGREES}
    assert bench.first_fault is Fault.NONE
    bench.set(**{contact: False})
    bench.run(20 * MS)
    assert not bench.status.blocks
    assert not bench.reasons(bench.arm_request())


@pytest.mark.parametrize("contact", DOCK)
@pytest.mark.parametrize("stage", ["arming", "ready", "granted", "emitting"])
def test_either_contact_of_the_port_ends_emission_through_the_aperture(contact: str, stage: str) -> None:
    bench = at(stage)
    bench.set(**{contact: True})
    assert (bench.state, bench.left) == (State.STANDBY, Leave.HANDPIECE)
    assert bench.dark


@pytest.mark.parametrize("contact", DOCK)
def test_contacts_of_the_port_that_disagree_during_the_shutter_test_latch(contact: str) -> None:
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    bench.set(**{contact: False})
    bench.run(TOO_LONG_US)
    assert bench.state is State.CALIBRATING
    bench.run(1)
    assert (bench.state, bench.first_fault) == (State.FAULT, Fault.DOCK_DISAGREES)
    instance = bench.firmware.device.faults.instance
    bench.run(20 * MS)
    assert bench.reasons(Acknowledge(instance)) == {Refusal.CAUSE_PRESENT}
    bench.set(**{contact: True})
    assert not bench.reasons(Acknowledge(instance))


@pytest.mark.parametrize("contact", DOCK)
def test_either_contact_of_the_port_closes_the_shutter_of_a_calibration_in_its_step(contact: str) -> None:
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    while len(bench.triggers) < 40:
        bench.run(MS)
    bench.set(**{contact: False})
    assert not bench.outputs.shutter_open
    assert not bench.outputs.gate_enable
    bench.run(S)
    assert len(bench.triggers) == 40
    assert not bench.status.calibrated


@pytest.mark.parametrize(
    ("shot", "seen_uj", "good"),
    [
        *((shot, seen_uj, False) for shot in (3, 4, 5, 20, 32) for seen_uj in (0, 1_999)),
        *((shot, 2_000, shot not in (3, 4)) for shot in (3, 4, 5, 20, 32)),
        # the first level of a mode is so strong that the port must see more: the monitors saw 61,580 uJ
        *((shot, seen_uj, seen_uj == 15_000) for shot in (3, 4) for seen_uj in (14_999, 15_000)),
    ],
)
def test_the_first_shot_that_the_port_does_not_see_ends_the_calibration(
    shot: int, seen_uj: int, good: bool
) -> None:
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    before = len(bench.triggers)
    while len(bench.triggers) < before + shot:
        bench.run(10)
    bench.run(299)
    bench.advance(bench.triggers[-1] + 300)
    bench.set(port_meter_uj=seen_uj)  # of the light that comes now
    bench.run(700)
    assert has(bench, Fault.PORT_DARK) is not good
    if not good:
        assert bench.state is State.FAULT
        assert bench.dark
        bench.run(S)
        assert len(bench.triggers) == before + shot
        assert bench.last_report.flags == {PulseFlag.CALIBRATION}
        assert not bench.firmware.device.calibrator.valid


def test_a_calibration_shot_whose_light_did_not_come_is_not_judged_as_lost_from_the_port() -> None:
    """The door opens between trigger and light: the gate withdraws the shot, and its meters say nothing."""
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    bench.flashes = 1
    before = len(bench.triggers)
    while len(bench.triggers) < before + 5:
        bench.run(10)
        bench.flashes = 0 if len(bench.triggers) == before + 4 else 1
    bench.set(door_closed=False)
    bench.run(S)
    assert bench.last_report.flags == {PulseFlag.CALIBRATION, PulseFlag.SKIPPED}
    assert bench.first_fault is Fault.NONE
    assert (bench.state, bench.status.calibrated) == (State.STANDBY, False)
