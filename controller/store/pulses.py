"""Devices and their pulses: every pulse exactly once, and which are missing."""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from controller.store.errors import PulseConflict, RecordRefused
from controller.store.outbox import OutboxReads, OutboxWrites
from controller.store.pulse_row import COLUMNS, row_of, told
from controller.store.records import HOST_FIELDS, DeviceRecord, PulseRange, PulseRecord, SessionState, moment
from controller.store.sessions import SessionReads, SessionWrites
from safety.audit import canonical_json

_INSERT = (
    f"INSERT INTO pulse ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608  # our own names
    "ON CONFLICT (device_serial, pulse_number) DO NOTHING"
)

_AUDIT_KIND = "pulse"


class PulseReads(SessionReads, OutboxReads):
    """Looking up devices and pulses."""

    def device(self, serial: str) -> DeviceRecord | None:
        """Return what is known of a device."""
        row = self._row(
            "SELECT serial, model, firmware, simulated, identity, baseline_pulse FROM device "
            "WHERE serial = ?",
            (serial,),
        )
        if row is None:
            return None
        values = dict(row)
        return DeviceRecord(
            **values | {"simulated": bool(row["simulated"]), "identity": json.loads(row["identity"])}
        )

    def devices(self) -> list[str]:
        """Return the serial numbers of all devices, the one seen last first."""
        return [serial for (serial,) in self._rows("SELECT serial FROM device ORDER BY last_seen DESC")]

    def pulse(self, device_serial: str, pulse_number: int) -> PulseRecord | None:
        """Return one pulse."""
        row = self._row(
            "SELECT * FROM pulse WHERE device_serial = ? AND pulse_number = ?", (device_serial, pulse_number)
        )
        return None if row is None else _pulse(row)

    def has_pulse(self, device_serial: str, pulse_number: int) -> bool:
        """Whether this pulse was recorded."""
        sql = "SELECT 1 FROM pulse WHERE device_serial = ? AND pulse_number = ?"
        return self._row(sql, (device_serial, pulse_number)) is not None

    def pulses(self, device_serial: str, *, after: int = 0, limit: int = 1000) -> list[PulseRecord]:
        """Return the pulses with numbers beyond `after`, in their order."""
        rows = self._rows(
            "SELECT * FROM pulse WHERE device_serial = ? AND pulse_number > ? ORDER BY pulse_number LIMIT ?",
            (device_serial, after, limit),
        )
        return [_pulse(row) for row in rows]

    def pulse_numbers(self, device_serial: str, *, after: int) -> list[int]:
        """Return the recorded numbers beyond `after`, in their order."""
        rows = self._rows(
            "SELECT pulse_number FROM pulse WHERE device_serial = ? AND pulse_number > ? "
            "ORDER BY pulse_number",
            (device_serial, after),
        )
        return [number for (number,) in rows]

    def session_pulses(self, session_id: str) -> Iterator[PulseRecord]:
        """Yield the pulses of a session, in their order."""
        sql = "SELECT * FROM pulse WHERE session_id = ? ORDER BY pulse_number"
        return map(_pulse, self._stream(sql, (session_id,)))

    def count_pulses(self, device_serial: str) -> int:
        """Return how many pulses of the device are recorded, counted one by one."""
        return self._number("SELECT count(*) FROM pulse WHERE device_serial = ?", (device_serial,))

    def total_pulses(self, device_serial: str) -> int:
        """Return the same, without counting again those that are noted as complete."""
        baseline, complete_to = self._complete(device_serial)
        elsewhere = self._number(
            "SELECT (SELECT count(*) FROM pulse WHERE device_serial = ?1 AND pulse_number <= ?2)"
            " + (SELECT count(*) FROM pulse WHERE device_serial = ?1 AND pulse_number > ?3)",
            (device_serial, baseline, complete_to),
        )
        return complete_to - baseline + elsewhere

    def highest_pulse(self, device_serial: str) -> int | None:
        """Return the highest recorded pulse number, None without any."""
        row = self._row("SELECT max(pulse_number) FROM pulse WHERE device_serial = ?", (device_serial,))
        return None if row is None else row[0]

    def missing_pulses(
        self, device_serial: str, *, after: int | None = None, device_counter: int | None = None
    ) -> list[PulseRange]:
        """Return the numbers without a record, up to `device_counter` (None: to the highest recorded).

        Counting starts beyond `after`; None: beyond the device's counter when this database first saw it.
        """
        if after is None:
            device = self.device(device_serial)
            after = device.baseline_pulse if device is not None else 0
        # Each recorded number with its predecessor (`after` for the first); a step of more than one is a gap.
        rows = self._rows(
            "SELECT previous + 1, pulse_number - 1 FROM ("
            " SELECT pulse_number, lag(pulse_number, 1, ?2) OVER (ORDER BY pulse_number) AS previous"
            " FROM pulse WHERE device_serial = ?1 AND pulse_number > ?2) WHERE pulse_number > previous + 1",
            (device_serial, after),
        )
        gaps: list[tuple[int, int]] = [(first, last) for first, last in rows]
        if device_counter is None:
            return [PulseRange(first, last) for first, last in gaps]
        gaps.append((max(self.highest_pulse(device_serial) or 0, after) + 1, device_counter))
        return [
            PulseRange(first, min(last, device_counter)) for first, last in gaps if first <= device_counter
        ]

    def _complete(self, device_serial: str) -> tuple[int, int]:
        """The baseline of a device, and the number up to which all beyond it are noted as recorded."""
        row = self._row("SELECT baseline_pulse, complete_to FROM device WHERE serial = ?", (device_serial,))
        return (
            (0, 0) if row is None else (row["baseline_pulse"], max(row["baseline_pulse"], row["complete_to"]))
        )

    def verify_pulses(self) -> list[str]:
        """Return every difference between the pulse table and the audit's entries about pulses."""
        differences = []
        audited = without_record = 0
        for (body,) in self._stream("SELECT body FROM audit WHERE kind = ? ORDER BY idx", (_AUDIT_KIND,)):
            audited += 1
            audit = json.loads(body)
            serial, number = audit["device_serial"], audit["pulse_number"]
            kept = self.pulse(serial, number)
            if kept is None:
                without_record += 1
                differences.append(f"pulse {number} of device {serial} is in the audit but has no record")
            elif told(row_of(kept)) != body:
                differences.append(
                    f"pulse {number} of device {serial} is recorded otherwise than in the audit"
                )
        noted = self._rows("SELECT serial, complete_to FROM device WHERE complete_to > baseline_pulse")
        for serial, complete_to in noted:
            differences += [
                f"pulses {gap.first} to {gap.last} of device {serial} have no record, although it was noted "
                f"that none is missing up to {complete_to}"
                for gap in self.missing_pulses(serial, device_counter=complete_to)
            ]
        unaudited = self._number("SELECT count(*) FROM pulse") - (audited - without_record)
        if unaudited > 0:
            differences.append(f"{unaudited} pulses have a record but no entry in the audit")
        if unaudited < 0:
            differences.append(f"{-unaudited} entries of the audit are about a pulse it has told of before")
        return differences


