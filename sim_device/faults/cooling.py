"""Faults of the coolant loop."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from pydantic import Field

from sim_device.board import Outputs
from sim_device.faults.fault import Fault
from sim_device.faults.knobs import Knob
from sim_device.simulator import Simulator


class _Always(Knob):
    """A knob that makes a difference from the first instant."""

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It is there."""
        return True


class RoomTemperature(_Always):
    """The room is hot or cold."""

    name: ClassVar = "room-temperature"
    hazards: ClassVar = ("HZ-030",)
    knob: ClassVar = "plant.coolant.ambient_c"
    celsius: float = Field(45.0, ge=-40, le=90, allow_inf_nan=False, description="In degC; 20 is healthy.")

    def value(self, healthy: Any) -> Any:
        """Another room."""
        return self.celsius


class HeaterFails(Knob):
    """The coolant's heater is open: it heats no more."""

    name: ClassVar = "heater-fails"
    hazards: ClassVar = ("HZ-030",)
    knob: ClassVar = "plant.coolant.heater_ok"

    def value(self, healthy: Any) -> Any:
        """Open."""
        return False

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should heat."""
        return True if outputs.heater_on else None


class FanFails(Knob):
    """The fan of the air cooler stands still."""

    name: ClassVar = "fan-fails"
    hazards: ClassVar = ("HZ-030",)
    knob: ClassVar = "plant.coolant.fan_ok"

    def value(self, healthy: Any) -> Any:
        """Still."""
        return False

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """The water goes through the cooler."""
        return True if simulator.plant.coolant.cooler_open else None


class PumpFails(Knob):
    """The coolant pump stands still."""

    name: ClassVar = "pump-fails"
    hazards: ClassVar = ("HZ-029",)
    knob: ClassVar = "plant.coolant.pump_ok"

    def value(self, healthy: Any) -> Any:
        """Still."""
        return False

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should run."""
        return True if outputs.pump_on else None


class FlowLow(Knob):
    """Something blocks the coolant: less flows than the pump should give."""

    name: ClassVar = "flow-low"
    hazards: ClassVar = ("HZ-029",)
    knob: ClassVar = "plant.coolant.flow_ratio"
    ratio: float = Field(0.3, ge=0, le=2, allow_inf_nan=False, description="Flow for healthy flow.")

    def value(self, healthy: Any) -> Any:
        """Less."""
        return healthy * self.ratio

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It should flow."""
        return True if outputs.pump_on else None


class CoolantLeaks(_Always):
    """The coolant leaks out."""

    name: ClassVar = "coolant-leaks"
    hazards: ClassVar = ("HZ-029",)
    knob: ClassVar = "plant.coolant.leak_ml_s"
    leak_ml_s: float = Field(50.0, gt=0, le=5000, allow_inf_nan=False, description="In ml/s, of 5000 ml.")

    def value(self, healthy: Any) -> Any:
        """So much."""
        return self.leak_ml_s


class CoolantStep(Fault):
    """The coolant's temperature jumps at once."""

    name: ClassVar = "coolant-step"
    hazards: ClassVar = ("HZ-010", "HZ-030")
    lasting: ClassVar = False
    kelvin: float = Field(5.0, ge=-80, le=80, allow_inf_nan=False, description="By how much, in K.")

    def begin(self, simulator: Simulator) -> None:
        """Jump."""
        if self.kelvin:
            self._fired += 1
        now_us = simulator.now_us
        simulator.act(lambda plant: plant.coolant.step(now_us, self.kelvin), now_us)
