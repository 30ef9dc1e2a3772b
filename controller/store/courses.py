"""Courses: which sessions gave a subject light, and what adverse effects followed, as told and corrected."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime

from controller.store.audit_log import AuditWrites
from controller.store.errors import RecordRefused
from controller.store.records import moment
from controller.store.sessions import SessionReads
from safety.courses import (
    GRADES,
    PAIN_MOST,
    Correction,
    Effect,
    EffectKind,
    Mistake,
    Sitting,
    severities,
)
from safety.preset import SERVICE

# When a session was at work last. One that was abandoned may have been so weeks after its light. Of several
# times the latest counts, so that a clock set back in between takes nothing from the interval.
_SITTINGS = """
    SELECT id, indication, delivered_pulses, operator, max(
        started,
        coalesce(CASE state WHEN 'abandoned' THEN NULL ELSE ended END, started),
        coalesce((SELECT max(wall_time) FROM pulse WHERE session_id = treatment_session.id), started)
    ) AS at_work
    FROM treatment_session
"""

_EFFECTS = """
    SELECT adverse_effect.*, effect_resolution.resolved, effect_resolution.actor AS resolved_by,
        back.reason, back.actor AS taken_back_by, back.recorded AS taken_back, back.replaced_by,
        before.effect_id AS corrects
    FROM adverse_effect JOIN treatment_session ON treatment_session.id = session_id
    LEFT JOIN effect_resolution ON effect_resolution.effect_id = adverse_effect.id
    LEFT JOIN effect_correction AS back ON back.effect_id = adverse_effect.id
    LEFT JOIN effect_correction AS before ON before.replaced_by = adverse_effect.id
"""

# Kinds of the audit's entries.
_RECORD, _RESOLVE, _CORRECT = "effect.record", "effect.resolve", "effect.correct"
_AS_AUDITED = {  # in the order of the body's keys, which the audit sorts; then who
    _RECORD: "SELECT id, session_id, kind, onset, severity, actor FROM adverse_effect",
    _RESOLVE: """
        SELECT effect_id, session_id, resolved, effect_resolution.actor
        FROM effect_resolution JOIN adverse_effect ON adverse_effect.id = effect_id
    """,
    _CORRECT: """
        SELECT effect_id, session_id, replaced_by, reason, effect_correction.actor
        FROM effect_correction JOIN adverse_effect ON adverse_effect.id = effect_id
    """,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What an adverse effect really was; days in UTC, `resolved` None while it has not gone.

    Session and onset are those of the one that it corrects, unless told.
    """

    kind: EffectKind
    severity: int
    session_id: str | None = None
    onset: date | None = None
    resolved: date | None = None

    def says_as(self, effect: Effect) -> bool:
        """Whether it says nothing that is not on record of the effect."""
        told = (self.session_id or effect.session_id, self.kind, self.severity, self.onset or effect.onset)
        known = (effect.session_id, effect.kind, effect.severity, effect.onset)
        return (*told, self.resolved) == (*known, effect.resolved)


