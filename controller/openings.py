"""The openings of the interlocks that people open: recorded, remembered, and missed when they do not come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from controller.commands import Commands
from controller.recorder import Event, Recorder
from controller.store import EventKind, Severity, Store, StoreError, StoreWriter
from controller.store.openings import PROOF_TEST, wall_us
from protocols.interlocks import Interlock
from protocols.messages import Status
from protocols.payloads import utc_text
from protocols.timing import SECOND
from safety.proof_tests import (
    DAY_US,
    PROOF_TESTS,
    Elapsed,
    Evidence,
    Finding,
    Limits,
    Moment,
    Standing,
    evidence,
    judge,
)
from safety.supervisor import Supervisor

AGAIN_S: Final = 1.0  # [C] after a reading that failed
LOOK_US: Final = 60 * SECOND  # [C] limits are days
EVERY_US: Final = SECOND  # [C] a loose contact does not fill the record: one change of each in this time

LOOKING: Final = "looking"
"""The proof that names no contact: since then they are looked at."""
REMINDER: Final = "reminder"
"""The same of the newest reminder."""

_log = logging.getLogger(__name__)


class Openings:
    """Follows the contacts in `PROOF_TESTS` of the laser that the supervisor knows.

    The record of events is the memory: an opening, and the closing that ends it, are the proof of a contact.
    What is open while the mains fails proves nothing: the loop itself may have lost its supply.
    """

    def __init__(
        self,
        writer: StoreWriter,
        supervisor: Supervisor,
        recorder: Recorder,
        commands: Commands,
        *,
        limits: Limits,
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
    ) -> None:
        self.findings: tuple[Finding, ...] = ()  # empty: the record was not read yet
        self.due = ""  # names of the contacts that somebody is to be reminded of
        self._writer = writer
        self._supervisor = supervisor
        self._recorder = recorder
        self._commands = commands
        self._limits = limits
        self._wall_clock = wall_clock
        self._now_us = now_us
        self._look_us = 0
        self._news = asyncio.Event()
        self._serial = ""
        self._known = False  # whether the record of this laser was read
        self._moments: dict[Interlock, Moment] = {}
        self._reminded: Elapsed | None = None
        self._recorded: dict[Interlock, tuple[bool, int]] = {}  # open, and since when that is on record
        self._proving: frozenset[Interlock] = frozenset()  # those that stand open, and prove it
        self._open: frozenset[Interlock] | None = None

    # -- from the line, synchronous

    def status(self, status: Status) -> None:
        """Take what is open; a change is recorded, one that follows too soon after another a moment later."""
        link = self._supervisor.link
        if link is None:
            return  # nobody was identified
        if link.serial != self._serial:
            self._begin(link.serial)
            self._news.set()
        if status.open_interlocks != self._open:
            self._open = status.open_interlocks if self._take(status.open_interlocks) else None

    def _take(self, opened: frozenset[Interlock]) -> bool:
        """Record what is new; False when something of it has to wait."""
        now_us, complete, before = self._now_us(), True, self._proving
        self._proving = frozenset() if Interlock.MAINS in opened else opened.intersection(PROOF_TESTS)
        self._seen(before | self._proving)
        for interlock in PROOF_TESTS:
            is_open = interlock in opened
            was_open, changed_us = self._recorded.get(interlock, (False, now_us - EVERY_US))
            if is_open is was_open:
                continue
            if now_us - changed_us < EVERY_US:
                complete = False
                continue
            self._recorded[interlock] = (is_open, now_us)
            self._record(interlock, is_open=is_open, proof=interlock in before | self._proving)
        self._look()
        return complete

    # -- looking

    def tell(self) -> None:
        """Look what time has changed, and remind of it, once a day; to be called each second."""
        if self._supervisor.link is None:  # what a laser does that nobody hears proves nothing
            self._open, self._proving = None, frozenset()
        if self._now_us() < self._look_us:
            return
        self._look_us = self._now_us() + LOOK_US
        self._seen(self._proving)
        self._look()
        self._remind()

    def report(self) -> dict[str, Any]:
        """The proof tests as the status tells of them."""
        return {
            "due": self.due,
            "words": self.evidence().words,
            "inputs": [
                {
                    "interlock": finding.interlock.name.lower(),
                    "standing": finding.standing.value,
                    "seen_open": finding.moment.seen,
                    "since": _utc(finding.moment.since.wall_us),
                    "days": round(finding.moment.since.passed_us / DAY_US, 2),
                    "limit_days": finding.limit_us // DAY_US,
                    "text": finding.reason.text,
                    "action": finding.reason.action if finding.due else "",
                }
                for finding in self.findings
            ],
        }

    def evidence(self) -> Evidence:
        """What a confirmation of the interlocks stands on."""
        return evidence(self.findings)

    async def run(self) -> None:
        """Read what is on record of each laser, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            serial = self._serial
            try:
                known = await self._writer.run(Store.proof_moments, serial)
            except StoreError as error:
                self._commands.store_failed(error)
                await asyncio.sleep(AGAIN_S)
                self._news.set()
                continue
            if serial == self._serial:
                self._remember(known)

    # -- within

    def _begin(self, serial: str) -> None:
        """Another laser: nothing is known of its contacts, and none of them is taken to be open."""
        self._serial, self._known, self._reminded = serial, False, None
        self._moments, self._recorded = {}, {}
        self._open, self._proving = None, frozenset()
        self.findings, self.due = (), ""

    def _remember(self, known: Mapping[str, Elapsed]) -> None:
        """Take over what the record tells; what was seen meanwhile is newer."""
        looking = known.get(LOOKING)
        if looking is None:
            looking = self._now()
            text = f"the interlocks of {self._serial} are looked at from now on: no opening before is known"
            self._event(EventKind.SYSTEM, Severity.INFO, text, {PROOF_TEST: LOOKING})
        for interlock in PROOF_TESTS:
            on_record = known.get(interlock.name.lower())
            moment = Moment(looking, seen=False) if on_record is None else Moment(on_record, seen=True)
            self._moments.setdefault(interlock, moment)
        self._reminded = known.get(REMINDER)
        self._known, self._look_us = True, 0
        self.tell()

    def _seen(self, proven: frozenset[Interlock]) -> None:
        """These stand open now, or did so until now."""
        for interlock in proven:
            self._moments[interlock] = Moment(self._now(), seen=True)

    def _look(self) -> None:
        if not self._known:
            return
        at = self._now()
        for interlock, moment in self._moments.items():
            since = moment.since.at(at.wall_us, at.mono_us)
            self._moments[interlock] = Moment(since, moment.seen)
        if self._reminded is not None:
            self._reminded = self._reminded.at(at.wall_us, at.mono_us)
        found = (judge(interlock, self._moments[interlock], self._limits) for interlock in PROOF_TESTS)
        self.findings = tuple(found)
        self.due = ",".join(one.interlock.name.lower() for one in self.findings if one.due)

    def _remind(self) -> None:
        """One line for everything that is due. A laser that is not there is not spoken of."""
        if not self.due or self._supervisor.link is None:
            return
        if self._reminded is not None and self._reminded.passed_us < DAY_US:
            return
        self._reminded = self._now()
        text = "; ".join(str(one.reason) for one in self.findings if one.due)
        refused = any(one.standing is Standing.OVERDUE for one in self.findings)
        after = "; no treatment begins before that" if refused else ""
        body = {PROOF_TEST: REMINDER, "code": "proof_test_due", "due": self.due}
        self._event(EventKind.SYSTEM, Severity.WARNING, text + after, body)

    def _record(self, interlock: Interlock, *, is_open: bool, proof: bool) -> None:
        done = "open" if is_open else "closed"
        name = interlock.name.lower()
        body = {"code": f"interlock_{done}", "interlock": name} | ({PROOF_TEST: name} if proof else {})
        self._event(EventKind.STATE, Severity.INFO, f"interlock {done}: {PROOF_TESTS[interlock].words}", body)

    def _event(self, kind: EventKind, severity: Severity, text: str, body: dict[str, str]) -> None:
        _log.log(logging.WARNING if severity is Severity.WARNING else logging.INFO, "%s", text)
        told = body | {"serial": self._serial}
        self._recorder.event(Event(kind, severity, text, "daemon", self._now_us(), told))

    def _now(self) -> Elapsed:
        return Elapsed(wall_us(self._wall_clock()), self._now_us())


def _utc(at_us: int) -> str:
    return utc_text(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at_us))
