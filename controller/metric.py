"""A metric: its name, unit and labels, and how it is read from a snapshot of the daemon."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.meter import Histogram, Meter
from safety.freshness import Input


class Kind(enum.Enum):
    """What a metric is, in Prometheus' words."""

    GAUGE = "gauge"
    COUNTER = "counter"  # its sample's name ends in _total
    HISTOGRAM = "histogram"
    INFO = "info"  # always 1; its sample's name ends in _info


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the metrics are read from, taken at one moment."""

    report: Mapping[str, Any]  # as the status tells it
    meter: Meter
    version: str
    started: datetime  # the daemon
    set_energy_mj: float | None  # of the plan in hand
    planned: tuple[int, int] | None  # pulses of the plan in hand, and how many of them were given
    calibration_left_s: float | None
    uncounted: int
    store_waiting: int
    store_answer_s: float | None
    outbox_waiting: int | None

    @property
    def laser(self) -> Mapping[str, Any] | None:
        """The laser's Status, while it is fresh."""
        return _fresh(self.report["laser"])

    @property
    def slow(self) -> Mapping[str, Any] | None:
        """The laser's slow values, while they are fresh."""
        return _fresh(self.report["telemetry"])

    def age_s(self, which: Input) -> float:
        """How old the newest of this input is; infinite for none."""
        age_s = self.report["supervisor"]["inputs"][which.value]["age_s"]
        return math.inf if age_s is None else float(age_s)


Value = float | Histogram | None  # None: not known, so that there is no such series now
Readings = Mapping[tuple[str, ...], Value]  # by the values of the labels


@dataclass(frozen=True, slots=True)
class Label:
    """A label; `among` are the values it can have, empty where it is what laser or daemon call themselves."""

    name: str
    among: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str  # without a counter's _total and an info's _info
    kind: Kind
    meaning: str
    read: Callable[[Snapshot], Readings]
    labels: tuple[Label, ...] = ()

    @property
    def sample(self) -> str:
        """The name to ask for."""
        return self.name + {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")


def _fresh(told: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return told if told is not None and told["quality"] == "good" else None


def names_of(numbered: Iterable[enum.Enum]) -> tuple[str, ...]:
    """Their members' names, as the status tells them."""
    return tuple(member.name.lower() for member in numbered)


def single(name: str, kind: Kind, meaning: str, read: Callable[[Snapshot], Value]) -> Metric:
    """One series without labels."""
    return Metric(name, kind, meaning, lambda seen: {(): read(seen)})


def gauge(name: str, meaning: str, read: Callable[[Snapshot], float | None]) -> Metric:
    """One value that goes up and down."""
    return single(name, Kind.GAUGE, meaning, read)


def counter(name: str, meaning: str, read: Callable[[Snapshot], float | None]) -> Metric:
    """One value that goes up only, until the daemon is started again."""
    return single(name, Kind.COUNTER, meaning, read)


def each(
    name: str,
    kind: Kind,
    meaning: str,
    label: Label,
    read: Callable[[Snapshot], Mapping[str, Value] | None],
) -> Metric:
    """One series for each value of the label; None: all of them are not known."""
    return Metric(
        name,
        kind,
        meaning,
        lambda seen: {(value,): reading for value, reading in (read(seen) or {}).items()},
        (label,),
    )


def of_laser(name: str, meaning: str, field: str, per_base: float = 1.0) -> Metric:
    """A field of the Status; `per_base` of its units are one base unit."""
    return gauge(name, meaning, lambda seen: _field(seen.laser, field, per_base))


def of_slow(name: str, meaning: str, field: str, per_base: float = 1.0, kind: Kind = Kind.GAUGE) -> Metric:
    """The same of the slow values."""
    return single(name, kind, meaning, lambda seen: _field(seen.slow, field, per_base))


def _field(told: Mapping[str, Any] | None, field: str, per_base: float) -> float | None:
    return None if told is None else float(told[field]) / per_base


def position(name: str, meaning: str, label: Label, field: str) -> Metric:
    """A field of the Status that is one of several: 1 for the one it is, 0 for the others."""

    def read(seen: Snapshot) -> Mapping[str, Value] | None:
        laser = seen.laser
        return None if laser is None else {one: float(one == laser[field]) for one in label.among}

    return each(name, Kind.GAUGE, meaning, label, read)


def members(name: str, meaning: str, label: Label, field: str, inside: float = 1.0) -> Metric:
    """A set of the Status: `inside` for each member, the other of 0 and 1 for what is not in it."""

    def read(seen: Snapshot) -> Mapping[str, Value] | None:
        laser = seen.laser
        if laser is None:
            return None
        return {one: inside if one in laser[field] else 1 - inside for one in label.among}

    return each(name, Kind.GAUGE, meaning, label, read)
