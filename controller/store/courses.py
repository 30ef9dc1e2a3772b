"""Courses: which sessions gave a subject light, what adverse effects followed, and when those had gone."""

import json
import sqlite3
from datetime import UTC, date, datetime

from controller.store.audit_log import AuditWrites
from controller.store.errors import RecordRefused
from controller.store.records import moment
from controller.store.sessions import SessionReads
from safety.courses import GRADES, PAIN_MOST, Effect, EffectKind, Sitting, severities
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
    SELECT adverse_effect.*, effect_resolution.resolved, effect_resolution.actor AS resolved_by
    FROM adverse_effect JOIN treatment_session ON treatment_session.id = session_id
    LEFT JOIN effect_resolution ON effect_id = adverse_effect.id
"""

_RECORD, _RESOLVE = "effect.record", "effect.resolve"  # kinds of the audit's entries
_AS_AUDITED = {  # in the order of the body's keys, which the audit sorts; then who
    _RECORD: "SELECT id, session_id, kind, onset, severity, actor FROM adverse_effect",
    _RESOLVE: """
        SELECT effect_id, session_id, resolved, effect_resolution.actor
        FROM effect_resolution JOIN adverse_effect ON adverse_effect.id = effect_id
    """,
}


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
            "SELECT kind, actor, body FROM audit WHERE kind IN (?, ?)", (_RECORD, _RESOLVE)
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
    """Recording adverse effects and their end; nothing of it is ever changed, and all of it is audited."""

    def record_effect(
        self,
        session_id: str,
        kind: EffectKind,
        severity: int,
        *,
        onset: date | None = None,
        actor: str,
        now_us: int,
    ) -> Effect:
        """Record an adverse effect of a session, seen first on the day `onset` (today if None, in UTC)."""
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
            return effect

    def resolve_effect(self, effect_id: int, *, on: date | None = None, actor: str, now_us: int) -> Effect:
        """Record that an adverse effect had gone on the day `on` (today if None, in UTC)."""
        with self.transaction():
            effect = self.effect(effect_id)
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
    )
