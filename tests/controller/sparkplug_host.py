"""A Sparkplug host that shares nothing with ours: reads protobuf by hand, holds the node to the rules."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from tests.controller.brokers import PATIENCE_S

GROUP = "clinic"
NODE = "room-1.laser-1"
DEVICE = "laser-1"

# Field numbers and datatypes of Sparkplug 3.0.0, chapter 6, written down once more.
_PAYLOAD = {1: "timestamp", 2: "metrics", 3: "seq", 4: "uuid", 5: "body"}
_METRIC = {
    **{1: "name", 2: "alias", 3: "timestamp", 4: "datatype", 5: "is_historical", 6: "is_transient"},
    **{7: "is_null", 8: "metadata", 9: "properties", 10: "int", 11: "long", 12: "float", 13: "double"},
    **{14: "boolean", 15: "string"},
}
_VALUE_OF = {3: "int", 8: "long", 10: "double", 11: "boolean", 12: "string"}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                yield key >> 3, value
            case 1:
                yield key >> 3, struct.unpack("<d", data[at : at + 8])[0]
                at += 8
            case 2:
                size, at = _varint(data, at)
                yield key >> 3, data[at : at + size]
                at += size
                assert at <= len(data)
            case other:
                raise AssertionError(f"wire type {other}")


def _metric(data: bytes) -> dict[str, Any]:
    told = {_METRIC[number]: value for number, value in _fields(data)}
    if "name" in told:
        told["name"] = told["name"].decode()
    values = set(told) & {"int", "long", "float", "double", "boolean", "string"}
    if told.get("is_null"):
        assert not values
        told["value"] = None
    else:
        assert values == {_VALUE_OF[told["datatype"]]}, told
        value = told.pop(values.pop())
        told["value"] = (
            value.decode() if isinstance(value, bytes) else bool(value) if told["datatype"] == 11 else value
        )
    if "properties" in told:
        parts = list(_fields(told["properties"]))
        keys = [value.decode() for number, value in parts if number == 1]
        of_keys = [dict(_fields(value)) for number, value in parts if number == 2]
        told["properties"] = {
            key: (one[1], next(value for number, value in one.items() if number > 2))
            for key, one in zip(keys, of_keys, strict=True)
        }
    return told


def decoded(data: bytes) -> dict[str, Any]:
    told: dict[str, Any] = {"metrics": []}
    for number, value in _fields(data):
        if number == 2:
            told["metrics"].append(_metric(value))
        else:
            told[_PAYLOAD[number]] = value
    return told


def command(name: str, value: bool = True) -> bytes:
    """A command by hand: one metric with a name and a truth."""
    metric = b"\x0a" + bytes([len(name)]) + name.encode() + b"\x20\x0b" + b"\x70" + bytes([value])
    return b"\x08\x05\x12" + bytes([len(metric)]) + metric


@dataclass
class Heard:
    topic: str
    qos: int
    retain: bool
    data: bytes
    payload: dict[str, Any]

    @property
    def verb(self) -> str:
        return self.topic.split("/")[2]

    @property
    def names(self) -> list[str]:
        return [one["name"] for one in self.payload["metrics"]]

    def value(self, name: str) -> Any:
        (one,) = [one for one in self.payload["metrics"] if one.get("name") == name]
        return one["value"]


@dataclass
class Host:
    """Hears everything in Sparkplug's space, and keeps the newest values as a host would."""

    client: aiomqtt.Client
    heard: list[Heard] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def verbs(self) -> list[str]:
        return [one.verb for one in self.heard]

    def of(self, verb: str) -> list[Heard]:
        return [one for one in self.heard if one.verb == verb]

    def data(self, name: str) -> list[dict[str, Any]]:
        """All that came of one metric after the births, by the aliases of the latest birth before it."""
        names: dict[int, str] = {}
        found = []
        for one in self.heard:
            if one.verb == "DBIRTH":
                names = {metric["alias"]: metric["name"] for metric in one.payload["metrics"]}
            elif one.verb == "DDATA":
                found += [metric for metric in one.payload["metrics"] if names.get(metric["alias"]) == name]
        return found

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def until_seen(self, verb: str, count: int = 1) -> list[Heard]:
        await self.until(lambda: len(self.of(verb)) >= count)
        return self.of(verb)

    async def ask(self, data: bytes, *, retain: bool = False) -> None:
        await self.client.publish(f"spBv1.0/{GROUP}/NCMD/{NODE}", data, qos=1, retain=retain)

    def check(self, *, late: bool) -> None:
        """Every rule that holds for each message, whatever happened."""
        expected: int | None = None
        bd_seq = None
        aliases: set[int] = set()
        node_alive = device_alive = False
        for one in self.heard:
            if one.verb == "NCMD" or (late and bd_seq is None and one.verb != "NBIRTH"):
                continue
            topic = f"spBv1.0/{GROUP}/{one.verb}/{NODE}" + (f"/{DEVICE}" if one.verb[0] == "D" else "")
            assert (one.topic, one.retain) == (topic, False)
            assert one.qos == (1 if one.verb == "NDEATH" else 0)
            assert "timestamp" in one.payload
            assert all("timestamp" in metric for metric in one.payload["metrics"])
            if one.verb == "NDEATH":
                assert "seq" not in one.payload
                assert one.names == ["bdSeq"]
                if one.value("bdSeq") == bd_seq:  # the will of an earlier connection may come late
                    node_alive = device_alive = False
                continue
            if one.verb == "NBIRTH":
                expected, node_alive, device_alive = 0, True, False
                bd_seq = one.value("bdSeq")
                assert 0 <= bd_seq <= 255
                assert one.value("Node Control/Rebirth") is False
                aliases = {metric["alias"] for metric in one.payload["metrics"] if "alias" in metric}
                assert not any(
                    "alias" in metric and metric["name"] in {"bdSeq", "Node Control/Rebirth"}
                    for metric in one.payload["metrics"]
                )
            assert node_alive, f"{one.verb} of a node that was not born"
            assert one.payload["seq"] == expected, (one.verb, one.payload["seq"], expected)
            expected = (one.payload["seq"] + 1) % 256
            if one.verb == "DBIRTH":
                device_alive = True
                of_device = [metric["alias"] for metric in one.payload["metrics"]]
                assert len(set(of_device)) == len(of_device)
                assert not set(of_device) & aliases or aliases >= set(of_device)
                assert all(
                    {"name", "alias", "datatype"} <= metric.keys() for metric in one.payload["metrics"]
                )
                aliases |= set(of_device)
            elif one.verb == "DDATA":
                assert device_alive, "data of a device that was not born"
                assert one.payload["metrics"]
                for metric in one.payload["metrics"]:
                    assert "name" not in metric
                    assert metric["alias"] in aliases
            elif one.verb == "DDEATH":
                assert device_alive
                device_alive = False


@contextlib.asynccontextmanager
async def hosting(port: int, *, late: bool = False) -> AsyncIterator[Host]:
    """A host, checked at the end; one that comes `late` may hear messages before its first birth."""
    client = aiomqtt.Client("127.0.0.1", port)
    await client.__aenter__()
    host = Host(client)
    await client.subscribe("spBv1.0/#", qos=1)

    async def listen() -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker was killed
            async for message in client.messages:
                data = bytes(message.payload)
                verb = str(message.topic).split("/")[2]
                payload = {"metrics": []} if verb == "NCMD" else decoded(data)
                host.heard.append(Heard(str(message.topic), message.qos, message.retain, data, payload))
                host.news.set()

    task = asyncio.create_task(listen())
    try:
        yield host
        host.check(late=late)
    finally:
        task.cancel()
        await asyncio.wait({task})
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)
