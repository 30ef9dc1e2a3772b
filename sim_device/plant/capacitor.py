"""The lamp's capacitor with its charger, bleeder and dump relay.

The charger gives constant power, V(t) = sqrt(V0^2 + 2 P t / C), of which a healthy bleeder's share is taken
off already; what leaks beyond that makes V^2 approach P tau / C. Bleeding and dumping are exponentials. Each
stretch is a closed form from its first instant, so that a voltage never depends on how often it is asked for.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

from sim_device.plant.delay import NEVER

CAPACITANCE_F: Final = 60e-6  # [D] LASER_FACTS, power
CHARGE_POWER_W: Final = 1000.0  # [D] LASER_FACTS, power
VOLTAGE_MAX_V: Final = 1250.0  # [C] the charger's ceiling: 46.9 J, 9 % above the 43 J of the largest pulse
END_OF_CHARGE: Final = 0.998  # [C] end of charge is reported 0.2 % below the set voltage
DUMP_TAU_S: Final = 0.15  # [C] 2.5 kohm: from 1250 V to 60 V in 0.46 s, where the limit is 5 s
BLEED_TAU_S: Final = 60.0  # [C] 1 Mohm bleeder, always connected
SAFE_V: Final = 60.0  # [C] LASER_FACTS: below this the capacitor counts as discharged
COMPARE_DELAY_US: Final = 10  # [C] the end-of-charge comparator
ADC_TOP_MV: Final = 1_600_000  # [C] 14 bit over 1.6 kV
ADC_STEP_MV: Final = 100


class _Command(NamedTuple):
    """What the capacitor is under; a change of any of these begins a new stretch."""

    power_w: float  # of the charger; 0: off
    target_v: float  # where the charger stops
    decay_s: float  # time constant without charger, by bleeder or dump relay; inf: none
    leak_s: float  # time constant of what leaks beyond the healthy bleeder while charging; inf: nothing


@lru_cache(maxsize=64)  # the same two come with every pulse
def _commanded(target_v: float, dump: bool, charger_ratio: float, bleed_ratio: float) -> _Command:
    bleed_s = BLEED_TAU_S / bleed_ratio if bleed_ratio > 0.0 else math.inf
    return _Command(
        CHARGE_POWER_W * charger_ratio if target_v > 0.0 else 0.0,
        target_v,
        DUMP_TAU_S if dump else bleed_s,
        BLEED_TAU_S / (bleed_ratio - 1.0) if bleed_ratio > 1.0 else math.inf,
    )


class Capacitor:
    """Voltage over time under a charger (on or off, set voltage) and a dump relay (held or released).

    `charger_ratio`, `set_ratio` (its reference, ceiling included), `dump_stuck` (the relay does not fall) and
    `bleed_ratio` (the bleeder's conductance) are 1 or False while healthy; set them through `Plant.act`.
    """

    __slots__ = (
        *("bleed_ratio", "charge_done", "charger_ratio", "dump_stuck", "next_us", "set_ratio", "still_us"),
        *("_charging", "_command", "_floor_v", "_from_us", "_from_v", "_still_v"),
    )

    def __init__(self) -> None:
        self.charger_ratio = 1.0
        self.set_ratio = 1.0
        self.dump_stuck = False
        self.bleed_ratio = 1.0
        self.charge_done = False
        self.next_us = NEVER
        self._command = _Command(0.0, 0.0, DUMP_TAU_S, math.inf)
        self._charging = False  # this stretch rises; otherwise it decays, down to `_floor_v`
        self._from_us = 0
        self._from_v = 0.0
        self._floor_v = 0.0
        self.still_us = 0  # from then on, to the end of this stretch, it stands at `_still_v`
        self._still_v = 0.0

    def volts(self, now_us: int) -> float:
        """Voltage at `now_us`, which is not before the last change."""
        if now_us >= self.still_us:
            return self._still_v
        if self._charging:
            risen_v, target_v = math.sqrt(self._rising_v2((now_us - self._from_us) / 1e6)), self._still_v
            return risen_v if risen_v < target_v else target_v
        decayed_v = self._from_v * math.exp((self._from_us - now_us) / (1e6 * self._command.decay_s))
        return max(self._floor_v, decayed_v)

    def millivolts(self, now_us: int) -> int:
        """What the voltage divider's converter reads."""
        reading_mv = round(self.volts(now_us) * 1000 / ADC_STEP_MV) * ADC_STEP_MV
        return reading_mv if reading_mv < ADC_TOP_MV else ADC_TOP_MV

    def energy_j(self, now_us: int) -> float:
        """Stored energy, C V^2 / 2."""
        return CAPACITANCE_F * self.volts(now_us) ** 2 / 2

    def drive(self, now_us: int, *, charge: bool, set_v: float, dump: bool) -> None:
        """Command charger and dump relay; the relay's own contact keeps the charger off while it dumps."""
        dump = dump and not self.dump_stuck
        target_v = set_v if set_v < VOLTAGE_MAX_V else VOLTAGE_MAX_V
        target_v = target_v * self.set_ratio if charge and not dump else 0.0
        command = _commanded(target_v, dump, self.charger_ratio, self.bleed_ratio)
        if command != self._command:
            volts = self.volts(now_us)
            self._command = command
            self._begin(now_us, volts)

    def flash(self, now_us: int) -> None:
        """Discharge into the lamp, which gets all of `energy_j`."""
        self._begin(now_us, 0.0)

    def happen(self, now_us: int) -> bool:
        """End of charge is reported, or the capacitor is discharged to the safe voltage."""
        if self._command.power_w > 0.0:
            self.charge_done = True
        self.next_us = NEVER
        return True

    def _begin(self, now_us: int, volts: float) -> None:
        self._from_us, self._from_v = now_us, volts
        self.charge_done = self._charging = False
        self.next_us = NEVER
        self._floor_v, self._still_v = 0.0, volts
        if self._command.power_w > 0.0:
            self._begin_powered(now_us, volts)
        else:
            self.still_us = NEVER if volts > 0.0 else now_us
            decay_s = self._command.decay_s
            if volts > SAFE_V and decay_s < math.inf:
                self.next_us = now_us + math.ceil(1e6 * decay_s * math.log(volts / SAFE_V))

    def _begin_powered(self, now_us: int, volts: float) -> None:
        power_w, target_v, _, leak_s = self._command
        held_v = target_v
        if leak_s < math.inf:
            held_v = min(target_v, math.sqrt(power_w * leak_s / CAPACITANCE_F))
        self._floor_v = held_v
        if volts < target_v or held_v < volts == target_v:
            self._charging, self._still_v = True, target_v
            if leak_s == math.inf:  # in short, because it comes with every pulse
                us_per_v2 = 5e5 * CAPACITANCE_F / power_w
                self.still_us = now_us + math.ceil(us_per_v2 * (target_v**2 - volts**2))
                done_us = now_us + math.ceil(us_per_v2 * ((END_OF_CHARGE * target_v) ** 2 - volts**2))
            else:
                self.still_us = self._rises_to_us(target_v)
                done_us = self._rises_to_us(END_OF_CHARGE * target_v)
            if done_us < NEVER:
                soonest_us = now_us + COMPARE_DELAY_US
                self.next_us = done_us if done_us > soonest_us else soonest_us
        else:
            self.still_us = NEVER if volts > held_v else now_us
            if volts >= END_OF_CHARGE * target_v:
                self.next_us = now_us + COMPARE_DELAY_US

    def _rising_v2(self, elapsed_s: float) -> float:
        """The square of a charging capacitor's voltage."""
        power_w, _, _, leak_s = self._command
        if leak_s == math.inf:
            return self._from_v**2 + 2 * power_w * elapsed_s / CAPACITANCE_F
        end_v2 = power_w * leak_s / CAPACITANCE_F
        return end_v2 + (self._from_v**2 - end_v2) * math.exp(-2 * elapsed_s / leak_s)

    def _rises_to_us(self, volts: float) -> int:
        """When a stretch that charges against a leak is at `volts`; NEVER if that keeps it below."""
        power_w, _, _, leak_s = self._command
        if volts <= self._from_v:
            return self._from_us
        end_v2 = power_w * leak_s / CAPACITANCE_F
        if volts**2 >= end_v2:
            return NEVER
        ratio = (end_v2 - self._from_v**2) / (end_v2 - volts**2)
        return self._from_us + math.ceil(1e6 * leak_s / 2 * math.log(ratio))
