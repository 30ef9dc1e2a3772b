"""The demo's summary: what was planned, fired, true, recorded and published, and whether all of it agrees."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from controller.store import PulseRecord


@dataclass(frozen=True, slots=True)
class Count:
    """One count of pulses and where it was read: all since the device was new, and those of the plan."""

    what: str
    source: str
    all_pulses: int | None  # None: this source cannot know
    of_plan: int | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation of a measured quantity over `count` pulses."""

    count: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """The spread of the measured ones; None when nothing was measured."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(len(known), statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else 0.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo found. `problems` is everything that is not as it must be; empty means success."""

    counts: tuple[Count, ...]
    energy_mj: Spread | None
    width_ps: Spread | None
    fluence_j_cm2: Spread | None
    dose_j_cm2: float
    unknown: int
    problems: tuple[str, ...]

    def table(self) -> Table:
        """The counts, and the statistics of the plan's pulses."""
        table = Table("", "read from", "all pulses", "of the plan", title="pulses", title_justify="left")
        for count in self.counts:
            table.add_row(count.what, count.source, _number(count.all_pulses), _number(count.of_plan))
        return table

    def lines(self) -> list[str]:
        """The statistics in words."""
        return [
            f"pulse energy (monitor B): {_spread(self.energy_mj, 'mJ', 1)}",
            f"pulse width: {_spread(self.width_ps, 'ps', 0)}",
            f"fluence of a pulse: {_spread(self.fluence_j_cm2, 'J/cm2', 3)}",
            f"dose, all pulses of the plan: {self.dose_j_cm2:.2f} J/cm2; of unknown fate: {self.unknown}",
        ]

    def plain(self) -> dict[str, Any]:
        """As JSON knows it."""
        spreads = {
            "energy_mj": self.energy_mj,
            "width_ps": self.width_ps,
            "fluence_j_cm2": self.fluence_j_cm2,
        }
        return {
            "agree": not self.problems,
            "problems": list(self.problems),
            "counts": [
                {"what": c.what, "source": c.source, "all": c.all_pulses, "plan": c.of_plan}
                for c in self.counts
            ],
            "dose_j_cm2": self.dose_j_cm2,
            "unknown": self.unknown,
        } | {
            name: None if s is None else {"count": s.count, "mean": s.mean, "deviation": s.deviation}
            for name, s in spreads.items()
        }


def summarise(counts: Iterable[Count], pulses: Iterable[PulseRecord], problems: Iterable[str]) -> Summary:
    """The summary of these counts and of the plan's recorded pulses; counts that differ are problems."""
    counts, pulses = tuple(counts), list(pulses)
    found = [*problems, *_differences(counts)]
    given = [pulse for pulse in pulses if pulse.delivered]
    return Summary(
        counts=counts,
        energy_mj=Spread.of(pulse.monitor_b_mj for pulse in pulses),
        width_ps=Spread.of(pulse.pulse_width_ps for pulse in pulses),
        fluence_j_cm2=Spread.of(pulse.fluence_j_cm2 for pulse in given),
        dose_j_cm2=sum(pulse.fluence_j_cm2 for pulse in given),
        unknown=sum(pulse.unknown for pulse in pulses),
        problems=tuple(found),
    )


def _differences(counts: tuple[Count, ...]) -> list[str]:
    problems = []
    for column, name in (("all_pulses", "all pulses"), ("of_plan", "the plan's pulses")):
        told = {count.what: getattr(count, column) for count in counts}
        known = {what: number for what, number in told.items() if number is not None}
        if len(set(known.values())) != 1:
            problems.append(f"counts of {name} differ: " + ", ".join(f"{w} {n}" for w, n in known.items()))
    return problems


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _spread(spread: Spread | None, unit: str, digits: int) -> str:
    if spread is None:
        return "not measured"
    share = f" ({100 * spread.deviation / spread.mean:.1f} %)" if spread.mean else ""
    deviation = f"standard deviation {spread.deviation:.{digits}f} {unit}{share}"
    return f"mean {spread.mean:.{digits}f} {unit}, {deviation}"
