"""The device's non-volatile memory, in RAM or in a file that survives the simulator's own death."""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

from sim_device.board import Memory
from sim_device.errors import SetupError

MEMORY_SIZE: Final = 64 * 1024
"""[C] A 512 kbit FRAM: 256 pulse reports of under 128 bytes, two copies of everything else, room to grow."""

MEMORY_NAME: Final = "nonvolatile.bin"


class Alteration:
    """Bytes that somebody put there behind the device's back, until the device writes over them."""

    def __init__(self, places: set[int]) -> None:
        self.places = places
        self.seen = False  # the device has read one of them


class Flaws:
    """What is wrong with a memory: a fault sets it, and a snapshot keeps it."""

    def __init__(self) -> None:
        self.failing = False  # it refuses every write
        self.refused = 0
        self.alterations: list[Alteration] = []  # not yet seen, and not yet written over


class DeviceMemory(ABC):
    """A memory that the device reads and writes, and that others alter behind its back."""

    size: int
    name: str = "the memory"

    def __init__(self) -> None:
        self.flaws = Flaws()

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, for the device; raises OSError outside the memory."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise _outside(self.size, offset, length)
        if self.flaws.alterations:
            self._see(offset, length)
        return self._load(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        """Store the device's `data` at `offset`; raises OSError outside the memory, and while it fails."""
        if offset < 0 or offset + len(data) > self.size:
            raise _outside(self.size, offset, len(data))
        flaws = self.flaws
        if flaws.failing:
            flaws.refused += 1
            raise OSError(f"{self.name} takes no more writes")
        for alteration in flaws.alterations:
            alteration.places.difference_update(range(offset, offset + len(data)))
        self._store(offset, data)

    def image(self) -> bytes:
        """All of it, as it is; the device has not read it."""
        return self._load(0, self.size)

    def put(self, image: bytes) -> None:
        """Let this be all of it, whatever its flaws are."""
        self._store(0, image)

    def alter(self, image: bytes) -> Alteration:
        """Let this be all of it, behind the device's back: what differs, for the device to see or not."""
        before = self.image()
        differs = {place for place in range(self.size) if image[place] != before[place]}
        self.put(image)
        self.flaws.alterations.append(alteration := Alteration(differs))
        return alteration

    def _see(self, offset: int, length: int) -> None:
        read = range(offset, offset + length)
        for alteration in self.flaws.alterations:
            alteration.seen = not alteration.places.isdisjoint(read)
        self.flaws.alterations = [one for one in self.flaws.alterations if one.places and not one.seen]

    @abstractmethod
    def _load(self, offset: int, length: int) -> bytes: ...

    @abstractmethod
    def _store(self, offset: int, data: bytes) -> None: ...


def behind(memory: Memory) -> DeviceMemory:
    """The same memory for hands behind the device's back; TypeError for one that is not made for them."""
    if not isinstance(memory, DeviceMemory):
        raise TypeError(f"a {type(memory).__name__} has no back door: give a RamMemory or a FileMemory")
    return memory


class RamMemory(DeviceMemory):
    """Forgotten with the process, kept over resets and power cuts of the simulated device.

    Takes room up to the highest byte ever written: of a thousand lasers most have written little.
    """

    def __init__(self, size: int = MEMORY_SIZE) -> None:
        super().__init__()
        self.size = size
        self._bytes = bytearray()  # zeros follow, up to `size`

    @property
    def plain(self) -> bytearray | None:
        """The bytes there are, for a firmware that reads and writes them itself; None while it has flaws."""
        return None if self.flaws.failing or self.flaws.alterations else self._bytes

    def _load(self, offset: int, length: int) -> bytes:
        return bytes(self._bytes[offset : offset + length]).ljust(length, b"\0")

    def _store(self, offset: int, data: bytes) -> None:
        kept, end = self._bytes, offset + len(data)
        if end == self.size:
            data = data.rstrip(b"\0")  # an image is mostly blank
            end = offset + len(data)
            del kept[end:]
        if offset > len(kept):
            kept.extend(bytes(offset - len(kept)))
        kept[offset:end] = data


class FileMemory(DeviceMemory):
    """Every write is in the kernel's hands when it returns, so that `kill -9` of this process loses nothing.

    Not flushed to the disk: a crash of the whole machine may lose the last writes. One process at a time.
    """

    def __init__(self, path: Path, size: int = MEMORY_SIZE) -> None:
        """Open or create (zero filled) the file; raises SetupError when it is in use or not such a memory."""
        super().__init__()
        self.size = size
        self.name = f"{path}: the memory"
        self._path = path
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

    def _load(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def _store(self, offset: int, data: bytes) -> None:
        if os.pwrite(self._file, data, offset) != len(data):
            raise OSError(f"{self._path}: short write at {offset}")

    def close(self) -> None:
        """Give the file up."""
        os.close(self._file)


def _outside(size: int, offset: int, length: int) -> OSError:
    return OSError(f"{length} bytes at offset {offset} lie outside a memory of {size} bytes")
