"""Laser eyewear: optical density, EN 207 scale numbers (LB) for protection, EN 208 (RB) for adjustment.

[P] EN 207:2017 Tables B.1 and 1 and EN 208:2009 as quoted by the UCC Laser Safety Guidelines and the
lasersafety package's documentation; the standards' own wording is to be confirmed. 400-1400 nm, where the
energy of repeated pulses is raised by N^0.25, N the pulses of 10 s.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

EN_207_SOURCE: Final = "EN 207:2017 Table B.1 (to be confirmed)"
EN_208_SOURCE: Final = "EN 208:2009 Table B.1 (to be confirmed)"

_COUNTED_S: Final = 10.0  # [P] pulses of so many seconds count
_LB_MOST: Final = 10
_RB_MOST: Final = 5
_RB_END_NM: Final = 700.0
_ADJUST_PULSE_S: Final = 2e-4  # [P] EN 208: from here on a pulse is judged by its power
_ROUNDING: Final = 1e-9  # of a scale: a density at the very end of a scale is within it


class Mode(enum.Enum):
    """EN 207's letter, by pulse duration."""

    D = "continuous"
    I = "pulsed"  # noqa: E741  # the letter of the standard
    R = "giant pulse"
    M = "mode-locked"


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale number with its letters; 0 is none needed, and one above `most` is not made."""

    letters: str
    number: int
    most: int

    def __str__(self) -> str:
        if self.number > self.most:
            return f"above {self.letters}{self.most}"
        return f"{self.letters}{self.number}" if self.number else "none"


def optical_density(exposure: float, limit: float) -> float:
    """What eyewear must take away, log10 of exposure over limit (both in the same unit); 0 if within it."""
    return max(0.0, math.log10(exposure / limit))


def mode(pulse_s: float) -> Mode:
    """The letter of a pulse duration. [C] The standard leaves 1 ns itself open: M, the stricter, takes it."""
    if pulse_s > 0.25:  # noqa: PLR2004  # the durations of EN 207 Table 1
        return Mode.D
    if pulse_s > 1e-6:  # noqa: PLR2004
        return Mode.I
    return Mode.R if pulse_s > 1e-9 else Mode.M  # noqa: PLR2004


def protection(pulse_s: float, rate_hz: float, pulse_energy_j: float, area_m2: float) -> dict[Mode, Scale]:
    """EN 207's LB for each letter that the eyewear must bear; `rate_hz` 0 is one pulse.

    Pulses that repeat are judged by their mean power as well, as if they were continuous.
    """
    letter = mode(pulse_s)
    scales = {}
    if letter is Mode.D or rate_hz:
        power_w = pulse_energy_j * rate_hz if rate_hz else pulse_energy_j / pulse_s
        scales[Mode.D] = _lb(math.log10(power_w / area_m2) - 1)
    if letter is not Mode.D:
        energy_j_m2 = _raised(pulse_energy_j / area_m2, rate_hz)
        if letter is Mode.M:
            scales[letter] = _lb(math.log10(energy_j_m2 / 1.5) + 4)
        else:
            scales[letter] = _lb(math.log10(energy_j_m2 / 5) + 3)
    return scales


def strictest(scales: Iterable[Scale]) -> Scale:
    """The highest number of all letters."""
    return max(scales, key=lambda scale: scale.number)


def adjustment(
    wavelength_nm: float, pulse_s: float, rate_hz: float, pulse_energy_j: float, area_m2: float
) -> Scale | None:
    """EN 208's RB; None where the standard has none: light not seen, or pulses of 1 ns and less."""
    if wavelength_nm >= _RB_END_NM or mode(pulse_s) is Mode.M:
        return None
    if pulse_s >= _ADJUST_PULSE_S:
        power_w = pulse_energy_j * rate_hz if rate_hz else pulse_energy_j / pulse_s
        exact = math.log10(power_w / area_m2) - 3
    else:
        exact = math.log10(_raised(pulse_energy_j / area_m2, rate_hz) / 2) + 1
    return Scale("RB", _up(exact), _RB_MOST)


def _raised(energy_j_m2: float, rate_hz: float) -> float:
    return energy_j_m2 * math.pow(max(1.0, rate_hz * _COUNTED_S), 0.25)


def _lb(exact: float) -> Scale:
    return Scale("LB", _up(exact), _LB_MOST)


def _up(exact: float) -> int:
    return max(0, math.ceil(exact - _ROUNDING))
