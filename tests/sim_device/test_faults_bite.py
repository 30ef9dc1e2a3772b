"""Each fault of the catalogue bites: what firmware and hardware do about it, on a whole simulated laser."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.requests import Calibrate, ReadCounters, Standby
from protocols.states import ARMED, State
from sim_device.faults import CATALOGUE, Injection, Injector
from sim_device.firmware.memory import NonVolatile
from tests.sim_device.desk import ENERGY_UJ, MS, Desk, S, at

Bite = Callable[[Desk, Injection], None]

GATED_US = 10 * MS  # DESIGN, "A stop": trigger inhibit
CLOSED_US = 50 * MS  # the same: shutter closed
RELEASED_US = 20 * MS  # the same: foot released to last pulse

BITES: dict[str, tuple[str, dict[str, Any], Bite]] = {}


def bites(fault: str, stage: str, **parameters: Any) -> Callable[[Bite], Bite]:
    """The decorated function has a desk at this stage on which this fault has just begun."""

    def register(bite: Bite) -> Bite:
        assert fault not in BITES
        BITES[fault] = (stage, parameters, bite)
        return bite

    return register


def trips(fault: str, stage: str, expected: Fault, within_us: int = S, **parameters: Any) -> None:
    """The commonest bite: the firmware latches `expected` as the first cause, and it is dark."""

    @bites(fault, stage, **parameters)
    def bite(desk: Desk, _: Injection) -> None:
        desk.until(State.FAULT, within_us)
        assert desk.fault is expected
        dark_from_us = desk.simulator.now_us + GATED_US
        desk.run(2 * S)
        assert desk.light_after(dark_from_us) == []


@pytest.mark.parametrize("fault", CATALOGUE)
def test_each_fault_bites(fault: str) -> None:
    stage, parameters, bite = BITES[fault]
    desk = at(stage)
    injection = desk.inject(fault, **parameters)
    bite(desk, injection)
    assert injection.report().fired > 0


def test_every_bite_is_of_a_fault_that_there_is() -> None:
    assert set(BITES) == set(CATALOGUE)


def leaves(desk: Desk, why: Leave) -> None:
    """The laser falls back to STANDBY for this reason, within a second."""
    desk.until(State.STANDBY, S)
    assert desk.device.leave is why


def refuses_to_arm(desk: Desk, why: Refusal) -> None:
    desk.run(S)
    assert why in desk.refusals(desk.arm_request())
    assert desk.state is State.STANDBY


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
    assert desk.simulator.resets == 2  # 101 ms each, and a third would take as long again
    assert desk.fault is Fault.WATCHDOG_RESET


# -- power

trips("voltage-high", "ready", Fault.OVER_VOLTAGE)
trips("bleeder-changed", "emitting", Fault.NO_END_OF_CHARGE, ratio=2_000.0)
trips("lamp-weak", "emitting", Fault.ENERGY_LOW)
trips("simmer-fails", "standby", Fault.SIMMER_LOST)
trips("lamp-misfires", "emitting", Fault.PULSE_MISSING, share=1.0)
trips("lamp-broken", "standby", Fault.SIMMER_LOST)


@bites("charger-weak", "emitting")
def at_three_tenths_of_its_power_every_other_trigger_waits_for_the_charge(desk: Desk, _: Injection) -> None:
    begun_us = desk.simulator.now_us
    desk.run(3 * S)
    times = [pulse.time_us for pulse in desk.light_after(begun_us + 200 * MS)]
    assert {late - early for early, late in itertools.pairwise(times)} == {200 * MS}
    assert desk.state is State.EMITTING


@bites("dump-stuck", "ready")
def a_capacitor_that_is_not_dumped_is_told(desk: Desk, _: Injection) -> None:
    desk.act("door", to="open")
    desk.run(S)
    assert desk.simulator.plant.capacitor.volts(desk.simulator.now_us) > 900
    desk.run(5 * S)
    assert Fault.DUMP_FAILED in desk.device.causes_present()


@bites("estop-relay-welded", "emitting")
def the_firmware_stops_although_the_relay_does_not_drop(desk: Desk, _: Injection) -> None:
    desk.act("estop", to="press")
    pressed_us = desk.simulator.now_us
    assert desk.simulator.plant.estop_relay
    desk.run(2 * S)
    assert desk.fault is Fault.ESTOP
    assert desk.light_after(pressed_us + GATED_US) == []


@bites("lamp-wears", "emitting", ratio=1e6)
def a_lamp_that_wears_ends_in_a_fault(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, 3 * S)
    assert desk.fault in {Fault.ENERGY_LOW, Fault.SIMMER_LOST, Fault.PULSE_MISSING}
    assert desk.simulator.plant.lamp.wear > 0.3


@bites("lamp-overloaded", "emitting", explosion_j=50.0)
def a_lamp_fired_near_its_explosion_energy_explodes(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, 3 * S)
    assert desk.fault in {Fault.ENERGY_LOW, Fault.SIMMER_LOST, Fault.PULSE_MISSING}
    assert desk.simulator.plant.lamp.wear > 0.3


# -- light

trips("modelock-lost", "emitting", Fault.PULSE_WIDTH)
trips("pulse-wide", "emitting", Fault.PULSE_WIDTH)
trips("energy-off", "emitting", Fault.ENERGY_LOW)
trips("dump-mistimed", "emitting", Fault.ENERGY_LOW)
trips("double-pulse", "emitting", Fault.PULSE_DOUBLE)
trips("shutter-driver-welded", "standby", Fault.SHUTTER_STUCK_OPEN)
trips("monitor-saturates", "emitting", Fault.ENERGY_LOW)
trips("photodiode-dead", "emitting", Fault.PULSE_WIDTH)
trips("photodiode-weak", "emitting", Fault.PULSE_WIDTH)
trips("indicator-fails", "ready", Fault.INDICATOR)


@bites("first-pulse-high", "ready")
def a_strong_first_pulse_trips(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(S)
    assert desk.fault in {Fault.OVER_ENERGY_COMPARATOR, Fault.ENERGY_HIGH}
    assert len(desk.pulses) == before + 1


@bites("hold-off-lost", "emitting")
def light_by_itself_ends_in_a_fault_with_the_shutter_closed(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, S)
    seen_us = desk.simulator.now_us
    assert any(pulse.free_running for pulse in desk.pulses)
    desk.run(S)
    assert desk.light_after(seen_us + CLOSED_US) == []


def ends_with_a_shutter_that_stays_open(desk: Desk, _: Injection) -> None:
    desk.release()
    released_us = desk.simulator.now_us
    desk.until(State.FAULT, S)
    assert desk.fault is Fault.SHUTTER_STUCK_OPEN
    assert desk.light_after(released_us + RELEASED_US) == []


bites("shutter-stuck", "emitting")(ends_with_a_shutter_that_stays_open)
bites("shutter-slow-to-close", "emitting")(ends_with_a_shutter_that_stays_open)


@bites("shutter-slow-to-open", "ready")
def nothing_is_fired_into_a_shutter_that_does_not_open(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.until(State.FAULT, S)
    assert desk.fault is Fault.SHUTTER_STUCK_CLOSED
    assert len(desk.pulses) == before


@bites("monitor-gain", "emitting")
def one_monitor_alone_can_prove_a_wrong_energy(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, S)
    assert desk.fault is Fault.ENERGY_LOW
    assert Fault.MONITORS_DISAGREE.value in _latched(desk)


def fails_its_proof(desk: Desk, _: Injection) -> None:
    desk.arm()
    desk.until(State.FAULT, 3 * S)
    assert desk.fault is Fault.MONITOR_FAILED


bites("monitor-dark", "standby")(fails_its_proof)


@bites("monitor-frozen", "standby")
def a_frozen_monitor_fails_its_proof(desk: Desk, injection: Injection) -> None:
    fails_its_proof(desk, injection)


@pytest.mark.parametrize("monitor", ["a", "b"])
def test_a_monitor_that_freezes_between_pulses_is_found_by_the_next_proof(monitor: str) -> None:
    desk = at("emitting")
    injection = desk.inject("monitor-frozen", monitor=monitor)
    desk.run(S)
    assert desk.state is State.EMITTING  # it reads what the pulse before was, which was right
    assert injection.report().fired > 5
    desk.release()
    desk.do(Standby())
    desk.run(S)
    fails_its_proof(desk, injection)


@bites("monitor-noisy", "emitting", sigma=0.3)
def a_noisy_monitor_trips(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, 3 * S)
    assert desk.fault in {Fault.ENERGY_LOW, Fault.ENERGY_HIGH, Fault.MONITORS_DISAGREE}


@bites("monitor-drifts", "emitting", percent_per_s=10.0)
def a_drifting_monitor_trips(desk: Desk, _: Injection) -> None:
    desk.until(State.FAULT, 3 * S)
    assert desk.fault in {Fault.ENERGY_HIGH, Fault.MONITORS_DISAGREE}


@bites("aiming-fails", "ready")
def a_dark_aiming_beam_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.AIMING)


@bites("aiming-offset", "emitting")
def an_aiming_beam_that_points_beside_is_known_to_the_truth_alone(desk: Desk, _: Injection) -> None:
    desk.run(S)
    assert desk.pulses[-1].aiming_offset_mm == 3.0
    assert desk.state is State.EMITTING


# -- cooling

trips("pump-fails", "standby", Fault.COOLANT_FLOW)
trips("flow-low", "standby", Fault.COOLANT_FLOW)
trips("coolant-leaks", "standby", Fault.COOLANT_LEVEL, within_us=25 * S)


@bites("room-temperature", "standby")
def a_hot_room_warms_a_laser_without_power(desk: Desk, _: Injection) -> None:
    desk.act("power", to="cut")
    desk.simulator.advance(desk.simulator.now_us + 24 * 3600 * S)
    celsius = desk.simulator.plant.coolant.celsius(desk.simulator.now_us)
    assert celsius == pytest.approx(45.0, abs=0.1)


@bites("heater-fails", "standby")
def a_laser_without_its_heater_goes_cold(desk: Desk, _: Injection) -> None:
    simulator = desk.simulator
    while desk.state is State.STANDBY:
        simulator.advance(simulator.now_us + 10 * S)
        assert simulator.plant.coolant.celsius(simulator.now_us) > 50
    assert desk.fault is Fault.COOLANT_COLD


@bites("fan-fails", "standby")
def a_laser_without_its_fan_stays_warm(desk: Desk, _: Injection) -> None:
    healthy = copy.deepcopy(desk)
    Injector.of(healthy.simulator).clear_all()
    celsius = []
    for one in (desk, healthy):
        one.inject("coolant-step", kelvin=6.0)
        one.run(60 * S)
        celsius.append(one.simulator.plant.coolant.celsius(one.simulator.now_us))
    assert celsius[0] > celsius[1] + 0.5


@bites("coolant-step", "standby")
def coolant_that_is_too_warm_refuses_to_arm(desk: Desk, _: Injection) -> None:
    assert desk.simulator.plant.coolant.celsius(desk.simulator.now_us) > 64
    refuses_to_arm(desk, Refusal.NOT_WARM)


# -- room

trips("mains-dip", "ready", Fault.MAINS)
trips("charger-hot", "ready", Fault.CHARGER_HOT)


@bites("module-exchanged", "ready")
def an_exchanged_module_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.WAVELENGTH)


@bites("spot-turned", "ready")
def a_turned_ring_ends_ready(desk: Desk, _: Injection) -> None:
    leaves(desk, Leave.SPOT)


@bites("foot-held", "standby")
def a_foot_that_is_down_keeps_the_laser_from_ready(desk: Desk, _: Injection) -> None:
    desk.run(100 * MS)
    assert Refusal.FOOT_HELD in desk.refusals(desk.arm_request())


@bites("contact-flutters", "ready")
def a_door_that_closes_again_restarts_nothing(desk: Desk, injection: Injection) -> None:
    desk.press()
    opened_us = desk.simulator.now_us
    desk.run(5 * S)
    assert desk.fault is Fault.DOOR
    assert desk.state is State.FAULT
    assert desk.light_after(opened_us + GATED_US) == []
    assert injection.report().fired == 6


# -- processor


@bites("processor-reset", "emitting")
def a_reset_ends_emission_for_good(desk: Desk, _: Injection) -> None:
    reset_us = desk.simulator.now_us
    desk.run(3 * S)
    assert desk.light_after(reset_us) == []
    assert desk.state not in ARMED


@bites("processor-hangs", "emitting")
def a_hung_processor_is_reset_by_its_watchdog(desk: Desk, _: Injection) -> None:
    hung_us = desk.simulator.now_us
    desk.run(3 * S)
    assert desk.fault is Fault.WATCHDOG_RESET
    assert desk.light_after(hung_us) == []


@bites("clock-drifts", "standby", ppm=100_000)
def a_fast_clock_is_fast(desk: Desk, _: Injection) -> None:
    before_us = desk.device.now_us
    desk.run(10 * S)
    assert desk.device.now_us - before_us == pytest.approx(11 * S, abs=50 * MS)


@bites("power-cut", "emitting", for_s=1.0)
def nothing_is_restored_when_the_power_returns(desk: Desk, _: Injection) -> None:
    cut_us = desk.simulator.now_us
    desk.run(500 * MS)
    assert not desk.simulator.plant.powered
    desk.run(5 * S)
    assert desk.simulator.running
    assert desk.state not in ARMED
    assert desk.light_after(cut_us) == []


@bites("memory-corrupted", "standby")
def corrupted_books_are_found_at_the_next_start(desk: Desk, _: Injection) -> None:
    desk.inject("power-cut", for_s=0.5)
    desk.run(2 * S)
    assert Fault.NONVOLATILE.value in _latched(desk)
    assert desk.state is State.FAULT


@bites("memory-fails", "emitting")
def a_pulse_that_cannot_be_numbered_is_not_fired(desk: Desk, _: Injection) -> None:
    broken_us = desk.simulator.now_us
    desk.until(State.FAULT, S)
    assert Fault.NONVOLATILE.value in _latched(desk)
    assert desk.light_after(broken_us + RELEASED_US) == []


@bites("counters-near-their-end", "standby", remaining=0)
def a_boot_counter_wraps_past_zero(desk: Desk, _: Injection) -> None:
    desk.inject("power-cut", for_s=0.5)
    desk.run(3 * S)
    assert NonVolatile(desk.simulator.memory).books.boots == 1
    assert desk.state is State.WARM_UP


# -- line

trips("line-drops", "ready", Fault.LINK_LOST)
trips("line-delays", "ready", Fault.LINK_LOST)
trips("line-falls-silent", "ready", Fault.LINK_LOST)
trips("line-garbled", "ready", Fault.LINK_LOST)
trips("line-cut", "ready", Fault.LINK_LOST)
trips("line-unplugged", "ready", Fault.LINK_LOST)


def still_works(desk: Desk, _: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(2 * S)
    assert desk.state is State.EMITTING
    assert desk.ask(ReadCounters()) is not None
    desk.release()
    desk.run(3 * S)
    assert len(desk.pulses) > before + 10
    assert set(desk.reports) == {*range(desk.pulses[0].number, desk.pulses[-1].number + 1)}


bites("line-reorders", "ready", message="PulseReport", share=0.5)(still_works)
bites("line-splits", "ready")(still_works)
bites("line-glues", "ready")(still_works)
bites("line-echoes", "ready")(still_works)


@bites("line-repeats", "ready", direction="to_device", message="Grant", after_ms=3000.0)
def a_grant_from_a_buffer_is_no_second_permit(desk: Desk, _: Injection) -> None:
    desk.do(Standby())
    desk.run(S)
    desk.arm()
    desk.until(State.READY)
    desk.grant(pulses=1, permit_id=2)
    desk.press()
    desk.run(S)
    desk.release()
    fired = len(desk.pulses)
    desk.press()
    desk.run(5 * S)
    assert len(desk.pulses) == fired


@bites("line-noise", "ready", byte_probability=0.02)
def noise_loses_frames_and_alters_none(desk: Desk, _: Injection) -> None:
    desk.run(5 * S)
    setpoint = desk.device.setpoints.committed
    assert setpoint.pulse_energy_uj == ENERGY_UJ
    assert desk.fault in {Fault.NONE, Fault.LINK_LOST}


@bites("line-lamp-noise", "ready", rings_ms=5.0)  # longer than the laser waits
def the_lamps_noise_alters_no_record(desk: Desk, injection: Injection) -> None:
    before = len(desk.pulses)
    desk.press()
    desk.run(3 * S)
    assert desk.fault in {Fault.NONE, Fault.LINK_LOST}
    desk.release()
    Injector.of(desk.simulator).clear(injection)
    desk.run(3 * S)
    for pulse in desk.pulses[before:]:
        assert desk.reports[pulse.number].monitor_a_uj == pytest.approx(pulse.energy_uj, rel=0.1)


def _latched(desk: Desk) -> set[int]:
    latched = desk.device.faults.latched
    return {bit for bit in range(64) if latched >> bit & 1}
