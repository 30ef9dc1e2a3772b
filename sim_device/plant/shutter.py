"""The safety shutter: a spring closes it, current opens it, two switches sit at the ends of its travel."""

from __future__ import annotations

from typing import Final

from sim_device.plant.delay import NEVER

TRAVEL_US: Final = 10_000  # [P] 10 ms typical, both ways
CLOSED_SWITCH: Final = 0.02  # [C] share of the travel at which the switch at each end changes
OPEN_SWITCH: Final = 0.98
EDGE_ENTERS: Final = 0.5  # [C] the blade begins to clear the beam at half its travel
EDGE_LEAVES: Final = 0.9  # [C] and is out of it before the open switch answers


class Shutter:
    """Position 0 (closed) to 1 (open) over time, and the two position switches."""

    def __init__(self) -> None:
        self.opening_us = TRAVEL_US
        self.closing_us = TRAVEL_US
        self.closed_switch = True
        self.open_switch = False
        self.next_us = NEVER
        self._driven = False
        self._from_us = 0
        self._from_position = 0.0

    def position(self, now_us: int) -> float:
        """Share of the travel, 0 closed, 1 open."""
        elapsed_us = now_us - self._from_us
        if self._driven:
            return min(1.0, self._from_position + elapsed_us / self.opening_us)
        return max(0.0, self._from_position - elapsed_us / self.closing_us)

    def transmission(self, now_us: int) -> float:
        """Share of a pulse's energy that passes: nothing up to half the travel, everything from 0.9 on."""
        return min(1.0, max(0.0, (self.position(now_us) - EDGE_ENTERS) / (EDGE_LEAVES - EDGE_ENTERS)))

    def drive(self, now_us: int, current: bool) -> None:
        """Switch the coil's current."""
        if current != self._driven:
            self._from_position = self.position(now_us)
            self._from_us = now_us
            self._driven = current
            self._plan(now_us)

    def happen(self, now_us: int) -> bool:
        """One of the switches changes."""
        if self._driven:
            if self.closed_switch:
                self.closed_switch = False
            else:
                self.open_switch = True
        elif self.open_switch:
            self.open_switch = False
        else:
            self.closed_switch = True
        self._plan(now_us)
        return True

    def _plan(self, now_us: int) -> None:
        if self._driven:
            leaves, arrived, travel_us = self.closed_switch, self.open_switch, self.opening_us
            way = (CLOSED_SWITCH if leaves else OPEN_SWITCH) - self._from_position
        else:
            leaves, arrived, travel_us = self.open_switch, self.closed_switch, self.closing_us
            way = self._from_position - (OPEN_SWITCH if leaves else CLOSED_SWITCH)
        if leaves or not arrived:
            self.next_us = max(now_us + 1, self._from_us + round(way * travel_us))
        else:
            self.next_us = NEVER
