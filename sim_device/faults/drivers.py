"""Faults of what the firmware drives: welded, cut or glitching drivers, as service people name them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from sim_device.board import Inputs, Outputs
from sim_device.faults.fault import remove
from sim_device.faults.wires import LEVEL_MAX, Misdriven, misdriven, with_bit
from sim_device.simulator import Simulator

# fmt: off
GateWelded = misdriven(
    __name__, "gate-welded", "The driver of the trigger gate is welded: triggers pass whatever is commanded.",
    hazards="HZ-001 HZ-021", drives=lambda *_: {"gate_enable": True})
ChargerWelded = misdriven(
    __name__, "charger-welded",
    "The charger's enable is welded: only its set voltage and the dump relay hold it back.",
    hazards="HZ-001 HZ-021", drives=lambda *_: {"hv_enable": True})
# fmt: on


class VoltageBitStuck(Misdriven):
    """One bit of the converter that sets the capacitor's voltage is stuck."""

    name: ClassVar = "voltage-bit-stuck"
    hazards: ClassVar = ("HZ-008",)
    bit: int = Field(17, ge=0, le=20, description="Which bit of the voltage in mV; 17 is 131 V.")
    to: bool = Field(True, description="What it is stuck at.")

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """The voltage with that bit; 0 is a converter that is switched off."""
        volts_mv = lines.hv_set_mv
        return {"hv_set_mv": with_bit(volts_mv, self.bit, to=self.to) if volts_mv else 0}


ComparatorUnset = misdriven(
    __name__,
    "comparator-unset",
    "The threshold of the hardware over-energy comparator stands at its top: it never trips.",
    hazards="HZ-008 HZ-021",
    drives=lambda *_: {"comparator_uj": LEVEL_MAX},
)


class SpuriousTrigger(Misdriven):
    """The lamp is triggered without the firmware: a glitch on the trigger line."""

    name: ClassVar = "spurious-trigger"
    hazards: ClassVar = ("HZ-001",)
    lasting: ClassVar = False

    def begin(self, simulator: Simulator) -> None:
        """The counter on the line is ahead for an instant, whether the processor runs or not."""
        super().begin(simulator)
        remove(simulator.disturbances, self)
        simulator.rewire()

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """One trigger more."""
        return {"lamp_triggers": lines.lamp_triggers + 1}


class _CountsLost(Misdriven):
    """A line that tells by counting is cut: what was counted meanwhile never arrives, later neither."""

    line: ClassVar[str]
    _cut: bool = PrivateAttr(False)
    _counted: int = PrivateAttr(0)  # as driven at the last look
    _lost: int = PrivateAttr(0)

    def begin(self, simulator: Simulator) -> None:
        """Cut it."""
        self._counted = getattr(simulator.firmware.outputs, self.line)
        self._cut = True
        remove(simulator.disturbances, self)
        super().begin(simulator)

    def end(self, simulator: Simulator) -> None:
        """Mend it; the difference stays."""
        self._cut = False
        simulator.rewire()

    def driven(self, lines: Outputs) -> dict[str, Any]:
        """What arrives of the count."""
        counted = getattr(lines, self.line)
        if counted < self._counted:  # the processor began anew
            self._counted = self._lost = 0
        if self._cut:
            self._lost += counted - self._counted
        self._counted = counted
        return {self.line: counted - self._lost}

    def put(self, lines: Inputs | Outputs, name: str, level: Any) -> None:
        """Only what is lost now counts, not that the difference stays."""
        if self._cut:
            super().put(lines, name, level)
        else:
            setattr(lines, name, level)


class TriggerLost(_CountsLost):
    """The trigger line is cut: the lamp does not fire when told to."""

    name: ClassVar = "trigger-lost"
    hazards: ClassVar = ("HZ-025", "HZ-011")
    line: ClassVar = "lamp_triggers"


class WatchdogKicksLost(_CountsLost):
    """The line to the processor's watchdog is cut: it is never refreshed."""

    name: ClassVar = "watchdog-kicks-lost"
    hazards: ClassVar = ("HZ-024",)
    line: ClassVar = "watchdog_kicks"
