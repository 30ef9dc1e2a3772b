"""A simulator that is served to the outside, and what stands in for one."""

import asyncio
import contextlib
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from protocols.states import State
from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.memory import RamMemory
from sim_device.plant import Plant
from sim_device.serve import Pump
from sim_device.simulator import Simulator

S = 1_000_000
MS = 1_000


class Echo:
    """A firmware that kicks every 50 ms, sends back what it hears, and is warm after 60 s."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.state = State.WARM_UP
        self.steps: list[int] = []
        self.spoken = b""
        self.broken = False
        self._kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self._kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        if self.broken:
            raise RuntimeError("this firmware is broken")
        self.steps.append(now_us)
        if now_us >= 60 * S:
            self.state = State.STANDBY
        if now_us >= self._kick_us:
            self.outputs.watchdog_kicks += 1
            self._kick_us = now_us + 50 * MS
        spoken, self.spoken = self.spoken, b""
        return Step(received + spoken, console.upper(), self._kick_us)


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: time jumps to the loop's next timer."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


def in_virtual_time(scenario: Callable[[JumpingSelector], Coroutine[Any, Any, None]]) -> None:
    selector = JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign] # the loop's clock is what is replaced
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scenario(selector))


@contextlib.asynccontextmanager
async def running(speed: int = 1) -> AsyncIterator[tuple[Pump, Echo]]:
    firmware = Echo()
    pump = Pump(Simulator(firmware, Plant(1), RamMemory()), speed)
    task = asyncio.create_task(pump.run())
    await asyncio.sleep(0)
    try:
        yield pump, firmware
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
