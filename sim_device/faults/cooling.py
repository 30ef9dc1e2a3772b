"""Faults of the coolant loop."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from sim_device.faults.declare import number
from sim_device.faults.fault import Fault
from sim_device.faults.knobs import ALWAYS, exactly, knob, times, to, when
from sim_device.simulator import Simulator

# fmt: off
RoomTemperature = knob(
    __name__, "room-temperature", "The room is hot or cold.",
    hazards="HZ-030", at="plant.coolant.ambient_c", turned=exactly, shows=ALWAYS,
    celsius=number(45.0, -40, 90, "In degC; 20 is healthy."))
HeaterFails = knob(
    __name__, "heater-fails", "The coolant's heater is open: it heats no more.",
    hazards="HZ-030", at="plant.coolant.heater_ok", turned=to(False),
    shows=when(lambda _, out: out.heater_on))
FanFails = knob(
    __name__, "fan-fails", "The fan of the air cooler stands still.",
    hazards="HZ-030", at="plant.coolant.fan_ok", turned=to(False),
    shows=when(lambda simulator, _: simulator.plant.coolant.cooler_open))
PumpFails = knob(
    __name__, "pump-fails", "The coolant pump stands still.",
    hazards="HZ-029", at="plant.coolant.pump_ok", turned=to(False), shows=when(lambda _, out: out.pump_on))
FlowLow = knob(
    __name__, "flow-low", "Something blocks the coolant: less flows than the pump should give.",
    hazards="HZ-029", at="plant.coolant.flow_ratio", turned=times, shows=when(lambda _, out: out.pump_on),
    ratio=number(0.3, 0, 2, "Flow for healthy flow."))
CoolantLeaks = knob(
    __name__, "coolant-leaks", "The coolant leaks out.",
    hazards="HZ-029", at="plant.coolant.leak_ml_s", turned=exactly, shows=ALWAYS,
    leak_ml_s=number(50.0, 0, 5000, "In ml/s, of 5000 ml.", above=True))
# fmt: on


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
