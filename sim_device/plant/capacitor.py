"""The lamp's capacitor with its charger, bleeder and dump relay.

Charging is by constant power, V(t) = sqrt(V0^2 + 2 P t / C); bleeding and dumping are exponentials. Each
stretch is a closed form from its first instant, so that a voltage never depends on how often it is asked for.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from sim_device.plant.delay import NEVER

CAPACITANCE_F: Final = 60e-6  # [D] LASER_FACTS, power
CHARGE_POWER_W: Final = 1000.0  # [D] LASER_FACTS, power
VOLTAGE_MAX_V: Final = 1250.0  # [C] the charger's ceiling: 46.9 J, 9 % above the 43 J of the largest pulse
END_OF_CHARGE: Final = 0.998  # [C] end of charge is reported 0.2 % below the set voltage
DUMP_TAU_S: Final = 0.15  # [C] 2.5 kohm: from 1250 V to 60 V in 0.46 s, where the limit is 5 s
BLEED_TAU_S: Final = 60.0  # [C] 1 Mohm bleeder, always connected
SAFE_V: Final = 60.0  # [C] LASER_FACTS: below this the capacitor counts as discharged
COMPARE_DELAY_US: Final = 10  # [C] the end-of-charge comparator
ADC_STEP_MV: Final = 100  # [C] 14 bit over 1.6 kV


class _Course(enum.Enum):
    """Which closed form holds."""

    CHARGE = enum.auto()
    HOLD = enum.auto()
    DECAY = enum.auto()


class Capacitor:
    """Voltage over time under a charger (on or off, set voltage) and a dump relay (held or released)."""

    def __init__(self) -> None:
        self.capacitance_f = CAPACITANCE_F
        self.charge_power_w = CHARGE_POWER_W
        self.dump_tau_s = DUMP_TAU_S
        self.bleed_tau_s = BLEED_TAU_S
        self.charge_done = False
        self.next_us = NEVER
        self._command = (False, 0.0, True)
        self._course = _Course.DECAY
        self._from_us = 0
        self._from_v = 0.0
        self._tau_s = DUMP_TAU_S

    def volts(self, now_us: int) -> float:
        """Voltage at `now_us`, which is not before the last change."""
        if self._course is _Course.HOLD:
            return self._from_v
        elapsed_s = (now_us - self._from_us) / 1e6
        if self._course is _Course.CHARGE:
            charged_v = math.sqrt(self._from_v**2 + 2 * self.charge_power_w * elapsed_s / self.capacitance_f)
            return min(charged_v, self._command[1])
        return self._from_v * math.exp(-elapsed_s / self._tau_s)

    def millivolts(self, now_us: int) -> int:
        """What the voltage divider's converter reads."""
        return round(self.volts(now_us) * 1000 / ADC_STEP_MV) * ADC_STEP_MV

    def energy_j(self, now_us: int) -> float:
        """Stored energy, C V^2 / 2."""
        return self.capacitance_f * self.volts(now_us) ** 2 / 2

    def drive(self, now_us: int, *, charge: bool, set_v: float, dump: bool) -> None:
        """Command charger and dump relay; the relay's own contact keeps the charger off while it dumps."""
        command = (charge and not dump, min(set_v, VOLTAGE_MAX_V), dump)
        if command != self._command:
            volts = self.volts(now_us)
            self._command = command
            self._begin(now_us, volts)

    def flash(self, now_us: int) -> float:
        """Discharge into the lamp; the energy it got, in J."""
        energy_j = self.energy_j(now_us)
        self._begin(now_us, 0.0)
        return energy_j

    def happen(self, now_us: int) -> bool:
        """End of charge reported, set voltage reached (no input tells), or discharged to the safe voltage."""
        charge, set_v, _ = self._command
        if not charge or set_v <= 0:
            self.next_us = NEVER
        elif self.charge_done:
            self._hold(now_us, set_v)
            return False
        else:
            self.charge_done = True
            reached_us = NEVER
            if self._course is _Course.CHARGE:
                reached_us = self._charged_us(set_v)
            elif self._course is _Course.DECAY:  # set below the present: only the bleeder takes it down
                reached_us = self._decayed_us(set_v)
            self.next_us = max(reached_us, now_us + 1)
        return True

    def _begin(self, now_us: int, volts: float) -> None:
        charge, set_v, dump = self._command
        self._from_us, self._from_v = now_us, volts
        self.charge_done = False
        if charge and set_v > volts:
            self._course = _Course.CHARGE
            self.next_us = max(self._charged_us(END_OF_CHARGE * set_v), now_us + COMPARE_DELAY_US)
        elif charge and set_v > 0 and set_v == volts:
            self._hold(now_us, set_v)
            self.next_us = now_us + COMPARE_DELAY_US
        else:
            self._course = _Course.DECAY
            self._tau_s = self.dump_tau_s if dump else self.bleed_tau_s
            if charge and set_v > 0:
                self.next_us = now_us + COMPARE_DELAY_US
            else:
                self.next_us = self._decayed_us(SAFE_V) if volts > SAFE_V else NEVER

    def _hold(self, now_us: int, volts: float) -> None:
        self._course = _Course.HOLD
        self._from_us, self._from_v = now_us, volts
        self.next_us = NEVER

    def _charged_us(self, volts: float) -> int:
        missing_j = self.capacitance_f * (volts**2 - self._from_v**2) / 2
        return self._from_us + math.ceil(1e6 * missing_j / self.charge_power_w)

    def _decayed_us(self, volts: float) -> int:
        return self._from_us + math.ceil(1e6 * self._tau_s * math.log(self._from_v / volts))
