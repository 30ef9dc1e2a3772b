"""The optional 532 and 1064 nm modules: what they make of a 755 nm pulse at the end of the arm.

Theory of operation: 755 nm cannot be doubled to 532 nm. Both modules pump a short neodymium laser with the
755 nm pulse: above a threshold its energy is a share of the pump's, never more than the quantum ratio
755/1064, and its width is its own. The 532 nm module doubles that light in a crystal: each slice of the pulse
is converted by tanh^2 of the square root of its power, so that weak pulses are converted with the square of
their energy, strong ones saturate, and the doubled pulse is shorter, the more so the weaker it is.

LASER_FACTS allows "up to 100 mJ" [C] to both. The 1064 nm module reaches it; 200 mJ at 755 nm make 68 mJ at
532 nm here, 1.4 J/cm2 at 2.5 mm. Published is what was used, 0.3-2.2 J/cm2 at 2.5-5 mm (treatments.csv,
T009), and not which with which: 2.2 J/cm2 at 2.5 mm would be 108 mJ, 76 % of the quantum limit over both
steps together. No source tells of a module of that yield, so these parameters stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

PUMP_NM: Final = 755
QUANTUM_RATIO: Final = 755 / 1064
_SLICES: Final = 32
_REACH: Final = 2.0  # the doubled pulse is followed from its middle so many half widths out


@dataclass(frozen=True, slots=True)
class Module:
    """One module; its neodymium laser, and its crystal if it has one."""

    efficiency: float  # of the quantum limit, above threshold
    threshold_uj: float
    width_ps: float  # of its 1064 nm pulse
    doubled_uj: float = 0.0  # energy whose peak is converted by tanh^2(1) = 58 %; 0: no crystal


MODULES: Final = {
    1064: Module(efficiency=0.80, threshold_uj=24_000.0, width_ps=750.0),  # [C] 100 mJ from 200 mJ, 750 ps
    532: Module(
        efficiency=0.80, threshold_uj=24_000.0, width_ps=585.0, doubled_uj=45_000.0
    ),  # [C] to 450-500 ps
}


def converted(wavelength_nm: int, energy_uj: float, width_ps: float) -> tuple[float, float]:
    """Energy in uJ and width in ps that leave the aperture; ValueError for a module there is not."""
    if wavelength_nm == PUMP_NM:
        return energy_uj, width_ps
    module = MODULES.get(wavelength_nm)
    if module is None:
        known = ", ".join(str(nm) for nm in sorted([PUMP_NM, *MODULES]))
        raise ValueError(f"wavelength_nm = {wavelength_nm}: there is no such module; known are {known}")
    pumped_uj = module.efficiency * QUANTUM_RATIO * max(0.0, energy_uj - module.threshold_uj)
    if not module.doubled_uj or pumped_uj <= 0.0:
        return pumped_uj, module.width_ps
    return _doubled(pumped_uj, module)


def _doubled(pumped_uj: float, module: Module) -> tuple[float, float]:
    """A Gaussian pulse through the crystal: energy, and full width at half maximum."""

    def power(place: float) -> float:
        """Of the doubled light, to the peak of the 1064 nm pulse; `place` in its half widths."""
        pump = math.exp(-math.log(2.0) * place**2)
        return pump * math.tanh(math.sqrt(pump * pumped_uj / module.doubled_uj)) ** 2

    places = [_REACH * (index + 0.5) / _SLICES for index in range(_SLICES)]
    pump_area = math.sqrt(math.pi / math.log(2.0)) / 2
    area = sum(map(power, places)) * _REACH / _SLICES
    low, high = 0.0, 1.0  # the doubled pulse is the shorter one
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) > power(0.0) / 2 else (low, middle)
    return pumped_uj * area / pump_area, module.width_ps * low
