"""A remote stop whose lever a test holds."""

from __future__ import annotations

import asyncio
from typing import Any

from controller.mqtt_link import Outgoing
from controller.mqtt_stop import RemoteStop
from hal.stopping import StopLevel, StopResult
from protocols.topics import TopicTree
from tests.controller.publishing import NOON
from tests.controller.tape import Tape

TREE = TopicTree("site", "laser")


class Lever:
    """A stop that is confirmed when a test says so."""

    def __init__(self, tree: TopicTree = TREE) -> None:
        self.pulled_s: list[float] = []
        self.reports: list[str] = []
        self.under_way: list[asyncio.Future[StopResult]] = []
        self.remote = RemoteStop(
            tree, boot="run-1", stop=self.pull, report=self.reports.append, wall_clock=lambda: NOON
        )

    def pull(self) -> asyncio.Future[StopResult]:
        loop = asyncio.get_running_loop()
        self.pulled_s.append(loop.time())
        self.under_way.append(loop.create_future())
        return self.under_way[-1]

    def confirm(self, *, really: bool = True) -> None:
        for stop in self.under_way:
            if not stop.done():
                stop.set_result(
                    StopResult(StopLevel.STOP if really else StopLevel.PORT_CLOSED, really, 7_000)
                )

    async def published(self) -> list[Outgoing]:
        """What is brought to a broker within a second."""
        tape = Tape()
        link: Any = tape
        serving = asyncio.create_task(self.remote.serve(link, lambda: None))
        await asyncio.sleep(1)
        serving.cancel()
        await asyncio.wait({serving})
        return tape.got
