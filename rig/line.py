"""The line between a simulated laser and `memory://name`: cut, mended, given vices, and every byte traced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from hal.memory_port import SCHEME, memory_pair
from hal.time import now_us
from protocols.frame import DELIMITER, Frame, ParseError, decode

Vice = Callable[[bytes, Frame | None], Iterable[bytes]]
"""Takes the bytes of one frame with its delimiter, and the frame in them or None; gives what passes."""


class Device(Protocol):
    """What hangs at the far end."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host, now."""
        ...


class Line:
    """A serial line without latency; whoever made it connects `device`.

    `to_device` and `to_host` are the vices of either direction, None for none. `trace` sums up every byte
    that entered the line, with its direction and its time since the line was laid.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.device: Device | None = None
        self.to_device: Vice | None = None
        self.to_host: Vice | None = None
        self.is_cut = False
        self.bytes_carried = 0
        self._trace = hashlib.sha256()
        self._laid_us = now_us()
        self._half: dict[bool, bytes] = {False: b"", True: b""}  # of a frame, by direction; only with a vice
        self._lay()

    @property
    def url(self) -> str:
        """What the host opens."""
        return f"{SCHEME}://{self.name}"

    @property
    def trace(self) -> str:
        """The SHA-256 of the traffic so far."""
        return self._trace.hexdigest()

    def send(self, data: bytes) -> None:
        """What the device says."""
        for passed in self._carry(data, self.to_host, from_host=False):
            self._end.write(passed)

    def cut(self) -> None:
        """Nothing passes in either direction, and neither side is told."""
        self.is_cut = True

    def mend(self) -> None:
        """Bytes pass again; what was sent meanwhile is lost."""
        self.is_cut = False
        self._half = {False: b"", True: b""}

    def unplug(self) -> None:
        """Pull the cable: the host's port is gone."""
        self._end.close()

    def plug_in(self) -> None:
        """Put the cable back: the port is there again."""
        self._lay()

    def hang_up(self) -> None:
        """The host's process is gone: its port closes without a word."""
        if self._end.host is not None:
            self._end.host.close()

    def _lay(self) -> None:
        self._end = memory_pair(self.name)
        self._end.on_bytes = self._from_host

    def _from_host(self, data: bytes) -> None:
        for passed in self._carry(data, self.to_device, from_host=True):
            if self.device is not None:
                self.device.receive(passed)

    def _carry(self, data: bytes, vice: Vice | None, *, from_host: bool) -> list[bytes]:
        self.bytes_carried += len(data)
        self._trace.update(f"{now_us() - self._laid_us} {from_host} {len(data)} ".encode() + data)
        if self.is_cut:
            return []
        if vice is None and not self._half[from_host]:
            return [data]
        *whole, self._half[from_host] = (self._half[from_host] + data).split(DELIMITER)
        pieces = [piece + DELIMITER for piece in whole]
        return [passed for piece in pieces for passed in (vice(piece, _frame(piece)) if vice else [piece])]


def dropping(*messages: type, times: int = 1_000_000) -> Vice:
    """A vice that swallows the first `times` frames that carry one of these messages."""
    left: Final = [times]

    def vice(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, messages) and left[0]:
            left[0] -= 1
            return []
        return [piece]

    return vice


def _frame(piece: bytes) -> Frame | None:
    try:
        return decode(piece[: -len(DELIMITER)])
    except ParseError:
        return None
