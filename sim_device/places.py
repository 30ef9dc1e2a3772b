"""Where clients attach to a simulated device's ports: a pseudo-terminal behind a symlink, a TCP address."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from sim_device.errors import SetupError
from sim_device.serve import Port, claim

READ_SIZE: Final = 4096
WAITING_MAX: Final = 64 * 1024  # [C] bytes kept for a client that reads slowly: 6 s at 115200 baud
DEAF_AFTER_S: Final = 0.5  # [C] who has read nothing for so long does not listen: what waits is dropped

# [P] <asm-generic/ioctls.h> and <asm-generic/termbits.h> of Linux: a terminal's settings with its speeds as
# numbers, which Python's termios gives for standard rates only.
_TCGETS2: Final = 0x802C542A
_TCSETS2: Final = 0x402C542B
_TERMIOS2: Final = struct.Struct("4I20s2I")  # input, output, control and local flags, characters, speeds
_CBAUD: Final = 0o010017
_BOTHER: Final = 0o010000


@contextlib.contextmanager
def serve_pty(port: Port, link_path: Path) -> Iterator[str]:
    """Serve `port` on a pseudo-terminal behind the symlink `link_path`; gives the terminal's own name.

    A client may close and open it again at will. While the line is unplugged the link is gone and clients
    have lost their port; plugged in again it is back, with another terminal. Raises SetupError when the path
    is taken.
    """
    with claim(link_path):
        if link_path.is_symlink():
            link_path.unlink()  # of a simulator that died: its claim was free
        place = _Pty(port, link_path)
        with port.at(place):
            yield os.readlink(link_path)


@contextlib.asynccontextmanager
async def serve_tcp(port: Port, host: str, number: int) -> AsyncIterator[int]:
    """Serve `port` on TCP, to one client at a time: another one is closed at once. Gives the TCP port.

    While the line is unplugged connections are refused. Raises SetupError when the address cannot be used.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _unusable((host, number), error) from error
    family, _, _, _, address = found[0]
    place = _Tcp(port, family, address)
    with port.at(place):
        yield place.address[1]


def _unusable(address: tuple[Any, ...], error: OSError) -> SetupError:
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
    return SetupError(f"TCP address {address[0]}:{address[1]} {reason}: give another one, or port 0 for any")


