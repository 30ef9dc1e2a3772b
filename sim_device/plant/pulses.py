"""Light under way: from the lamp's flash to the pulses, and from each pulse to the sensors' readings."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from sim_device.plant.delay import NEVER
from sim_device.plant.head import Light

if TYPE_CHECKING:
    from sim_device.plant.plant import Plant
    from sim_device.plant.truth import TruePulse

BUILD_UP_US: Final = 200  # [P] Q-switch about 200 us after the lamp trigger
MEASURE_US: Final = 100  # [C] pulse to reading


class Optics:
    """What is due: Pockels cell, light, readings, each at its time; what is due first happens first."""

    __slots__ = ("_lights", "_measured", "_plant", "_pumped", "next_us")

    def __init__(self, plant: Plant) -> None:
        self.next_us = NEVER
        self._plant = plant
        self._pumped: list[tuple[int, float, int, bool]] = []  # (due, pump energy, mode, triggered)
        # (due, light, mode, triggered, free running)
        self._lights: list[tuple[int, Light, int, bool, bool]] = []
        self._measured: list[tuple[int, TruePulse]] = []  # (reading is due, pulse)

    def pump(self, now_us: int, pump_j: float, mode_width_ps: int, *, triggered: bool = True) -> None:
        """The lamp has fired: the Pockels cell will work on the rod, unless it let the light go before."""
        free = self._plant.head.free_run(now_us, pump_j)
        if free is None and not triggered:  # nothing told the Pockels cell
            self._plant.truth.dark += 1
        elif free is None:
            self._pumped.append((now_us + BUILD_UP_US, pump_j, mode_width_ps, triggered))
        else:
            heappush(self._lights, (now_us + free.delay_us, free, mode_width_ps, triggered, True))
        self._plan()

    def happen(self, now_us: int) -> bool:
        """A pulse is dumped (no input shows it yet), or its readings are ready."""
        plant, lights, measured, shown = self._plant, self._lights, self._measured, False
        while self._pumped and self._pumped[0][0] <= now_us:
            _, pump_j, mode_width_ps, triggered = self._pumped.pop(0)
            for light in plant.dump_cavity(now_us, pump_j, mode_width_ps):
                heappush(lights, (now_us + light.delay_us, light, mode_width_ps, triggered, False))
        while lights and lights[0][0] <= now_us:
            _, light, mode_width_ps, triggered, free_running = heappop(lights)
            pulse = plant.emit(
                now_us,
                light.energy_uj,
                light.width_ps,
                mode_width_ps,
                triggered=triggered,
                free_running=free_running,
            )
            measured.append((now_us + MEASURE_US, pulse))
        while measured and measured[0][0] <= now_us:
            _, pulse = measured.pop(0)
            plant.measure(pulse)
            shown = True
        self._plan()
        return shown

    def _plan(self) -> None:
        due_us = self._pumped[0][0] if self._pumped else NEVER
        if self._lights and self._lights[0][0] < due_us:
            due_us = self._lights[0][0]
        if self._measured and self._measured[0][0] < due_us:
            due_us = self._measured[0][0]
        self.next_us = due_us
