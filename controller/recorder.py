"""The recorder: brings pulses and events to disk in their order, and only then acknowledges them.

Theory of operation. What arrives synchronously from the line is put into a bounded queue; one task takes as
much as there is, writes it in one transaction, and then acknowledges the highest pulse up to which nothing is
missing. A pulse that could not be written is simply not acknowledged: the device repeats its report. An event
that could not be written is kept and tried again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from controller.store import (
    EventKind,
    PulseConflict,
    PulseRecord,
    RecordRefused,
    Severity,
    Store,
    StoreError,
    StoreWriter,
    counted_energy_mj,
)
from protocols.messages import Handpiece, PulseFlag, PulseReport
from protocols.requests import Counters
from safety.fluence import fluence_j_cm2

CAPACITY: Final = 2_048  # [C] 200 s of pulses at 10 Hz, and as many events: a disk that slow has failed
BATCH_MAX: Final = 256  # [C] one transaction of some 10 ms
MARK_EVERY: Final = 4_096  # [C] pulses looked through at a connection after a crash: some 5 ms
RETRY_S: Final = 0.5  # [C] the device repeats its reports every 0.3 s anyway

_MEASURED_MAX_UJ: Final = 5_000_000  # the wire's mark for "saturated"
_WIDTH_MAX_PS: Final = 2**32 - 1
_INSIDE: Final = frozenset(
    {PulseFlag.SHUTTER_CLOSED, PulseFlag.CALIBRATION, PulseFlag.SKIPPED, PulseFlag.MISSING}
)
_UNKNOWN, _DOUBLE = PulseFlag.UNKNOWN, PulseFlag.DOUBLE
_HANDPIECES: Final = {handpiece: handpiece.name.lower() for handpiece in Handpiece}
_FLAGS: Final = {flag: flag.name.lower() for flag in PulseFlag}


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be recorded besides pulses."""

    kind: EventKind
    severity: Severity
    text: str
    actor: str
    now_us: int
    body: Mapping[str, object] = field(default_factory=dict)


class _Pulse(NamedTuple):
    serial: str
    report: PulseReport
    wall_time: datetime
    now_us: int


@dataclass(frozen=True, slots=True)
class Books:
    """Whether device and database tell the same; `missing` counts numbers that have no record yet."""

    device_counter: int
    recorded: int
    missing: int
    waiting: int


