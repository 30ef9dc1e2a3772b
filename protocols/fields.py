"""Field kinds of the wire: how one value is packed, which range it may have, what it means.

Theory of operation: a message is a frozen dataclass whose fields are annotated with one of the kinds
below. All kinds have a fixed size, so that a message is one `struct` and the C twin is one packed layout.
Integers travel little-endian in base units; `to_user` turns them into floats in the user's units by the
suffix of the name alone (`pulse_energy_uj` becomes `pulse_energy_mj`).
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import Any, Final

# base-unit suffix -> (suffix in the user's units, divisor); what is not listed is the same in both
USER_UNITS: Final[dict[str, tuple[str, float]]] = {
    "_uj": ("_mj", 1e3),
    "_mhz": ("_hz", 1e3),
    "_um": ("_mm", 1e3),
    "_mv": ("_v", 1e3),
    "_mc": ("_c", 1e3),
    "_us": ("_s", 1e6),
    "_ua": ("_ma", 1e3),
    "_uw": ("_mw", 1e3),
    "_ml_min": ("_l_min", 1e3),
    "_ppm": ("_ratio", 1e6),
}


class FieldError(ValueError):
    """A value that the wire cannot carry: names the field, the value and the allowed range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} = {value!r} is not allowed: give {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Int:
    """An integer in base units with an inclusive range."""

    code: str  # struct format character
    unit: str
    low: int
    high: int
    meaning: str

    def check(self, field: str, value: Any) -> None:
        """Raise FieldError unless `value` is an int (not a bool) within the range."""
        if type(value) is not int or not self.low <= value <= self.high:
            raise FieldError(field, value, f"an integer from {self.low} to {self.high} {self.unit}".rstrip())


@dataclass(frozen=True, slots=True)
class Choice:
    """One member of an enumeration, one byte wide; a number outside it is refused."""

    type: type[enum.IntEnum]
    meaning: str
    code: str = "B"
    unit: str = ""

    def check(self, field: str, value: Any) -> None:
        """Raise FieldError unless `value` is allowed."""
        if not isinstance(value, self.type):
            raise FieldError(field, value, f"one of {', '.join(m.name for m in self.type)}")

    def unpack(self, raw: int) -> enum.IntEnum:
        """The value from what `struct` unpacked; raises ValueError for what is not allowed."""
        return member_of(self.type, raw)


@dataclass(frozen=True, slots=True)
class SetOf:
    """A set of members of an enumeration, one bit for each member's number; unnamed bits are refused."""

    type: type[enum.IntEnum]
    meaning: str
    code: str = "Q"
    unit: str = ""

    def check(self, field: str, value: Any) -> None:
        """Raise FieldError unless `value` is allowed."""
        if not isinstance(value, frozenset) or not all(isinstance(member, self.type) for member in value):
            raise FieldError(field, value, f"a frozenset of {self.type.__name__}")

    def unpack(self, raw: int) -> frozenset[enum.IntEnum]:
        """The value from what `struct` unpacked; raises ValueError for what is not allowed."""
        return members_of(self.type, raw)


# The same few members and sets come and go twenty times a second.
@functools.lru_cache(maxsize=4096)
def member_of(type_: type[enum.IntEnum], number: int) -> enum.IntEnum:
    """The member of that number; raises ValueError where there is none."""
    return type_(number)


@functools.lru_cache(maxsize=4096)
def bits_of(members: frozenset[enum.IntEnum]) -> int:
    """One bit for each member's number."""
    return sum(1 << member for member in members)


@functools.lru_cache(maxsize=4096)
def members_of(type_: type[enum.IntEnum], bits: int) -> frozenset[Any]:
    """The members whose bit is set; raises ValueError for a bit that no member has."""
    members = frozenset(member for member in type_ if bits >> member & 1)
    if bits_of(members) != bits:
        raise ValueError(f"bits {bits:#x} name no {type_.__name__}")
    return members


@dataclass(frozen=True, slots=True)
class Bool:
    """0 or 1, one byte; anything else is refused."""

    meaning: str
    code: str = "B"
    unit: str = ""

    def check(self, field: str, value: Any) -> None:
        """Raise FieldError unless `value` is allowed."""
        if type(value) is not bool:
            raise FieldError(field, value, "True or False")

    def unpack(self, raw: int) -> bool:
        """The value from what `struct` unpacked; raises ValueError for what is not allowed."""
        if raw > 1:
            raise ValueError(f"boolean byte {raw}")
        return bool(raw)


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII without leading or trailing blanks, padded with zero bytes to `size`."""

    size: int
    meaning: str
    unit: str = ""

    @property
    def code(self) -> str:
        """Format of `struct`."""
        return f"{self.size}s"

    def check(self, field: str, value: Any) -> None:
        """Raise FieldError unless `value` is allowed."""
        ok = isinstance(value, str) and len(value) <= self.size and value.isascii()
        if not (ok and value.isprintable() and value == value.strip()):
            raise FieldError(field, value, f"up to {self.size} printable ASCII characters")

    def pack(self, value: str) -> bytes:
        """The value as `struct` packs it."""
        return value.encode("ascii")

    def unpack(self, raw: bytes) -> str:
        """The value from what `struct` unpacked; raises ValueError for what is not allowed."""
        text, _, padding = raw.partition(b"\0")
        if padding.strip(b"\0"):
            raise ValueError("text after the terminator")
        return text.decode("ascii")


FieldKind = Int | Choice | SetOf | Bool | Text


def u8(unit: str, low: int, high: int, meaning: str) -> Int:
    """An unsigned 8-bit integer."""
    return Int("B", unit, low, high, meaning)


def u16(unit: str, low: int, high: int, meaning: str) -> Int:
    """An unsigned 16-bit integer."""
    return Int("H", unit, low, high, meaning)


def u32(unit: str, low: int, high: int, meaning: str) -> Int:
    """An unsigned 32-bit integer."""
    return Int("I", unit, low, high, meaning)


def u64(unit: str, low: int, high: int, meaning: str) -> Int:
    """An unsigned 64-bit integer."""
    return Int("Q", unit, low, high, meaning)


def i32(unit: str, low: int, high: int, meaning: str) -> Int:
    """A signed 32-bit integer."""
    return Int("i", unit, low, high, meaning)


U32_MAX: Final = 2**32 - 1
# One bit below unsigned 64, so that counters and microseconds fit a signed 64-bit database column.
COUNT_MAX: Final = 2**63 - 1


def to_user(name: str, value: Any) -> tuple[str, Any]:
    """Name and value in the user's units: (`pulse_energy_uj`, 173000) -> (`pulse_energy_mj`, 173.0)."""
    if type(value) is int:
        user_name, divisor = _user_unit(name)
        return (user_name, value / divisor) if divisor else (name, value)
    return name, value


# The same some hundred names come with each pulse and Status.
@functools.lru_cache(maxsize=4096)
def _user_unit(name: str) -> tuple[str, float | None]:
    """The name in the user's units and what to divide by; None where base and user's unit are the same."""
    for suffix, (user_suffix, divisor) in USER_UNITS.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix) + user_suffix, divisor
    return name, None


def from_user(name: str, value: float) -> tuple[str, int]:
    """The inverse of `to_user`, rounded to the nearest base unit; raises FieldError on NaN or infinity."""
    base_name, scaled = name, value
    for suffix, (user_suffix, divisor) in USER_UNITS.items():
        if name.endswith(user_suffix):
            base_name, scaled = name.removesuffix(user_suffix) + suffix, value * divisor
    if not abs(scaled) <= COUNT_MAX:  # NaN fails this comparison too
        raise FieldError(name, value, "a finite number")
    return base_name, round(scaled)
