"""The publisher against the embedded broker in the same process, and against brokers that answer badly."""

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller import mqtt
from controller.broker import embedded_broker
from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher
from controller.mqtt_link import LinkTrouble, read_secrets
from controller.store.errors import StoreLocked
from controller.store.records import OutboxMessage

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
        self._news = asyncio.Event()

    def of(self, topic: str) -> list[dict[str, Any] | None]:
        return [payload for name, payload, _ in self.seen if name == ROOT + topic]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
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
            async with asyncio.timeout(15):
                await task


@pytest.fixture
async def broker_port() -> AsyncIterator[int]:
    async with embedded_broker() as port:
        yield port


async def test_a_birth_follows_about_state_and_alarms_and_a_clean_end_is_said(broker_port: int) -> None:
    bench = Bench(broker_port)
    bench.tell(Kind.ABOUT, serial="PL-1", period_ms=100)
    bench.tell(Kind.STATE, state="standby", ilk_door=True)
    bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "text": "door opened"}})
    async with watching(broker_port) as watcher:
        async with bench.running():
            await watcher.until_seen("status")
        (*_, clean) = await watcher.until_seen("status", 2)
        order = [name.removeprefix(ROOT) for name, _, _ in watcher.seen]
        assert order == ["about", "state", "alarm/door", "alarm/estop", "status", "status"]
        assert watcher.of("status")[0] == {
            "online": True,
            "boot": "run-1",
            "ts": "2026-03-01T12:00:00.000000Z",
            "schema": "1.0",
            "seq": 0,
        }
        assert clean is not None
        assert (clean["online"], clean["reason"], clean["seq"]) == (False, "clean", 1)
        assert watcher.of("state") == [{**STAMP, "state": "standby", "ilk_door": True, "seq": 0}]
        assert watcher.of("alarm/estop") == [None]  # one that stood there from an earlier run
    async with watching(broker_port) as late:
        await late.until(lambda: len(late.seen) >= 4)
        assert {(name.removeprefix(ROOT), kept) for name, _, kept in late.seen} == {
            ("about", True),
            ("state", True),
            ("alarm/door", True),
            ("status", True),
        }
    assert bench.publisher.health.trouble is None


async def test_state_is_published_when_its_content_changes_and_not_with_every_status(
    broker_port: int,
) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for n in range(50):
            bench.tell(Kind.STATE, state="standby", mono_ns=n)
        bench.tell(Kind.STATE, state="standby", mono_ns=99)
        await watcher.until_seen("state")
        bench.tell(Kind.STATE, state="standby", mono_ns=100)
        bench.tell(Kind.EVENT)  # wakes the publisher for nothing
        bench.tell(Kind.STATE, state="fault", mono_ns=101)
        states = await watcher.until_seen("state", 2)
        assert [(s["state"], s["seq"]) for s in states if s] == [("standby", 0), ("fault", 1)]


async def test_state_and_birth_are_refreshed_and_an_old_state_is_marked_stale(
    broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    monkeypatch.setattr(mqtt, "STALE_S", 0.12)
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        bench.tell(Kind.STATE, state="standby")
        await watcher.until(lambda: any(s is not None and s["q"] == "stale" for s in watcher.of("state")))
        states = [s for s in watcher.of("state") if s]
        assert [s["q"] for s in states] == ["sim"] * (len(states) - 1) + ["stale"]
        assert {s["ts"] for s in states} == {STAMP["ts"]}  # it does not get younger by being told again
        assert [s["seq"] for s in states] == list(range(len(states)))
        bench.tell(Kind.STATE, state="standby")
        await watcher.until(lambda: (watcher.of("state")[-1] or {})["q"] == "sim")
        await watcher.until_seen("status", 3)
        assert all(s and s["online"] for s in watcher.of("status"))


async def test_the_refresh_comes_also_while_there_is_always_news(
    broker_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        n = 0
        while len(watcher.of("status")) < 3:
            n += 1
            bench.tell(Kind.STATE, n=n)
            bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "mono_ns": n}})
            await watcher.until_seen("state", len(watcher.of("state")) + 1)
            assert n < 10_000
        assert len(watcher.of("alarm/door")) == 2  # cleared at first, then raised once: only its time changed


async def test_alarms_are_raised_changed_and_cleared(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for present in (True, False):
            bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "present": present}})
            await watcher.until(lambda p=present: watcher.of("alarm/door")[-1] is not None)  # type: ignore[misc]  # bound now
            await watcher.until(lambda p=present: (watcher.of("alarm/door")[-1] or {})["present"] is p)  # type: ignore[misc]
        bench.fanout.tell(Kind.ALARMS, {"host-stale": {**STAMP, "text": "stale"}})
        await watcher.until_seen("alarm/host-stale")
        assert watcher.of("alarm/door")[-1] is None
        bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "present": True}})
        await watcher.until(lambda: watcher.of("alarm/door")[-1] is not None)
        assert watcher.of("alarm/estop") == [None]  # cleared once, not again with each change