class Recorder:
    """Owns the way of pulses and events to the disk for one daemon.

    `on_recorded` is told each new pulse or event after it is on disk; `on_store` whether writing works;
    `on_trouble` what no repetition will mend (a pulse recorded otherwise, or lost for good).
    """

    def __init__(
        self,
        writer: StoreWriter,
        *,
        wall_clock: Callable[[], datetime],
        on_recorded: Callable[[PulseRecord | Event], None],
        on_store: Callable[[bool, str], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._wall_clock = wall_clock
        self._on_recorded = on_recorded
        self._on_store = on_store
        self._on_trouble = on_trouble
        self._queue: deque[_Pulse | Event] = deque()
        self._news = asyncio.Event()
        self._unwritten: list[Event] = []
        self._sessions: dict[int, str | None] = {}
        self._known_serial = ""
        self._serial = ""  # the same while a connection serves it
        self._conflicts: set[int] = set()
        self._acknowledge: Callable[[int], object] | None = None
        self._through = 0  # every pulse up to this number is on disk, or was before this database began
        self._beyond: set[int] = set()  # on disk, but something before them is missing
        self._recorded = 0
        self._device_counter = 0
        self.dropped_events = 0
        self.idle = asyncio.Event()
        self.idle.set()

    # -- from the line, synchronous

    def pulse(self, report: PulseReport, now_us: int) -> None:
        """Take a report; when the queue is full it is left to the device to repeat it."""
        self._device_counter = max(self._device_counter, report.pulse_number)
        if self._serial:
            self._put(_Pulse(self._serial, report, self._wall_clock(), now_us))

    def event(self, event: Event) -> None:
        """Take an event; one that finds the queue full is counted in `dropped_events`."""
        if not self._put(event):
            self.dropped_events += 1

    def device_counter(self, pulse_number: int) -> None:
        """Note how far the device has counted, as its Status says."""
        self._device_counter = max(self._device_counter, pulse_number)

    def permit(self, permit_id: int, session_id: str) -> None:
        """Note which session the pulses of a permit belong to; its write-ahead record says it for ever."""
        self._sessions[permit_id] = session_id

    @property
    def books(self) -> Books:
        """How the device's count and the records compare."""
        missing = self._device_counter - self._through - len(self._beyond)
        return Books(self._device_counter, self._recorded, max(missing, 0), len(self._queue))

    @property
    def recorded_through(self) -> int:
        """The number up to which every pulse is on disk, or was before this record began."""
        return self._through

    @property
    def balanced(self) -> bool:
        """Whether every pulse the device has counted is on disk."""
        return self._device_counter == self._through

    # -- a device comes and goes

    async def connected(self, serial: str, counters: Counters) -> int | None:
        """Begin with a device and return how far its records go, None without any; raises StoreError."""
        through = await self._writer.run(Store.mark_complete, serial)
        recorded = await self._writer.run(Store.total_pulses, serial)
        beyond = await self._writer.run(Store.pulse_numbers, serial, after=through)
        self._known_serial, self._through, self._recorded = serial, through, recorded
        self._beyond = set(beyond)
        self._device_counter = counters.pulse_number
        return through if recorded or through else None

    def acknowledging(self, acknowledge: Callable[[int], object] | None) -> None:
        """From now on acknowledge with this; None: the line is gone, nothing can be acknowledged."""
        self._acknowledge = acknowledge
        # What is reported before the supervisor knows the laser would not be judged: it comes again.
        self._serial = self._known_serial if acknowledge is not None else ""
        if acknowledge is not None and self._through:
            acknowledge(self._through)

    def gap(self, through: int) -> int:
        """How many of the numbers up to `through` have no record."""
        return max(0, through - self._through) - sum(number <= through for number in self._beyond)

    def accept_gap(self, through: int) -> int:
        """Give up the numbers up to `through` that have no record; returns how many that are."""
        given_up = self.gap(through)
        self._through = max(self._through, through)
        self._beyond = {number for number in self._beyond if number > through}
        self._advance([])
        return given_up

    # -- the task

    async def run(self) -> None:
        """Write what is queued until cancelled."""
        while True:
            if not (self._unwritten or self._queue):
                self.idle.set()
                self._news.clear()
                await self._news.wait()
            batch: list[_Pulse | Event] = [*self._unwritten]
            while self._queue and len(batch) < BATCH_MAX:
                batch.append(self._queue.popleft())
            self._unwritten = []
            if not await self._write(batch):
                self._unwritten = [item for item in batch if isinstance(item, Event)]
                await asyncio.sleep(RETRY_S)

    async def drain(self) -> None:
        """Wait until everything that was queued is on disk; `run` must be running."""
        await self.idle.wait()

    async def _write(self, batch: list[_Pulse | Event]) -> bool:
        try:
            for item in batch:
                if isinstance(item, _Pulse) and item.report.permit_id not in self._sessions:
                    permit_id = item.report.permit_id
                    self._sessions[permit_id] = await self._session_on_disk(permit_id)
            records = [self._record(item) if isinstance(item, _Pulse) else item for item in batch]
            new = await self._writer.run(_write, records)
        except PulseConflict as error:
            if len(batch) > 1:
                return all([await self._write([item]) for item in batch])
            if error.pulse_number not in self._conflicts:  # the device repeats it; once is enough to say
                self._conflicts.add(error.pulse_number)
                self._on_trouble(str(error))
            return True
        except StoreError as error:
            self._on_store(False, str(error))
            return False
        self._on_store(True, "")
        for record in new:
            self._on_recorded(record)
            self._recorded += isinstance(record, PulseRecord)
        numbers = [
            item.report.pulse_number
            for item in batch
            if isinstance(item, _Pulse) and item.serial == self._known_serial
        ]
        if numbers:
            self._advance(numbers)
        return True

    def _advance(self, numbers: list[int]) -> None:
        self._beyond.update(number for number in numbers if number > self._through)
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.remove(self._through)
        if self._acknowledge is not None:
            self._acknowledge(self._through)

    def _record(self, pulse: _Pulse) -> PulseRecord:
        session_id = self._sessions[pulse.report.permit_id]
        return record_of(pulse.serial, pulse.report, session_id, pulse.wall_time, pulse.now_us)

    async def _session_on_disk(self, permit_id: int) -> str | None:
        """The session a permit was granted for, by the command that was written before it was sent."""
        if not permit_id:
            return None
        try:
            command = await self._writer.run(Store.command, grant_id(permit_id))
        except RecordRefused:
            return None  # no permit of this record's
        return str(command.body["session_id"])

    def _put(self, item: _Pulse | Event) -> bool:
        if len(self._queue) >= CAPACITY:
            return False
        self._queue.append(item)
        self._news.set()
        self.idle.clear()
        return True


def grant_id(permit_id: int) -> str:
    """Identity of the write-ahead record of a permit."""
    return f"grant-{permit_id:08x}"


def record_of(
    serial: str, report: PulseReport, session_id: str | None, wall_time: datetime, now_us: int
) -> PulseRecord:
    """A report in the user's units; what was saturated, or not measured, has no value."""
    flags = report.flags
    unknown = _UNKNOWN in flags
    # An unknown pulse of a rehearsal cannot be told from one of a treatment: it counts as delivered.
    aperture = not flags & _INSIDE and not unknown
    set_energy_mj = report.set_energy_uj / 1e3
    spot_mm = report.spot_um / 1e3
    monitor_a_mj = _measured(report.monitor_a_uj, _MEASURED_MAX_UJ, unknown, 1e3)
    monitor_b_mj = _measured(report.monitor_b_uj, _MEASURED_MAX_UJ, unknown, 1e3)
    double = _DOUBLE in flags
    counted_mj = counted_energy_mj(
        aperture, unknown, set_energy_mj, monitor_a_mj, monitor_b_mj, double=double
    )
    return PulseRecord(
        device_serial=serial,
        pulse_number=report.pulse_number,
        device_boot=report.boot,
        permit_id=report.permit_id,
        series=report.press,
        device_time_us=report.device_time_us,
        set_energy_mj=set_energy_mj,
        monitor_a_mj=monitor_a_mj,
        monitor_b_mj=monitor_b_mj,
        pulse_width_ps=_measured(report.pulse_width_ps, _WIDTH_MAX_PS, unknown, 1.0),
        wavelength_nm=report.wavelength_nm,
        mode_width_ps=report.mode_width_ps,
        spot_mm=spot_mm,
        handpiece=_HANDPIECES[report.handpiece],
        flags=frozenset([_FLAGS[flag] for flag in flags]),
        aperture=aperture,
        unknown=unknown,
        fluence_j_cm2=fluence_j_cm2(counted_mj, spot_mm) if counted_mj and spot_mm else 0.0,
        session_id=session_id,
        wall_time=wall_time,
        mono_us=now_us,
        rep_rate_hz=report.rep_rate_mhz / 1e3,
        lamp_v=report.lamp_mv / 1e3,
        coolant_c=report.coolant_mc / 1e3,
    )


def _measured(raw: int, saturated: int, unknown: bool, divisor: float) -> float | None:
    return None if unknown or raw >= saturated else raw / divisor


def _write(store: Store, records: list[PulseRecord | Event]) -> list[PulseRecord | Event]:
    """Write all in one transaction and return what is new."""
    new: list[PulseRecord | Event] = []
    with store.transaction():
        for record in records:
            if isinstance(record, Event):
                store.record_event(
                    record.kind,
                    record.severity,
                    record.text,
                    record.body,
                    actor=record.actor,
                    now_us=record.now_us,
                )
                new.append(record)
            elif store.record_pulse(record):
                new.append(record)
                if not record.pulse_number % MARK_EVERY:
                    store.mark_complete(record.device_serial)
    return new
