"""The processor's windowed watchdog: a refresh that is late or early resets the processor.

Its time base is its own and its window is narrow, so that it tells a processor's clock that is wrong as well
as a processor that stands still or runs wild.
"""

from __future__ import annotations

from typing import Final

# [C] 16 % around the 50 ms of the refreshes: supervisor chips with a window hold 10 % to 15 %
LONGEST_US: Final = 58_000
SHORTEST_US: Final = 42_000


class Watchdog:
    """Judges the counter that the firmware raises by one with each refresh."""

    __slots__ = ("_kicked_us", "bites_us", "kicks")

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
