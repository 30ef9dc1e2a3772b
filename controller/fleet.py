"""The fleet: every laser on a broker as its own messages tell it, and how far that is to be believed.

Pure: messages go in by `take`, rows come out by `rows`; the reader's time of day is handed in. Whatever comes
(anybody may be allowed to write at a broker) is bounded and checked against the declarations of the topics;
what cannot be read is counted and changes nothing.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from controller.picture import UNJUDGED
from protocols.fields import COUNT_MAX
from protocols.payloads import utc_text
from protocols.topics import (
    ABOUT,
    ALARM,
    PULSE,
    STAMP_FIELDS,
    STATE,
    STATUS,
    TELEMETRY,
    FieldType,
    Topic,
    TopicField,
    is_id,
)

LASERS_MAX: Final = 20_000  # [P] beyond about so many the broker is to be a cluster, and this is no dashboard
ALARMS_MAX: Final = 64  # [C] of one laser: more than there are faults and latches
PULSES_KEPT: Final = 20  # [C] of one laser: two seconds at 10 Hz
RUNS_KEPT: Final = 4  # [C] of one laser, by `boot`: pulses of the last one may come late, older ones hardly
PAYLOAD_MAX: Final = 65_536  # [C] bytes; ours have a few kilobytes
TEXT_MAX: Final = 2_048  # [C] characters; all faults at once have fewer
SET_LEAST_MJ: Final = 0.001  # the step of the wire: a pulse that was set lower has no ratio
LIVE_PERIODS: Final = 3  # [P] docs/mqtt.md: what is older is not live
TREND_LEAST: Final = 6  # [C] pulses without which halves of them say nothing
TREND_PERCENT: Final = 1.0  # [C] between the older and the newer half; a tenth of the tightest trip
FUTURE_MAX_US: Final = 4_102_444_800_000_000  # [C] the year 2100: a time beyond it is none

WATCHED: Final = (ABOUT, STATUS, STATE, ALARM, TELEMETRY, PULSE)
"""What is read of each laser, in the order in which it is best subscribed to. Nothing of it commands."""

_LASER_LEVELS: Final = ("site", "device")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STAMP: Final = ("ts", "boot", "seq", "q", "sim")


def _pick(topic: Topic, *names: str) -> dict[str, TopicField]:
    declared = {one.name: one for one in (*STAMP_FIELDS, *topic.fields)}
    return {name: declared[name] for name in (*_STAMP, *names)}


_READ: Final = {
    STATUS.suffix: _pick(STATUS, "online", "reason"),
    ABOUT.suffix: _pick(ABOUT, "serial", "model", "period_ms"),
    STATE.suffix: _pick(STATE, "state", "link_up", "first_cause", "faults", "host_latches"),
    TELEMETRY.suffix: _pick(
        TELEMETRY, "pulse_number", "pulses_planned", "pulses_delivered", "samples_dropped"
    ),
    PULSE.suffix: _pick(PULSE, "pulse_number", "flags", "unknown", "set_energy_mj", "monitor_a_mj"),
    ALARM.suffix: _pick(ALARM, "text"),
}
"""Of each topic the fields that are read, as declared."""

_RETAINED: Final = frozenset(topic.suffix for topic in WATCHED if topic.retain)

_NEEDED: Final = {
    STATUS.suffix: ("online", "boot"),
    ABOUT.suffix: ("ts", "boot"),
    STATE.suffix: ("ts", "boot", "state"),
    TELEMETRY.suffix: ("ts", "boot"),
    PULSE.suffix: ("ts", "boot", "seq"),
    ALARM.suffix: ("ts", "boot"),
}
"""Without these it is no message of ours."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Pulse energy of the last judged pulses, monitor A against what was set."""

    pulses: int
    mean_mj: float
    set_mj: float
    off_percent: float  # mean of measured / set - 1
    trend: str | None  # rising, falling, steady: the newer half against the older; None: too few pulses


@dataclass(frozen=True, slots=True)
class Row:
    """One laser at the time of asking. What is not known is None; `why` says why it is not live."""

    site: str
    device: str
    live: bool
    why: str
    state: str  # as told last; of one that is not live an old word
    link_up: bool | None  # its daemon hears the laser
    simulated: bool | None
    quality: str | None
    serial: str | None
    model: str | None
    seen: str | None  # newest time it told, RFC 3339
    age_s: float | None  # of that; negative: its clock is ahead of ours
    first_cause: str | None
    faults: tuple[str, ...]
    latches: tuple[str, ...]
    alarms: Mapping[str, str]  # id -> text
    pulses: int | None  # of the laser's life
    pulses_planned: int | None
    pulses_delivered: int | None
    energy: Energy | None
    samples_dropped: int | None

    @property
    def troubled(self) -> bool:
        """Whether somebody should look at it."""
        return bool(not self.live or self.alarms or self.faults or self.latches or not self.link_up)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"faults": list(self.faults), "latches": list(self.latches)}


