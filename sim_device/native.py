"""The firmware's C core in this process: a `FirmwareBackend` over a shared library, built on first use.

Theory of operation. All that a running core knows is one structure of plain bytes, which this side keeps: a
copy of them is a copy of the firmware. Inputs are put into it only when they changed; of the outputs only
what changed is taken out. The non-volatile memory stays this side's: the core calls back for it, and looks at
the inputs once more before each trigger, because memory takes its time. A memory in RAM that nothing is wrong
with takes none, and every write: what is written to it is taken out after the step. The room for what is sent
is common to all lasers of a process, so that one at a time steps.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.states import State
from sim_device.board import SAFE_OUTPUTS, Inputs, Memory, Outputs, Step
from sim_device.firmware.limits import BUILD_ID
from sim_device.firmware.memory import MEMORY_BYTES
from sim_device.memory import RamMemory
from sim_device.native_build import Build, built
from sim_device.native_library import (
    COUNTERS,
    GIVEN,
    HV,
    HV_OFFSET,
    HV_PLACE,
    INPUT_NAMES,
    INPUTS,
    INSIDE,
    OUTPUTS,
    WRITES,
    Library,
)

U32: Final = 0xFFFF_FFFF

_KICKS: Final = 1 << [line.name for line in fields(Outputs)].index("watchdog_kicks")
_OUTPUT_NAMES: Final = tuple(line.name for line in fields(Outputs))
_levels_of = attrgetter(*INPUT_NAMES)
_STATES: Final = tuple(State)
_NOTHING: Final = (b"", b"", False)
_POINTER_SIZE: Final = ctypes.sizeof(ctypes.c_void_p)


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


def loaded(build: Build) -> Library:
    """A library that was built."""
    return Library(build, _read, _write, _look)


@functools.cache
def library() -> Library:
    """The library, built and loaded once in each process; raises SetupError when it cannot be built."""
    return loaded(built())


class Native:
    """The C core behind the board; the same bytes, outputs and times as the reference, in far less time."""

    _levels: tuple[int | bool, ...]  # as the core has them; empty when that is not known
    _version: int | None  # of the inputs they come from
    _hv_mv: int | bool

    def __init__(self, serial: str = "PL755-0001") -> None:
        """Raises SetupError when the library cannot be built."""
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
        with self._library.lock:
            booted = self._library.boot(
                self._at, now_us, memory.size, self._serial.encode(), BUILD_ID.encode(), watchdog_reset
            )
        self._state = State.OFF
        self._raise_trouble()
        if not booted:
            raise ValueError(f"memory = {memory.size} bytes is too small: give at least {MEMORY_BYTES}")

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        """Advance to `now_us` (the simulator's time) with these inputs and received bytes.

        Raises RuntimeError before boot, ValueError for a line that its wire cannot carry.
        """
        version = inputs.version
        if version is None or version != self._version:
            self._version = version
            levels = _levels_of(inputs)
            if levels != self._levels:
                self._put(levels)
        elif inputs.hv_mv != self._hv_mv:  # which moves in most steps
            self._hv_mv = inputs.hv_mv
            HV.pack_into(self._bytes, self._hv_at, self._hv_mv)
            self._levels = ()  # it was only part of them
        self._inputs = inputs
        core, memory = self._library, self._memory
        if memory is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        quick = type(memory) is RamMemory and not (memory.flaws.failing or memory.flaws.alterations)
        with core.lock:
            if received or console:
                if len(received) > core.room:
                    core.make_room(len(received))
                wake_us = core.feed(self._at, now_us, received, len(received), console, len(console), quick)
            else:
                wake_us = core.step(self._at, now_us, quick)
            sent, answered, driven = self._take() if core.given[0] else _NOTHING
        if self._trouble is not None:
            self._raise_trouble()
        return Step(sent, answered, wake_us, driven)

    @property
    def state(self) -> State:
        """Operating state."""
        return self._state

    @property
    def inside(self) -> Inside:
        """The running firmware's inside, for inspection. Raises RuntimeError before boot."""
        if self._memory is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        raw = bytearray(INSIDE.size)
        self._library.inside(self._at, ctypes.addressof(ctypes.c_char.from_buffer(raw)))
        now_us, boot, state, leave, fault, *rest = INSIDE.unpack(raw)
        return Inside(now_us, boot, State(state), Leave(leave), Fault(fault), *rest)

    def note_all(self) -> None:
        """Let everything count as changed in the next step: a test shows that it makes no difference."""
        self._library.note_all(self._at)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "build": self._library.build.key,
            "serial": self._serial,
            "memory": self._memory,
            "outputs": self.outputs,
            "state": self._state,
            "bytes": bytes(_POINTER_SIZE) + self._bytes[_POINTER_SIZE:],  # without the context
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        core = library()
        if state["build"] != core.build.key:
            raise ValueError(
                "this firmware was saved by another build of the core: its bytes mean something else"
            )
        self._serial, self._memory, self.outputs = state["serial"], state["memory"], state["outputs"]
        self._settle(core)
        self._bytes[:] = state["bytes"]
        core.set_context(self._at, self)  # what came with the bytes was another's
        self._state = state["state"]

    def _settle(self, core: Library) -> None:
        """Get room for the core's structure."""
        self._library = core
        self._bytes = bytearray(core.size)
        self._at = ctypes.addressof(ctypes.c_char.from_buffer(self._bytes))
        self._levels = ()
        self._version = None
        self._hv_mv = 0
        self._hv_at = core.inputs_at + HV_OFFSET
        self._inputs = Inputs()
        self._state = State.OFF
        self._trouble: BaseException | None = None  # what a callback raised: no C code can carry it
        core.set_context(self._at, self)

    def _take(self) -> tuple[bytes, bytes, bool]:
        """Take what a step gave besides its time.

        Outputs, state, memory, the bytes for host and console, and whether an output was driven anew.
        """
        core = self._library
        _, sent, console, changed, state, _, _, _, writes = GIVEN.unpack_from(core.given)
        if writes:
            self._write_down()
        if changed:
            levels = OUTPUTS.unpack_from(self._bytes, core.outputs_at)
            outputs = self.outputs
            for index, name in _lines_in(changed):
                setattr(outputs, name, levels[index])
        self._state = _STATES[state]
        return (
            bytes(core.sent[:sent]) if sent else b"",
            bytes(core.console[:console]) if console else b"",
            changed & ~_KICKS != 0,
        )

    def _write_down(self) -> None:
        """Do the writes that a step has left, in their order."""
        core, memory = self._library, self._memory
        if memory is None:
            return
        for one in core.written[: core.given[WRITES]]:
            memory.write(one.offset, ctypes.string_at(one.bytes, one.length))
        core.given[WRITES] = 0

    def _put(self, levels: tuple[int | bool, ...]) -> None:
        """Let the core have these inputs."""
        try:
            INPUTS.pack_into(self._bytes, self._library.inputs_at, *levels)
        except struct.error:
            wrapped = [_carried(name, level) for name, level in zip(INPUT_NAMES, levels, strict=True)]
            INPUTS.pack_into(self._bytes, self._library.inputs_at, *wrapped)
        self._levels = levels
        self._hv_mv = levels[HV_PLACE]

    def _raise_trouble(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble


def _carried(name: str, level: int | bool) -> int | bool:
    """What the wire of that name carries; ValueError for what it cannot."""
    if name in COUNTERS:
        return level & U32
    if not -(2**31) <= level < 2**31:
        raise ValueError(f"{name} = {level}: give a level of 32 bits")
    return level


@functools.lru_cache(maxsize=4096)
def _lines_in(changed: int) -> tuple[tuple[int, str], ...]:
    """Place and name of the outputs whose bits are set."""
    return tuple((index, name) for index, name in enumerate(_OUTPUT_NAMES) if changed >> index & 1)


# -- what the core calls. Nothing may be raised here: C would lose it. Once power is gone nothing is done.


def _read(firmware: Native, offset: int, data: int, length: int) -> bool:
    memory = firmware._memory  # noqa: SLF001 - this module's own
    if firmware._trouble is not None or memory is None:  # noqa: SLF001
        return False
    try:
        firmware._write_down()  # noqa: SLF001
        ctypes.memmove(data, memory.read(offset, length), length)
    except OSError:
        return False
    except BaseException as error:  # noqa: BLE001 - raised again by `step`, whatever it is
        firmware._trouble = error  # noqa: SLF001
        return False
    return True


def _write(firmware: Native, offset: int, data: int, length: int, back: int) -> bool:
    memory = firmware._memory  # noqa: SLF001
    if firmware._trouble is not None or memory is None:  # noqa: SLF001
        return False
    try:
        firmware._write_down()  # noqa: SLF001
        memory.write(offset, ctypes.string_at(data, length))
        ctypes.memmove(back, memory.read(offset, length), length)
    except OSError:
        return False
    except BaseException as error:  # noqa: BLE001
        firmware._trouble = error  # noqa: SLF001
        return False
    return True


def _look(firmware: Native) -> None:
    try:
        levels = _levels_of(firmware._inputs)  # noqa: SLF001
        if levels != firmware._levels:  # noqa: SLF001
            firmware._put(levels)  # noqa: SLF001
    except BaseException as error:  # noqa: BLE001
        firmware._trouble = error  # noqa: SLF001
