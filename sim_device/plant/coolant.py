"""The coolant loop: water, heater with its thermostat, losses, air cooler with its valve, pump, flow, level.

One lumped mass of water; the temperature is an exponential between events (heater, valve, fault), and a lamp
shot's heat is one more exponential on top of it, so that it never depends on how often it is asked for. The
converter samples on a grid of 100 ms and reports a change of at least its step, which makes a quiet loop cost
nothing. What leaks out is not taken off the heat capacity: the pump runs dry before that matters.
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
STILL_AIR: Final = 0.1  # [C] of the cooler's conductance that is left without its fan
COOLER_OPENS_C: Final = 60.8  # [C] snap-action valve above the heater's band of 60 +- 0.3
COOLER_CLOSES_C: Final = 60.5
THERMOSTAT_OPENS_C: Final = 85.0  # [C] independent of the firmware
THERMOSTAT_CLOSES_C: Final = 75.0
LAMP_SHARE: Final = 0.8  # [C] of the lamp's electrical energy ends in the water
FLOW_ML_MIN: Final = 4000  # [C] 4 l/min
FLOW_RISE_US: Final = 500_000  # [C]
FLOW_FALL_US: Final = 300_000  # [C]
FULL_ML: Final = 5000.0  # [D] 5 kg
LOW_ML: Final = 4000.0  # [C] the level switch opens
DRY_ML: Final = 3000.0  # [C] the pump draws air
SAMPLE_US: Final = 100_000  # [C] the converter's grid
ADC_STEP_MC: Final = 10  # [C]
TOLERANCE_K: Final = 1e-6  # a threshold crossed within this counts: the crossing's time is rounded up to 1 us

_HEAT_CAPACITY_J_K: Final = WATER_KG * HEAT_CAPACITY_J_KG_K


class Tank:
    """What is left of the water while it leaks."""

    __slots__ = ("_from_ml", "_from_us", "_leak_ml_s", "dry", "low", "next_us")

    def __init__(self) -> None:
        self.low = False
        self.dry = False
        self.next_us = NEVER
        self._leak_ml_s = 0.0
        self._from_us = 0
        self._from_ml = FULL_ML

    def left_ml(self, now_us: int) -> float:
        """Water in the loop at `now_us`."""
        return max(0.0, self._from_ml - self._leak_ml_s * (now_us - self._from_us) / 1e6)

    def drive(self, now_us: int, leak_ml_s: float) -> None:
        """Let so much leak out from now on."""
        if leak_ml_s != self._leak_ml_s:
            self._from_ml, self._from_us = self.left_ml(now_us), now_us
            self._leak_ml_s = leak_ml_s
            self._plan()

    def fill(self, now_us: int) -> None:
        """Fill it up; a leak that is still there goes on."""
        self._from_ml, self._from_us = FULL_ML, now_us
        self.low = self.dry = False
        self._plan()

    def happen(self, now_us: int) -> bool:
        """The next of its two levels is passed."""
        self.low, self.dry = True, self.low
        self._plan()
        return True

    def _plan(self) -> None:
        if self._leak_ml_s <= 0.0 or self.dry:
            self.next_us = NEVER
        else:
            over_ml = self._from_ml - (DRY_ML if self.low else LOW_ML)
            self.next_us = self._from_us + max(1, math.ceil(1e6 * over_ml / self._leak_ml_s))


class Coolant:
    """Temperature, flow and level over time under heater, pump and lamp heat.

    `ambient_c`, `heater_ok`, `fan_ok` (of the air cooler), `pump_ok`, `flow_ratio` (of what the pump gives)
    and `leak_ml_s` are the room and its faults; set them through `Plant.act`.
    """

    __slots__ = (
        *("ambient_c", "cooler_open", "fan_ok", "flow", "flow_ratio", "heater_driven", "heater_ok"),
        *("leak_ml_s", "next_us", "pump_ok", "reading_mc", "tank", "thermostat_closed"),
        *("_end_c", "_from_c", "_from_us", "_quiet_to_c", "_tau_us", "_under"),
    )

    def __init__(self) -> None:
        self.ambient_c = AMBIENT_C
        self.heater_ok = True
        self.fan_ok = True
        self.pump_ok = True
        self.flow_ratio = 1.0
        self.leak_ml_s = 0.0
        self.flow = Delayed(FLOW_RISE_US, FLOW_FALL_US)
        self.tank = Tank()
        self.thermostat_closed = True
        self.cooler_open = False
        self.heater_driven = False
        self.reading_mc = round(self.ambient_c * 1000)
        self.next_us = NEVER
        self._under = (False, True, AMBIENT_C)  # heater, fan and room of this stretch
        self._from_us = 0
        self._from_c = self.ambient_c
        self._end_c = self.ambient_c
        self._tau_us = 1e6 * _HEAT_CAPACITY_J_K / LOSS_W_K
        self._quiet_to_c = -math.inf  # below this, and falling, heat lets nothing come sooner

    def celsius(self, now_us: int) -> float:
        """Water temperature at `now_us`, which is not before the last change."""
        return self._end_c + (self._from_c - self._end_c) * math.exp((self._from_us - now_us) / self._tau_us)

    @property
    def flow_reading_ml_min(self) -> int:
        """What the flow meter reads."""
        return round(FLOW_ML_MIN * self.flow_ratio) if self.flow.level else 0

    def drive(self, now_us: int, *, heater: bool, pump: bool) -> None:
        """Switch heater and pump."""
        self.heater_driven = heater
        self.tank.drive(now_us, self.leak_ml_s)
        self.flow.drive(now_us, pump and self.pump_ok and not self.tank.dry)
        under = (heater and self.heater_ok, self.fan_ok, self.ambient_c)
        if under != self._under:
            celsius = self.celsius(now_us)
            self._under = under
            self._begin(now_us, celsius)

    def heat(self, now_us: int, lamp_j: float) -> None:
        """Take the heat of one lamp shot."""
        celsius = self.celsius(now_us) + LAMP_SHARE * lamp_j / _HEAT_CAPACITY_J_K
        if (
            self._end_c < celsius < self._quiet_to_c
        ):  # it falls: from higher up nothing comes sooner than planned
            self._from_us, self._from_c = now_us, celsius
        else:
            self._begin(now_us, celsius)

    def step(self, now_us: int, kelvin: float) -> None:
        """Make all the water warmer by so much at once."""
        self._begin(now_us, self.celsius(now_us) + kelvin)

    def set_celsius(self, now_us: int, celsius: float) -> None:
        """Replace the water by water of another temperature (rigs and faults)."""
        self._begin(now_us, celsius)

    def happen(self, now_us: int) -> bool:
        """A valve or thermostat may switch, or the converter show something new; heat may have delayed it."""
        celsius = self.celsius(now_us)
        shown = self._tells(celsius) and now_us % SAMPLE_US == 0
        if shown:
            self.reading_mc = round(celsius * 1000 / ADC_STEP_MC) * ADC_STEP_MC
        closed = self.thermostat_closed
        self._begin(now_us, celsius)
        return shown or self.thermostat_closed != closed

    def _tells(self, celsius: float) -> bool:
        """Whether this differs from the reading by the converter's step."""
        return abs(celsius - self.reading_mc / 1000) >= ADC_STEP_MC / 1000 - TOLERANCE_K

    def _begin(self, now_us: int, celsius: float) -> None:
        """Start a new stretch at this temperature, with valve and thermostat where it puts them."""
        self._from_us, self._from_c = now_us, celsius
        if self.cooler_open:
            self.cooler_open = celsius > COOLER_CLOSES_C + TOLERANCE_K
        else:
            self.cooler_open = celsius >= COOLER_OPENS_C - TOLERANCE_K
        if self.thermostat_closed:
            self.thermostat_closed = celsius < THERMOSTAT_OPENS_C - TOLERANCE_K
        else:
            self.thermostat_closed = celsius <= THERMOSTAT_CLOSES_C + TOLERANCE_K
        heater, fan_ok, ambient_c = self._under
        conductance_w_k = LOSS_W_K
        if self.cooler_open:
            conductance_w_k += COOLER_W_K if fan_ok else COOLER_W_K * STILL_AIR
        power_w = HEATER_W if heater and self.thermostat_closed else 0.0
        self._end_c = ambient_c + power_w / conductance_w_k
        self._tau_us = 1e6 * _HEAT_CAPACITY_J_K / conductance_w_k
        self._plan(now_us, celsius)

    def _plan(self, now_us: int, celsius: float) -> None:
        """Find when the next sample tells something new, and the next switch unless that comes later."""
        reading_c, step_c = self.reading_mc / 1000, ADC_STEP_MC / 1000
        opens_c = THERMOSTAT_OPENS_C if self.cooler_open else COOLER_OPENS_C
        self._quiet_to_c = min(reading_c + step_c, opens_c) - TOLERANCE_K
        if self._end_c > celsius:
            sample_c = reading_c + step_c
            switch_c = opens_c if self.thermostat_closed or not self.cooler_open else math.inf
        else:
            sample_c = reading_c - step_c
            switch_c = COOLER_CLOSES_C if self.cooler_open else -math.inf
            if not self.thermostat_closed:
                switch_c = THERMOSTAT_CLOSES_C
        due_us = now_us if self._tells(celsius) else self._reaches_us(now_us, celsius, sample_c)
        if due_us < NEVER:
            due_us = max(-(-due_us // SAMPLE_US), now_us // SAMPLE_US + 1) * SAMPLE_US
        self.next_us = due_us
        # The way there takes at least what it would at the present rate, which is the highest.
        way = self._end_c - celsius
        if way and (switch_c - celsius) / way * self._tau_us <= due_us - now_us:
            self.next_us = min(due_us, max(now_us + 1, self._reaches_us(now_us, celsius, switch_c)))

    def _reaches_us(self, now_us: int, celsius: float, level_c: float) -> int:
        """When this stretch, now at `celsius`, crosses `level_c`, rounded up; NEVER if it does not."""
        way = self._end_c - celsius
        left = self._end_c - level_c
        if way * left <= 0.0 or abs(left) >= abs(way):
            return NEVER
        return now_us + math.ceil(self._tau_us * math.log(way / left))
