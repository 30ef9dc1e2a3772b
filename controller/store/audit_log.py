"""The audit table: the hash chain of `safety.audit`, on disk and append-only."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from operator import attrgetter

from controller.store.database import Database
from safety.audit import AuditEntry, Break, Head, append, verify

_values = attrgetter(*(field.name for field in fields(AuditEntry)))


class AuditReads(Database):
    """Reading and proving the audit."""

    def audit_entries(self, *, first: int = 0) -> Iterator[AuditEntry]:
        """Yield the entries from number `first` on, in the order of recording."""
        for row in self._stream("SELECT * FROM audit WHERE idx >= ? ORDER BY idx", (first,)):
            yield AuditEntry(*row)

    def audit_head(self) -> Head | None:
        """Return position and hash of the newest entry, to be kept outside of this database."""
        row = self._row("SELECT idx, hash FROM audit ORDER BY idx DESC LIMIT 1")
        return None if row is None else Head(*row)

    def verify_audit(self, expected_head: Head | None = None) -> list[Break]:
        """Return every break of the chain; with a head kept elsewhere also the loss of the newest entries."""
        return verify(self.audit_entries(), expected_head)


class AuditWrites(AuditReads):
    """Adding to the audit."""

    def append_audit(self, kind: str, actor: str, body: Mapping[str, object], *, now_us: int) -> AuditEntry:
        """Record who did what, and return the entry; raise ValueError for a body with NaN or infinity."""
        with self.transaction():
            return self._append_audit(kind, actor, body, now_us=now_us)

    def _append_audit(self, kind: str, actor: str, body: Mapping[str, object], *, now_us: int) -> AuditEntry:
        """Do it within the caller's transaction, without a step of its own: for the path of every pulse."""
        entry = append(
            self.audit_head(),
            wall_time=self._now(),
            mono_us=now_us,
            kind=kind,
            actor=actor,
            body=body,
        )
        self._run("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _values(entry))
        return entry
