"""Nothing the daemon does at leisure may hold up its heartbeat."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from controller import blackbox
from controller.store import Store, StoreWriter
from tests.still_laser import status

ENTRIES = blackbox.ENTRIES_MAX


async def test_the_black_box_is_written_down_in_many_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blackbox, "AFTER_S", 0)
    store = Store.in_memory(wall_clock=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    box = blackbox.BlackBox(
        StoreWriter(store, inline=True),
        now_us=lambda: 1,
        traffic=tuple,
        report=dict,
        new_id=lambda: "i1",
        on_failed=pytest.fail,
    )
    for _ in range(ENTRIES):
        box.message(status(), 1)
    turns = 0
    running = asyncio.create_task(box.run())
    box.trip("the door was opened")
    while not store.incidents():
        turns += 1
        await asyncio.sleep(0)
    running.cancel()
    body = store.incident("i1").body
    assert body is not None
    entries: Any = body["entries"]
    assert len(entries) == ENTRIES, "the newest are kept, the trip among them"
    assert entries[-1]["text"] == "the door was opened"
    assert turns >= ENTRIES / 50, "the loop was held up for more than fifty entries at once"
    store.close()
