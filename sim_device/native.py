"""The firmware's C core in this process: a `FirmwareBackend` over a shared library, built on first use.

Theory of operation. All that a running core knows is one structure of plain bytes, which this side keeps: a
copy of them is a copy of the firmware. Inputs are put into it only when they changed; of the outputs only
what changed is taken out. The non-volatile memory stays this side's: the core calls back for it, and looks at
the inputs once more before each trigger, because memory takes its time. The room for what is sent is common
to all lasers of a process, so that one at a time steps.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import threading
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.states import State
from sim_device.board import SAFE_OUTPUTS, Inputs, Memory, Outputs, Step
from sim_device.firmware.memory import MEMORY_BYTES
from sim_device.native_build import Build, built

BUILD_ID: Final = "native"
COUNTERS: Final = frozenset({"light_count", "lamp_triggers", "watchdog_kicks"})  # 32 bits that wrap
U32: Final = 0xFFFF_FFFF

_INPUT_NAMES: Final = tuple(line.name for line in fields(Inputs))
_OUTPUT_NAMES: Final = tuple(line.name for line in fields(Outputs))
_levels_of = attrgetter(*_INPUT_NAMES)
_STATES: Final = tuple(State)
_SENT_EXTRA: Final = 4096  # as SENT_ROOM and EVENTS_ROOM of the core have it
_EVENTS_EXTRA: Final = 512
_CONSOLE_ROOM: Final = 64 * 1024
_NOTHING: Final = (b"", b"")
_POINTER_SIZE: Final = ctypes.sizeof(ctypes.c_void_p)


def _shape(side: type[Inputs | Outputs]) -> struct.Struct:
    """The board's lines as the C structure has them."""
    codes = (
        "?" if type(line.default) is bool else "I" if line.name in COUNTERS else "i" for line in fields(side)
    )
    return struct.Struct("@" + "".join(codes) + "0i")  # ends where the compiler ends it


_INPUTS: Final = _shape(Inputs)
_OUTPUTS: Final = _shape(Outputs)


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


_INSIDE: Final = struct.Struct("@qIIIIIQQQQ?0q")


class _Exchange(ctypes.Structure):
    """`struct exchange` of firmware/native/library.c."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("anything", "sent", "console", "changed", "state")),
        *((name, ctypes.c_uint32) for name in ("sent_size", "console_size", "events_size", "reserved")),
        *((name, ctypes.c_void_p) for name in ("sent_bytes", "console_bytes", "events_bytes")),
    )


_READ: Final = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.py_object, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32
)
_WRITE: Final = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.py_object, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
)
_LOOK: Final = ctypes.PYFUNCTYPE(None, ctypes.py_object)


class Library:
    """The loaded library with the exchange that all its lasers share; use it under `lock`."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.lock = threading.Lock()  # a callback lets other threads run
        library = ctypes.PyDLL(str(build.path))
        pointer, u32, i64, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64, ctypes.c_char_p
        self.boot = _declared(
            library.native_boot, ctypes.c_bool, pointer, i64, u32, text, text, ctypes.c_bool
        )
        self.step = _declared(library.native_step, i64, pointer, i64)
        self.feed = _declared(library.native_feed, i64, pointer, i64, text, u32, text, u32)
        self.inside = _declared(library.native_inside, None, pointer, pointer)
        self.note_all = _declared(library.native_note_all, None, pointer)
        self.set_context = _declared(library.native_set_context, None, pointer, ctypes.py_object)
        layout = _declared(library.native_layout, u32, u32)
        self.size, self.inputs_at, inputs_size, self.outputs_at, outputs_size, exchange_size, inside_size = (
            map(layout, range(7))
        )
        known = (_INPUTS.size, _OUTPUTS.size, ctypes.sizeof(_Exchange), _INSIDE.size)
        if known != (inputs_size, outputs_size, exchange_size, inside_size):
            raise RuntimeError(f"{build.path} was compiled with another layout of structures: remove it")
        self._exchange = _Exchange()
        self.given = (
            memoryview(self._exchange).cast("B")[:20].cast("I")
        )  # anything, sent, console, changed, state
        self._callbacks = (
            _READ(_read),
            _WRITE(_write),
            _LOOK(_look),
        )  # they must live as long as the library
        _declared(library.native_connect, None, pointer, _READ, _WRITE, _LOOK)(
            ctypes.addressof(self._exchange), *self._callbacks
        )
        self.sent = self.console = memoryview(b"")
        self.room = -1
        self.make_room(1024)

    def make_room(self, received: int) -> None:
        """Room for what so many received bytes can bring about."""
        self.room = received
        sent = ctypes.create_string_buffer(8 * received + _SENT_EXTRA)
        console = ctypes.create_string_buffer(_CONSOLE_ROOM)
        events = ctypes.create_string_buffer(received + _EVENTS_EXTRA)
        self._rooms = (sent, console, events)
        exchange = self._exchange
        exchange.sent_size, exchange.console_size, exchange.events_size = map(ctypes.sizeof, self._rooms)
        exchange.sent_bytes = ctypes.addressof(sent)
        exchange.console_bytes = ctypes.addressof(console)
        exchange.events_bytes = ctypes.addressof(events)
        self.sent, self.console = memoryview(sent).cast("B"), memoryview(console).cast("B")


