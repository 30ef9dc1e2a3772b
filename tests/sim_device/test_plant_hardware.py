"""The channels outside the firmware: they hold with a processor that executes nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.memory import RamMemory
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator

S = 1_000_000
MS = 1_000
FOR_EVER_US = 2**60
KICKS_US = 50 * MS
BITES_US = KICKS_US + 58_001  # the watchdog's window has passed
DANGEROUS = Outputs(
    hv_enable=True,
    hv_set_mv=1_197_200,
    dump_hold=True,
    simmer_start=True,
    gate_enable=True,
    mode_width_ps=750,
    comparator_uj=150_000,
    shutter_open=True,
    aiming_on=True,
)


class Rogue:
    """Firmware that drives everything dangerous, kicks its watchdog once, and does nothing more."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.boots = 0
        self.booted_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.boots += 1
        self.booted_us = now_us
        self.outputs = Outputs()
        if not watchdog_reset:
            self.outputs = replace(DANGEROUS, comparator_reset=True)

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        self.outputs.comparator_reset = False
        due_us = self.booted_us + KICKS_US
        if now_us < due_us:
            return Step(b"", b"", due_us)
        self.outputs.watchdog_kicks = 1
        return Step(b"", b"", FOR_EVER_US)


def rogue(*, docked: bool = True) -> Simulator:
    """Charged to 43 J, shutter open, 60 ms after power-on; the simmer is lit already."""
    plant = Plant(1, Contacts(key_on=True, docked=docked))
    plant.act(lambda p: p.coolant.set_celsius(0, 60.0))
    plant.drive(Outputs(simmer_start=True))
    plant.advance(S)
    simulator = Simulator(Rogue(), plant, RamMemory())
    simulator.advance(S + 60 * MS)
    inputs = plant.inputs
    assert inputs.charge_done
    assert inputs.shutter_open_switch
    assert not inputs.gate_inhibited
    simulator.hang(S + 60 * MS)
    return simulator


def trigger(simulator: Simulator) -> None:
    """The dead processor's trigger line moves all the same."""
    outputs = simulator.firmware.outputs
    outputs.lamp_triggers += 1
    simulator.plant.drive(outputs)


@pytest.mark.shows("REQ-011", "HZ-021")
def test_the_estop_takes_high_voltage_gate_and_shutter_from_a_hung_processor() -> None:
    simulator = rogue()
    plant = simulator.plant
    pressed_us = simulator.now_us
    simulator.act(lambda p: setattr(p.contacts, "estop_pressed", True), pressed_us)
    simulator.advance(pressed_us + 30 * MS)
    assert not simulator.running
    assert simulator.resets == 0  # it was not the watchdog
    assert plant.inputs.gate_inhibited
    assert plant.inputs.hv_inhibited
    assert plant.inputs.shutter_closed_switch
    assert plant.inputs.hv_mv == pytest.approx(1_197_200 * math.exp(-0.03 / 0.15), abs=60)
    trigger(simulator)
    simulator.advance(pressed_us + 35 * MS)
    assert (plant.truth.total, plant.truth.blocked) == (0, 1)


@pytest.mark.shows("REQ-019", "REQ-023", "HZ-008", "HZ-021")
def test_the_comparator_shuts_the_gate_of_a_hung_processor_after_one_pulse_too_strong() -> None:
    simulator = rogue()
    for _ in range(2):
        trigger(simulator)
        simulator.advance(simulator.now_us + 15 * MS)
    assert not simulator.running
    assert (simulator.plant.truth.total, simulator.plant.truth.blocked) == (1, 1)
    assert simulator.plant.inputs.comparator_tripped


@pytest.mark.shows("REQ-026", "REQ-032", "HZ-021", "HZ-024")
def test_the_watchdog_resets_a_hung_processor_and_all_its_outputs_fall() -> None:
    simulator = rogue()
    plant = simulator.plant
    simulator.advance(S + BITES_US)
    assert simulator.resets == 1
    simulator.advance(S + BITES_US + 10 * MS)
    assert plant.inputs.gate_inhibited
    assert plant.inputs.hv_inhibited
    assert plant.inputs.shutter_closed_switch
    assert plant.inputs.aiming_uw == 0
    simulator.advance(2 * S)
    assert plant.inputs.hv_mv < 60_000
    assert plant.truth.total == 0


@pytest.mark.shows("REQ-027", "HZ-027")
def test_the_bleeder_empties_the_capacitor_when_the_dump_relay_does_not_fall() -> None:
    simulator = rogue()
    simulator.act(lambda p: setattr(p.capacitor, "dump_stuck", True), simulator.now_us)
    simulator.advance(S + BITES_US)
    simulator.advance(61 * S)
    assert simulator.plant.inputs.hv_mv == pytest.approx(1_197_200 * math.exp(-59.9 / 60), rel=1e-3)


def test_without_any_of_them_the_rogue_does_make_light() -> None:
    simulator = rogue(docked=False)
    trigger(simulator)
    simulator.advance(simulator.now_us + MS)
    assert simulator.plant.truth.aperture == 1
