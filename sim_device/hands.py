"""Everything a rig can do to one simulated laser and read of it; in process and, the same, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from sim_device.board import lines_of
from sim_device.faults import Injector, clear
from sim_device.faults.describe import describe, describe_trigger
from sim_device.firmware.memory import NonVolatile
from sim_device.memory import RamMemory, behind
from sim_device.operator import perform
from sim_device.plant.truth import KEPT_PULSES
from sim_device.simulator import Simulator
from sim_device.snapshot import Snapshot

SNAPSHOTS_MAX: Final = 100  # [C] each is some 100 kB
STEP_MAX_US: Final = 3600 * 1_000_000  # [C] of one call; more is a mistyped unit, or the next call's
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class HandError(ValueError):
    """Something that is not possible now: names what was asked, and what is allowed. Nothing was changed."""


class UnknownError(HandError):
    """A name or number of something that is not there."""


class Owner(Protocol):
    """Whoever gives a simulator its time."""

    simulator: Simulator
    slipped_us: int
    stepped: bool
    """Time stands still but for `step`."""

    @property
    def speed(self) -> int:
        """Device time for each real time, now."""
        ...

    def sync(self) -> int:
        """Bring the simulator to the present; its time in us."""
        ...

    def perform(self, work: Callable[[Simulator, int], object]) -> None:
        """Do something to the simulator now, and send what it answers."""
        ...

    def step(self, duration_us: int) -> None:
        """Let so much time pass; only when `stepped`."""
        ...

    def exchange(self, simulator: Simulator) -> None:
        """Go on with another simulator in the place of this one, from its own time on."""
        ...


class ByHand:
    """An owner in whose hands time is: nothing happens between two calls."""

    slipped_us = 0
    stepped = True
    speed = 1

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def sync(self) -> int:
        """The simulator's time."""
        return self.simulator.now_us

    def perform(self, work: Callable[[Simulator, int], object]) -> None:
        """Do something to the simulator now."""
        work(self.simulator, self.simulator.now_us)

    def step(self, duration_us: int) -> None:
        """Let so much time pass."""
        self.simulator.advance(self.simulator.now_us + duration_us)

    def exchange(self, simulator: Simulator) -> None:
        """Go on with another simulator."""
        self.simulator = simulator


