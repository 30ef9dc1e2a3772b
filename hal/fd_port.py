"""Ports that are a file descriptor: serial lines, pseudo-terminals, TCP sockets."""

from __future__ import annotations

import contextlib
import os
import termios
from typing import TYPE_CHECKING, Final

from hal.port import OUTPUT_MAX, Port

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.errors import PortError

_READ_MAX: Final = 65_536  # what one turn of the loop takes at most


class FdPort(Port):
    """Reads and writes `fd` without blocking from within the running loop; `release` closes it."""

    def __init__(self, url: str, description: str, fd: int, release: Callable[[], None]) -> None:
        super().__init__(url, description)
        self._fd = fd
        self._release = release
        self._is_tty = os.isatty(fd)
        self._out = bytearray()
        os.set_blocking(fd, False)

    def start(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[PortError], None]) -> None:
        """Begin to deliver."""
        super().start(on_bytes, on_lost)
        if not self._closed:
            self._loop.add_reader(self._fd, self._on_readable)

    def write(self, data: bytes) -> None:
        """Send what the line takes now, keep the rest."""
        if self._closed:
            return
        if not self._out:
            written = self._write_now(data)
            if written is None or written == len(data):
                return
            data = data[written:]
            self._loop.add_writer(self._fd, self._on_writable)
        if len(self._out) + len(data) > OUTPUT_MAX:
            self._lose_frozen()
            return
        self._out += data

    def discard_output(self) -> None:
        """Drop what is kept here, and what the kernel keeps of a serial line."""
        if not self._closed:
            self._drop_output()

    def _shut(self) -> None:
        self._drop_output()  # else closing a serial line waits until its output has left
        self._loop.remove_reader(self._fd)
        self._release()

    def _drop_output(self) -> None:
        self._out.clear()
        self._loop.remove_writer(self._fd)
        if self._is_tty:
            # A line that is gone cannot be flushed; the next read or write tells so.
            with contextlib.suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)

    def _write_now(self, data: bytes | bytearray) -> int | None:
        """How many bytes the line took; None: it is lost."""
        try:
            return os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose_closed(error)
            return None

    def _on_writable(self) -> None:
        written = self._write_now(self._out)
        if written is None:
            return
        del self._out[:written]
        if not self._out:
            self._loop.remove_writer(self._fd)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_MAX)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose_closed(error)
            return
        if data:
            self._on_bytes(data)
        else:
            self._lose_closed()
