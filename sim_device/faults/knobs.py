"""Faults of the plant's parts: each turns one knob while it lasts, and gives it back as it was."""

from __future__ import annotations

from collections.abc import Hashable
from operator import attrgetter
from typing import Any, ClassVar, Final

from pydantic import PrivateAttr

from sim_device.board import Inputs, Outputs
from sim_device.faults.fault import Fault
from sim_device.plant import TruePulse
from sim_device.simulator import Observer, Simulator

CLOCK: Final = "processor.drift_ppm"
CUT: Final = "wire.cut"
UNPLUGGED: Final = "wire.unplugged"


def _drift(simulator: Simulator, ppm: Any) -> None:
    simulator.drift(ppm, simulator.now_us)


def _cut(simulator: Simulator, cut: Any) -> None:
    (simulator.wire.cut if cut else simulator.wire.mend)()


def _unplug(simulator: Simulator, unplugged: Any) -> None:
    (simulator.wire.unplug if unplugged else simulator.wire.plug)()


_CALLED: Final = {CLOCK: (0, _drift), CUT: (False, _cut), UNPLUGGED: (False, _unplug)}
"""Knobs that are turned by a call, with what is healthy; all others are attributes, by their path."""


class Knobs(Observer):
    """Who holds which knob of a simulator: the latest turn counts, the last to let go leaves it healthy.

    It hangs among the observers, so that a copy of the simulator has its own.
    """

    def __init__(self) -> None:
        self._healthy: dict[str, Any] = {}
        self._holders: dict[str, list[tuple[Knob, Any]]] = {}

    @classmethod
    def of(cls, simulator: Simulator) -> Knobs:
        """The knobs of this simulator."""
        for observer in simulator.observers:
            if isinstance(observer, Knobs):
                return observer
        knobs = cls()
        simulator.observers.append(knobs)
        return knobs

    def hold(self, simulator: Simulator, path: str, holder: Knob) -> None:
        """The holder's value counts from now on; `turn` brings it to the plant."""
        if path not in self._healthy:
            self._healthy[path] = _CALLED[path][0] if path in _CALLED else attrgetter(path)(simulator)
        value = holder.value(self._healthy[path])
        self._holders.setdefault(path, []).append((holder, value))

    def turn(self, simulator: Simulator, path: str) -> None:
        """Bring the plant what counts."""
        self._write(simulator, path, self._holders[path][-1][1])

    def release(self, simulator: Simulator, path: str, holder: Knob) -> None:
        """Let go; the holder before, if any, counts again."""
        left = [held for held in self._holders.get(path, ()) if held[0] is not holder]
        self._holders[path] = left
        self._write(simulator, path, left[-1][1] if left else self._healthy[path])
        if not left:
            del self._holders[path], self._healthy[path]

    def rules(self, path: str, holder: Knob) -> bool:
        """Whether this holder's turn counts, and differs from the healthy value."""
        held = self._holders.get(path, [])
        return bool(held) and held[-1][0] is holder and held[-1][1] != self._healthy[path]

    @staticmethod
    def _write(simulator: Simulator, path: str, value: Any) -> None:
        if path in _CALLED:
            _CALLED[path][1](simulator, value)
            return
        owner, _, name = path.rpartition(".")
        part = attrgetter(owner)(simulator)
        simulator.act(lambda _: setattr(part, name, value), simulator.now_us)


class Knob(Fault):
    """Holds a knob while it lasts; counts each new situation in which that made a difference."""

    knob: ClassVar[str]

    _last: Hashable = PrivateAttr(None)
    _simulator: Simulator | None = PrivateAttr(None)
    _knobs: Knobs | None = PrivateAttr(None)

    @property
    def path(self) -> str:
        """Which knob, from the simulator on."""
        return self.knob

    def value(self, healthy: Any) -> Any:
        """What the knob is turned to; without a parameter that says more, the defect is simply there."""
        return True

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """What goes differently just now, None if nothing does; each change of it counts."""
        return None

    def begin(self, simulator: Simulator) -> None:
        """Turn the knob."""
        super().begin(simulator)
        self._simulator = simulator
        self._knobs = Knobs.of(simulator)
        self._knobs.hold(simulator, self.path, self)
        # What it will spoil it spoils now: the firmware may end the situation as soon as it sees it.
        self.stepped(simulator.now_us, simulator.plant.inputs, simulator.firmware.outputs)
        self._knobs.turn(simulator, self.path)

    def end(self, simulator: Simulator) -> None:
        """Let the knob go."""
        super().end(simulator)
        Knobs.of(simulator).release(simulator, self.path, self)
        self._simulator = self._knobs = None
        self._last = None

    @property
    def rules(self) -> bool:
        """Whether the knob stands where this fault turned it, and that is not where it belongs."""
        return self._knobs is not None and self._knobs.rules(self.path, self)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """Look whether it makes a difference now."""
        found = self.situation(self._simulator, outputs) if self._simulator and self.rules else None
        if found is not None and found != self._last:
            self._fired += 1
        self._last = found


class PulseKnob(Knob):
    """A knob that alters pulses or their measurement: each pulse counts."""

    def pulsed(self, pulse: TruePulse) -> None:
        """One pulse is not what it would have been."""
        if self.rules and self.alters(pulse):
            self._fired += 1

    def alters(self, pulse: TruePulse) -> bool:
        """Whether this pulse shows it."""
        return True


class CountedKnob(Knob):
    """A knob of something that is counted anyway: each one counts."""

    _counted: int = PrivateAttr(0)

    def count(self, simulator: Simulator) -> int:
        """What it alters, counted since the simulator was made."""
        raise NotImplementedError

    def begin(self, simulator: Simulator) -> None:
        """Count from here."""
        self._counted = self.count(simulator)
        super().begin(simulator)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """Take those since the last look."""
        if self._simulator is not None:
            counted = self.count(self._simulator)
            if self.rules:
                self._fired += counted - self._counted
            self._counted = counted
