"""What the page is told: in order, resumable, honest about what was missed, with a beat."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.declined import Declined
from controller.fanout import Fanout, Kind
from controller.web.events import KEPT, STREAMS_PER_BROWSER, WATCHERS_MAX, WATCHING, Events, message
from rig.stack import BEGAN, Stack, plan_text
from tests.controller.webbing import messages, window

VIRTUAL_TIME = True


class Bench:
    """The events of a daemon whose news a test makes up."""

    def __init__(self) -> None:
        self.fanout = Fanout()
        self.reports = 0
        self.events = Events(self.fanout, self.report, boot="b00t", wall_clock=lambda: BEGAN)

    def report(self) -> dict[str, Any]:
        self.reports += 1
        return {"report": self.reports}

    async def pulses(self, *numbers: int) -> None:
        for number in numbers:
            self.fanout.tell(Kind.PULSE, {"pulse_number": number})
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    running = asyncio.create_task(made.events.run())
    yield made
    running.cancel()
    await asyncio.wait({running})


def numbers(told: list[tuple[str, Any]]) -> list[int]:
    return [value["pulse_number"] for _, value in told]


async def test_the_first_thing_told_is_the_status_and_how_soon_to_come_back(bench: Bench) -> None:
    watch = bench.events.open()
    first = await anext(watch.pieces())
    assert first.startswith(b"retry: 500\n\n")
    assert messages(first) == [("status", "", {"kind": "status", "report": 1})]
    watch.close()


async def test_a_page_that_comes_later_is_told_of_all_that_is_kept_in_order(bench: Bench) -> None:
    await bench.pulses(*range(1, 6))
    bench.fanout.tell(Kind.EVENT, {"text": "something"})
    async with window(bench.events) as seen:
        await asyncio.sleep(0.01)
        assert numbers(seen.of("pulse")) == [1, 2, 3, 4, 5]
        assert [known_as for known_as, _ in seen.of("pulse", "event")] == [f"b00t-{n}" for n in range(1, 7)]
        assert seen.of("event")[0][1]["time"] == "2030-01-01T00:00:00.000000Z"
        await bench.pulses(6)
        assert numbers(seen.of("pulse")) == [1, 2, 3, 4, 5, 6]
        assert "gap" not in seen.kinds()


@pytest.mark.parametrize("missed", [0, 1, 2, KEPT - 1, KEPT, KEPT + 1, KEPT + 7, 3 * KEPT])
async def test_who_comes_back_gets_exactly_what_was_missed_or_is_told_how_much_is_lost(
    bench: Bench, missed: int
) -> None:
    await bench.pulses(*range(1, 11))
    await bench.pulses(*range(11, 11 + missed))
    async with window(bench.events, last="b00t-10") as seen:
        await asyncio.sleep(0.01)
        lost = max(0, missed - KEPT)
        assert numbers(seen.of("pulse")) == list(range(11 + lost, 11 + missed))
        assert [value["missed"] for _, value in seen.of("gap")] == ([lost] if lost else [])


@pytest.mark.parametrize(
    "last",
    ["other-3", "b00t-99", "b00t", "b00t-", "b00t--1", "b00t-x", "b00t-\u0663", "b00t-" + "9" * 90, "-"],
)
async def test_an_id_that_is_not_of_this_run_is_a_gap_of_unknown_size(bench: Bench, last: str) -> None:
    await bench.pulses(1, 2, 3)
    async with window(bench.events, last=last) as seen:
        await asyncio.sleep(0.01)
        assert [value["missed"] for _, value in seen.of("gap")] == [None]
        assert numbers(seen.of("pulse")) == [1, 2, 3]
        await bench.pulses(4)
        assert len(seen.of("gap")) == 1


async def test_a_window_that_does_not_read_costs_nothing_and_is_told_what_it_lost(bench: Bench) -> None:
    watch = bench.events.open()
    pieces = watch.pieces()
    await anext(pieces)
    await bench.pulses(*range(1, KEPT + 101))
    found = messages(await anext(pieces))
    gaps = [value for kind, _, value in found if kind == "gap"]
    pulses = [value["pulse_number"] for kind, _, value in found if kind == "pulse"]
    assert gaps == [{"kind": "gap", "missed": 100}]
    assert pulses == list(range(101, KEPT + 101))
    watch.close()


async def test_a_beat_comes_twice_a_second_whatever_else_happens(bench: Bench) -> None:
    heard: list[float] = []
    async with window(bench.events) as seen:
        for _ in range(400):
            before = seen.kinds().count("beat")
            bench.fanout.tell(Kind.STATE, {})
            await asyncio.sleep(0.01)
            if seen.kinds().count("beat") > before:
                heard.append(asyncio.get_running_loop().time())
    assert len(heard) in {8, 9}
    assert all(after - before <= 0.515 for before, after in pairwise(heard))


async def test_the_status_is_put_together_once_for_all_and_no_oftener_than_anyone_can_see(
    bench: Bench,
) -> None:
    async with window(bench.events) as one, window(bench.events) as other:
        await asyncio.sleep(0.2)
        began, at_first = bench.reports, len(one.of("status"))
        for _ in range(100):  # a change each 10 ms for a second
            bench.fanout.tell(Kind.STATE, {})
            await asyncio.sleep(0.01)
        assert 15 <= bench.reports - began <= 21
        assert len(one.of("status")) - at_first == bench.reports - began
        assert one.of("status")[1:] == other.of("status")[1:]
        bench.fanout.tell(Kind.STATE, {})
        last = bench.reports
        await asyncio.sleep(0.06)
        assert bench.reports > last  # the last change is never kept back for longer


async def test_without_a_change_the_status_comes_each_second(bench: Bench) -> None:
    async with window(bench.events) as seen:
        await asyncio.sleep(10.05)
        assert len(seen.of("status")) == 11


async def test_while_nobody_watches_nothing_is_put_together_and_the_pulses_are_kept(bench: Bench) -> None:
    async with window(bench.events):
        await asyncio.sleep(3)
        assert WATCHING in {feed.name for feed in bench.fanout.subscriptions}
    await asyncio.sleep(1.1)
    reports = bench.reports
    await bench.pulses(1)
    bench.fanout.tell(Kind.STATE, {})
    await asyncio.sleep(10)
    assert bench.reports == reports
    assert WATCHING not in {feed.name for feed in bench.fanout.subscriptions}
    async with window(bench.events) as seen:
        await asyncio.sleep(0.01)
        assert seen.of("status")[0] == ("", {"kind": "status", "report": reports + 1})  # not an old one
        assert numbers(seen.of("pulse")) == [1]
        await asyncio.sleep(0.6)
        assert "beat" in seen.kinds()


async def test_no_more_watch_than_the_loop_can_bear(bench: Bench) -> None:
    watches = [bench.events.open() for _ in range(WATCHERS_MAX)]
    with pytest.raises(Declined) as refused:
        bench.events.open("another")
    assert (refused.value.status, refused.value.code) == (429, "watchers")
    watches.pop().close()
    bench.events.open("another").close()
    for watch in watches:
        watch.close()
        watch.close()
    assert bench.events.watchers == 0


async def test_one_browser_never_fills_its_six_connections_so_that_a_stop_gets_out(bench: Bench) -> None:
    mine = [bench.events.open("mine") for _ in range(STREAMS_PER_BROWSER)]
    assert STREAMS_PER_BROWSER < 6
    with pytest.raises(Declined) as refused:
        bench.events.open("mine")
    assert refused.value.code == "watchers.browser"
    bench.events.open("yours").close()
    mine.pop().close()
    bench.events.open("mine").close()


async def test_every_stream_ends_with_the_daemon(bench: Bench) -> None:
    fanout = Fanout()
    events = Events(fanout, dict, boot="b", wall_clock=lambda: BEGAN)
    running = asyncio.create_task(events.run())
    async with window(events) as seen:
        await asyncio.sleep(0.1)
        fanout.tell(Kind.EVENT, {"text": "the daemon ends"})
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        await asyncio.wait({seen.reading}, timeout=1)
        assert seen.reading.done()
        assert seen.of("event")[-1][1]["text"] == "the daemon ends"
    assert fanout.subscriptions == ()


@given(st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_no_text_of_a_message_can_end_it(value: Any) -> None:
    told = message("event", {"value": value}, "b-1")
    assert told.count(b"\n") == 4
    assert told.endswith(b"\n\n")
    assert b"\r" not in told
    assert [(kind, known_as) for kind, known_as, _ in messages(told)] == [("event", "b-1")]


async def test_of_a_real_laser_every_pulse_comes_once_in_order_as_it_is_recorded() -> None:
    async with Stack() as stack:
        events = Events(
            stack.daemon.fanout,
            stack.daemon.console.status,
            boot=stack.daemon.boot,
            wall_clock=stack.wall_clock,
        )
        running = asyncio.create_task(events.run())
        async with window(events) as seen:
            await stack.prepare(plan_text(series=[20]))
            await stack.arm()
            await stack.give_all()
            await asyncio.sleep(1)
            given = [pulse.pulse_number for pulse in stack.reader.pulses(stack.serial) if pulse.session_id]
            assert [n for n in numbers(seen.of("pulse")) if n in given] == given
            assert len(given) == 20
            states = [value["laser"]["state"] for _, value in seen.of("status") if value["laser"]]
            assert {"standby", "arming", "ready", "emitting"} <= set(states)
            assert seen.of("telemetry")
            assert seen.of("status")[-1][1]["session"]["delivered"] == 20
        running.cancel()
        await asyncio.wait({running})