@functools.cache
def library() -> Library:
    """The library, built and loaded once in each process; raises SetupError when it cannot be built."""
    return Library(built())


class Native:
    """The C core behind the board; the same bytes, outputs and times as the reference, in far less time."""

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
        if self._memory is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        levels = _levels_of(inputs)
        if levels != self._levels:
            self._put(levels)
        self._inputs = inputs
        core = self._library
        with core.lock:
            if received or console:
                if len(received) > core.room:
                    core.make_room(len(received))
                wake_us = core.feed(self._at, now_us, received, len(received), console, len(console))
            else:
                wake_us = core.step(self._at, now_us)
            sent, answered = self._take() if core.given[0] else _NOTHING
        if self._trouble is not None:
            self._raise_trouble()
        return Step(sent, answered, wake_us)

    @property
    def state(self) -> State:
        """Operating state."""
        return self._state

    @property
    def inside(self) -> Inside:
        """The running firmware's inside, for inspection. Raises RuntimeError before boot."""
        if self._memory is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        raw = bytearray(_INSIDE.size)
        self._library.inside(self._at, ctypes.addressof(ctypes.c_char.from_buffer(raw)))
        now_us, boot, state, leave, fault, *rest = _INSIDE.unpack(raw)
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
        self._levels: tuple[int | bool, ...] = ()  # as the core has them
        self._inputs = Inputs()
        self._state = State.OFF
        self._trouble: BaseException | None = None  # what a callback raised: no C code can carry it
        core.set_context(self._at, self)

    def _take(self) -> tuple[bytes, bytes]:
        """Take what a step gave besides its time: outputs, state, and the bytes sent to host and console."""
        core = self._library
        _, sent, console, changed, state = core.given
        if changed:
            levels = _OUTPUTS.unpack_from(self._bytes, core.outputs_at)
            outputs = self.outputs
            for index, name in _lines_in(changed):
                setattr(outputs, name, levels[index])
        self._state = _STATES[state]
        return bytes(core.sent[:sent]), bytes(core.console[:console])

    def _put(self, levels: tuple[int | bool, ...]) -> None:
        """Let the core have these inputs."""
        try:
            _INPUTS.pack_into(self._bytes, self._library.inputs_at, *levels)
        except struct.error:
            wrapped = [_carried(name, level) for name, level in zip(_INPUT_NAMES, levels, strict=True)]
            _INPUTS.pack_into(self._bytes, self._library.inputs_at, *wrapped)
        self._levels = levels

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


def _declared(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of the library with its types."""
    function.restype, function.argtypes = result, arguments
    called: Callable[..., Any] = function
    return called


# -- what the core calls. Nothing may be raised here: C would lose it. Once power is gone nothing is done.


def _read(firmware: Native, offset: int, data: int, length: int) -> bool:
    memory = firmware._memory  # noqa: SLF001 - this module's own
    if firmware._trouble is not None or memory is None:  # noqa: SLF001
        return False
    try:
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
