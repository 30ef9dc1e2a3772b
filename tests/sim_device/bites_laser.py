"""How faults of power, light and cooling bite."""

from __future__ import annotations

import copy
import itertools

import pytest

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.states import State
from sim_device.faults import Injection, Injector
from tests.sim_device.bites import (
    CLOSED_US,
    GATED_US,
    RELEASED_US,
    bites,
    fails_its_proof,
    latched,
    leaves,
    refuses_to_arm,
    trips,
)
from tests.sim_device.desk import MS, Desk, S

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
    assert Fault.MONITORS_DISAGREE.value in latched(desk)


bites("monitor-dark", "standby")(fails_its_proof)


@bites("monitor-frozen", "standby")
def a_frozen_monitor_fails_its_proof(desk: Desk, injection: Injection) -> None:
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