async def test_samples_come_at_their_rate_newest_first_and_the_replaced_ones_are_counted(
    broker_port: int,
) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for n in range(100):
            bench.tell(Kind.TELEMETRY, n=n)
        (first,) = await watcher.until_seen("telemetry")
        assert first is not None
        assert (first["n"], first["samples_dropped"], first["seq"]) == (99, 99, 0)
        for n in range(100, 110):  # each told when the one before was taken, so that both places count
            bench.tell(Kind.TELEMETRY, n=n)
            await asyncio.sleep(0)
        samples = await watcher.until_seen("telemetry", 2)
        assert samples[1] is not None
        told = samples[1]["n"] + 1
        assert told == 110
        assert samples[1]["samples_dropped"] == told - 2  # all but the two that were published
        assert bench.publisher.health.samples_dropped == told - 2


async def test_a_rate_is_kept(broker_port: int) -> None:
    bench = Bench(broker_port, telemetry_hz=10.0)
    loop = asyncio.get_running_loop()
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        bench.tell(Kind.TELEMETRY, n=0)
        await watcher.until_seen("telemetry", 1)
        began_s = loop.time()
        for n in range(1, 4):
            bench.tell(Kind.TELEMETRY, n=n)
            await watcher.until_seen("telemetry", n + 1)
        assert loop.time() - began_s > 0.25  # three periods of 0.1 s, less the jitter of the first


async def test_the_outbox_is_emptied_in_order_with_seq_lateness_and_stamp(broker_port: int) -> None:
    bench = Bench(broker_port)
    bench.tell(Kind.ABOUT, serial="PL-1", sim=True)
    for n in range(200):
        bench.outbox.put("pulse", pulse_number=n, set_energy_mj=173.0, unknown=int(n == 7))
        bench.outbox.put("event", id=n, text="x", subject="patient 7", daemon_boot="run-0")
    async with watching(broker_port) as watcher, bench.running():
        async with asyncio.timeout(15):
            await bench.outbox.empty.wait()
        pulses = [p for p in await watcher.until_seen("pulse", 200) if p]
        events = [e for e in await watcher.until_seen("event", 200) if e]
    assert [(p["pulse_number"], p["seq"], p["boot"]) for p in pulses] == [
        (n, n + 1, "run-1") for n in range(200)
    ]
    assert [(e["event_id"], e["seq"], e["boot"]) for e in events] == [(n, n + 1, "run-0") for n in range(200)]
    first = pulses[0]
    assert (first["ts"], first["mono_ns"]) == ("2026-03-01T11:59:00.000000Z", 7000)
    assert (first["late_s"], first["set_energy_mj"], first["q"], first["sim"]) == (60.0, 173.0, "sim", True)
    assert pulses[7]["q"] == "bad"
    assert "patient" not in json.dumps(events)
    assert bench.outbox.most_asked <= 64


async def test_what_cannot_be_published_stays_and_holds_up_nothing(
    broker_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(broker_port)
    bench.outbox.put("pulse", pulse_number=1)
    bench.outbox.put("gossip", text="no such topic")
    bench.outbox.put("event", wall_time="yesterday")
    bench.outbox.put("pulse", pulse_number=2)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("pulse", 2)
        await watcher.until(lambda: len(bench.outbox.rows) == 2)
    assert [row.id for row in bench.outbox.rows.values()] == [2, 3]
    assert [r.levelname for r in caplog.records if "cannot be published" in r.message] == ["ERROR", "ERROR"]


async def test_an_outbox_that_fails_is_tried_again_without_losing_the_connection(
    broker_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt, "OUTBOX_POLL_S", 0.01)
    bench = Bench(broker_port)
    bench.outbox.failures = [StoreLocked("the database is locked", "close it")] * 2
    bench.outbox.put("pulse", pulse_number=1)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("pulse")
        assert len(watcher.of("status")) == 1
    levels = [record.levelname for record in caplog.records if "the database is locked" in record.message]
    assert levels == ["ERROR"]  # the second one at DEBUG, which is not captured here


async def test_a_publisher_asked_to_stop_brings_out_what_it_was_told_before(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher:
        async with bench.running():
            await watcher.until_seen("status")
            for n in range(130):
                bench.outbox.put("pulse", pulse_number=n)
            bench.tell(Kind.STATE, state="off")
        await watcher.until_seen("status", 2)
        assert [state and state["state"] for state in watcher.of("state")] == ["off"]
        assert len(watcher.of("pulse")) == 130
        assert watcher.seen[-1][0] == ROOT + "status"
    assert not bench.outbox.rows


async def test_a_cancelled_publisher_leaves_the_word_to_the_broker(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher:
        task = asyncio.create_task(bench.publisher.run())
        await watcher.until_seen("status")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await watcher.until_seen("status", 2))[1] == {
            "online": False,
            "reason": "lost",
            "boot": "run-1",
        }
    assert bench.fanout.subscriptions == ()


async def test_one_who_publishes_on_every_topic_changes_nothing(broker_port: int) -> None:
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        async with aiomqtt.Client("127.0.0.1", broker_port) as vandal:
            for topic in ("cmd/stop", "status", "state", "pulse"):
                await vandal.publish(ROOT + topic, b'"rubbish"', qos=1)
        bench.outbox.put("pulse", pulse_number=1)
        bench.tell(Kind.PULSE)
        async with asyncio.timeout(15):
            await bench.outbox.empty.wait()
        assert bench.publisher.health.connected


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, asyncio.Semaphore]]:
    """A server that gives every client one answer to its CONNECT; the semaphore counts the clients."""
    clients = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        clients.release()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], clients
    server.close()


