"""Pulse trains: how many pulses count, and what three rules leave to each of them.

1. No pulse above the limit of a single one.
2. No group of n pulses above the limit of one exposure as long as the group: each gets an n-th of it.
3. Heat of the retina only: a pulse of a train may have C_P times the limit of a single one, and pulses within
   T_i count as one pulse of that length. [P] ICNIRP 2013 p. 287, IEC 60825-1:2014 4.3 f; 2006/25/EC Table
   2.6.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from safety.exposure_limits import T_2_S, Edition, Kind, Limit, t_i_s

_FREE_S: Final = 0.25  # [P] pulses for so long do not add up (edition 2014)
IEC_FLOOR: Final = 0.4  # [P] IEC 60825-1:2014 4.3 f: C5 of a class never falls below; ICNIRP has no floor

# [P] Peak power over energy by full width at half maximum, from the integral of the shape (RP Photonics).
PULSE_SHAPES: Final = {
    "rectangular": 1.0,
    "gaussian": 2 * math.sqrt(math.log(2) / math.pi),
    "sech2": math.log(1 + math.sqrt(2)),
}


class Rule(enum.Enum):
    """Which of the three binds."""

    SINGLE = 1
    GROUP = 2
    TRAIN = 3


@dataclass(frozen=True, slots=True)
class Train:
    """Pulses of `pulse_s` at `rate_hz` (0: one pulse) for an exposure of `duration_s`."""

    pulse_s: float
    rate_hz: float
    duration_s: float

    @property
    def pulses(self) -> int:
        """Pulses that begin within the exposure."""
        return pulses_beginning(self.rate_hz, self.duration_s)

    def group_s(self, pulses: int) -> float:
        """From the begin of the first of so many pulses to the end of the last."""
        return self.pulse_s if pulses == 1 else self.pulse_s + (pulses - 1) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Share:
    """What one pulse of a train may bring, by which rule; `c_p` is None where rule 3 does not apply."""

    value: float
    rule: Rule
    by_rule: dict[Rule, float]
    group_pulses: int
    c_p: float | None


def pulses_beginning(rate_hz: float, duration_s: float) -> int:
    """Pulses that begin in this time, the first at its start: 1 kHz for 10 s is 10,000, 10 ns more 10,001."""
    # As the decimals that were written: 0.1 Hz for 30 s is 3 pulses, though 0.1 * 30 is above 3 in binary.
    return max(1, math.ceil(Fraction(str(duration_s)) * Fraction(str(rate_hz))))


@dataclass(frozen=True, slots=True)
class Heat:
    """What rule 3 needs to know: whose C_P, the time within which pulses count as one, and C_P's floor."""

    edition: Edition
    t_i_s: float
    floor: float = 0.0

    def c_p(self, pulses: int, pulse_s: float, duration_s: float) -> float:
        """C_P (IEC's C5) of a point source for so many pulses, those after T_2 not counted."""
        if self.edition is Edition.OLD:
            return math.pow(pulses, -0.25)
        if pulse_s > self.t_i_s or duration_s <= _FREE_S:
            return 1.0
        # The 600 pulses that the standards let go free are within the 625 at which this falls below 1.
        return min(1.0, max(5 * math.pow(pulses, -0.25), self.floor))


Most = Callable[[float], float]
"""The most that one exposure of a length in seconds may bring, in any unit."""


def share(limit: Limit, most: Most, train: Train, floor: float = 0.0) -> Share:
    """What each pulse may bring of `most`, the radiant exposure or energy of the limit, by its rules."""
    heat = None
    if limit.kind is Kind.THERMAL:
        heat = Heat(limit.edition, t_i_s(limit.wavelength_nm, limit.edition), floor)
    return share_of(most, limit.joints_s, train, heat)


def share_of(most: Most, joints_s: Iterable[float], train: Train, heat: Heat | None = None) -> Share:
    """The same for any law that goes with t^p, 0 <= p <= 1, between its joints; rule 3 only with `heat`."""
    by_rule = {Rule.SINGLE: most(train.pulse_s)}
    group_pulses, c_p = 1, None
    if train.pulses > 1:
        by_rule[Rule.GROUP], group_pulses = min(
            (most(train.group_s(pulses)) / pulses, pulses) for pulses in _groups(joints_s, train)
        )
    if heat is not None:
        by_rule[Rule.TRAIN], c_p = min(_reduced(most, train, heat))
    rule = min(by_rule, key=lambda one: (by_rule[one], one.value))
    return Share(by_rule[rule], rule, by_rule, group_pulses, c_p)


def _groups(joints_s: Iterable[float], train: Train) -> Iterator[int]:
    """The groups that can be the strictest.

    Where the limit goes with t^p, p <= 1, a pulse's part of it first rises, then falls with the group's
    size: the least is at an end of a row. Rounding may shift an end by one, so its neighbours are tried
    too.
    """
    yield from {2, train.pulses}
    for joint_s in joints_s:
        last = math.floor((joint_s - train.pulse_s) * train.rate_hz) + 1
        for pulses in range(last - 1, last + 3):
            if 1 < pulses <= train.pulses:
                yield pulses


def _reduced(most: Most, train: Train, heat: Heat) -> Iterator[tuple[float, float]]:
    """Rule 3, each pulse for itself and, where several fall within T_i, those as one: what stays, C_P."""
    counted = pulses_beginning(train.rate_hz, min(train.duration_s, T_2_S))
    c_p = heat.c_p(counted, train.pulse_s, train.duration_s)
    yield c_p * most(train.pulse_s), c_p
    within = pulses_beginning(train.rate_hz, min(train.duration_s, heat.t_i_s))
    if within > 1:
        c_p = heat.c_p(math.ceil(counted / within), heat.t_i_s, train.duration_s)
        yield c_p * most(heat.t_i_s) / within, c_p


def peak_power_w(pulse_energy_j: float, width_s: float, shape: str) -> float:
    """Peak power of a pulse of this full width at half maximum; shapes are the keys of PULSE_SHAPES."""
    return PULSE_SHAPES[shape] * pulse_energy_j / width_s
