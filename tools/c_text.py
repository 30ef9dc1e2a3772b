"""Words of C, and what of a declaration becomes them: shared by the writers of the C side."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator

from protocols.fields import Choice, FieldKind, Int, SetOf, Text
from protocols.messages import Message, layout


def placed(message: type[Message]) -> Iterator[tuple[str, FieldKind, int]]:
    """Name, kind and offset of each field."""
    at = 0
    for name, kind in layout(message).fields:
        yield name, kind, at
        at += struct.calcsize("<" + kind.code)


def allowed(kind: FieldKind) -> tuple[str, int, int]:
    """Kind of a field in C, and its least and greatest value, or every bit of a set."""
    match kind:
        case Int():
            return ("SIGNED" if kind.code == "i" else "UNSIGNED"), kind.low % 2**64, kind.high % 2**64
        case Choice():
            return "UNSIGNED", min(kind.type), max(kind.type)
        case SetOf():
            return "SET", 0, bits_of(kind.type)
        case Text():
            return "TEXT", 0, 0
        case _:
            return "UNSIGNED", 0, 1


def bits_of(members: Iterable[int]) -> int:
    """One bit for each number."""
    return sum(1 << member for member in members)


def power_of(factor: int) -> int:
    """The power of ten; ValueError for another number."""
    digits = len(str(factor)) - 1
    if factor != 10**digits:
        raise ValueError(f"{factor} is no power of ten")
    return digits


def truth(value: bool) -> str:
    """As C writes it."""
    return "true" if value else "false"


def quoted(text: str) -> str:
    """A string of C."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def snake(name: str) -> str:
    """`PulseReport` as `pulse_report`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
