"""A folder for targets that read a file: one for many inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_folder: Path | None = None


@contextmanager
def in_folder() -> Iterator[None]:
    """A folder for what is read from a file."""
    global _folder  # noqa: PLW0603 - one for many inputs
    with tempfile.TemporaryDirectory() as name:
        _folder = Path(name)
        yield
        _folder = None


def file_with(data: bytes) -> Path:
    assert _folder is not None
    path = _folder / "input"
    path.write_bytes(data)
    return path
