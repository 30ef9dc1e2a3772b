"""Alexandrite as a laser material: cross section, lifetime and what a pumped rod stores, over temperature."""

from __future__ import annotations

import math
from typing import Final

PHOTON_J: Final = 2.6311e-19  # [P] h nu at 755 nm
CROSS_SECTION_300K_CM2: Final = 7e-21  # [P] gain cross section at 300 K (Walling 1980)
CROSS_SECTION_PER_K: Final = 0.0060  # [D] from that and 2e-20 cm2 at 475 K [P]
STORAGE_LIFETIME_S: Final = (
    1.54e-3  # [D] of the lower, storing level; with the two below it meets tau(300 K) [P]
)
UPPER_LIFETIME_S: Final = 6.6e-6  # [D] of the vibronic level that lases
GAP_PER_CM: Final = 800.0  # [P] between the two
BOLTZMANN_PER_CM_K: Final = 0.695035  # [P] k / (h c)
ZERO_C_K: Final = 273.15
DENSITY_G_CM3: Final = 3.7  # [P] chrysoberyl
HEAT_CAPACITY_J_G_K: Final = 0.83  # [P] near room temperature


def cross_section_cm2(celsius: float) -> float:
    """Gain cross section at 755 nm; the published points span 27 to 202 degC."""
    return CROSS_SECTION_300K_CM2 * math.exp(CROSS_SECTION_PER_K * (celsius + ZERO_C_K - 300.0))


def lifetime_s(celsius: float) -> float:
    """Effective lifetime of the two thermally coupled upper levels."""
    coupling = math.exp(-GAP_PER_CM / (BOLTZMANN_PER_CM_K * (celsius + ZERO_C_K)))
    return (1.0 + coupling) / (1.0 / STORAGE_LIFETIME_S + coupling / UPPER_LIFETIME_S)


def saturation_fluence_j_cm2(celsius: float) -> float:
    """h nu / sigma."""
    return PHOTON_J / cross_section_cm2(celsius)


def storage_efficiency(celsius: float, pump_s: float, wait_s: float = 0.0) -> float:
    """Share of the pumped energy that is still stored `wait_s` after the end of an even pump of `pump_s`."""
    ratio = pump_s / lifetime_s(celsius)
    return -math.expm1(-ratio) / ratio * math.exp(-wait_s / lifetime_s(celsius))
