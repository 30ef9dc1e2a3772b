"""Real brokers as processes, and the wire between them and the daemon."""

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import pytest

from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.mqtt import MqttPublisher
from controller.mqtt_rows import StoreOutbox
from controller.store.records import DeviceRecord, EventKind, Severity
from controller.store.store import Store
from controller.store.writer import StoreWriter
from tests.controller import contract
from tests.controller.stored import pulse

ROOT = "laser/v1/room-1/laser-1/"
PATIENCE_S = 50  # nothing waits longer than it must; a busy machine gets its time
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def now() -> datetime:
    return datetime.now(UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker(Protocol):
    """A broker process on a port of its own, which it has again after a restart."""

    port: int

    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class ProcessBroker:
    """What both brokers have in common."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    async def spawn(self, *command: str) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=-1)
        return self.process

    async def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.communicate()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


class Embedded(ProcessBroker):
    async def start(self) -> None:
        program = await self.spawn(
            sys.executable, "-m", "controller.broker", "--port", str(self.port), "--until-stdin-closes"
        )
        assert program.stdout is not None
        assert json.loads(await program.stdout.readline())["port"] == self.port


class Mosquitto(ProcessBroker):
    def __init__(self, folder: Path, *lines: str) -> None:
        super().__init__()
        self.config = folder / "mosquitto.conf"
        user = pwd.getpwuid(os.getuid()).pw_name  # started by root it would become another user
        text = [f"listener {self.port} 127.0.0.1", "persistence false", f"user {user}", "log_dest stderr"]
        self.config.write_text("\n".join([*text, *(lines or ["allow_anonymous true"]), ""]))

    async def start(self) -> None:
        assert MOSQUITTO is not None
        program = await self.spawn(MOSQUITTO, "-c", str(self.config))
        assert program.stderr is not None
        seen = b""
        while b" running" not in seen:
            line = await program.stderr.readline()
            assert line, f"mosquitto ended: {seen.decode()}"
            seen += line


without_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None,
    reason="no mosquitto: apt-get install mosquitto, brew install mosquitto, or mosquitto.org/download",
)


class Watcher:
    """An independent subscriber."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any] | None]] = []
        self.breaches: list[str] = []  # of the contract
        self._news = asyncio.Event()

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.seen if name == ROOT + topic and payload is not None]

    def seqs(self, topic: str) -> list[int]:
        """Sequence numbers in the order of their first arrival."""
        return list(dict.fromkeys(payload["seq"] for payload in self.of(topic)))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def listen(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker was killed
            async for message in client.messages:
                payload = json.loads(bytes(message.payload)) if message.payload else None
                self.seen.append((str(message.topic), payload))
                suffix = str(message.topic).removeprefix(ROOT)
                if isinstance(payload, dict) and suffix in contract.REAL:
                    self.breaches += contract.breaches(suffix, payload)
                self._news.set()


@contextlib.asynccontextmanager
async def watching(port: int, *filters: str) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    client = aiomqtt.Client("127.0.0.1", port)
    await client.__aenter__()
    await client.subscribe([(one, 1) for one in filters or ("#",)])
    task = asyncio.create_task(watcher.listen(client))
    yield watcher
    task.cancel()
    await asyncio.wait({task})
    with contextlib.suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)
    assert not watcher.breaches


class Daemon:
    """What a daemon does with its store and publisher: record, then tell."""

    def __init__(self, port: int) -> None:
        store = Store.in_memory(wall_clock=now)
        store.save_device(DeviceRecord("PL-1", "PL-200", "1.0", True, {}, 0))
        self.writer = StoreWriter(store)
        self.fanout = Fanout()
        self.pulses = 0
        self.publisher = MqttPublisher(
            MqttConfig(host="127.0.0.1", port=port, site="room-1", device_id="laser-1", telemetry_hz=10.0),
            fanout=self.fanout,
            outbox=StoreOutbox(self.writer),
            boot="run-1",
            wall_clock=now,
            jitter=lambda: 0.5,
        )

    async def fire(self, count: int) -> None:
        """Record pulses, and an event with every fifth."""
        for _ in range(count):
            self.pulses += 1
            recorded = replace(pulse(self.pulses), device_serial="PL-1", mono_us=self.pulses)
            await self.writer.run(Store.record_pulses, [recorded])
            self.fanout.tell(Kind.PULSE, {})
            if self.pulses % 5 == 0:
                await self.writer.run(
                    Store.record_event,
                    EventKind.STATE,
                    Severity.INFO,
                    "x",
                    actor="device",
                    now_us=self.pulses,
                )
                self.fanout.tell(Kind.EVENT, {})

    async def waiting(self) -> int:
        return await self.writer.run(Store.outbox_depth)

    async def emptied(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.waiting():
                pass

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publisher.run())
        async with self.writer:
            try:
                yield
            finally:
                self.publisher.stop()
                async with asyncio.timeout(PATIENCE_S):
                    await task
