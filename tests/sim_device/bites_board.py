"""How faults of wires, contacts and drivers bite."""

from __future__ import annotations

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.requests import Calibrate
from protocols.states import State
from sim_device.faults import Injection
from tests.sim_device.bites import (
    CLOSED_US,
    GATED_US,
    RELEASED_US,
    bites,
    leaves,
    refuses_to_arm,
    trips,
)
from tests.sim_device.desk import MS, Desk, S

# -- wires

trips("input-stuck", "ready", Fault.DOOR, line="door_closed", to=False)
trips("output-stuck", "standby", Fault.COOLANT_FLOW, line="pump_on", to=False, within_us=3 * S)
trips("inputs-swapped", "ready", Fault.DOOR, line="door_closed", other="docked_a_closed")
trips("input-offset", "standby", Fault.COOLANT_HOT, line="coolant_mc", by=9_000)
trips("input-scaled", "ready", Fault.OVER_VOLTAGE, line="hv_mv", ratio=2.0)
trips("output-bit-stuck", "ready", Fault.OVER_VOLTAGE, line="hv_set_mv", bit=17, to=True)


@bites("input-frozen", "standby", line="flow_ml_min")
def a_frozen_flow_hides_a_dead_pump(desk: Desk, _: Injection) -> None:
    desk.inject("pump-fails")
    desk.run(5 * S)
    assert desk.simulator.plant.inputs.flow_ml_min == 0
    assert desk.state is State.STANDBY


@bites("input-delayed", "ready", line="door_closed", delay_ms=300.0)
def a_late_door_trips_late(desk: Desk, _: Injection) -> None:
    desk.act("door", to="open")
    desk.run(299 * MS)
    assert desk.state is State.READY
    desk.run(2 * MS)
    assert desk.fault is Fault.DOOR


@bites("output-frozen", "emitting", line="shutter_open")
def a_frozen_shutter_output_is_seen_by_the_switches(desk: Desk, _: Injection) -> None:
    desk.release()
    released_us = desk.simulator.now_us
    desk.until(State.FAULT, S)
    assert desk.fault is Fault.SHUTTER_STUCK_OPEN
    assert desk.light_after(released_us + RELEASED_US) == []


# -- contacts

trips("interlock-open", "ready", Fault.DOOR)
trips("foot-contact-welded", "standby", Fault.FOOT_DISAGREES)
trips("shutter-switches-swapped", "standby", Fault.SHUTTER_STUCK_OPEN)
trips("coolant-sensor-cut", "standby", Fault.COOLANT_COLD)
trips("coolant-level-low", "standby", Fault.COOLANT_LEVEL)


@bites("interlock-bridged", "ready")
def a_bridged_door_is_not_seen_by_the_firmware(desk: Desk, _: Injection) -> None:
    desk.act("door", to="open")
    desk.press()
    desk.run(S)
    assert desk.pulses[-1].open_contacts == ("door_closed",)
    assert desk.state is State.EMITTING


@bites("interlocks-unseen", "emitting")
def the_hardware_holds_when_the_firmware_is_blind(desk: Desk, _: Injection) -> None:
    desk.act("estop", to="press")
    pressed_us = desk.simulator.now_us
    desk.run(CLOSED_US)
    assert desk.simulator.plant.shutter.position(desk.simulator.now_us) == 0
    desk.run(2 * S)
    assert desk.light_after(pressed_us + GATED_US) == []
    assert desk.simulator.plant.capacitor.volts(desk.simulator.now_us) < 60


@bites("estop-contact-welded", "emitting")
def one_contact_of_the_emergency_stop_is_enough(desk: Desk, _: Injection) -> None:
    desk.act("estop", to="press")
    desk.run(GATED_US)
    assert desk.fault is Fault.ESTOP
    desk.run(50 * MS)
    assert desk.device.faults.has(Fault.ESTOP_DISAGREES)


@bites("cover-contact-welded", "ready")
def one_contact_of_the_cover_is_enough(desk: Desk, _: Injection) -> None:
    desk.act("cover", to="open")
    desk.run(GATED_US)
    assert desk.fault is Fault.COVER
    desk.run(50 * MS)
    assert desk.device.faults.has(Fault.COVER_DISAGREES)


