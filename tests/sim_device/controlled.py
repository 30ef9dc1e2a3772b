"""A laser that only the control channel moves."""

from typing import Any

from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.memory import RamMemory
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator

MS = 1_000


class Idle:
    """A firmware that only keeps its watchdog quiet."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.boots = 0
        self.kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self.boots += 1
        self.kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        if now_us >= self.kick_us:
            self.outputs.watchdog_kicks += 1
            self.kick_us = now_us + 50 * MS
        return Step(b"", b"", self.kick_us)


def bench(**contacts: Any) -> Simulator:
    return Simulator(Idle(), Plant(1, Contacts(**contacts)), RamMemory())
