"""A real mosquitto that keeps nothing, killed and started anew; a witness is always there first.

The daemon comes by a line of its own, so that nothing is delivered to nobody. The witness acknowledges
nothing: answers to a broker that is gone would cost it what has come already.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Self

import aiomqtt

from tests.controller.brokers import Mosquitto, Watcher
from tests.processes.lines import TcpRelay

SETTINGS = """
[mqtt]
enabled = true
host = "127.0.0.1"
port = {port}
site = "room-1"
device_id = "laser-1"
telemetry_hz = 10.0
"""


class FlakyBroker:
    """Runs within its context; `settings` are those of a daemon that publishes there."""

    def __init__(self, folder: Path) -> None:
        self._broker = Mosquitto(folder)
        self.port = self._broker.port
        self.line = TcpRelay(self._broker.port)
        self.witness = Watcher()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def settings(self) -> str:
        """A part of the daemon's configuration."""
        return SETTINGS.format(port=self.line.port)

    async def start(self) -> None:
        """Start it, let the witness subscribe, and only then let the daemon in."""
        await self._broker.start()
        there = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(there))
        await there.wait()
        await self.line.open()

    async def kill(self) -> None:
        """`kill -9`; the daemon is refused from then on, and the witness has read all that was delivered."""
        await self._broker.kill()
        await self.line.close()
        if self._listening is not None:
            await self._listening
            self._listening = None

    async def _listen(self, there: asyncio.Event) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # it was killed
            async with aiomqtt.Client("127.0.0.1", self.port) as client:
                await client.subscribe("#", qos=0)
                there.set()
                await self.witness.listen(client)
