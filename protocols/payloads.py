"""The payloads of the MQTT topics: wire messages and host facts as flat JSON objects in the user's units.

Only fields that `protocols.topics` declares are ever published, so that no plan, subject or operator can slip
out with a record. What is not known is null; nothing is made up.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from protocols.faults import FAULTS
from protocols.fields import FieldError, to_user
from protocols.interlocks import INTERLOCKS
from protocols.messages import Message, Status, Telemetry, layout
from protocols.timing import TELEMETRY_US
from protocols.topics import (
    ABOUT,
    ALARM,
    EVENT,
    PULSE,
    RENAMED,
    REPLY,
    SCHEMA,
    STATE,
    TELEMETRY,
    TOPICS,
    UNITS,
    FieldType,
    Topic,
    alarm_id,
    interlock_field,
)

_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

Scalar = str | int | float | bool | None
Payload = Mapping[str, Scalar]


class Quality(enum.Enum):
    """How far a value can be trusted."""

    GOOD = "good"
    STALE = "stale"
    SIM = "sim"  # good, and from a simulated laser
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, where and how surely a payload's facts were seen; the publisher adds `seq`."""

    wall_time: datetime  # aware
    mono_us: int
    boot: str
    sim: bool | None  # None: no laser has said yet
    quality: Quality = Quality.GOOD

    def fields(self) -> dict[str, Scalar]:
        """The stamp as payload fields."""
        quality = Quality.SIM if self.sim and self.quality is Quality.GOOD else self.quality
        return {
            "ts": utc_text(self.wall_time),
            "mono_ns": self.mono_us * 1000,
            "boot": self.boot,
            "q": quality.value,
            "sim": self.sim,
        }


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the daemon itself knows, beside the laser's own words."""

    link_up: bool
    latches: tuple[str, ...] = ()
    first_cause: str = ""
    pulses_planned: int | None = None
    pulses_delivered: int | None = None
    audit_index: int | None = None
    audit_hash: str | None = None
    proof_tests_due: str = ""


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds; raises FieldError for a time without a zone."""
    if moment.tzinfo is None:
        raise FieldError("wall_time", moment, "a time with its zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def encode(payload: Payload) -> bytes:
    """The payload as it stands on the wire: UTF-8 JSON, no blanks; raises ValueError for NaN and infinity."""
    return _to_json(payload).encode()


def birth_payload(boot: str, wall_time: datetime) -> Payload:
    """Of `status`: the daemon is there."""
    return {"online": True, "boot": boot, "ts": utc_text(wall_time), "schema": SCHEMA}


def will_payload(boot: str) -> Payload:
    """Of `status`, left with the broker: the daemon was lost. Nobody can say when: so it has no time."""
    return {"online": False, "reason": "lost", "boot": boot}


def goodbye_payload(boot: str, wall_time: datetime) -> Payload:
    """Of `status`: the daemon ended in order."""
    return {"online": False, "reason": "clean", "boot": boot, "ts": utc_text(wall_time), "schema": SCHEMA}


def period_ms(telemetry_hz: float) -> float:
    """Time between two samples; the laser itself gives no more."""
    return max(1000 / telemetry_hz, TELEMETRY_US / 1000)


def about_payload(
    device: Mapping[str, object],
    stamp: Stamp,
    *,
    telemetry_hz: float,
    software_version: str,
    clock_source: str,
) -> Payload:
    """Of `about`; `device` holds what is known of the laser, by declared names (base units are converted)."""
    host = {
        "schema": SCHEMA,
        "software_version": software_version,
        "period_ms": period_ms(telemetry_hz),
        "clock_source": clock_source,
        "units": ",".join(f"{ending}={unit}" for ending, unit in UNITS.items()),
    }
    facts = _in_user_units(device)
    if unknown := sorted(facts.keys() - {field.name for field in ABOUT.fields}):
        raise FieldError("about", ", ".join(unknown), "only names that the topic declares")
    return _fill(ABOUT, facts | host, stamp)


def state_payload(status: Status | None, host: HostFacts, stamp: Stamp) -> Payload:
    """Of `state`; without a Status nothing is claimed: the state is `unknown`, the contacts are null."""
    facts: dict[str, object] = {"state": "unknown"}
    if status is not None:
        facts = _of_message(status) | {
            "state_code": status.state.value,
            **{interlock_field(ilk): ilk not in status.open_interlocks for ilk in INTERLOCKS},
        }
    facts |= {
        "link_up": host.link_up,
        "host_latches": ",".join(host.latches),
        "first_cause": host.first_cause,
        "audit_index": host.audit_index,
        "audit_hash": host.audit_hash,
        "proof_tests_due": host.proof_tests_due,
    }
    return _fill(STATE, facts, stamp)


def telemetry_payload(
    status: Status | None, telemetry: Telemetry | None, host: HostFacts, stamp: Stamp
) -> Payload:
    """Of `telemetry`: the newest slow values and counters; the publisher adds what it dropped."""
    facts = _of_message(telemetry) if telemetry else {}
    facts |= _of_message(status) if status else {}
    facts |= {"pulses_planned": host.pulses_planned, "pulses_delivered": host.pulses_delivered}
    return _fill(TELEMETRY, facts, stamp)


def pulse_payload(pulse: Mapping[str, object], stamp: Stamp) -> Payload:
    """Of `pulse`, from the record of it (names as in the record or on the wire); null is not measured."""
    return _fill(PULSE, _in_user_units(pulse), stamp)


def event_payload(event: Mapping[str, object], stamp: Stamp) -> Payload:
    """Of `event`, from the record of it; its `id` becomes `event_id`."""
    return _fill(EVENT, {**event, "event_id": event.get("id")}, stamp)


def fault_alarms(status: Status, stamp: Stamp) -> dict[str, Payload]:
    """The device's latched faults as alarms by id, with the words of the fault table."""
    return {
        alarm_id(fault): alarm_payload(
            stamp,
            text=FAULTS[fault].text,
            cause=FAULTS[fault].cause,
            action=FAULTS[fault].action,
            first=fault is status.first_fault,
            present=fault in status.faults_present,
            service=FAULTS[fault].service,
            fault_instance=status.fault_instance,
        )
        for fault in sorted(status.faults)
    }


