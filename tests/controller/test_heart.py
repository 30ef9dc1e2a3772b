"""The heart: a tick and a heartbeat each 50 ms, and silence whenever anything is not as it must be."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import cast

import pytest

from controller.heart import beat
from protocols.messages import Heartbeat, Intent
from rig.virtual_time import VirtualTimeLoop
from safety.reactions import Note, Reaction

VIRTUAL_TIME = True


class Watched:
    """A supervisor that remembers what it was told."""

    def __init__(self) -> None:
        self.lags_us: list[int] = []
        self.ticks_us: list[int] = []
        self.order: list[str] = []
        self.withheld = False

    def loop_lag(self, lag_us: int, now_us: int) -> list[Reaction]:
        del now_us
        self.order.append("lag")
        self.lags_us.append(lag_us)
        return [Note("lag", "")]

    def tick(self, now_us: int) -> list[Reaction]:
        self.order.append("tick")
        self.ticks_us.append(now_us)
        return [Note("tick", "")]

    def heartbeat(self, now_us: int) -> Heartbeat | None:
        self.order.append("heartbeat")
        return None if self.withheld else Heartbeat(now_us % 1000, Intent.IDLE)


async def beating(
    watched: Watched, seconds: float, meanwhile: Callable[[], object] | None = None
) -> tuple[list[Heartbeat], list[str]]:
    sent: list[Heartbeat] = []
    told: list[str] = []

    def react(reactions: list[Reaction]) -> None:
        told.extend(reaction.event for reaction in reactions if isinstance(reaction, Note))

    heart = asyncio.create_task(beat(watched, react, sent.append))
    await asyncio.sleep(seconds / 2)
    if meanwhile is not None:
        meanwhile()
    await asyncio.sleep(seconds / 2)
    heart.cancel()
    with pytest.raises(asyncio.CancelledError):
        await heart
    return sent, told


async def test_it_beats_each_50_ms_and_judges_the_loop_before_it_sends() -> None:
    watched = Watched()
    sent, told = await beating(watched, 1.0)
    assert watched.ticks_us == list(range(0, 1_000_001, 50_000))[: len(sent)]
    assert len(sent) in {20, 21}
    assert watched.order[:3] == ["lag", "tick", "heartbeat"]
    assert told[:2] == ["lag", "tick"]
    assert set(watched.lags_us) == {0}


async def test_a_withheld_heartbeat_is_not_sent_and_the_ticks_go_on() -> None:
    watched = Watched()
    watched.withheld = True
    sent, _ = await beating(watched, 1.0)
    assert sent == []
    assert len(watched.ticks_us) >= 20


async def test_a_late_beat_measures_its_lag_and_is_not_made_up_for() -> None:
    watched = Watched()
    loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
    await beating(watched, 1.02, lambda: loop.jump(0.33))
    late = [lag_us for lag_us in watched.lags_us if lag_us]
    assert late == [290_000]  # from the beat that was due at 550 ms, at 840 ms
    gaps_us = [b - a for a, b in pairwise(watched.ticks_us)]
    assert min(gaps_us) == 50_000  # never two at once


async def test_a_supervisor_that_raises_ends_the_heart() -> None:
    class Broken(Watched):
        def tick(self, now_us: int) -> list[Reaction]:
            raise ZeroDivisionError(now_us)

    sent: list[Heartbeat] = []
    with pytest.raises(ZeroDivisionError):
        await beat(Broken(), lambda _: None, sent.append)
    assert sent == []
