"""Every pulse exactly once: plant, device, record and audit tell the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from controller.recorder import grant_id
from controller.store import PulseRecord
from protocols.frame import Frame
from protocols.messages import AckPulses
from protocols.requests import Grant
from rig.invariants.witness import Invariant, Light, Witness

METER_TOLERANCE: Final = 0.20  # 21 CFR 1040.11(a)(1): error of the measuring means
DARK: Final = frozenset({"skipped", "missing"})  # numbered, and no light
PAGE: Final = 1_000
SESSIONS_READ: Final = 100_000


class BooksBalance(Invariant):
    """The count: device counter = records, and records = truth but for what stands as unknown."""

    name = "books-balance"
    rule = "the device's counter is the number of records, and the light is what they say, at most unknown"

    settled: Callable[[], bool] | None = None  # whoever runs the daemon says whether it had its chance

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._lit: list[Light] = []  # the first flash of each trigger
        self._starts = 0

    def light(self, light: Light) -> None:
        """Remember what the record must tell."""
        if light.trigger and not (self._lit and self._lit[-1].trigger == light.trigger):
            self._lit.append(light)

    def booted(self, now_us: int) -> None:
        """Each start may have cut off one pulse's report."""
        del now_us
        self._starts += 1

    def ended(self) -> None:
        """Compare."""
        witness = self.witness
        before = witness.counted_before
        if witness.reader is None or witness.status is None or before is None:
            return
        if self.settled is not None and not self.settled():
            self.broken("the daemon did not bring its books to an end")
            return
        records = list(records_after(witness, before))
        counted = witness.status.pulse_number - before
        if counted != len(records):
            self.broken(f"the device counted {counted} pulses, {len(records)} are recorded")
        unknown = sum(one.unknown for one in records)
        lit = [one for one in records if is_lit(one)]
        if not len(lit) <= len(self._lit) <= len(lit) + unknown:
            self.broken(
                f"{len(self._lit)} triggers gave light, {len(lit)} are recorded and {unknown} unknown"
            )
        elif unknown == 0:
            self._compare(lit)
        if unknown > self._starts:
            self.broken(f"{unknown} pulses stand as unknown, the processor was started {self._starts} times")

    def _compare(self, lit: list[PulseRecord]) -> None:
        for record, light in zip(lit, self._lit, strict=True):
            if light.pulse.aperture and not record.aperture:
                self.broken(f"pulse {record.pulse_number} left the aperture, its record says it did not")
                return


class EnergyTold(Invariant):
    """The dose: what is recorded of an unflagged pulse is what left the aperture."""

    name = "energy-told"
    rule = "the recorded energy of a pulse that nothing is said against is within 20 % of the truth"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._true_uj: dict[int, float] = {}  # by the time of the trigger on the device's own clock

    def light(self, light: Light) -> None:
        """Keep the truth under the name that the report will have."""
        device_us = self.witness.device_time_us(light.trigger_us)
        if light.trigger and light.pulse.aperture and device_us is not None:
            self._true_uj[device_us] = self._true_uj.get(device_us, 0.0) + light.pulse.transmitted_uj

    def ended(self) -> None:
        """Compare."""
        if self.witness.reader is None:
            return
        for record in records_after(self.witness, 0):
            true_uj = self._true_uj.get(record.device_time_us)
            if true_uj is None or record.flags or record.monitor_b_mj is None:
                continue
            told_uj = record.monitor_b_mj * 1e3
            if abs(told_uj - true_uj) > METER_TOLERANCE * true_uj:
                true_mj, told_mj = true_uj / 1e3, record.monitor_b_mj
                self.broken(f"pulse {record.pulse_number}: {told_mj:.1f} mJ recorded, {true_mj:.1f} mJ given")


class AcknowledgedAfterDisk(Invariant):
    """The order: what the device may forget is on disk."""

    name = "acknowledged-after-disk"
    rule = "the host acknowledges a pulse only when its record is on disk"

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look the newest one up."""
        del now_us
        witness, message = self.witness, frame.message
        if isinstance(message, AckPulses) and message.pulse_number and witness.reader is not None:
            baseline = witness.reader.device(witness.serial)
            if baseline is not None and message.pulse_number <= baseline.baseline_pulse:
                return
            if witness.reader.pulse(witness.serial, message.pulse_number) is None:
                self.broken(f"pulse {message.pulse_number} was acknowledged and is not on disk")


class WrittenAhead(Invariant):
    """The permit: on disk before its bytes."""

    name = "written-ahead"
    rule = "no Grant reaches the device whose command is not on disk"

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look it up."""
        del now_us
        reader, message = self.witness.reader, frame.message
        if (
            isinstance(message, Grant)
            and reader is not None
            and not reader.has_command(grant_id(message.permit_id))
        ):
            self.broken(f"permit {message.permit_id} was granted and is not on disk")


class WithinPlan(Invariant):
    """The plan: never more pulses than it has, and none at the aperture in a rehearsal."""

    name = "within-plan"
    rule = "no session delivers more pulses than its plan has"

    def ended(self) -> None:
        """Count each session's pulses."""
        reader = self.witness.reader
        if reader is None:
            return
        for session in reader.sessions(limit=SESSIONS_READ):
            delivered = sum(one.delivered for one in reader.session_pulses(session.id))
            if delivered > session.planned_pulses:
                self.broken(f"session {session.id}: {delivered} pulses of {session.planned_pulses} planned")


class AuditHolds(Invariant):
    """The record: its chain unbroken, and the same as the pulses."""

    name = "audit-holds"
    rule = "the audit's chain holds and tells of the very pulses that are recorded"

    def ended(self) -> None:
        """Prove it."""
        reader = self.witness.reader
        if reader is None:
            return
        for finding in (*reader.verify_audit(), *reader.verify_pulses()):
            self.broken(str(finding))


def is_lit(record: PulseRecord) -> bool:
    """Whether the record says that there was light."""
    return not record.unknown and not record.flags & DARK


def records_after(witness: Witness, after: int) -> Iterator[PulseRecord]:
    """All of this laser's records with numbers beyond `after`."""
    if witness.reader is None:
        return
    while page := witness.reader.pulses(witness.serial, after=after, limit=PAGE):
        yield from page
        after = page[-1].pulse_number
