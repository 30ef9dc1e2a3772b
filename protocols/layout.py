"""How the fields of one message lie in its payload, with all that can be worked out once for each class.

Theory of operation. Kinds say what a field may hold, one value at a time. A message is made twenty times a
second and more, so the layout looks at all its values at once: by their types, then by the ranges. That test
may only accept what every kind accepts; whatever it does not know goes to the kinds, who refuse in words.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from protocols.fields import Bool, Choice, FieldKind, Int, SetOf, Text

# What the kind takes without another look at its type; nothing is a Text without another look.
_PLAIN: Final[dict[type, type | None]] = {Int: int, Bool: bool, SetOf: frozenset, Text: None}


class Layout:
    """Names and kinds of a message's fields, in declared order."""

    def __init__(self, fields: tuple[tuple[str, FieldKind], ...]) -> None:
        names = [name for name, _ in fields]
        kinds = list(enumerate(kind for _, kind in fields))
        self.fields = fields
        self.packer = struct.Struct("<" + "".join(kind.code for _, kind in kinds))
        self.values = _getter(names)
        # `struct` itself packs bool and IntEnum as their number, and gives back integers as they are.
        self._packs = [(index, kind.pack) for index, kind in kinds if isinstance(kind, SetOf | Text)]
        self._unpacks = [(index, kind.unpack) for index, kind in kinds if not isinstance(kind, Int)]
        self._types = tuple(
            kind.type if isinstance(kind, Choice) else _PLAIN[type(kind)] for _, kind in kinds
        )
        self._ranges = [(index, kind.low, kind.high) for index, kind in kinds if isinstance(kind, Int)]
        self._sets = [(index, {kind.type}) for index, kind in kinds if isinstance(kind, SetOf)]

    def check(self, message: object) -> None:
        """Raise FieldError unless every field of `message` is allowed."""
        values = self.values(message)
        if not self._surely_takes(values):
            for (name, kind), value in zip(self.fields, values, strict=True):
                kind.check(name, value)

    def pack(self, message: object) -> bytes:
        """The payload."""
        raw = [*self.values(message)]
        for index, pack in self._packs:
            raw[index] = pack(raw[index])
        return self.packer.pack(*raw)

    def unpack(self, payload: bytes) -> list[Any]:
        """The values in a payload of the right length; raises ValueError for what is no value at all."""
        values = [*self.packer.unpack(payload)]
        for index, unpack in self._unpacks:
            values[index] = unpack(values[index])
        return values

    def _surely_takes(self, values: tuple[Any, ...]) -> bool:
        """True only if the kinds would take them all."""
        if tuple(map(type, values)) != self._types:
            return False
        for index, low, high in self._ranges:
            if not low <= values[index] <= high:
                return False
        return all(not values[index] or {*map(type, values[index])} == only for index, only in self._sets)


def _getter(names: list[str]) -> Callable[[object], tuple[Any, ...]]:
    """All fields of a message as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: tuple(getattr(message, name) for name in names)
