"""What changes by itself later: any part of the plant; lines that follow a command after a fixed delay."""

from __future__ import annotations

from typing import Final, Protocol

NEVER: Final = 2**63
"""An event time that does not come: beyond every instant the wire can carry."""


class Part(Protocol):
    """Anything that changes by itself."""

    next_us: int

    def happen(self, now_us: int) -> bool:
        """Do what is due at `now_us` = `next_us`; whether an input may show it."""
        ...


class Delayed:
    """A level that follows its command after a delay; a command withdrawn in time leaves no trace."""

    __slots__ = ("_command", "level", "next_us", "off_delay_us", "on_delay_us")

    def __init__(self, on_delay_us: int, off_delay_us: int, *, level: bool = False) -> None:
        self.on_delay_us = on_delay_us
        self.off_delay_us = off_delay_us
        self.level = level
        self.next_us = NEVER
        self._command = level

    def drive(self, now_us: int, command: bool) -> None:
        """Command the level; only a change of the command starts the delay."""
        if command == self._command:
            return
        self._command = command
        if command == self.level:
            self.next_us = NEVER
        else:
            self.next_us = now_us + (self.on_delay_us if command else self.off_delay_us)

    def happen(self, now_us: int) -> bool:
        """The delay is over."""
        self.level = self._command
        self.next_us = NEVER
        return True
