"""The fan-out: order, full queues, and listeners who come and go."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.fanout import LATEST, Fanout, Kind


async def taken(subscription: object, count: int) -> list[object]:
    return [(await subscription.get()).value["n"] for _ in range(count)]  # type: ignore[attr-defined]  # any kind


async def test_items_come_in_the_order_in_which_they_were_told_whatever_their_kind() -> None:
    fanout = Fanout()
    with fanout.subscribe("all", dict.fromkeys(Kind, 10)) as all_kinds:
        kinds = [Kind.PULSE, Kind.STATE, Kind.PULSE, Kind.EVENT, Kind.STATE]
        for n, kind in enumerate(kinds):
            fanout.tell(kind, {"n": n})
        assert await taken(all_kinds, 5) == [0, 1, 2, 3, 4]


async def test_a_full_queue_drops_its_oldest_and_counts_it_and_no_other_queue_suffers() -> None:
    fanout = Fanout()
    with (
        fanout.subscribe("slow", {Kind.PULSE: 3, Kind.STATE: LATEST}) as slow,
        fanout.subscribe("roomy", {Kind.PULSE: 100}) as roomy,
    ):
        for n in range(10):
            fanout.tell(Kind.PULSE, {"n": n})
            fanout.tell(Kind.STATE, {"n": 100 + n})
        assert (len(slow), len(roomy)) == (4, 10)
        assert slow.dropped == {Kind.PULSE: 7, Kind.STATE: 9}
        assert not roomy.dropped
        assert await taken(slow, 4) == [7, 8, 9, 109]
        assert await taken(roomy, 10) == list(range(10))


@given(st.lists(st.sampled_from(list(Kind))), st.integers(1, 4))
def test_what_is_left_and_what_was_dropped_make_what_was_told(kinds: list[Kind], depth: int) -> None:
    async def run() -> None:
        fanout = Fanout()
        subscription = fanout.subscribe("s", dict.fromkeys([Kind.PULSE, Kind.EVENT], depth))
        for n, kind in enumerate(kinds):
            fanout.tell(kind, {"n": n})
        subscription.close()
        left = [(item.kind, item.value["n"]) async for item in subscription]
        oracle = []
        for kind in (Kind.PULSE, Kind.EVENT):
            told = [(kind, n) for n, k in enumerate(kinds) if k is kind]
            oracle += told[-depth:]
            assert subscription.dropped[kind] == max(0, len(told) - depth)
        assert left == sorted(oracle, key=lambda pair: pair[1])

    asyncio.run(run())


async def test_a_waiting_listener_is_woken_by_what_it_hears_and_only_that() -> None:
    fanout = Fanout()
    with fanout.subscribe("s", {Kind.EVENT: 5}) as subscription:
        waiting = asyncio.create_task(subscription.get())
        await asyncio.sleep(0)
        fanout.tell(Kind.PULSE, {"n": 1})
        await asyncio.sleep(0)
        assert not waiting.done()
        fanout.tell(Kind.EVENT, {"n": 2})
        async with asyncio.timeout(50):
            assert (await waiting).value == {"n": 2}


async def test_closing_ends_the_iteration_after_what_was_told_before() -> None:
    fanout = Fanout()
    subscription = fanout.subscribe("s", {Kind.EVENT: 5})
    fanout.tell(Kind.EVENT, {"n": 1})

    async def listen() -> list[object]:
        return [item.value["n"] async for item in subscription]

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    fanout.tell(Kind.EVENT, {"n": 2})
    subscription.close()
    subscription.close()  # once more changes nothing
    fanout.tell(Kind.EVENT, {"n": 3})
    async with asyncio.timeout(50):
        assert await listener == [1, 2]
    assert fanout.subscriptions == ()


async def test_a_listener_may_close_another_while_something_is_told() -> None:
    fanout = Fanout()
    subscriptions = [fanout.subscribe(str(n), {Kind.EVENT: 1}) for n in range(3)]
    fanout.tell(Kind.EVENT, {"n": 0})
    subscriptions[1].close()
    fanout.tell(Kind.EVENT, {"n": 1})
    assert [subscription.name for subscription in fanout.subscriptions] == ["0", "2"]
    assert [subscription.dropped[Kind.EVENT] for subscription in subscriptions] == [1, 0, 1]


async def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'s'.*pulse.*1 or more"):
        Fanout().subscribe("s", {Kind.PULSE: 0})
