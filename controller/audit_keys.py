"""The key that signs the audit's checkpoints: its files beside the database, and changing to a new one.

Theory of operation. The private key is a file beside the database, readable by its owner only, made at the
daemon's first start; the public one lies next to it, for `picolase audit verify`. Both can be replaced by
whoever can change the database: proof needs the public key that was kept elsewhere. A rotation first writes
the new key to a file of its own, then lets the old key name it in the audit, then gives it the old one's
name; if it was interrupted, the audit tells which of the two files is in force.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from controller.store import Store, StoreError
from controller.store.permissions import withdraw
from controller.whole_file import rename, write_whole
from safety.checkpoints import Signer, is_public_key

_SECRET_BYTES: Final = 32  # an Ed25519 seed, RFC 8032


class AuditKeys:
    """The key files of the database at `database`; `new_secret(n)` gives n random bytes."""

    def __init__(self, database: Path, new_secret: Callable[[int], bytes] = os.urandom) -> None:
        self.private = database.with_name(database.name + ".audit-key")
        self.public = database.with_name(database.name + ".audit-key.pub")
        self._next = database.with_name(database.name + ".audit-key.next")
        self._new_secret = new_secret

    def signer(self, store: Store) -> Signer:
        """The key in force, made if there is none; raises StoreError when it cannot be read or made."""
        due = store.checkpoint_key()
        if self._next.exists():
            if _read(self._next).public == due:
                rename(self._next, self.private)  # the rotation reached the audit, and was cut short then
            else:
                self._next.unlink()
        if not self.private.exists():
            write_whole(self.private, self._new_secret(_SECRET_BYTES).hex(), 0o600, "the audit's key")
        withdraw(self.private, 0o077, "rotate the key if somebody else may have read it")
        signer = _read(self.private)
        if self.known() != signer.public:
            write_whole(self.public, signer.public, 0o644, "the audit's key")
        return signer

    def rotate(self, store: Store, device: str, *, actor: str, now_us: int) -> Signer:
        """Let the key in force hand over to a new one, and return that; raises StoreError."""
        old = self.signer(store)
        write_whole(self._next, self._new_secret(_SECRET_BYTES).hex(), 0o600, "the audit's key")
        new = _read(self._next)
        with store.transaction():
            store.append_checkpoint(old, device, actor=actor, now_us=now_us, next_key=new.public)
            store.append_checkpoint(new, device, actor=actor, now_us=now_us)
        return self.signer(store)

    def known(self) -> str:
        """The public key that lies beside the database; empty if there is none, or no key in it."""
        try:
            text = self.public.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return text if is_public_key(text) else ""


def _read(file: Path) -> Signer:
    try:
        return Signer.from_secret(bytes.fromhex(file.read_text("ascii")))
    except OSError as error:
        raise StoreError(
            f"the audit's key cannot be read [{error.strerror}]",
            "run this as the user of the daemon, or restore the file's permissions",
            path=str(file),
        ) from error
    except ValueError as error:
        raise StoreError(
            "the audit's key is not 64 hexadecimal digits",
            "restore it from a backup; or move it away, and a new one is made, whose public key "
            "(`picolase audit key`) is then to be kept anew",
            path=str(file),
        ) from error
