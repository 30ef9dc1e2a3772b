"""A broker in memory: it takes everything, keeps it, and says what a test wants said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from controller.mqtt_link import Incoming, LinkTrouble, Outgoing
from tests.controller import contract

ROOT = "laser/v1/site/laser/"


class Tape:
    """Sockets have no place in virtual time: this stands for `connect` and for the link that it opens."""

    version = "5"
    not_taken = None

    def __init__(self) -> None:
        self.got: list[Outgoing] = []
        self.subscribed: list[str] = []
        self.says: Callable[[Incoming], None] | None = None
        self.lets_listen = True
        self.stuck = False  # no pulse and no event is acknowledged

    async def connect(self, *given: object, **_: object) -> Tape:
        """In place of `mqtt_link.connect`; the will is kept like a message."""
        will = given[3]
        assert isinstance(will, Outgoing)
        self.got.append(will)
        return self

    async def send(self, messages: list[Outgoing]) -> list[bool]:
        if self.stuck and any(m.topic.endswith(("pulse", "event")) for m in messages):
            await asyncio.Event().wait()
        self.got += messages
        return [True] * len(messages)

    async def listen_to(self, topic: str) -> None:
        self.subscribed.append(topic)
        if not self.lets_listen:
            raise LinkTrouble("refused", "not authorized")

    async def lost(self, heard: Callable[[Incoming], None] | None = None) -> None:
        self.says = heard
        await asyncio.Event().wait()

    async def drop(self) -> None:
        pass

    close = drop

    def replies(self) -> list[tuple[str, dict[str, Any]]]:
        """What was answered, and to whom."""
        head = ROOT + "reply/"
        return [
            (m.topic.removeprefix(head), contract.read(m.payload))
            for m in self.got
            if m.topic.startswith(head)
        ]
