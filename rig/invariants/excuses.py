"""Which promise cannot hold under which fault, and why: as few as possible.

An excuse stands for a part that the promise itself is made of and that the scenario has broken. No excuse
covers light that leaves the aperture, unless the scenario has blinded both of the channels that would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Parameters = Mapping[str, Any]

CONTACTS: Final[dict[str, str]] = {
    "key": "key_on",
    "mains": "mains_ok",
    "remote": "remote_closed",
    "door": "door_closed",
    "cover": "cover_closed",
    "arm": "arm_connected",
}
"""Guards of the ground truth by the word of a fault's parameter."""

_LINES: Final = {
    "key_on": "key_on",
    "mains_ok": "mains_ok",
    "remote_closed": "remote_closed",
    "door_closed": "door_closed",
    "arm_connected": "arm_connected",
}
"""Guards of the ground truth by their board line, where there is only one."""


def _always(_: Parameters) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Excuse:
    """Promises that a fault takes away, the reason, and for which of its parameters."""

    invariants: frozenset[str]
    why: str
    applies: Callable[[Parameters], bool] = _always


def _excuse(*invariants: str, why: str, applies: Callable[[Parameters], bool] = _always) -> Excuse:
    return Excuse(frozenset(invariants), why, applies)


_BLADE = "the blade itself does not close; the trigger gate, the other channel, must"
_GATE = "the gate itself does not close; high voltage and shutter, the other channel, must"
_HUNG = "a processor that does not run acts only when its watchdog has reset it, within 101 ms"
_MEMORY = "the books are in that memory; what it has lost cannot be told"
_MISREAD = "the only reading of what is connected is wrong"
_UNSEEN = "the photodiode alone counts flashes"

_CLOCK = "the processor's only clock is off by more than any crystal; its watchdog sees half or twice"
_CRYSTAL_PPM = 10_000  # [C] a hundred times what a bad crystal is off by
_LIFE_PPM = 200_000  # 200 ms of a permit's life last 250 ms

_BY_INPUT: Final[dict[str, Excuse]] = {
    **dict.fromkeys(("handpiece", "spot_um", "wavelength_nm"), _excuse("as-granted", why=_MISREAD)),
    "light_count": _excuse(
        "books-balance", "light-without-trigger", "one-pulse-for-one-trigger", why=_UNSEEN
    ),
}
"""What a broken input takes away, by its line."""

_BY_OUTPUT: Final[dict[str, Excuse]] = {
    "shutter_open": _excuse("shutter-closed", "foot-released", why=_BLADE),
    "gate_enable": _excuse("trigger-inhibited", "foot-released", "light-without-trigger", why=_GATE),
    "dump_hold": _excuse("charge-gone", why="the dump relay itself is held"),
}
"""What a broken output takes away, by its line."""

EXCUSES: Final[dict[str, tuple[Excuse, ...]]] = {
    **dict.fromkeys(
        ("shutter-stuck", "shutter-driver-welded", "shutter-slow-to-close"),
        (_excuse("shutter-closed", "foot-released", why=_BLADE),),
    ),
    "gate-welded": (_BY_OUTPUT["gate_enable"],),
    "dump-stuck": (_excuse("charge-gone", why="the dump relay itself does not close"),),
    "processor-hangs": (
        _excuse("trigger-inhibited", "shutter-closed", "guard-trips", "foot-released", why=_HUNG),
    ),
    **dict.fromkeys(
        ("memory-corrupted", "memory-fails", "counters-near-their-end"),
        (_excuse("books-balance", "trips-stay", "trips-recorded", "energy-told", why=_MEMORY),),
    ),
    **dict.fromkeys(
        ("spot-misread", "handpiece-misread", "wavelength-misread"),
        (_excuse("as-granted", why=_MISREAD),),
    ),
    "clock-drifts": (
        _excuse(
            "as-granted", "warned-before", why=_CLOCK, applies=lambda given: abs(given["ppm"]) > _CRYSTAL_PPM
        ),
        _excuse("host-alive", why=_CLOCK, applies=lambda given: given["ppm"] < -_LIFE_PPM),
    ),
    "photodiode-dead": (_BY_INPUT["light_count"],),
    "interlocks-unseen": (
        _excuse("guard-trips", why="the firmware sees no interlock; the hardware must act"),
    ),
}
"""Excuses by the name of the fault."""


def excuse_of(invariant: str, faults: Iterable[Mapping[str, Any]]) -> str:
    """Why this invariant could not hold under these faults, by their reports; empty if it should."""
    for fault in faults:
        for excuse in (*EXCUSES.get(fault["name"], ()), *_of_a_line(fault)):
            if invariant in excuse.invariants and excuse.applies(fault["parameters"]):
                return f"{fault['name']}: {excuse.why}"
    return ""


def _of_a_line(fault: Mapping[str, Any]) -> list[Excuse]:
    """The excuses of a fault of one board line, or two."""
    table = {"input": _BY_INPUT, "output": _BY_OUTPUT}.get(fault["name"].partition("-")[0].rstrip("s"), {})
    lines = [fault["parameters"].get(name) for name in ("line", "other")]
    return [table[line] for line in lines if line in table]


def bridged_by(faults: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The guards that these faults, as a scenario states them, take from the firmware's sight."""
    bridged: set[str] = set()
    for fault in faults:
        match fault["name"]:
            case "interlock-bridged":
                bridged.add(CONTACTS.get(fault.get("contact", "door"), ""))
            case "interlocks-unseen":
                bridged.update(CONTACTS.values())
            case "input-stuck" | "input-frozen" | "input-delayed" | "inputs-swapped":
                bridged.update(_LINES.get(str(fault.get(name, "")), "") for name in ("line", "other"))
            case _:
                pass
    return frozenset(bridged - {""})
