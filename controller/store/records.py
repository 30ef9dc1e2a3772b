"""What the store keeps, as frozen records in the user's units; each refuses values that mean nothing."""

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from controller.store.errors import RecordRefused
from protocols.frozen import compiled, quick

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PULSE_NUMBERS = range(1, 2**63)
"""The device counts in 64 bits, SQLite's INTEGER is signed; 2**63 pulses at 10 Hz take 3e10 years. [D]"""


def rfc3339(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds, the form all times of day are stored in."""
    if moment.tzinfo is None:
        raise RecordRefused(f"the time {moment!r} has no time zone", "pass an aware datetime")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def moment(text: str) -> datetime:
    """Return the aware datetime that `rfc3339` wrote as `text`."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A laser as it described itself; `baseline_pulse` is its counter when this database first saw it."""

    serial: str
    model: str
    firmware: str
    simulated: bool
    identity: Mapping[str, object]
    baseline_pulse: int

    def __post_init__(self) -> None:
        _check(self)
        if self.baseline_pulse < 0:
            raise _refused(self, "baseline_pulse", "0 or more")


@quick
@dataclass(frozen=True, slots=True)
class PulseRecord:
    """One pulse. What the device reported, and what the host added (`HOST_FIELDS`).

    `monitor_a` measures before the shutter, `monitor_b` behind it. `unknown`: lost between trigger and
    report, so nothing is measured and it counts as delivered. None means not measured.
    """

    device_serial: str
    pulse_number: int
    device_boot: int
    permit_id: int
    series: int
    device_time_us: int
    set_energy_mj: float
    monitor_a_mj: float | None
    monitor_b_mj: float | None
    pulse_width_ps: float | None
    wavelength_nm: int
    mode_width_ps: int
    spot_mm: float
    handpiece: str
    flags: frozenset[str]
    aperture: bool
    unknown: bool
    fluence_j_cm2: float
    session_id: str | None
    wall_time: datetime
    mono_us: int
    rep_rate_hz: float | None = None
    lamp_v: float | None = None  # capacitor voltage at the trigger
    coolant_c: float | None = None

    def __post_init__(self) -> None:
        if not _surely_right(self):
            _check(self)
        if self.pulse_number not in PULSE_NUMBERS:
            raise _refused(self, "pulse_number", f"1 to {PULSE_NUMBERS[-1]}")
        for flag in self.flags:
            if not flag or "," in flag:
                raise _refused(self, "flags", "names without a comma")

    @property
    def delivered(self) -> bool:
        """Whether the pulse counts as having left the aperture; one of unknown fate does."""
        return self.aperture or self.unknown

    @property
    def delivered_energy_mj(self) -> float:
        """The energy to count as delivered: measured behind the shutter, or the highest that is known of.

        The monitors hold the latest flash alone: of a double one the first counts with what was set.
        """
        measured = (self.monitor_a_mj, self.monitor_b_mj)
        double = DOUBLE_FLAG in self.flags
        return counted_energy_mj(self.aperture, self.unknown, self.set_energy_mj, *measured, double=double)


def counted_energy_mj(
    aperture: bool,
    unknown: bool,
    set_energy_mj: float,
    monitor_a_mj: float | None,
    monitor_b_mj: float | None,
    *,
    double: bool = False,
) -> float:
    """`PulseRecord.delivered_energy_mj`, for who has no record yet."""
    if not (aperture or unknown):
        return 0.0
    unseen_mj = set_energy_mj if double else 0.0
    if monitor_b_mj is not None and not unknown:
        return monitor_b_mj + unseen_mj
    return max(set_energy_mj, monitor_a_mj or 0.0, monitor_b_mj or 0.0) + unseen_mj


DOUBLE_FLAG = "double"  # `PulseFlag.DOUBLE` as records name it

HOST_FIELDS = frozenset({"fluence_j_cm2", "session_id", "wall_time", "mono_us"})
"""Of a pulse, what the host adds: when a report comes again these may differ, and the first ones stand."""


@dataclass(frozen=True, slots=True)
class PulseRange:
    """The pulse numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class EventKind(enum.Enum):
    """What an event is about."""

    STATE = "state"
    FAULT = "fault"
    REFUSAL = "refusal"
    SET_POINT = "set_point"
    STOP = "stop"
    SESSION = "session"
    LINK = "link"
    SYSTEM = "system"


class Severity(enum.Enum):
    """How much an event matters to the person at the laser."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened; `id` counts up in the order of recording."""

    id: int
    wall_time: datetime
    mono_us: int
    kind: EventKind
    severity: Severity
    actor: str
    text: str
    body: Mapping[str, object]


class CommandOutcome(enum.Enum):
    """What became of a command, as far as the host can know."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command as written ahead; `outcome` None: the program ended before it knew, which means uncertain."""

    id: str
    kind: str
    actor: str
    body: Mapping[str, object]
    begun: datetime
    begun_mono_us: int
    outcome: CommandOutcome | None
    detail: str | None
    ended: datetime | None
    settled_how: str | None
    settled_by: str | None
    settled: datetime | None

    @property
    def unresolved(self) -> bool:
        """Whether it is still unknown what the device did."""
        return self.settled is None and self.outcome in (None, CommandOutcome.UNCERTAIN)


class SessionState(enum.Enum):
    """Where a treatment session stands."""

    OPEN = "open"
    INTERRUPTED = "interrupted"
    DONE = "done"
    ABANDONED = "abandoned"


SESSION_STEPS: Mapping[SessionState, frozenset[SessionState]] = {
    SessionState.OPEN: frozenset({SessionState.INTERRUPTED, SessionState.DONE, SessionState.ABANDONED}),
    SessionState.INTERRUPTED: frozenset({SessionState.OPEN, SessionState.DONE, SessionState.ABANDONED}),
    SessionState.DONE: frozenset(),
    SessionState.ABANDONED: frozenset(),
}
"""The states a session may go to from each; what is done or abandoned stays so."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A treatment session and its progress; `delivered_pulses` includes the `unknown_pulses`.

    `dose_j_cm2` is the sum of the single pulses' fluences. No patient data belongs here.
    """

    id: str
    device_serial: str
    operator: str
    plan: Mapping[str, object]
    plan_sha256: str
    state: SessionState
    planned_pulses: int
    delivered_pulses: int
    unknown_pulses: int
    energy_mj: float
    dose_j_cm2: float
    started: datetime
    ended: datetime | None

    @property
    def remaining_pulses(self) -> int:
        """How many planned pulses are left, never less than none."""
        return max(0, self.planned_pulses - self.delivered_pulses)


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One level of one mode: lamp voltage, energy by the reference meter, and what the fit leaves of it."""

    mode_width_ps: int
    lamp_v: float
    energy_mj: float
    residual_percent: float

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """A calibration of one wavelength, valid until `expires`; the device knows it by its boot and time."""

    device_serial: str
    wavelength_nm: int
    operator: str
    points: tuple[CalibrationPoint, ...]
    calibrated: datetime
    expires: datetime
    device_boot: int
    device_time_us: int

    def __post_init__(self) -> None:
        _check(self)
        if not self.points:
            raise _refused(self, "points", "one or more")
        if not self.expires > self.calibrated:
            raise _refused(self, "expires", "later than the calibration")


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """The black box of one trip; `body` is None in a listing."""

    id: str
    wall_time: datetime
    mono_us: int
    first_cause: str
    body: Mapping[str, object] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that waits for the broker; the publisher puts `seq`, counted per topic, into the payload."""

    id: int
    topic: str
    seq: int
    payload: Mapping[str, object]
    created: datetime


class Role(enum.Enum):
    """What a person may do; each role may also do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SERVICE = "service"
    ADMINISTRATOR = "administrator"

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return _RANKS.index(self) >= _RANKS.index(other)


_RANKS = tuple(Role)


@dataclass(frozen=True, slots=True)
class OperatorRecord:
    """A person who may log in, and until when they are trained for each wavelength in nm."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    active: bool
    failed_logins: int
    created: datetime
    training: Mapping[int, datetime]

    def trained(self, wavelength_nm: int, now: datetime) -> bool:
        """Whether the training for this wavelength holds at `now`."""
        expires = self.training.get(wavelength_nm)
        return expires is not None and now < expires


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows retention removed."""

    events: int
    incidents: int
    outbox: int


def _check(record: "DataclassInstance") -> None:
    """Refuse numbers that are no numbers or that SQLite cannot hold exactly, and empty names."""
    names = record.__dataclass_fields__
    for name, value in zip(names, attrgetter(*names)(record), strict=True):
        if value is None or value is False or value is True:
            continue
        if isinstance(value, float):
            if not -math.inf < value < math.inf:  # a NaN is neither
                raise _refused(record, name, "a finite number, or None where it was not measured")
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:  # what SQLite's INTEGER holds
                raise _refused(record, name, "a signed 64-bit number")
        elif value == "" and name != "handpiece":
            raise _refused(record, name, "not empty")


def _at_a_glance(cls: type) -> Callable[[Any], bool]:
    """A function that is True only of what `_check` accepts; for a record that is made with every pulse."""
    looks: dict[object, str] = {
        bool: "({0} is True or {0} is False)",
        int: f"type({{0}}) is int and {-(2**63)} <= {{0}} < {2**63}",
        float: "type({0}) is float and -inf < {0} < inf",
        str: "type({0}) is str and {0}",
        str | None: "({0} is None or type({0}) is str and {0})",
        float | None: "({0} is None or type({0}) is float and -inf < {0} < inf)",
    }
    looked_at = [field for field in fields(cls) if field.type in looks]
    lines = [f"{field.name} = record.{field.name}" for field in looked_at]
    verdict = " and ".join(looks[field.type].format(field.name) for field in looked_at)
    known = {"type": type, "int": int, "float": float, "str": str, "inf": math.inf}
    return compiled("surely_right(record)", [*lines, f"return bool({verdict})"], known | {"bool": bool})


_surely_right = _at_a_glance(PulseRecord)


def _refused(record: object, name: str, allowed: str) -> RecordRefused:
    return RecordRefused(
        f"{type(record).__name__}.{name} is {getattr(record, name)!r}; allowed: {allowed}",
        "correct the value where it comes from; nothing was recorded",
    )
