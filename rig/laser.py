"""A simulated laser whose time is the running loop's: advanced by its own events, never by a tick."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable
from typing import cast

from hal.time import now_us
from protocols.states import State
from rig.line import Line
from rig.virtual_time import VirtualTimeLoop
from sim_device import firmwares
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.plant.truth import Truth
from sim_device.simulator import Simulator

SERIAL = "PL755-0001"
WARM_UP_US = 2_000_000_000  # the device gives up after 30 minutes itself


class SimulatedLaser:
    """Couples `simulator` to the clock of the loop, a `VirtualTimeLoop`, and to `line`.

    Nothing slips: what fell due while the loop was held up happens at its own time, before anything else.

    A laser has something to do some hundred times a second, most of which the host does not hear of: so it is
    a companion of the loop, which lets it go on alone up to what the host hears.
    """

    def __init__(self, simulator: Simulator, line: Line) -> None:
        self.simulator = simulator
        self._line = line
        self._loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
        self._offset_us = simulator.now_us - now_us()
        self.next_us = 0  # when its next event is due, on the loop's clock
        line.laser = self
        self._loop.companions.append(self)
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

    def work(self, work: Callable[[Simulator], None]) -> None:
        """Let `work` have the simulator, now: a fault comes or goes, a witness looks."""
        self.simulator.advance(self.now_us)
        work(self.simulator)
        self._go_on()

    def receive(self, data: bytes) -> None:
        """Take bytes from the line."""
        self.simulator.receive(data, self._loop.now_us() + self._offset_us)
        self._go_on()

    def close(self) -> None:
        """Let its time stand still."""
        if self in self._loop.companions:
            self._loop.companions.remove(self)

    def advance(self, until_us: int) -> int:
        """Let happen what is due, up to the first instant at which the line has news; the loop's call."""
        simulator, offset_us = self.simulator, self._offset_us
        in_time = until_us > self._loop.now_us()
        self.next_us = simulator.advance(until_us + offset_us, until_sent=in_time) - offset_us
        return simulator.now_us - offset_us

    def tell(self) -> None:
        """Hand over what the line has for the host; the loop's call."""
        simulator = self.simulator
        if data := simulator.sent():
            self._line.send(data, at_once=self._loop.quiet)
        if simulator.wire.plugged is not self._line.plugged:
            self._line.follow(plugged=simulator.wire.plugged)

    def _go_on(self) -> None:
        """Send what there is to send, and look when the next event is due."""
        simulator = self.simulator
        if data := simulator.sent():
            self._line.send(data)
        if simulator.wire.plugged is not self._line.plugged:
            self._line.follow(plugged=simulator.wire.plugged)
        self.next_us = simulator.next_event_us - self._offset_us


def cold_laser(seed: int, firmware: str = firmwares.DEFAULT) -> Simulator:
    """A laser with the key off and the handpiece in the calibration port.

    Raises SetupError when the firmware of that name cannot be had.
    """
    return Simulator(firmwares.make(firmware, SERIAL), Plant(seed, Contacts()), RamMemory())


def warm_laser(seed: int, firmware: str = firmwares.DEFAULT) -> Simulator:
    """A laser in STANDBY, calibrated and undocked: warmed up once for each seed and firmware, then copied.

    Raises SetupError as `cold_laser` does.
    """
    return copy.deepcopy(_warmed_up(seed, firmware))


@functools.lru_cache(maxsize=4)  # a campaign meets each seed once
def _warmed_up(seed: int, firmware: str) -> Simulator:
    simulator = cold_laser(seed, firmware)
    warm_up(simulator)
    return simulator


def warm_up(simulator: Simulator) -> None:
    """Turn the key of a docked laser, let it go to STANDBY, and undock it; RuntimeError if it does not."""
    limit_us = simulator.now_us + WARM_UP_US
    perform(simulator, "key", {"to": "on"}, simulator.now_us)
    while simulator.state is not State.STANDBY:
        if simulator.next_event_us > limit_us:
            raise RuntimeError(f"the laser is in {simulator.state}, not STANDBY, after warm-up")
        simulator.advance(simulator.next_event_us)
    perform(simulator, "undock", {}, simulator.now_us)
