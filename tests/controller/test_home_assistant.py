"""Home Assistant's discovery: the document against the declarations, real payloads and a real broker."""

import asyncio
import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import jinja2
import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.home_assistant import HomeAssistant, discovery, discovery_topic
from controller.mqtt import MqttPublisher
from controller.mqtt_rows import StoreOutbox
from controller.store.errors import StoreLocked
from controller.store.store import Store
from controller.store.writer import StoreWriter
from protocols.payloads import birth_payload, encode, goodbye_payload, will_payload
from protocols.topics import PULSE, STATE, STATUS, TELEMETRY, TOPICS, FieldType, TopicTree
from tests.controller.brokers import PATIENCE_S, Mosquitto, now, without_mosquitto
from tests.controller.publishing import NOON, STAMP
from tests.controller.told import payloads_told

CONFIG = MqttConfig(site="room-1", device_id="laser-1", home_assistant=True)
TREE = TopicTree("room-1", "laser-1")
TOPIC = "homeassistant/device/picolase_room-1_laser-1/config"
SENSING = {TREE.name(STATE): STATE, TREE.name(TELEMETRY): TELEMETRY, TREE.name(PULSE): PULSE}

# Of Home Assistant's own tables (components/sensor/const.py): which units a class of sensor may have.
UNITS_OF_CLASS: dict[str, set[str | None]] = {
    "temperature": {"°C", "°F", "K"},
    "voltage": {"V", "mV", "µV", "kV", "MV"},
    "current": {"A", "mA"},
    "volume_flow_rate": {"m³/h", "L/min", "mL/s"},
    "distance": {"mm", "cm", "m", "km"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "duration": {"d", "h", "min", "s", "ms"},
    "timestamp": {None},
    "enum": {None},
}


@functools.cache
def compiled(template: str) -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # no HTML
    return environment.from_string(template)


def rendered(template: str, payload: dict[str, Any]) -> str:
    """As Home Assistant does, but strict about names: the result as text."""
    return compiled(template).render(value_json=payload)


def components() -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = discovery(CONFIG, None)["components"]  # type: ignore[assignment]
    return made


def test_the_document_has_what_home_assistant_asks_for() -> None:
    document = discovery(CONFIG, None)
    assert discovery_topic(CONFIG) == TOPIC
    assert set(document) == {
        *("device", "origin", "availability_topic", "availability_template", "qos", "components")
    }
    assert document["device"] == {"identifiers": ["picolase_room-1_laser-1"], "name": "Laser laser-1"}
    assert document["origin"]["name"] == "picolase"  # type: ignore[index]
    known = discovery(CONFIG, {"model": "PL-200", "serial": "PL-1", "firmware_version": "1.2", "sim": True})
    assert known["device"] == document["device"] | {
        "model": "PL-200",
        "serial_number": "PL-1",
        "sw_version": "1.2",
    }
    unique = [component["unique_id"] for component in components().values()]
    assert len(set(unique)) == len(unique)
    names = [component["name"] for component in components().values()]
    assert len(set(names)) == len(names)


@pytest.mark.shows("REQ-034")
def test_nothing_in_it_commands() -> None:
    assert {component["platform"] for component in components().values()} == {"sensor", "binary_sensor"}
    assert "command" not in json.dumps(discovery(CONFIG, None))
    assert "cmd" not in json.dumps(discovery(CONFIG, None))


def test_every_declared_field_of_state_sample_and_pulse_has_its_component_and_no_other() -> None:
    made = components()
    declared = {f"{topic.suffix}_{field.name}" for topic in SENSING.values() for field in topic.fields}
    assert set(made) == declared | {"state_sim", "state_ts", "telemetry_ts", "pulse_ts"}
    for name, component in made.items():
        topic = SENSING[component["state_topic"]]
        fields = {field.name: field for field in topic.fields}
        (field_name,) = set(re.findall(r"value_json\.(\w+)", component["value_template"]))
        assert name == f"{topic.suffix}_{field_name}"
        if field_name in {"ts", "sim"}:
            continue
        field = fields[field_name]
        assert (component["platform"] == "binary_sensor") is (field.type is FieldType.FLAG)
        unit, device_class = component.get("unit_of_measurement"), component.get("device_class")
        assert (unit is not None) is bool(field.unit)
        if component["platform"] == "sensor" and device_class is not None:
            assert unit in UNITS_OF_CLASS[device_class], (name, device_class, unit)
        if "state_class" in component:  # [P] only for numbers, and none for these classes
            assert field.type is FieldType.NUMBER


@pytest.mark.parametrize("kind", [Kind.STATE, Kind.TELEMETRY, Kind.PULSE])
def test_every_template_finds_its_field_in_what_a_laser_tells(kind: Kind) -> None:
    payloads = [dict(json.loads(encode(payload))) for payload in payloads_told(kind)]
    assert payloads
    topic = TREE.name(TOPICS[kind.value])
    checked = 0
    for component in components().values():
        if component["state_topic"] != topic:
            continue
        (name,) = set(re.findall(r"value_json\.(\w+)", component["value_template"]))
        for payload in payloads:
            shown = rendered(component["value_template"], payload)
            value = payload[name]
            checked += 1
            if value is None:
                assert shown == "None"  # [P] unknown, for both kinds of sensor
            elif component["platform"] == "binary_sensor":
                assert shown in {component["payload_on"], component["payload_off"]}
            elif isinstance(value, int | float):
                assert float(shown) == value
            else:
                assert shown == value[:255]
            if component.get("device_class") == "enum":
                assert shown in component["options"]
    assert checked >= 20


def test_a_text_is_no_longer_than_home_assistant_keeps() -> None:
    template = components()["state_faults"]["value_template"]
    assert rendered(template, {"faults": "x" * 400}) == "x" * 255
    assert rendered(template, {"faults": ""}) == ""


def test_an_open_door_is_unsafe_and_a_closed_one_is_safe() -> None:
    door = components()["state_ilk_door"]
    assert door["device_class"] == "safety"  # [P] on = unsafe
    assert rendered(door["value_template"], {"ilk_door": True}) == door["payload_off"]
    assert rendered(door["value_template"], {"ilk_door": False}) == door["payload_on"]
    link = components()["state_link_up"]
    assert rendered(link["value_template"], {"link_up": True}) == link["payload_on"]


@pytest.mark.parametrize(
    ("payload", "available"),
    [
        (birth_payload("run-1", NOON), "online"),
        (will_payload("run-1"), "offline"),
        (goodbye_payload("run-1", NOON), "offline"),
    ],
)
def test_availability_follows_the_status_topic(payload: dict[str, Any], available: str) -> None:
    document = discovery(CONFIG, None)
    assert document["availability_topic"] == TREE.name(STATUS)
    assert rendered(str(document["availability_template"]), json.loads(encode(payload))) == available


@pytest.mark.parametrize(("telemetry_hz", "expires_s"), [(0.1, 30), (0.7, 5), (1.0, 3), (10.0, 3)])
def test_a_sample_expires_after_three_periods_and_a_pulse_never(telemetry_hz: float, expires_s: int) -> None:
    config = MqttConfig(telemetry_hz=telemetry_hz)
    made: dict[str, dict[str, Any]] = discovery(config, None)["components"]  # type: ignore[assignment]
    expiries = {
        suffix: {component.get("expire_after") for name, component in made.items() if name.startswith(suffix)}
        for suffix in ("state_", "telemetry_", "pulse_")
    }
    assert expiries == {"state_": {15}, "telemetry_": {expires_s}, "pulse_": {None}}


# -- at a broker


@pytest.fixture
async def writer() -> AsyncIterator[StoreWriter]:
    async with StoreWriter(Store.in_memory(wall_clock=now)) as made:
        yield made


@contextlib.asynccontextmanager
async def publishing(port: int, writer: StoreWriter, **settings: Any) -> AsyncIterator[Fanout]:
    """A publisher that is there for a while; on leaving it has said all that it had to say."""
    config = MqttConfig(host="127.0.0.1", port=port, site="room-1", device_id="laser-1", **settings)
    fanout = Fanout()
    publisher = MqttPublisher(
        config,
        fanout=fanout,
        outbox=StoreOutbox(writer),
        boot="run-1",
        wall_clock=now,
        jitter=lambda: 0.0,
        alarm_ids=(),
        beside=HomeAssistant(config, writer),
    )
    task = asyncio.create_task(publisher.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not publisher.health.connected:  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.01)
        yield fanout
    finally:
        publisher.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
    assert publisher.health.trouble is None


async def retained(port: int, filter_: str = "#") -> dict[str, bytes]:
    """All that stands at the broker."""
    found: dict[str, bytes] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe([(filter_, 1), ("end-of-list", 1)])
        await client.publish("end-of-list", b"x", qos=1)
        async with asyncio.timeout(PATIENCE_S):
            async for message in client.messages:
                if str(message.topic) == "end-of-list":
                    break
                found[str(message.topic)] = bytes(message.payload)
    return found


@pytest.mark.broker
@without_mosquitto
async def test_the_document_stands_at_the_broker_and_learns_which_laser_it_is(
    mosquitto: Mosquitto, writer: StoreWriter
) -> None:
    async with publishing(mosquitto.port, writer, home_assistant=True) as fanout:
        fanout.tell(Kind.ABOUT, STAMP | {"model": "PL-200", "serial": "PL-1", "firmware_version": "1.2"})
    left = await retained(mosquitto.port)
    document = json.loads(left[TOPIC])
    assert document["device"]["serial_number"] == "PL-1"
    referenced = {document["availability_topic"]} | {
        component["state_topic"] for component in document["components"].values()
    }
    assert referenced == {TREE.name(topic) for topic in (STATUS, STATE, TELEMETRY, PULSE)}
    assert len(left[TOPIC]) < 100_000


@pytest.mark.broker
@without_mosquitto
async def test_what_was_left_is_cleared_once_it_is_switched_off_or_has_moved(
    mosquitto: Mosquitto, writer: StoreWriter
) -> None:
    async with publishing(mosquitto.port, writer, home_assistant=True):
        pass
    assert TOPIC in await retained(mosquitto.port)
    async with publishing(mosquitto.port, writer, home_assistant=True, home_assistant_prefix="ha/two"):
        pass
    assert {topic for topic in await retained(mosquitto.port) if "config" in topic} == {
        "ha/two/device/picolase_room-1_laser-1/config"
    }
    async with publishing(mosquitto.port, writer) as fanout:
        fanout.tell(Kind.ABOUT, STAMP | {"serial": "PL-1"})
    assert not any("config" in topic for topic in await retained(mosquitto.port))
    assert await writer.run(Store.counted_topics, "discovery ") == []


@pytest.mark.broker
@without_mosquitto
async def test_nothing_is_sent_for_home_assistant_by_who_never_asked_for_it(
    mosquitto: Mosquitto, writer: StoreWriter
) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe("#", qos=1)
        async with publishing(mosquitto.port, writer):
            pass
        topics = set()
        async with asyncio.timeout(PATIENCE_S):
            async for message in client.messages:
                topics.add(str(message.topic))
                if b'"clean"' in bytes(message.payload):
                    break
    assert topics == {TREE.name(STATUS)}


@pytest.mark.broker
@without_mosquitto
async def test_a_broker_that_forbids_the_place_keeps_nothing_else_from_it(
    tmp_path: Path, writer: StoreWriter
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite laser/#\ntopic readwrite end-of-list\n")
    acl.chmod(0o600)
    broker = Mosquitto(tmp_path, "allow_anonymous true", f"acl_file {acl}")
    async with asyncio.timeout(PATIENCE_S):
        await broker.start()
    try:
        async with publishing(broker.port, writer, home_assistant=True) as fanout:
            fanout.tell(Kind.STATE, STAMP | {"state": "standby"})
        assert set(await retained(broker.port, "laser/#")) == {TREE.name(STATUS), TREE.name(STATE)}
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await broker.kill()


@pytest.mark.broker
@without_mosquitto
async def test_a_database_that_fails_keeps_the_document_from_nobody(
    mosquitto: Mosquitto,
    writer: StoreWriter,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(_: Store, topic: str) -> int:
        raise StoreLocked("the database is locked", "close what uses it")

    monkeypatch.setattr(Store, "count_up", locked)
    monkeypatch.setattr(Store, "counted_topics", locked)
    async with publishing(mosquitto.port, writer, home_assistant=True):
        pass
    assert TOPIC in await retained(mosquitto.port)
    assert "cannot be remembered" in caplog.text
