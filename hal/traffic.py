"""What went over the wire: counters, and the last seconds of raw bytes for the black box."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

RECENT_US: Final = 30_000_000  # [C] a trip and what led to it; a treatment series is 4 to 20 s
# [C] 30 s of a 115200 baud line, full both ways, is 0.7 MB; a faster line is kept for a shorter time.
RECENT_BYTES: Final = 1_048_576
_FORGET_US: Final = 1_000_000  # [C] what is too old may stay so long: to look with every chunk costs more
FIRST_BYTES: Final = 32  # enough to recognise a boot message or the wrong baud rate


class Direction(enum.Enum):
    """Which way bytes went."""

    IN = "from the device"
    OUT = "to the device"


_IN: Final = Direction.IN  # looked at with every chunk


class Chunk(NamedTuple):  # some thousands are made at once, while the laser waits for its heartbeat
    """Bytes that came or went at once."""

    at_us: int
    direction: Direction
    data: bytes


@dataclass(slots=True)
class Counters:
    """What one connection has carried so far."""

    bytes_received: int = 0
    bytes_sent: int = 0
    frames_received: int = 0
    frames_rejected: int = 0
    messages_lost: int = 0  # out-of-band messages that the device numbered and we never saw


class Traffic:
    """Keeps the last `RECENT_US` of raw bytes, `RECENT_BYTES` at most, and the first that ever came."""

    def __init__(self) -> None:
        self.first_received = b""
        self._chunks: deque[tuple[int, Direction, bytes]] = deque()  # each a Chunk when somebody asks
        self._kept_bytes = 0
        self._forget_us = 0  # when to look for what is too old

    def add(self, at_us: int, direction: Direction, data: bytes) -> None:
        """Note `data`."""
        if direction is _IN and len(self.first_received) < FIRST_BYTES:
            self.first_received = (self.first_received + data)[:FIRST_BYTES]
        self._chunks.append((at_us, direction, data))
        self._kept_bytes += len(data)
        if at_us >= self._forget_us or self._kept_bytes > RECENT_BYTES:
            self._forget(at_us)

    def recent(self) -> tuple[Chunk, ...]:
        """What is kept, oldest first."""
        if self._chunks:
            self._forget(self._chunks[-1][0])
        return tuple(map(Chunk._make, self._chunks))

    def _forget(self, now_us: int) -> None:
        chunks, oldest_us = self._chunks, now_us - RECENT_US
        while chunks[0][0] < oldest_us or self._kept_bytes > RECENT_BYTES:
            self._kept_bytes -= len(chunks.popleft()[2])
        self._forget_us = now_us + _FORGET_US
