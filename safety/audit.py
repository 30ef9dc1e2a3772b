"""The audit chain: how entries are linked, and how any change to them is found.

Theory of operation. Every entry carries the SHA-256 of its own content, and that content includes the hash of
the entry before it. So a changed byte breaks the entry's own hash, and a removed, inserted or moved entry
breaks the link to its neighbour. What a chain cannot see by itself is the loss of its tail: for that, compare
with a `Head` that was kept elsewhere (a backup, a printed report, a retained message).
"""

import enum
import hashlib
import json
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from protocols.frozen import quick

# [C] Stands first in what is hashed, so that no other SHA-256 of this project can be mistaken for a link of
# the chain; the number changes when the encoding below does.
_DOMAIN = b"picolase-audit-1\n"

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

quoted = json.encoder.encode_basestring_ascii
"""What `canonical_json` makes of a string."""

GENESIS_HASH = "0" * 64
"""What the first entry names as its predecessor."""


@quick
@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link: what happened, when by both clocks, who did it, and the hash of the entry before it."""

    index: int
    prev_hash: str
    wall_time: str
    mono_us: int
    kind: str
    actor: str
    body: str
    hash: str


@quick
@dataclass(frozen=True, slots=True)
class Head:
    """The position and hash of the last entry at some moment: what to keep elsewhere."""

    index: int
    hash: str


class BreakKind(enum.Enum):
    """What is wrong at a place in the chain."""

    ALTERED = "the entry's content does not match its own hash"
    UNLINKED = "the entry does not follow from the entry before it"
    MISNUMBERED = "the entry's number does not follow from the entry before it"
    CUT_OFF = "the chain ends before the expected head"
    REPLACED = "the entry at the expected head is another one"
    UNREADABLE = "the file cannot be read from here on"
    MISWRITTEN = "the line is not as an export writes it"
    NO_CHECKPOINT = "the entry claims to be a checkpoint and is none"
    MISPLACED = "the checkpoint was signed for another place in the chain"
    FORGED = "the checkpoint's signature is not that of its key"
    UNTRUSTED = "the checkpoint's key is neither an expected one nor was it named by one"
    UNSIGNED = "no checkpoint is signed with an expected key"


@dataclass(frozen=True, slots=True)
class Break:
    """A fault in the chain: `position` counts entries as read, from 0; `index` is the number one claims.

    `entry` is the one found there, None where there is none.
    """

    kind: BreakKind
    position: int
    index: int
    entry: AuditEntry | None = field(default=None, compare=False)

    def __str__(self) -> str:
        found = "" if self.entry is None else f", {self.entry.kind} of {self.entry.wall_time}"
        where = f"entry {self.index} (at position {self.position}{found}): {self.kind.value}"
        return where.encode(errors="backslashreplace").decode()  # it may hold what is no text


def append(
    previous: AuditEntry | Head | None,
    *,
    wall_time: str,
    mono_us: int,
    kind: str,
    actor: str,
    body_json: str,
) -> AuditEntry:
    """Return the entry after `previous` (None: the first); `body_json` is as `canonical_json` makes it."""
    index, prev_hash = (0, GENESIS_HASH) if previous is None else (previous.index + 1, previous.hash)
    content = (index, prev_hash, wall_time, mono_us, kind, actor, body_json)
    return AuditEntry(*content, hash=_digest(content))


def verify(
    entries: Iterable[AuditEntry],
    expected_head: Head | None = None,
    *,
    anchors: Iterable[Head] = (),
    after: Head | None = None,
) -> list[Break]:
    """Return every break, in order; an empty list means the chain is whole.

    An entry that breaks is believed for what follows it, so that each fault is reported where it is and once.
    Without `after`, the head before it, the first entry must be that of the whole chain. With heads kept
    elsewhere, `anchors`, the chain must still hold those very entries; it may have grown since. Of heads that
    it no longer holds, the first one replaced and the last one cut off are reported.
    """
    wanted: dict[int, set[str]] = {}
    for head in (*anchors, *([] if expected_head is None else [expected_head])):
        wanted.setdefault(head.index, set()).add(head.hash)
    breaks: list[Break] = []
    replaced: list[Break] = []
    index, prev_hash = (-1, GENESIS_HASH) if after is None else (after.index, after.hash)
    position = -1
    for position, entry in enumerate(entries):
        checks = {
            BreakKind.MISNUMBERED: entry.index != index + 1,
            BreakKind.UNLINKED: entry.prev_hash != prev_hash,
            BreakKind.ALTERED: not holds(entry),
        }
        breaks += [Break(kind, position, entry.index, entry) for kind, broken in checks.items() if broken]
        index, prev_hash = entry.index, entry.hash
        if wanted and wanted.pop(entry.index, {entry.hash}) != {entry.hash}:
            replaced.append(Break(BreakKind.REPLACED, position, entry.index, entry))
    if wanted:
        breaks.append(Break(BreakKind.CUT_OFF, position + 1, max(wanted)))
    return sorted([*breaks, *replaced[:1]], key=operator.attrgetter("position"))


def holds(entry: AuditEntry) -> bool:
    """Whether the entry's content is the one that was hashed; False too for values of another type."""
    try:
        return entry.hash == _digest(_content(entry))
    except (TypeError, ValueError):  # a damaged file gives bytes or a number where a text was
        return False


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: sorted, no spaces, ASCII. Raise ValueError for NaN or infinity."""
    return _ENCODER.encode(value)


# Every field but the hash, in the order of declaration.
_content = operator.attrgetter(*(field.name for field in fields(AuditEntry) if field.name != "hash"))


def _digest(content: tuple[int, str, str, int, str, str, str]) -> str:
    # The canonical JSON of the list, put together from its members, which takes half the time. A JSON list
    # keeps the members apart (strings are quoted and escaped), so no two contents share one encoding.
    index, prev_hash, wall_time, mono_us, kind, actor, body = content
    words = f"{quoted(kind)},{quoted(actor)},{quoted(body)}"
    text = f"[{index:d},{quoted(prev_hash)},{quoted(wall_time)},{mono_us:d},{words}]"
    return hashlib.sha256(_DOMAIN + text.encode("ascii")).hexdigest()
