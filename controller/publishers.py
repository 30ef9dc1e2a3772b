"""What the daemon publishes by MQTT: its own topics, and the profiles beside them that are switched on."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from controller.config import MqttConfig
from controller.fanout import Fanout
from controller.home_assistant import HomeAssistant
from controller.mqtt import MqttHealth, MqttPublisher
from controller.mqtt_rows import StoreOutbox
from controller.mqtt_stop import RemoteStop
from controller.sparkplug import SPACE, SparkplugNode
from controller.store.store import Store
from controller.store.writer import StoreWriter
from controller.telling import ALARM_IDS
from hal.stopping import StopResult
from protocols.topics import TopicTree


class Publishers:
    """The publisher, with Home Assistant's discovery on its connection and Sparkplug on its own.

    `report` takes in words what somebody asked for by MQTT and was refused; `stop` has sent the stop when it
    returns.
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        fanout: Fanout,
        writer: StoreWriter,
        boot: str,
        wall_clock: Callable[[], datetime],
        jitter: Callable[[], float],
        report: Callable[[str], None],
        stop: Callable[[], asyncio.Future[StopResult]],
    ) -> None:
        remote_stop: RemoteStop | None = None
        if config.allow_stop:
            tree = TopicTree(config.site, config.device_id, config.prefix)
            remote_stop = RemoteStop(tree, boot=boot, stop=stop, report=report, wall_clock=wall_clock)
        self._main = MqttPublisher(
            config,
            fanout=fanout,
            outbox=StoreOutbox(writer),
            boot=boot,
            wall_clock=wall_clock,
            jitter=jitter,
            alarm_ids=ALARM_IDS,
            beside=HomeAssistant(config, writer),
            remote_stop=remote_stop,
        )
        self._sparkplug: SparkplugNode | None = None
        if (group_id := config.sparkplug_group_id) is not None:
            node = f"{SPACE}/{group_id}/{config.site}.{config.device_id}"
            self._sparkplug = SparkplugNode(
                config,
                fanout=fanout,
                boot=boot,
                next_birth=lambda: writer.run(Store.count_up, node),
                report=report,
                wall_clock=wall_clock,
                jitter=jitter,
            )

    @property
    def health(self) -> MqttHealth:
        """How publishing stands now; a trouble of Sparkplug's is told when there is no other."""
        health = self._main.health
        if health.trouble is None and self._sparkplug is not None and self._sparkplug.trouble:
            return replace(health, trouble=f"Sparkplug: {self._sparkplug.trouble}")
        return health

    def stop(self) -> None:
        """Ask `run` to publish what there is, to say goodbye, and to return."""
        self._main.stop()
        if self._sparkplug is not None:
            self._sparkplug.stop()

    async def run(self) -> None:
        """Publish until stopped. Raises nothing but cancellation; neither waits for the other."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._main.run(), name="mqtt-publisher")
            if self._sparkplug is not None:
                tasks.create_task(self._sparkplug.run(), name="mqtt-sparkplug")
