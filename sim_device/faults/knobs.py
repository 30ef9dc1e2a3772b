"""Faults of the plant's parts: each turns one knob while it lasts, and gives it back as it was.

Most are a line of data: `PulseWide = knob(__name__, "pulse-wide", ...)` makes the class of that name. What
such a line cannot say (a parameter that decides which knob, or when it shows) is a subclass of these.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import PrivateAttr

from sim_device.board import Inputs, Outputs
from sim_device.faults.declare import declared, given
from sim_device.faults.fault import Fault
from sim_device.knobs import Knobs
from sim_device.plant import TruePulse
from sim_device.simulator import Simulator

Turn = Callable[[Any, Any], Any]
"""What a knob is turned to, of its healthy value and the fault's own parameter (None without one)."""


def to(value: Any) -> Turn:
    """Always there."""
    return lambda _healthy, _parameter: value


def exactly(_healthy: Any, parameter: Any) -> Any:
    """As the parameter says."""
    return parameter


def times(healthy: Any, parameter: Any) -> Any:
    """By the parameter's factor."""
    return healthy * parameter


def thousandfold(_healthy: Any, parameter: Any) -> Any:
    """As the parameter says, in the base unit of its unit: us of ms, uJ of mJ, um of mm."""
    return round(parameter * 1000)


def _nothing(_simulator: Simulator, _outputs: Outputs) -> None:
    """Nothing goes differently."""


class Knob(Fault):
    """Holds a knob while it lasts; counts each new situation in which that made a difference."""

    knob: ClassVar[str]
    turned: ClassVar[Turn] = to(True)
    shows: ClassVar[Callable[..., Any]] = _nothing  # what `situation` tells

    _last: Hashable = PrivateAttr(None)
    _simulator: Simulator | None = PrivateAttr(None)
    _knobs: Knobs | None = PrivateAttr(None)

    @property
    def path(self) -> str:
        """Which knob, from the simulator on."""
        return self.knob

    def value(self, healthy: Any) -> Any:
        """What the knob is turned to."""
        return type(self).turned(healthy, given(self))

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """What goes differently just now, None or False if nothing does; each change of it counts."""
        situation: Hashable = type(self).shows(simulator, outputs)
        return situation

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
        if found not in {None, False} and found != self._last:
            self._fired += 1
        self._last = found


class PulseKnob(Knob):
    """A knob that alters pulses or their measurement: each pulse counts."""

    shows: ClassVar[Callable[[TruePulse], bool]] = lambda _: True

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """Nothing but pulses."""
        return None

    def pulsed(self, pulse: TruePulse) -> None:
        """One pulse is not what it would have been."""
        if self.rules and self.alters(pulse):
            self._fired += 1

    def alters(self, pulse: TruePulse) -> bool:
        """Whether this pulse shows it."""
        return type(self).shows(pulse)


class CountedKnob(Knob):
    """A knob of something that is counted anyway, since the simulator was made: each one counts."""

    shows: ClassVar[Callable[[Simulator], int]]

    _counted: int = PrivateAttr(0)

    def begin(self, simulator: Simulator) -> None:
        """Count from here."""
        self._counted = type(self).shows(simulator)
        super().begin(simulator)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """Take those since the last look."""
        if self._simulator is not None:
            counted = type(self).shows(self._simulator)
            if self.rules:
                self._fired += counted - self._counted
            self._counted = counted


class Shows(NamedTuple):
    """How a fault shows, that is what it counts."""

    kind: type[Knob]
    how: Callable[..., Any] | None = None  # None: as the kind has it


def each_pulse(of: Callable[[TruePulse], bool]) -> Shows:
    """In every pulse of which this is true."""
    return Shows(PulseKnob, of)


def each(counted: Callable[[Simulator], int]) -> Shows:
    """In each of what is counted here."""
    return Shows(CountedKnob, counted)


def when(differs: Callable[[Simulator, Outputs], Hashable]) -> Shows:
    """Whenever this changes, and is neither None nor False."""
    return Shows(Knob, differs)


EACH_PULSE: Final = Shows(PulseKnob)
ALWAYS: Final = when(lambda _simulator, _outputs: True)


def knob(
    module: str,
    name: str,
    meaning: str,
    *,
    hazards: str,
    at: str,
    turned: Turn,
    shows: Shows,
    **parameter: Any,
) -> type[Knob]:
    """Make the class of a fault; `at` is the knob's path from the simulator on, `turned` where it goes."""
    made = declared(shows.kind, module, name, meaning, hazards=hazards, parameter=parameter)
    made.knob, made.turned = at, staticmethod(turned)
    if shows.how is not None:
        made.shows = staticmethod(shows.how)
    return made
