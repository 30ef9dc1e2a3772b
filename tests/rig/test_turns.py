"""The longest turn of the loop, in real time: what counts, and that nothing is compared by it."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from typing import cast

import pytest

from rig.campaign import do, jobs_of
from rig.result import Kept
from rig.script import Script
from rig.simulate import simulate
from rig.stack import plan_text
from rig.totals import totals
from rig.virtual_time import VirtualTimeLoop

SHORT = Script("short", 6.0, plan_text(series=[3]))


class Stopwatch:
    """Real time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds


class Slow:
    """A companion whose one event takes long."""

    def __init__(self, watch: Stopwatch) -> None:
        self.next_us = 1_000
        self._watch = watch

    def advance(self, until_us: int) -> int:
        assert until_us >= self.next_us
        return self.next_us

    def tell(self) -> None:
        self.next_us = 2**62
        self._watch.pass_s(5.0)


async def test_the_longest_turn_is_what_one_turns_callbacks_take_together() -> None:
    loop, watch = cast("VirtualTimeLoop", asyncio.get_running_loop()), Stopwatch()
    watch.pass_s(9.0)
    loop.measure_turns(watch)
    for at_s, takes_s in [(0.1, 0.2), (0.2, 0.3), (0.2, 0.4), (0.3, 0.5)]:
        loop.call_at(at_s, watch.pass_s, takes_s)
    await asyncio.sleep(1.0)
    assert loop.turn_s_max == pytest.approx(0.7)
    loop.measure_turns(watch)
    await asyncio.sleep(1.0)
    assert loop.turn_s_max == 0.0


async def test_what_a_companion_does_between_two_turns_is_no_turn() -> None:
    loop, watch = cast("VirtualTimeLoop", asyncio.get_running_loop()), Stopwatch()
    loop.measure_turns(watch)
    loop.companions.append(Slow(watch))
    await asyncio.sleep(1.0)
    assert watch.now_s == 105.0
    assert loop.turn_s_max == 0.0


def test_a_run_tells_its_longest_turn_and_is_not_told_apart_by_it() -> None:
    fast, slow = (simulate(SHORT, 1, clock=itertools.count(0.0, tick_s).__next__) for tick_s in (1e-3, 1.0))
    assert 0 < fast.turn_ms_max < slow.turn_ms_max
    assert fast.trace_sha256 == slow.trace_sha256
    assert fast.as_dict()["turn_ms_max"] == fast.turn_ms_max


def test_of_a_campaign_it_is_the_longest_of_all_and_older_results_have_none() -> None:
    run = do(next(jobs_of(SHORT, [1], chaos=False)))
    older = json.loads(run.line)
    del older["turn_ms_max"]
    longest = [replace(run, turn_ms_max=3.0), Kept.of_line(json.dumps(older)), replace(run, turn_ms_max=2.0)]
    assert totals(longest).turn_ms_max == 3.0
