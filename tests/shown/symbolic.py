"""Values that are not known: z3 terms that behave as Python's numbers, truth values and enumeration members.

Code under proof runs in the real interpreter on these values. Arithmetic and comparison build terms; a value
whose truth is asked for splits the run.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any, Final

import z3

from tests.shown.paths import Impossible, Splits, run

INDEX_MAX: Final = 16
"""Places of the longest table that is looked up by an unknown number."""
WIDTH: Final = 64
"""Bits of a mask."""


class Unknown:
    """Anything that is not known."""

    __slots__ = ("term",)

    def __init__(self, term: Any) -> None:
        self.term = term

    def __format__(self, _: str) -> str:
        return "?"

    def __str__(self) -> str:
        return "?"

    def __repr__(self) -> str:
        return f"<{self.term}>"

    def __copy__(self) -> Unknown:
        return self

    def __deepcopy__(self, _: Any) -> Unknown:
        return self

    def __hash__(self) -> int:
        raise TypeError("what is not known cannot be a key: stand in for the table")


class Flag(Unknown):
    """A truth value."""

    __slots__ = ()
    __hash__ = Unknown.__hash__

    def __bool__(self) -> bool:
        return run().decide(self.term)

    def __eq__(self, other: object) -> Any:
        return Flag(self.term == truth(other)) if isinstance(other, bool | Flag) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return Flag(self.term != truth(other)) if isinstance(other, bool | Flag) else NotImplemented

    def __and__(self, other: Any) -> Any:
        return Flag(z3.And(self.term, truth(other)))

    def __or__(self, other: Any) -> Any:
        if isinstance(other, bool | Flag):
            return Flag(z3.Or(self.term, truth(other)))
        return Bits(bits(self)) | other

    __rand__ = __and__
    __ror__ = __or__

    def __lshift__(self, places: int) -> Bits:
        return Bits(bits(self) << int(places))


class Choice(Unknown):
    """A member of any enumeration, by its place in it; as a key of a table, each on a path of its own."""

    __slots__ = ("kind",)

    def __init__(self, term: Any, kind: type[enum.Enum]) -> None:
        super().__init__(term)
        self.kind = kind

    def place(self, member: Any) -> int:
        """The number that stands for a member."""
        return list(self.kind).index(member)

    def known(self) -> Any:
        """Which one; each on a path of its own."""
        for member in self.kind:
            if run().decide(self.term == self.place(member)):
                return member
        raise Impossible

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Choice):
            return Flag(self.term == other.term)
        return Flag(self.term == self.place(other)) if isinstance(other, self.kind) else False

    def __ne__(self, other: object) -> Any:
        same = self == other
        return Flag(z3.Not(same.term)) if isinstance(same, Flag) else not same

    def __hash__(self) -> int:
        return hash(self.known())

    def __getattr__(self, name: str) -> Any:
        return "?" if name in ("name", "value") else super().__getattribute__(name)


class Opaque:
    """A value that is only put into words."""

    def __format__(self, _: str) -> str:
        return "?"


class Number(Unknown):
    """A whole number without bounds.

    Where it was chosen among known ones it is a mask as well, with no bits but those of `possible`.
    """

    __slots__ = ("mask", "possible")
    __hash__ = Unknown.__hash__

    def __init__(self, term: Any, mask: Any = None, possible: int = -1) -> None:
        super().__init__(term)
        self.mask = mask
        self.possible = possible

    def pick(self, values: Iterable[int]) -> int:
        """Its value, one of these; each on a path of its own."""
        for value in values:
            if run().decide(self.term == int(value)):
                return int(value)
        raise Impossible

    def __bool__(self) -> bool:
        return run().decide(self.term != 0)

    def __index__(self) -> int:
        return self.pick(range(INDEX_MAX))

    def __truediv__(self, _: float) -> Opaque:
        return Opaque()

    def __lshift__(self, places: int) -> Any:
        return Number(self.term * (1 << places))

    def __and__(self, mask: int) -> Any:
        if self.mask is not None:
            return Bits(self.mask) & mask
        assert mask & mask + 1 == 0, "only the low bits of a number can be taken"
        return Number(self.term % (mask + 1))

    def __or__(self, other: Any) -> Bits:
        return Bits(bits(self) | bits(other))

    __rand__ = __and__
    __ror__ = __or__

    def __rfloordiv__(self, other: int) -> Number:
        return Number(z3.IntVal(other) / self.term)

    def __floordiv__(self, other: int) -> Number:
        assert other > 0, "z3 rounds as Python does only then"
        return Number(self.term / other)

    def __mod__(self, other: int) -> Number:
        assert other > 0, "z3 rounds as Python does only then"
        return Number(self.term % other)

    def __neg__(self) -> Number:
        return Number(-self.term)


def _arithmetic(name: str, make: Callable[[Any, Any], Any]) -> None:
    def method(self: Number, other: Any) -> Any:
        return Number(make(self.term, number(other))) if is_number(other) else NotImplemented

    def swapped(self: Number, other: Any) -> Any:
        return Number(make(number(other), self.term)) if is_number(other) else NotImplemented

    setattr(Number, f"__{name}__", method)
    setattr(Number, f"__r{name}__", swapped)


def _comparison(name: str, make: Callable[[Any, Any], Any]) -> None:
    def method(self: Number, other: Any) -> Any:
        return Flag(make(self.term, number(other))) if is_number(other) else NotImplemented

    setattr(Number, f"__{name}__", method)


_arithmetic("add", lambda a, b: a + b)
_arithmetic("sub", lambda a, b: a - b)
_arithmetic("mul", lambda a, b: a * b)
_comparison("lt", lambda a, b: a < b)
_comparison("le", lambda a, b: a <= b)
_comparison("gt", lambda a, b: a > b)
_comparison("ge", lambda a, b: a >= b)
_comparison("eq", lambda a, b: a == b)
_comparison("ne", lambda a, b: a != b)


class Member(Number):
    """A member of an enumeration of whole numbers; as a key of a table, each on a path of its own."""

    __slots__ = ("kind",)

    def __init__(self, term: Any, kind: type[enum.IntEnum]) -> None:
        super().__init__(term)
        self.kind = kind

    def known(self) -> Any:
        """Which one; each on a path of its own."""
        return self.kind(self.pick(self.kind))

    def __hash__(self) -> int:
        return hash(self.known())

    def __getattr__(self, name: str) -> Any:
        return "?" if name in ("name", "value") else super().__getattribute__(name)


class Bits(Unknown):
    """A mask; or a set of members, each by its bit."""

    __slots__ = ()
    __hash__ = Unknown.__hash__

    def __bool__(self) -> bool:
        return run().decide(self.term != 0)

    def __eq__(self, other: object) -> Any:
        return Flag(self.term == bits(other))

    def __ne__(self, other: object) -> Any:
        return Flag(self.term != bits(other))

    def __and__(self, other: Any) -> Bits:
        return Bits(self.term & bits(other))

    def __or__(self, other: Any) -> Bits:
        return Bits(self.term | bits(other))

    __rand__ = __and__
    __ror__ = __or__

    def __sub__(self, members: Any) -> Bits:
        return Bits(self.term & ~bits(sum(1 << member for member in members)))

    def __invert__(self) -> Bits:
        return Bits(~self.term)

    def __rshift__(self, places: int) -> Bits:
        return Bits(z3.LShR(self.term, int(places)))

    def __lshift__(self, places: int) -> Bits:
        return Bits(self.term << int(places))


def possible_of(value: Any) -> int:
    """Every bit that it may have."""
    return int(value.possible) if isinstance(value, Number) else int(value)


def is_number(value: Any) -> bool:
    """Whether it is one, known or not."""
    return isinstance(value, int | Number)


def number(value: Any) -> Any:
    """As a term."""
    return value.term if isinstance(value, Number) else z3.IntVal(int(value))


def bits(value: Any) -> Any:
    """As a term of a mask."""
    if isinstance(value, Bits):
        return value.term
    if isinstance(value, Flag):
        return z3.If(value.term, z3.BitVecVal(1, WIDTH), z3.BitVecVal(0, WIDTH))
    if isinstance(value, Number):
        assert value.mask is not None, "this number is no mask"
        return value.mask
    return z3.BitVecVal(int(value), WIDTH)


def truth(value: Any) -> Any:
    """As a term of its truth."""
    if isinstance(value, Flag):
        return value.term
    if isinstance(value, Number | Bits):
        return value.term != 0
    if z3.is_expr(value):
        return value
    return z3.BoolVal(bool(value))


def merged(condition: Any, one: Any, other: Any) -> Any:
    """One value or the other as a single term; raises Splits where that is not possible."""
    if one is other:
        return one
    if isinstance(one, bool | Flag) and isinstance(other, bool | Flag):
        return Flag(z3.If(condition, truth(one), truth(other)))
    if isinstance(one, Bits) or isinstance(other, Bits):
        return Bits(z3.If(condition, bits(one), bits(other)))
    kinds = {value.kind if isinstance(value, Member) else type(value) for value in (one, other)}
    if len(kinds) == 1 and issubclass(kind := kinds.pop(), enum.IntEnum):
        return Member(z3.If(condition, number(one), number(other)), kind)
    if all(isinstance(value, Number) or type(value) is int for value in (one, other)):
        term = z3.If(condition, number(one), number(other))
        if all(type(value) is int or value.mask is not None for value in (one, other)):
            return Number(
                term, z3.If(condition, bits(one), bits(other)), possible_of(one) | possible_of(other)
            )
        return Number(term)
    raise Splits


def assume(condition: Any) -> None:
    """Only values with this count, known or not."""
    term = z3.simplify(truth(condition))
    if z3.is_false(term):
        raise Impossible
    if not z3.is_true(term):
        run().assume(term)
