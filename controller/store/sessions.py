"""Treatment sessions: their plan, their state, how far they are."""

import json
import sqlite3
from collections.abc import Mapping

from controller.store.audit_log import AuditReads, AuditWrites
from controller.store.errors import RecordRefused
from controller.store.records import SESSION_STEPS, SessionRecord, SessionState, moment
from safety.audit import canonical_json


class SessionReads(AuditReads):
    """Looking up sessions."""

    def session(self, session_id: str) -> SessionRecord:
        """Return a session; raise `RecordRefused` if there is none of this id."""
        row = self._row("SELECT * FROM treatment_session WHERE id = ?", (session_id,))
        if row is None:
            raise RecordRefused(
                f"there is no session {session_id!r}", "check the id; `sessions()` lists them"
            )
        return _session(row)

    def sessions(self, *, limit: int = 100) -> list[SessionRecord]:
        """Return the newest sessions, newest first."""
        rows = self._rows("SELECT * FROM treatment_session ORDER BY ordinal DESC LIMIT ?", (limit,))
        return [_session(row) for row in rows]

    def resumable_session(self, device_serial: str) -> SessionRecord | None:
        """Return the device's newest session that was neither finished nor abandoned and has pulses left."""
        row = self._row(
            "SELECT * FROM treatment_session WHERE device_serial = ? AND state IN ('open', 'interrupted') "
            "AND delivered_pulses < planned_pulses ORDER BY ordinal DESC LIMIT 1",
            (device_serial,),
        )
        return None if row is None else _session(row)


class SessionWrites(SessionReads, AuditWrites):
    """Opening sessions and moving them on; each step is audited."""

    def open_session(
        self,
        session_id: str,
        *,
        device_serial: str,
        operator: str,
        plan: Mapping[str, object],
        plan_sha256: str,
        planned_pulses: int,
        kind: str = "treatment",
        confirmed: Mapping[str, object] | None = None,
        now_us: int,
    ) -> SessionRecord:
        """Record a session as open; a device has one open session at most. `kind` is for the audit.

        `confirmed` is what the operator confirmed for it, as `confirm_session` takes it.
        """
        with self.transaction():
            unfinished = self._row(
                "SELECT id FROM treatment_session WHERE device_serial = ? AND state = 'open'",
                (device_serial,),
            )
            if unfinished is not None:
                raise RecordRefused(
                    f"session {unfinished['id']!r} of device {device_serial} is still open",
                    "resume, finish or abandon it first",
                )
            self._run(
                "INSERT INTO treatment_session "
                "(id, device_serial, operator, plan, plan_sha256, state, planned_pulses, started, "
                "subject, indication) VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?)",
                (
                    session_id,
                    device_serial,
                    operator,
                    canonical_json(plan),
                    plan_sha256,
                    planned_pulses,
                    self._now(),
                    None if (subject := plan.get("subject")) is None else str(subject).upper(),
                    plan.get("indication"),
                ),
            )
            body = {
                "id": session_id,
                "kind": kind,
                "device_serial": device_serial,
                "plan_sha256": plan_sha256,
                "planned_pulses": planned_pulses,
            }
            self.append_audit("session.open", operator, body, now_us=now_us)
            if confirmed is not None:
                self.confirm_session(session_id, confirmed, actor=operator, now_us=now_us)
            return self.session(session_id)

    def confirm_session(
        self, session_id: str, confirmed: Mapping[str, object], *, actor: str, now_us: int
    ) -> None:
        """Record what somebody confirmed in person before a session was begun or gone on with."""
        self.append_audit("session.confirmed", actor, {"id": session_id} | dict(confirmed), now_us=now_us)

    def move_session(self, session_id: str, state: SessionState, *, actor: str, now_us: int) -> SessionRecord:
        """Give a session another state (`SESSION_STEPS`); raise `RecordRefused` where no step leads."""
        with self.transaction():
            before = self.session(session_id)
            if state not in SESSION_STEPS[before.state]:
                raise RecordRefused(
                    f"session {session_id!r} is {before.state.value} and cannot become {state.value}",
                    "open a new session" if not SESSION_STEPS[before.state] else "nothing has to be done",
                )
            self._run(
                "UPDATE treatment_session SET state = ?, ended = ? WHERE id = ?",
                (state.value, None if SESSION_STEPS[state] else self._now(), session_id),
            )
            body = {
                "id": session_id,
                "from": before.state.value,
                "delivered_pulses": before.delivered_pulses,
                "unknown_pulses": before.unknown_pulses,
            }
            self.append_audit(f"session.{state.value}", actor, body, now_us=now_us)
            return self.session(session_id)


def _session(row: sqlite3.Row) -> SessionRecord:
    values = dict(row)
    for ours in ("ordinal", "subject", "indication"):  # of which the record has those that the plan says
        del values[ours]
    values["plan"] = json.loads(values["plan"])
    values["state"] = SessionState(values["state"])
    values["started"] = moment(values["started"])
    values["ended"] = None if values["ended"] is None else moment(values["ended"])
    return SessionRecord(**values)
