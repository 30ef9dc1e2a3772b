"""The flash lamp: its simmer, its shots, its wear and its end."""

from __future__ import annotations

import random
from typing import Final

from sim_device.plant.delay import Delayed

SIMMER_START_US: Final = 100_000  # [P] started 100 ms ahead
SIMMER_END_US: Final = 1_000  # [C] the arc dies within a millisecond without its supply
# [C] HZ-031 asks for E0/Ex <= 0.2: five times the 48.3 J of the charger's ceiling with 1.5 % of over-voltage
# that stops nothing (REQ-028). No lamp with less may be fitted; docs/physics.md says what a usual one has.
EXPLOSION_J: Final = 242.0
LIFE_EXPONENT: Final = 8.5  # [P] life (E0/Ex)^-8.5 shots
WORN_LOSS: Final = 0.2  # [C] share of its light that a lamp has lost at the end of its life


class Lamp:
    """Turns the capacitor's energy into pump light; only a simmering lamp fires.

    Each shot wears it by (E0/Ex)^8.5 of its life; at the end of its life it breaks. Set through `Plant.act`:
    `output_ratio` (light against that of a lamp of this wear), `simmer_fails`, `misfire_probability` (of a
    trigger that strikes no arc), `wear_ratio` (against that of the life law), `explosion_j`, `broken`.
    """

    __slots__ = (
        *("broken", "explosion_j", "misfire_probability", "output_ratio", "shots", "simmer"),
        *("simmer_fails", "wear", "wear_ratio", "_chance"),
    )

    def __init__(self, chance: random.Random) -> None:
        self.simmer = Delayed(SIMMER_START_US, SIMMER_END_US)
        self.shots = 0
        self.wear = 0.0  # share of its life that is gone
        self.output_ratio = 1.0
        self.simmer_fails = False
        self.misfire_probability = 0.0
        self.wear_ratio = 1.0
        self.explosion_j = EXPLOSION_J
        self.broken = False
        self._chance = chance

    def drive(self, now_us: int, start: bool) -> None:
        """Switch the simmer supply."""
        self.simmer.drive(now_us, start and not self.simmer_fails and not self.broken)

    def strikes(self) -> bool:
        """Whether a trigger strikes the arc now."""
        if not self.simmer.level or self.broken:
            return False
        return self.misfire_probability <= 0.0 or self._chance.random() >= self.misfire_probability

    def fire(self, electrical_j: float) -> float:
        """One shot; the energy that pumps the rod, referred to a new lamp's electrical energy, in J."""
        pump_j = electrical_j * self.output_ratio * (1.0 - WORN_LOSS * self.wear)
        self.shots += 1
        self.wear += self.wear_ratio * (electrical_j / self.explosion_j) ** LIFE_EXPONENT
        if self.wear >= 1.0:
            self.wear = 1.0
            self.broken = True
        return pump_j
