"""The latch table: which faults are latched, the first cause, the number of the trip, and the history."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from protocols.faults import FAULTS, Fault
from protocols.fields import members_of
from protocols.interlocks import Interlock
from protocols.requests import FaultRecord
from protocols.states import State
from sim_device.firmware.limits import U32
from sim_device.firmware.memory import HISTORY_MAX, NonVolatile

_INT32_MAX: Final = 2**31 - 1

# After these the energy cannot be trusted before a new calibration: their action in the fault table says so.
VOID_CALIBRATION: Final = frozenset(
    {
        Fault.ENERGY_HIGH,
        Fault.ENERGY_LOW,
        Fault.OVER_ENERGY_COMPARATOR,
        Fault.MONITORS_DISAGREE,
        Fault.PULSE_WIDTH,
    }
)


class Faults:
    """Latched over key, reset and power loss; only an acknowledge clears them, all of one trip together."""

    def __init__(self, memory: NonVolatile) -> None:
        self._memory = memory
        self._books = memory.books
        if self._books.latched and memory.record(self._books.trips) is None:
            # Power went between latching and its record: the cause is known, the circumstances are not.
            self._save_record(0, State.FAULT, 0, 0)

    @property
    def latched(self) -> int:
        """Set of latched faults, one bit each."""
        return self._books.latched

    @property
    def first(self) -> Fault:
        """First cause; NONE when nothing is latched."""
        return Fault(self._books.first_fault)

    @property
    def instance(self) -> int:
        """Number of the present trip; 0 when nothing is latched."""
        return self._books.trips if self._books.latched else 0

    @property
    def needs_service(self) -> bool:
        """Whether an operator's acknowledge cannot clear this trip."""
        return any(FAULTS[fault].service for fault in members_of(Fault, self._books.latched))

    @property
    def from_earlier_boot(self) -> bool:
        """Whether the console was restarted since the trip."""
        return self._books.trip_boot != self._books.boots

    def has(self, fault: Fault) -> bool:
        """Whether this fault is latched."""
        return bool(self._books.latched >> fault & 1)

    def latch(self, fault: Fault, now_us: int, state: State, open_interlocks: int, value: int) -> bool:
        """Latch a fault; the first of a trip is its cause and enters the history. True: it is new."""
        if self.has(fault):
            return False
        starts = not self._books.latched
        self._books.latched |= 1 << fault
        if starts:
            self._books.trips = self._books.trips + 1 & U32 or 1
            self._books.first_fault = fault
            self._books.trip_boot = self._books.boots
        if fault in VOID_CALIBRATION and self._memory.calibration.valid:
            self._memory.calibration.valid = False
            self._memory.save_calibration()
        self._memory.save_books()  # before the history: what is latched must survive a cut in between
        if starts:
            self._save_record(now_us, state, open_interlocks, value)
        return True

    def _save_record(self, now_us: int, state: State, open_interlocks: int, value: int) -> None:
        books = self._books
        value = max(-_INT32_MAX - 1, min(_INT32_MAX, value))
        opened = members_of(Interlock, open_interlocks)
        self._memory.save_record(
            FaultRecord(0, self.first, books.trips, books.trip_boot, now_us, state, opened, value)
        )

    def clear(self) -> None:
        """Forget the trip, after an acknowledge."""
        self._books.latched = 0
        self._books.first_fault = 0
        self._memory.save_books()

    def record(self, index: int) -> FaultRecord:
        """Entry of the history, 0 the newest; fault NONE where it ends."""
        instance = self._books.trips - index
        if index < HISTORY_MAX and instance > 0:
            found = self._memory.record(instance)
            if found is not None:
                return replace(found, index=index)
        return FaultRecord(index, Fault.NONE, 0, 0, 0, State.OFF, frozenset(), 0)
