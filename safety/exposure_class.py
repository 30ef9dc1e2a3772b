"""Laser class by accessible emission limit (AEL), all of the beam taken to pass the 7 mm stop.

[P] IEC 60825-1:2014 Tables 3-8 and 4.3 (to be confirmed): Class 1 is the eye's limit through 7 mm, Class 2
and 3R follow from it, Class 3B has a table of its own. Since nothing is taken to miss the stop, 1M and 2M
are never given: such a beam comes out in the class above them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from safety.exposure_limits import Edition, Kind, Limit, eye_limits, factor
from safety.exposure_train import IEC_FLOOR, Most, Train, share, share_of

CLASSES: Final = ("1", "2", "3R", "3B", "4")
CLASS_SOURCE: Final = "IEC 60825-1 Tables 3-8, 4.3 (to be confirmed)"

_VISIBLE_END_NM: Final = 700.0
_BLINK_S: Final = 0.25  # [P] 4.3 e: time base of Class 2, and of Class 3R where light is seen
_TIME_BASE_S: Final = 100.0  # [P] 4.3 e: above 400 nm, nobody meant to look into it for longer
_NANOSECOND: Final = 1e-9
_ROUNDING: Final = 1e-9  # relative; a limit itself is within its class, however its last bit fell


@dataclass(frozen=True, slots=True)
class Classes:
    """`energy_j` has the most energy of each pulse for every class that exists at this wavelength."""

    edition: Edition
    energy_j: dict[str, float]

    def of(self, pulse_energy_j: float) -> str:
        """The lowest class whose limit holds."""
        for name, most_j in self.energy_j.items():
            if pulse_energy_j <= most_j * (1 + _ROUNDING):
                return name
        return CLASSES[-1]


def classes(wavelength_nm: float, pulse_s: float, rate_hz: float, edition: Edition) -> Classes:
    """The limits of the classes for pulses of `pulse_s` at `rate_hz` (0: one pulse)."""
    energy_j = {}
    for name in CLASSES[:-1]:
        visible = wavelength_nm < _VISIBLE_END_NM
        if name == "2" and not visible:
            continue
        base_s = _BLINK_S if name == "2" or (name == "3R" and visible) else _TIME_BASE_S
        # Of a pulse that outlasts the time base only what falls within it counts.
        counted_s = min(pulse_s, base_s)
        train = Train(counted_s, rate_hz, base_s if rate_hz else counted_s)
        energy_j[name] = _energy_j(name, wavelength_nm, edition, train) * pulse_s / counted_s
    return Classes(edition, energy_j)


def _energy_j(name: str, wavelength_nm: float, edition: Edition, train: Train) -> float:
    """The most energy of each pulse of the train in this class."""
    c_4 = factor("A", wavelength_nm, edition)
    end_s = min(0.06 * c_4, 0.25)

    def class_3b(exposure_s: float) -> float:
        if exposure_s < _NANOSECOND:
            return 3e7 * c_4 * exposure_s
        return 0.03 * c_4 if exposure_s < end_s else 0.5 * exposure_s

    cap_j = share_of(class_3b, (_NANOSECOND, end_s), train).value
    if name == "3B":
        return cap_j
    most_j = math.inf
    for limit in eye_limits(wavelength_nm, edition):
        if limit.kind is not Kind.ANTERIOR:  # the front of the eye has no AEL of its own
            most_j = min(most_j, share(limit, _through_the_stop(limit, name), train, IEC_FLOOR).value)
    # From 1310 nm on the retina would bear more than Class 3B allows, which then caps all classes below it.
    return min(5 * most_j if name == "3R" else most_j, cap_j)


def _through_the_stop(limit: Limit, name: str) -> Most:
    seen = limit.wavelength_nm < _VISIBLE_END_NM and name != "1"

    def most(exposure_s: float) -> float:
        # Class 2, and five times it for a visible Class 3R: 1 mW from the time on within which one blinks.
        return 1e-3 * exposure_s if seen and exposure_s >= _BLINK_S else limit.energy_j(exposure_s)

    return most
