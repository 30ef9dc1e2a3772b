"""A plant's knobs in tests: turned, and what they do to voltage and light."""

from dataclasses import replace
from typing import Any

from sim_device.board import Outputs
from sim_device.plant import Contacts, Plant
from tests.sim_device.lit import MS, READY


def turn(plant: Plant, knob: str, value: object) -> None:
    """Set a knob by its path, as a fault does."""
    *path, name = knob.split(".")

    def change(p: Plant) -> None:
        part: object = p
        for step in path:
            part = getattr(part, step)
        assert hasattr(part, name), knob
        setattr(part, name, value)

    plant.act(change)


def powered(**levels: Any) -> Plant:
    """A plant with the key on and these outputs driven."""
    plant = Plant(1, Contacts(key_on=True))
    plant.drive(Outputs(**levels))
    return plant


def charged(plant: Plant, **levels: Any) -> Outputs:
    """Charge to 43 J with everything ready to fire."""
    outputs = replace(READY, comparator_reset=True, lamp_triggers=plant.truth.triggers, **levels)
    plant.drive(outputs)
    plant.advance(plant.now_us + 300 * MS)
    return outputs


def fire(plant: Plant, **levels: Any) -> None:
    outputs = charged(plant, **levels)
    outputs.lamp_triggers += 1
    plant.drive(outputs)
    plant.advance(plant.now_us + 2 * MS)


def warm(seed: int = 1) -> Plant:
    plant = Plant(seed, Contacts(key_on=True, docked=False))
    plant.act(lambda p: p.coolant.set_celsius(0, 60.0))
    return plant