class FakeBroker:
    """A broker made of its answers: it can keep one acknowledgement back, and hang up on a status."""

    def __init__(self, *, swallow: str = "", hang_up: bool = False) -> None:
        self.got: list[list[str]] = []  # topics of each connection
        self._swallow = swallow
        self._hang_up = hang_up
        self._news = asyncio.Event()

    async def until(self, true: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        topics: list[str] = []
        self.got.append(topics)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length, shift = (await reader.readexactly(1))[0], 0, 0
                while True:
                    part = (await reader.readexactly(1))[0]
                    length |= (part & 127) << shift
                    shift += 7
                    if part < 128:
                        break
                body = await reader.readexactly(length)
                if kind == 0x10:
                    writer.write(bytes([0x20, 2, 0, 0]))
                elif kind & 0xF6 == 0x32:  # PUBLISH, QoS 1
                    end = 2 + int.from_bytes(body[:2])
                    topics.append(body[2:end].decode().removeprefix(ROOT))
                    if topics[-1] == "status" and self._hang_up:
                        self._hang_up = False
                        break
                    if topics[-1] == self._swallow:
                        self._swallow = ""
                    else:
                        writer.write(bytes([0x40, 2]) + body[end : end + 2])
                self._news.set()
        writer.close()
        self._news.set()


@contextlib.asynccontextmanager
async def faked(broker: FakeBroker) -> AsyncIterator[int]:
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_message_without_its_acknowledgement_is_published_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.2)
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    broker = FakeBroker(swallow="pulse")
    async with faked(broker) as port:
        bench = Bench(port)
        for n in range(3):
            bench.outbox.put("pulse", pulse_number=n)
        async with bench.running(), asyncio.timeout(4.5):  # before a refresh could notice
            await bench.outbox.empty.wait()
    assert [topics.count("pulse") for topics in broker.got] == [3, 1]


async def test_a_lost_connection_is_noticed_at_once_and_all_that_is_retained_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 30.0)  # not by a time-out
    broker = FakeBroker(hang_up=True)
    async with faked(broker) as port:
        bench = Bench(port)
        bench.tell(Kind.STATE, state="standby")
        bench.tell(Kind.ABOUT, serial="PL-1")
        bench.fanout.tell(Kind.ALARMS, {"door": {**STAMP, "text": "door opened"}})
        async with bench.running():
            await broker.until(lambda: len(broker.got) > 1 and "status" in broker.got[1], within_s=10)
            # The first birth was not acknowledged, so that none of what came with it counts as done.
            assert broker.got[1] == broker.got[0] == ["about", "state", "alarm/door", "alarm/estop", "status"]


async def test_what_the_broker_knows_as_cleared_is_not_cleared_again_after_a_reconnection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.2)
    broker = FakeBroker(swallow="pulse")
    async with faked(broker) as port:
        bench = Bench(port)
        async with bench.running():
            await broker.until(lambda: bool(broker.got) and broker.got[0].count("status") > 1, within_s=10)
            bench.outbox.put("pulse", pulse_number=1)
            bench.tell(Kind.PULSE)
            await broker.until(lambda: len(broker.got) > 1 and "status" in broker.got[1], within_s=10)
    assert "alarm/door" in broker.got[0]
    assert not [topic for topic in broker.got[1] if topic.startswith("alarm")]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(r.levelname, r.message) for r in caplog.records if r.name == "controller.mqtt"]


async def until_told(caplog: pytest.LogCaptureFixture, count: int) -> None:
    while len(told(caplog)) < count:  # noqa: ASYNC110  # a log has no event to wait for
        await asyncio.sleep(0)


