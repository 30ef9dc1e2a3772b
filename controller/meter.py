"""The meter: what a run counts for its metrics: what became of its pulses, and how late its loop was."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

ENERGY_J: Final = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.23)
"""[C] steps of 20 mJ over the laser's 200 mJ, and 15 % above them: what is more is a fault."""
ENERGY_RATIO: Final = (0.85, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.15)
"""[D] the judgement's own limits, 10 % (drift) and 15 %, and [C] finer steps around what was set."""
WIDTH_S: Final = (450e-12, 500e-12, 550e-12, 600e-12, 650e-12, 700e-12, 750e-12, 800e-12, 825e-12)
"""[D] the window of the judgement, 450 to 825 ps, in [C] steps of 50 ps."""
LAG_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.5)
"""[C] around the 100 ms at which the supervisor withholds the heartbeat."""

UNKNOWN: Final = "unknown"
NO_LIGHT: Final = {"skipped": "skipped", "missing": "missing"}
INSIDE: Final = {"calibration": "calibration_port", "shutter_closed": "closed_shutter"}
DELIVERED: Final = "delivered"
OUTCOMES: Final = (DELIVERED, UNKNOWN, *INSIDE.values(), *NO_LIGHT.values())
"""What becomes of a numbered pulse; each has exactly one. An unknown one counts as delivered dose."""

MONITORS: Final = ("a", "b")


class Histogram:
    """Observations by size; `bounds` are the upper ends of all buckets but the last, which has none."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self._counts)

    def observe(self, value: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bucket's upper end, and how many were at most that."""
        counted = 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            counted += count
            yield bound, counted


class Meter:
    """Counts what it is told of; all of it begins at zero with the daemon."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.flags: Counter[str] = Counter()
        self.energy_j = {monitor: Histogram(ENERGY_J) for monitor in MONITORS}
        self.energy_ratio = {monitor: Histogram(ENERGY_RATIO) for monitor in MONITORS}
        self.width_s = Histogram(WIDTH_S)
        self.lag_s = Histogram(LAG_S)
        self.last: Mapping[str, Any] | None = None
        self.missed = 0

    def pulse(self, told: Mapping[str, Any]) -> None:
        """Count a pulse that is on record, as the fan-out tells it.

        What went into the calibration port is not measured here: its monitors are what is being calibrated.
        """
        outcome = outcome_of(told)
        measuring: Sequence[str] = MONITORS
        self.outcomes[outcome] += 1
        self.flags.update(told["flags"])
        if outcome == INSIDE["shutter_closed"]:
            told, measuring = {**told, "monitor_b_mj": None}, MONITORS[:1]  # monitor b is behind the shutter
        elif outcome != DELIVERED:
            return
        self.last = told
        set_mj, width_ps = told["set_energy_mj"], told["pulse_width_ps"]
        for monitor in measuring:
            measured_mj = told[f"monitor_{monitor}_mj"]
            if measured_mj is not None:
                self.energy_j[monitor].observe(measured_mj / 1e3)
                if set_mj > 0:
                    self.energy_ratio[monitor].observe(measured_mj / set_mj)
        if width_ps is not None:
            self.width_s.observe(width_ps * 1e-12)

    def lag(self, lag_s: float) -> None:
        """Count how late the event loop was."""
        self.lag_s.observe(max(0.0, lag_s))


def outcome_of(told: Mapping[str, Any]) -> str:
    """Which of `OUTCOMES` a pulse had: what nobody knows first, then whether there was light, then where."""
    if told["unknown"]:
        return UNKNOWN
    for named in (NO_LIGHT, INSIDE):
        for flag, outcome in named.items():
            if flag in told["flags"]:
                return outcome
    return DELIVERED
