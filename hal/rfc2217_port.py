"""Serial ports behind an RFC 2217 server: pyserial's client blocks, so two threads stand before it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

import serial
from serial import rfc2217

from hal.port import OUTPUT_MAX, Port

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.errors import PortError

READ_TIMEOUT_S: Final = 0.2  # [C] how soon the reader notices that the port was closed


class Rfc2217Port(Port):
    """Owns the open pyserial port `line`; nothing that the event loop calls waits for the network."""

    def __init__(self, url: str, description: str, line: rfc2217.Serial) -> None:
        super().__init__(url, description)
        self._line = line
        self._out = bytearray()
        self._purge = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=target, name=f"{name} {url}", daemon=True)
            for name, target in (("reader of", self._read), ("writer of", self._write))
        ]

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[PortError], None]) -> None:
        """Begin to deliver."""
        super().start(on_bytes, on_lost)
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> None:
        """Leave `data` to the writer."""
        if self._closed:
            return
        with self._changed:
            full = len(self._out) + len(data) > OUTPUT_MAX
            if not full:
                self._out += data
                self._changed.notify()
        if full:
            self._lose_frozen()

    def discard_output(self) -> None:
        """Drop what the writer has not taken, and tell the server to drop its own."""
        with self._changed:
            self._out.clear()
            self._purge = True  # the server may have a buffer of its own

    def _shut(self) -> None:
        with self._changed:
            self._out.clear()
            self._changed.notify()
        # pyserial's close waits for its own thread; shutting the socket down is its first act.
        threading.Thread(target=self._line.close, name=f"closer of {self.url}", daemon=True).start()

    def _read(self) -> None:
        while not self._closed:
            try:
                data = self._line.read(1)
                data += self._line.read(self._line.in_waiting)
            except serial.SerialException as error:
                self._in_loop(self._lose_closed, error)
                return
            if data:
                self._in_loop(self._take, data)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._out or self._closed)
                if self._closed:
                    return
                data, purge = bytes(self._out), self._purge
                self._out.clear()
                self._purge = False
            try:
                if purge:  # without waiting for the acknowledgement: what follows is a stop
                    self._line.rfc2217_send_subnegotiation(rfc2217.PURGE_DATA, rfc2217.PURGE_TRANSMIT_BUFFER)
                self._line.write(data)
            # SerialException is an OSError; AttributeError: pyserial forgets its socket while it is closed.
            except (OSError, AttributeError) as error:
                self._in_loop(self._lose_closed, error)
                return

    def _take(self, data: bytes) -> None:
        self._on_bytes(data)

    def _in_loop(self, call: Callable[..., None], argument: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to be told
            self._loop.call_soon_threadsafe(call, argument)
