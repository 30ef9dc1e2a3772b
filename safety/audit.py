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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from protocols.frozen import quick

# [C] Stands first in what is hashed, so that no other SHA-256 of this project can be mistaken for a link of
# the chain; the number changes when the encoding below does.
_DOMAIN = b"picolase-audit-1\n"

_quoted = json.encoder.encode_basestring_ascii  # what the encoder below makes of a string
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

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


@dataclass(frozen=True, slots=True)
class Break:
    """A fault in the chain: `position` counts entries as read, from 0; `index` is the number one claims."""

    kind: BreakKind
    position: int
    index: int

    def __str__(self) -> str:
        return f"entry {self.index} (at position {self.position}): {self.kind.value}"


def append(
    previous: AuditEntry | Head | None,
    *,
    wall_time: str,
    mono_us: int,
    kind: str,
    actor: str,
    body: Mapping[str, object],
) -> AuditEntry:
    """Return the entry after `previous` (None: the first); raise ValueError for NaN or infinity in `body`."""
    index = 0 if previous is None else previous.index + 1
    prev_hash = GENESIS_HASH if previous is None else previous.hash
    content = (index, prev_hash, wall_time, mono_us, kind, actor, canonical_json(body))
    return AuditEntry(*content, hash=_digest(content))


def verify(entries: Iterable[AuditEntry], expected_head: Head | None = None) -> list[Break]:
    """Return every break, in order; an empty list means the chain is whole.

    An entry that breaks is believed for what follows it, so that each fault is reported where it is and once.
    With `expected_head`, the chain must still hold that very entry; it may have grown since.
    """
    breaks: list[Break] = []
    index, prev_hash = -1, GENESIS_HASH
    position = -1
    hash_at_head: str | None = None
    for position, entry in enumerate(entries):
        checks = {
            BreakKind.MISNUMBERED: entry.index != index + 1,
            BreakKind.UNLINKED: entry.prev_hash != prev_hash,
            BreakKind.ALTERED: entry.hash != _digest(_content(entry)),
        }
        breaks += [Break(kind, position, entry.index) for kind, broken in checks.items() if broken]
        index, prev_hash = entry.index, entry.hash
        if expected_head is not None and entry.index == expected_head.index:
            hash_at_head = entry.hash
    if expected_head is not None and hash_at_head != expected_head.hash:
        kind = BreakKind.CUT_OFF if hash_at_head is None else BreakKind.REPLACED
        breaks.append(Break(kind, position + 1, expected_head.index))
    return breaks


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`: sorted, no spaces, ASCII. Raise ValueError for NaN or infinity."""
    return _ENCODER.encode(value)


# Every field but the hash, in the order of declaration.
_content = operator.attrgetter(*(field.name for field in fields(AuditEntry) if field.name != "hash"))


def _digest(content: tuple[int, str, str, int, str, str, str]) -> str:
    # The canonical JSON of the list, put together from its members, which takes half the time. A JSON list
    # keeps the members apart (strings are quoted and escaped), so no two contents share one encoding.
    index, prev_hash, wall_time, mono_us, kind, actor, body = content
    words = f"{_quoted(kind)},{_quoted(actor)},{_quoted(body)}"
    text = f"[{index:d},{_quoted(prev_hash)},{_quoted(wall_time)},{mono_us:d},{words}]"
    return hashlib.sha256(_DOMAIN + text.encode("ascii")).hexdigest()
