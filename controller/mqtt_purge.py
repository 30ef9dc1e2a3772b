"""The purge: what a laser that is gone for good left retained at the broker, found and cleared."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

from controller.config import MqttConfig
from controller.home_assistant import discovery_topic
from controller.mqtt_link import Incoming, MqttLink, Outgoing, connect, happens, read_secrets
from protocols.topics import STATUS, TopicTree

QUIET_S: Final = 1.0  # [C] MQTT does not say that all retained messages came: silence after the last one does
ROUNDS_MAX: Final = 50  # [C] each finds 64 at the least, or the last
BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Purged:
    """What came of it: full names of topics, sorted."""

    online: bool | None  # by its retained status; None: it has none
    cleared: tuple[str, ...]
    left: tuple[str, ...]  # still retained, as the broker does not let us clear them or the laser writes anew


async def purge(config: MqttConfig, *, even_online: bool, name: str) -> Purged:
    """Clear what the laser `config.site`, `config.device_id` left; raises LinkTrouble.

    One that its status calls online is left alone unless `even_online`. `name` is ours at the broker.
    """
    link = await connect(config, read_secrets(config), name, None)
    look = _Look(link, config)
    listening = asyncio.create_task(link.lost(look.hear), name="purge-listen")
    try:
        return await _cleared(look, link, even_online=even_online)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await link.close()


async def _cleared(look: _Look, link: MqttLink, *, even_online: bool) -> Purged:
    found = await look.again()
    online = _says_online(found.get(look.status))
    if online and not even_online:
        return Purged(online, (), tuple(sorted(found)))
    cleared: set[str] = set()
    for _ in range(ROUNDS_MAX):
        names = sorted(found)
        for at in range(0, len(names), BATCH):
            batch = [Outgoing(topic, b"", qos=1, retain=True) for topic in names[at : at + BATCH]]
            if not all(await link.send(batch)):
                raise link.not_taken or link.gone()
        found = await look.again()
        cleared.update(set(names) - found.keys())
        if not found or found.keys() == set(names):
            break
    return Purged(online, tuple(sorted(cleared)), tuple(sorted(found)))


class _Look:
    """What is retained of one laser, at most what a link's queue holds at once."""

    def __init__(self, link: MqttLink, config: MqttConfig) -> None:
        self.status = TopicTree(config.site, config.device_id, config.prefix).name(STATUS)
        self._below = self.status.removesuffix(STATUS.suffix)
        self._beside = discovery_topic(config)
        self._link = link
        self._found: dict[str, bytes] = {}
        self._news = asyncio.Event()

    async def again(self) -> dict[str, bytes]:
        """Names and payloads; raises LinkTrouble. To subscribe again is to be told again."""
        self._found = {}
        for topic in (f"{self._below}#", self._beside):
            await self._link.listen_to(topic)
        while await happens(self._news, QUIET_S):
            self._news.clear()
        return self._found

    def hear(self, message: Incoming) -> None:
        """Take what came in. amqtt sends more than was asked for: what is another's must never be cleared."""
        theirs = message.topic.startswith(self._below) or message.topic == self._beside
        if message.retained and message.payload and theirs:
            self._found[message.topic] = message.payload
            self._news.set()


def _says_online(status: bytes | None) -> bool | None:
    """By the retained status; one that nobody can read says nothing."""
    try:
        return None if status is None else bool(json.loads(status)["online"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
