"""The firmware's books in non-volatile memory: counters, latched faults, calibration, history, report ring.

Theory of operation. Books and calibration live in two slots each, written in turn with a rising sequence
number and a CRC, so that a write cut short leaves the slot before it; one with numbers that no device has,
such as another layout may write, is not believed whatever its CRC says. Each of the 256 pulses of the ring
has two halves: the commit, written before the trigger, and the report, written after the judgement. A commit
without its report is the UNKNOWN report of that pulse. The pulse counter is the highest commit: one write
both numbers a pulse and says with which values it was fired, and it either counts whole or not at all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Final

from protocols.faults import FAULTS
from protocols.fields import bits_of
from protocols.messages import Handpiece, PulseFlag, PulseReport
from protocols.requests import FaultRecord
from sim_device.board import Memory
from sim_device.firmware.limits import CALIBRATION_LEVELS_MV, MODES, U32

REPORTS_MAX: Final = 256
HISTORY_MAX: Final = 32
_MAGIC: Final = 0x5049_4350  # changes with the layout: other bytes are not ours to read
_CRC: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<II")  # magic, sequence
_BOOKS: Final = "<QQQIIQBI"
_LEVELS: Final = len(CALIBRATION_LEVELS_MV)
_POINTS: Final = len(MODES) * _LEVELS
_CALIBRATION: Final = f"<BIQQIIIB{2 * _POINTS}I"
_HALF: Final = struct.Struct("<Q67sI")  # lamp shots, encoded PulseReport, CRC
_RECORD: Final = struct.Struct("<27sI")

_BOOKS_AT: Final = (0, 128)
_CALIBRATION_AT: Final = (256, 512)
_HISTORY_AT: Final = 1_024
_RECORD_SIZE: Final = 32
_RING_AT: Final = 4_096
_HALF_SIZE: Final = 80
_COUNTED_MAX: Final = 3 * 2**61  # [D] what counts on from it for ever still fits the wire, 2**63 - 1
_GAIN_MAX_PPM: Final = 10_000_000  # [D] what the wire carries
_LATCHABLE: Final = bits_of(frozenset(FAULTS))
MEMORY_BYTES: Final = _RING_AT + REPORTS_MAX * 2 * _HALF_SIZE  # 45,056: any 64 KiB part holds it


@dataclass(slots=True)
class Books:
    """Counters and latched faults; the pulse counter here is only a floor under the ring's."""

    pulse_number: int = 0
    acknowledged: int = 0
    lamp_shots: int = 0
    boots: int = 0
    trips: int = 0
    latched: int = 0
    first_fault: int = 0
    trip_boot: int = 0  # boot in which the present trip happened


@dataclass(slots=True)
class StoredCalibration:
    """An energy calibration: monitor gains, and the port's energy at each level of each mode."""

    valid: bool = False
    boot: int = 0
    device_time_us: int = 0
    lamp_shots: int = 0
    gain_a_ppm: int = 1_000_000
    gain_b_ppm: int = 1_000_000
    residual_ppm: int = 0
    points: int = 0
    energies_uj: tuple[int, ...] = (0,) * _POINTS  # mode by mode, level by level
    residuals_ppm: tuple[int, ...] = (0,) * _POINTS


_books_values: Final = attrgetter(*(field.name for field in fields(Books)))
_calibration_values: Final = attrgetter(*(field.name for field in fields(StoredCalibration)))


def _sound_books(values: tuple[int, ...]) -> bool:
    books = Books(*values)
    counted = max(books.pulse_number, books.acknowledged, books.lamp_shots) <= _COUNTED_MAX
    known = not books.latched & ~_LATCHABLE
    first = books.latched >> books.first_fault & 1 if books.latched else not books.first_fault
    return counted and known and bool(first)


def _sound_calibration(values: tuple[int, ...]) -> bool:
    _, _, time_us, lamp_shots, gain_a_ppm, gain_b_ppm, *_ = values
    return max(time_us, lamp_shots) <= _COUNTED_MAX and max(gain_a_ppm, gain_b_ppm) <= _GAIN_MAX_PPM


