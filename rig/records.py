"""The stack's database: outlives the daemons that write it, crashes with them, and fills up on demand."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from controller.store import Reader, Store
from controller.store.database import MEMORY, open_for_reading, open_for_writing, open_in_memory

_DISK_MAX_PAGES: Final = 1_073_741_823  # SQLite's own default


class RigStore(Store):
    """The store as one daemon has it."""

    @classmethod
    def over(
        cls, connection: sqlite3.Connection, path: str, wall_clock: Callable[[], datetime], lock: int | None
    ) -> Self:
        """A store on an open connection."""
        return cls(connection, path, wall_clock, lock)

    def crash(self) -> None:
        """What its daemon still writes goes nowhere, as nothing does after `kill -9`."""
        self._leave()
        self._connection = open_in_memory()

    def close(self) -> None:
        """Close in order."""
        self._leave()

    def fill_disk(self) -> None:
        """The disk is full: SQLite itself refuses to grow the file."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {pages}")

    def free_disk(self) -> None:
        """There is room again."""
        self._connection.execute(f"PRAGMA max_page_count = {_DISK_MAX_PAGES}")

    def _leave(self) -> None:
        if self.path != MEMORY:  # the one in memory belongs to `Records`
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Records:
    """One database, in memory or in the file at `path`, for one daemon after the other."""

    def __init__(self, path: Path | None, wall_clock: Callable[[], datetime]) -> None:
        self.path = MEMORY if path is None else str(path)
        self._wall_clock = wall_clock
        self._memory = open_in_memory() if path is None else None
        self._reader: Reader | None = None

    def open(self) -> RigStore:
        """The store for the next daemon."""
        if self._memory is not None:
            return RigStore.over(self._memory, MEMORY, self._wall_clock, None)
        connection, lock = open_for_writing(Path(self.path), exclusive=True)
        return RigStore.over(connection, self.path, self._wall_clock, lock)

    @property
    def reader(self) -> Reader:
        """The database as anybody may read it, whichever daemon runs or none."""
        if self._reader is None:
            if self._memory is not None:
                self._reader = Reader(self._memory, MEMORY, self._wall_clock)
            else:
                self._reader = Reader(open_for_reading(Path(self.path)), self.path, self._wall_clock)
        return self._reader

    def close(self) -> None:
        """Forget it."""
        if self._memory is not None:
            self._memory.close()
        elif self._reader is not None:
            self._reader.close()
