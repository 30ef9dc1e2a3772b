"""A plant that is ready for light, and what lets it out."""

import dataclasses

from sim_device.board import Outputs
from sim_device.plant import Contacts, Plant, TruePulse

MS = 1_000
READY = Outputs(
    hv_enable=True,
    hv_set_mv=1_197_200,  # 43.0 J
    dump_hold=True,
    simmer_start=True,
    gate_enable=True,
    mode_width_ps=750,
    comparator_uj=1_000_000,  # beyond any pulse
)


def laser(seed: int = 1, *, docked: bool = False, celsius: float = 60.0, quiet: bool = False) -> Plant:
    """A warm plant with the comparator cleared; `quiet` takes all noise away."""
    plant = Plant(seed, Contacts(key_on=True, docked=docked))
    plant.act(lambda p: p.coolant.set_celsius(0, celsius))
    plant.drive(Outputs(comparator_reset=True, simmer_start=True))
    if quiet:
        plant.head.shot_sigma = plant.head.width_sigma = 0.0
        plant.head.first_pulse_ratio = 1.0
        for monitor in (plant.monitors.a, plant.monitors.b, plant.monitors.port):
            monitor.sigma = 0.0
    return plant


def prepare(plant: Plant, outputs: Outputs = READY) -> Outputs:
    """Charge, and give everything 200 ms."""
    outputs = dataclasses.replace(outputs, lamp_triggers=plant.truth.triggers)
    plant.drive(outputs)
    plant.advance(plant.now_us + 200 * MS)
    return outputs


def trigger(plant: Plant, outputs: Outputs) -> None:
    plant.drive(dataclasses.replace(outputs, lamp_triggers=outputs.lamp_triggers + 1))


def shoot(plant: Plant, outputs: Outputs = READY) -> TruePulse:
    before = plant.truth.total
    trigger(plant, prepare(plant, outputs))
    plant.advance(plant.now_us + MS)
    assert plant.truth.total == before + 1
    return plant.truth.pulses[-1]