class _Slots:
    """Two slots of one record."""

    def __init__(self, at: tuple[int, int], shape: str, sound: Callable[[tuple[int, ...]], bool]) -> None:
        self._at = at
        self._shape = shape
        self._sound = sound
        self._size = _HEAD.size + struct.calcsize(shape) + _CRC.size
        self.sequence = 0
        self._next = 0

    def load(self, memory: Memory) -> tuple[tuple[int, ...] | None, bool]:
        """The newest record, if any, and whether the slots are as a clean part or a cut write leaves them."""
        raws = [memory.read(at, self._size) for at in self._at]
        found: tuple[int, ...] | None = None
        strange = False
        for index, raw in enumerate(raws):
            body = raw[: -_CRC.size]
            magic, sequence = _HEAD.unpack_from(body)
            if _CRC.unpack_from(raw, len(body))[0] != zlib.crc32(body) or magic != _MAGIC:
                continue
            values = struct.unpack_from(self._shape, body, _HEAD.size)
            if not self._sound(values):
                strange = True
            elif found is None or 0 < (sequence - self.sequence & U32) < 2**31:
                found = values
                self.sequence, self._next = sequence, 1 - index
        # Slot 0 is written first: while slot 1 is blank at most that first write can have been cut short.
        return found, not strange and (found is not None or not any(raws[1]))

    def store(self, values: tuple[int, ...]) -> tuple[int, bytes]:
        """Place and bytes of the next write."""
        self.sequence = self.sequence + 1 & U32
        body = _HEAD.pack(_MAGIC, self.sequence) + struct.pack(self._shape, *values)
        at = self._at[self._next]
        self._next = 1 - self._next
        return at, body + _CRC.pack(zlib.crc32(body))


