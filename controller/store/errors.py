"""What can go wrong with the store, each with what the person in front of it can do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

MAKE_WRITABLE = (
    "check owner and permissions of the file and of its folder, and that the disk is mounted for writing"
)


class StoreError(Exception):
    """The store could not do what was asked; nothing of it was done.

    `problem` says what is wrong, `action` what to do about it, `path` which database it is.
    """

    def __init__(self, problem: str, action: str, *, path: str = "") -> None:
        super().__init__(problem, action)
        self.problem = problem
        self.action = action
        self.path = path

    def __str__(self) -> str:
        where = f" ({self.path})" if self.path else ""
        return f"{self.problem}{where}: {self.action}"


class StoreLocked(StoreError):
    """Another process holds the database."""


class StoreFull(StoreError):
    """There is no room left to write."""


class StoreReadOnly(StoreError):
    """The database or its folder cannot be written, or was opened for reading."""


class StoreUnreadable(StoreError):
    """The file is damaged, or is not a picolase database."""


class StoreTooNew(StoreError):
    """A newer version of the program wrote the database."""


class RecordRefused(StoreError):
    """What was handed over contradicts its own rules or what is already recorded."""


class PulseConflict(RecordRefused):
    """A pulse number came again with other content; the first record stands.

    `differing` names the fields, with the recorded and the new value of each.
    """

    def __init__(
        self,
        device_serial: str,
        pulse_number: int,
        differing: dict[str, tuple[object, object]],
    ) -> None:
        changes = ", ".join(f"{name} {old!r} -> {new!r}" for name, (old, new) in differing.items())
        super().__init__(
            f"pulse {pulse_number} of device {device_serial} is recorded with other content: {changes}",
            "stop treating with this device, whose counter or memory cannot be trusted, and call service; "
            "the first record stands",
        )
        self.device_serial = device_serial
        self.pulse_number = pulse_number
        self.differing = differing


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn what sqlite3 raises inside the block into a `StoreError`."""
    try:
        yield
    except RAISED as error:
        raise translation(error, path) from error


RAISED = (sqlite3.Error, OverflowError, UnicodeEncodeError)
"""What the sqlite3 module raises: its own errors, and those of values it cannot pass on."""


def translation(error: Exception, path: str) -> StoreError:
    """Return the `StoreError` for one of `RAISED`."""
    if not isinstance(error, sqlite3.Error):
        return RecordRefused(
            f"a value cannot be stored [{error}]",
            "numbers must fit in signed 64 bits, text must be valid Unicode; nothing was written",
            path=path,
        )
    # The low byte is the primary result code; the rest only refines it.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind, problem, action = _BY_CODE.get(
        code, (StoreError, "the database refused", "see the message; if it returns, restore the last backup")
    )
    return kind(f"{problem} [{error}]", action, path=path)


_BY_CODE: dict[int, tuple[type[StoreError], str, str]] = {
    **{
        code: (
            StoreLocked,
            "the database is locked by another process",
            "close the program that has it open (another picolase, a database browser), then try again",
        )
        for code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    },
    sqlite3.SQLITE_FULL: (
        StoreFull,
        "the disk is full",
        "free space on the disk of the database; no pulse is acknowledged until it can be recorded",
    ),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "the disk failed to read or write",
        "check the disk, its free space and its mount; do not treat until the records can be kept",
    ),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "the database cannot be written", MAKE_WRITABLE),
    **{
        code: (StoreReadOnly, "the database cannot be opened", MAKE_WRITABLE)
        for code in (sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)
    },
    **{
        code: (
            StoreUnreadable,
            "the file is not a sound database",
            "do not write to it; keep a copy of it and restore the last backup",
        )
        for code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
    },
    **{
        code: (
            RecordRefused,
            "the record contradicts the rules of the database",
            "nothing was written; the message names the rule",
        )
        for code in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG)
    },
}
