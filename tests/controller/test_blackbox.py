"""The black box: what happened in the seconds around a trip, on disk, once for each trip."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.blackbox import ENTRIES_MAX, BlackBox
from controller.store import StoreWriter
from hal.time import now_us
from hal.traffic import Chunk, Direction
from protocols.messages import Heartbeat, Intent
from rig.records import Records

VIRTUAL_TIME = True


class Desk:
    """A black box over a real database."""

    def __init__(self) -> None:
        self.records = Records(None, lambda: datetime(2030, 1, 1, tzinfo=UTC))
        self.store = self.records.open()
        self.traffic: list[Chunk] = []
        self.failed: list[str] = []
        ids = iter(range(1, 100))
        self.box = BlackBox(
            StoreWriter(self.store, inline=True),
            now_us=now_us,
            traffic=lambda: self.traffic,
            report=lambda: {"state": "as it is when written"},
            new_id=lambda: f"incident-{next(ids)}",
            on_failed=self.failed.append,
        )
        self.running = asyncio.create_task(self.box.run())

    def incidents(self) -> list[str]:
        return [incident.first_cause for incident in self.records.reader.incidents()]

    def body(self, number: int) -> dict[str, Any]:
        return dict(self.records.reader.incident(f"incident-{number}").body or {})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    desk.running.cancel()
    await asyncio.wait({desk.running})
    desk.records.close()


async def test_without_a_trip_nothing_is_kept(desk: Desk) -> None:
    for _ in range(50):
        desk.box.note("event", "nothing special")
        await asyncio.sleep(1)
    assert desk.incidents() == []


async def test_a_trip_keeps_30_seconds_before_and_2_after(desk: Desk) -> None:
    for second in range(60):
        desk.box.note("event", f"second {second}")
        desk.traffic.append(Chunk(now_us(), Direction.IN, bytes([second])))
        await asyncio.sleep(1)
    desk.box.message(Heartbeat(7, Intent.ARMED), now_us())
    desk.box.trip("the door")
    await asyncio.sleep(1)
    desk.box.note("event", "after it")
    assert desk.incidents() == []
    await asyncio.sleep(2)
    desk.box.note("event", "long after it")
    assert desk.incidents() == ["the door"]
    body = desk.body(1)
    assert body["tripped_us"] == 60_000_000
    entries = body["entries"]
    words = [entry["text"] for entry in entries if entry["kind"] == "event"]
    assert words == [*(f"second {second}" for second in range(30, 60)), "after it"]
    assert {entry["ms"] for entry in entries if entry["kind"] == "trip"} == {0.0}
    message = next(entry for entry in entries if entry["kind"] == "message")
    assert message == {"ms": 0.0, "kind": "message", "name": "Heartbeat", "challenge": 7, "intent": "armed"}
    assert [bytes.fromhex(chunk["hex"])[0] for chunk in body["traffic"]] == list(range(30, 60))
    assert {chunk["way"] for chunk in body["traffic"]} == {"in"}
    assert body["report"] == {"state": "as it is when written"}


async def test_what_trips_within_the_seconds_after_belongs_to_the_first_cause(desk: Desk) -> None:
    desk.box.trip("first")
    await asyncio.sleep(0.5)
    desk.box.trip("second")
    desk.box.trip("third")
    await asyncio.sleep(3)
    assert desk.incidents() == ["first"]
    trips = [entry["text"] for entry in desk.body(1)["entries"] if entry["kind"] == "trip"]
    assert trips == ["first", "second", "third"]
    desk.box.trip("another day")
    await asyncio.sleep(3)
    assert sorted(desk.incidents()) == ["another day", "first"]


async def test_a_storm_of_messages_stays_bounded(desk: Desk) -> None:
    for number in range(ENTRIES_MAX + 500):
        desk.box.note("event", str(number))
    desk.box.trip("storm")
    await asyncio.sleep(3)
    entries = desk.body(1)["entries"]
    assert len(entries) == ENTRIES_MAX
    assert entries[-1]["text"] == "storm"


async def test_a_box_that_cannot_be_kept_says_so_and_the_next_one_can(desk: Desk) -> None:
    chance = random.Random(1)
    desk.store.fill_disk()
    for _ in range(200):
        desk.box.note("event", chance.randbytes(500).hex())  # what does not shrink
    desk.box.trip("with a full disk")
    await asyncio.sleep(3)
    assert len(desk.failed) == 1
    assert "with a full disk" in desk.failed[0]
    assert "disk is full" in desk.failed[0]
    desk.store.free_disk()
    desk.box.trip("with room")
    await asyncio.sleep(3)
    assert desk.incidents() == ["with room"]
