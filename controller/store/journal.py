"""What happened around the pulses: events, calibrations, and the black box of each trip."""

import json
import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import astuple
from datetime import timedelta

from controller.store.audit_log import AuditWrites
from controller.store.database import Database
from controller.store.errors import RecordRefused
from controller.store.openings import IS_PROOF
from controller.store.outbox import OutboxWrites
from controller.store.records import (
    CalibrationPoint,
    CalibrationRecord,
    EventKind,
    EventRecord,
    IncidentRecord,
    Pruned,
    Severity,
    moment,
    rfc3339,
)
from safety.audit import canonical_json

AUDITED_EVENTS = frozenset(EventKind) - {EventKind.LINK, EventKind.SYSTEM, EventKind.SESSION}
"""REQ-042 wants these in the audit. Sessions have their own entries; link and system events would fill it."""

KEPT_EVENTS = 1000
KEPT_INCIDENTS = 20
"""The newest rows that retention leaves whatever their age, so that a clock set far ahead cannot empty the
journal. [C] About a week of events and half a year of trips."""

_PRUNED_AT_ONCE = 10_000
"""[C] Keeps one transaction, during which no pulse can be recorded, to some tens of milliseconds."""


class JournalReads(Database):
    """Looking up events, calibrations and incidents."""

    def events(self, *, limit: int = 100, before_id: int | None = None) -> list[EventRecord]:
        """Return the newest events, newest first; to page back, pass the last id as `before_id`."""
        rows = self._rows(
            "SELECT * FROM event WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2", (before_id, limit)
        )
        return [_event(row) for row in rows]

    def calibrations(self, device_serial: str, *, limit: int = 100) -> list[CalibrationRecord]:
        """Return the newest calibrations of a device, newest first."""
        rows = self._rows(
            "SELECT * FROM calibration WHERE device_serial = ? ORDER BY id DESC LIMIT ?",
            (device_serial, limit),
        )
        return [_calibration(row) for row in rows]

    def latest_calibration(self, device_serial: str, wavelength_nm: int) -> CalibrationRecord | None:
        """Return the newest calibration of this wavelength, expired or not."""
        row = self._row(
            "SELECT * FROM calibration WHERE device_serial = ? AND wavelength_nm = ? "
            "ORDER BY id DESC LIMIT 1",
            (device_serial, wavelength_nm),
        )
        return None if row is None else _calibration(row)

    def incidents(self, *, limit: int = 100) -> list[IncidentRecord]:
        """Return the newest incidents without their bodies, newest first."""
        rows = self._rows(
            "SELECT id, wall_time, mono_us, first_cause FROM incident ORDER BY ordinal DESC LIMIT ?", (limit,)
        )
        return [
            IncidentRecord(row["id"], moment(row["wall_time"]), row["mono_us"], row["first_cause"], None)
            for row in rows
        ]

    def incident(self, incident_id: str) -> IncidentRecord:
        """Return an incident with its body; raise `RecordRefused` if there is none of this id."""
        row = self._row("SELECT * FROM incident WHERE id = ?", (incident_id,))
        if row is None:
            raise RecordRefused(
                f"there is no incident {incident_id!r}", "`incidents()` lists them; old ones are removed"
            )
        body = json.loads(zlib.decompress(row["body"]))
        return IncidentRecord(row["id"], moment(row["wall_time"]), row["mono_us"], row["first_cause"], body)


