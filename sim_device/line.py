"""The serial line between the device's UART and the host's end.

Theory of operation: a line has two ways. What is put on a way is cut into frames (bytes up to a delimiter),
each becomes a parcel with the time at which its last byte arrives, the way's vices (`sim_device.vices`) lose,
change, delay or multiply it, and what is left waits in a queue for its time. An ideal way does nothing of
this: it is `straight`, and whoever has the line hands the bytes over without asking it. Nothing here has a
clock: times are arguments, chance is seeded, and a line is copied and pickled with its simulator.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from protocols.frame import DELIMITER, ENCODED_MAX, Frame, ParseError, decode
from sim_device.plant import NEVER
from sim_device.uart import misread

BYTE_BITS: Final = 10  # 8N1: start bit, eight of data, stop bit
FIFO_BYTES: Final = 16  # [P] receive FIFO of a 16550 UART: bytes are handed over in pieces of at most this
HELD_MAX: Final = 4_096
"""[C] Bytes that wait for a paced line before the host has to wait too: the output buffer of a Linux tty."""

WAITING_MAX: Final = 64 * 1024
"""[C] Bytes under way on one way; a sender who takes no notice of a full line loses the rest."""

_S: Final = 1_000_000  # us


class Parcel(NamedTuple):
    """Bytes under way: a frame with its delimiter, or what vices made of it."""

    sent_us: int  # its first byte leaves
    due_us: int  # its last byte arrives
    data: bytes
    in_order: bool = True  # nothing that was sent before it arrives after it
    back: bool = False  # arrives at its sender instead

    @property
    def frame(self) -> Frame | None:
        """The frame in it; None when there is none."""
        try:
            return decode(self.data.removesuffix(DELIMITER))
        except ParseError:
            return None


class Carrier(Protocol):
    """What a way asks of a vice."""

    def carry(self, parcel: Parcel) -> Iterable[Parcel]:
        """What passes of `parcel`."""
        ...


class Way:
    """One direction of a line. `straight`: what is put here would come out at once as it is."""

    __slots__ = (
        *("bytes_lost", "bytes_waiting", "next_us", "straight"),
        *("_broken", "_byte_bits", "_free_us", "_half", "_last_us", "_line", "_put", "_queue"),
        *("_read_baud", "_sent_baud", "_vices"),
    )

    def __init__(self, line: Line) -> None:
        self.straight = True
        self.next_us = NEVER  # when something arrives
        self.bytes_waiting = 0
        self.bytes_lost = 0  # because too many were waiting
        self._line = line
        self._vices: tuple[Carrier, ...] = ()
        self._broken = False
        self._sent_baud = 0  # 0: no pacing, a byte takes no time
        self._read_baud = 0
        self._byte_bits = BYTE_BITS
        self._half = b""  # of a frame
        self._queue: list[tuple[int, int, bytes]] = []
        self._put = 0  # keeps the order of what is due together
        self._free_us = 0  # the sender's UART is idle from then on
        self._last_us = 0  # latest arrival of what keeps its order

    @property
    def vices(self) -> tuple[Carrier, ...]:
        """What goes wrong here, in this order."""
        return self._vices

    @vices.setter
    def vices(self, vices: Iterable[Carrier]) -> None:
        self._vices = tuple(vices)
        self._judge()

    @property
    def full(self) -> bool:
        """The sender should wait: as much is waiting as the output buffer of a port holds."""
        return self.bytes_waiting > HELD_MAX

    def add(self, vice: Carrier) -> None:
        """One vice more."""
        self.vices = (*self._vices, vice)

    def remove(self, vice: Carrier) -> None:
        """One vice less; what it delayed still arrives. ValueError when it is not here."""
        left = list(self._vices)
        left.remove(vice)
        self.vices = left

    def pace(self, sent_baud: int, read_baud: int, byte_bits: int) -> None:
        """Take the time of the sender's rate, and garble when the reader's differs; 0 for no pacing."""
        self._sent_baud, self._read_baud, self._byte_bits = sent_baud, read_baud, byte_bits
        self._judge()

    def break_off(self, *, broken: bool) -> None:
        """While broken nothing comes through; what is under way is lost."""
        self._broken = broken
        self._half = b""
        self._queue.clear()
        self._free_us = self._last_us = self.bytes_waiting = 0
        self._judge()

    def put(self, data: bytes, now_us: int) -> None:
        """Send `data` down this way."""
        if self._broken:
            return
        for piece in self._cut(data):
            parcels = [self._parcel(piece, now_us)]
            for vice in self._vices:
                parcels = [passed for parcel in parcels for passed in vice.carry(parcel)]
            for parcel in parcels:
                (self._line.opposite(self) if parcel.back else self).bring(parcel)
        self._judge()

    def slip_in(self, data: bytes, now_us: int) -> None:
        """Let bytes arrive at once that nobody sent, past all vices."""
        self.bring(Parcel(now_us, now_us, data, in_order=False))

    def bring(self, parcel: Parcel) -> None:
        """Let a parcel arrive at its time."""
        if self._broken or not parcel.data:
            return
        data, due_us = parcel.data, parcel.due_us
        if self.bytes_waiting + len(data) > WAITING_MAX:
            self.bytes_lost += len(data)
            return
        if parcel.in_order:
            due_us = self._last_us = max(due_us, self._last_us)
        size = FIFO_BYTES if self._sent_baud else max(1, len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            arrives_us = max(parcel.sent_us, due_us - self._duration_us(len(data) - start - len(piece)))
            self._put += 1
            heapq.heappush(self._queue, (arrives_us, self._put, piece))
            self.bytes_waiting += len(piece)
        self._judge()

    def arrived(self, now_us: int) -> bytes:
        """Fetch what has arrived by now, in one piece."""
        pieces = []
        while self._queue and self._queue[0][0] <= now_us:
            pieces.append(heapq.heappop(self._queue)[2])
        data = b"".join(pieces)
        self.bytes_waiting -= len(data)
        self._judge()
        if self._sent_baud != self._read_baud:
            return misread(data, self._sent_baud, self._read_baud)
        return data

    def strike(self, now_us: int, change: Callable[[bytes], bytes]) -> int:
        """Change what is being transmitted at this instant; how many pieces that were (unpaced, none is)."""
        struck = 0
        for place, (arrives_us, number, piece) in enumerate(self._queue):
            if arrives_us - self._duration_us(len(piece)) <= now_us < arrives_us:
                self._queue[place] = (arrives_us, number, change(piece))
                struck += 1
        return struck

    def _cut(self, data: bytes) -> Iterator[bytes]:
        """Whole frames, and what is too long to be one; without any vice, all there is."""
        data, self._half = self._half + data, b""
        if not self._vices:
            yield data
            return
        *whole, self._half = data.split(DELIMITER)
        for piece in whole:
            yield piece + DELIMITER
        if len(self._half) > ENCODED_MAX:
            yield self._half
            self._half = b""

    def _parcel(self, piece: bytes, now_us: int) -> Parcel:
        if not self._sent_baud:
            return Parcel(now_us, now_us, piece)
        sent_us = max(now_us, self._free_us)
        self._free_us = sent_us + self._duration_us(len(piece))
        return Parcel(sent_us, self._free_us, piece)

    def _duration_us(self, size: int) -> int:
        if not self._sent_baud:
            return 0
        return -(-size * self._byte_bits * _S // self._sent_baud)

    def _judge(self) -> None:
        next_us = self._queue[0][0] if self._queue else NEVER
        if next_us != self.next_us:
            self.next_us = next_us
            self._line.note()
        self.straight = not (self._vices or self._broken or self._sent_baud or self._half or self._queue)


class Line:
    """Both ways of one line, its plug at the host's end, and the rates of the two UARTs.

    `device_baud` 0, the default: bytes take no time, and any rate of the host is right.
    """

    __slots__ = ("_host", "device_baud", "next_us", "plugged", "severed", "to_device", "to_host")

    def __init__(self) -> None:
        self.next_us = NEVER  # when something arrives at either end
        self.to_device = Way(self)
        self.to_host = Way(self)
        self.plugged = True
        self.device_baud = 0
        self.severed = False  # nothing passes, and neither side is told
        self._host = (0, BYTE_BITS)

    def opposite(self, way: Way) -> Way:
        """The other way."""
        return self.to_host if way is self.to_device else self.to_device

    def note(self) -> None:
        """One of the ways expects something at another time than before."""
        self.next_us = min(self.to_device.next_us, self.to_host.next_us)

    def set_device(self, baud: int) -> None:
        """Let the device's UART have this rate in bit/s; 0 for a line without any rate."""
        self.device_baud = baud
        self._set_rates()

    def set_host(self, baud: int, byte_bits: int = BYTE_BITS) -> None:
        """The host has set its UART to this rate in bit/s (0: to whatever the device has), and stop bits."""
        if (baud, byte_bits) != self._host:
            self._host = (baud, byte_bits)
            self._set_rates()

    def cut(self) -> None:
        """Nothing passes in either direction, and neither side is told."""
        self._break(severed=True, plugged=self.plugged)

    def mend(self) -> None:
        """Bytes pass again; what was sent meanwhile is lost."""
        self._break(severed=False, plugged=self.plugged)

    def unplug(self) -> None:
        """Pull the plug at the host's end: whoever serves the line takes its port away."""
        self._break(severed=self.severed, plugged=False)

    def plug(self) -> None:
        """Put it back."""
        self._break(severed=self.severed, plugged=True)

    def _break(self, *, severed: bool, plugged: bool) -> None:
        if (severed, plugged) == (self.severed, self.plugged):
            return
        self.severed, self.plugged = severed, plugged
        for way in (self.to_device, self.to_host):
            way.break_off(broken=severed or not plugged)

    def _set_rates(self) -> None:
        baud, byte_bits = self._host
        host_baud = baud if self.device_baud and baud else self.device_baud
        self.to_device.pace(host_baud, self.device_baud, byte_bits)
        self.to_host.pace(self.device_baud, host_baud, BYTE_BITS)
