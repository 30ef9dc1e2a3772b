"""Light that nothing triggered, in every state: lamp and high voltage cut, latched, the shutter closed."""

from __future__ import annotations

import copy
import functools

import pytest

from protocols.faults import Fault
from protocols.requests import Calibrate
from protocols.states import State
from rig.laser import cold_laser
from sim_device.operator import perform
from sim_device.plant import Plant
from sim_device.simulator import Simulator
from tests.safety_case.ward import MS, S, ward_at

CUT_US = 10 * MS  # REQ-051
CLOSED_US = 50 * MS
PUMP_J = 43.0  # the largest shot


@functools.cache
def _in_state(state: State) -> Simulator:
    """A laser in this state."""
    if state in {State.STANDBY, State.ARMING, State.READY, State.EMITTING}:
        return ward_at(state.name.lower()).simulator
    if state is State.FAULT:
        ward = ward_at("ready")
        ward.act("door", to="open")
        ward.act("door", to="close")
        ward.run(S)
        return ward.simulator
    if state is State.CALIBRATING:
        ward = ward_at("standby")
        ward.act("dock")
        ward.run(S)
        ward.do(Calibrate())
        ward.run(700 * MS)
        assert ward.state is state
        return ward.simulator
    simulator = cold_laser(11)
    simulator.advance(S)
    if state is State.OFF:
        return simulator
    perform(simulator, "key", {"to": "on"}, simulator.now_us)
    while simulator.state is not state:
        simulator.advance(simulator.next_event_us)
    simulator.advance(simulator.now_us + (500 * MS if state is State.SELF_TEST else 10 * S))
    return simulator


def free_running(plant: Plant) -> None:
    """The lamp breaks through, and the Pockels cell does not hold off: the rod runs free."""
    plant.head.hold_off = False
    plant.optics.pump(plant.now_us, PUMP_J, 750, triggered=False)


@pytest.mark.shows("REQ-051", "HZ-046")
@pytest.mark.parametrize("state", State)
def test_free_running_light_in_any_state_cuts_lamp_and_high_voltage_and_latches(state: State) -> None:
    simulator = copy.deepcopy(_in_state(state))
    assert simulator.state is state
    plant = simulator.plant
    lit = plant.truth.total
    simulator.act(free_running, simulator.now_us)
    while plant.truth.total == lit:
        simulator.advance(simulator.next_event_us)
    light_us = simulator.now_us
    aperture = plant.truth.aperture
    assert plant.truth.pulses[-1].free_running
    simulator.advance(light_us + CUT_US)
    assert not plant.gate_open
    assert plant.hv_inhibited.level
    assert not plant.lamp.simmer.level or state in {State.SELF_TEST, State.OFF, State.WARM_UP}
    latched = simulator.firmware.device.faults  # type: ignore[attr-defined]  # the reference has its inside open
    assert latched.has(Fault.LIGHT_WITHOUT_TRIGGER)
    simulator.advance(light_us + CLOSED_US)
    assert plant.shutter.position(simulator.now_us) <= 0.02
    simulator.advance(light_us + 2 * S)
    assert simulator.state is (State.OFF if state is State.OFF else State.FAULT)
    assert plant.truth.aperture == aperture
    assert latched.needs_service
    assert plant.capacitor.volts(simulator.now_us) < 60


@pytest.mark.shows("REQ-051", "HZ-046")
@pytest.mark.parametrize("stage", ["ready", "emitting"])
def test_a_hold_off_that_fails_in_a_series_ends_it_with_its_first_free_running_flash(stage: str) -> None:
    ward = ward_at(stage)
    ward.inject("hold-off-lost")
    since_us = ward.now_us
    ward.press()
    ward.run(2 * S)
    lit = ward.pulses_since(since_us)
    assert [pulse.free_running for pulse in lit] == [True]
    ward.when(lambda: False, S)
    assert ward.state is State.FAULT
    assert ward.closed
    assert not ward.gate_open
