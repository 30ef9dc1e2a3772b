"""The MQTT topics: each declared once, with how its messages travel and which fields stand in them.

A payload is one flat JSON object: consumers such as Grafana's MQTT source plot only top-level numbers. Names
end in their unit, by the wire's own declarations where the wire carries the value. Changes within schema 1.x
only add.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from protocols.faults import Fault
from protocols.fields import Bool, FieldError, FieldKind, Int, to_user
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.messages import Message, PulseReport, Status, Telemetry, layout
from protocols.requests import Capabilities, Identity

SCHEMA: Final = "1.0"

UNITS: Final[dict[str, str]] = {
    "_j_cm2": "J/cm2",
    "_l_min": "l/min",
    "_mj": "mJ",
    "_ps": "ps",
    "_nm": "nm",
    "_mm": "mm",
    "_hz": "Hz",
    "_ma": "mA",
    "_mw": "mW",
    "_ms": "ms",
    "_ns": "ns",
    "_c": "degC",
    "_s": "s",
    "_v": "V",
}
"""What a field's name ends in -> its unit; the longest ending that fits counts."""


class FieldType(enum.Enum):
    """What a field's JSON value is; every field may also be null: not known."""

    NUMBER = "number"
    TEXT = "string"  # a set is its members' names, joined by commas
    FLAG = "boolean"


@dataclass(frozen=True, slots=True)
class TopicField:
    """One field of a payload."""

    name: str
    type: FieldType
    meaning: str

    @property
    def unit(self) -> str:
        """The unit by the name's ending; empty for what has none."""
        if self.type is not FieldType.NUMBER:
            return ""
        return next((unit for ending, unit in UNITS.items() if self.name.endswith(ending)), "")


@dataclass(frozen=True, slots=True)
class Topic:
    """How the messages of one topic travel and what stands in them, beside `STAMP_FIELDS`."""

    suffix: str
    qos: int
    retain: bool
    expiry_s: int | None  # where the broker has MQTT 5; None: never
    meaning: str
    fields: tuple[TopicField, ...]


_NUMBER, _TEXT, _FLAG = FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG
_F = TopicField

RENAMED: Final = {"boot": "device_boot", "sample": "device_sample"}
"""Fields of the wire whose bare name would mean the host's in a payload."""


def _type_of(kind: FieldKind) -> FieldType:
    if isinstance(kind, Int):
        return _NUMBER
    return _FLAG if isinstance(kind, Bool) else _TEXT


def _name_of(field: str) -> str:
    return to_user(RENAMED.get(field, field), 0)[0]


def _wire(message: type[Message], *names: str) -> tuple[TopicField, ...]:
    """Fields of a message by their names in the user's units, with type and meaning as declared there."""
    kinds = dict(layout(message).fields)
    return tuple(_F(_name_of(name), _type_of(kinds[name]), kinds[name].meaning) for name in names)


def interlock_field(interlock: Interlock) -> str:
    """The name of an interlock's field; True = closed and good."""
    return f"ilk_{interlock.name.lower()}"


STAMP_FIELDS: Final[tuple[TopicField, ...]] = (
    _F("ts", _TEXT, "time of the measurement or event, RFC 3339, UTC, microseconds"),
    _F("mono_ns", _NUMBER, "the same moment on the daemon's monotonic clock"),
    _F("boot", _TEXT, "random identity of the daemon's run that recorded it"),
    _F("seq", _NUMBER, "counts up per topic; with boot it tells a repeated message"),
    _F("q", _TEXT, "quality: good, stale, sim or bad"),
    _F("sim", _FLAG, "the laser is simulated"),
)

_LATE: Final = _F("late_s", _NUMBER, "how long it waited for the broker before this attempt")