class NonVolatile:
    """All that survives a restart. `broken` is raised by any failed or misread write and stays."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._books_slots = _Slots(_BOOKS_AT, _BOOKS, _sound_books)
        self._calibration_slots = _Slots(_CALIBRATION_AT, _CALIBRATION, _sound_calibration)
        self.books = Books()
        self.calibration = StoredCalibration()
        self.broken = False
        self.pulse_number = 0
        self.lamp_shots = 0
        self._latest_raw = b""  # half of an entry as it was written last, and what it says
        self._latest: tuple[int, PulseReport] | None = None
        self.unknown_at_boot = False  # the newest pulse was cut off between its trigger and its report
        self._load()

    @property
    def acknowledged(self) -> int:
        """Highest pulse the host has on its disk."""
        return self.books.acknowledged

    @property
    def waiting(self) -> int:
        """Pulse reports not yet acknowledged."""
        return self.pulse_number - self.books.acknowledged

    @property
    def room(self) -> int:
        """Pulses that can still be numbered before the host must acknowledge."""
        return REPORTS_MAX - self.pulse_number + self.books.acknowledged

    def save_books(self) -> None:
        """Write counters and latched faults."""
        self.books.pulse_number = self.pulse_number
        self.books.lamp_shots = self.lamp_shots
        self._write(*self._books_slots.store(_books_values(self.books)))

    def save_calibration(self) -> None:
        """Write the calibration."""
        *head, energies_uj, residuals_ppm = _calibration_values(self.calibration)
        self._write(*self._calibration_slots.store((*head, *energies_uj, *residuals_ppm)))

    def commit(self, report: PulseReport) -> bool:
        """Number a pulse, before its trigger; False: it is not on record and must not be fired."""
        at = self._entry_at(report.pulse_number)
        if self.room <= 0 or not self._write_half(at, self.lamp_shots + 1, report):
            return False
        self.pulse_number = report.pulse_number
        self.lamp_shots += 1
        return True

    def finish(self, report: PulseReport) -> None:
        """Store the report of a committed pulse."""
        if PulseFlag.SKIPPED in report.flags:
            self.lamp_shots -= 1  # the lamp did not fire after all
        self._write_half(self._entry_at(report.pulse_number) + _HALF_SIZE, self.lamp_shots, report)

    def report(self, number: int) -> PulseReport:
        """Report of a pulse that waits; UNKNOWN when only its commit is there, or nothing readable."""
        at = self._entry_at(number)
        for half_at in (at + _HALF_SIZE, at):
            found = self._half_at(half_at)
            if found is not None and found[1].pulse_number == number:
                return found[1]
        return _unreadable(number, self.books.boots)

    def acknowledge(self, number: int) -> None:
        """Free the reports up to `number`, which is not above the counter."""
        self.books.acknowledged = number
        self.save_books()

    def save_record(self, record: FaultRecord) -> None:
        """Write one entry of the fault history, at the place of its instance."""
        body = record.encode()
        self._write(self._record_at(record.instance), body + _CRC.pack(zlib.crc32(body)))

    def record(self, instance: int) -> FaultRecord | None:
        """Entry of the history, or None: never written, overwritten or unreadable."""
        body, crc = _RECORD.unpack(self._memory.read(self._record_at(instance), _RECORD.size))
        if crc != zlib.crc32(body):
            return None
        try:
            record = FaultRecord.decode(body)
        except ValueError:  # written by another layout
            return None
        return record if record.instance == instance else None

    def intact(self) -> bool:
        """Whether what memory holds is what the firmware believes: the self-test's question."""
        again = NonVolatile(self._memory)
        return (
            not self.broken
            and not again.broken
            and again.pulse_number == self.pulse_number
            and again.books == self.books
            and again.calibration == self.calibration
        )

    def _load(self) -> None:
        if self._memory.size < MEMORY_BYTES:
            raise ValueError(f"memory = {self._memory.size} bytes is too small: give at least {MEMORY_BYTES}")
        books, clean = self._books_slots.load(self._memory)
        if books is not None:
            self.books = Books(*books)
        calibration, calibration_clean = self._calibration_slots.load(self._memory)
        if calibration is not None:
            valid, boot, time_us, shots, gain_a, gain_b, residual, points, *tables = calibration
            energies_uj, residuals_ppm = tuple(tables[:_POINTS]), tuple(tables[_POINTS:])
            self.calibration = StoredCalibration(
                bool(valid),
                boot,
                time_us,
                shots,
                gain_a,
                gain_b,
                residual,
                points,
                energies_uj,
                residuals_ppm,
            )
        self.broken = not (clean and calibration_clean)
        self.lamp_shots = self.books.lamp_shots
        highest = 0
        for slot in range(REPORTS_MAX):
            half = self._half_at(_RING_AT + slot * 2 * _HALF_SIZE)
            if half is not None and half[1].pulse_number % REPORTS_MAX == slot:
                highest = max(highest, half[1].pulse_number)
                self.lamp_shots = max(self.lamp_shots, half[0])
        self.pulse_number = max(highest, self.books.pulse_number)
        if highest < self.books.pulse_number or not 0 <= self.waiting <= REPORTS_MAX:
            self.broken = True
            self.books.acknowledged = max(self.books.acknowledged, self.pulse_number - REPORTS_MAX)
            self.pulse_number = max(self.pulse_number, self.books.acknowledged)
        if self.waiting:
            self.unknown_at_boot = PulseFlag.UNKNOWN in self.report(self.pulse_number).flags
        for number in range(self.books.acknowledged + 1, self.pulse_number + 1):
            commit = self._half_at(self._entry_at(number))
            if commit is None or commit[1].pulse_number != number:
                self.broken = True

    def _half_at(self, at: int) -> tuple[int, PulseReport] | None:
        raw = self._memory.read(at, _HALF.size)
        if raw == self._latest_raw:
            return self._latest
        lamp_shots, encoded, crc = _HALF.unpack(raw)
        if crc != zlib.crc32(raw[: -_CRC.size], _MAGIC):
            return None
        try:
            report = PulseReport.decode(encoded)
        except ValueError:  # written by another layout
            return None
        return (lamp_shots, report) if max(lamp_shots, report.pulse_number) <= _COUNTED_MAX else None

    def _write_half(self, at: int, lamp_shots: int, report: PulseReport) -> bool:
        raw = _half(lamp_shots, report)
        self._latest_raw, self._latest = raw, (lamp_shots, report)
        return self._write(at, raw)

    def _write(self, at: int, data: bytes) -> bool:
        try:
            self._memory.write(at, data)
            good = self._memory.read(at, len(data)) == data
        except OSError:
            good = False
        if not good:
            self.broken = True
        return good

    @staticmethod
    def _entry_at(number: int) -> int:
        return _RING_AT + number % REPORTS_MAX * 2 * _HALF_SIZE

    @staticmethod
    def _record_at(instance: int) -> int:
        return _HISTORY_AT + instance % HISTORY_MAX * _RECORD_SIZE


def _half(lamp_shots: int, report: PulseReport) -> bytes:
    body = struct.pack("<Q67s", lamp_shots, report.encode())
    return body + _CRC.pack(zlib.crc32(body, _MAGIC))  # seeded, so that blank memory does not pass


def _unreadable(number: int, boot: int) -> PulseReport:
    """A pulse whose commit cannot be read any more: counted, nothing known."""
    flags = frozenset({PulseFlag.UNKNOWN})
    return PulseReport(number, max(1, boot), 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, Handpiece.NONE, 0, 0, 0, 0)
