"""The native library as it is loaded: the layout of its structures, its functions, the exchange."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from sim_device.board import Inputs, Outputs
from sim_device.native_build import Build

COUNTERS: Final = frozenset({"light_count", "lamp_triggers", "watchdog_kicks"})  # 32 bits that wrap
INPUT_NAMES: Final = tuple(line.name for line in fields(Inputs))
HV: Final = struct.Struct("@i")  # the voltage alone
HV_PLACE: Final = INPUT_NAMES.index("hv_mv")
INSIDE: Final = struct.Struct("@qIIIIIQQQQ?0q")
GIVEN: Final = struct.Struct("@9I")
"""What a step gave: anything, sent, console, changed, state, the sizes of three rooms, writes."""

WRITES: Final = 8  # place of `writes` in it

_WRITTEN_MAX: Final = 8
_SENT_EXTRA: Final = 4096  # as SENT_ROOM and EVENTS_ROOM of the core have it
_EVENTS_EXTRA: Final = 512
_CONSOLE_ROOM: Final = 64 * 1024


def _offset_of_hv() -> int:
    """Where the voltage lies in the structure of inputs: where a pattern of it alone is found."""
    levels = [0] * len(INPUT_NAMES)
    levels[HV_PLACE] = 0x01010101
    return INPUTS.pack(*levels).index(HV.pack(0x01010101))


def _shape(side: type[Inputs | Outputs]) -> struct.Struct:
    """The board's lines as the C structure has them."""
    codes = (
        "?" if type(line.default) is bool else "I" if line.name in COUNTERS else "i" for line in fields(side)
    )
    return struct.Struct("@" + "".join(codes) + "0i")  # ends where the compiler ends it


INPUTS: Final = _shape(Inputs)
HV_OFFSET: Final = _offset_of_hv()
OUTPUTS: Final = _shape(Outputs)


class _Written(ctypes.Structure):
    """`struct written` of the same."""

    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
        ("bytes", ctypes.c_uint8 * 256),
    )


class _Exchange(ctypes.Structure):
    """`struct exchange` of firmware/native/library.c."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("anything", "sent", "console", "changed", "state")),
        *((name, ctypes.c_uint32) for name in ("sent_size", "console_size", "events_size", "writes")),
        *((name, ctypes.c_void_p) for name in ("sent_bytes", "console_bytes", "events_bytes")),
        ("written", _Written * _WRITTEN_MAX),
    )


READ: Final = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.py_object, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32
)
WRITE: Final = ctypes.PYFUNCTYPE(
    ctypes.c_bool, ctypes.py_object, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
)
LOOK: Final = ctypes.PYFUNCTYPE(None, ctypes.py_object)


class Library:
    """The loaded library with the exchange that all its lasers share; use it under `lock`."""

    def __init__(
        self,
        build: Build,
        read: Callable[[Any, int, int, int], bool],
        write: Callable[[Any, int, int, int, int], bool],
        look: Callable[[Any], None],
    ) -> None:
        """`read`, `write` and `look` are what the core calls, with its firmware; they must not raise."""
        self.build = build
        self.lock = threading.Lock()  # a callback lets other threads run
        library = ctypes.PyDLL(str(build.path))
        pointer, u32, i64, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64, ctypes.c_char_p
        self.boot = _declared(
            library.native_boot, ctypes.c_bool, pointer, i64, u32, text, text, ctypes.c_bool
        )
        self.step = _declared(library.native_step, i64, pointer, i64, ctypes.c_bool)
        self.feed = _declared(library.native_feed, i64, pointer, i64, text, u32, text, u32, ctypes.c_bool)
        self.inside = _declared(library.native_inside, None, pointer, pointer)
        self.note_all = _declared(library.native_note_all, None, pointer)
        self.set_context = _declared(library.native_set_context, None, pointer, ctypes.py_object)
        layout = _declared(library.native_layout, u32, u32)
        self.size, self.inputs_at, inputs_size, self.outputs_at, outputs_size, exchange_size, inside_size = (
            map(layout, range(7))
        )
        known = (INPUTS.size, OUTPUTS.size, ctypes.sizeof(_Exchange), INSIDE.size)
        if known != (inputs_size, outputs_size, exchange_size, inside_size):
            raise RuntimeError(f"{build.path} was compiled with another layout of structures: remove it")
        self._exchange = _Exchange()
        self.given = memoryview(self._exchange).cast("B")[: GIVEN.size].cast("I")
        self.written = tuple(self._exchange.written)
        self._callbacks = READ(read), WRITE(write), LOOK(look)  # they must live as long as the library
        _declared(library.native_connect, None, pointer, READ, WRITE, LOOK)(
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


def _declared(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of the library with its types."""
    function.restype, function.argtypes = result, arguments
    called: Callable[..., Any] = function
    return called