STATUS: Final = Topic(
    "status",
    1,
    True,
    None,
    "whether the daemon is there: birth, last will, clean end",
    (
        _F("online", _FLAG, "the daemon is connected"),
        _F("reason", _TEXT, "of an end: lost (by the broker's word) or clean"),
        _F("schema", _TEXT, "version of these payloads"),
    ),
)
ABOUT: Final = Topic(
    "about",
    1,
    True,
    None,
    "what the laser is and can do; published before status",
    (
        *_wire(Identity, "serial", "model", "firmware_version", "build_id", "simulated"),
        *_wire(
            Capabilities,
            *("spot_min_um", "spot_max_um", "permit_pulses_max", "permit_max_us", "reports_max"),
            *("ready_delay_us", "energy_step_uj"),
        ),
        _F("modes", _TEXT, "the energy/width modes in words"),
        _F("rep_rates_hz", _TEXT, "the repetition rates offered"),
        _F("energy_min_mj", _NUMBER, "least pulse energy of any mode"),
        _F("energy_max_mj", _NUMBER, "largest pulse energy of any mode"),
        _F("schema", _TEXT, "version of these payloads"),
        _F("software_version", _TEXT, "version of the daemon"),
        _F("period_ms", _NUMBER, "telemetry period; what is older than three of them is not live"),
        _F("clock_source", _TEXT, "what keeps the daemon's time of day right"),
        _F("units", _TEXT, "endings of field names and their units"),
    ),
)
STATE: Final = Topic(
    "state",
    1,
    True,
    None,
    "operating state, interlock chain and first cause, on change and every 5 s",
    (
        *_wire(Status, "state"),
        _F("state_code", _NUMBER, "number of the state, for plots"),
        _F("link_up", _FLAG, "the daemon hears the laser"),
        _F("host_latches", _TEXT, "latches of the daemon's supervisor"),
        _F("first_cause", _TEXT, "what stopped it first, on whichever side"),
        _F("audit_index", _NUMBER, "number of the audit's newest entry: to be kept outside of its file"),
        _F("audit_hash", _TEXT, "hash of that entry; both prove later that no tail was cut off"),
        *_wire(Status, "boot", "beam", "leave", "first_fault", "faults", "faults_present", "fault_instance"),
        *_wire(Status, "blocks", "handpiece", "spot_um", "wavelength_nm", "foot", "shutter"),
        *_wire(Status, "gate_inhibited", "hv_inhibited", "indicator_on", "aiming_on", "docked", "calibrated"),
        *(_F(interlock_field(ilk), _FLAG, f"{row.meaning}; true = good") for ilk, row in INTERLOCKS.items()),
    ),
)
TELEMETRY: Final = Topic(
    "telemetry",
    0,
    False,
    30,  # [C] three periods at the slowest rate, 0.1 Hz: what is older is not live
    "one sample; the newest counts, older ones are dropped and counted",
    (
        *_wire(Status, "boot", "device_time_us", "pulse_number", "permit_pulses_left", "reports_waiting"),
        *_wire(Telemetry, "sample", "hv_mv", "coolant_mc", "flow_ml_min", "indicator_ua", "aiming_uw"),
        *_wire(Telemetry, "simmer_on", "heater_on", "lamp_shots", "frames_rejected", "skipped_pulses"),
        _F("pulses_planned", _NUMBER, "pulses of the open session; null without one"),
        _F("pulses_delivered", _NUMBER, "of these delivered, unknown ones included"),
        _F("samples_dropped", _NUMBER, "samples of this boot that were replaced before they were published"),
    ),
)
PULSE: Final = Topic(
    "pulse",
    1,
    False,
    None,
    "one message for each pulse, from the outbox",
    (
        *_wire(PulseReport, "pulse_number", "boot", "device_time_us", "permit_id", "flags", "set_energy_uj"),
        *_wire(PulseReport, "monitor_a_uj", "monitor_b_uj", "pulse_width_ps", "mode_width_ps"),
        *_wire(PulseReport, "wavelength_nm", "handpiece", "spot_um"),
        _F("device_serial", _TEXT, "serial number of the laser"),
        _F("series", _NUMBER, "series within the session"),
        _F("aperture", _FLAG, "the light left the aperture"),
        _F("unknown", _FLAG, "power was lost between trigger and report: counted as delivered"),
        _F("fluence_j_cm2", _NUMBER, "fluence of this pulse"),
        _F("session_id", _TEXT, "treatment session; says nothing about who was treated"),
        _LATE,
    ),
)
EVENT: Final = Topic(
    "event",
    1,
    False,
    None,
    "one message for each event, from the outbox",
    (
        _F("event_id", _NUMBER, "number of the event in the record"),
        _F("kind", _TEXT, "state, fault, refusal, set_point, stop, session, link or system"),
        _F("severity", _TEXT, "info, warning or error"),
        _F("text", _TEXT, "what happened, in words"),
        _F("code", _TEXT, "what happened, for programs"),
        _F("fault", _TEXT, "the fault, of a fault"),
        _F("state", _TEXT, "the state entered, of a change of state"),
        _F("session_id", _TEXT, "treatment session"),
        _F("permit_id", _NUMBER, "permit it concerns"),
        _F("pulse_number", _NUMBER, "pulse it concerns"),
        _LATE,
    ),
)
ALARM: Final = Topic(
    "alarm",
    1,
    True,
    None,
    "one topic alarm/{id} for each active alarm; an empty retained message clears it",
    (
        _F("text", _TEXT, "what is wrong"),
        _F("cause", _TEXT, "what brought it about"),
        _F("action", _TEXT, "what to do"),
        _F("first", _FLAG, "it came first"),
        _F("present", _FLAG, "its cause is still there"),
        _F("service", _FLAG, "only service can clear it"),
        _F("fault_instance", _NUMBER, "number of the trip it belongs to"),
    ),
)
TOPICS: Final[dict[str, Topic]] = {
    t.suffix: t for t in (STATUS, ABOUT, STATE, TELEMETRY, PULSE, EVENT, ALARM)
}

_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
_PREFIX: Final = re.compile(r"[^/+#\s]+(/[^/+#\s]+)*")


@dataclass(frozen=True, slots=True)
class TopicTree:
    """The topics of one laser; raises FieldError for an id or prefix that no topic can have."""

    site: str
    device: str
    prefix: str = "laser/v1"

    def __post_init__(self) -> None:
        _check_id("site", self.site)
        _check_id("device", self.device)
        if not _PREFIX.fullmatch(self.prefix) or self.prefix.startswith("$"):
            raise FieldError("prefix", self.prefix, "levels joined by /, without +, #, blanks or a leading $")

    def name(self, topic: Topic, sub_id: str = "") -> str:
        """The full name of a topic; alarms have a `sub_id`."""
        if sub_id:
            _check_id("alarm id", sub_id)
        levels = (self.prefix, self.site, self.device, topic.suffix, sub_id)
        return "/".join(level for level in levels if level)


def _check_id(field: str, value: str) -> None:
    if not _ID.fullmatch(value):
        raise FieldError(field, value, "1 to 64 of the characters a-z, 0-9 and -")


def alarm_id(fault: Fault) -> str:
    """The id of a fault's alarm topic."""
    return fault.name.lower().replace("_", "-")


FAULT_ALARM_IDS: Final[frozenset[str]] = frozenset(
    alarm_id(fault) for fault in Fault if fault is not Fault.NONE
)
