"""The processor's clock beside the simulator's time: the same, until it drifts."""

from __future__ import annotations


class Clock:
    """In integer us, both; without drift the processor's is ahead of the simulator's by `ahead_us`.

    `skewed`: they are not the same.
    """

    __slots__ = ("_from_us", "ahead_us", "ppm", "skewed")

    def __init__(self) -> None:
        self.ppm = 0
        self.ahead_us = 0
        self.skewed = False
        self._from_us = (0, 0)  # (simulator's time, processor's time) at which the drift began

    def drift(self, ppm: int, now_us: int) -> None:
        """Run faster by `ppm` from now on; 0 ends it, without a jump."""
        self._from_us = (now_us, self.processor_us(now_us))
        self.ahead_us = self._from_us[1] - now_us
        self.ppm = ppm
        self.skewed = bool(ppm or self.ahead_us)

    def processor_us(self, now_us: int) -> int:
        """The processor's time at the simulator's."""
        if not self.ppm:
            return now_us + self.ahead_us
        began_us, processor_us = self._from_us
        passed_us = now_us - began_us
        return processor_us + passed_us + passed_us * self.ppm // 1_000_000

    def simulator_us(self, processor_us: int) -> int:
        """The first time of the simulator at which the processor's clock shows `processor_us`."""
        if not self.ppm:
            return processor_us - self.ahead_us
        began_us, began_processor_us = self._from_us
        passed_us = processor_us - began_processor_us
        return began_us + -(-passed_us * 1_000_000 // (1_000_000 + self.ppm))
