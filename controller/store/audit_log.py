"""The audit table: the hash chain of `safety.audit`, on disk and append-only, and its signed checkpoints."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from controller.store.database import Database
from controller.store.errors import StoreError
from safety.audit import AuditEntry, Break, BreakKind, Head, append, canonical_json, holds, verify
from safety.checkpoints import BEFORE_THE_FIRST, CHECKPOINT, Proof, Signer, check

_values = attrgetter(*(field.name for field in fields(AuditEntry)))


@dataclass(frozen=True, slots=True)
class AuditProof:
    """What a verification found; `breaks` are in the order of their places, none when the audit is whole.

    `file` are faults of the database file itself. A trusted signature with `key` vouches for the entries up
    to number `sealed`, -1 when there is none.
    """

    entries: int
    head: Head | None
    breaks: tuple[Break, ...]
    file: tuple[str, ...]
    checkpoints: int
    key: str
    sealed: int


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

    def has_head(self, head: Head) -> bool:
        """Whether there is an entry of this number, with this hash."""
        row = self._row("SELECT hash FROM audit WHERE idx = ?", (head.index,))
        return row is not None and row["hash"] == head.hash

    def last_checkpoint(self) -> AuditEntry | None:
        """Return the newest entry that is a checkpoint."""
        row = self._row("SELECT * FROM audit WHERE kind = ? ORDER BY idx DESC LIMIT 1", (CHECKPOINT,))
        return None if row is None else AuditEntry(*row)

    @property
    def signed(self) -> bool:
        """Whether there is a checkpoint, as far as the file can be read."""
        try:
            return self.last_checkpoint() is not None
        except StoreError:
            return False

    def verify_audit(self, expected_head: Head | None = None) -> list[Break]:
        """Return every break of chain and checkpoints; with a head kept elsewhere also a tail cut off."""
        anchors = () if expected_head is None else (expected_head,)
        return list(self.prove_audit(anchors).breaks)

    def prove_audit(self, anchors: Iterable[Head] = (), keys: Collection[str] = ()) -> AuditProof:
        """Verify the chain against heads and public keys kept elsewhere, and the file that holds it.

        Whatever was done to the file, it is read as far as can be, and the place where that ends is told.
        """
        reading = _Reading()
        proof = prove(reading.over(self._all()), anchors, keys)
        if reading.fault is None:
            return replace(proof, file=self._file_faults(None))
        index = 0 if reading.last is None else reading.last.index + 1
        ended = Break(BreakKind.UNREADABLE, proof.entries, index)
        return replace(proof, breaks=_sorted([*proof.breaks, ended]), file=self._file_faults(reading.fault))

    def _all(self) -> Iterator[AuditEntry]:
        """Every row as it lies in the file: no search by number, which a damaged one could mislead."""
        # What is no UTF-8 becomes text that no hash fits, instead of an error that hides the rows behind it.
        with self._as_it_is():
            for row in self._stream("SELECT * FROM audit NOT INDEXED"):
                yield AuditEntry(*row)

    @contextmanager
    def _as_it_is(self) -> Iterator[None]:
        before = self._connection.text_factory
        self._connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        try:
            yield
        finally:
            self._connection.text_factory = before

    def _file_faults(self, fault: StoreError | None) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the table."""
        faults = [] if fault is None else [str(fault)]
        try:
            with self._as_it_is():
                rows = self._rows("PRAGMA integrity_check('audit')")
        except StoreError as error:
            return (*faults, str(error))
        return (*faults, *(row[0] for row in rows if row[0] != "ok"))


class _Reading:
    """Passes entries on, and remembers the last and what ended them."""

    def __init__(self) -> None:
        self.last: AuditEntry | None = None
        self.fault: StoreError | None = None

    def over(self, entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
        """The entries up to the first that cannot be read."""
        try:
            for entry in entries:
                self.last = entry
                yield entry
        except StoreError as error:
            self.fault = error


def prove(
    entries: Iterable[AuditEntry],
    anchors: Iterable[Head],
    keys: Collection[str],
    *,
    after: Head | None = None,
) -> AuditProof:
    """Verify chain and checkpoints of entries from anywhere; `after` is the head before the first of them."""
    count, last = 0, None

    def counted() -> Iterator[AuditEntry]:
        nonlocal count, last
        for entry in entries:
            count, last = count + 1, entry
            yield entry

    proofs: list[Proof] = []
    breaks = verify(check(counted(), keys, on_proof=proofs.append), anchors=anchors, after=after)
    (proof,) = proofs
    return AuditProof(
        entries=count,
        head=Head(last.index, last.hash) if last is not None and holds(last) else None,
        breaks=_sorted([*breaks, *proof.breaks]),
        file=(),
        checkpoints=proof.checkpoints,
        key=proof.key,
        sealed=proof.sealed,
    )


def _sorted(breaks: Iterable[Break]) -> tuple[Break, ...]:
    return tuple(sorted(breaks, key=attrgetter("position")))


class AuditWrites(AuditReads):
    """Adding to the audit."""

    def append_audit(self, kind: str, actor: str, body: Mapping[str, object], *, now_us: int) -> AuditEntry:
        """Record who did what, and return the entry; raise ValueError for a body with NaN or infinity."""
        with self.transaction():
            return self._append_audit(kind, actor, canonical_json(body), now_us=now_us)

    def append_checkpoint(
        self, signer: Signer, device: str, *, actor: str, now_us: int, next_key: str = ""
    ) -> AuditEntry:
        """Sign the head and record that; `next_key` names the public key that signs from then on."""
        with self.transaction():
            head = self.audit_head() or BEFORE_THE_FIRST
            body = signer.checkpoint(head, self._now(), device, next_key=next_key)
            return self._append_audit(CHECKPOINT, actor, canonical_json(body), now_us=now_us)

    def checkpoint_key(self) -> str:
        """The public key that is to sign next by the word of the last checkpoint; empty without any."""
        last = self.last_checkpoint()
        try:
            body = {} if last is None else json.loads(last.body)
            return str(body.get("next_key") or body.get("key", ""))
        except (
            ValueError,
            AttributeError,
            RecursionError,
        ):  # tampered with: `picolase audit verify` says so, not the start
            return ""

    def _append_audit(self, kind: str, actor: str, body_json: str, *, now_us: int) -> AuditEntry:
        """Do it within the caller's transaction, without a step of its own: for the path of every pulse."""
        entry = append(
            self.audit_head(),
            wall_time=self._now(),
            mono_us=now_us,
            kind=kind,
            actor=actor,
            body_json=body_json,
        )
        self._run("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _values(entry))
        return entry
