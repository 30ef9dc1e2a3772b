"""A simulated laser whose time is the running loop's: advanced by its own events, never by a tick."""

from __future__ import annotations

import asyncio
import copy
import functools

from hal.time import now_us
from protocols.states import State
from rig.line import Line
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import NEVER, Contacts, Plant
from sim_device.plant.truth import Truth
from sim_device.simulator import Simulator

SERIAL = "PL755-0001"
WARM_UP_US = 2_000_000_000  # the device gives up after 30 minutes itself


class SimulatedLaser:
    """Couples `simulator` to the loop's clock and to `line`.

    Nothing slips: what fell due while the loop was held up happens at its own time, before anything else.
    """

    def __init__(self, simulator: Simulator, line: Line) -> None:
        self.simulator = simulator
        self._line = line
        self._offset_us = simulator.now_us - now_us()
        self._timer: asyncio.TimerHandle | None = None
        line.device = self
        self._go_on()

    @property
    def now_us(self) -> int:
        """The simulator's time at this moment."""
        return now_us() + self._offset_us

    @property
    def truth(self) -> Truth:
        """What really happened to the light, up to now."""
        self.simulator.advance(self.now_us)
        return self.simulator.plant.truth

    @property
    def state(self) -> State | None:
        """The firmware's own idea of its state, now."""
        self.simulator.advance(self.now_us)
        return self.simulator.state

    def act(self, action: str, **fields: object) -> None:
        """Do what a person or the room does, now; the actions are those of `sim_device.operator`."""
        perform(self.simulator, action, fields, self.now_us)
        self._go_on()

    def receive(self, data: bytes) -> None:
        """Take bytes from the line."""
        self.simulator.receive(data, self.now_us)
        self._go_on()

    def close(self) -> None:
        """Let its time stand still."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_timer(self) -> None:
        self.simulator.advance(self.now_us)
        self._go_on()

    def _go_on(self) -> None:
        """Send what there is to send, and wake up for the next event."""
        if data := self.simulator.sent():
            self._line.send(data)
        self.close()
        due_us = self.simulator.next_event_us
        if due_us < NEVER:
            due_s = (due_us - self._offset_us) / 1e6
            self._timer = asyncio.get_running_loop().call_at(due_s, self._on_timer)


def cold_laser(seed: int) -> Simulator:
    """A laser with the key off and the handpiece in the calibration port."""
    return Simulator(Reference(serial=SERIAL), Plant(seed, Contacts()), RamMemory())


def warm_laser(seed: int) -> Simulator:
    """A laser in STANDBY, calibrated and undocked: warmed up once for each seed, then copied."""
    return copy.deepcopy(_warmed_up(seed))


@functools.cache
def _warmed_up(seed: int) -> Simulator:
    simulator = cold_laser(seed)
    perform(simulator, "key", {"to": "on"}, simulator.now_us)
    while simulator.state is not State.STANDBY:
        if simulator.next_event_us > WARM_UP_US:
            raise RuntimeError(f"seed {seed}: the laser is in {simulator.state}, not STANDBY, after warm-up")
        simulator.advance(simulator.next_event_us)
    perform(simulator, "undock", {}, simulator.now_us)
    return simulator
