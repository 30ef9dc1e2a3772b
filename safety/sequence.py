"""Whether the device's pulse reports follow one another without a gap, a jump or a changed repetition.

Theory of operation. The device repeats reports until they are acknowledged and keeps at most a few on the
way, so a lost frame lets a report arrive after its successor: that is no gap yet. It becomes one when it is
not filled in time. `reported_to` is the number up to which every report is in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.messages import PulseReport
from protocols.requests import Counters
from protocols.timing import REPORT_REPEAT_US, REPORTS_OUTSTANDING

GAP_MAX_US: Final = 5 * REPORT_REPEAT_US  # [C] five repetitions lost in a row: it will not come any more
_REMEMBERED: Final = 256  # the device's own ring: it repeats nothing older


class Taken(NamedTuple):  # made with every pulse
    """`new`: seen for the first time, to be counted. `problem`: what is wrong with its number, or empty."""

    new: bool
    problem: str = ""


class PulseSequence:
    """The count of one device's pulses as the host knows it."""

    def __init__(self) -> None:
        self.reported_to: int | None = None
        self.broken = ""  # first irreparable disagreement; only `settle` takes it away
        self._told = 0  # highest number that the device is known to have used
        self._recent: dict[int, PulseReport] = {}
        self._waiting_since_us: int | None = None

    @property
    def behind(self) -> bool:
        """The device fired pulses whose reports are not all in."""
        return self.reported_to is not None and self._told > self.reported_to

    def begin(self, recorded_to: int | None, now_us: int) -> None:
        """A link came up; `recorded_to` is what the host's record holds, None for a device new to it."""
        self.reported_to = recorded_to
        self._waiting_since_us = None  # the device begins anew to send what is not acknowledged
        self._advance(now_us)

    def take(self, report: PulseReport, now_us: int) -> Taken:
        """Put one report into the sequence."""
        number, known = report.pulse_number, self._recent.get(report.pulse_number)
        if known is not None:
            if known == report:
                return Taken(new=False)
            return Taken(new=False, problem=self._break(f"pulse {number} was reported twice, differently"))
        if number == 0:
            return Taken(new=False, problem=self._break("a pulse without a number was reported"))
        if self.reported_to is not None and number <= self.reported_to:
            return Taken(new=False)  # recorded before this process saw it; the record compares the content
        problem = ""
        if self.reported_to is not None and number > self.reported_to + REPORTS_OUTSTANDING:
            problem = self._break(
                f"pulse {number} was reported, but {self.reported_to} was the last in order"
            )
        self._recent[number] = report
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        self._told = max(self._told, number)
        self._advance(now_us)
        return Taken(new=True, problem=problem)

    def counters(self, counters: Counters, now_us: int) -> str:
        """Compare with the device's own books; returns what is wrong, or empty."""
        if self.reported_to is None:
            self.reported_to = counters.acknowledged
        elif counters.acknowledged > self.reported_to:
            return self._break(
                f"the device was told to forget pulses up to {counters.acknowledged}, "
                f"but reports are in up to {self.reported_to}"
            )
        return self.told(counters.pulse_number, now_us)

    def told(self, pulse_number: int, now_us: int) -> str:
        """The device's counter as it says it now; returns what is wrong, or empty."""
        known = max(self._told, self.reported_to or 0)
        if pulse_number < known:
            return self._break(f"the device's pulse counter went back from {known} to {pulse_number}")
        self._told = pulse_number
        self._advance(now_us)
        return ""

    def overdue(self, now_us: int) -> bool:
        """A report is missing for longer than its repetitions can explain."""
        return self._waiting_since_us is not None and not now_us - self._waiting_since_us <= GAP_MAX_US

    def settle(self, pulse_number: int, now_us: int) -> None:
        """A person settled the count: every pulse up to this one is accounted for."""
        self.reported_to = self._told = pulse_number
        self.broken = ""
        self._recent = {number: seen for number, seen in self._recent.items() if number <= pulse_number}
        self._advance(now_us)

    def _break(self, problem: str) -> str:
        self.broken = self.broken or problem
        return problem

    def _advance(self, now_us: int) -> None:
        before = self.reported_to
        if before is None:
            return
        reached = before
        while reached + 1 in self._recent:
            reached += 1
        self.reported_to = reached
        if self._told <= reached:
            self._waiting_since_us = None
        elif self._waiting_since_us is None or reached > before:
            self._waiting_since_us = now_us
