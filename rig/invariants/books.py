"""Every pulse exactly once: plant, device, record and audit tell the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

from controller.recorder import grant_id
from controller.store import EventKind, PulseRecord, Reader
from protocols.faults import Fault
from protocols.frame import Frame
from protocols.messages import AckPulses, Status
from protocols.requests import Grant
from rig.invariants.invariant import Invariant, Light
from rig.invariants.witness import Witness

METER_TOLERANCE: Final = 0.20  # 21 CFR 1040.11(a)(1): error of the measuring means
DARK: Final = frozenset({"skipped", "missing"})  # numbered, and no light
IN_PORT: Final = "calibration"
ON_SHUTTER: Final = "shutter_closed"
CONTRADICTED: Final = "monitors_disagree"  # one of the two meters is wrong, and the record says so
ASTRAY: Final = frozenset({Fault.LIGHT_WITHOUT_TRIGGER, Fault.PULSE_DOUBLE})
"""Faults by which the device owns up to light that has no number of its own."""

WATCHDOG: Final = frozenset({Fault.WATCHDOG_RESET})
"""By which it says that for up to 0.1 s it saw nothing at all."""

SESSIONS_READ: Final = 100_000
EVENTS_READ: Final = 100_000  # [C] more than any run writes
CHOICES_MAX: Final = 1_000  # [C] of which pulses of unknown fate gave light; a run has a few


@dataclass(slots=True)
class Shot:
    """What truly came of one lamp trigger: all of its flashes together."""

    trigger: int
    aperture: bool = False
    port: bool = False
    transmitted_uj: float = 0.0


class _Ledger(Invariant):
    """Keeps what truly came of every trigger that gave light."""

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self.shots: list[Shot] = []

    def light(self, light: Light) -> None:
        """Add it to its shot."""
        if not light.trigger:
            return
        if not (self.shots and self.shots[-1].trigger == light.trigger):
            self.shots.append(Shot(light.trigger))
        shot, pulse = self.shots[-1], light.pulse
        shot.aperture |= pulse.aperture
        shot.port |= pulse.port
        shot.transmitted_uj += pulse.transmitted_uj if pulse.aperture else 0.0

    def differences(
        self, records: Sequence[PulseRecord], differ: Callable[[PulseRecord, Shot], str]
    ) -> list[str]:
        """What differs between records and shots, each to each in their order.

        Which of the pulses of unknown fate gave light nobody can tell: it is what explains most.
        """
        unknown = [index for index, record in enumerate(records) if record.unknown]
        dark = len(unknown) - (len(self.shots) - sum(is_lit(record) for record in records))
        if not 0 <= dark <= len(unknown):
            return []  # the numbers themselves are wrong, which is told by whoever counts
        best: list[str] | None = None
        for choice in islice(combinations(unknown, dark), CHOICES_MAX):
            lit = [one for index, one in enumerate(records)
                   if is_lit(one) or (one.unknown and index not in choice)]  # fmt: skip
            found = [words for pair in zip(lit, self.shots, strict=True)
                     if not pair[0].unknown and (words := differ(*pair))]  # fmt: skip
            if best is None or len(found) < len(best):
                best = found
        return best or []


class BooksBalance(_Ledger):
    """The count: device counter = records, and records = truth but for what stands as unknown."""

    name = "books-balance"
    rule = (
        "the device's counter is the number of records, the light is what they say, at most unknown, "
        "and light astray is a recorded fault"
    )

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._starts = 0
        self._astray: dict[int, int] = {}  # light at the aperture without a trigger: when, and of which fault
        self._unseen: set[int] = (
            set()
        )  # of it, what came while the processor hung: its watchdog owns up to that

    def light(self, light: Light) -> None:
        """Remember what the record must tell."""
        super().light(light)
        if light.pulse.aperture and not light.trigger:
            self._astray[light.pulse.time_us] = 0
            if self.witness.simulator.hung:
                self._unseen.add(light.pulse.time_us)

    def told(self, now_us: int, frame: Frame) -> None:
        """The device owns up to it."""
        del now_us
        status = frame.message
        if self._astray and isinstance(status, Status):
            for when_us, instance in self._astray.items():
                if status.faults & (ASTRAY | WATCHDOG if when_us in self._unseen else ASTRAY):
                    self._astray[when_us] = instance or status.fault_instance

    def booted(self, now_us: int) -> None:
        """Each start may have cut off one pulse's report."""
        del now_us
        self._starts += 1

    def ended(self) -> None:
        """Compare."""
        witness = self.witness
        if witness.reader is None or witness.status is None or witness.counted_before is None:
            return
        if not witness.settled:
            self.broken("the daemon did not bring its books to an end")
            return
        records = witness.records()
        counted = witness.status.pulse_number - witness.counted_before
        if counted != len(records):
            self.broken(f"the device counted {counted} pulses, {len(records)} are recorded")
        unknown = sum(one.unknown for one in records)
        lit = sum(is_lit(one) for one in records)
        if not lit <= len(self.shots) <= lit + unknown:
            words = f"{len(self.shots)} triggers gave light, {lit} are recorded and {unknown} unknown"
            self.broken(words)
        for words in self.differences(records, _elsewhere):
            self.broken(words)
        if unknown > self._starts:
            self.broken(f"{unknown} pulses stand as unknown, the processor was started {self._starts} times")
        self._judge_astray(witness.reader)

    def _judge_astray(self, reader: Reader) -> None:
        if not self._astray:
            return
        texts = [event.text for event in reader.events(limit=EVENTS_READ) if event.kind is EventKind.FAULT]
        for when_us, instance in self._astray.items():
            if not any(text.endswith(f"instance {instance}") for text in texts):
                words = "is no recorded fault" if instance else "is no fault of the device"
                self.broken(f"light that no trigger explains left the aperture and {words}", at_us=when_us)


