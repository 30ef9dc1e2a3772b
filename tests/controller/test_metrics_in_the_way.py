"""What must not stand in anybody's way: a stuck database, many who scrape, pulses that cannot be counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from controller.fanout import Kind as Told
from controller.metric import Snapshot
from controller.metrics_page import ANSWER_S, MetricsPage
from controller.store import Store
from rig.stack import Stack
from tests.controller.scraping import asking, seen, with_metrics

VIRTUAL_TIME = True


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with with_metrics() as stack:
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(stack) as client:
        yield client


class HangingStore:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.pending = self.asked = 0

    async def run(self, *_: Any, **__: Any) -> int:
        self.asked += 1
        self.pending += 1
        await self.answers.wait()
        self.pending -= 1
        return 7


async def test_a_database_that_hangs_is_asked_once_and_the_page_comes_all_the_same(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    page, answer = stack.daemon.metrics, ("picolase_store_answer_seconds", ())
    assert page is not None
    assert (await seen(http))[answer] == 0
    await asyncio.sleep(2)
    hanging = HangingStore()
    page._writer = hanging  # type: ignore[assignment]  # stands in for a disk that is stuck
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    found = await asyncio.gather(*(seen(http) for _ in range(20)))
    assert loop.time() - began_s == pytest.approx(ANSWER_S, abs=0.01)
    assert all(one[answer] == pytest.approx(ANSWER_S, abs=0.01) for one in found)
    await asyncio.sleep(9.5)
    assert (await seen(http))[answer] == pytest.approx(10 + ANSWER_S, abs=0.01)
    assert hanging.asked == 1
    hanging.answers.set()
    await asyncio.sleep(0)
    assert page.snapshot().outbox_waiting == 7
    assert page.snapshot().store_answer_s == pytest.approx(10 + ANSWER_S, abs=0.01)


async def test_the_database_is_asked_once_a_second_however_many_scrape(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    page = stack.daemon.metrics
    assert page is not None
    counting = HangingStore()
    counting.answers.set()
    page._writer = counting  # type: ignore[assignment]  # counts
    for _ in range(30):
        await http.get("/metrics")
        await asyncio.sleep(0.1)
    assert counting.asked == 3


async def test_the_loop_has_a_turn_between_two_pages_however_many_ask_at_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stack.settled()
    page, turns, made_in = stack.daemon.metrics, 0, list[int]()
    assert page is not None

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def snapshot(taken: Callable[[], Snapshot] = page.snapshot) -> Snapshot:
        made_in.append(turns)
        return taken()

    monkeypatch.setattr(page, "snapshot", snapshot)
    counting = asyncio.create_task(count_turns())
    await asyncio.gather(*(page.page("") for _ in range(50)))
    counting.cancel()
    assert len(made_in) == len(set(made_in)) == 50


async def test_a_pulse_that_cannot_be_counted_is_told_and_ends_nothing(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    stack.daemon.fanout.tell(Told.PULSE, {"nonsense": 1})
    await asyncio.sleep(0.1)
    found = await seen(http)
    assert found[("picolase_pulses_uncounted_total", ())] == 1
    assert stack.running
    await stack.acknowledge()
    await stack.prepare()
    await stack.arm()
    await stack.fire(2)
    assert (await seen(http))[("picolase_pulses_total", ("delivered",))] == 2
    stack.release()


async def test_pulses_beyond_what_may_wait_are_told_as_not_counted() -> None:
    async with Stack() as stack:
        await stack.settled()
        daemon = stack.daemon
        page = MetricsPage(daemon.reporter, daemon.writer, daemon.fanout, stack.wall_clock)
        for _ in range(3_000):  # its task does not run: as if the loop never came to it
            daemon.fanout.tell(Told.PULSE, {"nonsense": 1})
        assert page.snapshot().uncounted == 3_000 - 2_048


def test_the_outbox_is_counted_no_further_than_asked(store: Store) -> None:
    for number in range(5):
        store.outbox_put("pulse", {"number": number})
    assert [store.outbox_depth(at_most=most) for most in (0, 3, 5, 9)] == [0, 3, 5, 5]
    assert store.outbox_depth() == 5
