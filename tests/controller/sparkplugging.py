"""A Sparkplug node on a bench: what it is told, and what it reports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from controller.config import MqttConfig
from controller.fanout import Fanout, Kind
from controller.sparkplug import SparkplugNode
from controller.store.errors import StoreLocked
from tests.controller.brokers import PATIENCE_S
from tests.controller.sparkplug_host import GROUP

REBIRTH = "Node Control/Rebirth"


class Bench:
    """A node, what it is told, and what it reports."""

    def __init__(self, port: int) -> None:
        self.fanout = Fanout()
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.births = self.tries = 0
        self.reported: list[str] = []
        self.store_fails = False
        self.node = SparkplugNode(
            MqttConfig(
                port=port, host="127.0.0.1", site="room-1", device_id="laser-1", sparkplug_group_id=GROUP
            ),
            fanout=self.fanout,
            boot="run-1",
            next_birth=self._next_birth,
            report=self.reported.append,
            wall_clock=lambda: self.now,
            jitter=self._jitter,
        )

    def _jitter(self) -> float:
        self.tries += 1
        return 0.0

    async def _next_birth(self) -> int:
        if self.store_fails:
            raise StoreLocked("the database is locked", "close what uses it")
        self.births += 1
        return self.births

    def state(self, state: str = "standby", *, link_up: bool = True, q: str = "sim", **more: Any) -> None:
        self.fanout.tell(Kind.STATE, self._stamp(q) | {"state": state, "link_up": link_up} | more)

    def sample(self, **values: Any) -> None:
        self.fanout.tell(Kind.TELEMETRY, self._stamp("sim") | values)

    def pulse(self, number: int, at: datetime | None = None, **more: Any) -> None:
        told = {"pulse_number": number, "set_energy_mj": 100.0, "wall_time": (at or self.now).isoformat()}
        self.fanout.tell(Kind.PULSE, told | {"mono_us": number} | more)

    def _stamp(self, q: str) -> dict[str, Any]:
        return {"ts": self.now.isoformat(), "mono_ns": 1, "boot": "run-1", "q": q, "sim": True}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.node.run())
        try:
            yield task
        finally:
            self.node.stop()
            async with asyncio.timeout(PATIENCE_S):
                await task


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110  # of the outside of a part that tells nobody
            await asyncio.sleep(0.01)