class EnergyTold(_Ledger):
    """The dose: what is recorded of a pulse is what left the aperture."""

    name = "energy-told"
    rule = (
        "the energy recorded of each pulse is within 20 % of the truth; of one of which it is recorded "
        "that the monitors disagree, either monitor's"
    )

    def ended(self) -> None:
        """Compare."""
        if self.witness.reader is None:
            return
        records = self.witness.records()
        lit = sum(is_lit(one) for one in records)
        if lit > len(self.shots):
            self.broken(f"{lit} pulses are recorded with their energy, {len(self.shots)} were given")
        for words in self.differences(records, _not_the_energy):
            self.broken(words)


def _elsewhere(record: PulseRecord, shot: Shot) -> str:
    """How a record is wrong about where the light went."""
    for told, true, place in (
        (record.aperture, shot.aperture, "left the aperture"),
        (IN_PORT in record.flags and ON_SHUTTER not in record.flags, shot.port, "went into the port"),
    ):
        if told is not true:
            what = "is recorded and not true" if told else "is true and not recorded"
            return f"pulse {record.pulse_number}: that its light {place} {what}"
    return ""


def _not_the_energy(record: PulseRecord, shot: Shot) -> str:
    """How a record is wrong about the energy that left the aperture; a saturated meter claims nothing."""
    if not shot.aperture or record.monitor_b_mj is None:
        return ""
    told = [record.delivered_energy_mj]
    if CONTRADICTED in record.flags and record.monitor_a_mj is not None:
        told.append(record.monitor_a_mj)
    true_mj = shot.transmitted_uj / 1e3
    if any(abs(told_mj - true_mj) <= METER_TOLERANCE * true_mj for told_mj in told):
        return ""
    words = " or ".join(f"{told_mj:.1f}" for told_mj in told)
    return f"pulse {record.pulse_number}: {words} mJ recorded, {true_mj:.1f} mJ given"


class AcknowledgedAfterDisk(Invariant):
    """The order: what the device may forget is on disk."""

    name = "acknowledged-after-disk"
    rule = "the host acknowledges a pulse only when its record is on disk"

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look the newest one up."""
        del now_us
        witness, message = self.witness, frame.message
        if isinstance(message, AckPulses) and message.pulse_number and witness.reader is not None:
            if witness.reader.has_pulse(witness.serial, message.pulse_number):
                return
            known = witness.reader.device(witness.serial)
            if known is None or message.pulse_number > known.baseline_pulse:
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
    """The plan: never more pulses than it has, by the record and by the truth."""

    name = "within-plan"
    rule = "no session gives more pulses than its plan has"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._given: dict[int, set[int]] = {}  # triggers that gave light at the aperture, by permit

    def light(self, light: Light) -> None:
        """Count it for its permit."""
        if light.pulse.aperture and light.trigger and light.permit is not None:
            self._given.setdefault(light.permit.grant.permit_id, set()).add(light.trigger)

    def ended(self) -> None:
        """Count each session's pulses."""
        reader = self.witness.reader
        if reader is None:
            return
        true: dict[object, int] = {}
        for permit_id, triggers in self._given.items():
            if reader.has_command(grant_id(permit_id)):
                session_id = reader.command(grant_id(permit_id)).body.get("session_id")
                true[session_id] = true.get(session_id, 0) + len(triggers)
        recorded = Counter(one.session_id for one in self.witness.records() if one.delivered)
        for session in reader.sessions(limit=SESSIONS_READ):
            given, told = true.get(session.id, 0), recorded[session.id]
            if max(told, given) > session.planned_pulses:
                self.broken(
                    f"session {session.id}: {session.planned_pulses} pulses planned, "
                    f"{given} given, {told} recorded"
                )


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
