"""MQTT 5 where the broker has it, 3.1.1 where not: decided at the connect, told apart on a real broker."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller import mqtt_tries
from controller.config import MqttConfig
from controller.fanout import Kind
from controller.mqtt_link import LinkTrouble, MqttLink, Outgoing, Secrets, connect, read_secrets
from tests.controller.brokers import PATIENCE_S, Mosquitto, without_mosquitto
from tests.controller.publishing import ROOT, Bench, told, watching

WILL = Outgoing("laser/v1/room-1/laser-1/status", b'{"online":false}', 1, True)


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[int]:
    broker = Mosquitto(folder, *lines)
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        yield broker.port
    finally:
        await broker.kill()


@contextlib.asynccontextmanager
async def seeing_properties(port: int) -> AsyncIterator[dict[str, aiomqtt.Message]]:
    """The newest message of each topic as a client of MQTT 5 sees it."""
    seen: dict[str, aiomqtt.Message] = {}
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("#", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                seen[str(message.topic).removeprefix(ROOT)] = message

        task = asyncio.create_task(listen())
        yield seen
        task.cancel()
        await asyncio.wait({task})


async def until(seen: dict[str, Any], *topics: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not seen.keys() >= set(topics):  # noqa: ASYNC110  # a dict has no event
            await asyncio.sleep(0.01)


def properties(message: aiomqtt.Message) -> dict[str, Any]:
    return {} if message.properties is None else message.properties.json()  # type: ignore[no-untyped-call]  # paho's


@pytest.mark.parametrize("version", ["auto", "5", "3.1.1"])
@pytest.mark.broker
@pytest.mark.processes
@without_mosquitto
async def test_a_real_broker_is_reached_by_the_version_asked_for_and_tells_what_that_version_can(
    version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "controller.mqtt")
    async with mosquitto(tmp_path) as port, seeing_properties(port) as seen:
        bench = Bench(port, version=version)
        async with bench.running():
            await until(seen, "status")
            bench.tell(Kind.STATE, state="standby")
            bench.tell(Kind.TELEMETRY, hv_v=1.0)
            bench.outbox.put("pulse", pulse_number=1)
            await until(seen, "state", "telemetry", "pulse")
        spoken = "3.1.1" if version == "3.1.1" else "5"
        assert ("INFO", f"MQTT {spoken}: connected to 127.0.0.1:{port}") in told(caplog)
        for topic, message in seen.items():
            if not message.payload:  # clears
                continue
            has = properties(message)
            if spoken == "3.1.1":
                assert has == {}
                continue
            assert has.pop("ContentType") == "application/json"
            assert has.pop("UserProperty") == [("schema", "1.0")]
            assert has.pop("PayloadFormatIndicator") == 1
            expiry_s = has.pop("MessageExpiryInterval", None)
            assert expiry_s in ({29, 30} if topic == "telemetry" else {None})
            assert has == {}


@pytest.mark.broker
@pytest.mark.processes
@without_mosquitto
async def test_the_last_will_of_mqtt_5_says_what_it_is(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as port, seeing_properties(port) as seen:
        config = MqttConfig(host="127.0.0.1", port=port)
        link = MqttLink(config, Secrets(None, None), "picolase-x", WILL, "5")
        await link.open()
        await link.drop()
        await until(seen, "status")
    has = properties(seen["status"])
    assert (has["ContentType"], has["UserProperty"]) == ("application/json", [("schema", "1.0")])
    assert seen["status"].payload == WILL.payload


@pytest.mark.broker
@pytest.mark.processes
@without_mosquitto
async def test_what_a_broker_of_mqtt_5_does_not_take_stays_and_is_told_and_all_else_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lists = tmp_path / "acl"
    topics = ("status", "about", "state", "event", "alarm/#")
    lists.write_text("topic read #\n" + "".join(f"topic write {ROOT}{topic}\n" for topic in topics))
    async with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {lists}") as port:
        bench = Bench(port, version="5")
        for n in range(100):
            bench.outbox.put("pulse", pulse_number=n)
            bench.outbox.put("event", id=n)
        async with watching(port) as watcher, bench.running():
            await watcher.until_seen("event", 100)
            bench.tell(Kind.STATE, state="standby")
            await watcher.until_seen("state")
            assert len(watcher.of("status")) == 1  # the connection has held
            assert bench.publisher.health.connected
            assert f"{ROOT}pulse: Not authorized" in str(bench.publisher.health.trouble)
            await watcher.until(lambda: len(bench.outbox.rows) == 100)
    assert {row.topic for row in bench.outbox.rows.values()} == {"pulse"}
    assert [level for level, text in told(caplog) if "Not authorized" in text] == ["WARNING"]


@pytest.mark.broker
@pytest.mark.processes
@without_mosquitto
async def test_what_cannot_be_taken_at_first_is_told_while_the_rest_is_published(tmp_path: Path) -> None:
    lists = tmp_path / "acl"
    lists.write_text(f"topic read #\ntopic write {ROOT}status\n")
    async with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {lists}") as port:
        bench = Bench(port, version="5")
        bench.tell(Kind.STATE, state="standby")
        async with watching(port) as watcher, bench.running():
            await watcher.until_seen("status")
            await watcher.until(lambda: bench.publisher.health.connected)
            assert "Not authorized" in str(bench.publisher.health.trouble)


@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.broker
@pytest.mark.processes
@without_mosquitto
async def test_no_more_is_in_flight_than_the_broker_says_it_takes(tmp_path: Path, most: int) -> None:
    lines = ("allow_anonymous true", f"max_inflight_messages {most}")
    async with mosquitto(tmp_path, *lines) as port, watching(port) as watcher:
        bench = Bench(port, version="5")
        for n in range(200):
            bench.outbox.put("pulse", pulse_number=n)
        async with bench.running():
            pulses = await watcher.until_seen("pulse", 200)
    assert [pulse["pulse_number"] for pulse in pulses if pulse] == list(range(200))


class OldBroker:
    """A server that speaks 3.1.1 only: what it does with a CONNECT of MQTT 5 is `at_first`."""

    def __init__(self, at_first: str) -> None:
        self.at_first = at_first
        self.levels: list[int] = []
        self.served = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(2)
        while head[-1] & 0x80:
            head += await reader.readexactly(1)
        self.levels.append((await reader.readexactly(7))[-1])
        if self.levels[-1] == 4:
            writer.write(bytes([0x20, 2, 0, 0]))
            self.served.set()
        elif self.at_first == "refuses":
            writer.write(bytes([0x20, 2, 0, 1]))
        if self.at_first != "hangs up" or self.levels[-1] == 4:
            await reader.read()
        writer.close()


@pytest.mark.parametrize("at_first", ["refuses", "hangs up", "is silent"])
async def test_a_broker_that_has_only_3_1_1_is_reached_by_it_however_it_shows_that(
    at_first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.3)
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.01, 0.02))
    old = OldBroker(at_first)
    server = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_S):
        config = MqttConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        secrets = read_secrets(config)
        link = await connect(config, secrets, "picolase-x", WILL)
        assert link.version == "3.1.1"
        await link.drop()
        assert old.levels == [5, 4]
        again = await connect(config, secrets, "picolase-x", WILL, known=link.version)
        await again.drop()
        assert old.levels == [5, 4, 4]


@pytest.mark.parametrize("at_first", ["refuses", "hangs up"])
async def test_a_broker_without_the_version_that_is_demanded_is_not_used(
    at_first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 0.3)
    old = OldBroker(at_first)
    server = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    async with server, asyncio.timeout(PATIENCE_S):
        config = MqttConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1], version="5")
        with pytest.raises(LinkTrouble, match=r"has no MQTT 5: set version|hung up"):
            await connect(config, read_secrets(config), "picolase-x", WILL)
    assert old.levels == [5]


async def test_the_embedded_broker_is_reached_at_once(
    broker_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "controller.mqtt")
    bench = Bench(broker_port)
    began_s = asyncio.get_running_loop().time()
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
        assert asyncio.get_running_loop().time() - began_s < 1.5  # no time-out was waited for
    assert told(caplog)[0][1].startswith("MQTT 3.1.1: connected")


@pytest.mark.parametrize(("level", "answer"), [(4, bytes([0x20, 2, 0, 0])), (5, bytes([0x20, 2, 0, 1]))])
async def test_the_embedded_broker_answers_a_connect_that_comes_byte_by_byte(
    broker_port: int, level: int, answer: bytes
) -> None:
    body = b"\x00\x04MQTT" + bytes([level, 2, 0, 60]) + b"\x00\x03abc"
    reader, writer = await asyncio.open_connection("127.0.0.1", broker_port)
    whole = bytes([0x10, len(body)]) + body
    for byte in whole if level == 4 else whole[:9]:  # up to the level, which is enough to be refused
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readexactly(len(answer)) == answer
        if level == 5:
            assert await reader.read() == b""  # and hangs up
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "rubbish", [b"", b"\x10", b"GET / HTTP/1.0\r\n\r\n", b"\x10\xff\xff\xff\xff\xff" + b"x" * 50]
)
async def test_rubbish_does_not_harm_the_embedded_broker(broker_port: int, rubbish: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", broker_port)
    writer.write(rubbish)
    writer.close()
    await writer.wait_closed()
    bench = Bench(broker_port)
    async with watching(broker_port) as watcher, bench.running():
        await watcher.until_seen("status")
