"""cmd/stop over real brokers: what is retained is refused, what is said now stops and is answered."""

import asyncio
from typing import Any

import aiomqtt
import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout
from controller.mqtt import MqttPublisher
from protocols.topics import TopicTree
from tests.controller import contract
from tests.controller.brokers import PATIENCE_S, ROOT, Broker, now, watching
from tests.controller.lever import Lever
from tests.controller.publishing import ListOutbox
from tests.own_time import own_s

pytestmark = pytest.mark.processes

COMMAND = ROOT + "cmd/stop"


class Listener:
    """A publisher that listens to cmd/stop; its outbox is stuck from the start."""

    def __init__(self, port: int, **settings: Any) -> None:
        self.lever = Lever(TopicTree("room-1", "laser-1"))
        self.outbox = StuckOutbox()
        self.publisher = MqttPublisher(
            MqttConfig(host="127.0.0.1", port=port, site="room-1", device_id="laser-1", **settings),
            fanout=Fanout(),
            outbox=self.outbox,
            boot="run-1",
            wall_clock=now,
            jitter=lambda: 0.0,
            remote_stop=self.lever.remote,
        )

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self.publisher.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def pulled(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.lever.pulled_s) < times:  # noqa: ASYNC110  # a list has no event
                await asyncio.sleep(0.01)
        self.lever.confirm()


class StuckOutbox(ListOutbox):
    async def next(self, limit: int, *, after_id: int) -> Any:
        await asyncio.Event().wait()


async def test_a_retained_stop_is_refused_and_one_said_now_stops_and_is_answered(broker: Broker) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as panel, watching(broker.port) as watcher:
        await panel.publish(COMMAND, b'{"id":"old"}', qos=1, retain=True)
        async with Listener(broker.port) as listener:
            await watcher.until(lambda: bool(watcher.of("reply/old")))
            assert watcher.of("reply/old")[0]["outcome"] == "refused"
            assert (listener.lever.pulled_s, len(listener.lever.reports)) == ([], 1)

            await panel.publish(COMMAND, b'{"client":"panel","id":"s-1"}', qos=1)
            await listener.pulled(1)
            await watcher.until(lambda: bool(watcher.of("reply/panel")))
            reply = watcher.of("reply/panel")[0]
            assert (reply["id"], reply["outcome"], reply["confirmed"]) == ("s-1", "done", True)
            assert contract.breaches("reply/panel", reply) == []
            assert len(listener.lever.reports) == 1


TOPICS = (
    *("status", "about", "state", "telemetry", "pulse", "event", "alarm/door", "alarm/x", "reply/x"),
    *("cmd/arm", "cmd/grant", "cmd/fire", "cmd/start", "cmd/stop/x", "cmd"),
)
RUBBISH = [b"", b"\x00\xff", b"{}", b"[" * 3_000, b'{"id":"x"}', b"1e999", b'"' + b"x" * 5_000 + b'"']


@pytest.mark.shows("REQ-034", "HZ-038")
async def test_rubbish_on_every_topic_does_nothing_and_the_stop_works_after_it(broker: Broker) -> None:
    worst_s = 0.0

    async def feel_the_loop() -> None:
        nonlocal worst_s
        while True:
            began_s = own_s()
            await asyncio.sleep(0.01)
            worst_s = max(worst_s, own_s() - began_s - 0.01)

    async with aiomqtt.Client("127.0.0.1", broker.port) as vandal, Listener(broker.port) as listener:
        async with asyncio.timeout(PATIENCE_S):
            while not listener.publisher.health.connected:  # noqa: ASYNC110  # health is no event
                await asyncio.sleep(0.01)
        feeling = asyncio.create_task(feel_the_loop())
        for topic in TOPICS:
            for payload in RUBBISH:
                await vandal.publish(ROOT + topic, payload, qos=1, retain=topic == "cmd/arm")
        assert (listener.lever.pulled_s, listener.lever.reports) == ([], [])
        await vandal.publish(COMMAND, b"\x00\xff", qos=1)
        await listener.pulled(1)
        feeling.cancel()
        await asyncio.wait({feeling})
        assert listener.publisher.health.connected
        assert worst_s < 0.3
