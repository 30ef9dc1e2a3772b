"""Reads a fuzzer's bytes as numbers, choices and pieces; what is not there is zero, so that any will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Given:
    """The bytes of one input, taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, low: int, high: int) -> int:
        """A number from `low` to `high`, of as few bytes as it takes."""
        size = ((high - low).bit_length() + 7) // 8
        return low + int.from_bytes(self.take(size), "little") % (high - low + 1)

    def flag(self) -> bool:
        return bool(self.number(0, 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.number(0, len(choices) - 1)]

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken.ljust(count, b"\0")

    def piece(self, most: int = 255) -> bytes:
        """A run of bytes that says first how long it is."""
        return self.take(self.number(0, most)) if self else b""

    def rest(self) -> bytes:
        taken, self._at = self._data[self._at :], len(self._data)
        return taken
