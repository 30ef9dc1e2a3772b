"""Theorems about one transition of the real code, from every state, and their counterexamples.

Theory of operation. A theorem is a scene (make a state, let the code act once) and the claims about what came
of it. `prove` lets the recompiled code act on values that are not known and asks the solver, on every path,
for values with which a claim is false: none means that the claim holds from every state there is, reachable
or not. The same scene acts on values that are known: `retrace` walks every path once more with the code as
Python compiles it, and compares what is left behind with what the path said.
"""

from __future__ import annotations

import enum
import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import z3

from tests.shown.paths import Impossible, Path, explore, run
from tests.shown.symbolic import WIDTH, Bits, Choice, Flag, Member, Number, Unknown, truth

Maker = Callable[[str, Any], Any]
Claims = Mapping[str, Any]


class Mask(int):
    """A pattern: what is wanted is a mask, or a set of members by their bits."""


@dataclass
class Scene:
    """One transition: the state before, what was asked, the answer, the state after."""

    before: Any
    after: Any
    asked: Any = None
    answer: Any = None


@dataclass(frozen=True)
class Theorem:
    """`scene` makes a state of what its argument gives, lets the code act, and returns what is to be seen.

    `claims` are terms that must be true of it, each by what it says.
    """

    name: str
    scene: Callable[[Maker], Scene]
    claims: Callable[[Scene], Claims]


@dataclass(frozen=True)
class Counterexample:
    """A state from which the code does what must not be."""

    theorem: str
    claim: str
    values: Mapping[str, int]  # of what matters; the rest may be anything
    kinds: Mapping[str, type[enum.Enum]]

    def __str__(self) -> str:
        state = "\n".join(f"  {name} = {self._word(name)}" for name in sorted(self.values))
        return f"{self.theorem}: not true that {self.claim}. It happens from this state:\n{state}"

    def _word(self, name: str) -> str:
        value, kind = self.values[name], self.kinds.get(name)
        return str(value) if kind is None else member_of(kind, value).name.lower()


def member_of(kind: type[enum.Enum], value: int) -> Any:
    """The member that a number stands for."""
    return kind(value) if issubclass(kind, enum.IntEnum) else list(kind)[value]


class Unknowns:
    """Gives values that are not known."""

    def __init__(self) -> None:
        self.kinds: dict[str, type[enum.Enum]] = {}
        self._made: dict[str, tuple[Unknown, Any]] = {}

    def __call__(self, name: str, like: Any) -> Any:
        """A value of the kind of `like`."""
        if name not in self._made:
            self._made[name] = self._make(name, like)
        value, within = self._made[name]
        if within is not None:
            run().assume(within)
        return value

    def _make(self, name: str, like: Any) -> tuple[Unknown, Any]:
        if isinstance(like, bool):
            return Flag(z3.Bool(name)), None
        if isinstance(like, Mask):
            return Bits(z3.BitVec(name, WIDTH)), None
        term = z3.Int(name)
        if not isinstance(like, enum.Enum):
            return Number(term), None
        self.kinds[name] = type(like)
        if not isinstance(like, enum.IntEnum):
            return Choice(term, type(like)), z3.And(term >= 0, term < len(type(like)))
        numbers = [int(member) for member in type(like)]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"{type(like).__name__} has gaps"
        return Member(term, type(like)), z3.And(term >= numbers[0], term <= numbers[-1])


class Given:
    """Gives the values that it was given, and by chance what these leave open."""

    def __init__(self, values: Mapping[str, int], chance: random.Random) -> None:
        self.values = dict(values)
        self._chance = chance

    def __call__(self, name: str, like: Any) -> Any:
        """The value of this name, as the kind of `like`."""
        value = self.values.get(name)
        if value is None:
            value = self.values[name] = self._any(like)
        if isinstance(like, enum.Enum):
            return member_of(type(like), value)
        return bool(value) if isinstance(like, bool) else int(value)

    def _any(self, like: Any) -> int:
        if isinstance(like, bool):
            return self._chance.getrandbits(1)
        if isinstance(like, Mask):
            return self._chance.choice((0, 0, 1, self._chance.getrandbits(16)))
        if isinstance(like, enum.IntEnum):
            return int(self._chance.choice(list(type(like))))
        if isinstance(like, enum.Enum):
            return self._chance.randrange(len(type(like)))
        return self._chance.choice((0, 1, self._chance.getrandbits(20), self._chance.getrandbits(32)))


def known(value: Any) -> Any:
    """The member itself, each on a path of its own."""
    return value.known() if isinstance(value, Member | Choice) else value


def all_of(*values: Any) -> Any:
    """Every one of these is true."""
    return z3.And(*map(truth, values))


def any_of(*values: Any) -> Any:
    """One of these is true."""
    return z3.Or(*map(truth, values))


def no(value: Any) -> Any:
    """This is false."""
    return z3.Not(truth(value))


def at(state: Any, *states: Any) -> Any:
    """It is one of these."""
    return any_of(*(state == one for one in states))


def if_so(condition: Any, *values: Any) -> Any:
    """If the first is true, so is every other."""
    return z3.Implies(truth(condition), all_of(*values))


