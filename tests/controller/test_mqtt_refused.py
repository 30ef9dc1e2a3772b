"""The publisher and brokers that refuse, break, stay away or never answer."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controller import mqtt, mqtt_tries
from controller.config import MqttConfig
from controller.fanout import Kind
from controller.mqtt_link import LinkTrouble, read_secrets
from tests.controller.publishing import ROOT, STAMP, Bench, told, watching


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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    broker = FakeBroker(swallow="pulse")
    async with faked(broker) as port:
        bench = Bench(port, version="3.1.1")
        for n in range(3):
            bench.outbox.put("pulse", pulse_number=n)
        async with bench.running(), asyncio.timeout(4.5):  # before a refresh could notice
            await bench.outbox.empty.wait()
    assert [topics.count("pulse") for topics in broker.got] == [3, 1]


async def test_a_lost_connection_is_noticed_at_once_and_all_that_is_retained_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 30.0)  # not by a time-out
    broker = FakeBroker(hang_up=True)
    async with faked(broker) as port:
        bench = Bench(port, version="3.1.1")
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.05)
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.2)
    broker = FakeBroker(swallow="pulse")
    async with faked(broker) as port:
        bench = Bench(port, version="3.1.1")
        async with bench.running():
            await broker.until(lambda: bool(broker.got) and broker.got[0].count("status") > 1, within_s=10)
            bench.outbox.put("pulse", pulse_number=1)
            bench.tell(Kind.PULSE)
            await broker.until(lambda: len(broker.got) > 1 and "status" in broker.got[1], within_s=10)
    assert "alarm/door" in broker.got[0]
    assert not [topic for topic in broker.got[1] if topic.startswith("alarm")]


async def until_told(caplog: pytest.LogCaptureFixture, count: int) -> None:
    while len(told(caplog)) < count:  # noqa: ASYNC110  # a log has no event to wait for
        await asyncio.sleep(0)


@pytest.mark.parametrize(("code", "word"), [(4, "Bad user name or password"), (5, "Not authorized")])
async def test_a_broker_that_refuses_is_told_apart_and_only_the_first_time_at_warning(
    code: int, word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    caplog.set_level(logging.DEBUG, "controller.mqtt")
    async with answering(bytes([0x20, 2, 0, code])) as (port, clients), asyncio.timeout(15):
        bench = Bench(port, version="3.1.1")
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    async with answering(b"HTTP/1.0 400 Bad Request\r\n\r\n") as (port, clients), asyncio.timeout(15):
        bench = Bench(port, tls=True, version="3.1.1")
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    caplog.set_level(logging.DEBUG, "controller.mqtt")
    bench = Bench(port, version="3.1.1")
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    async with answering(b"") as (port, clients), asyncio.timeout(15):
        bench = Bench(port, version="3.1.1")
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
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
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
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
