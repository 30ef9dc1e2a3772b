"""The simulator's real-time edge: maps the event loop's time to the device's, and hands bytes to whom it has.

Theory of operation: `Pump` is the only place where real time meets simulated time. It advances the simulator
when bytes arrive and when the simulator's next event is due, by one timer of the loop and no fixed tick. If
the process was held up, simulated time slips instead of jumping: a device does not run on while its bytes
lie unread. While self-test and warm-up last, device time runs `warm_up_speed` times as fast; every event of
them happens all the same, in its order.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from sim_device.errors import SetupError
from sim_device.operator import perform
from sim_device.plant import NEVER
from sim_device.simulator import Simulator

HELD_UP_US: Final = 50_000
"""[C] Real time that may be made up for at once: a quarter of the 200 ms after which the device ends a
permit, so that a pause of this process does not look like a dead host."""


class Place(Protocol):
    """Where clients attach to a port: a pseudo-terminal, a TCP address."""

    def plug(self) -> None:
        """Be there. Raises SetupError when the place is taken."""
        ...

    def unplug(self) -> None:
        """Be gone, and every client with it; again without effect."""
        ...

    def look(self) -> None:
        """See what clients have set, and let those go on who had to wait."""
        ...


class Port:
    """One serial port of the device: bytes from any attached client go in, what comes out goes to all.

    `laser` finds the simulator whose line is behind it; without one (the console's) nothing is ever wrong.
    """

    def __init__(
        self, receive: Callable[[bytes], None], laser: Callable[[], Simulator] | None = None
    ) -> None:
        self.receive = receive
        self.clients: list[Callable[[bytes], None]] = []
        self._laser = laser
        self._places: list[Place] = []
        self._plugged = True
        self._settled: tuple[int, int] | None = (0, 1)

    @property
    def baud(self) -> int:
        """The device's rate in bit/s; 0 where there is none to keep to."""
        return self._laser().wire.device_baud if self._laser is not None else 0

    @property
    def full(self) -> bool:
        """Clients have to wait: the line has not carried yet what they sent."""
        return self._laser is not None and self._laser().wire.to_device.full

    def settle(self, baud: int, stop_bits: int = 1) -> None:
        """A client has set its rate, 0 for one that has none."""
        if self._laser is None or (baud, stop_bits) == self._settled:
            return
        self._settled = baud, stop_bits
        simulator = self._laser()
        perform(simulator, "host-port", {"baud": baud, "stop_bits": stop_bits}, simulator.now_us)

    def unsettle(self) -> None:
        """Another laser is behind it: it has to be told what the clients have set."""
        self._settled = None

    def write(self, data: bytes) -> None:
        """Give `data` to every attached client; to nobody if there is none, as a UART does."""
        for client in self.clients:
            client(data)

    @contextlib.contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Serve this port at a place; SetupError when it is taken."""
        place.plug()
        self._places.append(place)
        try:
            yield
        finally:
            self._places.remove(place)
            place.unplug()

    def look(self) -> None:
        """See what clients have set up since the last time, where that matters."""
        if self.baud:
            for place in self._places:
                place.look()

    def follow(self) -> None:
        """Do what the line's plug did."""
        if self._laser is not None and self._laser().wire.plugged != self._plugged:
            self._plugged = not self._plugged
            for place in self._places:
                place.plug() if self._plugged else place.unplug()


class Pump:
    """Runs one simulator in real time. `wire` is its binary port, `console` its text port.

    When `stepped`, its time stands still but for `step`: what clients send arrives in that instant.
    """

    def __init__(self, simulator: Simulator, warm_up_speed: int = 1, *, stepped: bool = False) -> None:
        self.simulator = simulator
        self.warm_up_speed = warm_up_speed
        self.stepped = stepped
        self._steps_us = 0
        self.slipped_us = (
            0  # real time by which the device's clock stood still because the process was held up
        )
        self.wire = Port(lambda data: self._receive(self.simulator.receive, data), lambda: self.simulator)
        self.console = Port(lambda data: self._receive(self.simulator.receive_console, data))
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
        self.wire.look()
        real_us = self._clock_us()
        held_up_us = real_us - self._real_of(self.simulator.next_event_us) - HELD_UP_US
        if held_up_us > 0:
            self.slipped_us += held_up_us
            self._real_us += held_up_us
        while True:
            target_us = self._device_us + (real_us - self._real_us) * self._speed
            due_us = target_us
            if self.warm_up_speed > 1:  # event by event: any of them may begin or end the warm-up
                due_us = min(self.simulator.next_event_us, target_us)
            self.simulator.advance(due_us)
            speed = self._wanted_speed()
            if speed != self._speed:  # it counts from this event on
                self._real_us = self._real_of(due_us)
                self._device_us, self._speed = due_us, speed
            elif due_us == target_us:
                self._real_us, self._device_us = real_us, target_us
                return target_us

    def perform(self, work: Callable[[Simulator, int], object]) -> None:
        """Do something to the simulator now and send what it answers."""
        try:
            work(self.simulator, self.sync())
        finally:
            self._flush()

    def step(self, duration_us: int) -> None:
        """Let so much time pass, event by event; ValueError when time runs by itself."""
        if not self.stepped:
            raise ValueError("time runs by itself here")
        until_us = self._steps_us + duration_us
        while (event_us := self._real_of(self.simulator.next_event_us)) < until_us:
            self._steps_us = event_us
            self.perform(_nothing)
        self._steps_us = until_us
        self.perform(_nothing)

    def exchange(self, simulator: Simulator) -> None:
        """Go on with another simulator, from its own time on; the former does nothing any more."""
        self.simulator = simulator
        self._real_us = self._clock_us()
        self._device_us, self._speed = simulator.now_us, self._wanted_speed()
        self.wire.unsettle()
        self.perform(_nothing)

    def _receive(self, receive: Callable[[bytes, int], None], data: bytes) -> None:
        try:
            self.perform(lambda _, now_us: receive(data, now_us))
        except Exception as error:  # noqa: BLE001 # top of the loop's callback: `run` ends with it
            self._fail(error)

    def _on_timer(self) -> None:
        self._timer = None  # it has run: there is nothing to cancel
        try:
            self.perform(_nothing)
        except Exception as error:  # noqa: BLE001 # top of the loop's callback: `run` ends with it
            self._fail(error)

    def _flush(self) -> None:
        """Send what is there, and set the timer to the next event."""
        if data := self.simulator.sent():
            self.wire.write(data)
        if data := self.simulator.console_sent():
            self.console.write(data)
        self.wire.follow()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._speed = self._wanted_speed()  # what was just done may have begun or ended the warm-up
        due_us = self.simulator.next_event_us
        if due_us < NEVER and not self.stepped and not self._failed.done():
            self._timer = self._loop.call_at(self._real_of(due_us) / 1e6, self._on_timer)

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    def _real_of(self, device_us: int) -> int:
        """Real time at which the device reaches `device_us`, rounded up."""
        return self._real_us - (self._device_us - device_us) // self._speed

    def _clock_us(self) -> int:
        if self.stepped:
            return self._steps_us
        return round(self._loop.time() * 1e6)

    def _wanted_speed(self) -> int:
        return self.warm_up_speed if self.warm_up_speed > 1 and self.simulator.warming else 1


def _nothing(_simulator: Simulator, _now_us: int) -> None:
    pass


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
