"""Every modelled wire cut, one at a time, while the laser emits: it carries its safe level, which ends it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from protocols.faults import Fault
from protocols.requests import Calibrate, Standby
from protocols.states import State
from sim_device.board import SAFE_INPUTS, SAFE_OUTPUTS, Inputs, Outputs
from tests.safety_case.ward import MS, S, Ward, ward_at

pytestmark = pytest.mark.shows("REQ-036")

INPUTS = tuple(line.name for line in fields(Inputs))
OUTPUTS = tuple(line.name for line in fields(Outputs))
COUNTERS = {"lamp_triggers": "trigger-lost", "watchdog_kicks": "watchdog-kicks-lost"}
"""A line that counts cannot carry a level: cut, it counts no more."""

ENDS_US = 110 * MS  # at 10 Hz: not a pulse more than the one that shows it
LATER_US = {
    "flow_ml_min": 510 * MS,  # REQ-029: flow that is missing for 0.5 s
    "pump_on": 900 * MS,  # and until the water stands still
    **dict.fromkeys(("hv_mv", "charge_done", "hv_enable", "hv_set_mv", "dump_hold"), 300 * MS),  # 3 skipped
}
AS_IT_IS = ("internal_trigger_strap", "docked_a_closed", "docked_b_closed")
"""These read in a treatment what a cut wire reads."""

TOLD_WHEN_ASKED = {
    "shutter_closed_switch": Fault.SHUTTER_STUCK_OPEN,  # at the release, when it should answer
    "gate_inhibited": Fault.GATE_CHANNEL,  # in the proofs of the next arming, as all that follow
    "hv_inhibited": Fault.HV_CHANNEL,
    "dark_a_uj": Fault.MONITOR_FAILED,
    "dark_b_uj": Fault.MONITOR_FAILED,
    "monitor_test": Fault.MONITOR_FAILED,
}
NOTHING_TO_LOSE = {
    "comparator_reset": "a comparator that is not reset stays tripped, which closes the gate",
    "defeat_lamp_on": "the second of two signs; Status names the defeated cover too, and there is no light",
    "buzzer_on": "the second of two warnings; the indicator, the first, is proven by its current",
}
OTHERWISE = {*AS_IT_IS, *TOLD_WHEN_ASKED, *NOTHING_TO_LOSE, "heater_on", "port_meter_uj"}


def cut(ward: Ward, line: str) -> int:
    """Cut this wire; when."""
    if line in COUNTERS:
        ward.inject(COUNTERS[line])
    elif line in INPUTS:
        ward.inject("input-stuck", line=line, to=getattr(SAFE_INPUTS, line))
    else:
        ward.inject("output-stuck", line=line, to=getattr(SAFE_OUTPUTS, line))
    return ward.now_us


def emitting() -> Ward:
    ward = ward_at("emitting")
    ward.run(30 * MS)
    return ward


@pytest.mark.parametrize("line", [line for line in (*INPUTS, *OUTPUTS) if line not in OTHERWISE])
def test_a_cut_wire_ends_emission(line: str) -> None:
    ward = emitting()
    cut_us = cut(ward, line)
    ends_us = LATER_US.get(line, ENDS_US)
    ward.when(lambda: ward.state is not State.EMITTING, S)
    assert ward.now_us - cut_us <= ends_us
    ward.run(2 * S)
    assert ward.light_after(cut_us + ends_us) == []
    assert ward.closed
    assert not ward.gate_open
    assert ward.state in {State.OFF, State.FAULT, State.STANDBY}
    if ends_us == ENDS_US:
        assert len(ward.light_after(cut_us)) <= 1


@pytest.mark.parametrize("line", TOLD_WHEN_ASKED)
def test_a_cut_wire_that_says_nothing_new_while_it_emits_is_found_when_it_is_asked(line: str) -> None:
    ward = emitting()
    cut(ward, line)
    ward.run(500 * MS)
    assert not ward.device.faults.latched
    ward.release()
    ward.run(500 * MS)
    if ward.state is State.READY:
        ward.to_standby()
        ward.arm()
        ward.run(3 * S)
    assert ward.state is State.FAULT
    assert ward.fault is TOLD_WHEN_ASKED[line]


@pytest.mark.parametrize("line", [*AS_IT_IS, *NOTHING_TO_LOSE])
def test_a_cut_wire_that_changes_nothing_leaves_every_stop_as_it_is(line: str) -> None:
    ward = emitting()
    cut(ward, line)
    ward.run(500 * MS)
    ward.release()
    released_us = ward.now_us
    ward.run(500 * MS)
    assert ward.light_after(released_us + 20 * MS) == []
    assert ward.closed


def test_a_cut_heater_lets_the_coolant_cool_to_where_arming_is_refused_and_then_to_a_fault() -> None:
    ward = ward_at("standby")
    cut(ward, "heater_on")
    simulator = ward.simulator
    while ward.state is State.STANDBY:
        simulator.advance(simulator.now_us + 10 * S)
        assert simulator.plant.coolant.celsius(simulator.now_us) > 50
    assert ward.fault is Fault.COOLANT_COLD


def test_a_cut_port_meter_makes_no_calibration() -> None:
    ward = emitting()
    cut(ward, "port_meter_uj")
    ward.do(Standby())
    ward.release()
    ward.act("dock")
    ward.run(S)
    ward.do(Calibrate())
    ward.run(5 * S)
    assert ward.fault is Fault.PORT_DARK
    assert not ward.device.calibrator.valid


def test_every_wire_is_cut_above() -> None:
    assert set(INPUTS) | set(OUTPUTS) >= OTHERWISE
