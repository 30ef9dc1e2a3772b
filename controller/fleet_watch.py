"""The watch over a fleet: subscribed to all lasers of a broker, for as long as it lasts, and again.

It only reads. Subscribed with QoS 0 and topic by topic: of what is retained a broker queues only so much for
one subscriber (mosquitto 1,000 messages, and says nothing of the rest), by far less of it with QoS 1.
State and status come again every 5 s by themselves; an `about` that did not come is asked for by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from controller.config import MqttConfig
from controller.fleet import WATCHED, Fleet
from controller.mqtt_link import Incoming, LinkTrouble, MqttLink, connect, happens, read_secrets
from protocols.topics import ABOUT, ALARM, TopicTree

SUBSCRIBED_S: Final = 30.0  # [C] the answer comes behind all that is retained: 20,000 lasers take that long
ASK_S: Final = 5.0  # [C] between askings for what did not come
ASK_AT_ONCE: Final = 100  # [C] far below what a broker queues
RETRY_S: Final = 1.0
QUIET_S: Final = 0.5  # [C] after the last retained message that it is all: a broker tells it in one go
PATIENCE_PERIODS: Final = 1.5  # [C] the next sample of each, and half a period for its way
SETTLE_MAX_S: Final = 15.0  # [D] so many of the slowest period, 10 s
CHECK_S: Final = 0.1


class FleetWatch:
    """Keeps `fleet` up to date from the broker of `config`. `name` is ours there: of nobody else."""

    def __init__(self, config: MqttConfig, fleet: Fleet, *, name: str) -> None:
        self._config = config
        self._fleet = fleet
        self._name = name
        self._retained_news = asyncio.Event()
        self.subscribed = asyncio.Event()
        self.trouble = ""  # why nothing comes now, in words

    async def run(self) -> None:
        """Watch until cancelled. Raises LinkTrouble if already the first connection cannot be had."""
        while True:
            try:
                await self._session()
            except LinkTrouble as trouble:
                if not self.subscribed.is_set():
                    raise
                self.trouble = str(trouble)
            await asyncio.sleep(RETRY_S)

    async def settled(self, wall_us: Callable[[], int]) -> None:
        """Wait until what is retained has come, and who is online has told all or had the time to."""
        await self.subscribed.wait()
        while await happens(self._retained_news, QUIET_S):
            self._retained_news.clear()
        loop = asyncio.get_running_loop()
        period_s = self._fleet.longest_period_ms() / 1000
        until_s = loop.time() + min(PATIENCE_PERIODS * period_s, SETTLE_MAX_S)
        # Looked at now and then: at each message it would take longer than the messages.
        while loop.time() < until_s and not self._fleet.complete(wall_us()):  # noqa: ASYNC110  # as said
            await asyncio.sleep(CHECK_S)

    async def _session(self) -> None:
        secrets = await asyncio.to_thread(read_secrets, self._config)
        link = await connect(self._config, secrets, self._name, None)
        link.hand_over(self._hear)
        lost = asyncio.create_task(link.lost(), name="fleet-link")
        asking = asyncio.create_task(self._ask(link), name="fleet-ask")
        try:
            await asyncio.wait({lost, asking}, return_when=asyncio.FIRST_COMPLETED)
            for task in (lost, asking):
                if task.done():
                    task.result()  # raises what ended it
        finally:
            for task in (lost, asking):
                task.cancel()
            await asyncio.gather(lost, asking, return_exceptions=True)
            await link.close()

    async def _ask(self, link: MqttLink) -> None:
        for topic in WATCHED:
            suffix = f"{ALARM.suffix}/+" if topic is ALARM else topic.suffix
            await link.listen_to(f"{self._config.prefix}/+/+/{suffix}", qos=0, within_s=SUBSCRIBED_S)
        self.subscribed.set()
        self.trouble = ""
        while True:
            await asyncio.sleep(ASK_S)
            for site, device in self._fleet.without_about()[:ASK_AT_ONCE]:
                await link.listen_to(TopicTree(site, device, self._config.prefix).name(ABOUT), qos=0)

    def _hear(self, message: Incoming) -> None:
        if message.retained:
            self._retained_news.set()
        self._fleet.take(message.topic, message.payload)
