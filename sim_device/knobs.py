"""Knobs of a simulated laser: which one a fault holds, and where people want it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, Protocol

from sim_device.doors import Observer
from sim_device.simulator import Simulator

CLOCK: Final = "processor.drift_ppm"
CUT: Final = "wire.cut"
UNPLUGGED: Final = "wire.unplugged"
FOOT: Final = "plant.foot.pressed"
SUPPLY: Final = "plant.powered"


class Holder(Protocol):
    """Whoever holds a knob."""

    def value(self, healthy: Any) -> Any:
        """What the knob is held at."""
        ...

    def look(self, simulator: Simulator) -> None:
        """This one's value counts, and something about the knob has changed."""
        ...


def _drift(simulator: Simulator, ppm: Any) -> None:
    simulator.drift(ppm, simulator.now_us)


def _cut(simulator: Simulator, cut: Any) -> None:
    (simulator.wire.cut if cut else simulator.wire.mend)()


def _unplug(simulator: Simulator, unplugged: Any) -> None:
    (simulator.wire.unplug if unplugged else simulator.wire.plug)()


def _step_on(simulator: Simulator, pressed: Any) -> None:
    now_us = simulator.now_us
    simulator.act(lambda plant: plant.foot.move(now_us, pressed), now_us)


def _supply(simulator: Simulator, on: Any) -> None:
    simulator.set_power(on, simulator.now_us)


_CALLED: Final[dict[str, tuple[Callable[[Simulator], Any], Callable[[Simulator, Any], None]]]] = {
    CLOCK: (lambda _: 0, _drift),
    CUT: (lambda simulator: simulator.wire.severed, _cut),
    UNPLUGGED: (lambda simulator: not simulator.wire.plugged, _unplug),
    FOOT: (attrgetter(FOOT), _step_on),
    SUPPLY: (attrgetter(SUPPLY), _supply),
}
"""Knobs that are turned by a call, with how to read them; all others are attributes, by their path."""


class Knobs(Observer):
    """Who holds which knob of a simulator: the latest counts, the last to let go leaves what people want.

    A person who turns a knob that is held turns what it will go back to: a pedal under a weight does not come
    up when the foot is lifted. It hangs among the observers, so that a copy of the simulator has its own.
    """

    def __init__(self) -> None:
        self._healthy: dict[str, Any] = {}
        self._holders: dict[str, list[tuple[Holder, Any]]] = {}

    @classmethod
    def of(cls, simulator: Simulator) -> Knobs:
        """The knobs of this simulator."""
        knobs = _found(simulator)
        if knobs is None:
            knobs = cls()
            simulator.observers.append(knobs)
        return knobs

    def hold(self, simulator: Simulator, path: str, holder: Holder) -> None:
        """The holder's value counts from now on; `turn` brings it to the plant."""
        if path not in self._healthy:
            read = _CALLED[path][0] if path in _CALLED else attrgetter(path)
            self._healthy[path] = read(simulator)
        value = holder.value(self._healthy[path])
        self._holders.setdefault(path, []).append((holder, value))

    def turn(self, simulator: Simulator, path: str) -> None:
        """Bring the plant what counts."""
        _write(simulator, path, self._holders[path][-1][1])

    def release(self, simulator: Simulator, path: str, holder: Holder) -> None:
        """Let go; the holder before, if any, counts again. Who does not hold it changes nothing."""
        held = self._holders.get(path, [])
        left = [one for one in held if one[0] is not holder]
        if len(left) == len(held):
            return
        self._holders[path] = left
        _write(simulator, path, left[-1][1] if left else self._healthy[path])
        if left:
            left[-1][0].look(simulator)
        else:
            del self._holders[path], self._healthy[path]

    def want(self, simulator: Simulator, path: str, value: Any) -> bool:
        """A person would turn it: False when nobody holds it; if not, it goes there when the last lets go."""
        held = self._holders.get(path)
        if not held:
            return False
        self._healthy[path] = value
        held[-1][0].look(simulator)
        return True

    def is_alone(self, path: str) -> bool:
        """Only one holds it."""
        return len(self._holders.get(path, ())) == 1

    def rules(self, path: str, holder: Holder) -> bool:
        """Whether this holder's turn counts, and differs from the healthy value."""
        held = self._holders.get(path, [])
        return bool(held) and held[-1][0] is holder and held[-1][1] != self._healthy[path]


def turn(simulator: Simulator, path: str, value: Any) -> None:
    """A person turns a knob: at once, or as soon as nobody holds it any more."""
    knobs = _found(simulator)
    if knobs is None or not knobs.want(simulator, path, value):
        _write(simulator, path, value)


def _found(simulator: Simulator) -> Knobs | None:
    """The keeper of the knobs, unless nothing was ever held."""
    return next((one for one in simulator.observers if isinstance(one, Knobs)), None)


def _write(simulator: Simulator, path: str, value: Any) -> None:
    if path in _CALLED:
        _CALLED[path][1](simulator, value)
        return
    owner, _, name = path.rpartition(".")
    part = attrgetter(owner)(simulator)
    simulator.act(lambda _: setattr(part, name, value), simulator.now_us)