@pytest.mark.parametrize(("code", "word"), [(4, "Bad user name or password"), (5, "Not authorized")])
async def test_a_broker_that_refuses_is_told_apart_and_only_the_first_time_at_warning(
    code: int, word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    caplog.set_level(logging.DEBUG, "controller.mqtt")
    async with answering(bytes([0x20, 2, 0, code])) as (port, clients), asyncio.timeout(15):
        bench = Bench(port)
        async with bench.running():
            for _ in range(4):
                await clients.acquire()
            health = bench.publisher.health
        assert (health.connected, health.sent) == (False, 0)
        assert health.trouble is not None
        assert f"refused us [[code:{130 + code}] {word}]: check username, password_file" in health.trouble
    levels = [level for level, _ in told(caplog)]
    assert levels[0] == "WARNING"
    assert len(levels) >= 3
    assert set(levels[1:]) == {"DEBUG"}


async def test_a_broker_that_cannot_be_trusted_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    async with answering(b"HTTP/1.0 400 Bad Request\r\n\r\n") as (port, clients), asyncio.timeout(15):
        bench = Bench(port, tls=True)
        async with bench.running():
            await clients.acquire()
            await clients.acquire()
        assert "no trusted connection" in str(bench.publisher.health.trouble)
        assert "ca_file" in str(bench.publisher.health.trouble)


async def test_a_broker_that_is_absent_is_told_apart_and_does_not_hinder_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering(b"") as (port, _):
        pass  # a port where nobody listens any more
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    caplog.set_level(logging.DEBUG, "controller.mqtt")
    bench = Bench(port)
    bench.outbox.put("pulse", pulse_number=1)
    async with bench.running(), asyncio.timeout(15):
        await until_told(caplog, 3)
    (first, text), *repeats = told(caplog)
    assert first == "WARNING"
    assert f"no broker answers at 127.0.0.1:{port}" in text
    assert {level for level, _ in repeats} == {"DEBUG"}
    assert len(bench.outbox.rows) == 1


async def test_a_server_that_never_answers_is_left_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.1)
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    async with answering(b"") as (port, clients), asyncio.timeout(15):
        bench = Bench(port)
        async with bench.running():
            for _ in range(3):
                await clients.acquire()
        assert "no broker answers" in str(bench.publisher.health.trouble)
    assert "[Operation timed out]" in told(caplog)[0][1]


async def test_cancelled_while_it_connects_it_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.2)
    closed = asyncio.Event()
    greeted = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        greeted.set()
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(15):
        task = asyncio.create_task(Bench(server.sockets[0].getsockname()[1]).publisher.run())
        await greeted.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


async def test_files_that_cannot_be_used_are_named_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broker_port: int
) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    file = tmp_path / "mqtt.password"
    bench = Bench(broker_port, username="laser", password_file=file)
    async with watching(broker_port) as watcher, bench.running():
        async with asyncio.timeout(15):
            await until_told(caplog, 1)
        assert "[mqtt] cannot be used" in told(caplog)[0][1]
        assert str(file) in told(caplog)[0][1]
        file.write_text("secret\n")  # the operator puts it right: no restart is needed
        await watcher.until_seen("status")
    assert "secret" not in caplog.text


async def test_certificates_that_are_none_are_a_matter_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(LinkTrouble, match="ca_file") as trouble:
        read_secrets(MqttConfig(tls=True, ca_file=file))
    assert trouble.value.kind == "settings"
    assert isinstance(read_secrets(MqttConfig(tls=True)).tls, ssl.SSLContext)


async def test_an_error_of_our_own_is_logged_and_does_not_end_publishing(
    broker_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_S", (0.01, 0.02))
    bench = Bench(broker_port)
    bench.outbox.failures = [ZeroDivisionError("a bug")]
    bench.outbox.put("pulse", pulse_number=1)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("pulse")
    assert [r.levelname for r in caplog.records if "publishing failed" in r.message] == ["ERROR"]


async def test_an_item_that_makes_no_sense_does_not_make_the_publisher_deaf(
    broker_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(broker_port)
    mistakes: list[tuple[Kind, Any]] = [
        (Kind.ALARMS, None),
        (Kind.ALARMS, {"No_Id": STAMP}),
        (Kind.ALARMS, {"door": {"value": {1, 2}}}),
        (Kind.STATE, {"state": float("nan")}),
        (Kind.STATE, {"state": object()}),
        (Kind.TELEMETRY, {"value": {1, 2}}),
    ]
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        for kind, mistake in mistakes:
            bench.fanout.tell(kind, mistake)
            await asyncio.sleep(0)
        bench.tell(Kind.STATE, state="standby")
        bench.tell(Kind.TELEMETRY, n=1)
        assert [state and state["state"] for state in await watcher.until_seen("state")] == ["standby"]
        await watcher.until_seen("telemetry")
        assert watcher.of("alarm/door") == [None]
    levels = [r.levelname for r in caplog.records if "cannot be published" in r.message]
    assert levels == ["ERROR"] * 3  # one for each kind, the others at DEBUG
