"""Files that commands write."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from controller.cli.exits import CommandFailed, Exit
from hal.errors import PortError
from sim_device.errors import SetupError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a file that was good at first says when it can take no more."""


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """A file that must not be there yet, to write a recording into; it is away again if nothing can begin.

    CommandFailed when it is there, cannot be made, or can take no more.
    """
    try:
        file = path.open("x", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(Exit.BAD_INPUT, f"{path}: {error.strerror}; give a new file") from error
    try:
        with file:
            yield file
    except (PortError, SetupError):
        path.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise CommandFailed(
            Exit.FAILED, f"{path}: {error.strerror}: the recording has no end and cannot be replayed."
        ) from error
