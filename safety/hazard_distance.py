"""Nominal ocular hazard distance (NOHD): how far a beam stays above the eye's limit.

A Gaussian beam's diameter is told at 1/e or at 1/e2 of its peak irradiance; the second is the square root
of 2 times the first. The names here say which is meant: `_1e` and `_1e2`. At the 1/e diameter the energy
over the circle is the peak itself, which is why the standards' formula wants that one.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

NOHD_SOURCE: Final = "ANSI Z136.1 App. B, IEC TR 60825-14 (to be confirmed)"


class BeamAt(enum.Enum):
    """At which share of the peak irradiance a diameter and a divergence were told."""

    ONE_OVER_E = "1/e"
    ONE_OVER_E2 = "1/e2"


@dataclass(frozen=True, slots=True)
class Beam:
    """A round beam by its 1/e diameter and full divergence; build it with `of`, which knows the other one."""

    diameter_1e_m: float
    divergence_1e_rad: float

    @classmethod
    def of(cls, diameter_m: float, divergence_rad: float, at: BeamAt) -> Beam:
        """The beam whose diameter and full divergence were told at `at`."""
        over = math.sqrt(2) if at is BeamAt.ONE_OVER_E2 else 1.0
        return cls(diameter_m / over, divergence_rad / over)

    @property
    def diameter_1e2_m(self) -> float:
        """The 1/e2 diameter."""
        return self.diameter_1e_m * math.sqrt(2)

    @property
    def divergence_1e2_rad(self) -> float:
        """The full divergence between the 1/e2 edges."""
        return self.divergence_1e_rad * math.sqrt(2)


def nohd_m(pulse_energy_j: float, limit_j_m2: float, beam: Beam) -> float:
    """The standards' formula: (sqrt(4 Q / (pi H)) - d) / phi, with the 1/e values; 0 if safe at once.

    Power and irradiance do as well as energy and radiant exposure.
    """
    safe_1e_m = math.sqrt(4 * pulse_energy_j / (math.pi * limit_j_m2))
    return max(0.0, (safe_1e_m - beam.diameter_1e_m) / beam.divergence_1e_rad)


def safe_diameter_1e2_m(pulse_energy_j: float, allowed_j: float, aperture_m: float) -> float:
    """The 1/e2 diameter from which on no more than `allowed_j` of a Gaussian beam passes the aperture.

    0 if it is allowed with all of the beam inside.
    """
    part = allowed_j / pulse_energy_j
    if part >= 1:
        return 0.0
    return aperture_m * math.sqrt(2 / -math.log1p(-part))


def part_through(aperture_m: float, diameter_1e2_m: float) -> float:
    """The part of a Gaussian beam that passes a round aperture in its middle."""
    return -math.expm1(-2 * (aperture_m / diameter_1e2_m) ** 2)


def distance_to_m(safe_1e2_m: float, beam: Beam) -> float:
    """Where the beam has grown to this 1/e2 diameter, growing in proportion to the distance."""
    return max(0.0, (safe_1e2_m - beam.diameter_1e2_m) / beam.divergence_1e2_rad)


def distance_from_waist_to_m(safe_1e2_m: float, beam: Beam) -> float:
    """The same with a waist at the aperture, d(z)^2 = d^2 + (phi z)^2: a little farther."""
    return math.sqrt(max(0.0, safe_1e2_m**2 - beam.diameter_1e2_m**2)) / beam.divergence_1e2_rad
