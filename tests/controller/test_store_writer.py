"""The writer: order, failures, bounds, cancellation, end; in its thread and inline."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store import EventKind, Reader, RecordRefused, Severity, Store, StoreError, StoreWriter


def now() -> datetime:
    return datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture(params=["thread", "inline"])
async def writer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreWriter]:
    store = Store.open(tmp_path / "p.db", wall_clock=now)
    async with StoreWriter(store, inline=request.param == "inline", capacity=4) as made:
        yield made


@pytest.fixture
async def threaded(tmp_path: Path) -> AsyncIterator[StoreWriter]:
    async with StoreWriter(Store.open(tmp_path / "p.db", wall_clock=now), capacity=4) as made:
        yield made


async def record(writer: StoreWriter, text: str) -> int:
    return await writer.run(Store.record_event, EventKind.LINK, Severity.INFO, text, actor="x", now_us=0)


async def test_work_gives_its_result(writer: StoreWriter) -> None:
    assert await record(writer, "a") == 1
    assert [event.text for event in await writer.run(Store.events)] == ["a"]


async def test_work_is_done_in_the_order_in_which_it_was_handed_over(writer: StoreWriter) -> None:
    texts = [str(number) for number in range(50)]
    await asyncio.gather(*(record(writer, text) for text in texts))
    events = await writer.run(Store.events, limit=100)
    assert [event.text for event in reversed(events)] == texts
    assert writer.pending == 0


async def test_a_failure_reaches_its_caller_and_no_other(writer: StoreWriter) -> None:
    results = await asyncio.gather(
        record(writer, "a"),
        writer.run(Store.command, "none"),
        record(writer, "b"),
        return_exceptions=True,
    )
    assert results[0] == 1
    assert isinstance(results[1], RecordRefused)
    assert results[2] == 2


async def test_several_operations_can_be_one_piece_of_work(writer: StoreWriter) -> None:
    def both(store: Store) -> None:
        with store.transaction():
            store.append_audit("a", "x", {}, now_us=0)
            store.append_audit("b", "x", {}, now_us=0)

    await writer.run(both)
    assert [entry.kind for entry in await writer.run(lambda store: list(store.audit_entries()))] == ["a", "b"]


async def test_the_end_finishes_what_was_handed_over_and_refuses_what_comes_later(
    writer: StoreWriter, tmp_path: Path
) -> None:
    tasks = [asyncio.ensure_future(record(writer, str(number))) for number in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(writer.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="closed"):
        await record(writer, "late")
    await asyncio.gather(closing, *tasks)
    await writer.close()
    with Reader.open(tmp_path / "p.db") as reader:
        assert len(reader.events(limit=100)) == 20


async def test_the_event_loop_goes_on_while_the_disk_is_slow(threaded: StoreWriter) -> None:
    let_go = threading.Event()
    slow = asyncio.ensure_future(threaded.run(lambda _: let_go.wait(30)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not slow.done()
    let_go.set()
    assert await slow


async def test_what_waits_is_bounded_and_callers_wait_their_turn(threaded: StoreWriter) -> None:
    let_go = threading.Event()
    done: list[int] = []

    def note(_: Store, number: int) -> bool:
        done.append(number)
        return True

    tasks = [asyncio.ensure_future(threaded.run(lambda _: let_go.wait(30)))]
    tasks += [asyncio.ensure_future(threaded.run(note, number)) for number in range(10)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert threaded.pending == 11
    assert threaded._executor is not None
    assert threaded._executor._work_queue.qsize() == 3  # Four in all, one of them at work.
    let_go.set()
    await asyncio.gather(*tasks)
    assert done == list(range(10))
    assert threaded.pending == 0


async def test_work_that_was_handed_over_is_done_even_if_its_caller_is_cancelled(
    threaded: StoreWriter,
) -> None:
    let_go = threading.Event()
    first = asyncio.ensure_future(threaded.run(lambda _: let_go.wait(30)))
    second = asyncio.ensure_future(record(threaded, "kept"))
    for _ in range(5):
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    let_go.set()
    await first
    assert [event.text for event in await threaded.run(Store.events)] == ["kept"]
    assert threaded.pending == 0


async def test_a_failure_nobody_waits_for_any_more_is_logged(
    threaded: StoreWriter, caplog: pytest.LogCaptureFixture
) -> None:
    let_go = threading.Event()
    first = asyncio.ensure_future(threaded.run(lambda _: let_go.wait(30)))
    second = asyncio.ensure_future(threaded.run(Store.command, "none"))
    for _ in range(5):
        await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    let_go.set()
    await first
    await threaded.run(Store.outbox_depth)
    assert "there is no command 'none'" in caplog.text


async def test_a_caller_cancelled_before_its_turn_leaves_nothing_behind(threaded: StoreWriter) -> None:
    let_go = threading.Event()
    full = [asyncio.ensure_future(threaded.run(lambda _: let_go.wait(30))) for _ in range(4)]
    waiting = asyncio.ensure_future(record(threaded, "never"))
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    let_go.set()
    await asyncio.gather(*full)
    assert await threaded.run(Store.events) == []
    assert threaded.pending == 0


async def test_inline_work_uses_no_thread() -> None:
    async with StoreWriter(Store.in_memory(wall_clock=now), inline=True) as writer:
        here = threading.get_ident()
        assert await writer.run(lambda _: threading.get_ident()) == here
