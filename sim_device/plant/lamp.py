"""The flash lamp: its simmer, its shots and its age."""

from __future__ import annotations

from typing import Final

from sim_device.plant.delay import Delayed

SIMMER_START_US: Final = 100_000  # [P] started 100 ms ahead
SIMMER_END_US: Final = 1_000  # [C] the arc dies within a millisecond without its supply


class Lamp:
    """Turns the capacitor's energy into pump light; only a simmering lamp fires."""

    def __init__(self) -> None:
        self.simmer = Delayed(SIMMER_START_US, SIMMER_END_US)
        self.shots = 0
        self.output_ratio = 1.0  # pump light against a new lamp's; ageing lowers it

    def fire(self, electrical_j: float) -> float:
        """One shot; the energy that pumps the rod, referred to a new lamp's electrical energy, in J."""
        self.shots += 1
        return electrical_j * self.output_ratio
