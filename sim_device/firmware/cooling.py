"""Coolant: flow after the pump's start, the heater's two-point control, and how long it has been warm."""

from __future__ import annotations

from protocols.faults import Fault
from sim_device.board import Inputs
from sim_device.firmware import limits
from sim_device.firmware.limits import NEVER_US


class Cooling:
    """Watches the coolant whenever the pump runs; decides about the heater, not about the pump."""

    def __init__(self) -> None:
        self.flow_low = True  # no flow is proven before the pump ran
        self.heater_wanted = False
        self._pump_since_us = -1
        self._low_since_us = 0
        self._warm_since_us = -1
        self._now_us = 0

    def command(self, now_us: int, pump_on: bool) -> bool:
        """Take what the pump does from now on; True: that is a change."""
        if pump_on is (self._pump_since_us >= 0):
            return False
        self._pump_since_us = now_us if pump_on else -1
        return True

    def update(self, now_us: int, inputs: Inputs) -> bool:
        """Take flow and temperature; True: flow or heater are judged otherwise than before."""
        before = (self.flow_low, self.heater_wanted)
        self._now_us = now_us
        pump_on = self._pump_since_us >= 0
        if pump_on and inputs.flow_ml_min >= limits.FLOW_MIN_ML_MIN:
            self._low_since_us = -1
        elif self._low_since_us < 0:
            self._low_since_us = now_us
        self.flow_low = not pump_on or (
            self._low_since_us >= 0 and now_us - self._low_since_us > limits.FLOW_LOW_US
        )
        if abs(inputs.coolant_mc - limits.COOLANT_SET_MC) > limits.WARM_BAND_MC or not pump_on:
            self._warm_since_us = -1
        elif self._warm_since_us < 0:
            self._warm_since_us = now_us
        self._heat(inputs, pump_on)
        return (self.flow_low, self.heater_wanted) != before

    def _heat(self, inputs: Inputs, pump_on: bool) -> None:
        low_mc, high_mc = limits.SENSOR_MC
        may = pump_on and self._low_since_us < 0 and inputs.level_ok and inputs.thermostat_closed
        if not may or not low_mc <= inputs.coolant_mc <= high_mc:
            self.heater_wanted = False
        elif inputs.coolant_mc < limits.COOLANT_SET_MC - limits.HEATER_BAND_MC:
            self.heater_wanted = True
        elif inputs.coolant_mc > limits.COOLANT_SET_MC + limits.HEATER_BAND_MC:
            self.heater_wanted = False

    @property
    def runs(self) -> bool:
        """Whether the pump has run long enough for its contacts to be believed."""
        return self._pump_since_us >= 0 and self._now_us - self._pump_since_us >= limits.PUMP_GRACE_US

    @property
    def warm(self) -> bool:
        """Whether the coolant has been within its window for a minute."""
        return self._warm_since_us >= 0 and self._now_us - self._warm_since_us >= limits.WARM_US

    @property
    def deadline_us(self) -> int:
        """When one of the above changes by time alone."""
        deadline_us = NEVER_US
        if self._pump_since_us >= 0 and not self.runs:
            deadline_us = self._pump_since_us + limits.PUMP_GRACE_US
        if self._low_since_us >= 0 and not self.flow_low:
            deadline_us = min(deadline_us, self._low_since_us + limits.FLOW_LOW_US + 1)
        if self._warm_since_us >= 0 and not self.warm:
            deadline_us = min(deadline_us, self._warm_since_us + limits.WARM_US)
        return deadline_us


def coolant_fault(coolant_mc: int) -> Fault:
    """The fault of this temperature once warm-up is over, or NONE."""
    if coolant_mc < limits.COOLANT_COLD_MC:
        return Fault.COOLANT_COLD
    return Fault.COOLANT_HOT if coolant_mc > limits.COOLANT_HOT_MC else Fault.NONE
