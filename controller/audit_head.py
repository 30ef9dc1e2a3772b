"""The audit's head in a file beside the database: by it a tail that was cut off is found without more ado.

Each checkpoint writes it, after the entry is on disk: it is never ahead of a database that is whole. Whoever
can change the database can change this file, too: proof against them needs a head kept elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from controller.store import Store
from controller.store.database import MEMORY
from controller.whole_file import write_whole
from safety.audit import Head

_FORM: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class HeadFile:
    """The file beside the database at `database`; none for one in memory."""

    def __init__(self, database: str | Path) -> None:
        path = Path(database)
        self.file = None if str(database) == MEMORY else path.with_name(path.name + ".audit-head")

    def known(self) -> Head | None:
        """What it says; None if there is none, or no head in it."""
        try:
            found = None if self.file is None else _FORM.fullmatch(self.file.read_text("ascii").strip())
        except (OSError, UnicodeDecodeError):
            return None
        return None if found is None else Head(int(found[1]), found[2])

    def missing(self, store: Store) -> Head | None:
        """The head that is known and that the audit no longer has: its end was cut off, or exchanged."""
        head = self.known()
        return None if head is None or store.has_head(head) else head

    def keep(self, head: Head) -> None:
        """Write it whole or not at all; raises StoreError."""
        if self.file is not None:
            write_whole(self.file, f"{head.index}:{head.hash}", 0o644, "the audit's head")
