"""Which promise cannot hold under which fault, and why: as few as possible, while the fault is at work.

An excuse stands for a part that the promise itself is made of and that the scenario has broken. It covers
what began to go wrong before the fault ended and showed after it began, and nothing else; only what is lost
with a memory stays lost. Of light that leaves the aperture it covers three things. What went through optics
that the firmware cannot read is not as granted. A clock that is off by more than any crystal measures rate,
warning and the host's silence wrongly. And with its photodiode blind the laser counts no flashes: neither
doubles nor light without a trigger. No excuse covers light without a permit, without a foot, or past an open
guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rig.invariants.invariant import Violation
    from rig.invariants.spells import Spell

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
    "defeat_key_out": "cover_closed",
    "arm_connected": "arm_connected",
}
"""Guards of the ground truth by their board line, where there is only one."""


def _always(_: Parameters) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Excuse:
    """Promises that a fault takes away, the reason, for which of its parameters, and whether for good."""

    invariants: frozenset[str]
    why: str
    applies: Callable[[Parameters], bool] = _always
    for_good: bool = False  # from its beginning on, though it ends


def _excuse(
    *invariants: str, why: str, applies: Callable[[Parameters], bool] = _always, for_good: bool = False
) -> Excuse:
    return Excuse(frozenset(invariants), why, applies, for_good)


_BLADE = "the blade itself does not close; the trigger gate, the other channel, must"
_GATE = "the gate itself does not close; high voltage and shutter, the other channel, must"
_MEMORY = "the books are in that memory; what it has lost cannot be told"
_MISREAD = "the only reading of what is connected is wrong"
_UNSEEN = "the photodiode alone counts flashes"

_CLOCK = "the processor's only clock is off by more than any crystal; its watchdog sees half or twice"
_CRYSTAL_PPM = 10_000  # [C] a hundred times what a bad crystal is off by
_LIFE_PPM = 200_000  # 200 ms of a permit's life last 250 ms

_BY_INPUT: Final[dict[str, Excuse]] = {
    **dict.fromkeys(("handpiece", "spot_um", "wavelength_nm"), _excuse("as-granted", why=_MISREAD)),
    "light_count": _excuse(
        "light-without-trigger", "one-pulse-for-one-trigger", "books-balance", why=_UNSEEN
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
    **dict.fromkeys(
        ("memory-corrupted", "memory-fails", "counters-near-their-end"),
        (
            _excuse(
                "books-balance", "trips-stay", "trips-recorded", "energy-told", why=_MEMORY, for_good=True
            ),
        ),
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


def excuse_of(violation: Violation, spells: Iterable[Spell]) -> str:
    """Why this promise could not hold while these faults were at work; empty if it should have."""
    for spell in spells:
        if spell.begin_us > violation.at_us:
            continue
        over = spell.end_us is not None and spell.end_us < violation.since_us
        for excuse in (*EXCUSES.get(spell.name, ()), *_of_a_line(spell)):
            in_time = excuse.for_good or not over
            if in_time and violation.invariant in excuse.invariants and excuse.applies(spell.parameters):
                return f"{spell.name}: {excuse.why}"
    return ""


def _of_a_line(spell: Spell) -> list[Excuse]:
    """The excuses of a fault of one board line, or two."""
    table = {"input": _BY_INPUT, "output": _BY_OUTPUT}.get(spell.name.partition("-")[0].rstrip("s"), {})
    lines = [spell.parameters.get(name) for name in ("line", "other")]
    return [table[line] for line in lines if line in table]


def bridged_by(spells: Iterable[Spell]) -> frozenset[str]:
    """The guards that these faults, while they are at work, take from the firmware's sight."""
    bridged: set[str] = set()
    for spell in spells:
        given = spell.parameters
        match spell.name:
            case "interlock-bridged":
                bridged.add(CONTACTS.get(given["contact"], ""))
            case "interlocks-unseen":
                bridged.update(CONTACTS.values())
            case "input-stuck" | "input-frozen" | "input-delayed" | "inputs-swapped":
                bridged.update(_LINES.get(str(given.get(name, "")), "") for name in ("line", "other"))
            case _:
                pass
    return frozenset(bridged - {""})
