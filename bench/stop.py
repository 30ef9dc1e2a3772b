"""From a Status that must trip to the STOP frame, in the host's process, while pulses are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Final
from unittest.mock import patch

from bench.figures import Figure, Group, percentile
from hal.memory_port import MemoryPort
from protocols.frame import Decoder, Frame
from protocols.messages import Message, Status, Stop
from rig.stack import Stack, plan_text
from rig.virtual_time import VirtualTimeLoop

ROUNDS: Final = 3
STOPS: Final = 100  # in each round
SETTLE_S: Final = 0.5  # virtual

Took = tuple[float, float]
"""Seconds by the clock, and of processor time."""


def measure(_folder: Path) -> Group:
    """The door opens while the laser emits; the whole daemon is there, its database in memory."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        rounds = runner.run(_rounds())
    figures = [
        Figure(f"p{percent}, {clock}", "ms", tuple(_ms(stops, which, percent) for stops in rounds), goal)
        for percent, goal in ((50, ""), (99, "<= 1"))
        for which, clock in enumerate(("by the clock", "processor time"))
    ]
    note = f"each round is {STOPS} stops, from the port's bytes in to the port's bytes out; "
    note += "the clock counts whatever else the machine does meanwhile"
    return Group("Stop decision in the host: Status in to STOP out", figures, [note])


def _ms(stops: list[Took], which: int, percent: int) -> float:
    return 1e3 * percentile((took[which] for took in stops), percent)


async def _rounds() -> list[list[Took]]:
    async with Stack() as stack:
        await stack.prepare(plan_text(series=f"[{STOPS * ROUNDS * 3}]"))
        return [[await _stop(stack) for _ in range(STOPS)] for _ in range(ROUNDS)]


async def _stop(stack: Stack) -> Took:
    """Fire, open the door, take the time; then close it and acknowledge."""
    await stack.daemon.console.aiming(await stack.login(), on=True)
    await stack.arm()
    await stack.fire(1)
    with _watched() as took:
        stack.laser.act("door", to="open")
        await stack.until(lambda: bool(took), "a STOP")
    stack.release()
    stack.laser.act("door", to="close")
    await asyncio.sleep(SETTLE_S)
    await stack.resume()
    return took[0]


@contextmanager
def _watched() -> Iterator[list[Took]]:
    """Stand at the host's port; the list gets what passes from the first fault told to the first STOP."""
    take, write = MemoryPort.take, MemoryPort.write
    began: list[Took] = []
    took: list[Took] = []

    def watched_take(port: MemoryPort, data: bytes) -> None:
        if not began and any(isinstance(told, Status) and told.faults for told in _messages(data)):
            began.append(_now())
        take(port, data)

    def watched_write(port: MemoryPort, data: bytes) -> None:
        clock_s, worked_s = _now()
        write(port, data)
        if began and not took and any(isinstance(said, Stop) for said in _messages(data)):
            took.append((clock_s - began[0][0], worked_s - began[0][1]))

    with patch.object(MemoryPort, "take", watched_take), patch.object(MemoryPort, "write", watched_write):
        yield took


def _now() -> Took:
    return perf_counter(), process_time()


def _messages(data: bytes) -> list[Message]:
    return [found.message for found in Decoder().feed(data) if isinstance(found, Frame)]
