"""The gate of a course: what has to be confirmed by name before the next session of a subject is opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from controller.declined import Declined
from controller.store import Store, StoreWriter
from controller.subjects import SubjectRecord
from safety.courses import Clock, Effect, Matter, matters, reasons
from safety.plan import TreatmentPlan


class CourseGate:
    """Asks the records and the clock before each session; `now_us` is the time that nobody can set."""

    def __init__(self, writer: StoreWriter, now_us: Callable[[], int]) -> None:
        self._writer = writer
        self._now_us = now_us
        self._began: tuple[datetime, int] | None = None

    async def demand(
        self, plan: TreatmentPlan, confirmed: Collection[str], *, resuming: str = ""
    ) -> tuple[tuple[Matter, ...], tuple[Effect, ...]]:
        """Everything that stood against this session and was confirmed; raises Declined for the rest.

        And the subject's effects that were taken back, which are to be shown and need no word.
        """
        standing: tuple[Matter, ...] = ()
        taken_back: tuple[Effect, ...] = ()
        if plan.subject is not None and not plan.rehearsal:  # in which nobody is treated
            record, now, newest = await self._writer.run(_look, plan.subject)
            clock = Clock(now, newest, self._set_by(now))
            standing = matters(record.course(plan.indication), record.effects, clock, resuming=resuming)
            taken_back = tuple(effect for effect in record.effects if not effect.stands)
        if missing := reasons(standing, confirmed):
            text = "the subject's course needs fresh confirmations"
            raise Declined(409, "course", text, "look at each, and confirm it by name", reasons=missing)
        return standing, taken_back

    async def begin(self) -> None:
        """Take the clock as it is now; how far it is set from here on is told."""
        self._began = (await self._writer.run(Store.time_of_day), self._now_us())

    def _set_by(self, now: datetime) -> timedelta:
        if self._began is None:
            return timedelta()
        wall, mono_us = self._began
        return now - wall - timedelta(microseconds=self._now_us() - mono_us)


def _look(store: Store, subject: str) -> tuple[SubjectRecord, datetime, datetime | None]:
    return SubjectRecord.read(store, subject), store.time_of_day(), store.newest_session_at_work()
