"""What looks at the light: two energy monitors, photodiode, port meter, and the over-energy comparator."""

from __future__ import annotations

import random
from typing import Final

from sim_device.plant.delay import Delayed

ENERGY_STEP_UJ: Final = 50  # [C] converter step of all energy channels
ENERGY_TOP_UJ: Final = 2_000_000  # [C] full scale: a free-running pulse of 0.8 J still reads
NOISE_SIGMA: Final = 0.01  # [C] monitor noise 1 %
PORT_SIGMA: Final = 0.005  # [C] the port's reference meter stays within +-1 % (2 sigma)
GAIN_A: Final = 1.04  # [C] as built; the firmware's calibration finds and removes it
GAIN_B: Final = 0.97
DARK_A_UJ: Final = 50.0  # [C] zero offset: one and two steps
DARK_B_UJ: Final = 100.0
FLASH_UJ: Final = 50_000.0  # [C] reference flash of the monitor test
FLASH_DELAY_US: Final = 100  # [C]
COUNTED_UJ: Final = 100.0  # [C] the photodiode counts a pulse from here on
LATCH_DELAY_US: Final = 10  # [C] comparator to input
WIDTH_TOP_PS: Final = 2**32 - 1  # the wire's largest


def _converted(energy_uj: float) -> int:
    return min(ENERGY_TOP_UJ, max(0, round(energy_uj / ENERGY_STEP_UJ) * ENERGY_STEP_UJ))


class EnergyMonitor:
    """A pyroelectric monitor: gain, offset, noise, converter."""

    def __init__(self, gain: float, dark_uj: float, sigma: float, chance: random.Random) -> None:
        self.gain = gain
        self.dark_uj = dark_uj
        self.sigma = sigma
        self._chance = chance

    def measure(self, energy_uj: float) -> int:
        """Uncalibrated reading of a pulse of this energy, in uJ."""
        noise = self._chance.gauss(1.0, self.sigma)
        return _converted(energy_uj * self.gain * noise + self.dark_uj)

    def idle(self, flash: bool) -> int:
        """Reading without a pulse: the offset, with the reference flash on top if it is on."""
        return _converted(self.dark_uj + (FLASH_UJ * self.gain if flash else 0.0))


class Comparator:
    """Hardware latch of over-energy; it wakes up tripped, and only its reset line clears it."""

    def __init__(self) -> None:
        self.tripped = True
        self.readback = Delayed(LATCH_DELAY_US, LATCH_DELAY_US, level=True)
        self._threshold_uj = 0
        self._reset = False

    def drive(self, now_us: int, *, threshold_uj: int, reset: bool) -> None:
        """Set the threshold (0 = none) and the level of the reset line."""
        self._threshold_uj = threshold_uj
        self._reset = reset
        if reset:
            self.tripped = False
        self.readback.drive(now_us, self.tripped)

    def see(self, now_us: int, energy_uj: float) -> bool:
        """Judge one pulse before the shutter; whether it trips."""
        if not 0 < self._threshold_uj < energy_uj or self._reset:
            return False
        self.trip(now_us)
        return True

    def trip(self, now_us: int) -> None:
        """Latch."""
        self.tripped = True
        self.readback.drive(now_us, True)


class Monitors:
    """All light sensors, and what they hold from the latest pulse."""

    def __init__(self, chance: random.Random) -> None:
        self.a = EnergyMonitor(GAIN_A, DARK_A_UJ, NOISE_SIGMA, chance)
        self.b = EnergyMonitor(GAIN_B, DARK_B_UJ, NOISE_SIGMA, chance)
        self.port = EnergyMonitor(1.0, 0.0, PORT_SIGMA, chance)
        self.flash = Delayed(FLASH_DELAY_US, FLASH_DELAY_US)
        self.count = 0
        self.width_ps = 0
        self.a_uj = 0
        self.b_uj = 0
        self.port_uj = 0

    def measure(self, energy_uj: float, transmitted_uj: float, width_ps: float, *, docked: bool) -> None:
        """Take one pulse: before the shutter, after it, and in the port if the handpiece is docked."""
        self.a_uj = self.a.measure(energy_uj)
        self.b_uj = self.b.measure(transmitted_uj)
        self.port_uj = self.port.measure(transmitted_uj if docked else 0.0)
        if energy_uj >= COUNTED_UJ:
            self.count += 1
            self.width_ps = min(WIDTH_TOP_PS, round(width_ps))
