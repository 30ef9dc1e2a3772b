"""Chance for campaigns: random events of people and room, and random faults, from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from rig.script import OWN_FIELDS, Happening
from sim_device.board import SAFE_INPUTS, SAFE_OUTPUTS, lines_of
from sim_device.faults import CATALOGUE, Fault, FaultError, compose

EVENT_EVERY_S: Final = (
    8.0  # [C] mean; a series of 20 at 5 Hz takes 4 s, so about every second one is disturbed
)
FAULTS_MAX: Final = 3  # [C] more hide one another: after the first trip little happens
SINGLE: Final = 0.3  # [C] share of events that nothing undoes
RARELY: Final = 0.2
FAULT_AT: Final = 0.6  # [C] share of faults that come at a time; the others come on an event
FAULT_ENDS: Final = 0.8  # [C] share of faults that end again
EVENLY: Final = 0.5
FAULT_SHORT_S: Final = 0.05
FAULT_LONG_S: Final = 20.0
START_S: Final = 6.0  # [C] connect, log in, arm: before that there is no light to go wrong

_PAIRS: Final[tuple[tuple[str, dict[str, Any], str, dict[str, Any], float], ...]] = (
    # what, with what; undone by what, with what; after at most so many seconds
    ("door", {"to": "open"}, "door", {"to": "close"}, 3.0),
    ("remote", {"to": "open"}, "remote", {"to": "close"}, 3.0),
    ("cover", {"to": "open"}, "cover", {"to": "close"}, 3.0),
    ("arm", {"to": "open"}, "arm", {"to": "close"}, 3.0),
    ("estop", {"to": "press"}, "estop", {"to": "release"}, 3.0),
    ("mains", {"to": "bad"}, "mains", {"to": "good"}, 1.0),
    ("level", {"to": "bad"}, "level", {"to": "good"}, 1.0),
    ("foot", {"to": "press"}, "foot", {"to": "release"}, 4.0),
    ("foot", {"to": "release"}, "foot", {"to": "press"}, 1.0),
    ("strap", {"to": "on"}, "strap", {"to": "off"}, 5.0),
    ("handpiece", {"name": "NONE"}, "handpiece", {"name": "ZOOM"}, 3.0),
    ("handpiece", {"name": "FIXED_6"}, "handpiece", {"name": "ZOOM"}, 3.0),
    ("spot", {"spot_mm": 2.5}, "spot", {"spot_mm": 3.5}, 3.0),
    ("wavelength", {"wavelength_nm": 532}, "wavelength", {"wavelength_nm": 755}, 3.0),
    ("dock", {}, "undock", {}, 3.0),
    ("cable", {"to": "cut"}, "cable", {"to": "mend"}, 4.0),
    ("cable", {"to": "unplug"}, "cable", {"to": "plug"}, 4.0),
    ("kill-daemon", {}, "start-daemon", {}, 5.0),
    ("fill-disk", {}, "free-disk", {}, 4.0),
    ("power", {"to": "cut"}, "power", {"to": "return"}, 2.0),
    ("key", {"to": "off"}, "key", {"to": "on"}, 2.0),
)
_SINGLES: Final[tuple[str, ...]] = (
    "acknowledge", "open", "open-wrong", "resume", "abandon", "arm-laser", "standby", "stop", "calibrate",
    "aiming", "resolve", "login-again", "takeover", "reset",
)  # fmt: skip
_INPUTS: Final = tuple(lines_of(SAFE_INPUTS))
_OUTPUTS: Final = tuple(lines_of(SAFE_OUTPUTS))
_LEVELS: Final = (False, True, False, True, 0, 1, 100, 10_000, 60_000, 173_000, 1_150_000)
"""Where a board line may be stuck, or how far off: its kind decides what of this it can be."""
_RATIOS: Final = (0.0, 0.5, 0.9, 1.1, 2.0)

_RARE: Final = frozenset({"key", "power", "reset", "level", "mains"})
"""After these the laser warms up again or starts anew, and for a while nothing can go wrong: one in five."""


def random_events(seed: int, duration_s: float) -> tuple[Happening, ...]:
    """What people and room do to a run, besides the operator's work."""
    chance = random.Random(f"{seed}/events")
    events: list[Happening] = []
    at_s = START_S * chance.random()
    while (at_s := at_s + chance.expovariate(1 / EVENT_EVERY_S)) < duration_s:
        if chance.random() < SINGLE:
            single = chance.choice(_SINGLES)
            if single not in _RARE or chance.random() < RARELY:
                fields = {"to": chance.choice(("on", "off"))} if single == "aiming" else {}
                events.append(Happening(_ms(at_s), single, fields))
            continue
        what, fields, undone, undone_fields, within_s = chance.choice(_PAIRS)
        if what in _RARE and chance.random() >= RARELY:
            continue
        events.append(Happening(_ms(at_s), what, fields))
        back_s = at_s + within_s * chance.random() ** 2
        if back_s < duration_s:
            events.append(Happening(_ms(back_s), undone, undone_fields))
    return tuple(sorted(events, key=lambda event: event.at_s))


