"""Every fault by its name, and which row of docs/reference/hazards.csv each one puts on trial."""

from __future__ import annotations

from typing import Final

from sim_device.faults import contacts, cooling, drivers, light, power, processor, room, serial, wires
from sim_device.faults.fault import Fault

_MODULES: Final = (wires, contacts, drivers, power, light, cooling, room, processor, serial)

CATALOGUE: Final[dict[str, type[Fault]]] = {
    found.name: found
    for module in _MODULES
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, Fault) and "name" in vars(found)
}
"""In the order of the modules: wires, contacts, drivers, power, light, cooling, room, processor, line."""

GROUPS: Final = {
    name: (module.__doc__ or "").partition("\n")[0].removesuffix(".")
    for module in _MODULES
    for name, found in CATALOGUE.items()
    if found.__module__ == module.__name__
}
"""What each fault belongs to, in words."""

NOT_THE_DEVICES: Final = {
    "HZ-022": "words on a screen: tests/protocols/test_tables.py (every fault and refusal says what to do)",
    "HZ-023": "the host's arithmetic: safety.fluence against the independent cases of fluence_cases.csv",
    "HZ-038": "the broker's side: tests/controller/test_mqtt.py publishes to every topic; nothing arms",
    "HZ-042": "the operator's choice of fluence: safety.presets and plan_check refuse it per skin type",
    "HZ-043": "the operator's choice of wavelength: safety.presets and plan_check refuse it per skin type",
    "HZ-044": "the operator's passes: the plan counts pulses and passes, the permit ends with the last",
    "HZ-045": "the room: the checklist that is acknowledged before a plan is carried out",
}
"""Hazards that no device can have: why, and what covers them instead."""


def faults_of(hazard: str) -> tuple[str, ...]:
    """The faults that put this hazard on trial."""
    return tuple(name for name, fault in CATALOGUE.items() if hazard in fault.hazards)