class Hands:
    """Hands on one laser. Every method raises HandError, ActionError or FaultError, with nothing changed.

    Whatever returns JSON-ready values returns the same over HTTP.
    """

    def __init__(self, owner: Owner, seed: int = 1) -> None:
        """Take a laser in hand; `seed` is that of all chance of its faults, unless it has some already."""
        Injector.of(owner.simulator, seed)
        self._owner = owner
        self._snapshots: dict[str, Snapshot] = {}

    @classmethod
    def on(cls, simulator: Simulator, seed: int = 1) -> Hands:
        """Hands on a simulator that nobody else drives: its time passes by `step` alone."""
        return cls(ByHand(simulator), seed)

    @property
    def simulator(self) -> Simulator:
        """The laser itself; another one after `restore`."""
        return self._owner.simulator

    # -- doing

    def operate(self, action: str, **fields: Any) -> int:
        """Carry out one action of `sim_device.operator` (`operate("foot", to="press")`); the time in us."""
        self._owner.perform(lambda simulator, now_us: perform(simulator, action, fields, now_us))
        return self.simulator.now_us

    def inject(self, name: str, /, **given: Any) -> int:
        """Add a fault of the catalogue with parameters, trigger and `expected`; the injection's number."""
        self._owner.perform(lambda simulator, _: Injector.of(simulator).inject(name, **given))
        return len(self._injector.injections) - 1

    def clear(self, number: int | None = None) -> None:
        """End the fault of this number, or all, now and for good; UnknownError for one that is not there."""
        injections = self._injector.injections
        if number is not None and not 0 <= number < len(injections):
            raise UnknownError(f"injection = {number} is not known: there are {len(injections)}, from 0")
        one = None if number is None else injections[number]
        self._owner.perform(lambda simulator, _: clear(simulator, one))

    def step(self, duration_us: int) -> int:
        """Let `duration_us` pass and no more; the time after it. Only where time is stepped."""
        if not self._owner.stepped:
            raise HandError("time runs by itself here: start the simulator with --stepped to step it")
        if not 0 <= duration_us <= STEP_MAX_US:
            raise HandError(f"duration_us = {duration_us} is not allowed: give 0 to {STEP_MAX_US} us")
        self._owner.step(duration_us)
        return self.simulator.now_us

    def snapshot(self, name: str) -> int:
        """Keep the whole state under this name, in the place of an older one; the time in us."""
        if not _NAME.fullmatch(name):
            raise HandError(f"snapshot = {name!r} is no name: give 1 to 64 letters, digits, '.', '_' or '-'")
        if name not in self._snapshots and len(self._snapshots) >= SNAPSHOTS_MAX:
            raise HandError(f"snapshot = {name!r}: {SNAPSHOTS_MAX} are kept at most: forget one first")
        self._owner.sync()
        self._snapshots[name] = Snapshot(self.simulator)
        return self.simulator.now_us

    def restore(self, name: str) -> int:
        """Go back to a snapshot; the time in us, as it was then. Whoever is connected stays connected."""
        snapshot = self._snapshot(name)
        watchers = [type(one).__name__ for one in self.simulator.observers if one.watches_only]
        if watchers:
            raise HandError(f"restore = {name!r}: a {watchers[0]} is at work; it cannot go back: end it")
        self._owner.sync()
        try:
            simulator = snapshot.restored(behind(self.simulator.memory))
        except OSError as error:
            raise HandError(f"restore = {name!r}: the memory's file cannot be written: {error}") from error
        self._owner.exchange(simulator)
        return self.simulator.now_us

    def forget(self, name: str) -> None:
        """Drop a snapshot."""
        self._snapshot(name)
        del self._snapshots[name]

    # -- reading

    def snapshots(self) -> dict[str, int]:
        """The snapshots by name, with their times in us."""
        return {name: snapshot.now_us for name, snapshot in self._snapshots.items()}

    def injections(self) -> list[dict[str, Any]]:
        """Every injection with its parameters, whether it is active, and how often it really fired."""
        self._owner.sync()
        return [{"number": n, **one.as_dict()} for n, one in enumerate(self._injector.reports())]

    def catalogue(self) -> dict[str, Any]:
        """Every fault there is, with its parameters, and what triggers one."""
        return {
            "faults": [fault.as_dict() for fault in describe()],
            "trigger": [parameter.as_dict() for parameter in describe_trigger()],
        }

    def state(self) -> dict[str, Any]:
        """Time, speed, every line of the board, and what the plant really does."""
        now_us = self._owner.sync()
        simulator, plant = self.simulator, self.simulator.plant
        return {
            "now_us": now_us,
            "next_event_us": simulator.next_event_us,
            "speed": self._owner.speed,
            "stepped": self._owner.stepped,
            "slipped_us": self._owner.slipped_us,
            "powered": plant.powered,
            "running": simulator.running,
            "state": simulator.state.name if simulator.state is not None else None,
            "watchdog_resets": simulator.resets,
            "inputs": lines_of(plant.inputs),
            "outputs": lines_of(simulator.firmware.outputs),
            "plant": {
                "hv_v": plant.capacitor.volts(now_us),
                "coolant_c": plant.coolant.celsius(now_us),
                "shutter_position": plant.shutter.position(now_us),
                "foot_pressed": plant.foot.pressed,
                "gate_open": plant.gate_open,
                "lamp_shots": plant.lamp.shots,
                "energy_drift": plant.head.drift,
            },
        }

    def truth(self, last: int = 100) -> dict[str, Any]:
        """Counters of all light there ever was, and the latest `last` pulses."""
        if not 0 <= last <= KEPT_PULSES:
            raise HandError(f"last = {last} is not allowed: give 0 to {KEPT_PULSES} pulses")
        now_us = self._owner.sync()
        known = self.simulator.plant.truth
        pulses = list(known.pulses)
        return {
            "now_us": now_us,
            "total": known.total,
            "aperture": known.aperture,
            "port": known.port,
            "shuttered": known.shuttered,
            "triggers": known.triggers,
            "blocked": known.blocked,
            "dark": known.dark,
            "misfired": known.misfired,
            "pulses": [pulse._asdict() for pulse in pulses[len(pulses) - min(last, len(pulses)) :]],
        }

    def device(self) -> dict[str, Any]:
        """The firmware's own counters, read from its non-volatile memory."""
        self._owner.sync()
        memory = RamMemory(self.simulator.memory.size)
        memory.put(behind(self.simulator.memory).image())  # a copy: the device itself reads nothing
        stored = NonVolatile(memory)
        return {
            "pulse_number": stored.pulse_number,
            "acknowledged": stored.acknowledged,
            "reports_waiting": stored.waiting,
            "lamp_shots": stored.lamp_shots,
            "boots": stored.books.boots,
            "trips": stored.books.trips,
            "broken": stored.broken,
        }

    @property
    def _injector(self) -> Injector:
        return Injector.of(self.simulator)

    def _snapshot(self, name: str) -> Snapshot:
        if name not in self._snapshots:
            known = ", ".join(map(repr, self._snapshots)) or "none yet"
            raise UnknownError(f"snapshot = {name!r} is not known: there are {known}")
        return self._snapshots[name]