def prove(theorem: Theorem) -> list[Counterexample]:
    """Every claim that is false somewhere, with a state in which it is."""
    found: dict[str, Counterexample] = {}
    paths, kinds = _paths(theorem)
    for path in paths:
        _, claimed = path.result
        claims = {says: claim for says, claim in claimed.items() if says not in found}
        solver = z3.Solver()
        solver.add(*path.conditions)
        if not claims or solver.check(z3.Not(z3.And(*claims.values()))) == z3.unsat:
            continue
        for says, claim in claims.items():
            if solver.check(z3.Not(claim)) != z3.unsat:
                values = _values(solver.model(), [*path.conditions, claim])
                found[says] = Counterexample(theorem.name, says, values, kinds)
    return list(found.values())


@functools.lru_cache(maxsize=1)
def _paths(theorem: Theorem) -> tuple[list[Path], Mapping[str, type[enum.Enum]]]:
    unknowns = Unknowns()

    def act() -> tuple[Scene, dict[str, Any]]:
        scene = theorem.scene(unknowns)
        return scene, {says: truth(claim) for says, claim in theorem.claims(scene).items()}

    paths = explore(act)
    assert paths, f"{theorem.name}: nothing satisfies what is assumed"
    return paths, unknowns.kinds


def replayed(theorem: Theorem, counterexample: Counterexample) -> bool:
    """Whether the code as Python compiles it does that, from that state; `theorem` is of that code."""
    result = theorem.scene(Given(counterexample.values, random.Random(0)))
    return bool(z3.is_false(z3.simplify(truth(theorem.claims(result).get(counterexample.claim, True)))))


def retrace(lifted: Theorem, real: Theorem, *, every: int = 1) -> int:
    """Walk each path (or one in `every`) with the real code too; the number of those that were walked.

    Raises AssertionError where the two leave different things behind.
    """
    chance, walked = random.Random(4), 0
    for path in _paths(lifted)[0][::every]:
        solver = z3.Solver()
        solver.add(*path.conditions)
        assert solver.check() == z3.sat
        model = solver.model()
        given = Given(_values(model, path.conditions), chance)
        try:
            result = real.scene(given)
        except Impossible:
            continue  # what was left to chance is not in the range of its type
        walked += 1
        for name, (term, value) in _both_leaves(path.result[0].after, result.after).items():
            said = _said(term, given.values)
            got = int(value) & _MASK if isinstance(term, Bits) else _plain(value)
            assert said == got, f"{lifted.name}: {name} = {value!r}, the path says {said}"
    return walked


def _values(model: Any, terms: list[Any]) -> dict[str, int]:
    """What the model gives to every unknown in the terms."""
    values: dict[str, int] = {}
    for unknown in _unknowns_in(terms):
        value = model.eval(unknown, model_completion=True)
        values[unknown.decl().name()] = int(z3.is_true(value)) if z3.is_bool(value) else value.as_long()
    return values


def _unknowns_in(terms: list[Any]) -> list[Any]:
    seen: set[int] = set()
    found: dict[str, Any] = {}
    waiting = list(terms)
    while waiting:
        term = waiting.pop()
        if term.get_id() in seen:
            continue
        seen.add(term.get_id())
        if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
            found[term.decl().name()] = term
        waiting += term.children()
    return list(found.values())


def _said(value: Any, values: Mapping[str, int]) -> Any:
    """What a term is worth with these values."""
    if not isinstance(value, Unknown):
        return _plain(value)
    if z3.is_const(value.term) and value.term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
        return values[value.term.decl().name()]
    pairs = []
    for unknown in _unknowns_in([value.term]):
        number = values[unknown.decl().name()]
        if z3.is_bool(unknown):
            pairs.append((unknown, z3.BoolVal(bool(number))))
        elif z3.is_bv(unknown):
            pairs.append((unknown, z3.BitVecVal(number, WIDTH)))
        else:
            pairs.append((unknown, z3.IntVal(number)))
    worth = z3.simplify(z3.substitute(value.term, *pairs))
    return int(z3.is_true(worth)) if z3.is_bool(worth) else worth.as_long()


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum) and not isinstance(value, enum.IntEnum):
        return list(type(value)).index(value)
    return value


_MASK: Final = (1 << WIDTH) - 1
_LEAVES: Final = (bool, int, enum.Enum, Unknown, type(None))


def _both_leaves(one: Any, other: Any) -> dict[str, tuple[Any, Any]]:
    ours, theirs = dict(leaves(one)), dict(leaves(other))
    assert ours.keys() == theirs.keys(), sorted(ours.keys() ^ theirs.keys())
    return {name: (ours[name], theirs[name]) for name in ours}


def leaves(thing: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, mark and member in a thing, by where it is."""
    if isinstance(thing, _LEAVES):
        yield name, thing
    elif isinstance(thing, tuple | list):
        for at, item in enumerate(thing):
            yield from leaves(item, f"{name}.{at}")
    elif isinstance(thing, dict):
        for key, item in thing.items():
            yield from leaves(item, f"{name}.{key}")
    elif is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            yield from leaves(getattr(thing, field.name), f"{name}.{field.name}")
    elif hasattr(thing, "__dict__") and not callable(thing):
        for key, item in vars(thing).items():
            yield from leaves(item, f"{name}.{key}")
