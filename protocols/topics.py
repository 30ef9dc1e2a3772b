"""The MQTT topics: each declared once, with how its messages travel and which fields stand in them.

A payload is one flat JSON object: consumers such as Grafana's MQTT source plot only top-level numbers. Names
end in their unit, by the wire's own declarations where the wire carries the value. Changes within schema 1.x
only add.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

from protocols.faults import Fault
from protocols.fields import COUNT_MAX, Bool, Choice, FieldError, FieldKind, Int, SetOf, to_user
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.messages import Message, PulseReport, Status, Telemetry, layout
from protocols.requests import Capabilities, Identity, Mode
from protocols.states import State

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
    """What a field's JSON value is."""

    NUMBER = "number"
    TEXT = "string"  # a set is its members' names, joined by commas
    FLAG = "boolean"


@dataclass(frozen=True, slots=True)
class TopicField:
    """One field of a payload."""

    name: str
    type: FieldType
    meaning: str
    nullable: bool = True  # null: not known
    low: float | None = None  # of a number: least and largest value, in the unit of its name
    high: float | None = None
    whole: bool = False  # a number without a fraction
    values: tuple[str, ...] = ()  # of a text: what it can be; empty: anything
    several: bool = False  # any number of `values`, joined by commas

    @property
    def unit(self) -> str:
        """The unit by the name's ending; empty for what has none."""
        if self.type is not FieldType.NUMBER:
            return ""
        return next((unit for ending, unit in UNITS.items() if self.name.endswith(ending)), "")


