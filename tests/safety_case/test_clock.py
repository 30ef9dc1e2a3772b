"""The clock on the wall is set while somebody treats: not a microsecond of any delay depends on it."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rig.stack import BEGAN, Stack, plan_text
from rig.virtual_time import VirtualTimeLoop
from sim_device.plant import TruePulse

HOUR = timedelta(hours=1)
STEPS = [HOUR, -HOUR, timedelta(milliseconds=1), timedelta(milliseconds=-1)]
PLAN = plan_text(series=[15, 15])


class Stepped(Stack):
    """A whole stack whose wall clock somebody sets."""

    ahead = timedelta()
    aheads: frozenset[timedelta] = frozenset({timedelta()})

    def wall_clock(self) -> datetime:
        return super().wall_clock() + self.ahead

    async def set_clock(self, chance: random.Random, steps: list[timedelta]) -> None:
        """At random moments, for ever."""
        while True:
            await asyncio.sleep(chance.random() * 1.5)
            self.ahead += chance.choice(steps)
            self.aheads |= {self.ahead}


def treated(steps: list[timedelta], seed: int, folder: Path | None = None) -> dict[str, Any]:
    """What happens in a treatment with an interruption, and what is recorded of it."""

    async def treat() -> dict[str, Any]:
        async with Stepped(3, folder=folder) as stack:
            setting = asyncio.create_task(stack.set_clock(random.Random(seed), steps)) if steps else None
            try:
                await stack.prepare(PLAN)
                await stack.arm()
                ready_us = stack.loop.now_us()
                await stack.fire(5)
                stack.laser.act("door", to="open")
                await asyncio.sleep(1)
                stack.laser.act("door", to="close")
                stack.release()
                await asyncio.sleep(1)
                await stack.resume()
                await stack.arm()
                await stack.give_all()
            finally:
                if setting is not None:
                    setting.cancel()
            light: list[TruePulse] = list(stack.truth.pulses)
            return {
                "light": light,
                "ready_us": ready_us,
                "ended_us": stack.loop.now_us(),
                "aheads": stack.aheads,
                "records": stack.reader.pulses(stack.serial, limit=1_000),
            }

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(treat())


@pytest.mark.shows("REQ-049", "HZ-037")
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("steps", [STEPS[:2], STEPS[2:], STEPS], ids=["an hour", "a millisecond", "both"])
def test_a_treatment_is_the_same_to_the_microsecond_however_the_wall_clock_is_set(
    steps: list[timedelta], seed: int
) -> None:
    quiet, stepped = treated([], seed), treated(steps, seed)
    assert stepped["light"] == quiet["light"]
    assert stepped["ready_us"] == quiet["ready_us"]
    assert stepped["ended_us"] == quiet["ended_us"]
    assert len(stepped["light"]) >= 30
    records, before = stepped["records"], quiet["records"]
    assert len(records) == len(stepped["light"]) - stepped["light"][0].number + 1
    assert [one.mono_us for one in records] == [one.mono_us for one in before]
    assert [one.device_time_us for one in records] == [one.device_time_us for one in before]
    assert [one.wall_time for one in records] != [one.wall_time for one in before]  # the clock was set indeed
    for one in records:  # and both clocks are told
        assert one.wall_time - BEGAN - timedelta(microseconds=one.mono_us) in stepped["aheads"]
