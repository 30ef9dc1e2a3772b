"""The proof test of contacts that people open: how long each was not seen open, what follows (HZ-039).

Theory of operation. A bridged contact reads closed for ever, and so does one that nobody has opened: only an
opening that was seen proves it. So the time since then is judged. Neither clock of a computer tells it alone:
the time of day can be put back, the monotonic clock begins anew with the machine. `Elapsed` goes on with the
monotonic clock wherever it runs, and never stands behind the time of day: putting that back silences nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from protocols.interlocks import Interlock
from protocols.refusals import Reason
from protocols.timing import SECOND

HOUR_US: Final = 3_600 * SECOND
DAY_US: Final = 24 * HOUR_US
FUTURE_US: Final = 300 * SECOND  # [C] a clock that was set right by a little makes nothing unknown
UNORDERED_US: Final = 60 * SECOND  # [C] records stand in the order of writing: so little is no new start
REFUSES_AFTER: Final = 3  # [C] times the limit: with a limit of 30 days, two months of daily reminders
HOURS_TOLD: Final = 48  # [C] "30 h ago" says more than "1 day ago"


class ProofTest(NamedTuple):
    """The contact in words, what proves it, and whether that takes service: then it refuses nothing."""

    words: str
    action: str
    service: bool = False


_SEE: Final = "see `picolase status` report it"

PROOF_TESTS: Final[dict[Interlock, ProofTest]] = {
    Interlock.ESTOP: ProofTest(
        "the emergency stop", f"press it in STANDBY, {_SEE}, release it, then `picolase ack`"
    ),
    Interlock.KEY: ProofTest("the key", f"turn it off, {_SEE}"),
    Interlock.REMOTE: ProofTest("the remote interlock", f"open it in STANDBY, {_SEE}"),
    Interlock.DOOR: ProofTest("the door", f"open it in STANDBY, {_SEE}"),
    Interlock.COVER: ProofTest("the housing cover", f"at the next service open it, {_SEE}", service=True),
}
"""What a person opens by hand, in normal use or at a service. The footswitch is not here: each arming needs
it released, and each series a fresh press. The articulated arm is not taken off to try it: that would cost
its alignment; and a handpiece has no contact to bridge, its chip has to answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """After how many days a contact that was not seen open is told of; `unwired` ones never are.

    The usual 30 and 365 days are the intervals of ISO 14119:2013 for functional tests of guards that are
    rarely opened: monthly for PL e, yearly for PL d (to be confirmed).
    """

    days: int
    cover_days: int
    unwired: frozenset[Interlock] = frozenset()

    def of_us(self, interlock: Interlock) -> int:
        """The longest time without an opening that is not told of."""
        return (self.cover_days if interlock is Interlock.COVER else self.days) * DAY_US


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The time since a moment. `wall_us`: that moment by the time of day; the others: as of `at`."""

    wall_us: int
    mono_us: int
    passed_us: int = 0
    ahead: bool = False  # by the time of day the moment lies in the future

    def at(self, wall_us: int, mono_us: int) -> Elapsed:
        """The same moment seen from a later one; to be called in the order in which time passes."""
        step_us = mono_us - self.mono_us
        if step_us < -UNORDERED_US:
            step_us = mono_us  # the machine started in between, and has run for so long since
        return replace(
            self,
            mono_us=mono_us,
            passed_us=max(self.passed_us + max(step_us, 0), wall_us - self.wall_us),
            ahead=wall_us < self.wall_us - FUTURE_US,
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """Since when a contact was not seen open: since an opening, or (not `seen`) since anybody looked."""

    since: Elapsed
    seen: bool


class Standing(enum.Enum):
    """What follows from a contact's age."""

    GOOD = "good"
    DUE = "due"  # a reminder
    OVERDUE = "overdue"  # no treatment is begun or resumed
    UNWIRED = "unwired"  # by the site's own configuration; nothing proves it


@dataclass(frozen=True, slots=True)
class Finding:
    """One contact's proof test as it stands."""

    interlock: Interlock
    moment: Moment
    limit_us: int
    standing: Standing

    @property
    def due(self) -> bool:
        """Whether somebody is to be reminded."""
        return self.standing in {Standing.DUE, Standing.OVERDUE}

    @property
    def words(self) -> str:
        """The contact, and when it was seen open."""
        name, since = PROOF_TESTS[self.interlock].words, self.moment.since
        if self.standing is Standing.UNWIRED:
            return f"{name} is not in use here"
        if since.ahead:
            return f"{name} was last open in the future, by this computer's clock"
        if self.moment.seen and not self.due:
            return f"{name} was seen open {_ago(since.passed_us)}"
        days = since.passed_us // DAY_US
        if not self.moment.seen:
            return f"{name} was never seen open, in {days} days of looking"
        return f"{name} was not seen open for {days} days"

    @property
    def reason(self) -> Reason:
        """The reminder, with what to do."""
        action = PROOF_TESTS[self.interlock].action
        clock = "check this computer's clock; " if self.moment.since.ahead else ""
        return Reason(f"proof.{self.interlock.name.lower()}", self.words, clock + action)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the host saw of the interlocks, for a person's confirmation: words, and what speaks against it."""

    words: str = ""
    against: tuple[Reason, ...] = ()


NOTHING_SEEN: Final = Evidence()


def judge(interlock: Interlock, moment: Moment, limits: Limits) -> Finding:
    """How a contact's proof test stands."""
    limit_us, passed_us = limits.of_us(interlock), moment.since.passed_us
    if interlock in limits.unwired:
        standing = Standing.UNWIRED
    elif passed_us > REFUSES_AFTER * limit_us and not PROOF_TESTS[interlock].service:
        standing = Standing.OVERDUE
    elif passed_us > limit_us or moment.since.ahead:
        standing = Standing.DUE
    else:
        standing = Standing.GOOD
    return Finding(interlock, moment, limit_us, standing)


def evidence(findings: Iterable[Finding]) -> Evidence:
    """What a confirmation of the interlocks stands on; nothing on record is no evidence, and says so."""
    findings = tuple(findings)
    words = "; ".join(finding.words for finding in findings) or "what was seen of them is not known"
    against = tuple(finding.reason for finding in findings if finding.standing is Standing.OVERDUE)
    return Evidence(f"on record: {words}", against)


def _ago(passed_us: int) -> str:
    hours = passed_us // HOUR_US
    if hours < 1:
        return "less than an hour ago"
    return f"{hours} h ago" if hours < HOURS_TOLD else f"{hours // 24} days ago"
