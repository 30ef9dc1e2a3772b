"""Signed checkpoints of the audit: what is signed, and how a chain that was calculated anew is found.

Theory of operation. A checkpoint is an audit entry that carries an Ed25519 signature of the head before it.
Whoever changes an entry and calculates every hash after it anew cannot sign the new heads, as the private key
is not in the database. A key names its successor in a checkpoint of its own (rotation), so that one public
key, kept elsewhere, vouches for all that follow. A valid signature vouches for everything before it, too;
what comes after the last checkpoint is held by the hashes and by heads kept elsewhere alone.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety.audit import GENESIS_HASH, AuditEntry, Break, BreakKind, Head, canonical_json, holds

CHECKPOINT: Final = "checkpoint"
"""The kind of audit entry that is one."""

BEFORE_THE_FIRST: Final = Head(-1, GENESIS_HASH)
"""The head of an audit that has no entry yet."""

# [C] As in `safety.audit`: no other signature by this key can be mistaken for that of a checkpoint.
_DOMAIN = b"picolase-checkpoint-1\n"

_SIGNED = ("index", "hash", "time", "device", "key", "next_key")
_TYPES = dict.fromkeys((*_SIGNED, "signature"), str) | {"index": int}


@dataclass(frozen=True, slots=True)
class Signer:
    """A key pair of one database; `public` is 64 hex digits, to be kept elsewhere."""

    _key: Ed25519PrivateKey

    @classmethod
    def from_secret(cls, secret: bytes) -> "Signer":
        """The key pair of these 32 random bytes; ValueError for any other number of them."""
        return cls(Ed25519PrivateKey.from_private_bytes(secret))

    @property
    def public(self) -> str:
        """The public key."""
        return self._key.public_key().public_bytes_raw().hex()

    def checkpoint(self, head: Head, time: str, device: str, *, next_key: str = "") -> dict[str, object]:
        """The body of the entry after `head`; `next_key` also hands over to another public key."""
        body = {
            "index": head.index,
            "hash": head.hash,
            "time": time,
            "device": device,
            "key": self.public,
            "next_key": next_key,
        }
        return body | {"signature": self._key.sign(_message(body)).hex()}


@dataclass(slots=True)
class Proof:
    """What the checkpoints of a chain prove: `sealed` is the last entry a trusted signature vouches for."""

    breaks: list[Break]
    checkpoints: int = 0
    key: str = ""  # of the last checkpoint that is trusted
    sealed: int = -1


def check(
    entries: Iterable[AuditEntry], keys: Collection[str] = (), *, on_proof: Callable[[Proof], None]
) -> Iterator[AuditEntry]:
    """Yield the entries as they are, for `safety.audit.verify`, and then tell what their checkpoints prove.

    `keys` are public keys kept elsewhere. One of them, or one that such a key named, must have signed the
    last checkpoint; without any, the first key that occurs is believed. An entry whose hash does not hold is
    left to `verify`.
    """
    proof = Proof([])
    trusted = set(keys)
    doubtful: list[Break] = []  # of keys not trusted, since the last checkpoint of one that is
    position, index = -1, -1
    for position, entry in enumerate(entries):
        yield entry
        index = entry.index
        if entry.kind != CHECKPOINT or not holds(entry):
            continue
        body = _body(entry)
        if body is None:
            proof.breaks.append(Break(BreakKind.NO_CHECKPOINT, position, entry.index, entry))
            continue
        proof.checkpoints += 1
        if (body["index"], body["hash"]) != (entry.index - 1, entry.prev_hash):
            proof.breaks.append(Break(BreakKind.MISPLACED, position, entry.index, entry))
        elif not _signed(body):
            proof.breaks.append(Break(BreakKind.FORGED, position, entry.index, entry))
        elif trusted and body["key"] not in trusted:
            doubtful.append(Break(BreakKind.UNTRUSTED, position, entry.index, entry))
        else:
            trusted |= {body["key"], *filter(None, [body["next_key"]])}
            proof.key, proof.sealed = body["next_key"] or body["key"], entry.index - 1
            if keys:
                doubtful.clear()  # a trusted signature covers them, too
    proof.breaks += doubtful
    if keys and not proof.key:
        proof.breaks.append(Break(BreakKind.UNSIGNED, position + 1, index + 1))
    on_proof(proof)


def is_public_key(text: str) -> bool:
    """Whether this can be a public key as it is printed: 64 hexadecimal digits, small letters."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")  # noqa: PLR2004  # 32 bytes


def _message(body: dict[str, Any]) -> bytes:
    return _DOMAIN + canonical_json([body[name] for name in _SIGNED]).encode("ascii")


def _body(entry: AuditEntry) -> dict[str, Any] | None:
    """The checkpoint in the entry; None where there is none."""
    try:
        body = json.loads(entry.body)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return None
    if not isinstance(body, dict) or {name: type(value) for name, value in body.items()} != _TYPES:
        return None
    keys = (body["key"], *filter(None, [body["next_key"]]))
    return body if all(map(is_public_key, keys)) else None


def _signed(body: dict[str, Any]) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(body["key"]))
        key.verify(bytes.fromhex(body["signature"]), _message(body))
    except (ValueError, InvalidSignature):
        return False
    return True
