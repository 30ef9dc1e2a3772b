"""The safety shutter: a spring closes it, current opens it, a light barrier stands at each end of its way."""

from __future__ import annotations

import math
from typing import Final

from sim_device.plant.delay import NEVER

TRAVEL_US: Final = 10_000  # [P] 10 ms typical, both ways
CLOSED_SWITCH: Final = 0.02  # [C] share of the travel at which the switch at each end changes
OPEN_SWITCH: Final = 0.98
EDGE_ENTERS: Final = 0.5  # [C] the blade begins to clear the beam at half its travel
EDGE_LEAVES: Final = 0.9  # [C] and is out of it before the open switch answers


def transmission(position: float) -> float:
    """Share of a pulse's energy that passes: nothing up to half the travel, everything from 0.9 on."""
    if position <= EDGE_ENTERS:
        return 0.0
    return 1.0 if position >= EDGE_LEAVES else (position - EDGE_ENTERS) / (EDGE_LEAVES - EDGE_ENTERS)


class Shutter:
    """Position 0 (closed) to 1 (open) over time, and the two position switches.

    `stuck` freezes the blade where it is, `driver_welded` lets current flow whatever the output, as long as
    there is a supply; both, and the times of travel, are set through `Plant.act`.
    """

    __slots__ = (
        *("close_travel_us", "closed_switch", "driver_welded", "next_us", "open_switch", "open_travel_us"),
        *("stuck",),
        *("_from_position", "_from_us", "_rests_at", "_rests_us", "_travel_us"),
    )

    def __init__(self) -> None:
        self.stuck = False
        self.driver_welded = False
        self.open_travel_us = TRAVEL_US
        self.close_travel_us = TRAVEL_US
        self.closed_switch = True
        self.open_switch = False
        self.next_us = NEVER
        self._from_us = 0
        self._from_position = 0.0
        self._rests_at = 0.0
        self._rests_us = 0  # when the blade is there
        self._travel_us = -TRAVEL_US  # time of the whole way, negative while it closes, 0 while it is stuck

    def position(self, now_us: int) -> float:
        """Share of the travel, 0 closed, 1 open."""
        if now_us >= self._rests_us:
            return self._rests_at
        return self._from_position + (now_us - self._from_us) / self._travel_us

    def drive(self, now_us: int, *, current: bool, supply: bool) -> None:
        """Switch the coil's current and its supply."""
        travel_us = (
            self.open_travel_us if supply and (current or self.driver_welded) else -self.close_travel_us
        )
        if self.stuck:
            travel_us = 0
        if travel_us != self._travel_us:
            self._from_position = self.position(now_us)
            self._from_us = now_us
            self._travel_us = travel_us
            self._rests_at = 1.0 if travel_us > 0 else 0.0 if travel_us else self._from_position
            self._rests_us = now_us + math.ceil((self._rests_at - self._from_position) * travel_us)
            self._plan(now_us)

    def happen(self, now_us: int) -> bool:
        """One of the switches changes."""
        if self._travel_us > 0:
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
        if not self._travel_us:
            self.next_us = NEVER
            return
        if self._travel_us > 0:
            leaves, arrived = self.closed_switch, self.open_switch
            switch = CLOSED_SWITCH if leaves else OPEN_SWITCH
        else:
            leaves, arrived = self.open_switch, self.closed_switch
            switch = OPEN_SWITCH if leaves else CLOSED_SWITCH
        if leaves or not arrived:
            way_us = round((switch - self._from_position) * self._travel_us)
            self.next_us = max(now_us + 1, self._from_us + way_us)
        else:
            self.next_us = NEVER
