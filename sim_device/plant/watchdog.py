"""The processor's windowed watchdog: a refresh that is late or early resets the processor."""

from __future__ import annotations

from typing import Final

LONGEST_US: Final = 100_000  # [C] a hung processor stands no longer than this
SHORTEST_US: Final = 1_000  # [C] a processor that runs wild in its kick is not alive either


class Watchdog:
    """Judges the counter that the firmware raises by one with each refresh."""

    def __init__(self) -> None:
        self.bites_us = 0
        self.kicks = 0  # the count seen last
        self._kicked_us: int | None = None

    def start(self, now_us: int, kicks: int) -> None:
        """The processor starts with this count; the first kick may come at any time within the window."""
        self.bites_us = now_us + LONGEST_US + 1
        self.kicks = kicks
        self._kicked_us = None

    def see(self, now_us: int, kicks: int) -> bool:
        """Whether this count is a violation: sooner than allowed after the last, or not the next one."""
        if kicks == self.kicks:
            return False
        early = self._kicked_us is not None and now_us - self._kicked_us < SHORTEST_US
        skipped = kicks != self.kicks + 1
        self.kicks = kicks
        self._kicked_us = now_us
        self.bites_us = now_us + LONGEST_US + 1
        return early or skipped