@bites("dock-contact-welded", "standby")
def one_contact_of_the_port_lets_nothing_begin(desk: Desk, _: Injection) -> None:
    desk.run(100 * MS)
    refused = desk.refusals(Calibrate())
    assert refused == {Refusal.NOT_DOCKED, Refusal.DOCK_DISAGREES}
    refuses_to_arm(desk, Refusal.DOCK_DISAGREES)


@bites("strap-bridged", "emitting")
def a_strap_under_a_permit_for_the_foot_ends_it(desk: Desk, _: Injection) -> None:
    assert desk.device.leave is Leave.TRIGGER
    dark_from_us = desk.simulator.now_us + GATED_US
    desk.run(2 * S)
    assert desk.light_after(dark_from_us) == []
    assert desk.state is State.STANDBY


@bites("foot-contact-open", "ready")
def half_a_press_is_no_press(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(S)
    assert desk.fault is Fault.FOOT_DISAGREES
    assert len(desk.pulses) == before


@bites("key-lost", "emitting")
def a_lost_key_ends_emission(desk: Desk, _: Injection) -> None:
    lost_us = desk.simulator.now_us
    desk.run(CLOSED_US)
    assert desk.state is State.OFF
    desk.run(2 * S)
    assert desk.light_after(lost_us + GATED_US) == []


@bites("spot-misread", "ready", spot_mm=3.0)
def another_spot_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.SPOT)


@bites("handpiece-misread", "ready")
def an_unfit_handpiece_trips(desk: Desk, _: Injection) -> None:
    desk.run(GATED_US)
    assert desk.fault is Fault.HANDPIECE


@bites("wavelength-misread", "ready")
def another_wavelength_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.WAVELENGTH)


@bites("end-of-charge-stuck", "ready")
def an_end_of_charge_that_the_voltage_does_not_bear_out_fires_nothing(desk: Desk, _: Injection) -> None:
    desk.inject("charger-weak", ratio=0.0)
    desk.press()
    desk.run(50 * MS)
    fired = len(desk.pulses)  # with what was charged already
    desk.run(S)
    assert len(desk.pulses) == fired
    assert desk.fault is Fault.NO_END_OF_CHARGE


@bites("voltage-misread", "ready")
def a_voltage_that_reads_low_fires_nothing(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(S)
    assert len(desk.pulses) == before
    assert desk.fault is Fault.NO_END_OF_CHARGE


@bites("coolant-sensor-offset", "standby")
def coolant_that_seems_hot_refuses_to_arm(desk: Desk, _: Injection) -> None:
    refuses_to_arm(desk, Refusal.NOT_WARM)


# -- drivers

trips("voltage-bit-stuck", "ready", Fault.OVER_VOLTAGE)
trips("trigger-lost", "emitting", Fault.PULSE_MISSING)


@bites("gate-welded", "standby")
def a_welded_gate_is_found_while_arming(desk: Desk, _: Injection) -> None:
    desk.arm()
    desk.until(State.FAULT, 3 * S)
    assert desk.fault is Fault.GATE_CHANNEL


@bites("charger-welded", "standby")
def a_welded_charger_is_found_while_arming(desk: Desk, _: Injection) -> None:
    desk.arm()
    desk.until(State.FAULT, 3 * S)
    assert desk.fault is Fault.HV_CHANNEL


@bites("comparator-unset", "emitting")
def the_firmware_judges_without_the_comparator(desk: Desk, _: Injection) -> None:
    desk.inject("energy-off", ratio=1.4)
    desk.until(State.FAULT, S)
    assert desk.fault is Fault.ENERGY_HIGH
    assert not desk.simulator.plant.comparator.tripped


@bites("spurious-trigger", "standby")
def a_glitch_in_standby_ends_at_the_gate(desk: Desk, _: Injection) -> None:
    truth = desk.simulator.plant.truth
    before = (truth.triggers, truth.blocked, truth.total)
    desk.inject("spurious-trigger")
    desk.run(S)
    assert (truth.triggers, truth.blocked, truth.total) == (before[0] + 1, before[1] + 1, before[2])


@bites("watchdog-kicks-lost", "standby", for_s=0.3)
def a_processor_whose_watchdog_is_not_refreshed_is_reset(desk: Desk, _: Injection) -> None:
    desk.run(500 * MS)
    assert desk.simulator.resets == 5  # 59 ms each
    assert desk.fault is Fault.WATCHDOG_RESET
