"""The reference firmware and the C core side by side, as one: what either does the other must do, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from protocols.states import State
from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.firmware import Reference
from sim_device.firmware.changes import ALL
from sim_device.native import Native
from tests.sim_device import bench, ideal_laser
from tests.sim_device.ideal_laser import Ram

_levels_of = attrgetter(*(line.name for line in fields(Outputs)))


class BenchNative(Native):
    """The C core with as much of an inside as the bench asks of the reference."""

    @property
    def device(self) -> Any:
        inside = self.inside
        return SimpleNamespace(
            faults=SimpleNamespace(instance=inside.fault_instance, first=inside.first_fault),
            leave=inside.leave,
            now_us=inside.now_us,
            note=lambda _: self.note_all(),
        )


class Pair:
    """Both firmwares behind one board: every step is taken by both, and they must agree on all there is.

    Each has a memory of its own, told apart only when they are compared.
    """

    def __init__(self, serial: str = "PL755-0001") -> None:
        self._reference = Reference(serial)
        self._native = Native(serial)
        self._twin: Ram | None = None
        self._memory = Ram()
        self.outputs = self._reference.outputs
        self.steps = 0
        self._writes = (-1, -1)  # to each memory, when they were compared last

    @property
    def state(self) -> State:
        return self._reference.state

    @property
    def device(self) -> Any:
        return self._reference.device

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        assert isinstance(memory, Ram)
        if self._twin is None or bytes(self._twin.data) != bytes(memory.data):
            self._twin = Ram(memory.size)
            self._twin.data[:] = memory.data
        self._memory = memory
        self._twin.broken = memory.broken
        self._reference.boot(now_us, memory, watchdog_reset=watchdog_reset)
        self._native.boot(now_us, self._twin, watchdog_reset=watchdog_reset)
        self._compare("boot")

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        assert self._twin is not None
        self.steps += 1
        self._twin.broken = self._memory.broken
        seen = inputs
        if self._memory.on_write is not None:  # the reference's write will move the line of both
            _, name, level = self._memory.on_write
            seen = replace(inputs)
            self._twin.on_write = (seen, name, level)
        step = self._reference.step(now_us, inputs, received, console)
        other = self._native.step(now_us, seen, received, console)
        said = f"at {now_us}, {received!r}, {console!r}"
        assert other.sent == step.sent, said
        assert other.console == step.console, said
        assert other.wake_us == step.wake_us, said
        self._compare(said)
        return step

    def note_all(self) -> None:
        """Let everything count as changed in the core's next step, and in the reference's too."""
        self._reference.device.note(ALL)
        self._native.note_all()

    def corrupt(self, offset: int, data: bytes) -> None:
        """Other bytes in both memories."""
        assert self._twin is not None
        self._memory.data[offset : offset + len(data)] = data
        self._twin.data[offset : offset + len(data)] = data

    def _compare(self, said: str) -> None:
        assert self._twin is not None
        ours, theirs = _levels_of(self._native.outputs), _levels_of(self._reference.outputs)
        assert (ours, *map(type, ours)) == (theirs, *map(type, theirs)), said
        assert self._native.state is self._reference.state, said
        if (self._twin.writes, self._memory.writes) != self._writes:
            self._writes = (self._twin.writes, self._memory.writes)
            assert self._twin.data == self._memory.data, said
        inside, device = self._native.inside, self._reference.device
        assert inside.leave is device.leave, said
        assert inside.latched == device.faults.latched, said
        assert inside.first_fault is device.faults.first, said
        assert inside.lamp_shots == device.memory.lamp_shots, said


@contextmanager
def benches_of(firmware: Callable[[], Any]) -> Iterator[None]:
    """Benches have this firmware instead of the reference, those at a stage included."""
    before = vars(ideal_laser)["Reference"]  # what a bench makes for itself
    setattr(ideal_laser, "Reference", firmware)  # noqa: B010 - the module does not export it
    bench._at_stage.cache_clear()
    try:
        yield
    finally:
        setattr(ideal_laser, "Reference", before)  # noqa: B010
        bench._at_stage.cache_clear()
