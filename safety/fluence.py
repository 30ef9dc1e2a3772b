"""Fluence of a round, evenly lit spot: F = E / (pi d^2 / 4), computed twice by unlike arithmetic.

A wrong formula harms many (HZ-023), so no fluence leaves this module that only one computation stands for:
the first is plain floating point with the spot's area, the second exact arithmetic in whole numbers with pi
held between two fractions. The exact one judges the other.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

# Archimedes' kind of bound, fifteen digits wide: pi = 3.141 592 653 589 793 238...
_PI_LOW, _PI_HIGH, _PI_OVER = 3_141_592_653_589_793, 3_141_592_653_589_794, 10**15
_ROUNDING: Final = 10**12  # one in so many: [D] a dozen floating-point roundings of 1.1e-16 each, with room

_STATED_FINEST: Final = 1e-3  # [C] no meter shows finer: more digits than that are not held against anybody
_STATED_COARSEST: Final = 1e-2  # [C] a figure of few digits must still name this treatment and no other

_Ratio = tuple[int, int]  # numerator and denominator, both above 0 and in no lowest terms

# [C] Beyond every laser, yet far inside what floating point holds: no square of these over- or underflows.
_LEAST: Final = 1e-6
_MOST: Final = 1e6

FLUENCE_SOURCE: Final = "F = E / (pi d^2 / 4) (REQ-022; docs/reference/fluence_cases.csv)"


class FluenceError(ValueError):
    """A quantity that no fluence can be computed from: names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(f"{field} = {value!r} is not allowed: give a number from {_LEAST:g} to {_MOST:g}")
        self.field = field
        self.value = value


class FluenceDisagreementError(ArithmeticError):
    """The two computations differ: the program is at fault and nothing may be treated with it."""


def fluence_j_cm2(pulse_energy_mj: float, spot_mm: float) -> float:
    """Fluence in J/cm2; raise FluenceError unless both are within 1e-6 to 1e6."""
    low, high = _exact_fluence(pulse_energy_mj, spot_mm)
    return _agreed(_fluence(pulse_energy_mj, spot_mm), low, high)


def pulse_energy_mj(fluence_j_cm2: float, spot_mm: float) -> float:
    """Pulse energy in mJ that gives this fluence; raise FluenceError unless both are within 1e-6 to 1e6."""
    low, high = _exact_energy(fluence_j_cm2, spot_mm)
    return _agreed(_energy(fluence_j_cm2, spot_mm), low, high)


def second_fluence_j_cm2(pulse_energy_mj: float, spot_mm: float) -> float:
    """What the exact computation alone says, for people who want to see both; raises like the first."""
    (over, under), _ = _exact_fluence(pulse_energy_mj, spot_mm)
    return over / under


def second_pulse_energy_mj(fluence_j_cm2: float, spot_mm: float) -> float:
    """The same of the pulse energy."""
    (over, under), _ = _exact_energy(fluence_j_cm2, spot_mm)
    return over / under


def half_last_digit(published: str) -> float:
    """Half a unit of the last digit given: `0.71` -> 0.005; how far a published figure may be rounded."""
    _, _, decimals = published.partition(".")
    return 0.5 * 10.0 ** -len(decimals)


def stated_tolerance(stated: float) -> float:
    """How far a fluence that a person states may be from that of energy and spot: half its last digit."""
    digits = format(Decimal(repr(stated)), "f")
    return max(min(half_last_digit(digits), _STATED_COARSEST * stated), _STATED_FINEST * stated)


def meets_published(value: float, published: str) -> bool:
    """Whether `value` rounds to the published decimal figure; NaN does not."""
    slack = half_last_digit(published) * (1 + 1e-9)  # the half itself counts as met
    return abs(value - float(published)) <= slack


def _fluence(energy_mj: float, diameter_mm: float) -> float:
    diameter_cm = diameter_mm / 10.0
    return (energy_mj / 1000.0) / (math.pi * diameter_cm**2 / 4.0)


def _energy(fluence: float, diameter_mm: float) -> float:
    diameter_cm = diameter_mm / 10.0
    return fluence * (math.pi * diameter_cm**2 / 4.0) * 1000.0


def _exact_fluence(energy_mj: float, diameter_mm: float) -> tuple[_Ratio, _Ratio]:
    """Below and above the fluence, by both bounds of pi."""
    energy, energy_over = _exact("pulse_energy_mj", energy_mj)
    diameter, diameter_over = _exact("spot_mm", diameter_mm)
    # mJ/mm2 = 0.1 J/cm2, and the square on the diameter is 4/pi times the circle.
    upper = energy * diameter_over * diameter_over * 4 * _PI_OVER
    lower = energy_over * diameter * diameter * 10
    return (upper, lower * _PI_HIGH), (upper, lower * _PI_LOW)


def _exact_energy(fluence_j_cm2: float, diameter_mm: float) -> tuple[_Ratio, _Ratio]:
    fluence, fluence_over = _exact("fluence_j_cm2", fluence_j_cm2)
    diameter, diameter_over = _exact("spot_mm", diameter_mm)
    upper = fluence * diameter * diameter * 10
    lower = fluence_over * diameter_over * diameter_over * 4 * _PI_OVER
    return (upper * _PI_LOW, lower), (upper * _PI_HIGH, lower)


def _exact(field: str, value: object) -> _Ratio:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST <= value <= _MOST:
        raise FluenceError(field, value)
    return value.as_integer_ratio()


def _agreed(first: float, low: _Ratio, high: _Ratio) -> float:
    if math.isfinite(first):
        value, over = first.as_integer_ratio()
        not_below = low[0] * over * (_ROUNDING - 1) <= value * low[1] * _ROUNDING
        not_above = value * high[1] * _ROUNDING <= high[0] * over * (_ROUNDING + 1)
        if not_below and not_above:
            return first
    least, most = low[0] / low[1], high[0] / high[1]
    raise FluenceDisagreementError(
        f"the two computations disagree: {first!r} is not within {least!r} and {most!r}"
    )