class CourseReads(SessionReads):
    """Looking up courses. A subject is a pseudonym, in whatever letters."""

    def subjects(self) -> list[str]:
        """Return the subjects of all sessions, as they are kept: in capitals."""
        rows = self._rows(
            "SELECT DISTINCT subject FROM treatment_session WHERE subject IS NOT NULL ORDER BY 1"
        )
        return [row["subject"] for row in rows]

    def sittings(self, subject: str) -> list[Sitting]:
        """Return the sessions that gave light to a subject, in the order of recording."""
        rows = self._rows(
            f"{_SITTINGS} WHERE subject = ? AND delivered_pulses > 0 ORDER BY ordinal",
            (subject.upper(),),
        )
        return [
            Sitting(
                row["id"],
                row["indication"],
                moment(row["at_work"]).date(),
                row["delivered_pulses"],
                row["operator"],
            )
            for row in rows
        ]

    def effects(self, subject: str) -> list[Effect]:
        """Return the adverse effects on a subject, of all courses, in the order of recording."""
        rows = self._rows(f"{_EFFECTS} WHERE subject = ? ORDER BY adverse_effect.id", (subject.upper(),))
        return [_effect(row) for row in rows]

    def session_effects(self, session_id: str) -> list[Effect]:
        """Return the adverse effects of one session, in the order of recording."""
        rows = self._rows(f"{_EFFECTS} WHERE session_id = ? ORDER BY adverse_effect.id", (session_id,))
        return [_effect(row) for row in rows]

    def effect(self, effect_id: int) -> Effect:
        """Return one adverse effect; raise `RecordRefused` if there is none of this number."""
        row = self._row(f"{_EFFECTS} WHERE adverse_effect.id = ?", (effect_id,))
        if row is None:
            raise RecordRefused(
                f"there is no adverse effect number {effect_id}", "`picolase course show SUBJECT` lists them"
            )
        return _effect(row)

    def verify_effects(self) -> list[str]:
        """Return every difference between the records of adverse effects and the audit's entries of them."""
        entries = self._stream(
            "SELECT kind, actor, body FROM audit WHERE kind IN (?, ?, ?)", tuple(_AS_AUDITED)
        )
        audited = {
            (kind, str(facts[0])): (*facts, actor)
            for kind, actor, body in entries
            for facts in [_facts(body)]
        }
        kept = {
            (kind, str(row[0])): tuple(row) for kind, sql in _AS_AUDITED.items() for row in self._rows(sql)
        }
        return [
            f"{kind} of number {number}: the record and the audit differ"
            for kind, number in sorted(audited.keys() | kept.keys())
            if audited.get((kind, number)) != kept.get((kind, number))
        ]

    def newest_session_at_work(self) -> datetime | None:
        """Return when the session recorded last was at work, of whichever subject."""
        row = self._row(f"{_SITTINGS} ORDER BY ordinal DESC LIMIT 1")
        return None if row is None else moment(row["at_work"])

    def time_of_day(self) -> datetime:
        """Return what the clock of the records says, in UTC."""
        return self._wall_clock().astimezone(UTC)


