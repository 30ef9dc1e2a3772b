"""Serial and TCP lines whose far end, or middle, is the test: cut, echoing, babbling, recorded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

READ_SIZE = 4096


class FarEnd:
    """A pseudo-terminal behind `link`; whoever opens the link talks to the test."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.receive: Callable[[bytes], object] = lambda _: None
        self._ends: tuple[int, int] | None = None
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._ends = (master, slave)
        self._loop.add_reader(master, self._on_readable)
        self.link.symlink_to(os.ttyname(slave))

    def close(self) -> None:
        """As pulling the plug: who has it open gets an error, and the name is gone."""
        if self._ends is None:
            return
        master, slave = self._ends
        self._ends = None
        self._loop.remove_reader(master)
        os.close(slave)
        os.close(master)
        self.link.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Send what the line takes; the rest is lost, as on a line."""
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._ends[0], data)

    def _on_readable(self) -> None:
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):
                self.receive(os.read(self._ends[0], READ_SIZE))


class Relay:
    """A cable from the laser's port to `link` that can be pulled out, and that keeps what the laser said."""

    def __init__(self, laser: Path, link: Path) -> None:
        self.heard = bytearray()
        self.end = FarEnd(link)
        self._laser = os.open(laser, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.end.receive = lambda data: os.write(self._laser, data)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._laser, self._from_laser)
        self.end.open()

    def close(self) -> None:
        self.end.close()
        self._loop.remove_reader(self._laser)
        os.close(self._laser)

    def _from_laser(self) -> None:
        data = os.read(self._laser, READ_SIZE)
        self.heard += data
        self.end.write(data)


@contextlib.contextmanager
def relay(laser: Path, link: Path) -> Iterator[Relay]:
    made = Relay(laser, link)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def far_end(link: Path) -> Iterator[FarEnd]:
    made = FarEnd(link)
    made.open()
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def thief(port: Path) -> Iterator[bytearray]:
    """Open a port that somebody else has open too, and take what comes first; gives what was taken."""
    stolen = bytearray()
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def take() -> None:
        with contextlib.suppress(BlockingIOError):  # the owner was quicker
            stolen.extend(os.read(descriptor, READ_SIZE))

    loop = asyncio.get_running_loop()
    loop.add_reader(
        descriptor, take
    )  # woken together with the owner: one who looks now and then gets nothing
    try:
        yield stolen
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class TcpRelay:
    """A TCP port that leads to another one; can be cut, refuse, and fall silent without closing."""

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.port = port
        self.silent = False
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse everybody, and reset who is connected."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        if self._lines:
            await asyncio.wait(self._lines)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._carry(reader, far_writer, both), self._carry(far_reader, writer, both))
        finally:
            self._writers -= both

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_SIZE):
                if not self.silent:
                    writer.write(data)
        for end in both:
            end.transport.abort()


@contextlib.asynccontextmanager
async def tcp_relay(target: int) -> AsyncIterator[TcpRelay]:
    made = TcpRelay(target)
    await made.open()
    try:
        yield made
    finally:
        await made.close()
