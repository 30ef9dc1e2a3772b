"""The four outcomes of a command: done, refused with all reasons, failed for certain, or uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.errors import LaserError
    from protocols.refusals import Reason

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """It happened; `value` is what came back."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Refused:
    """It did not happen: all reasons, the gate's (nothing was sent) or the device's (nothing changed)."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not happen, or it was only a reading."""

    error: LaserError


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It was sent and may have happened: the device's own books must settle it."""

    error: LaserError


NotDone: TypeAlias = Refused | Failed | Uncertain
Outcome: TypeAlias = Done[T] | Refused | Failed | Uncertain


def mapped(outcome: Outcome[T], function: Callable[[T], U]) -> Outcome[U]:
    """The same outcome with `function` of the value, where there is one."""
    return Done(function(outcome.value)) if isinstance(outcome, Done) else outcome
