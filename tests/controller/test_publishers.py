"""The publisher and the profiles beside it: what switches them on, and that none stops another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.config import MqttConfig, example_toml, parse_config
from controller.fanout import Fanout, Kind
from controller.publishers import Publishers
from controller.sparkplug_payload import NoProtobuf
from controller.store.store import Store
from controller.store.writer import StoreWriter
from controller.tomlfile import TomlError
from tests.controller.brokers import PATIENCE_S, Mosquitto, now, watching, without_mosquitto
from tests.controller.publishing import STAMP
from tests.controller.sparkplug_host import GROUP, command, hosting
from tests.controller.sparkplugging import eventually

DEVICE = '[device]\nurl = "/dev/ttyUSB0"\n'
HERE = Path("/etc/picolase/picolase.toml")


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("home_assistant", "true", True),
        ("home_assistant_prefix", '"homes/ours"', True),
        ("home_assistant_prefix", '"homes/#"', False),
        ("home_assistant_prefix", '""', False),
        ("sparkplug_group_id", '"Clinic 1"', True),
        ("sparkplug_group_id", '"a/b"', False),
        ("sparkplug_group_id", '"+"', False),
        ("sparkplug_group_id", '"#"', False),
        ("sparkplug_group_id", '""', False),
        ("sparkplug_group_id", '"a\\u0000"', False),
        ("sparkplug_group_id", '"STATE"', False),  # where hosts say whether they live
    ],
)
def test_one_line_switches_a_profile_on_and_a_wrong_one_is_refused(
    key: str, value: str, accepted: bool
) -> None:
    text = f"{DEVICE}[mqtt]\n{key} = {value}\n"
    if accepted:
        assert str(getattr(parse_config(text, HERE).mqtt, key)).lower() == value.strip('"').lower()
        return
    with pytest.raises(TomlError) as error:
        parse_config(text, HERE)
    assert [problem.path for problem in error.value.problems] == [f"mqtt.{key}"]


def test_no_profile_is_on_by_itself() -> None:
    for text in (DEVICE, example_toml()):
        config = parse_config(text, HERE).mqtt
        assert (config.home_assistant, config.sparkplug_group_id) == (False, None)


def test_numbers_of_a_topic_count_up_until_they_are_forgotten() -> None:
    store = Store.in_memory(wall_clock=now)
    store.outbox_put("pulse", {})
    assert [store.count_up("a 1"), store.count_up("a 1"), store.count_up("a 2")] == [1, 2, 1]
    assert store.counted_topics("a ") == ["a 1", "a 2"]
    assert store.counted_topics("a 1") == ["a 1"]
    assert store.counted_topics("A ") == []
    store.forget_topic("a 1")
    store.forget_topic("never counted")
    assert store.counted_topics("") == ["a 2", "pulse"]
    assert store.count_up("a 1") == 1
    assert [message.seq for message in store.outbox_next(10)] == [1]
    store.close()


@pytest.mark.broker
@without_mosquitto
@pytest.mark.usefixtures("quick_node")
async def test_the_topics_are_published_while_sparkplug_is_missing_its_library(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Any:
        raise NoProtobuf("pip install it")

    monkeypatch.setattr("controller.sparkplug_payload._classes", absent)
    async with StoreWriter(Store.in_memory(wall_clock=now)) as writer, watching(mosquitto.port) as watcher:
        publishers, fanout, task, reported = started(mosquitto.port, writer)
        fanout.tell(Kind.STATE, STAMP | {"state": "standby"})
        await watcher.until(lambda: bool(watcher.of("state")))
        await eventually(lambda: publishers.health.trouble)
        await eventually(lambda: publishers.health.connected)
        assert (publishers.health.trouble or "").startswith("Sparkplug: ")
        await ended(publishers, task)
        await watcher.until(lambda: [one["online"] for one in watcher.of("status")] == [True, False])
        assert reported == []


@pytest.mark.broker
@without_mosquitto
@pytest.mark.usefixtures("quick_node")
async def test_all_three_tell_the_same_and_end_in_order(mosquitto: Mosquitto) -> None:
    async with (
        StoreWriter(Store.in_memory(wall_clock=now)) as writer,
        watching(mosquitto.port, "laser/#", "homeassistant/#") as watcher,
        hosting(mosquitto.port) as host,
    ):
        publishers, fanout, task, reported = started(mosquitto.port, writer)
        fanout.tell(Kind.STATE, STAMP | {"state": "ready", "link_up": True})
        (birth,) = await host.until_seen("DBIRTH")
        assert birth.value("state/state") == "ready"
        await watcher.until(lambda: [one["state"] for one in watcher.of("state")] == ["ready"])
        await host.ask(command("state/state"))
        await eventually(lambda: reported)
        await ended(publishers, task)
        await host.until_seen("NDEATH")
        assert publishers.health.trouble is None
        assert await writer.run(Store.counted_topics, "spBv1.0/") == [f"spBv1.0/{GROUP}/room-1.laser-1"]
        names = {name for name, _ in watcher.seen}
        assert "homeassistant/device/picolase_room-1_laser-1/config" in names


def started(port: int, writer: StoreWriter) -> tuple[Publishers, Fanout, asyncio.Task[None], list[str]]:
    reported: list[str] = []
    fanout = Fanout()
    publishers = Publishers(
        MqttConfig(
            host="127.0.0.1",
            port=port,
            site="room-1",
            device_id="laser-1",
            home_assistant=True,
            sparkplug_group_id=GROUP,
        ),
        fanout=fanout,
        writer=writer,
        boot="run-1",
        wall_clock=now,
        jitter=lambda: 0.0,
        report=reported.append,
        stop=asyncio.Future,  # never asked for
    )
    return publishers, fanout, asyncio.create_task(publishers.run()), reported


async def ended(publishers: Publishers, task: asyncio.Task[None]) -> None:
    publishers.stop()
    async with asyncio.timeout(PATIENCE_S):
        await task
