"""A small file that is written whole or not at all, beside the database."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from controller.store import StoreError, sync


def rename(file: Path, target: Path) -> None:
    """Give the file that name, for good: a new name is on disk once its folder is."""
    file.replace(target)
    sync(target.parent)


def write_whole(file: Path, text: str, mode: int, what: str) -> None:
    """Write it whole or not at all, on disk when this returns; raises StoreError, which names `what`."""
    partial = file.with_name(file.name + ".partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            os.fchmod(descriptor, mode)
            stream.write(text + "\n")
            stream.flush()
            os.fsync(descriptor)
        rename(partial, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StoreError(
            f"{what} cannot be written [{error.strerror}]",
            "check that the folder of the database may be written and has room",
            path=str(file),
        ) from error
