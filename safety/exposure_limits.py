"""Tables of exposure limits, 400-1400 nm: radiant exposure in J/m2 by edition, wavelength band and time.

A table is a tuple of wavelength bands, a band a tuple of rows, and a row holds from its time on until the
next one begins: `H = coefficient * t ** time_power` times the correction factors it names. So no time
between 100 fs and 30 ks and no wavelength is without a row. At a joint the row that begins there holds, as
the tables have it.

All limits are for a point source (C_E = C6 = 1), as a laser's direct beam is for a relaxed eye. Sources:
ICNIRP, Health Phys. 105(3):271 (2013), Tables 3-8 [P], which IEC 60825-1:2014 Annex A and ANSI Z136.1-2014
share; EU 2006/25/EC Annex II, Tables 2.2-2.6 [P], which holds what IEC 60825-1 ed. 2 and ANSI Z136.1-2007
say. The wording of the IEC and ANSI standards is to be confirmed.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

LEAST_NM: Final = 400.0
MOST_NM: Final = 1400.0  # taken with the band below it
LEAST_S: Final = 1e-13
MOST_S: Final = 3e4

# [P] Point source: beyond it the eye's movements spread the heat, and pulses count no more.
T_2_S: Final = 10.0
EYE_APERTURE_M: Final = 7e-3  # [P] ICNIRP 2013 Table 8: the widest pupil
SKIN_APERTURE_M: Final = 3.5e-3  # [P] ICNIRP 2013 Table 8


class Edition(enum.Enum):
    """Which tables: by the year of the standard that everybody names them after."""

    NEW = "2014"
    OLD = "2007"


class Kind(enum.Enum):
    """What a limit protects, and from what."""

    THERMAL = "retina, heat"
    PHOTOCHEMICAL = "retina, blue light"
    ANTERIOR = "front of the eye"
    SKIN = "skin"


@dataclass(frozen=True, slots=True)
class Row:
    """From `start_s` on: `coefficient * t ** time_power`, times C_A, C_B, C_C as named in `factors`."""

    start_s: float
    coefficient: float
    time_power: float
    factors: str


@dataclass(frozen=True, slots=True)
class Band:
    """The rows of one wavelength band, from `start_nm` until the next band begins."""

    start_nm: float
    rows: tuple[Row, ...]


Table = tuple[Band, ...]

_NEW_EYE: Final[Table] = (
    Band(400, (Row(0, 1e-3, 0, ""), Row(1e-11, 2e-3, 0, ""), Row(5e-6, 18, 0.75, ""), Row(10, 10, 1, ""))),
    Band(
        700,
        (Row(0, 1e-3, 0, ""), Row(1e-11, 2e-3, 0, "A"), Row(5e-6, 18, 0.75, "A"), Row(10, 10, 1, "AC")),
    ),
    Band(
        1050,
        (Row(0, 1e-3, 0, "C"), Row(1e-11, 2e-2, 0, "C"), Row(13e-6, 90, 0.75, "C"), Row(10, 50, 1, "C")),
    ),
)

_OLD_EYE: Final[Table] = (
    Band(
        400,
        (
            Row(0, 1.5e-4, 0, ""),
            Row(1e-11, 2.7e4, 0.75, ""),
            Row(1e-9, 5e-3, 0, ""),
            Row(18e-6, 18, 0.75, ""),
            Row(10, 10, 1, ""),
        ),
    ),
    Band(
        700,
        (
            Row(0, 1.5e-4, 0, "A"),
            Row(1e-11, 2.7e4, 0.75, "A"),
            Row(1e-9, 5e-3, 0, "A"),
            Row(18e-6, 18, 0.75, "A"),
            Row(10, 10, 1, "AC"),
        ),
    ),
    Band(
        1050,
        (
            Row(0, 1.5e-3, 0, "C"),
            Row(1e-11, 2.7e5, 0.75, "C"),
            Row(1e-9, 5e-2, 0, "C"),
            Row(50e-6, 90, 0.75, "C"),
            Row(10, 50, 1, "C"),
        ),
    ),
)

# Tabled from 10 s on. [C] Here it holds as a dose from the start: a train of just under 10 s is then not
# missed, and below 9.8 s the heat binds anyway.
_PHOTOCHEMICAL: Final[Table] = (Band(400, (Row(0, 100, 0, "B"), Row(100, 1, 1, "B"))),)
_PHOTOCHEMICAL_END_NM: Final = 600.0

_SKIN: Final[Table] = (
    Band(
        400,
        (Row(0, 2e11, 1, "A"), Row(1e-9, 200, 0, "A"), Row(1e-7, 1.1e4, 0.25, "A"), Row(10, 2e3, 1, "A")),
    ),
)
# Where little light reaches the retina, the front of the eye takes it: the skin's row caps the retina's
# (IEC 60825-1:2014 Table A.1, footnote, to be confirmed; ICNIRP allows twice as much).
_ANTERIOR_START_NM: Final = 1150.0
_C_A_FLAT_NM: Final = 1050.0
_C_C_STEEP_NM: Final = 1200.0

_EYE: Final = {Edition.NEW: _NEW_EYE, Edition.OLD: _OLD_EYE}
_EYE_SOURCE: Final = {
    Edition.NEW: "ICNIRP 2013 Table 5 = IEC 60825-1:2014 Table A.1 = ANSI Z136.1-2014",
    Edition.OLD: "2006/25/EC Table 2.2-2.3 = IEC 60825-1:2007 Table A.1 = ANSI Z136.1-2007",
}
_SKIN_SOURCE: Final = {
    Edition.NEW: "ICNIRP 2013 Table 7 = IEC 60825-1:2014 Table A.5",
    Edition.OLD: "2006/25/EC Table 2.4",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit at one wavelength: radiant exposure by time, and the aperture over which it is averaged."""

    kind: Kind
    edition: Edition
    wavelength_nm: float
    rows: tuple[Row, ...]
    source: str

    def radiant_exposure_j_m2(self, exposure_s: float) -> float:
        """The most that one exposure of this length may bring, in J/m2."""
        row = [row for row in self.rows if row.start_s <= exposure_s][-1]
        value = row.coefficient * math.pow(exposure_s, row.time_power)
        for name in row.factors:
            value *= factor(name, self.wavelength_nm, self.edition)
        return value

    def aperture_m(self, exposure_s: float) -> float:
        """Diameter of the limiting aperture; ICNIRP 2013 Table 8 [P]."""
        if self.kind is Kind.SKIN:
            return SKIN_APERTURE_M
        if self.kind is not Kind.ANTERIOR:
            return EYE_APERTURE_M
        return min(max(1e-3, 1.5e-3 * math.pow(exposure_s, 0.375)), SKIN_APERTURE_M)

    def energy_j(self, exposure_s: float) -> float:
        """The most that one exposure may bring through the limiting aperture, in J."""
        return self.radiant_exposure_j_m2(exposure_s) * circle_m2(self.aperture_m(exposure_s))

    @property
    def joints_s(self) -> tuple[float, ...]:
        """The times next to which a group of pulses can be the strictest: where the law changes."""
        joints_s = tuple(row.start_s for row in self.rows[1:])
        return (*joints_s, _ANTERIOR_BEND_S) if self.kind is Kind.ANTERIOR else joints_s


