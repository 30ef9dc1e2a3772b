"""The firmware's C core in this process: a `FirmwareBackend` over an extension of Python, built on first use.

Theory of operation. The extension (`firmware/native/`) is one type, `Core`, whose `step` is this firmware's:
it reads the inputs, writes the outputs, calls the memory and makes a `Step`, all by itself. All that a core
knows is one structure of plain bytes, its image: a copy of them is a copy of the firmware.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, Final, NamedTuple, Protocol

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.states import State
from sim_device.board import SAFE_OUTPUTS, Inputs, Memory, Outputs, Step
from sim_device.firmware.limits import BUILD_ID
from sim_device.firmware.memory import MEMORY_BYTES
from sim_device.native_build import Build, built

_MODULE: Final = "picolase_core"
_STATES: Final = tuple(State)


class Inside(NamedTuple):
    """What people and tests may want to see of the firmware's inside."""

    now_us: int  # device time
    boot_number: int
    state: State
    leave: Leave
    first_fault: Fault
    fault_instance: int
    latched: int
    pulse_number: int
    acknowledged: int
    lamp_shots: int
    calibrated: bool


class _Core(Protocol):
    """What the extension's type offers; it drives the outputs that it was made with."""

    state: int

    def boot(  # noqa: PLR0917 - C takes no names
        self, now_us: int, memory: Memory, size: int, serial: str, build_id: str, watchdog_reset: bool, /
    ) -> bool: ...

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes, /) -> Step: ...

    def inside(self) -> tuple[Any, ...]: ...

    def note_all(self) -> None: ...

    def image(self) -> bytes: ...

    def restore(self, image: bytes, memory: Memory | None, /) -> None: ...


class Library(NamedTuple):
    """The loaded extension."""

    build: Build
    core: Callable[[Outputs], _Core]


def loaded(build: Build) -> Library:
    """An extension that was built."""
    loader = ExtensionFileLoader(_MODULE, str(build.path))
    spec = spec_from_file_location(_MODULE, build.path, loader=loader)
    if spec is None:
        raise ImportError(f"{build.path} is no extension of Python")
    module = module_from_spec(spec)
    loader.exec_module(module)
    return Library(build, module.Core)


@functools.cache
def library() -> Library:
    """The extension, built and loaded once in each process; raises SetupError when it cannot be built."""
    return loaded(built())


class Native:
    """The C core behind the board; the same bytes, outputs and times as the reference, in far less time."""

    def __init__(self, serial: str = "PL755-0001") -> None:
        """Raises SetupError when the extension cannot be built."""
        self.outputs = Outputs()
        self._serial = serial
        self._memory: Memory | None = None
        self._settle(library())

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        """Start as after power-on: outputs at their safe level, RAM forgotten. `now_us` becomes time zero.

        Raises ValueError when `memory` is too small for the firmware's books.
        """
        self._memory = memory
        for line in fields(Outputs):
            setattr(self.outputs, line.name, getattr(SAFE_OUTPUTS, line.name))
        if not self._core.boot(now_us, memory, memory.size, self._serial, BUILD_ID, watchdog_reset):
            raise ValueError(f"memory = {memory.size} bytes is too small: give at least {MEMORY_BYTES}")

    @property
    def state(self) -> State:
        """Operating state."""
        return _STATES[self._core.state]

    @property
    def inside(self) -> Inside:
        """The running firmware's inside, for inspection. Raises RuntimeError before boot."""
        if self._memory is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        now_us, boot, state, leave, fault, *rest = self._core.inside()
        return Inside(now_us, boot, State(state), Leave(leave), Fault(fault), *rest)

    def note_all(self) -> None:
        """Let everything count as changed in the next step: a test shows that it makes no difference."""
        self._core.note_all()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "build": self._library.build.key,
            "serial": self._serial,
            "memory": self._memory,
            "outputs": self.outputs,
            "image": self._core.image(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        core = library()
        if state["build"] != core.build.key:
            raise ValueError(
                "this firmware was saved by another build of the core: its bytes mean something else"
            )
        self._serial, self._memory, self.outputs = state["serial"], state["memory"], state["outputs"]
        self._settle(core)
        self._core.restore(state["image"], self._memory)

    def _settle(self, made: Library) -> None:
        """Get a core that drives `outputs`; its `step` is this firmware's, without a detour.

        It raises RuntimeError before boot, ValueError for a line whose level its wire cannot carry.
        """
        self._library = made
        self._core = made.core(self.outputs)
        self.step = self._core.step
