"""Faults as lines of data: what makes a class of such a line, and declares its parameter."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, create_model

from sim_device.faults.fault import Fault

F = TypeVar("F", bound=Fault)


def declared(
    kind: type[F], module: str, name: str, meaning: str, *, hazards: str, parameter: dict[str, Any]
) -> type[F]:
    """Make the class of a fault, to be bound to its name in capitals ("pulse-wide": PulseWide), for pickle.

    `parameter` is one at the most, beside those that its kind has; `hazards` are parted by spaces.
    """
    title = "".join(word.capitalize() for word in name.split("-"))
    made = create_model(title, __base__=kind, __module__=module, __doc__=meaning, **parameter)
    made.name, made.hazards = name, tuple(hazards.split())
    return made


def given(fault: Fault) -> Any:
    """Its own parameter, which is the one that was declared last; None without any."""
    name = next(reversed(type(fault).model_fields), None)
    return None if name is None else getattr(fault, name)


def number(default: float, least: float, most: float, meaning: str, *, above: bool = False) -> Any:
    """Declare a parameter: a number from `least`, or only above it, to `most`."""
    limits: dict[str, Any] = {"gt" if above else "ge": least, "le": most}
    return float, Field(default, **limits, allow_inf_nan=False, description=meaning)


def whole(default: int, least: int, most: int, meaning: str) -> Any:
    """Declare a parameter: a whole number."""
    return int, Field(default, ge=least, le=most, description=meaning)


def one_of(choices: Any, default: Any, meaning: str) -> Any:
    """Declare a parameter: one of a Literal's values."""
    return choices, Field(default, description=meaning)
