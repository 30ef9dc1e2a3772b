"""Files that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from controller.cli.exits import CommandFailed, Exit


def new_file(path: Path) -> TextIO:
    """Open a file that must not be there yet; CommandFailed when it is, or cannot be made."""
    try:
        return path.open("x", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(Exit.BAD_INPUT, f"{path}: {error.strerror}; give a new file") from error
