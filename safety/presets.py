"""The first table of treatment presets: bounds per indication, each with its row of treatments.csv.

Fluence bounds are published figures. A least fluence counts as met within half of its last digit (200 mJ in
6 mm is 0.707 J/cm2 and published as 0.71); a ceiling is taken as it stands, since only the ceiling can burn.
Where a row names no skin type, or no pulse width, the stricter reading holds: locked, and as its neighbours.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from protocols.messages import Handpiece

SKIN_TYPES: Final = ("I", "II", "III", "IV", "V", "VI")
"""Fitzpatrick's scale."""

SERVICE: Final = "service"
"""The indication of a service plan: light for maintenance and tests, on no person, so no bounds but the
device's own hold. Only the service role carries it out."""


class Condition(enum.Enum):
    """What an operator must have confirmed, by this name in the plan, before a bound allows a treatment."""

    TEST_SPOT = "test_spot"  # a test spot was made and looked at after its waiting time
    SKIN_RISK = "skin_risk"  # the raised risk of pigment change for this skin type was accepted
    EXPERT = "expert"  # the operator treats this indication on their own expertise
    ABOVE_START = "above_start"  # an earlier session at the start fluence was tolerated


class Locked(enum.Enum):
    """This skin type is not treated with this preset at all."""

    LOCKED = "locked"


SkinRule = Condition | Locked | None  # None: allowed without more ado


@dataclass(frozen=True, slots=True)
class Preset:
    """Bounds of one indication; all inclusive."""

    indication: str
    source: str
    wavelength_nm: int
    mode_widths_ps: tuple[int, int]
    handpieces: tuple[Handpiece, ...]
    spots_mm: tuple[float, float]
    least_fluence_j_cm2: str  # as published, since its last digit matters; empty = no lower bound
    start_fluence_max_j_cm2: float  # beyond it, up to the ceiling, only with Condition.ABOVE_START
    fluence_ceiling_j_cm2: float
    rep_rate_max_hz: float
    passes_max: int
    skin: dict[str, SkinRule]


_FLAT: Final = (Handpiece.ZOOM, Handpiece.FIXED_6)
_LENS: Final = (Handpiece.LENS_ARRAY_6,)
_WIDE: Final = (550, 825)  # ">= 550 ps"; the upper end is the window of REQ-047
_LOCK: Final = Locked.LOCKED


def _skin(*rules: SkinRule) -> dict[str, SkinRule]:
    return dict(zip(SKIN_TYPES, rules, strict=True))


_TEST_SPOT_FROM_V: Final = _skin(None, None, None, None, Condition.TEST_SPOT, Condition.TEST_SPOT)

PRESETS: Final[dict[str, Preset]] = {
    preset.indication: preset
    for preset in (
        Preset(
            "acne_scars",
            "treatments.csv T023",
            755,
            _WIDE,
            _LENS,
            (6.0, 6.0),
            "0.4",
            0.71,
            0.71,
            5.0,
            7,
            _TEST_SPOT_FROM_V,
        ),
        Preset(
            "rejuvenation",
            "treatments.csv T023",
            755,
            _WIDE,
            _LENS,
            (6.0, 6.0),
            "0.4",
            0.71,
            0.71,
            5.0,
            7,
            _TEST_SPOT_FROM_V,
        ),
        Preset(
            "epidermal_pigment",
            "treatments.csv T024",
            755,
            _WIDE,
            _FLAT,
            (3.0, 6.0),
            "0.71",
            1.6,
            2.8,
            5.0,
            1,
            _skin(None, None, None, Condition.SKIN_RISK, _LOCK, _LOCK),
        ),
        Preset(
            "dermal_pigment",
            "treatments.csv T025",
            755,
            _WIDE,
            _FLAT,
            (2.4, 3.0),
            "2.7",
            4.0,
            4.0,
            5.0,
            1,
            _skin(_LOCK, _LOCK, None, None, _LOCK, _LOCK),
        ),
        Preset(
            "melasma",
            "treatments.csv T026",
            755,
            _WIDE,
            (Handpiece.FIXED_8,),
            (8.0, 8.0),
            "",
            0.4,
            0.4,
            2.5,
            2,
            _skin(_LOCK, _LOCK, Condition.EXPERT, Condition.EXPERT, _LOCK, _LOCK),
        ),
        Preset(
            "tattoo",
            "treatments.csv T027",
            755,
            _WIDE,
            _FLAT,
            (2.5, 4.0),
            "1.6",
            2.8,
            4.1,
            5.0,
            1,
            _TEST_SPOT_FROM_V,
        ),
        Preset(
            "red_tattoo",
            "treatments.csv T028; pulse width T009",
            532,
            (450, 500),
            _FLAT,
            (2.5, 5.0),
            "0.3",
            2.2,
            2.2,
            5.0,
            1,
            _skin(None, None, None, _LOCK, _LOCK, _LOCK),
        ),
    )
}
