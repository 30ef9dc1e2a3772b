"""What looks at the light: two energy monitors, photodiode, port meter, and the over-energy comparator."""

from __future__ import annotations

import math
import random
from typing import Final

from sim_device.plant.delay import Delayed

ENERGY_STEP_UJ: Final = 50  # [C] converter step of all energy channels
ENERGY_TOP_UJ: Final = 2_000_000  # [C] full scale: a free-running pulse of 0.8 J still reads
NOISE_SIGMA: Final = 0.01  # [C] monitor noise 1 %
PHOTODIODE_SIGMA: Final = 0.005  # [C] of the width
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


class EnergyMonitor:
    """A pyroelectric monitor: gain, its drift, offset, noise, converter.

    `frozen` lets both its readings stand as they are; `top_uj` is where it saturates; `drift_ratio_per_s` is
    the share of its gain that it gains in a second from when it was set. Set through `Plant.act`.
    """

    __slots__ = (
        *("dark_uj", "drift_ratio_per_s", "frozen", "gain", "idle_uj", "pulse_uj", "sigma", "top_uj"),
        *("_drift_ratio_per_s", "_drift_us"),
    )

    def __init__(self, gain: float, dark_uj: float, sigma: float) -> None:
        self.gain = gain
        self.dark_uj = dark_uj
        self.sigma = sigma
        self.top_uj = ENERGY_TOP_UJ
        self.frozen = False
        self.drift_ratio_per_s = 0.0
        self.pulse_uj = 0  # reading of the latest pulse, uncalibrated
        self.idle_uj = 0  # reading without a pulse
        self._drift_ratio_per_s = 0.0  # in force since `_drift_us`
        self._drift_us = 0

    def settle(self, now_us: int, *, flash: bool) -> None:
        """Take over what was set, and read what there is without a pulse."""
        if self.drift_ratio_per_s != self._drift_ratio_per_s:
            self._drift_ratio_per_s = self.drift_ratio_per_s
            self._drift_us = now_us
        if not self.frozen:
            flash_uj = FLASH_UJ * self.gain * self._drifted(now_us) if flash else 0.0
            self.idle_uj = self._converted(flash_uj + self.dark_uj)

    def measure(self, now_us: int, energy_uj: float, noise: float) -> None:
        """Read a pulse of this energy; `noise` is standard normal."""
        if self.frozen:
            return
        energy_uj *= self.gain * (1.0 + self.sigma * noise)
        if self._drift_ratio_per_s:
            energy_uj *= self._drifted(now_us)
        self.pulse_uj = self._converted(energy_uj + self.dark_uj)

    def _drifted(self, now_us: int) -> float:
        return 1.0 + self._drift_ratio_per_s * (now_us - self._drift_us) / 1e6

    def _converted(self, energy_uj: float) -> int:
        reading_uj = round(energy_uj / ENERGY_STEP_UJ) * ENERGY_STEP_UJ
        if reading_uj > self.top_uj:
            return self.top_uj
        return reading_uj if reading_uj > 0 else 0


class Comparator:
    """Hardware latch of over-energy; it wakes up tripped, and only its reset line clears it.

    A threshold that is lost is none that lets light pass: against 0 any light trips it.
    """

    __slots__ = ("_reset", "_threshold_uj", "readback", "tripped")

    def __init__(self) -> None:
        self.tripped = True
        self.readback = Delayed(LATCH_DELAY_US, LATCH_DELAY_US, level=True)
        self._threshold_uj = 0
        self._reset = False

    def drive(self, now_us: int, *, threshold_uj: int, reset: bool) -> None:
        """Set the threshold and the level of the reset line."""
        self._threshold_uj = threshold_uj
        self._reset = reset
        if reset:
            self.tripped = False
        self.readback.drive(now_us, self.tripped)

    def see(self, now_us: int, energy_uj: float) -> bool:
        """Judge one pulse before the shutter; whether it trips."""
        if energy_uj <= self._threshold_uj or self._reset:
            return False
        self.trip(now_us)
        return True

    def trip(self, now_us: int) -> None:
        """Latch."""
        self.tripped = True
        self.readback.drive(now_us, True)


class Monitors:
    """All light sensors, and what they hold from the latest pulse.

    `photodiode_ratio` is its signal against a healthy one's: a weak one misses weak pulses, and reads
    long, because it tells the width by energy over peak power. `photodiode_dead`: it sees nothing any more.
    """

    __slots__ = (
        *("a", "b", "count", "flash", "photodiode_dead", "photodiode_ratio", "photodiode_sigma", "port"),
        *("width_ps",),
        *("_chance",),
    )

    def __init__(self, chance: random.Random) -> None:
        self.a = EnergyMonitor(GAIN_A, DARK_A_UJ, NOISE_SIGMA)
        self.b = EnergyMonitor(GAIN_B, DARK_B_UJ, NOISE_SIGMA)
        self.port = EnergyMonitor(1.0, 0.0, PORT_SIGMA)
        self.photodiode_ratio = 1.0
        self.photodiode_sigma = PHOTODIODE_SIGMA
        self.photodiode_dead = False
        self.flash = Delayed(FLASH_DELAY_US, FLASH_DELAY_US)
        self.count = 0
        self.width_ps = 0
        self._chance = chance

    def settle(self, now_us: int) -> None:
        """Take over what was set, and whether the reference flash is lit."""
        for monitor in (self.a, self.b):
            monitor.settle(now_us, flash=self.flash.level)
        self.port.settle(now_us, flash=False)

    def measure(
        self, now_us: int, energy_uj: float, transmitted_uj: float, width_ps: float, port_uj: float
    ) -> None:
        """Take one pulse: before the shutter, after it, and what fell into the port."""
        noise_a, noise_b = self._two_normal()
        noise_port, noise_diode = self._two_normal()
        self.a.measure(now_us, energy_uj, noise_a)
        self.b.measure(now_us, transmitted_uj, noise_b)
        self.port.measure(now_us, port_uj, noise_port)
        if energy_uj * self.photodiode_ratio >= COUNTED_UJ and not self.photodiode_dead:
            self.count += 1
            read_ps = round(width_ps * (1.0 + self.photodiode_sigma * noise_diode) / self.photodiode_ratio)
            read_ps = read_ps if read_ps < WIDTH_TOP_PS else WIDTH_TOP_PS
            self.width_ps = read_ps if read_ps > 0 else 0

    def _two_normal(self) -> tuple[float, float]:
        """Two standard normal numbers (Box and Muller's), at less than the price of two from the library."""
        chance = self._chance.random
        angle = math.tau * chance()
        radius = math.sqrt(-2.0 * math.log(1.0 - chance()))
        return radius * math.cos(angle), radius * math.sin(angle)