def alarm_payload(
    stamp: Stamp,
    *,
    text: str,
    cause: str,
    action: str,
    first: bool,
    present: bool,
    service: bool = False,
    fault_instance: int | None = None,
) -> Payload:
    """Of one `alarm/{id}`: a device's fault or a latch of the host."""
    facts = {"text": text, "cause": cause, "action": action, "first": first, "present": present}
    return _fill(ALARM, facts | {"service": service, "fault_instance": fault_instance}, stamp)


def reply_payload(
    stamp: Stamp,
    *,
    id: str | None,
    outcome: str,
    text: str,
    confirmed: bool = False,
    level: str | None = None,
    took_ms: float | None = None,
) -> Payload:
    """Of one `reply/{client}`: what became of a stop."""
    facts = {"id": id, "outcome": outcome, "text": text, "confirmed": confirmed}
    return _fill(REPLY, facts | {"level": level, "took_ms": took_ms}, stamp)


def _fill(topic: Topic, facts: Mapping[str, object], stamp: Stamp) -> Payload:
    """Every declared field, in declared order; what is not known is null, what is not declared stays out."""
    told = stamp.fields()
    known = facts.get
    for name, as_json in _TOLD_AS[topic.suffix]:
        value = known(name)
        told[name] = None if value is None else as_json(value)
    return told


def _of_message(message: Message) -> dict[str, object]:
    return _in_user_units({name: getattr(message, name) for name, _ in layout(type(message)).fields})


def _in_user_units(values: Mapping[str, object]) -> dict[str, object]:
    return dict([to_user(RENAMED.get(name, name), value) for name, value in values.items()])


# Each gives the value as a field's JSON type; null for what is no such value, as NaN and infinity are none.


def _flag(value: object) -> Scalar:
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _number(value: object) -> Scalar:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> Scalar:
    if isinstance(value, str):
        return value
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, Collection):
        return ",".join(member.name.lower() for member in sorted(value) if isinstance(member, enum.Enum))
    return None


_AS: Final = {FieldType.FLAG: _flag, FieldType.NUMBER: _number, FieldType.TEXT: _text}
# Looked up once: ten pulses a second, and a thousand after an outage, are told field by field.
_TOLD_AS: Final = {
    topic.suffix: tuple((field.name, _AS[field.type]) for field in topic.fields) for topic in TOPICS.values()
}
