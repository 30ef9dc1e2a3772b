"""A publisher on a bench, and somebody who watches what it says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher
from controller.store.records import OutboxMessage
from tests.controller import contract
from tests.controller.brokers import PATIENCE_S

ROOT = "laser/v1/room-1/laser-1/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAMP = {"ts": "2026-03-01T12:00:00.000000Z", "mono_ns": 1, "boot": "run-1", "q": "sim", "sim": True}


class ListOutbox:
    """An outbox in memory that keeps what it handed out until told, as the store's does."""

    def __init__(self) -> None:
        self.rows: dict[int, OutboxMessage] = {}
        self.most_asked = 0
        self.failures: list[Exception] = []
        self.empty = asyncio.Event()
        self.empty.set()

    def put(self, topic: str, **payload: object) -> None:
        number = max(self.rows, default=0) + 1
        seq = 1 + sum(row.topic == topic for row in self.rows.values())
        told = {"wall_time": "2026-03-01T11:59:00.000000Z", "mono_us": 7} | payload
        self.rows[number] = OutboxMessage(number, topic, seq, told, NOON - timedelta(seconds=60))
        self.empty.clear()

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        self.most_asked = max(self.most_asked, limit)
        if self.failures:
            raise self.failures.pop()
        return [row for row in self.rows.values() if row.id > after_id][:limit]

    async def done(self, ids: Sequence[int]) -> None:
        for number in ids:
            del self.rows[number]
        if not self.rows:
            self.empty.set()


class Watcher:
    """An independent subscriber that keeps all it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any] | None, bool]] = []
        self.breaches: list[str] = []  # of the contract
        self._news = asyncio.Event()

    def of(self, topic: str) -> list[dict[str, Any] | None]:
        return [payload for name, payload, _ in self.seen if name == ROOT + topic]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def until_seen(self, topic: str, count: int = 1) -> list[dict[str, Any] | None]:
        await self.until(lambda: len(self.of(topic)) >= count)
        return self.of(topic)

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = json.loads(bytes(message.payload)) if message.payload else None
            self.seen.append((str(message.topic), payload, message.retain))
            suffix = str(message.topic).removeprefix(ROOT)
            if isinstance(payload, dict) and suffix in contract.REAL:
                self.breaches += contract.breaches(suffix, payload)
            self._news.set()


@contextlib.asynccontextmanager
async def watching(port: int) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#", qos=1)
        task = asyncio.create_task(watcher.listen(client))
        yield watcher
        task.cancel()
        await asyncio.wait({task})
    assert not watcher.breaches


class Bench:
    """A publisher with what it hears and what it empties."""

    def __init__(self, port: int, **settings: Any) -> None:
        config: dict[str, Any] = {
            "host": "127.0.0.1",
            "site": "room-1",
            "device_id": "laser-1",
            "telemetry_hz": 10.0,
        }
        self.fanout = Fanout()
        self.outbox = ListOutbox()
        self.publisher = MqttPublisher(
            MqttConfig(port=port, **(config | settings)),
            fanout=self.fanout,
            outbox=self.outbox,
            boot="run-1",
            wall_clock=lambda: NOON,
            jitter=lambda: 0.0,
            alarm_ids={"door", "estop"},
        )

    def tell(self, kind: Kind, **payload: Any) -> None:
        self.fanout.tell(kind, {**STAMP, **payload})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.publisher.run())
        try:
            yield task
        finally:
            self.publisher.stop()
            async with asyncio.timeout(PATIENCE_S):
                await task


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(r.levelname, r.message) for r in caplog.records if r.name == "controller.mqtt"]
