"""The device's non-volatile memory, in RAM or in a file that survives the simulator's own death."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from sim_device.errors import SetupError

MEMORY_SIZE: Final = 64 * 1024
"""[C] A 512 kbit FRAM: 256 pulse reports of under 128 bytes, two copies of everything else, room to grow."""

MEMORY_NAME: Final = "nonvolatile.bin"


class RamMemory:
    """Forgotten with the process, kept over resets and power cuts of the simulated device.

    Takes room up to the highest byte ever written: of a thousand lasers most have written little.
    """

    def __init__(self, size: int = MEMORY_SIZE) -> None:
        self.size = size
        self.failing = False  # a fault: it refuses every write
        self.refused = 0
        self._bytes = bytearray()  # zeros follow, up to `size`

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; raises OSError outside the memory."""
        _check_range(self.size, offset, length)
        return bytes(self._bytes[offset : offset + length]).ljust(length, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Store `data` at `offset`; raises OSError outside the memory, and while it fails."""
        _check_range(self.size, offset, len(data))
        if self.failing:
            self.refused += 1
            raise OSError("the memory takes no more writes")
        if offset > len(self._bytes):
            self._bytes.extend(bytes(offset - len(self._bytes)))
        self._bytes[offset : offset + len(data)] = data


class FileMemory:
    """Every write is in the kernel's hands when it returns, so that `kill -9` of this process loses nothing.

    Not flushed to the disk: a crash of the whole machine may lose the last writes. One process at a time.
    """

    def __init__(self, path: Path, size: int = MEMORY_SIZE) -> None:
        """Open or create (zero filled) the file; raises SetupError when it is in use or not such a memory."""
        self.size = size
        self.path = path
        self.failing = False  # a fault: it refuses every write
        self.refused = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError(
                f"state {path}: {error.strerror}; give a directory that you may write"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(self._file).st_size
            if found == 0:
                os.ftruncate(self._file, size)
            elif found != size:
                raise SetupError(
                    f"state {path} has {found} bytes, a device's memory has {size}: give another"
                )
        except BlockingIOError as error:
            os.close(self._file)
            raise SetupError(
                f"state {path} belongs to a running simulator: end that one, or give another directory"
            ) from error
        except (OSError, SetupError):
            os.close(self._file)
            raise

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; raises OSError outside the memory."""
        _check_range(self.size, offset, length)
        return os.pread(self._file, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        """Store `data` at `offset`; raises OSError when the file cannot take it, and while it fails."""
        _check_range(self.size, offset, len(data))
        if self.failing:
            self.refused += 1
            raise OSError(f"{self.path}: the memory takes no more writes")
        if os.pwrite(self._file, data, offset) != len(data):
            raise OSError(f"{self.path}: short write at {offset}")

    def close(self) -> None:
        """Give the file up."""
        os.close(self._file)


def _check_range(size: int, offset: int, length: int) -> None:
    if min(offset, length) < 0 or offset + length > size:
        raise OSError(f"{length} bytes at offset {offset} lie outside a memory of {size} bytes")
