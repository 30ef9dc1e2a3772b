"""MQTT publish: how fast a publisher empties its outbox, beside bare aiomqtt on the same broker.

The bare ones publish, QoS 1, the very bytes that the publisher makes of a record, made before. One is the
loop of aiomqtt's own examples, which waits for each. One is asked for as many at once as the publisher reads
from its outbox; aiomqtt lets 20 of them on the way, as many as mosquitto allows a client of MQTT 5, which the
publisher is. The third lets all on the way. They take turns in short rounds: by the clock, since who is
slower waits for the same broker, and by processor time, which what else the machine does changes less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic_ns, perf_counter, process_time
from typing import Final

import aiomqtt

from bench.broker import ABSENT, HOST, program, serving
from bench.figures import Figure, Group
from bench.publishers import Laser, Outbox, started
from bench.store import DEVICE, PULSE
from controller.mqtt import IN_FLIGHT
from controller.mqtt_link import Outgoing
from controller.mqtt_rows import StoreOutbox, message_of
from controller.store import OutboxMessage, Store, StoreWriter
from protocols.topics import TopicTree

TITLE: Final = "MQTT publish: pulses out of one outbox, at mosquitto"
ROUNDS: Final = 11
PULSES: Final = 1_024  # in each round
TOGETHER: Final = 64  # recorded in one transaction
PATIENCE_S: Final = 60.0
GOAL: Final = ">= 0.8"

Took = tuple[float, float]
"""Seconds by the clock, and of processor time."""


def measure(folder: Path) -> Group:
    """With a mosquitto of its own in `folder`; without one there is nothing to measure."""
    mosquitto = program()
    if mosquitto is None:
        return Group(TITLE, notes=[ABSENT])
    with serving(mosquitto, folder) as (_, port):
        return Group(TITLE, asyncio.run(_rounds(port, folder / "bench.sqlite3")))


class _Database(StoreOutbox):
    """An outbox on disk, filled with pulses as the recorder does it."""

    def __init__(self, writer: StoreWriter) -> None:
        super().__init__(writer)
        self._store = writer
        self._numbers = count(1)
        self._waiting, self._filling = 0, False
        self.empty = asyncio.Event()

    async def fill(self) -> None:
        """Record so many pulses as a round has; none is told before all are there."""
        self._waiting, self._filling = PULSES, True
        self.empty.clear()
        for _ in range(0, PULSES, TOGETHER):
            pulses = [replace(PULSE, pulse_number=next(self._numbers)) for _ in range(TOGETHER)]
            await self._store.run(Store.record_pulses, pulses)
        self._filling = False

    async def next(self, limit: int, *, after_id: int) -> Sequence[OutboxMessage]:
        """As the store tells."""
        return () if self._filling else await super().next(limit, after_id=after_id)

    async def done(self, ids: Sequence[int]) -> None:
        """As the store does; and note when nothing is left."""
        await super().done(ids)
        self._waiting -= len(ids)
        if not self._waiting:
            self.empty.set()


async def _rounds(port: int, path: Path) -> list[Figure]:
    store = Store.open(path, wall_clock=lambda: datetime.now(UTC))
    store.save_device(DEVICE)
    writer = StoreWriter(store)
    database = _Database(writer)
    laser, stored = Laser(0, port), Laser(1, port, database)
    running = await started([laser, stored])
    try:
        async with (
            aiomqtt.Client(HOST, port) as plain,
            aiomqtt.Client(HOST, port, max_inflight_messages=IN_FLIGHT) as tuned,
        ):
            for bare in (plain, tuned):
                bare.pending_calls_threshold = IN_FLIGHT  # else it warns of each
            ways: dict[str, Callable[[], Awaitable[Took]]] = {
                "picolase": lambda: _ours(laser),
                "database": lambda: _stored(stored, database),
                "singly": lambda: _bare(plain, 1),
                "together": lambda: _bare(plain, IN_FLIGHT),
                "tuned": lambda: _bare(tuned, IN_FLIGHT),
            }
            took = {name: list[Took]() for name in ways}
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    took[name].append(await way())
    finally:
        laser.publisher.stop()
        stored.publisher.stop()
        await asyncio.gather(*running)
        await writer.close()

    def rate(name: str, whose: str) -> Figure:
        return Figure(whose, "messages/s", tuple(PULSES / clock_s for clock_s, _ in took[name]))

    def ratio(whose: str, name: str, others: str, which: int, goal: str = "") -> Figure:
        pairs = zip(took[others], took[name], strict=True)
        return Figure(whose, "ratio", tuple(its[which] / ours[which] for its, ours in pairs), goal)

    one_by_one, at_once = "bare aiomqtt, one after another", f"bare aiomqtt, {IN_FLIGHT} asked at once"
    all_at_once, on_disk = f"bare aiomqtt, {IN_FLIGHT} let on the way", "picolase, out of its database"
    return [
        rate("picolase", "picolase"),
        rate("database", on_disk),
        rate("singly", one_by_one),
        rate("together", at_once),
        rate("tuned", all_at_once),
        ratio(f"picolase, of {one_by_one}", "picolase", "singly", 0, GOAL),
        ratio(f"picolase, of {at_once}", "picolase", "together", 0, GOAL),
        ratio(f"picolase, of {all_at_once}", "picolase", "tuned", 0, GOAL),
        ratio(f"{on_disk}, of {one_by_one}", "database", "singly", 0, GOAL),
        ratio(f"{on_disk}, of {at_once}", "database", "together", 0),
        ratio(f"processor time: picolase, of {at_once}", "picolase", "together", 1),
        ratio(f"processor time: picolase, of {all_at_once}", "picolase", "tuned", 1),
    ]


async def _ours(laser: Laser) -> Took:
    for _ in range(PULSES):
        laser.outbox.put(monotonic_ns())
    return await _emptied(laser, laser.outbox.empty)


async def _stored(laser: Laser, database: _Database) -> Took:
    await database.fill()
    return await _emptied(laser, database.empty)


async def _emptied(laser: Laser, empty: asyncio.Event) -> Took:
    began_s, worked_s = perf_counter(), process_time()
    laser.wake()
    async with asyncio.timeout(PATIENCE_S):
        await empty.wait()
    return perf_counter() - began_s, process_time() - worked_s


async def _bare(client: aiomqtt.Client, at_once: int) -> Took:
    message = await _example()
    began_s, worked_s = perf_counter(), process_time()
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(0, PULSES, at_once):
            sent = (client.publish(message.topic, message.payload, message.qos) for _ in range(at_once))
            await asyncio.gather(*sent)
    return perf_counter() - began_s, process_time() - worked_s


async def _example() -> Outgoing:
    outbox = Outbox()
    outbox.put(monotonic_ns())
    (row,) = await outbox.next(1, after_id=0)
    return message_of(row, TopicTree("bench", "bare"), boot="bench", simulated=True, now=datetime.now(UTC))