class CourseWrites(CourseReads, AuditWrites):
    """Recording adverse effects, their end and their correction: nothing is changed, all of it is audited."""

    def record_effect(
        self,
        session_id: str,
        kind: EffectKind,
        severity: int,
        *,
        onset: date | None = None,
        resolved: date | None = None,
        actor: str,
        now_us: int,
    ) -> Effect:
        """Record an adverse effect of a session, seen first on the day `onset` (today if None, in UTC).

        `resolved` is the day it had gone, if it has.
        """
        if severity not in severities(kind):
            allowed = f"0 to {PAIN_MOST}" if kind is EffectKind.PAIN else f"1 to {len(GRADES)}"
            raise RecordRefused(
                f"the severity of {kind.value} is {severity}; allowed: {allowed}",
                "state it so; nothing was recorded",
            )
        with self.transaction():
            first = self._day_of_light(session_id)
            seen = self._day("onset", onset, first)
            self._run(
                "INSERT INTO adverse_effect (session_id, kind, severity, onset, actor, recorded) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (session_id, kind.value, severity, seen.isoformat(), actor, self._now()),
            )
            effect = self.effect(self._number("SELECT max(id) FROM adverse_effect"))
            told = {"effect": effect.id, "id": session_id, "kind": kind.value, "severity": severity}
            self.append_audit(_RECORD, actor, told | {"onset": seen.isoformat()}, now_us=now_us)
            if resolved is not None:
                return self.resolve_effect(effect.id, on=resolved, actor=actor, now_us=now_us)
            return effect

    def resolve_effect(self, effect_id: int, *, on: date | None = None, actor: str, now_us: int) -> Effect:
        """Record that an adverse effect had gone on the day `on` (today if None, in UTC)."""
        with self.transaction():
            effect = self._standing(effect_id)
            if effect.resolved is not None:
                raise RecordRefused(
                    f"adverse effect {effect_id} is recorded as resolved on {effect.resolved}",
                    "if it has come back, record it as a new one",
                )
            resolved = self._day("day of resolution", on, effect.onset).isoformat()
            self._run(
                "INSERT INTO effect_resolution (effect_id, resolved, actor, recorded) VALUES (?, ?, ?, ?)",
                (effect_id, resolved, actor, self._now()),
            )
            told = {"effect": effect_id, "id": effect.session_id, "resolved": resolved}
            self.append_audit(_RESOLVE, actor, told, now_us=now_us)
            return self.effect(effect_id)

    def correct_effect(
        self, effect_id: int, mistake: Mistake, *, instead: Finding | None = None, actor: str, now_us: int
    ) -> Effect:
        """Take a mistaken adverse effect back; what was recorded of it stays.

        One that was recorded wrongly is replaced by what is told `instead`, which is recorded with it. Of one
        recorded twice there must be another of the same session and kind that stands.
        """
        with self.transaction():
            effect = self._standing(effect_id)
            if fault := self._unfit(effect, mistake, instead):
                raise RecordRefused(f"adverse effect {effect_id}: {fault[0]}", fault[1])
            other = None if instead is None else self._record_instead(effect, instead, actor, now_us).id
            self._run(
                "INSERT INTO effect_correction (effect_id, reason, replaced_by, actor, recorded) "
                "VALUES (?, ?, ?, ?, ?)",
                (effect_id, mistake.value, other, actor, self._now()),
            )
            told = {"effect": effect_id, "id": effect.session_id, "instead": other, "reason": mistake.value}
            self.append_audit(_CORRECT, actor, told, now_us=now_us)
            return self.effect(effect_id)

    def _standing(self, effect_id: int) -> Effect:
        """An adverse effect that was not taken back."""
        effect = self.effect(effect_id)
        if effect.correction is not None:
            raise RecordRefused(
                f"adverse effect {effect_id} was {effect.correction}",
                "if it is there, record it as a new one",
            )
        return effect

    def _unfit(self, effect: Effect, mistake: Mistake, instead: Finding | None) -> tuple[str, str] | None:
        """What is wrong with a correction, and what to do about it."""
        if (instead is None) is (mistake is Mistake.RECORDED_WRONGLY):
            action = f"one that was {Mistake.RECORDED_WRONGLY.value}, and no other, is told anew with it"
            return f"{mistake.value} does not fit with what stands instead", action
        if instead is not None and instead.says_as(effect):
            return "it is recorded just like that", "tell what was wrong about it"
        if mistake is Mistake.RECORDED_TWICE and not any(
            one.stands and one.kind is effect.kind and one.id != effect.id
            for one in self.session_effects(effect.session_id)
        ):
            text = f"no other {effect.kind.value} of session {effect.session_id!r} stands"
            return text, "take back only one of two; if there was none, give that reason"
        return None

    def _record_instead(self, effect: Effect, finding: Finding, actor: str, now_us: int) -> Effect:
        return self.record_effect(
            finding.session_id or effect.session_id,
            finding.kind,
            finding.severity,
            onset=finding.onset or effect.onset,
            resolved=finding.resolved,
            actor=actor,
            now_us=now_us,
        )

    def _day_of_light(self, session_id: str) -> date:
        """The day a session began, of one that gave light to a person."""
        session = self.session(session_id)
        if session.plan.get("indication") == SERVICE or not session.delivered_pulses:
            raise RecordRefused(
                f"session {session_id!r} gave no light to a person", "name the session that did"
            )
        return session.started.date()

    def _day(self, what: str, day: date | None, first: date) -> date:
        """The day, or today; a clock that is behind the session itself knows none later than that."""
        last = max(self.time_of_day().date(), first)
        if day is not None and not first <= day <= last:
            raise RecordRefused(
                f"the {what} is {day}; allowed: {first} to {last}", "correct the day; nothing was recorded"
            )
        return day or last


def _facts(body: str) -> tuple[object, ...]:
    """What an entry of the audit tells, in the order of its keys; one of "?" when it was damaged."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    return tuple(told.values()) if isinstance(told, dict) and told else ("?",)


def _effect(row: sqlite3.Row) -> Effect:
    return Effect(
        id=row["id"],
        session_id=row["session_id"],
        kind=EffectKind(row["kind"]),
        severity=row["severity"],
        onset=date.fromisoformat(row["onset"]),
        recorded=moment(row["recorded"]),
        recorded_by=row["actor"],
        resolved=None if row["resolved"] is None else date.fromisoformat(row["resolved"]),
        resolved_by=row["resolved_by"],
        correction=None if row["reason"] is None else _correction(row),
        corrects=row["corrects"],
    )


def _correction(row: sqlite3.Row) -> Correction:
    return Correction(
        Mistake(row["reason"]), row["taken_back_by"], moment(row["taken_back"]), row["replaced_by"]
    )
