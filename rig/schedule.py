"""Chance for campaigns: random events of people and room, and random faults, from a seed alone."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from rig.script import HOST_EVENTS, Happening
from sim_device.board import SAFE_INPUTS, SAFE_OUTPUTS, lines_of
from sim_device.faults import CATALOGUE, Fault

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
_PAIRED: Final = frozenset({name for pair in _PAIRS for name in (pair[0], pair[2])})
_SINGLES: Final = (*(name for name in HOST_EVENTS if name not in _PAIRED), "reset")

_KINDS: Final = {
    name: type(level) for name, level in (lines_of(SAFE_INPUTS) | lines_of(SAFE_OUTPUTS)).items()
}
"""By line of the board: bool for a level, int for a value."""

_VALUES: Final = (0, 1, 100, 10_000, 60_000, 173_000, 1_150_000)
"""Where a value may be stuck, or how far off."""
_RATIOS: Final = (0.0, 0.5, 0.9, 1.1, 2.0)
_FEW: Final = 100  # [C] so many whole numbers may all come; of more, `_VALUES`
_STEP: Final = 1e-4  # of numbers that are drawn

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
    return tuple(_fault(chance, fault, duration_s) for fault in chosen)


def _fault(chance: random.Random, fault: type[Fault], duration_s: float) -> Mapping[str, Any]:
    chosen: dict[str, Any] = {"name": fault.name, "expected": False}
    for name, field in fault.model_fields.items():
        if field.is_required() or chance.random() < EVENLY:
            value = _value(chance, field, chosen.get("line", ""))
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


def _value(chance: random.Random, field: FieldInfo, line: str) -> Any:
    """A value that the field allows; one that belongs to a line of the board fits this line."""
    kind: Any = field.annotation
    low, high = _range(field)
    if isinstance(field.json_schema_extra, dict):
        lines: Any = field.json_schema_extra["enum"]
        others = [one for one in lines if one != line and _KINDS[one] is _KINDS.get(line, _KINDS[one])]
        return chance.choice(others)
    if get_origin(kind) is Literal:
        return chance.choice(get_args(kind))
    if kind is bool:
        return chance.random() < EVENLY
    if field.is_required() and kind is not int and kind is not float:
        return chance.choice((False, True) if _KINDS[line] is bool else _VALUES)
    if field.is_required() and (kind is float or high - low > _FEW):
        return chance.choice([one for one in (_RATIOS if kind is float else _VALUES) if low <= one <= high])
    if kind is int:
        return chance.randint(int(low), int(high))
    if kind is float:
        return max(low, round(low + (high - low) * chance.random() ** 2, 4))
    return field.get_default(call_default_factory=True)


def _range(field: FieldInfo) -> tuple[float, float]:
    """The least and the greatest value."""
    low, high = -math.inf, math.inf
    for bound in field.metadata:
        match bound:
            case Ge(ge=float() | int() as value):
                low = value
            case Gt(gt=float() | int() as value):
                low = value + _STEP
            case Le(le=float() | int() as value):
                high = value
            case Lt(lt=float() | int() as value):
                high = value - _STEP
            case _:
                pass
    return low, high


def _ms(seconds: float) -> float:
    return round(seconds, 3)
