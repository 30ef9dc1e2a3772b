"""Enumeration of a machine's reachable states to a fixpoint, breadth first, with the shortest way to each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Protocol

Key = Hashable
Frozen = list[tuple[Any, Any, Any]]


class Machine(Protocol):
    """What can be enumerated: one real object that is put back into any state it was in before."""

    def save(self) -> Any: ...

    def restore(self, saved: Any) -> None: ...

    def key(self) -> Key:
        """The abstraction of the present state."""
        ...

    def acts(self) -> Iterable[str]:
        """What can happen here."""
        ...

    def act(self, name: str) -> None:
        """Let it happen. Raises AssertionError when it does not lead to what it must lead to."""
        ...

    def check(self) -> None:
        """Look at a state that is new. Raises AssertionError when an invariant does not hold in it."""
        ...


@dataclass
class Space:
    """The states by their number, the transitions between them, and how each was reached first."""

    numbers: dict[Key, int] = field(default_factory=dict)
    edges: list[tuple[int, str, int]] = field(default_factory=list)
    came: list[tuple[int, str]] = field(default_factory=list)  # -1: a start
    others: list[tuple[int, Any]] = field(
        default_factory=list
    )  # some states that came to a class known before

    @property
    def states(self) -> int:
        return len(self.numbers)

    @property
    def transitions(self) -> int:
        return len(self.edges)

    def way_to(self, number: int) -> list[str]:
        """The shortest history that leads there."""
        way: list[str] = []
        while number >= 0:
            number, name = self.came[number]
            way.append(name)
        return way[::-1]

    def without_way(
        self, goal: Callable[[Key], bool], by: Callable[[str], bool] = lambda _: True
    ) -> set[int]:
        """The states from which no history of these acts leads to a state that is a goal."""
        back: dict[int, list[int]] = {}
        for source, name, target in self.edges:
            if source != target and by(name):
                back.setdefault(target, []).append(source)
        found = {number for key, number in self.numbers.items() if goal(key)}
        todo = deque(found)
        while todo:
            for source in back.get(todo.popleft(), ()):
                if source not in found:
                    found.add(source)
                    todo.append(source)
        return set(range(self.states)) - found


def unlike(machine: Machine, space: Space) -> list[str]:
    """Where one of `Space.others` leads to other classes than the first state of its own class did."""
    leads: dict[int, dict[str, int]] = {number: {} for number, _ in space.others}
    for source, name, target in space.edges:
        if source in leads:
            leads[source][name] = target
    found = []
    for number, saved in space.others:
        for name, target in leads[number].items():
            machine.restore(saved)
            machine.act(name)
            if space.numbers.get(machine.key()) != target:
                found.append(f"{name} after {space.way_to(number)}")
    return found


class Broken(AssertionError):
    """An invariant does not hold; `way` is a shortest history that shows it."""

    def __init__(self, why: str, way: list[str]) -> None:
        super().__init__(f"{why}\nafter: {', '.join(way)}")
        self.why, self.way = why, way


def enumerate_all(
    machine: Machine,
    starts: Iterable[tuple[str, Any]],
    *,
    other_every: int = 0,
    states_max: int | None = None,
) -> Space:
    """Every state that can be reached from the starts. Raises Broken at the first violation.

    With `other_every`, each so many-th arrival at a class that is known already is kept in `Space.others`.
    `states_max` is for what ends at a violation anyway: a fixpoint that is larger raises RuntimeError.
    """
    space = Space()
    todo: deque[tuple[int, Any]] = deque()

    def number_of(source: int, name: str) -> int:
        key = machine.key()
        number = space.numbers.get(key)
        if number is None:
            number = space.numbers[key] = len(space.came)
            space.came.append((source, name))
            todo.append((number, machine.save()))
            _hold(machine.check, space, number)
            if states_max is not None and space.states > states_max:
                raise RuntimeError(f"more than {states_max} states: {space.way_to(number)}")
        elif other_every and len(space.edges) % other_every == 0:
            space.others.append((number, machine.save()))
        return number

    for name, saved in starts:
        machine.restore(saved)
        number_of(-1, name)
    while todo:
        source, saved = todo.popleft()
        machine.restore(saved)
        for name in tuple(machine.acts()):
            _hold(partial(machine.act, name), space, source, name)
            space.edges.append((source, name, number_of(source, name)))
            machine.restore(saved)
    return space


def _hold(what: Callable[[], None], space: Space, number: int, *then: str) -> None:
    try:
        what()
    except AssertionError as error:
        raise Broken(str(error), [*space.way_to(number), *then]) from error


def freeze(things: Iterable[Any]) -> Frozen:
    """These objects' own attributes as they are; containers one level deep are copied."""
    return [(thing, *_state(thing)) for thing in things]


def thaw(frozen: Frozen) -> None:
    """Put them back; what was frozen can be thawed any number of times."""
    for thing, state, containers in frozen:
        if isinstance(state, dict):
            thing.__dict__ = _copied(state, containers)
        elif (now := containers(thing)) != state:
            for name, value, is_now in zip(thing.__slots__, state, now, strict=True):
                if value is not is_now:
                    setattr(thing, name, value)


def _state(thing: Any) -> tuple[Any, Any]:
    """The attributes; and which of them are containers, or how they are read."""
    if hasattr(thing, "__dict__"):
        attributes = thing.__dict__
        containers = tuple(name for name, value in attributes.items() if type(value) in _CONTAINERS)
        return _copied(attributes, containers), containers
    getter = _getters.get(type(thing))
    if getter is None:
        getter = _getters[type(thing)] = attrgetter(*thing.__slots__)
    return getter(thing), getter


def _copied(attributes: dict[str, Any], containers: tuple[str, ...]) -> dict[str, Any]:
    copied = attributes.copy()
    for name in containers:
        copied[name] = copied[name].copy()
    return copied


_CONTAINERS = frozenset({dict, list, set})
_getters: dict[type, Callable[[Any], Any]] = {}