def random_faults(seed: int, duration_s: float) -> tuple[Mapping[str, Any], ...]:
    """Up to `FAULTS_MAX` faults of the catalogue, with parameters anywhere in their ranges."""
    chance = random.Random(f"{seed}/faults")
    names = sorted(CATALOGUE)
    chosen = (CATALOGUE[chance.choice(names)] for _ in range(chance.randint(0, FAULTS_MAX)))
    return tuple(_possible(chance, fault, duration_s) for fault in chosen)


def _possible(chance: random.Random, fault: type[Fault], duration_s: float) -> Mapping[str, Any]:
    """A fault whose parameters go together: not every line has that bit, not every end that message."""
    while True:
        chosen = _fault(chance, fault, duration_s)
        try:
            compose(fault.name, {key: value for key, value in chosen.items() if key not in OWN_FIELDS})
        except FaultError:
            continue
        return chosen


def _fault(chance: random.Random, fault: type[Fault], duration_s: float) -> Mapping[str, Any]:
    chosen: dict[str, Any] = {"name": fault.name, "expected": False}
    for name, field in fault.model_fields.items():
        if field.is_required() or chance.random() < EVENLY:
            value = _value(chance, fault.name, name, field)
            if value is not None:
                chosen[name] = value
    if chance.random() < FAULT_AT:
        chosen["at_s"] = _ms(START_S + (duration_s - START_S) * chance.random())
    else:
        chosen["on"] = chance.choice(("pulse", "state READY", "state EMITTING", "state ARMING"))
        chosen["nth"] = chance.randint(1, 5)
        chosen["after_s"] = _ms(0.2 * chance.random())
    if fault.lasting and chance.random() < FAULT_ENDS:
        chosen["for_s"] = max(FAULT_SHORT_S, _ms(FAULT_LONG_S * chance.random() ** 2))
    return chosen


def _value(chance: random.Random, fault: str, name: str, field: FieldInfo) -> Any:
    """A value that the field allows, or at least may allow."""
    kind: Any = field.annotation
    if name in {"line", "other"}:
        return chance.choice(_OUTPUTS if fault.startswith("output") else _INPUTS)
    if field.is_required():
        return float(chance.choice(_RATIOS)) if kind is float else chance.choice(_LEVELS)
    if get_origin(kind) is Literal:
        return chance.choice(get_args(kind))
    if kind is bool:
        return chance.random() < EVENLY
    low, high = _range(field)
    if kind is int and low is not None and high is not None:
        return chance.randint(int(low), int(high))
    if kind is float and low is not None and high is not None:
        return round(low + (high - low) * chance.random() ** 2, 4)
    return field.get_default(call_default_factory=True)


def _range(field: FieldInfo) -> tuple[float | None, float | None]:
    low: Any = None
    high: Any = None
    for bound in field.metadata:
        match bound:
            case Ge(ge=value):
                low = value
            case Gt(gt=value):
                low = value
            case Le(le=value):
                high = value
            case Lt(lt=value):
                high = value
            case _:
                pass
    return low, high


def _ms(seconds: float) -> float:
    return round(seconds, 3)
