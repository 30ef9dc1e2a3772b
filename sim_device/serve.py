"""The simulator's real-time edge: maps the event loop's time to the device's, and serves it on pty and TCP.

Theory of operation: `Pump` is the only place where real time meets simulated time. It advances the simulator
when bytes arrive and when the simulator's next event is due, by one timer of the loop and no fixed tick. If
the process was held up, simulated time slips instead of jumping: a device does not run on while its bytes
lie unread. While self-test and warm-up last, device time runs `warm_up_speed` times as fast; every event of
them happens all the same, in its order.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final, cast

from sim_device.errors import SetupError
from sim_device.plant import NEVER
from sim_device.simulator import Simulator

HELD_UP_US: Final = 50_000
"""[C] Real time that may be made up for at once: a quarter of the 200 ms after which the device ends a
permit, so that a pause of this process does not look like a dead host."""

READ_SIZE: Final = 4096
WAITING_MAX: Final = 64 * 1024  # [C] bytes kept for a client that reads slowly: 6 s at 115200 baud
DEAF_AFTER_S: Final = 0.5  # [C] who has read nothing for so long does not listen: what waits is dropped


class Line:
    """One serial port of the device: bytes from any attached client go in, what comes out goes to all."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self.receive = receive
        self.clients: list[Callable[[bytes], None]] = []

    def write(self, data: bytes) -> None:
        """Give `data` to every attached client; to nobody if there is none, as a UART does."""
        for client in self.clients:
            client(data)