class PulseWrites(PulseReads, SessionWrites, OutboxWrites):
    """Recording devices and pulses."""

    def save_device(self, device: DeviceRecord) -> DeviceRecord:
        """Record a device as it describes itself now, and return it; its first baseline stands."""
        with self.transaction():
            now = self._now()
            self._run(
                "INSERT INTO device (serial, model, firmware, simulated, identity, baseline_pulse, "
                "first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (serial) DO UPDATE SET "
                "model = excluded.model, firmware = excluded.firmware, simulated = excluded.simulated, "
                "identity = excluded.identity, last_seen = excluded.last_seen",
                (
                    device.serial,
                    device.model,
                    device.firmware,
                    int(device.simulated),
                    canonical_json(device.identity),
                    device.baseline_pulse,
                    now,
                    now,
                ),
            )
            kept = self.device(device.serial)
        return kept or device

    def mark_complete(self, device_serial: str) -> int:
        """Return up to which number no pulse of the device lacks a record, counted from its baseline.

        It is noted in the same step, so that what was looked at once is not looked at again. Of a device
        that is not recorded nothing is noted.
        """
        with self.transaction():
            _, complete_to = self._complete(device_serial)
            if self.has_pulse(device_serial, complete_to + 1):
                complete_to = self._number(  # the next, one after the other, that has no successor
                    "SELECT pulse_number FROM pulse AS this WHERE device_serial = ?1 AND pulse_number > ?2 "
                    "AND NOT EXISTS (SELECT 1 FROM pulse WHERE device_serial = ?1 "
                    "AND pulse_number = this.pulse_number + 1) ORDER BY pulse_number LIMIT 1",
                    (device_serial, complete_to),
                )
            self._run("UPDATE device SET complete_to = ? WHERE serial = ?", (complete_to, device_serial))
        return complete_to

    def record_pulses(self, pulses: Sequence[PulseRecord]) -> int:
        """Record pulses with audit entries, messages and session progress; return how many are new.

        All of them or none. A number that is recorded already with the same content is passed over; with
        other content `PulseConflict` is raised. When this returns they are on disk and may be acknowledged.
        """
        with self.transaction():
            return sum(self.record_pulse(pulse) for pulse in pulses)

    def record_pulse(self, pulse: PulseRecord) -> bool:
        """The same for one, within the caller's transaction and without a step of its own; whether it is new.

        What raises here must end that transaction.
        """
        row = row_of(pulse)
        try:
            new = self._run(_INSERT, row)
        except RecordRefused as error:
            raise RecordRefused(
                f"pulse {pulse.pulse_number} names device {pulse.device_serial!r} and session "
                f"{pulse.session_id!r}, and one of them is not recorded",
                "save the device and open the session before recording their pulses",
                path=self.path,
            ) from error
        kept = None if new else self.pulse(pulse.device_serial, pulse.pulse_number)
        if kept is not None:
            if differing := _differing(kept, pulse):
                raise PulseConflict(pulse.device_serial, pulse.pulse_number, differing)
            return False
        given = pulse.session_id is not None and self._count_in_session(pulse, pulse.session_id)
        body_json = told(row)
        self._append_audit(_AUDIT_KIND, f"device:{pulse.device_serial}", body_json, now_us=pulse.mono_us)
        self._outbox_put("pulse", body_json)
        if given and pulse.session_id is not None:
            self.move_session(pulse.session_id, SessionState.DONE, actor="daemon", now_us=pulse.mono_us)
        return True

    def _count_in_session(self, pulse: PulseRecord, session_id: str) -> bool:
        """Count it; whether it was the last one of a session whose trip was recorded before it."""
        counted = self._row(
            "UPDATE treatment_session SET delivered_pulses = delivered_pulses + ?, "
            "unknown_pulses = unknown_pulses + ?, energy_mj = energy_mj + ?, dose_j_cm2 = dose_j_cm2 + ? "
            "WHERE id = ? AND device_serial = ? "
            "RETURNING state = 'interrupted' AND delivered_pulses >= planned_pulses",
            (
                int(pulse.delivered),
                int(pulse.unknown),
                pulse.delivered_energy_mj,
                pulse.fluence_j_cm2 if pulse.delivered else 0.0,
                session_id,
                pulse.device_serial,
            ),
        )
        if counted is None:
            raise RecordRefused(
                f"session {session_id!r} is not one of device {pulse.device_serial}",
                "record the pulse under a session of its own device, or under none",
                path=self.path,
            )
        return bool(counted[0])


def _differing(kept: PulseRecord, new: PulseRecord) -> dict[str, tuple[object, object]]:
    pairs = {name: (getattr(kept, name), getattr(new, name)) for name in COLUMNS if name not in HOST_FIELDS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _pulse(row: sqlite3.Row) -> PulseRecord:
    values = dict(row)
    return PulseRecord(
        **values
        | {
            "flags": frozenset(filter(None, values["flags"].split(","))),
            "aperture": bool(values["aperture"]),
            "unknown": bool(values["unknown"]),
            "wall_time": moment(values["wall_time"]),
        }
    )