class _Client:
    """A file descriptor attached to a port: reads it and writes to it without blocking."""

    def __init__(self, port: Port, fd: int) -> None:
        self._port = port
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._deaf_at_s = 0.0
        self._held = False  # what it sends is not taken
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._on_readable)
        port.clients.append(self.write)

    def write(self, data: bytes) -> None:
        """Send `data`; what a client does not read in time is lost: the next one finds nothing old."""
        if self._waiting and self._loop.time() <= self._deaf_at_s:
            self._waiting += data[: WAITING_MAX - len(self._waiting)]
            return
        if self._waiting:
            self._waiting.clear()
            self._loop.remove_writer(self._fd)
            self._flush()
        written = self._write_now(data)
        if written < len(data):
            self._waiting += data[written:]
            self._deaf_at_s = self._loop.time() + DEAF_AFTER_S
            self._loop.add_writer(self._fd, self._on_writable)

    def look(self) -> None:
        """Take what it sends again, if it had to wait and need not any more."""
        ready = self._ready()
        if self._held and ready:
            self._held = False
            self._loop.add_reader(self._fd, self._on_readable)

    def detach(self) -> None:
        """Leave the port."""
        self._port.clients.remove(self.write)
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)

    def _ready(self) -> bool:
        """Whether what it sends can be taken."""
        return not self._port.full

    def _flush(self) -> None:
        """Drop what the system still holds for it, where that is possible."""

    def _ended(self) -> None:
        """It hung up."""

    def _on_readable(self) -> None:
        if not self._ready():
            self._held = True
            self._loop.remove_reader(self._fd)
            return
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self._port.receive(data)
        else:
            self._ended()

    def _on_writable(self) -> None:
        del self._waiting[: self._write_now(self._waiting)]
        self._deaf_at_s = self._loop.time() + DEAF_AFTER_S
        if not self._waiting:
            self._loop.remove_writer(self._fd)

    def _write_now(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except ConnectionError:
            return len(data)  # it is gone; reading will tell


class _Terminal(_Client):
    """The master's end of a pseudo-terminal, whose other end a client opens and sets up."""

    def __init__(self, port: Port, master: int, slave: int) -> None:
        super().__init__(port, master)
        self._slave = slave

    def _ready(self) -> bool:
        if not self._port.baud:
            return True
        control, baud = _settings(self._fd)
        self._port.settle(baud, 1 + bool(control & termios.CSTOPB))
        # [C] The cable has three wires: who asks for RTS/CTS waits for a CTS that never comes.
        return not control & termios.CRTSCTS and super()._ready()

    def _flush(self) -> None:
        termios.tcflush(self._slave, termios.TCIFLUSH)


class _Pty:
    """A pseudo-terminal and the link to it."""

    def __init__(self, port: Port, link_path: Path) -> None:
        self._port = port
        self._link_path = link_path
        self._terminal: _Terminal | None = None
        self._ends = (-1, -1)

    def plug(self) -> None:
        """Make a terminal, and the link."""
        # The slave stays open here too: without it every close by a client would be a hang-up of the master.
        master, slave = self._ends = os.openpty()
        try:
            tty.setraw(slave)
            if self._port.baud:
                _set_speed(slave, self._port.baud)  # who sets nothing is right
            self._link_path.symlink_to(os.ttyname(slave))
        except FileExistsError as error:
            self._close()
            raise SetupError(
                f"{self._link_path} exists and is no link of a simulator: remove it or give another path"
            ) from error
        self._terminal = _Terminal(self._port, master, slave)

    def unplug(self) -> None:
        """Hang up, and take the link away."""
        if self._terminal is not None:
            self._terminal.detach()
            self._terminal = None
            self._link_path.unlink(missing_ok=True)
            self._close()

    def look(self) -> None:
        """See how the client has set its end."""
        if self._terminal is not None:
            self._terminal.look()

    def _close(self) -> None:
        for end in self._ends:
            os.close(end)


class _Connection(_Client):
    """One TCP connection."""

    def __init__(self, port: Port, place: _Tcp, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(port, sock.fileno())
        self._place = place
        self._sock = sock

    def close(self) -> None:
        """Hang up."""
        self.detach()
        self._sock.close()

    def _ended(self) -> None:
        self._place.hang_up()


class _Tcp:
    """A TCP address, and the one client it has."""

    def __init__(self, port: Port, family: int, address: tuple[Any, ...]) -> None:
        self.address = address
        self._port = port
        self._family = family
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._client: _Connection | None = None

    def plug(self) -> None:
        """Listen, again on the same TCP port."""
        listener = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            listener.listen()
        except OSError as error:
            listener.close()
            raise _unusable(self.address, error) from error
        listener.setblocking(False)
        self.address = listener.getsockname()
        self._loop.add_reader(listener, self._accept, listener)
        self._listener = listener

    def unplug(self) -> None:
        """Refuse connections, and drop the one there is."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self.hang_up()

    def look(self) -> None:
        """Go on with the client if it had to wait."""
        if self._client is not None:
            self._client.look()

    def hang_up(self) -> None:
        """Let the client go."""
        if self._client is not None:
            client, self._client = self._client, None
            client.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        if self._client is not None:
            sock.close()
            return
        self._port.settle(0)  # TCP has no rate: it is the device's
        self._client = _Connection(self._port, self, sock)


def _settings(master: int) -> tuple[int, int]:
    """Control flags and speed that the client has set at the other end, read on the master's side."""
    _, _, control, _, _, _, out_speed = _TERMIOS2.unpack(fcntl.ioctl(master, _TCGETS2, bytes(_TERMIOS2.size)))
    return control, out_speed


def _set_speed(slave: int, baud: int) -> None:
    """Set any speed whatever."""
    flags = list(_TERMIOS2.unpack(fcntl.ioctl(slave, _TCGETS2, bytes(_TERMIOS2.size))))
    flags[2] = flags[2] & ~_CBAUD | _BOTHER
    flags[5:] = [baud, baud]
    fcntl.ioctl(slave, _TCSETS2, _TERMIOS2.pack(*flags))
