"""Answers out of the records that take a while: run as a process of its own, so that the daemon never waits.

`python -m controller.web.reading DATABASE session|page|incident ID` prints the answer. Status 0: done; 4:
there is no such record; 5: the records cannot be read, or the page cannot be drawn. Then standard error says
why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from controller.audit_keys import AuditKeys
from controller.incident import explain
from controller.session_report import SessionReport, session_report
from controller.session_report_page import MissingError, html
from controller.store import Reader, RecordRefused, StoreError, rfc3339

ABSENT: Final = 4
UNREADABLE: Final = 5
NICENESS: Final = 10  # [C] what a person waits for yields to what a laser waits for


def session(database: Path, known_as: str) -> bytes:
    """A session with all its pulses, what happened and whether its proof holds, as JSON."""
    return to_json(_report(database, known_as).plain(), inf_nan_mode="null")


def page(database: Path, known_as: str) -> bytes:
    """The same as a page to print; raises MissingError where what draws it is not installed."""
    return html(_report(database, known_as), datetime.now(UTC)).encode()


def incident(database: Path, known_as: str) -> bytes:
    """The black box of a trip, explained, as JSON."""
    with Reader.open(database) as reader:
        kept = reader.incident(known_as)
    facts = {"id": kept.id, "time": rfc3339(kept.wall_time), "first_cause": kept.first_cause}
    return to_json(facts | {"story": explain(kept.body or {}).plain()}, inf_nan_mode="null")


QUESTIONS: Final[Mapping[str, Callable[[Path, str], bytes]]] = {
    "session": session,
    "page": page,
    "incident": incident,
}


def _report(database: Path, known_as: str) -> SessionReport:
    with Reader.open(database) as reader:
        known = AuditKeys(database).known()
        keys = frozenset([known]) if known and reader.signed else frozenset[str]()
        return session_report(reader, known_as, keys)


def main(arguments: Sequence[str]) -> int:
    """Print the answer; returns the exit status."""
    database, question, known_as = arguments
    os.nice(NICENESS)
    try:
        answer = QUESTIONS[question](Path(database), known_as)
    except RecordRefused as error:
        sys.stderr.write(str(error))
        return ABSENT
    except (StoreError, MissingError) as error:
        sys.stderr.write(str(error))
        return UNREADABLE
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
