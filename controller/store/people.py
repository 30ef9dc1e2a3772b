"""The people who may log in: role, password hash, failed attempts, training."""

import sqlite3
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from controller.store.audit_log import AuditWrites
from controller.store.database import Database
from controller.store.errors import RecordRefused
from controller.store.records import OperatorRecord, Role, moment, rfc3339

_PEOPLE = """
SELECT operator.*, wavelength_nm, expires FROM operator LEFT JOIN training ON training.operator = name
"""


class PeopleReads(Database):
    """Looking up operators."""

    def operator(self, name: str) -> OperatorRecord | None:
        """Return an operator, also one who was deactivated."""
        rows = self._rows(f"{_PEOPLE} WHERE name = ?", (name,))
        return _operator(rows) if rows else None

    def operators(self) -> list[OperatorRecord]:
        """Return all operators by name."""
        rows = self._rows(f"{_PEOPLE} ORDER BY name")
        return [_operator(list(own)) for _, own in groupby(rows, itemgetter("name"))]


class PeopleWrites(PeopleReads, AuditWrites):
    """Changing operators; each change is audited, never with the hash. `actor` is who makes it."""

    def insert_operator(self, name: str, role: Role, password_hash: str, *, actor: str, now_us: int) -> None:
        """Record a new operator; use `controller.operators.add_operator`, which checks name and password."""
        with self.transaction():
            if self.operator(name) is not None:
                raise RecordRefused(f"there is an operator {name!r} already", "choose another name")
            self._run(
                "INSERT INTO operator (name, role, password_hash, created) VALUES (?, ?, ?, ?)",
                (name, role.value, password_hash, self._now()),
            )
            self.append_audit("operator.add", actor, {"name": name, "role": role.value}, now_us=now_us)

    def update_password(self, name: str, password_hash: str, *, actor: str, now_us: int) -> None:
        """Give an operator another password hash and forget failed attempts."""
        with self.transaction():
            self._must_exist(name)
            self._run(
                "UPDATE operator SET password_hash = ?, failed_logins = 0 WHERE name = ?",
                (password_hash, name),
            )
            self.append_audit("operator.password", actor, {"name": name}, now_us=now_us)

    def deactivate_operator(self, name: str, *, actor: str, now_us: int) -> None:
        """Bar an operator from logging in; the name stays in the records and is not given again."""
        with self.transaction():
            self._must_exist(name)
            self._run("UPDATE operator SET active = 0 WHERE name = ?", (name,))
            self.append_audit("operator.deactivate", actor, {"name": name}, now_us=now_us)

    def reactivate_operator(self, name: str, *, actor: str, now_us: int) -> None:
        """Let an operator who was barred log in again."""
        with self.transaction():
            self._must_exist(name)
            self._run("UPDATE operator SET active = 1 WHERE name = ?", (name,))
            self.append_audit("operator.reactivate", actor, {"name": name}, now_us=now_us)

    def unlock_operator(self, name: str, *, actor: str, now_us: int) -> None:
        """Forget an operator's failed attempts, and with them a lock-out."""
        with self.transaction():
            self._must_exist(name)
            self._run("UPDATE operator SET failed_logins = 0 WHERE name = ?", (name,))
            self.append_audit("operator.unlock", actor, {"name": name}, now_us=now_us)

    def record_training(
        self, name: str, wavelength_nm: int, expires: datetime, *, actor: str, now_us: int
    ) -> None:
        """Record until when an operator is trained for a wavelength; the newest record of it stands."""
        with self.transaction():
            self._must_exist(name)
            self._run(
                "INSERT INTO training VALUES (?, ?, ?) "
                "ON CONFLICT (operator, wavelength_nm) DO UPDATE SET expires = excluded.expires",
                (name, wavelength_nm, rfc3339(expires)),
            )
            told = {"name": name, "wavelength_nm": wavelength_nm, "expires": rfc3339(expires)}
            self.append_audit("operator.training", actor, told, now_us=now_us)

    def note_login(
        self, name: str, *, accepted: bool, failed_logins: int, now_us: int, purpose: str = "login"
    ) -> None:
        """Record that somebody gave a password, what for, and how many failed since the last good one."""
        with self.transaction():
            self._run("UPDATE operator SET failed_logins = ? WHERE name = ?", (failed_logins, name))
            kind = purpose if accepted else f"{purpose}.failed"
            self.append_audit(kind, name, {"failed_logins": failed_logins}, now_us=now_us)

    def _must_exist(self, name: str) -> None:
        if self.operator(name) is None:
            raise RecordRefused(f"there is no operator {name!r}", "check the name; nothing was changed")


def _operator(rows: list[sqlite3.Row]) -> OperatorRecord:
    """An operator from their rows, one for each training and one without any."""
    row = rows[0]
    return OperatorRecord(
        name=row["name"],
        role=Role(row["role"]),
        password_hash=row["password_hash"],
        active=bool(row["active"]),
        failed_logins=row["failed_logins"],
        created=moment(row["created"]),
        training={each["wavelength_nm"]: moment(each["expires"]) for each in rows if each["expires"]},
    )
