"""One connection to the database file: opening it safely, the lock, migrations, transactions."""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.store.errors import (
    MAKE_WRITABLE,
    RAISED,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTooNew,
    StoreUnreadable,
    translated,
    translation,
)
from controller.store.permissions import withdraw
from controller.store.records import rfc3339
from controller.store.schema import APPLICATION_ID, MIGRATIONS, OLDEST_SQLITE

BUSY_TIMEOUT_S = 2.0
"""How long a transaction waits for another process. [C] A backup or `user add` holds the write lock for
milliseconds; beyond this something is wrong, and the laser is better stopped than unrecorded."""

MEMORY = ":memory:"


class Database:
    """A connection and its transactions. Not for use by two threads at once.

    `wall_clock` returns the time of day, with a time zone. Every failure is a `StoreError`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        wall_clock: Callable[[], datetime],
        lock: int | None = None,
    ) -> None:
        self._connection = connection
        self._wall_clock = wall_clock
        self._lock = lock
        self.path = path

    def close(self) -> None:
        """Close the connection and give up the lock; closing again does nothing."""
        with translated(self.path):
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def transaction(self) -> "_Transaction":
        """Make what happens inside the block one durable step: on disk when it leaves, undone if it raises.

        Blocks nest; an inner block that raises undoes its own part, and the outermost one reaches the disk.
        """
        return _Transaction(self._connection, self._run)

    def _run(self, sql: str, values: tuple[object, ...] = ()) -> int:
        """Run one statement; return how many rows it touched."""
        # Here and below `translated`, written out: it would cost as much again as the statement.
        try:
            return self._connection.execute(sql, values).rowcount
        except RAISED as error:
            raise translation(error, self.path) from error

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        return list(self._stream(sql, values))

    def _stream(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[sqlite3.Row]:
        """Yield the rows one by one, for answers too large to hold."""
        try:
            yield from self._connection.execute(sql, values)
        except RAISED as error:
            raise translation(error, self.path) from error

    def _row(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """Return the first row, None without any."""
        try:
            row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        except RAISED as error:
            raise translation(error, self.path) from error
        return row

    def _number(self, sql: str, values: tuple[object, ...] = ()) -> int:
        """Return the only value of the only row."""
        ((value,),) = self._rows(sql, values)
        return int(value)

    def _now(self) -> str:
        return rfc3339(self._wall_clock())


class _Transaction:
    """What `Database.transaction` returns: a class, since a generator takes three times as long."""

    __slots__ = ("_connection", "_nested", "_run")

    def __init__(self, connection: sqlite3.Connection, run: Callable[[str], int]) -> None:
        self._connection = connection
        self._run = run

    def __enter__(self) -> None:
        self._nested = self._connection.in_transaction
        self._run("SAVEPOINT step" if self._nested else "BEGIN IMMEDIATE")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self._run("RELEASE step" if self._nested else "COMMIT")
            except BaseException:
                self._undo()
                raise
        else:
            self._undo()

    def _undo(self) -> None:
        # A full disk or an I/O error may have rolled everything back already.
        if self._connection.in_transaction:
            # Savepoints of one name nest: the innermost is meant.
            for statement in ("ROLLBACK TO step", "RELEASE step") if self._nested else ("ROLLBACK",):
                self._run(statement)


def open_for_writing(path: Path, *, exclusive: bool) -> tuple[sqlite3.Connection, int | None]:
    """Return a connection to the database at `path`, made or updated if need be, and the lock if held.

    With `exclusive` nobody else can open it so until it is closed or the process ends. Without, it is opened
    beside its owner; the lock is then held only while the schema changes.
    """
    _require_sqlite()
    with contextlib.ExitStack() as undo:
        # The file holds password hashes; SQLite gives its side files the same permissions.
        os.close(_open_private(path, path))
        for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))):
            withdraw(file, 0o007, "change the passwords if somebody may have read it")
        connection = _connect(str(path))
        undo.callback(connection.close)
        with translated(str(path)):
            out_of_date = _version(connection, str(path)) < len(MIGRATIONS)
        lock = None
        if exclusive or out_of_date:
            lock = _take_lock(path)
            undo.callback(os.close, lock)
        with translated(str(path)):
            _prepare(connection, str(path))
        undo.pop_all()
    if lock is not None and not exclusive:
        os.close(lock)
        lock = None
    return connection, lock


def open_in_memory() -> sqlite3.Connection:
    """Return a connection to a new database that lives as long as it does."""
    _require_sqlite()
    connection = _connect(MEMORY)
    with translated(MEMORY):
        _migrate(connection, 0)
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection to the database at `path` that cannot write, whatever else is open."""
    _require_sqlite()
    if not os.path.isfile(path):  # Path.is_file raises where it may not look.
        raise StoreError(
            "there is no database here that you may see",
            "start the daemon once, or correct [store] path",
            path=str(path),
        )
    connection = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        with translated(str(path)):
            version = _version(connection, str(path))
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"the database has schema {version}, this program reads {len(MIGRATIONS)}",
                    "start the daemon of this version once, which brings it up to date",
                    path=str(path),
                )
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    with translated(target):
        # The writer thread is another than the one that opens; only one uses it at a time.
        connection = sqlite3.connect(
            target, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=uri
        )
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            f"the file system gives journal mode {mode!r} instead of 'wal'",
            "put the database on a local disk; network file systems cannot hold it safely",
            path=path,
        )
    # FULL: a commit has reached the disk when it returns; NORMAL could lose acknowledged pulses at a power
    # cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    _migrate(connection, _version(connection, path))


def _version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema number of a database that is ours or empty."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application, version, objects) != (0, 0, 0):
        raise StoreUnreadable(
            "the file is a database, but not one of picolase", "correct [store] path", path=path
        )
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"the database has schema {version}, this program knows up to {len(MIGRATIONS)}",
            "use the newer version of picolase that wrote it, or restore a backup from before the update",
            path=path,
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN EXCLUSIVE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _take_lock(path: Path) -> int:
    """Hold `<path>.lock` until closed; the kernel lets go of it when the process ends, however it ends."""
    lock = _open_private(path.with_name(path.name + ".lock"), path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreLocked(
            f"another picolase daemon (process {holder}) has this database open",
            "stop that one first, or give this one its own [store] path",
            path=str(path),
        ) from error
    with contextlib.suppress(OSError):  # The number only helps the reader of the message above.
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
    return lock


def _open_private(file: Path, database: Path) -> int:
    """Open or make `file` for writing, readable by its owner only."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(
            f"the folder {file.parent} does not exist",
            "create it, or correct [store] path in the configuration",
            path=str(database),
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(
                "the disk is full", "free space on the disk of the database", path=str(database)
            ) from error
        raise StoreReadOnly(
            f"cannot open {file} for writing [{error.strerror}]",
            MAKE_WRITABLE,
            path=str(database),
        ) from error


def _require_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(
            f"Python brings SQLite {sqlite3.sqlite_version}, which is too old",
            f"use a Python with SQLite {needed} or newer",
        )
