"""The interlock chain: every contact, every pair, in every state."""

import itertools
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.states import State
from tests.sim_device.bench import MS, Bench, S, at

# Interlock -> the wire that opens it and its open level, written down again from the board.
WIRES: dict[Interlock, list[tuple[str, Any]]] = {
    Interlock.ESTOP: [("estop_a_closed", False), ("estop_b_closed", False)],
    Interlock.MAINS: [("mains_ok", False)],
    Interlock.REMOTE: [("remote_closed", False)],
    Interlock.DOOR: [("door_closed", False)],
    Interlock.COVER: [("cover_a_closed", False), ("cover_b_closed", False)],
    Interlock.ARTICULATED_ARM: [("arm_connected", False)],
    Interlock.HANDPIECE: [("handpiece", 0), ("handpiece", 77), ("spot_um", 1_999)],
    Interlock.COOLANT_LEVEL: [("level_ok", False)],
    Interlock.HEATER_THERMOSTAT: [("thermostat_closed", False)],
    Interlock.CHARGER_TEMPERATURE: [("charger_cool", False)],
}
FAULT_OF = {
    Interlock.ESTOP: Fault.ESTOP,
    Interlock.MAINS: Fault.MAINS,
    Interlock.REMOTE: Fault.REMOTE_INTERLOCK,
    Interlock.DOOR: Fault.DOOR,
    Interlock.COVER: Fault.COVER,
    Interlock.ARTICULATED_ARM: Fault.ARTICULATED_ARM,
    Interlock.HANDPIECE: Fault.HANDPIECE,
    Interlock.COOLANT_LEVEL: Fault.COOLANT_LEVEL,
    Interlock.HEATER_THERMOSTAT: Fault.HEATER_THERMOSTAT,
    Interlock.CHARGER_TEMPERATURE: Fault.CHARGER_HOT,
}
UNLIKE = {  # a contact that stays unlike its twin is a fault of its own
    **dict.fromkeys(("estop_a_closed", "estop_b_closed"), frozenset({Fault.ESTOP_DISAGREES})),
    **dict.fromkeys(("cover_a_closed", "cover_b_closed"), frozenset({Fault.COVER_DISAGREES})),
}
ONLY_ARMED = {Interlock.REMOTE, Interlock.DOOR, Interlock.ARTICULATED_ARM, Interlock.HANDPIECE}
EVERY_WIRE = [(interlock, *wire) for interlock, wires in WIRES.items() for wire in wires]


@pytest.mark.shows("REQ-007", "REQ-009", "REQ-010")
@pytest.mark.parametrize("stage", ["arming", "ready", "emitting", "rehearsal ready"])
@pytest.mark.parametrize(("interlock", "wire", "level"), EVERY_WIRE)
def test_an_interlock_that_opens_while_armed_inhibits_everything_in_the_same_step(
    interlock: Interlock, wire: str, level: Any, stage: str
) -> None:
    bench = at(stage)
    bench.set(**{wire: level})
    assert bench.state is State.FAULT
    assert bench.firmware.device.faults.first is FAULT_OF[interlock]
    assert bench.dark
    assert not bench.firmware.device.permit.held
    bench.run(100 * MS)
    assert interlock in bench.status.open_interlocks
    assert bench.status.faults_present == {FAULT_OF[interlock]} | UNLIKE.get(wire, frozenset())
    assert bench.inputs.shutter_closed_switch


@pytest.mark.shows("REQ-007", "REQ-009")
@pytest.mark.parametrize(("interlock", "wire", "level"), EVERY_WIRE)
def test_in_standby_an_interlock_blocks_or_latches_as_the_table_says(
    interlock: Interlock, wire: str, level: Any
) -> None:
    bench = at("set")
    bench.set(**{wire: level})
    bench.run(50 * MS)
    assert interlock in bench.status.open_interlocks
    if interlock in ONLY_ARMED:
        assert bench.state is State.STANDBY
        assert bench.status.blocks
        setattr(bench.inputs, wire, getattr(at("set").inputs, wire))
        bench.run(150 * MS)
        assert not bench.status.blocks
        assert not bench.status.open_interlocks
    else:
        assert bench.status.faults == {FAULT_OF[interlock]}


@pytest.mark.shows("REQ-037")
@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(WIRES, 2)))
def test_of_two_interlocks_that_open_together_the_earlier_in_the_chain_is_the_first_cause(
    first: Interlock, second: Interlock
) -> None:
    bench = at("ready")
    bench.set(**{WIRES[first][0][0]: WIRES[first][0][1], WIRES[second][0][0]: WIRES[second][0][1]})
    faults = bench.firmware.device.faults
    assert faults.first is FAULT_OF[min(first, second)]
    assert faults.has(FAULT_OF[first])
    assert faults.has(FAULT_OF[second])
    assert faults.record(0).open_interlocks == {first, second}
    assert faults.record(0).state is State.READY


@pytest.mark.parametrize(("interlock", "wire", "level"), EVERY_WIRE)
def test_with_the_key_off_nothing_of_the_chain_latches(interlock: Interlock, wire: str, level: Any) -> None:
    bench = at("standby")
    bench.set(key_on=False, **{wire: level})
    bench.run(10 * S)
    assert bench.state is State.OFF
    assert bench.status.faults == frozenset()
    assert interlock in bench.status.open_interlocks


@pytest.mark.shows("REQ-029", "HZ-029")
def test_low_flow_latches_after_half_a_second_and_not_before() -> None:
    bench = at("standby")
    bench.stuck.add("flow_ml_min")
    bench.set(flow_ml_min=1_999)
    bench.run(500 * MS)
    assert bench.state is State.STANDBY
    bench.run(1)
    assert (
        bench.status.first_fault is Fault.COOLANT_FLOW
        or bench.firmware.device.faults.first is Fault.COOLANT_FLOW
    )


def test_a_short_dip_of_the_flow_is_forgotten() -> None:
    bench = at("standby")
    bench.stuck.add("flow_ml_min")
    for _ in range(5):
        bench.set(flow_ml_min=0)
        bench.run(400 * MS)
        bench.set(flow_ml_min=2_000)
        bench.run(1 * MS)
    assert bench.state is State.STANDBY


def test_missing_flow_is_ignored_for_the_first_three_seconds_of_the_pump() -> None:
    bench = Bench()
    bench.connect()
    bench.stuck.add("flow_ml_min")
    bench.until(State.WARM_UP)
    began_us = bench.now_us
    bench.until(State.FAULT)
    assert bench.now_us - began_us == 3 * S
    assert bench.firmware.device.faults.first is Fault.COOLANT_FLOW


@pytest.mark.shows("REQ-009", "REQ-011")
@pytest.mark.parametrize("wire", [wire for _, wire, _ in EVERY_WIRE if "_a_" in wire or "_b_" in wire])
def test_one_contact_of_a_pair_is_enough_to_open_it(wire: str) -> None:
    bench = at("ready")
    bench.set(**{wire: False})
    assert bench.state is State.FAULT


@pytest.mark.shows("REQ-006", "HZ-004")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
def test_the_key_turns_everything_off_at_once(stage: str) -> None:
    bench = at(stage)
    bench.set(key_on=False)
    assert bench.state is State.OFF
    assert bench.dark
    assert not bench.outputs.pump_on
    assert not bench.firmware.device.faults.latched