@dataclass(frozen=True, slots=True)
class Form:
    """One of several kinds of message on a topic: exactly these fields, some of them with one value only."""

    name: str
    meaning: str
    fields: tuple[str, ...]
    fixed: tuple[tuple[str, str | bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """How the messages of one topic travel and what stands in them, beside `STAMP_FIELDS`.

    Without `forms` every message has every field; with them, those of one form.
    """

    suffix: str
    qos: int
    retain: bool
    expiry_s: int | None  # where the broker has MQTT 5; None: never
    meaning: str
    fields: tuple[TopicField, ...]
    forms: tuple[Form, ...] = ()


_NUMBER, _TEXT, _FLAG = FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG
_F = TopicField

RENAMED: Final = {"boot": "device_boot", "sample": "device_sample"}
"""Fields of the wire whose bare name would mean the host's in a payload."""


def _wire_field(name: str, kind: FieldKind) -> TopicField:
    named = RENAMED.get(name, name)
    match kind:
        case Int():
            (user_name, low), (_, high) = to_user(named, kind.low), to_user(named, kind.high)
            whole = type(low) is int
            return _F(user_name, _NUMBER, kind.meaning, low=low, high=high, whole=whole)
        case Choice() | SetOf():
            values = tuple(member.name.lower() for member in kind.type)
            return _F(named, _TEXT, kind.meaning, values=values, several=isinstance(kind, SetOf))
        case Bool():
            return _F(named, _FLAG, kind.meaning)
        case _:
            return _F(named, _TEXT, kind.meaning)


def _wire(message: type[Message], *names: str) -> tuple[TopicField, ...]:
    """Fields of a message by their names in the user's units, all else as declared there."""
    kinds = dict(layout(message).fields)
    return tuple(_wire_field(name, kinds[name]) for name in names)


def _count(name: str, meaning: str, low: int = 0) -> TopicField:
    return _F(name, _NUMBER, meaning, low=low, high=COUNT_MAX, whole=True)


def interlock_field(interlock: Interlock) -> str:
    """The name of an interlock's field; True = closed and good."""
    return f"ilk_{interlock.name.lower()}"


STAMP_FIELDS: Final[tuple[TopicField, ...]] = (
    _F("ts", _TEXT, "time of the measurement or event, RFC 3339, UTC, microseconds", nullable=False),
    replace(_count("mono_ns", "the same moment on the daemon's monotonic clock"), nullable=False),
    _F("boot", _TEXT, "random identity of the daemon's run that recorded it", nullable=False),
    replace(_count("seq", "counts up per topic; with boot it tells a repeated message"), nullable=False),
    _F("q", _TEXT, "quality", nullable=False, values=("good", "stale", "sim", "bad")),
    _F("sim", _FLAG, "the laser is simulated; null: no laser has said yet"),
)

_LATE: Final = _F("late_s", _NUMBER, "how long it waited for the broker before this attempt", False, low=0)
_SCHEMA: Final = _F("schema", _TEXT, "version of these payloads", nullable=False)
_STATE_NAMES: Final = tuple(state.name.lower() for state in State)

STATUS: Final = Topic(
    "status",
    1,
    True,
    None,
    "whether the daemon is there: birth, last will, clean end",
    (
        _F("online", _FLAG, "the daemon is connected", nullable=False),
        _F("reason", _TEXT, "of an end, who says so", nullable=False, values=("lost", "clean")),
        _SCHEMA,
    ),
    (
        Form(
            "birth",
            "the daemon is connected; again every 5 s",
            ("online", "boot", "seq", "ts", "schema"),
            (("online", True),),
        ),
        Form(
            "lost",
            "the last will: the broker has lost the daemon, nobody can say when",
            ("online", "reason", "boot"),
            (("online", False), ("reason", "lost")),
        ),
        Form(
            "clean",
            "the daemon has ended in order",
            ("online", "reason", "boot", "seq", "ts", "schema"),
            (("online", False), ("reason", "clean")),
        ),
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
        *_wire(Mode, "energy_min_uj", "energy_max_uj"),
        _SCHEMA,
        _F("software_version", _TEXT, "version of the daemon"),
        _F("period_ms", _NUMBER, "telemetry period; what is older than three of them is not live", low=0),
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
        _F("state", _TEXT, "operating state", nullable=False, values=(*_STATE_NAMES, "unknown")),
        _F("state_code", _NUMBER, "number of the state, for plots", low=0, high=max(State), whole=True),
        _F("link_up", _FLAG, "the daemon hears the laser"),
        _F("host_latches", _TEXT, "latches of the daemon's supervisor"),
        _F("first_cause", _TEXT, "what stopped it first, on whichever side"),
        _F("proof_tests_due", _TEXT, "interlocks that nobody saw open for too long: a bridge is not noticed"),
        _count("audit_index", "number of the audit's newest entry: to be kept outside of its file"),
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
        _count("pulses_planned", "pulses of the open session; null without one"),
        _count("pulses_delivered", "of these delivered, unknown ones included"),
        _count("samples_dropped", "samples of this boot that were replaced before they were published"),
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
        _count("series", "series within the session"),
        _F("aperture", _FLAG, "the light left the aperture"),
        _F("unknown", _FLAG, "power was lost between trigger and report: counted as delivered"),
        _F("fluence_j_cm2", _NUMBER, "fluence of this pulse", low=0),
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
        _count("event_id", "number of the event in the record"),
        _F(
            "kind",
            _TEXT,
            "what it is about",
            values=("state", "fault", "refusal", "set_point", "stop", "session", "link", "system"),
        ),
        _F("severity", _TEXT, "how much it matters", values=("info", "warning", "error")),
        _F("text", _TEXT, "what happened, in words"),
        _F("code", _TEXT, "what happened, for programs"),
        _F("fault", _TEXT, "the fault, of a fault"),
        _F("state", _TEXT, "the state entered, of a change of state"),
        _F("session_id", _TEXT, "treatment session"),
        _count("permit_id", "permit it concerns"),
        _count("pulse_number", "pulse it concerns"),
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
        _count("fault_instance", "number of the trip it belongs to"),
    ),
)
REPLY: Final = Topic(
    "reply",
    1,
    False,
    60,  # [C] whoever asked is there, or asks again
    "one topic reply/{id} for each client of cmd/stop that gives a name: what became of its stop",
    (
        _F("id", _TEXT, "the id of the stop that is answered; null: it had none"),
        _F("outcome", _TEXT, "what became of it", False, values=("done", "uncertain", "refused")),
        _F("confirmed", _FLAG, "the laser itself says that it has stopped", nullable=False),
        _F("level", _TEXT, "how it was stopped; null: it was not asked to"),
        _F("took_ms", _NUMBER, "from sending the stop to the end of it", low=0),
        _F("text", _TEXT, "the same in words, and what to do", nullable=False),
    ),
)
TOPICS: Final[dict[str, Topic]] = {
    t.suffix: t for t in (STATUS, ABOUT, STATE, TELEMETRY, PULSE, EVENT, ALARM, REPLY)
}
"""What the daemon publishes."""

STOP: Final = Topic(
    "cmd/stop",
    1,
    False,
    None,
    "the only command there is: stop. Any message that is not retained stops, whatever it says",
    (
        _F("id", _TEXT, "comes back in the reply; 1 to 64 of a-z, 0-9 and -"),
        _F("client", _TEXT, "last level of the reply's topic; without it the id is; without both none comes"),
    ),
)
"""What the daemon listens to, if it is allowed to; nothing else is ever subscribed to."""

ID_RULE: Final = "1 to 64 of the characters a-z, 0-9 and -"
_ID: Final = re.compile(r"[a-z0-9-]{1,64}")
_PREFIX: Final = re.compile(r"[^/+#\s]+(/[^/+#\s]+)*")


@dataclass(frozen=True, slots=True)
class TopicTree:
    """The topics of one laser; raises FieldError for an id or prefix that no topic can have."""

    site: str
    device: str
    prefix: str = "laser/v1"

    def __post_init__(self) -> None:
        for field, value in (("site", self.site), ("device", self.device)):
            if not is_id(value):
                raise FieldError(field, value, ID_RULE)
        if not _PREFIX.fullmatch(self.prefix) or self.prefix.startswith("$"):
            raise FieldError("prefix", self.prefix, "levels joined by /, without +, #, blanks or a leading $")

    def name(self, topic: Topic, sub_id: str = "") -> str:
        """The full name of a topic; alarms and replies have a `sub_id`."""
        if sub_id and not is_id(sub_id):
            raise FieldError(f"{topic.suffix} id", sub_id, ID_RULE)
        levels = (self.prefix, self.site, self.device, topic.suffix, sub_id)
        return "/".join(level for level in levels if level)


def is_id(value: str) -> bool:
    """Whether it can be a level of a topic: site, device, alarm, client."""
    return _ID.fullmatch(value) is not None


def alarm_id(fault: Fault) -> str:
    """The id of a fault's alarm topic."""
    return fault.name.lower().replace("_", "-")


FAULT_ALARM_IDS: Final[frozenset[str]] = frozenset(
    alarm_id(fault) for fault in Fault if fault is not Fault.NONE
)
