"""The audit as JSON lines: one entry to a line, written in one way only, and read back without trust."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path

from controller.store import AuditProof
from controller.store.audit_log import prove
from safety.audit import AuditEntry, Break, BreakKind, Head

_TYPES = dict.fromkeys(AuditEntry.__dataclass_fields__, str) | {"index": int, "mono_us": int}


def line_of(entry: AuditEntry) -> str:
    """The entry as a line, without its end."""
    return json.dumps(asdict(entry), ensure_ascii=True)


def prove_export(file: Path, anchors: Collection[Head] = (), keys: Collection[str] = ()) -> AuditProof:
    """Verify an export. One that does not begin with entry 0 needs the head before it among the `anchors`.

    Every line must be written exactly as the export writes it, so that any changed bit is found. OSError when
    the file cannot be read.
    """
    wrong: list[Break] = []
    entries = _entries(file.read_bytes(), wrong)
    first = next(entries, None)
    after = None
    if first is not None:
        after = next((head for head in anchors if head.index == first.index - 1), None)
        entries = itertools.chain([first], entries)
    known = [head for head in anchors if head is not after]
    proof = prove(entries, known, keys, after=after)
    return replace(proof, breaks=tuple(sorted([*proof.breaks, *wrong], key=attrgetter("position"))))


def _entries(content: bytes, wrong: list[Break]) -> Iterator[AuditEntry]:
    """The entries of the lines that hold one; `wrong` takes a break for each that is not as written."""
    *lines, rest = content.split(b"\n")
    expected = 0
    for position, line in enumerate(_with_rest(lines, rest)):
        entry = _entry(line)
        if entry is None or line_of(entry).encode() != line:
            wrong.append(Break(BreakKind.MISWRITTEN, position, expected, entry))
        if entry is not None:
            expected = entry.index + 1
            yield entry
    if rest:
        wrong.append(Break(BreakKind.MISWRITTEN, len(lines), expected))  # the last line has no end


def _with_rest(lines: Iterable[bytes], rest: bytes) -> Iterator[bytes]:
    yield from lines
    if rest:
        yield rest


def _entry(line: bytes) -> AuditEntry | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, or nested without end
        return None
    if not isinstance(values, dict) or {name: type(value) for name, value in values.items()} != _TYPES:
        return None
    return AuditEntry(**values)
