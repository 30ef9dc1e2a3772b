"""What a fault is: a named defect with parameters; it begins, ends, and counts how often it fired."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from sim_device.doors import Observer
from sim_device.simulator import Simulator


class FaultError(ValueError):
    """A fault that is not possible: names field, value and what is allowed. Nothing was begun."""


class Fault(BaseModel, Observer):
    """One defect. Fields are its parameters, the docstring's first line is its meaning.

    `fired` counts how often it changed something that would have been different without it; a fault that
    only stood by has fired 0 times. While it lasts it observes the simulator. `end` restores exactly what
    `begin` changed. A fault that does not last happens in `begin`, and has no end.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: ClassVar[str]
    hazards: ClassVar[tuple[str, ...]]  # rows of docs/safety/hazards.csv that it puts on trial
    lasting: ClassVar[bool] = True

    _fired: int = PrivateAttr(0)

    @property
    def fired(self) -> int:
        """How often it really changed something."""
        return self._fired

    def seed(self, key: str) -> None:
        """Take the seed of all its chance; most have none."""

    def begin(self, simulator: Simulator) -> None:
        """Let it come, now."""
        if self.lasting:
            simulator.observers.append(self)

    def end(self, simulator: Simulator) -> None:
        """Let it go, now."""
        remove(simulator.observers, self)

    def parameters(self) -> dict[str, Any]:
        """Its parameters with their present values."""
        return self.model_dump(mode="json")

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy it with the simulator it knows: pydantic's own way would copy a fault in a ring twice."""
        memo = {} if memo is None else memo
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        twin.__setstate__({name: copy.deepcopy(part, memo) for name, part in self.__getstate__().items()})
        return twin

    # Two equal faults are still two: lists and counts tell them apart.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def remove(things: list[Any], thing: object) -> None:
    """Take `thing` itself out of the list, if it is there."""
    things[:] = [other for other in things if other is not thing]


def meaning_of(fault: type[Fault]) -> str:
    """The sentence that says what it is."""
    return (fault.__doc__ or "").partition("\n")[0]