# Where 1.5 mm t^0.375 leaves 1 mm, about the 0.35 s of the table. Where it reaches 3.5 mm the energy goes on
# rising, only more slowly: no group is the strictest there.
_ANTERIOR_BEND_S: Final = math.pow(1 / 1.5, 1 / 0.375)


def circle_m2(diameter_m: float) -> float:
    """Area of a circle."""
    return math.pi * diameter_m**2 / 4


def eye_limits(wavelength_nm: float, edition: Edition) -> tuple[Limit, ...]:
    """Every limit that holds for the eye at this wavelength (400 to 1400 nm); all of them must be met."""
    source = _EYE_SOURCE[edition]
    limits = [Limit(Kind.THERMAL, edition, wavelength_nm, _rows(_EYE[edition], wavelength_nm), source)]
    if wavelength_nm < _PHOTOCHEMICAL_END_NM:
        rows = _rows(_PHOTOCHEMICAL, wavelength_nm)
        limits.append(Limit(Kind.PHOTOCHEMICAL, edition, wavelength_nm, rows, source))
    if wavelength_nm >= _ANTERIOR_START_NM:
        rows = _rows(_SKIN, wavelength_nm)
        limits.append(Limit(Kind.ANTERIOR, edition, wavelength_nm, rows, f"{source}, footnote"))
    return tuple(limits)


def skin_limit(wavelength_nm: float, edition: Edition) -> Limit:
    """The limit for the skin at this wavelength (400 to 1400 nm)."""
    return Limit(Kind.SKIN, edition, wavelength_nm, _rows(_SKIN, wavelength_nm), _SKIN_SOURCE[edition])


def factor(name: str, wavelength_nm: float, edition: Edition) -> float:
    """Correction factor `A` (C_A, IEC's C4), `B` (C_B, C3) or `C` (C_C, C7); ICNIRP 2013 Table 3 [P]."""
    if name == "A":
        infrared = wavelength_nm >= _C_A_FLAT_NM
        return 5.0 if infrared else math.pow(10, 0.002 * (max(wavelength_nm, 700) - 700))
    if name == "B":
        return math.pow(10, 0.02 * (max(wavelength_nm, 450) - 450))
    if wavelength_nm < _C_C_STEEP_NM:
        return math.pow(10, 0.018 * (max(wavelength_nm, 1150) - 1150))
    # [P] The old tables stop at 8; the new ones let the water in front of the retina take what it does.
    return 8.0 if edition is Edition.OLD else 8 + math.pow(10, 0.04 * (wavelength_nm - 1250))


def t_i_s(wavelength_nm: float, edition: Edition) -> float:
    """Time within which pulses count as one (T_i; T_min of the old tables): where the t^0.75 row begins."""
    rows = _rows(_EYE[edition], wavelength_nm)
    return rows[-2].start_s


def _rows(table: Table, wavelength_nm: float) -> tuple[Row, ...]:
    return [band.rows for band in table if band.start_nm <= wavelength_nm][-1]
