"""The coolant loop: water, heater with its thermostat, losses, air cooler with its valve, pump and flow.

One lumped mass of water; the temperature is an exponential between events (heater, valve, lamp shot), so that
it never depends on how often it is asked for. The converter samples on a grid of 100 ms and reports a change
of at least its step, which makes a quiet loop cost nothing.
"""

from __future__ import annotations

import math
from typing import Final

from sim_device.plant.delay import NEVER, Delayed

WATER_KG: Final = 5.0  # [D] LASER_FACTS: 40 K in 560 s with 1.5 kW
HEATER_W: Final = 1500.0  # [D] the same
HEAT_CAPACITY_J_KG_K: Final = 4186.0  # [P] water
AMBIENT_C: Final = 20.0  # [C]
LOSS_W_K: Final = 2.0  # [C] hoses and tank; lengthens the warm-up by 3 %
COOLER_W_K: Final = 15.0  # [C] 600 W at 60 degC: more than the lamp's 344 W at 43 J, 10 Hz
COOLER_OPENS_C: Final = 60.8  # [C] snap-action valve above the heater's band of 60 +- 0.3
COOLER_CLOSES_C: Final = 60.5
THERMOSTAT_OPENS_C: Final = 85.0  # [C] independent of the firmware
THERMOSTAT_CLOSES_C: Final = 75.0
LAMP_SHARE: Final = 0.8  # [C] of the lamp's electrical energy ends in the water
FLOW_ML_MIN: Final = 4000  # [C] 4 l/min
FLOW_RISE_US: Final = 500_000  # [C]
FLOW_FALL_US: Final = 300_000  # [C]
SAMPLE_US: Final = 100_000  # [C] the converter's grid
ADC_STEP_MC: Final = 10  # [C]
TOLERANCE_K: Final = 1e-6  # a threshold crossed within this counts: the crossing's time is rounded up to 1 us


class Coolant:
    """Temperature and flow over time under heater, pump and lamp heat."""

    def __init__(self) -> None:
        self.ambient_c = AMBIENT_C
        self.heater_w = HEATER_W
        self.loss_w_k = LOSS_W_K
        self.cooler_w_k = COOLER_W_K
        self.flow_ml_min = FLOW_ML_MIN
        self.flow = Delayed(FLOW_RISE_US, FLOW_FALL_US)
        self.thermostat_closed = True
        self.cooler_open = False
        self.heater_driven = False
        self.reading_mc = round(self.ambient_c * 1000)
        self.next_us = NEVER
        self._heat_capacity_j_k = WATER_KG * HEAT_CAPACITY_J_KG_K
        self._from_us = 0
        self._from_c = self.ambient_c
        self._end_c = self.ambient_c
        self._tau_s = self._heat_capacity_j_k / self.loss_w_k
        self._switch_us = NEVER
        self._sample_us = NEVER

    def celsius(self, now_us: int) -> float:
        """Water temperature at `now_us`, which is not before the last change."""
        if self._from_c == self._end_c:
            return self._end_c
        decay = math.exp((self._from_us - now_us) / (1e6 * self._tau_s))
        return self._end_c + (self._from_c - self._end_c) * decay

    @property
    def flow_reading_ml_min(self) -> int:
        """What the flow meter reads."""
        return self.flow_ml_min if self.flow.level else 0

    def drive(self, now_us: int, *, heater: bool, pump: bool) -> None:
        """Switch heater and pump."""
        self.flow.drive(now_us, pump)
        if heater != self.heater_driven:
            self.heater_driven = heater
            self._begin(now_us, self.celsius(now_us))

    def heat(self, now_us: int, lamp_j: float) -> None:
        """Take the heat of one lamp shot."""
        self._begin(now_us, self.celsius(now_us) + LAMP_SHARE * lamp_j / self._heat_capacity_j_k)

    def set_celsius(self, now_us: int, celsius: float) -> None:
        """Replace the water by water of another temperature (rigs and faults)."""
        self._begin(now_us, celsius)

    def happen(self, now_us: int) -> bool:
        """A valve or thermostat switches, or the converter has something new."""
        if self._sample_us <= now_us:
            self.reading_mc = round(self.celsius(now_us) * 1000 / ADC_STEP_MC) * ADC_STEP_MC
        if self._switch_us <= now_us:
            self._begin(now_us, self.celsius(now_us))
        else:
            self._plan(now_us)
        return True

    def _begin(self, now_us: int, celsius: float) -> None:
        """Start a new stretch at this temperature, with valve and thermostat where it puts them."""
        if self.cooler_open and celsius <= COOLER_CLOSES_C + TOLERANCE_K:
            self.cooler_open = False
        elif not self.cooler_open and celsius >= COOLER_OPENS_C - TOLERANCE_K:
            self.cooler_open = True
        if self.thermostat_closed and celsius >= THERMOSTAT_OPENS_C - TOLERANCE_K:
            self.thermostat_closed = False
        elif not self.thermostat_closed and celsius <= THERMOSTAT_CLOSES_C + TOLERANCE_K:
            self.thermostat_closed = True
        self._from_us, self._from_c = now_us, celsius
        conductance_w_k = self.loss_w_k + (self.cooler_w_k if self.cooler_open else 0.0)
        power_w = self.heater_w if self.heater_driven and self.thermostat_closed else 0.0
        self._end_c = self.ambient_c + power_w / conductance_w_k
        self._tau_s = self._heat_capacity_j_k / conductance_w_k
        self._plan(now_us)

    def _plan(self, now_us: int) -> None:
        cooler_c = COOLER_CLOSES_C if self.cooler_open else COOLER_OPENS_C
        thermostat_c = THERMOSTAT_OPENS_C if self.thermostat_closed else THERMOSTAT_CLOSES_C
        self._switch_us = max(now_us + 1, min(self._reaches_us(cooler_c), self._reaches_us(thermostat_c)))
        step_c = ADC_STEP_MC / 1000
        reading_c = self.reading_mc / 1000
        now_c = self.celsius(now_us)
        if abs(now_c - reading_c) >= step_c:
            due_us = now_us
        else:
            due_us = self._reaches_us(reading_c + (step_c if self._end_c > now_c else -step_c))
        if due_us < NEVER:
            due_us = max(-(-due_us // SAMPLE_US), now_us // SAMPLE_US + 1) * SAMPLE_US
        self._sample_us = due_us
        self.next_us = min(self._switch_us, self._sample_us)

    def _reaches_us(self, level_c: float) -> int:
        """When this stretch crosses `level_c`, rounded up; NEVER if it does not."""
        if not min(self._from_c, self._end_c) < level_c < max(self._from_c, self._end_c):
            return NEVER
        ratio = (self._end_c - self._from_c) / (self._end_c - level_c)
        return self._from_us + math.ceil(1e6 * self._tau_s * math.log(ratio))
