"""Subjects: all that is on record of one, and what people who are logged in add to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from controller.declined import Declined
from controller.lease import Who
from controller.store import RecordRefused, Store, StoreWriter
from controller.store.courses import CourseReads, Finding
from safety.courses import Course, Effect, EffectKind, Mistake, Sitting
from safety.presets import PRESETS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """All that is on record of one subject."""

    sittings: Sequence[Sitting]
    effects: Sequence[Effect]

    @classmethod
    def read(cls, store: CourseReads, subject: str) -> SubjectRecord:
        """Ask the records."""
        return cls(store.sittings(subject), store.effects(subject))

    @property
    def courses(self) -> tuple[Course, ...]:
        """One for each indication that was treated, in that order."""
        return tuple(map(self.course, dict.fromkeys(sitting.indication for sitting in self.sittings)))

    def course(self, indication: str) -> Course:
        """The course of one indication, begun or not."""
        own = tuple(sitting for sitting in self.sittings if sitting.indication == indication)
        return Course(indication, own, PRESETS.get(indication))

    def plain(self, subject: str) -> dict[str, Any]:
        """All of it as JSON knows it."""
        courses = [
            plain_course(one) | {"sessions": [_plain_sitting(sitting) for sitting in one.sittings]}
            for one in self.courses
        ]
        effects = [one.plain() for one in self.effects]
        return {"subject": subject.upper(), "courses": courses, "effects": effects}


def plain_course(one: Course) -> dict[str, Any]:
    """A course as JSON knows it, without its sessions."""
    return {
        "indication": one.indication,
        "sessions_done": one.done,
        "sessions_planned": one.planned,
        "last_session": _iso(one.last),
        "earliest_next": _iso(one.earliest),
        "earliest_known": _iso(one.earliest_known),
    }


class Subjects:
    """What the daemon tells and records of subjects. Raises Declined for what is not so, and StoreError."""

    def __init__(self, writer: StoreWriter, now_us: Callable[[], int]) -> None:
        self._writer = writer
        self._now_us = now_us

    async def tell(self, subject: str) -> dict[str, Any]:
        """The courses and the adverse effects of one subject."""
        return await self._try(lambda store: _tell(store, subject))

    async def record(
        self,
        who: Who,
        session_id: str,
        kind: EffectKind,
        severity: int,
        *,
        onset: date | None = None,
        resolved: date | None = None,
    ) -> dict[str, Any]:
        """Record an adverse effect of a session; returns it, with the subject if the session names one."""
        now_us = self._now_us()

        def work(store: Store) -> dict[str, Any]:
            made = store.record_effect(
                session_id, kind, severity, onset=onset, resolved=resolved, actor=who.name, now_us=now_us
            )
            return _with_subject(store, made)

        return await self._try(work)

    async def resolve(self, who: Who, effect_id: int, on: date | None = None) -> dict[str, Any]:
        """Record that an adverse effect had gone on that day, today if None; returns it as `record` does."""
        now_us = self._now_us()

        def work(store: Store) -> dict[str, Any]:
            return _with_subject(store, store.resolve_effect(effect_id, on=on, actor=who.name, now_us=now_us))

        return await self._try(work)

    async def correct(
        self, who: Who, effect_id: int, mistake: Mistake, instead: Finding | None = None
    ) -> dict[str, Any]:
        """Take an adverse effect back; returns it, and under `recorded` the one that stands instead."""
        now_us = self._now_us()

        def work(store: Store) -> dict[str, Any]:
            old = store.correct_effect(effect_id, mistake, instead=instead, actor=who.name, now_us=now_us)
            number = None if old.correction is None else old.correction.instead
            new = None if number is None else _with_subject(store, store.effect(number))
            return _with_subject(store, old) | {"recorded": new}

        return await self._try(work)

    async def _try(self, work: Callable[[Store], T]) -> T:
        try:
            return await self._writer.run(work)
        except RecordRefused as error:
            raise Declined(422, "effect", error.problem, error.action) from error


def _tell(store: Store, subject: str) -> dict[str, Any]:
    if subject.upper() not in store.subjects():
        raise Declined(404, "subject", f"no session names the subject {subject!r}", "ask for another")
    return SubjectRecord.read(store, subject).plain(subject)


def _with_subject(store: Store, effect: Effect) -> dict[str, Any]:
    subject = store.session(effect.session_id).plan.get("subject")
    return effect.plain() | {"subject": None if subject is None else str(subject).upper()}


def _plain_sitting(sitting: Sitting) -> dict[str, Any]:
    return {
        "id": sitting.session_id,
        "day": sitting.day.isoformat(),
        "pulses": sitting.pulses,
        "operator": sitting.operator,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