@dataclass(slots=True)
class _Laser:
    """What was told of one laser last, by topic."""

    site: str
    device: str
    told: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    told_us: dict[str, int] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    pulses: int | None = None
    pulse_seqs: dict[str, int] = field(default_factory=dict)  # boot -> last
    energies_mj: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=PULSES_KEPT)
    )  # measured, set

    @property
    def online(self) -> bool:
        """Whether its status says so."""
        return bool(self.told.get(STATUS.suffix, {}).get("online"))

    @property
    def period_ms(self) -> float | None:
        """Of its samples; None: not known."""
        return self.told.get(ABOUT.suffix, {}).get("period_ms")

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it at the broker, as after `picolase mqtt purge`."""
        return not self.alarms and not self.told.keys() & {STATUS.suffix, ABOUT.suffix, STATE.suffix}


class Fleet:
    """All lasers below `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._below = f"{prefix}/"
        self._lasers: dict[tuple[str, str], _Laser] = {}
        self.taken = 0  # messages that told something
        self.unreadable = 0  # on a topic of ours, and not of our kind
        self.repeated = 0  # pulses that had come before
        self.crowded_out = 0  # messages of lasers beyond LASERS_MAX

    def __len__(self) -> int:
        return len(self._lasers)

    def take(self, topic: str, payload: bytes) -> None:
        """Hear one message, whatever it is; raises nothing. Topics that are not ours are passed over."""
        if not topic.startswith(self._below):
            return
        levels = topic.removeprefix(self._below).split("/")
        suffix = levels[2] if len(levels) > len(_LASER_LEVELS) else ""
        expected = (*_LASER_LEVELS, suffix, "id") if suffix == ALARM.suffix else (*_LASER_LEVELS, suffix)
        if suffix not in _READ or len(levels) != len(expected) or not all(map(is_id, levels)):
            return
        key, name = (levels[0], levels[1]), levels[-1]
        laser = self._lasers.get(key) or _Laser(*key)
        if not payload and suffix in _RETAINED:
            self._clear(laser, suffix, name)
            return
        told = _read(suffix, payload)
        if told is None:
            self.unreadable += 1
        elif key not in self._lasers and len(self._lasers) >= LASERS_MAX:
            self.crowded_out += 1
        else:
            self._lasers[key] = laser
            self.taken += 1
            self._keep(laser, suffix, name, told)

    def rows(self, wall_us: int, sites: Iterable[str] = ()) -> list[Row]:
        """All lasers, or those of some sites, by site and name; `wall_us` is the time since 1970, UTC."""
        wanted = frozenset(sites)
        lasers = (self._lasers[key] for key in sorted(self._lasers) if not wanted or key[0] in wanted)
        return [_row(laser, wall_us) for laser in lasers]

    def without_about(self) -> list[tuple[str, str]]:
        """Site and name of those that are online and whose `about` never came."""
        return [key for key, laser in self._lasers.items() if laser.online and laser.period_ms is None]

    def longest_period_ms(self) -> float:
        """Of those that are online."""
        return max((laser.period_ms or 0 for laser in self._lasers.values() if laser.online), default=0)

    def complete(self, wall_us: int) -> bool:
        """Whether each that says it is online is live and has told a sample."""
        return not any(
            laser.online and (TELEMETRY.suffix not in laser.told or _why_not_live(laser, wall_us))
            for laser in self._lasers.values()
        )

    def _clear(self, laser: _Laser, suffix: str, name: str) -> None:
        if suffix == ALARM.suffix:
            laser.alarms.pop(name, None)
        else:
            laser.told.pop(suffix, None)
            laser.told_us.pop(suffix, None)
        if laser.empty:
            self._lasers.pop((laser.site, laser.device), None)

    def _keep(self, laser: _Laser, suffix: str, name: str, told: Mapping[str, Any]) -> None:
        if suffix == ALARM.suffix:
            if name in laser.alarms or len(laser.alarms) < ALARMS_MAX:
                laser.alarms[name] = told.get("text", "")
        elif suffix == PULSE.suffix:
            self._keep_pulse(laser, told)
        else:
            laser.told[suffix] = told
            laser.told_us.pop(suffix, None)
            if "wall_us" in told:  # a last will has no time: nobody can say when
                laser.told_us[suffix] = told["wall_us"]
            if suffix == TELEMETRY.suffix and "pulse_number" in told:
                laser.pulses = told["pulse_number"]

    def _keep_pulse(self, laser: _Laser, told: Mapping[str, Any]) -> None:
        boot, seq = told["boot"], told["seq"]
        if seq <= laser.pulse_seqs.get(boot, -1):
            self.repeated += 1
            return
        laser.pulse_seqs.pop(boot, None)
        laser.pulse_seqs[boot] = seq
        if len(laser.pulse_seqs) > RUNS_KEPT:
            del laser.pulse_seqs[next(iter(laser.pulse_seqs))]
        if (number := told.get("pulse_number")) is not None:  # one that comes late does not count back
            laser.pulses = max(laser.pulses or 0, number)
        judged = not told.get("unknown") and UNJUDGED.isdisjoint(told.get("flags", "").split(","))
        measured_mj, set_mj = told.get("monitor_a_mj"), told.get("set_energy_mj")
        if judged and measured_mj is not None and set_mj is not None and set_mj >= SET_LEAST_MJ:
            laser.energies_mj.append((measured_mj, set_mj))


def _row(laser: _Laser, wall_us: int) -> Row:
    about, state, sample = (laser.told.get(topic.suffix, {}) for topic in (ABOUT, STATE, TELEMETRY))
    seen_us = max(laser.told_us.values(), default=None)
    why = _why_not_live(laser, wall_us)
    return Row(
        site=laser.site,
        device=laser.device,
        live=not why,
        why=why,
        state=state.get("state", "unknown"),
        link_up=state.get("link_up"),
        simulated=next((one["sim"] for one in (state, sample, about) if "sim" in one), None),
        quality=state.get("q"),
        serial=about.get("serial"),
        model=about.get("model"),
        seen=None if seen_us is None else utc_text(_EPOCH + seen_us * _MICROSECOND),
        age_s=None if seen_us is None else (wall_us - seen_us) / 1e6,
        first_cause=state.get("first_cause") or None,
        faults=_names(state.get("faults")),
        latches=_names(state.get("host_latches")),
        alarms=dict(sorted(laser.alarms.items())),
        pulses=laser.pulses,
        pulses_planned=sample.get("pulses_planned"),
        pulses_delivered=sample.get("pulses_delivered"),
        energy=_energy(list(laser.energies_mj)),
        samples_dropped=sample.get("samples_dropped"),
    )


def _why_not_live(laser: _Laser, wall_us: int) -> str:
    """Empty for a live one: status online, a message of the same boot, younger than three periods."""
    status = laser.told.get(STATUS.suffix)
    if status is None:
        return "nobody says that it is there"
    if not status["online"]:
        return "ended in order" if status.get("reason") == "clean" else "lost: its broker does not hear it"
    if not laser.period_ms:
        return "its period is not known"
    limit_us = LIVE_PERIODS * laser.period_ms * 1000
    ages_us = [
        wall_us - laser.told_us[suffix]
        for suffix in (TELEMETRY.suffix, STATE.suffix)
        if laser.told.get(suffix, {}).get("boot") == status["boot"]
    ]
    if not ages_us:
        return "nothing told since its start"
    if any(abs(age_us) < limit_us for age_us in ages_us):
        return ""
    age_s = min(ages_us) / 1e6
    if age_s < 0:
        return f"its clock is {-age_s:.0f} s ahead of ours"
    return f"silent for {age_s:.0f} s by its clock"


def _energy(energies_mj: list[tuple[float, float]]) -> Energy | None:
    if not energies_mj:
        return None
    ratios = [measured_mj / set_mj for measured_mj, set_mj in energies_mj]
    trend = None
    if len(ratios) >= TREND_LEAST:
        half = len(ratios) // 2
        change_percent = 100 * (_mean(ratios[-half:]) - _mean(ratios[:half]))
        trend = "steady" if abs(change_percent) < TREND_PERCENT else "rising"
        trend = "falling" if change_percent <= -TREND_PERCENT else trend
    return Energy(
        pulses=len(ratios),
        mean_mj=_mean([measured_mj for measured_mj, _ in energies_mj]),
        set_mj=_mean([set_mj for _, set_mj in energies_mj]),
        off_percent=100 * (_mean(ratios) - 1),
        trend=trend,
    )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _names(joined: str | None) -> tuple[str, ...]:
    return tuple(name for name in (joined or "").split(",") if name and name != "none")


def _read(suffix: str, payload: bytes) -> dict[str, Any] | None:
    """The fields that are read and are as declared, others left out; None for what is no message of ours."""
    if len(payload) > PAYLOAD_MAX:
        return None
    try:
        facts = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    told = {name: facts[name] for name, one in _READ[suffix].items() if _fits(one, facts.get(name))}
    if (wall_us := _wall_us(told.pop("ts", None))) is not None:
        told["wall_us"] = wall_us
    needed = ("wall_us" if name == "ts" else name for name in _NEEDED[suffix])
    return told if all(name in told for name in needed) else None


def _fits(declared: TopicField, value: object) -> bool:
    """Whether it is a value of the field; names that a later version may have added are."""
    if declared.type is FieldType.FLAG:
        return isinstance(value, bool)
    if declared.type is FieldType.TEXT:
        return isinstance(value, str) and len(value) <= TEXT_MAX and value.isprintable()
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    low, high = declared.low, COUNT_MAX if declared.high is None else declared.high
    if declared.whole and not isinstance(value, int):
        return False
    return (low is None or low <= value) and value <= high  # NaN and infinity are beyond


def _wall_us(text: str | None) -> int | None:
    """Microseconds since 1970 of a time with its zone."""
    try:
        moment = datetime.fromisoformat(text or "")
        if moment.tzinfo is None:
            return None
        wall_us = (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
    return wall_us if 0 <= wall_us < FUTURE_MAX_US else None
