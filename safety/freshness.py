"""What the supervisor relies on: each input's greatest age, and what follows when it is not good."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.timing import HEARTBEAT_PERIOD_US, MS, SECOND
from safety.reasons import HostReason


class Input(enum.Enum):
    """Something that must be known and good."""

    STATUS = "status"
    TELEMETRY = "telemetry"
    TICK = "tick"
    LOOP = "loop"
    TASKS = "tasks"
    STORE = "store"
    OPERATOR = "operator"
    CALIBRATION = "calibration"


class Quality(enum.Enum):
    """What an input is worth; only GOOD is good."""

    GOOD = "good"
    STALE = "stale"  # it was good, too long ago
    BAD = "bad"  # never seen, said to be bad, or from the future


class Consequence(enum.Enum):
    """What follows when an input is not good, apart from being shown as such."""

    REFUSES = "refuses"  # nothing that permits leaves the host
    WITHHOLDS = "withholds"  # no heartbeat: the device's own watchdog acts
    TRIPS = "trips"  # stops and latches, if the laser may be armed


@dataclass(frozen=True, slots=True)
class FreshnessRow:
    """`max_age_us` None: the input is an event, good until it says otherwise."""

    max_age_us: int | None
    consequences: frozenset[Consequence]
    reason: HostReason
    meaning: str


_REFUSES: Final = frozenset({Consequence.REFUSES})
_WITHHOLDS: Final = _REFUSES | {Consequence.WITHHOLDS}
_TRIPS: Final = _WITHHOLDS | {Consequence.TRIPS}

FRESHNESS: Final[dict[Input, FreshnessRow]] = {
    # [D] five Status messages missed while armed, two idle ones (100 ms each)
    Input.STATUS: FreshnessRow(300 * MS, _TRIPS, HostReason.STATUS, "the device's Status"),
    # [C] three samples missed; slow values only, which the device judges itself: no reason to stop
    Input.TELEMETRY: FreshnessRow(3 * SECOND, _REFUSES, HostReason.TELEMETRY, "the device's Telemetry"),
    # [D] two heartbeats: a tick later than that would leave the permit's 200 ms without margin
    Input.TICK: FreshnessRow(2 * HEARTBEAT_PERIOD_US, _WITHHOLDS, HostReason.TICK, "the supervisor's tick"),
    # [C] five ticks: an event loop that nobody measures is not known to run
    Input.LOOP: FreshnessRow(500 * MS, _WITHHOLDS, HostReason.LOOP, "the measured lag of the event loop"),
    Input.TASKS: FreshnessRow(None, _WITHHOLDS, HostReason.TASKS, "the daemon's tasks"),
    Input.STORE: FreshnessRow(None, _REFUSES, HostReason.STORE, "the record"),
    Input.OPERATOR: FreshnessRow(None, _REFUSES, HostReason.OPERATOR, "an operator with the right to treat"),
    Input.CALIBRATION: FreshnessRow(None, _REFUSES, HostReason.CALIBRATION, "age of the energy calibration"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest word of an input."""

    at_us: int
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class InputView:
    """An input as it is shown: quality, age (None: never seen) and words."""

    quality: Quality
    age_us: int | None
    text: str


class Freshness:
    """The newest reading of each input; `max_age_us` overrides the table's ages (configuration)."""

    def __init__(self, max_age_us: Mapping[Input, int]) -> None:
        self._max_age_us = {which: row.max_age_us for which, row in FRESHNESS.items()} | dict(max_age_us)
        self._readings: dict[Input, Reading] = {}

    def note(self, which: Input, now_us: int, *, ok: bool = True, text: str = "") -> None:
        """Take a reading; `ok` False says that the input itself is bad."""
        self._readings[which] = Reading(now_us, ok, text)

    def forget(self, which: Input) -> None:
        """What was known does not hold any more."""
        self._readings.pop(which, None)

    def view(self, which: Input, now_us: int) -> InputView:
        """The input as it stands now."""
        reading = self._readings.get(which)
        if reading is None:
            return InputView(Quality.BAD, None, "never seen")
        age_us = now_us - reading.at_us
        return InputView(self._quality(reading, age_us, self._max_age_us[which]), age_us, reading.text)

    def qualities(self, now_us: int) -> dict[Input, Quality]:
        """The quality of every input."""
        return {which: self.view(which, now_us).quality for which in Input}

    @staticmethod
    def _quality(reading: Reading, age_us: int, max_age_us: int | None) -> Quality:
        if not reading.ok or not age_us >= 0:  # from the future: a clock went back, nothing is known
            return Quality.BAD
        if max_age_us is not None and not age_us <= max_age_us:
            return Quality.STALE
        return Quality.GOOD


def not_good(qualities: Mapping[Input, Quality], consequence: Consequence) -> list[Input]:
    """The inputs that are not good and have this consequence; a missing one counts as bad."""
    return [
        which
        for which, row in FRESHNESS.items()
        if consequence in row.consequences and qualities.get(which) is not Quality.GOOD
    ]
