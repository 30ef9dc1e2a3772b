"""Faults of the plant's parts: each turns one knob while it lasts, and gives it back as it was."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from pydantic import PrivateAttr

from sim_device.board import Inputs, Outputs
from sim_device.faults.fault import Fault
from sim_device.knobs import Knobs
from sim_device.plant import TruePulse
from sim_device.simulator import Simulator


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
        self.look(simulator)
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

    def look(self, simulator: Simulator) -> None:
        """See whether it makes a difference, now that the knob was turned."""
        self.stepped(simulator.now_us, simulator.plant.inputs, simulator.firmware.outputs)

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