class Pump:
    """Runs one simulator in real time. `wire` is its binary port, `console` its text port."""

    def __init__(self, simulator: Simulator, warm_up_speed: int = 1) -> None:
        self.simulator = simulator
        self.warm_up_speed = warm_up_speed
        self.slipped_us = (
            0  # real time by which the device's clock stood still because the process was held up
        )
        self.wire = Line(lambda data: self._receive(simulator.receive, data))
        self.console = Line(lambda data: self._receive(simulator.receive_console, data))
        self._loop = asyncio.get_running_loop()
        self._real_us = self._clock_us()
        self._device_us = simulator.now_us
        self._speed = self._wanted_speed()
        self._timer: asyncio.TimerHandle | None = None
        self._failed: asyncio.Future[None] = self._loop.create_future()

    @property
    def speed(self) -> int:
        """Device time for each real time, now."""
        return self._speed

    async def run(self) -> None:
        """Keep the simulator going until cancelled; raises what the simulator raised."""
        self._on_timer()
        try:
            await self._failed
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def sync(self) -> int:
        """Bring the simulator to the present; its time in us."""
        real_us = self._clock_us()
        held_up_us = real_us - self._real_of(self.simulator.next_event_us) - HELD_UP_US
        if held_up_us > 0:
            self.slipped_us += held_up_us
            self._real_us += held_up_us
        while True:
            target_us = self._device_us + (real_us - self._real_us) * self._speed
            due_us = min(self.simulator.next_event_us, target_us)
            self.simulator.advance(due_us)
            speed = self._wanted_speed()
            if speed != self._speed:  # it counts from this event on
                self._real_us = self._real_of(due_us)
                self._device_us, self._speed = due_us, speed
            elif due_us == target_us:
                self._real_us, self._device_us = real_us, target_us
                return target_us

    def perform(self, work: Callable[[Simulator, int], None]) -> None:
        """Do something to the simulator now and send what it answers."""
        try:
            work(self.simulator, self.sync())
        finally:
            self._flush()

    def _receive(self, receive: Callable[[bytes, int], None], data: bytes) -> None:
        try:
            self.perform(lambda _, now_us: receive(data, now_us))
        except Exception as error:  # noqa: BLE001 # top of the loop's callback: `run` ends with it
            self._fail(error)

    def _on_timer(self) -> None:
        try:
            self.perform(lambda _simulator, _now_us: None)
        except Exception as error:  # noqa: BLE001 # top of the loop's callback: `run` ends with it
            self._fail(error)

    def _flush(self) -> None:
        """Send what is there, and set the timer to the next event."""
        if data := self.simulator.sent():
            self.wire.write(data)
        if data := self.simulator.console_sent():
            self.console.write(data)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._speed = self._wanted_speed()  # what was just done may have begun or ended the warm-up
        due_us = self.simulator.next_event_us
        if due_us < NEVER and not self._failed.done():
            self._timer = self._loop.call_at(self._real_of(due_us) / 1e6, self._on_timer)

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    def _real_of(self, device_us: int) -> int:
        """Real time at which the device reaches `device_us`, rounded up."""
        return self._real_us - (self._device_us - device_us) // self._speed

    def _clock_us(self) -> int:
        return round(self._loop.time() * 1e6)

    def _wanted_speed(self) -> int:
        return self.warm_up_speed if self.simulator.warming else 1


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Own `path` among all simulators, by a lock file beside it that a dead owner cannot hold.

    Raises SetupError when another one owns it, or its directory cannot be written.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError(
            f"{path}: {error.strerror}; give a path in a directory that you may write"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            still_there = os.fstat(lock).st_ino == lock_path.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            still_there = False
        if not still_there:
            raise SetupError(f"{path} belongs to a running simulator: end that one, or give another path")
        try:
            yield
        finally:
            lock_path.unlink(missing_ok=True)
    finally:
        os.close(lock)


@contextlib.contextmanager
def serve_pty(line: Line, link_path: Path) -> Iterator[str]:
    """Serve `line` on a pseudo-terminal behind the symlink `link_path`; gives the terminal's own name.

    A client may close and open it again at will. Raises SetupError when the path is taken.
    """
    with claim(link_path):
        if link_path.is_symlink():
            link_path.unlink()  # of a simulator that died: its claim was free
        elif link_path.exists():
            raise SetupError(
                f"{link_path} exists and is no link of a simulator: remove it or give another path"
            )
        # The slave stays open here too: without it every close by a client would be a hang-up of the master.
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            name = os.ttyname(slave)
            link_path.symlink_to(name)
            terminal = _Terminal(master, slave, line)
            try:
                yield name
            finally:
                terminal.close()
                link_path.unlink(missing_ok=True)
        finally:
            os.close(slave)
            os.close(master)


class _Terminal:
    """A pseudo-terminal attached to a line."""

    def __init__(self, master: int, slave: int, line: Line) -> None:
        self._master = master
        self._slave = slave
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._deaf_at_s = 0.0
        self._loop.add_reader(master, self._on_readable)
        line.clients.append(self.write)

    def write(self, data: bytes) -> None:
        """Send `data`; what a client does not read in time is lost: the next one finds nothing old."""
        if self._waiting and self._loop.time() <= self._deaf_at_s:
            self._waiting += data[: WAITING_MAX - len(self._waiting)]
            return
        if self._waiting:
            self._waiting.clear()
            self._loop.remove_writer(self._master)
            termios.tcflush(self._slave, termios.TCIFLUSH)  # what the system still holds
        written = self._write_now(data)
        if written < len(data):
            self._waiting += data[written:]
            self._deaf_at_s = self._loop.time() + DEAF_AFTER_S
            self._loop.add_writer(self._master, self._on_writable)

    def close(self) -> None:
        """Detach."""
        self._line.clients.remove(self.write)
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._line.receive(os.read(self._master, READ_SIZE))

    def _on_writable(self) -> None:
        del self._waiting[: self._write_now(self._waiting)]
        self._deaf_at_s = self._loop.time() + DEAF_AFTER_S
        if not self._waiting:
            self._loop.remove_writer(self._master)

    def _write_now(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0


@contextlib.asynccontextmanager
async def serve_tcp(line: Line, host: str, port: int) -> AsyncIterator[int]:
    """Serve `line` on TCP, to one client at a time: another one is closed at once. Gives the port.

    Raises SetupError when the address cannot be used.
    """
    served = _Served(line)
    try:
        server = await asyncio.get_running_loop().create_server(lambda: _Client(served), host, port)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise SetupError(
            f"TCP address {host}:{port} {reason}: give another one, or port 0 for any"
        ) from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if served.client is not None:
            served.client.abort()
        await server.wait_closed()


class _Served:
    """A line on TCP and the one client it has."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.client: asyncio.Transport | None = None


class _Client(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, served: _Served) -> None:
        self._served = served
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)  # create_server makes no other
        if self._served.client is not None:
            stream.abort()
            return
        self._transport = self._served.client = stream
        self._served.line.clients.append(self._write)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._served.line.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._served.line.clients.remove(self._write)
            self._served.client = self._transport = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() < WAITING_MAX:
            self._transport.write(data)
