"""Lines in memory: `memory://name`, without latency and without a file descriptor, for rigs and tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hal.errors import PortError, PortKind
from hal.port import OUTPUT_MAX, Port

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME: Final = "memory"

# By the loop they live in: what another one has, or left behind, is neither taken nor told.
_ends: Final[dict[tuple[asyncio.AbstractEventLoop, str], MemoryEnd]] = {}


def memory_pair(name: str) -> MemoryEnd:
    """Lay `memory://name` in the running loop; returns the device's end. ValueError if there is one already.

    The host's end is made by `open_port`, by one host at a time, again after each close.
    """
    key = asyncio.get_running_loop(), name
    if not name or key in _ends:
        raise ValueError(f"memory line {name!r} is not free: give a name that no open line has")
    end = _ends[key] = MemoryEnd(name)
    return end


def open_memory(url: str, name: str) -> MemoryPort:
    """The host's end of the line `name` of the running loop; PortError when there is none or it is taken."""
    loop = asyncio.get_running_loop()
    end = _ends.get((loop, name))
    if end is None:
        known = ", ".join(sorted(other for within, other in _ends if within is loop)) or "none"
        text = f"{url}: there is no such line in this loop (there are: {known})"
        raise PortError(PortKind.ABSENT, url, text, "lay it with memory_pair first")
    if end.host is not None:
        raise PortError(PortKind.BUSY, url, f"{url}: the line is in use", "close the other user first")
    end.host = MemoryPort(url, end)
    return end.host


class MemoryEnd:
    """The device's end: set `on_bytes`, write, and close to pull the cable."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host: MemoryPort | None = None
        self._loop = asyncio.get_running_loop()
        self.on_bytes: Callable[[bytes], None] = lambda _: None
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """While true the device takes no bytes, and the host's pile up in its own port."""
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = frozen
        if self.host and not frozen:
            self.host.deliver_soon()

    def write(self, data: bytes) -> None:
        """Send to the host in the next turn of the loop; lost where no host has the line open."""
        if self.host and data:
            self._loop.call_soon(self.host.take, data)

    def deliver(self, data: bytes) -> None:
        """Send to the host at once: from the top of a turn of the loop, with nothing written before it."""
        if self.host:
            self.host.take(data)

    def close(self) -> None:
        """Pull the cable: the host loses its port, and the name is free."""
        if _ends.get((self._loop, self.name)) is self:
            del _ends[self._loop, self.name]
        if self.host:
            self.host.unplug()


class MemoryPort(Port):
    """The host's end: made by `open_port`."""

    def __init__(self, url: str, end: MemoryEnd) -> None:
        super().__init__(url, f"memory line {end.name}")
        self._end = end
        self._out = bytearray()
        self._delivering = False

    def write(self, data: bytes) -> None:
        """Hand `data` to the device: at once, as to an operating system, or when it takes bytes again."""
        if self._closed:
            return
        if not (self._out or self._end.frozen):
            self._hand_over(data)
            return
        if len(self._out) + len(data) > OUTPUT_MAX:
            self._lose_frozen()
            return
        self._out += data
        self.deliver_soon()

    def discard_output(self) -> None:
        """Drop what the device has not taken yet."""
        self._out.clear()

    def take(self, data: bytes) -> None:
        """What the device sent."""
        self._on_bytes(data)

    def unplug(self) -> None:
        """The device's end is gone."""
        self._lose_closed()

    def deliver_soon(self) -> None:
        """Hand what was written to the device in the next turn of the loop."""
        if self._out and not self._delivering and not self._end.frozen:
            self._delivering = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        if self._closed or self._end.frozen:
            return
        data = bytes(self._out)
        self._out.clear()
        if data:
            self._hand_over(data)

    def _hand_over(self, data: bytes) -> None:
        try:
            self._end.on_bytes(data)
        except Exception as error:  # noqa: BLE001 - the device's, which is none of the writer's
            context = {"message": f"the device on {self.url} broke", "exception": error}
            self._loop.call_exception_handler(context)

    def _shut(self) -> None:
        self._out.clear()
        if self._end.host is self:
            self._end.host = None
