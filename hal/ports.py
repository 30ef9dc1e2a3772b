"""Opening a port by its URL, and the list of serial ports of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import os
import socket
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports as serial_ports

from hal import memory_port
from hal.errors import PortError, PortKind
from hal.fd_port import FdPort
from hal.rfc2217_port import READ_TIMEOUT_S, Rfc2217Port

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.port import Port

URL_FORMS: Final = (
    "/dev/ttyUSB0 (any serial device or pty), socket://host:port, rfc2217://host:port, memory://name"
)
BAUD_DEFAULT: Final = 115_200
BAUD_MAX: Final = 4_000_000  # the fastest rate that Linux names
CONNECT_S: Final = 5.0  # [C] a reachable host answers within 3 s even after two lost SYN
OPEN_S: Final = 15.0  # [C] connecting plus two RFC 2217 negotiations of 3 s, and margin
# [C] the kernel's smallest or a little more: what a stop has to wait behind, where it cannot be flushed
SOCKET_OUTPUT_BYTES: Final = 4_096

_ABSENT: Final = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR})
_BUSY: Final = frozenset({errno.EBUSY, errno.EAGAIN})
_PERMISSION: Final = frozenset({errno.EACCES, errno.EPERM})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PortInfo:
    """One serial port of this machine."""

    url: str
    description: str
    hardware_id: str


def list_ports() -> tuple[PortInfo, ...]:
    """The serial ports that the machine knows of, by name; pseudo-terminals are not among them."""
    found = [
        PortInfo(port.device, port.description or "", port.hwid or "") for port in serial_ports.comports()
    ]
    return tuple(sorted(found, key=lambda port: port.url))


async def open_port(url: str, *, baud: int = BAUD_DEFAULT) -> Port:
    """Open `url` for this process alone; raises PortError, with what to do about it.

    `baud` is the line rate in bit/s of serial and RFC 2217 ports; the others have none.
    """
    if not 0 < baud <= BAUD_MAX:
        raise PortError(
            PortKind.BAUD, url, f"baud = {baud} is not allowed", f"give 1 to {BAUD_MAX}, usually 115200"
        )
    scheme, separator, rest = url.partition("://")
    if not separator:
        return await _open_serial_port(url, baud)
    if scheme == memory_port.SCHEME and rest:
        return memory_port.open_memory(url, rest)
    if scheme == "socket":
        host, number = _host_and_number(url)
        sock = await _in_thread(url, lambda: _open_socket(url, host, number), socket.socket.close)
        return FdPort(url, url, sock.fileno(), lambda: _close_socket(sock))
    if scheme == "rfc2217":
        _host_and_number(url)
        line = await _in_thread(url, lambda: _open_rfc2217(url, baud), serial.rfc2217.Serial.close)
        return Rfc2217Port(url, url, line)
    raise _bad_name(url)


async def _open_serial_port(path: str, baud: int) -> Port:
    if not path:
        raise _bad_name(path)
    line = await _in_thread(path, lambda: _open_serial(path, baud), serial.Serial.close)
    return FdPort(path, path, line.fileno(), line.close)


async def _in_thread(url: str, open_it: Callable[[], T], dispose: Callable[[T], None]) -> T:
    """Run `open_it` beside the loop; what it opens after nobody waits any more is disposed of."""

    def clean_up(ended: asyncio.Future[T]) -> None:
        if not ended.cancelled() and ended.exception() is None:
            dispose(ended.result())

    work = asyncio.get_running_loop().run_in_executor(None, open_it)
    try:
        async with asyncio.timeout(OPEN_S):
            return await asyncio.shield(work)
    except TimeoutError as error:
        work.add_done_callback(clean_up)
        text = f"{url}: the port did not open within {OPEN_S:g} s"
        raise PortError(PortKind.TIMEOUT, url, text, "check the device or server behind it") from error
    except asyncio.CancelledError:
        work.add_done_callback(clean_up)
        raise


def _open_serial(path: str, baud: int) -> serial.Serial:
    try:
        return serial.Serial(path, baud, timeout=0, exclusive=True)
    except ValueError as error:
        text = f"{path}: {baud} baud is not possible on this port"
        raise PortError(PortKind.BAUD, path, text, "give a rate it offers, usually 115200") from error
    except (OSError, termios.error) as error:
        raise _explain(path, error) from error


def _explain(path: str, error: Exception) -> PortError:
    number = getattr(error, "errno", None)
    if number in _ABSENT:
        return PortError(
            PortKind.ABSENT,
            path,
            f"{path}: there is no such port",
            "plug the device in, or see `picolase ports`",
        )
    if number in _BUSY:
        return PortError(
            PortKind.BUSY,
            path,
            f"{path}: another program has the port open",
            f"end that program first; `fuser -v {path}` names it",
        )
    if number in _PERMISSION:
        group = _group_of(path)
        return PortError(
            PortKind.PERMISSION,
            path,
            f"{path}: this user may not open the port",
            f"join its group with `sudo usermod -a -G {group} $USER`, then log in again",
        )
    return PortError(
        PortKind.NOT_SERIAL,
        path,
        f"{path}: not a serial port ({error})",
        f"give one of {URL_FORMS}",
    )


def _group_of(path: str) -> str:
    """The group that owns the port; `dialout`, as Debian has it, where that says nothing."""
    with contextlib.suppress(OSError, KeyError):
        group = grp.getgrgid(os.stat(path).st_gid).gr_name
        if group != "root":
            return group
    return "dialout"


def _open_socket(url: str, host: str, number: int) -> socket.socket:
    try:
        sock = socket.create_connection((host, number), timeout=CONNECT_S)
    except OSError as error:
        raise _explain_network(url, error) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_OUTPUT_BYTES)
    return sock


def _close_socket(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer was quicker
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _open_rfc2217(url: str, baud: int) -> serial.rfc2217.Serial:
    try:
        # write_timeout stays None: this client of pyserial refuses any other
        return serial.rfc2217.Serial(url, baud, timeout=READ_TIMEOUT_S)
    except serial.SerialException as error:
        cause = error.__context__
        if isinstance(cause, OSError) and not isinstance(cause, serial.SerialException):
            raise _explain_network(url, cause) from error
        text = f"{url}: no RFC 2217 server answers there ({error})"
        raise PortError(
            PortKind.REFUSED, url, text, "check the server, or use socket:// for raw TCP"
        ) from error


def _explain_network(url: str, error: OSError) -> PortError:
    reason = error.strerror or str(error)
    if isinstance(error, ConnectionRefusedError):
        return PortError(
            PortKind.REFUSED,
            url,
            f"{url}: nothing listens there",
            "start the device or server, check the port number",
        )
    return PortError(
        PortKind.ABSENT, url, f"{url}: not reachable ({reason})", "check host name, cable and network"
    )


def _host_and_number(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_name(url) from error
    if not host or not number:
        raise _bad_name(url)
    return host, number


def _bad_name(url: str) -> PortError:
    return PortError(PortKind.NAME, url, f"port {url!r} is no URL of a port", f"give one of {URL_FORMS}")
