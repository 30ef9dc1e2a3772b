"""Supervision of capacitor and simmer: over-voltage, the dump, and the lamp's keep-alive current."""

from __future__ import annotations

from protocols.faults import Fault
from sim_device.board import Inputs, Outputs
from sim_device.firmware import limits
from sim_device.firmware.limits import NEVER_US


class HighVoltage:
    """Judges capacitor and simmer against what was last driven, in every state."""

    def __init__(self) -> None:
        self._dumped_since_us = 0  # dumped from power-on
        self._held_at_mv = 0
        self._charged = False
        self._simmer_since_us = -1
        self._simmer_seen = False
        self.awaits_simmer = False  # it is to come, or to prove that it is not the old current

    def command(self, now_us: int, driven: Outputs) -> bool:
        """Take what is driven from now on; True: there is a change to be supervised."""
        held_at_mv = driven.hv_set_mv if driven.dump_hold else 0
        simmers = self._simmer_since_us >= 0
        if held_at_mv == self._held_at_mv and driven.simmer_start is simmers:
            return False
        self._held_at_mv = held_at_mv
        if driven.dump_hold:
            self._dumped_since_us = -1
        elif self._dumped_since_us < 0:
            self._dumped_since_us = now_us
        if driven.simmer_start is not simmers:
            self._simmer_since_us = now_us if driven.simmer_start else -1
            self._simmer_seen = False
            self.awaits_simmer = driven.simmer_start
        return True

    def update(self, now_us: int, inputs: Inputs) -> tuple[Fault, int]:
        """The fault of capacitor or simmer with its measured value, or NONE."""
        self._charged = inputs.hv_mv > limits.HV_SAFE_MV
        if self._held_at_mv and over_voltage(inputs.hv_mv, self._held_at_mv):
            return Fault.OVER_VOLTAGE, inputs.hv_mv
        dumped = self._dumped_since_us >= 0
        if self._charged and dumped and now_us - self._dumped_since_us >= limits.DUMP_US:
            return Fault.DUMP_FAILED, inputs.hv_mv
        if self._simmer_since_us >= 0:
            return self._simmer(now_us, inputs.simmer_on), 0
        return Fault.NONE, 0

    def _simmer(self, now_us: int, simmer_on: bool) -> Fault:
        if simmer_on:
            self._simmer_seen |= now_us - self._simmer_since_us >= limits.SIMMER_SETTLE_US
            self.awaits_simmer = not self._simmer_seen
            return Fault.NONE
        if self._simmer_seen:
            return Fault.SIMMER_LOST
        late = now_us - self._simmer_since_us >= limits.SIMMER_US
        return Fault.SIMMER_TIMEOUT if late else Fault.NONE

    @property
    def deadline_us(self) -> int:
        """When dump or simmer are late."""
        deadline_us = NEVER_US
        if self._charged and self._dumped_since_us >= 0:
            deadline_us = self._dumped_since_us + limits.DUMP_US
        if self._simmer_since_us >= 0 and not self._simmer_seen:
            deadline_us = min(deadline_us, self._simmer_since_us + limits.SIMMER_US)
        return deadline_us


def over_voltage(hv_mv: int, set_mv: int) -> bool:
    """Whether the capacitor is more than 1.5 % above its set voltage."""
    return hv_mv * 1000 > set_mv * (1000 + limits.OVER_VOLTAGE_PERMILLE)


def charged(inputs: Inputs, set_mv: int) -> bool:
    """Whether end of charge is reported and the voltage bears it out."""
    return inputs.charge_done and inputs.hv_mv * 1000 >= set_mv * limits.CHARGED_PERMILLE
