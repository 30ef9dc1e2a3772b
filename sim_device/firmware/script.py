"""A timed sequence of acts, each a given time after the one before: the frame of self-test and arming."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim_device.firmware.changes import ALL
from sim_device.firmware.limits import NEVER_US

if TYPE_CHECKING:
    from sim_device.firmware.device import Device

Act = Callable[["Device"], None]


class Script:
    """Runs acts in their order; a late step makes what follows later, never shorter."""

    def __init__(self, acts: tuple[tuple[int, Act], ...]) -> None:
        self._acts = acts
        self._next = 0
        self._last_us = 0

    def start(self, now_us: int) -> None:
        """Begin anew at `now_us`."""
        self._next = 0
        self._last_us = now_us

    def run(self, device: Device) -> None:
        """Carry out what is due, as long as nothing of it changes the state."""
        state = device.state
        while device.now_us >= self.deadline_us and device.state is state:
            act = self._acts[self._next][1]
            self._next += 1
            self._last_us = device.now_us
            device.note(ALL)
            act(device)

    @property
    def done(self) -> bool:
        """Whether every act was carried out."""
        return self._next == len(self._acts)

    @property
    def deadline_us(self) -> int:
        """When the next act is due."""
        return NEVER_US if self.done else self._last_us + self._acts[self._next][0]
