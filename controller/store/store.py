"""The store: everything the controller must not forget, in one file; and the reader beside it."""

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from controller.store.commands import CommandReads, CommandWrites
from controller.store.courses import CourseReads, CourseWrites
from controller.store.database import (
    MEMORY,
    open_for_reading,
    open_for_writing,
    open_in_memory,
)
from controller.store.errors import StoreError, StoreReadOnly, StoreUnreadable, translated
from controller.store.journal import JournalReads, JournalWrites
from controller.store.openings import OpeningReads
from controller.store.people import PeopleReads, PeopleWrites
from controller.store.pulses import PulseReads, PulseWrites
from safety.audit import BreakKind


class Reads(PeopleReads, JournalReads, OpeningReads, CommandReads, CourseReads, PulseReads):
    """All that can be asked; `Reader` and `Store` both answer it."""

    def check(self) -> list[str]:
        """Return everything that is wrong with the file, the audit chain and the pulses; empty when sound."""
        faults = [f"database: {line}" for (line,) in self._rows("PRAGMA integrity_check") if line != "ok"]
        faults += [
            f"database: broken reference in {row[0]}" for row in self._rows("PRAGMA foreign_key_check")
        ]
        # Whose key signed is for `picolase audit verify` to judge: it has the keys that were kept elsewhere.
        broken = (one for one in self.verify_audit() if one.kind is not BreakKind.UNTRUSTED)
        faults += [f"audit: {one}" for one in broken]
        faults += [f"pulses: {difference}" for difference in self.verify_pulses()]
        faults += [f"courses: {difference}" for difference in self.verify_effects()]
        return faults

    def backup(self, destination: Path) -> None:
        """Copy the database as it is now to a new file, check the copy, and only then give it its name.

        Writers go on meanwhile when this is a `Reader`. The copy is one file, readable by its owner only.
        """
        if destination.exists():
            raise StoreError(
                f"{destination} exists already", "choose another name for the backup", path=self.path
            )
        partial = destination.with_name(destination.name + ".partial")
        try:
            os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
            self._copy_to(partial)
            sync(partial)
            partial.rename(destination)
            sync(destination.parent)
        except OSError as error:
            raise StoreReadOnly(
                f"cannot write {destination} [{error.strerror}]",
                "check that the folder exists, may be written and has room",
                path=self.path,
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def _copy_to(self, partial: Path) -> None:
        with translated(str(partial)):
            copy = sqlite3.connect(partial, isolation_level=None)
            try:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # One file, without side files.
            finally:
                copy.close()
        with Reader.open(partial) as reader:
            if faults := reader.check():
                raise StoreUnreadable(
                    f"the copy is not sound: {'; '.join(faults[:5])}",
                    "the database itself may be damaged: run `picolase audit verify` and keep older backups",
                    path=self.path,
                )


class Reader(Reads):
    """Questions to a database that another connection writes, through a connection that cannot write."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the database at `path`; raise `StoreError` if there is none or its schema is another."""
        return cls(open_for_reading(path), str(path), _no_clock)


class Store(CourseWrites, PulseWrites, CommandWrites, JournalWrites, PeopleWrites, Reads):
    """The one writer. Each operation is one transaction, on disk when it returns; `transaction()` groups.

    `wall_clock` returns the time of day with a time zone. With `outbox` false no messages are kept for a
    broker.
    """

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        wall_clock: Callable[[], datetime],
        outbox: bool = True,
        exclusive: bool = True,
    ) -> Self:
        """Open the database at `path`, making or updating it if need be.

        The daemon opens it `exclusive`: a second one is refused. A tool beside the daemon does not; each of
        its transactions waits for the daemon's.
        """
        connection, lock = open_for_writing(path, exclusive=exclusive)
        store = cls(connection, str(path), wall_clock, lock)
        store.outbox_wanted = outbox
        return store

    @classmethod
    def in_memory(cls, *, wall_clock: Callable[[], datetime], outbox: bool = True) -> Self:
        """Make a store that is forgotten when it is closed, for simulations and tests."""
        store = cls(open_in_memory(), MEMORY, wall_clock)
        store.outbox_wanted = outbox
        return store


def _no_clock() -> datetime:
    raise AssertionError("a reader records nothing")


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
