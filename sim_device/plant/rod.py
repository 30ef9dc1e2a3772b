"""The laser head: pulse energy and width of one shot from pump energy, mode and rod temperature.

E = slope (E_lamp - threshold) yield(mode) exp(0.006 (T - 60 degC)) drift noise. Between shots the drift is an
Ornstein-Uhlenbeck walk in closed form over the time that passed, held within its bound.
"""

from __future__ import annotations

import math
import random
from typing import Final

THRESHOLD_J: Final = 10.0  # [P] lamp energy at threshold
REFERENCE_C: Final = 60.0  # [C] coolant set point
SLOPE_UJ_J: Final = 200_000.0 / (43.0 - THRESHOLD_J)  # [D] 43 J give 200 mJ in the 750 ps mode at 60 degC
GAIN_PER_K: Final = 0.0060  # [D] sigma(T) of alexandrite
# [P -> D] 200, 180 and 165 mJ (the last one [C]) from the same pump: shorter pulses are dumped off the peak.
YIELD: Final = {750: 1.0, 650: 0.9, 550: 0.825}
SHOT_SIGMA: Final = 0.02  # [C] energy, shot to shot
WIDTH_SIGMA: Final = 0.02  # [C] width, shot to shot
DRIFT_SIGMA: Final = 0.01  # [C]
DRIFT_BOUND: Final = 0.03  # [C] within the makers' +-5 % over 30 min
DRIFT_TAU_S: Final = 600.0  # [C]


class Rod:
    """One shot at a time; its chance and its drift are its own."""

    def __init__(self, chance: random.Random) -> None:
        self.threshold_j = THRESHOLD_J
        self.slope_uj_j = SLOPE_UJ_J
        self.yields = dict(YIELD)
        self.shot_sigma = SHOT_SIGMA
        self.width_sigma = WIDTH_SIGMA
        self.width_ratio = 1.0  # 1 while the modulation locks the modes
        self.drift = 0.0
        self._drift_us = 0
        self._chance = chance

    def shoot(self, now_us: int, pump_j: float, mode_width_ps: int, celsius: float) -> tuple[float, float]:
        """Energy in uJ and width in ps; energy 0 below threshold. `mode_width_ps` is a key of `yields`."""
        self._drift_on(now_us)
        energy_noise = max(0.0, self._chance.gauss(1.0, self.shot_sigma))
        width_noise = max(0.1, self._chance.gauss(1.0, self.width_sigma))
        warmth = math.exp(GAIN_PER_K * (celsius - REFERENCE_C))
        slope_uj_j = self.slope_uj_j * self.yields[mode_width_ps] * warmth * (1.0 + self.drift)
        energy_uj = max(0.0, pump_j - self.threshold_j) * slope_uj_j * energy_noise
        return energy_uj, mode_width_ps * self.width_ratio * width_noise

    def _drift_on(self, now_us: int) -> None:
        kept = math.exp((self._drift_us - now_us) / (1e6 * DRIFT_TAU_S))
        step = DRIFT_SIGMA * math.sqrt(1.0 - kept * kept) * self._chance.gauss(0.0, 1.0)
        self.drift = min(DRIFT_BOUND, max(-DRIFT_BOUND, self.drift * kept + step))
        self._drift_us = now_us
