"""What the supervisor relies on: each input's greatest age, and what follows when it is not good."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocols.timing import HEARTBEAT_PERIOD_US, MS, SECOND
from safety.reasons import HostReason


class Input(enum.StrEnum):  # looked up at every message: a string hashes four times as fast
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


class Consequence(enum.StrEnum):  # for the same reason
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
class InputView:
    """An input as it is shown: quality, age (None: never seen) and words."""

    quality: Quality
    age_us: int | None
    text: str


class Freshness:
    """The newest reading of each input; `max_age_us` overrides the table's ages (configuration).

    Theory of operation. What the inputs are worth changes by a reading, or at a microsecond that the readings
    name. So a judgement is kept together with the times from and to which it holds, and is made anew outside
    of them, and after every reading that may change it.
    """

    def __init__(self, max_age_us: Mapping[Input, int]) -> None:
        self._max_age_us = {which: row.max_age_us for which, row in FRESHNESS.items()} | dict(max_age_us)
        self._readings: dict[Input, tuple[int, bool, str]] = {}  # the newest: when, whether good, words
        self._judged: dict[Input, Quality] = {}
        self._from_us, self._to_us = 0, -1  # when `_judged` holds: not at all yet

    def note(self, which: Input, now_us: int, *, ok: bool = True, text: str = "") -> None:
        """Take a reading; `ok` False says that the input itself is bad."""
        before = self._readings.get(which)
        self._readings[which] = (now_us, ok, text)
        if ok and self._judged.get(which) is Quality.GOOD and before is not None and before[0] <= now_us:
            # Good followed by good, and later: nothing ends earlier for it.
            self._from_us = max(self._from_us, now_us)
        else:
            self._to_us = self._from_us - 1

    def forget(self, which: Input) -> None:
        """What was known does not hold any more."""
        self._readings.pop(which, None)
        self._to_us = self._from_us - 1

    def view(self, which: Input, now_us: int) -> InputView:
        """The input as it stands now."""
        quality = self.qualities(now_us)[which]
        reading = self._readings.get(which)
        if reading is None:
            return InputView(quality, None, "never seen")
        at_us, _, text = reading
        return InputView(quality, now_us - at_us, text)

    def why_bad(self, which: Input) -> str:
        """What the newest reading said when it called the input bad; empty when it did not."""
        _, ok, text = self._readings.get(which, _NEVER)
        return "" if ok else text

    def qualities(self, now_us: int) -> Mapping[Input, Quality]:
        """The quality of every input; not to be changed."""
        if not self._from_us <= now_us <= self._to_us:
            self._judge(now_us)
        return self._judged

    def _judge(self, now_us: int) -> None:
        judged: dict[Input, Quality] = {}
        from_us, to_us = -_EVER_US, _EVER_US
        readings = self._readings
        for which, max_age_us in self._max_age_us.items():
            at_us, ok, _ = readings.get(which, _NEVER)
            quality = Quality.BAD
            if ok:
                age_us = now_us - at_us
                if not age_us >= 0:  # from the future: a clock went back, nothing is known
                    begins_us, ends_us = -_EVER_US, at_us - 1
                elif max_age_us is not None and not age_us <= max_age_us:
                    quality = Quality.STALE
                    begins_us, ends_us = at_us + max_age_us + 1, _EVER_US
                else:
                    quality = Quality.GOOD
                    begins_us = at_us
                    ends_us = _EVER_US if max_age_us is None else at_us + max_age_us
                from_us = begins_us if begins_us > from_us else from_us
                to_us = ends_us if ends_us < to_us else to_us
            judged[which] = quality
        self._judged, self._from_us, self._to_us = judged, from_us, to_us


def not_good(qualities: Mapping[Input, Quality], consequence: Consequence) -> list[Input]:
    """The inputs that are not good and have this consequence; a missing one counts as bad."""
    if qualities == _ALL_GOOD:  # as nearly always
        return []
    return [which for which in _CONCERNED[consequence] if qualities.get(which) is not Quality.GOOD]


_CONCERNED: Final = {
    consequence: tuple(which for which, row in FRESHNESS.items() if consequence in row.consequences)
    for consequence in Consequence
}
_ALL_GOOD: Final = dict.fromkeys(Input, Quality.GOOD)
_EVER_US: Final = 2**63  # beyond every time there is
_NEVER: Final = (0, False, "never seen")
