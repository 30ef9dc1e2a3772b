"""A port: bytes out, bytes in, lost once. What every kind of port promises to a connection."""

from __future__ import annotations

import abc
import asyncio
from typing import TYPE_CHECKING, Final

from hal.errors import PortError, PortKind

if TYPE_CHECKING:
    from collections.abc import Callable

# [C] 1.4 s at 115200 baud; a healthy host has less than 0.3 kB on its way. Doubled: frozen is told later.
OUTPUT_MAX: Final = 16 * 1024


class Port(abc.ABC):
    """An open port of the running loop. `write` never blocks; after `close` no callback comes any more."""

    def __init__(self, url: str, description: str) -> None:
        self.url = url
        self.description = description
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._started = False
        self._loss: PortError | None = None
        self._on_bytes: Callable[[bytes], None] = _ignore
        self._on_lost: Callable[[PortError], None] = _ignore

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[PortError], None]) -> None:
        """Begin to deliver, once; `on_lost` is called once at most, from the loop, the port closed."""
        self._started = True
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        if self._loss:
            self._loop.call_soon(self._tell_lost)

    @abc.abstractmethod
    def write(self, data: bytes) -> None:
        """Send `data`, or keep what does not fit; a peer that takes nothing is lost as FROZEN."""

    @abc.abstractmethod
    def discard_output(self) -> None:
        """Drop what was written and has not left yet, in the driver's buffer too where there is one."""

    def close(self) -> None:
        """Close without waiting; what has not left is dropped. Again is harmless."""
        self._on_bytes = self._on_lost = _ignore
        self._shut_once()

    @abc.abstractmethod
    def _shut(self) -> None:
        """Release what the port holds; called once."""

    def _shut_once(self) -> None:
        if not self._closed:
            self._closed = True
            self._shut()

    def _lose(self, kind: PortKind, text: str, action: str) -> None:
        if self._closed:
            return
        self._shut_once()
        self._loss = PortError(kind, self.url, f"{self.description}: {text}", action)
        if self._started:
            self._loop.call_soon(self._tell_lost)

    def _tell_lost(self) -> None:
        if self._loss:
            self._on_lost(self._loss)

    def _lose_frozen(self) -> None:
        text = f"the other end takes no bytes, {OUTPUT_MAX} wait"
        self._lose(PortKind.FROZEN, text, "check the device and its flow control, then connect again")

    def _lose_closed(self, error: Exception | None = None) -> None:
        reason = getattr(error, "strerror", None) or error
        text = f"the line was closed ({reason})" if reason else "the line was closed"
        self._lose(PortKind.LOST, text, "check cable and device")


def _ignore(_: object) -> None:
    pass
