"""The catalogue in words: each fault with its parameters, their units, ranges and defaults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from sim_device.faults.catalogue import CATALOGUE, GROUPS
from sim_device.faults.fault import Fault, meaning_of
from sim_device.faults.trigger import Trigger

UNITS: Final = {
    "_ms": "ms",
    "_s": "s",
    "_per_s": "/s",
    "_mj": "mJ",
    "_ml_s": "ml/s",
    "_mm": "mm",
    "_nm": "nm",
    "_hz": "Hz",
    "_baud": "baud",
    "_bytes": "bytes",
    "_j": "J",
    "percent_per_s": "%/s",
    "kelvin": "K",
    "celsius": "degC",
    "ppm": "ppm",
}
"""Unit by the end of a parameter's name, the longest end that fits; all other numbers have none."""

CHOICES_QUOTED: Final = 8  # [C] more of them are a list, easier to read without quotes

_WORDS: Final = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter."""

    name: str
    meaning: str
    unit: str
    allowed: str
    required: bool
    default: Any

    @property
    def short(self) -> str:
        """Name, default and unit in one."""
        if self.required:
            return f"{self.name} (needed)"
        unit = f" {self.unit}" if self.unit else ""
        return self.name if self.default is None else f"{self.name} = {json.dumps(self.default)}{unit}"

    @property
    def example(self) -> str:
        """A value as a scenario would state it."""
        return "..." if self.required else json.dumps(self.default)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Described:
    """One fault."""

    name: str
    group: str
    meaning: str
    hazards: tuple[str, ...]
    lasting: bool
    parameters: tuple[Parameter, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def describe() -> list[Described]:
    """Every fault, in the catalogue's order."""
    return [_fault(fault) for fault in CATALOGUE.values()]


def describe_trigger() -> tuple[Parameter, ...]:
    """What every fault takes besides its parameters."""
    return _parameters(Trigger)


def unit_of(parameter: str) -> str:
    """The unit that a parameter's name tells; empty for none."""
    ends = [end for end in UNITS if parameter.endswith(end)]
    return UNITS[max(ends, key=len)] if ends else ""


def _fault(fault: type[Fault]) -> Described:
    return Described(
        name=fault.name,
        group=GROUPS[fault.name],
        meaning=meaning_of(fault),
        hazards=fault.hazards,
        lasting=fault.lasting,
        parameters=_parameters(fault),
    )


def _parameters(model: type[BaseModel]) -> tuple[Parameter, ...]:
    schema = model.model_json_schema()
    return tuple(
        Parameter(
            name=name,
            meaning=declared.get("description", ""),
            unit=unit_of(name),
            allowed=_allowed(declared),
            required=name in schema.get("required", ()),
            default=declared.get("default"),
        )
        for name, declared in schema.get("properties", {}).items()
    )


def _allowed(declared: Mapping[str, Any]) -> str:
    """What a value may be, in words, from its JSON schema."""
    if "anyOf" in declared:
        return " or ".join(_allowed(one) for one in declared["anyOf"] if one.get("type") != "null")
    if "enum" in declared:
        choices: list[Any] = declared["enum"]
        if len(choices) > CHOICES_QUOTED:
            return f"one of {', '.join(choices)}"
        return " or ".join(json.dumps(value) for value in choices)
    word = _WORDS.get(declared.get("type", ""), "text")
    low = declared.get("minimum", declared.get("exclusiveMinimum"))
    if low is None:
        return word
    above = "above" if "exclusiveMinimum" in declared else "from"
    return f"{word} {above} {_number(low)} to {_number(declared['maximum'])}"


def _number(value: float) -> str:
    """Whole numbers without a point, and none with an exponent."""
    return str(int(value)) if value == int(value) else str(value)