class JournalWrites(JournalReads, AuditWrites, OutboxWrites):
    """Recording events, calibrations and incidents, and removing old ones."""

    def record_event(
        self,
        kind: EventKind,
        severity: Severity,
        text: str,
        body: Mapping[str, object] | None = None,
        *,
        actor: str,
        now_us: int,
    ) -> int:
        """Record an event and its message, and audit it if it is one of `AUDITED_EVENTS`; return its id."""
        facts = dict(body or {})
        with self.transaction():
            now = self._now()
            event_id = self._number(
                "INSERT INTO event (wall_time, mono_us, kind, severity, actor, text, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (now, now_us, kind.value, severity.value, actor, text, canonical_json(facts)),
            )
            told = facts | {"kind": kind.value, "severity": severity.value, "text": text}
            self.outbox_put(
                "event", told | {"id": event_id, "actor": actor, "wall_time": now, "mono_us": now_us}
            )
            if kind in AUDITED_EVENTS:
                self.append_audit(f"event.{kind.value}", actor, told, now_us=now_us)
        return event_id

    def save_calibration(self, calibration: CalibrationRecord, *, now_us: int) -> None:
        """Record a calibration; earlier ones stay."""
        told = {
            "device_serial": calibration.device_serial,
            "wavelength_nm": calibration.wavelength_nm,
            "points": [astuple(point) for point in calibration.points],
            "calibrated": rfc3339(calibration.calibrated),
            "expires": rfc3339(calibration.expires),
            "device_boot": calibration.device_boot,
            "device_time_us": calibration.device_time_us,
        }
        with self.transaction():
            self._run(
                "INSERT INTO calibration "
                "(device_serial, wavelength_nm, operator, points, calibrated, expires, device_boot, "
                "device_time_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    calibration.device_serial,
                    calibration.wavelength_nm,
                    calibration.operator,
                    canonical_json(told["points"]),
                    told["calibrated"],
                    told["expires"],
                    calibration.device_boot,
                    calibration.device_time_us,
                ),
            )
            self.append_audit("calibration", calibration.operator, told, now_us=now_us)

    def save_incident(
        self, incident_id: str, first_cause: str, body: Mapping[str, object], *, now_us: int
    ) -> None:
        """Record the black box of a trip."""
        packed = zlib.compress(canonical_json(body).encode("ascii"))
        with self.transaction():
            self._run(
                "INSERT INTO incident (id, wall_time, mono_us, first_cause, body) VALUES (?, ?, ?, ?, ?)",
                (incident_id, self._now(), now_us, first_cause, packed),
            )
            self.append_audit("incident", "system", {"id": incident_id, "cause": first_cause}, now_us=now_us)

    def prune(self, older_than: timedelta, *, now_us: int) -> Pruned:
        """Remove events, incidents and unsent messages older than that, and nothing else; audit how many.

        What proves an interlock stays: it may be looked for longer. One call removes a bounded number: repeat
        until it returns none.
        """
        limit_time = rfc3339(self._wall_clock() - older_than)
        with self.transaction():
            pruned = Pruned(
                events=self._run(
                    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE wall_time < ? "  # noqa: S608  # ours
                    f"AND id <= (SELECT max(id) FROM event) - ? AND NOT {IS_PROOF} ORDER BY id LIMIT ?)",
                    (limit_time, KEPT_EVENTS, _PRUNED_AT_ONCE),
                ),
                incidents=self._run(
                    "DELETE FROM incident WHERE ordinal IN (SELECT ordinal FROM incident WHERE wall_time < ? "
                    "AND ordinal <= (SELECT max(ordinal) FROM incident) - ? ORDER BY ordinal LIMIT ?)",
                    (limit_time, KEPT_INCIDENTS, _PRUNED_AT_ONCE),
                ),
                outbox=self._run(
                    "DELETE FROM outbox WHERE id IN "
                    "(SELECT id FROM outbox WHERE created < ? ORDER BY id LIMIT ?)",
                    (limit_time, _PRUNED_AT_ONCE),
                ),
            )
            if pruned != Pruned(0, 0, 0):
                removed = {"events": pruned.events, "incidents": pruned.incidents, "outbox": pruned.outbox}
                self.append_audit("retention", "system", removed | {"before": limit_time}, now_us=now_us)
        return pruned


def _event(row: sqlite3.Row) -> EventRecord:
    values = dict(row)
    return EventRecord(
        **values
        | {
            "wall_time": moment(row["wall_time"]),
            "kind": EventKind(row["kind"]),
            "severity": Severity(row["severity"]),
            "body": json.loads(row["body"]),
        }
    )


def _calibration(row: sqlite3.Row) -> CalibrationRecord:
    return CalibrationRecord(
        row["device_serial"],
        row["wavelength_nm"],
        row["operator"],
        tuple(CalibrationPoint(*point) for point in json.loads(row["points"])),
        moment(row["calibrated"]),
        moment(row["expires"]),
        row["device_boot"],
        row["device_time_us"],
    )
