"""Permissions of the files that hold secrets: those too wide, as after a copy, are taken away again."""

import logging
import stat
from pathlib import Path

_log = logging.getLogger(__name__)


def withdraw(file: Path, bits: int, advice: str) -> None:
    """Take these permission bits from a file that has them, and say so with `advice`.

    A file that is not there, or belongs to somebody else, is left alone: opening it tells what is wrong.
    """
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if not mode & bits:
            return
        file.chmod(mode & ~bits)
    except OSError:
        return
    _log.warning("%s had permissions %o, has %o now: %s", file, mode, mode & ~bits, advice)
