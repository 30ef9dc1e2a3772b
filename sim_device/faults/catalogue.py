"""Every fault by its name, and which row of docs/safety/hazards.csv each one puts on trial."""

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

LIMITS: Final = {
    "charger-weak": (
        "At 30 % of its power the charger is not done when the next trigger of a series at 10 Hz is due. "
        "That trigger is skipped and counted (`Telemetry.skipped_pulses`), as REQ-028 asks, and the one "
        "after it fires with the full charge: the series takes twice as long, and no pulse is too weak, "
        "which is what HZ-028 fears. Only three in a row without end of charge trip NO_END_OF_CHARGE."
    ),
    "photodiode-dead": (
        "The first pulse after it trips: PULSE_WIDTH, recorded with the energies that the monitors "
        "measured. Only if both of them read exactly what they read of the pulse before (converter steps of "
        "0.05 mJ: 7 in 1,000 pulses at 10 mJ, 2 in 10,000 at 50 mJ, 1 in 100,000 at 173 mJ) no sensor shows "
        "that there was light. It trips then too, PULSE_MISSING, but that one pulse is recorded as missing, "
        "and who goes on with what remains of the plan gives it once more. Nothing that is left to the "
        "firmware tells it from a lamp that flashed without laser light."
    ),
    "processor-hangs": (
        "For up to 0.06 s, until its watchdog resets it, the firmware sees nothing. Light that another fault "
        "causes meanwhile (a glitch on the trigger line) gets no number and no fault of its own: "
        "WATCHDOG_RESET is what tells that somebody must look."
    ),
}
"""Faults of which the device tells less than one would wish, and why it cannot or need not tell more."""


def faults_of(hazard: str) -> tuple[str, ...]:
    """The faults that put this hazard on trial."""
    return tuple(name for name, fault in CATALOGUE.items() if hazard in fault.hazards)
