"""The host's latches: what trips, what clears it, and which instance of it stands."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


class LatchId(enum.Enum):
    """What tripped."""

    START_UP = "start_up"
    RECONNECTED = "reconnected"
    DEVICE_RESTARTED = "device_restarted"
    DEVICE_FAULT = "device_fault"
    STALE = "stale"
    UNCERTAIN = "uncertain"
    UNPERMITTED_LIGHT = "unpermitted_light"
    UNEXPECTED_STATE = "unexpected_state"
    PULSE_JUDGEMENT = "pulse_judgement"
    COUNTER_GAP = "counter_gap"
    BAD_INPUT = "bad_input"
    LOOP_LAG = "loop_lag"
    TASK_ENDED = "task_ended"
    STORE_FAILED = "store_failed"


@dataclass(frozen=True, slots=True)
class LatchRow:
    """What an operator reads; `stops_always` False: it stops only a laser that may be armed."""

    text: str
    action: str
    stops_always: bool


_I, _R = LatchId, LatchRow

LATCHES: Final[dict[LatchId, LatchRow]] = {
    _I.START_UP: _R(
        "the daemon was started", "look at the laser and the last session, then acknowledge", False
    ),
    _I.RECONNECTED: _R("the link was lost", "look why, look at the laser, then acknowledge", False),
    _I.DEVICE_RESTARTED: _R("the device restarted", "look why, wait for STANDBY, then acknowledge", False),
    _I.DEVICE_FAULT: _R(
        "the device latched a fault",
        "remove its cause, then acknowledge: that clears it at the device",
        False,
    ),
    _I.STALE: _R(
        "the laser's state was not known while armed", "check cable and load, then acknowledge", True
    ),
    _I.UNCERTAIN: _R("an outcome is unknown", "let the device's counters settle it, then acknowledge", True),
    _I.UNPERMITTED_LIGHT: _R(
        "light without a permit", "inspect the treated site, call service, then acknowledge", True
    ),
    _I.UNEXPECTED_STATE: _R(
        "the laser is not where this host brought it", "look who else commands it, then acknowledge", True
    ),
    _I.PULSE_JUDGEMENT: _R(
        "a pulse was not as it was set", "inspect the treated site, acknowledge, then calibrate", True
    ),
    _I.COUNTER_GAP: _R(
        "pulse reports do not follow one another", "settle the count with the device's counters", False
    ),
    _I.BAD_INPUT: _R("a measured value cannot be", "check the sensor it names, then acknowledge", False),
    _I.LOOP_LAG: _R("the daemon was late", "lower the load on this computer, then acknowledge", False),
    _I.TASK_ENDED: _R("a part of the daemon ended", "read the log, restart the daemon", False),
    _I.STORE_FAILED: _R(
        "the record could not be written", "check disk space and permissions, then acknowledge", False
    ),
}


@dataclass(frozen=True, slots=True)
class Latch:
    """One standing trip: its first cause, when, and the number an acknowledgement names."""

    id: LatchId
    instance: int
    since_us: int
    text: str
    action: str


class Latches:
    """The latches that stand; a second cause neither replaces the first nor renews the instance."""

    def __init__(self) -> None:
        self._standing: dict[LatchId, Latch] = {}  # in the order in which they tripped
        self._all: tuple[Latch, ...] = ()  # the same, looked at with every message
        self._instances = 0

    def set(self, which: LatchId, cause: str, now_us: int) -> Latch | None:
        """Latch it and return the new latch; None when it stands already."""
        if which in self._standing:
            return None
        self._instances += 1
        row = LATCHES[which]
        latch = Latch(which, self._instances, now_us, f"{row.text}: {cause}", row.action)
        self._standing[which] = latch
        self._all = tuple(self._standing.values())
        return latch

    def clear(self, which: LatchId) -> None:
        """Take the latch off; whether that is allowed was decided before."""
        self._standing.pop(which, None)
        self._all = tuple(self._standing.values())

    def standing(self) -> tuple[Latch, ...]:
        """All that stand, in the order in which they tripped."""
        return self._all

    def find(self, instances: Collection[int]) -> tuple[list[Latch], list[int]]:
        """The standing latches of these instances, and the instances that stand for nothing."""
        found = [latch for latch in self.standing() if latch.instance in instances]
        known = {latch.instance for latch in found}
        return found, [instance for instance in instances if instance not in known]

    def __contains__(self, which: LatchId) -> bool:
        return which in self._standing
