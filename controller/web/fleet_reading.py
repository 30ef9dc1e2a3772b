"""Reads the fleet for the page: run as a process of its own, so that the daemon never waits for other lasers.

`python -m controller.web.fleet_reading` takes the [mqtt] table as JSON on the first line of its input and
prints a picture of all lasers every 2 s, one JSON object a line, until its input ends. It publishes nothing.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from controller.config import MqttConfig
from controller.fleet import Fleet, Row
from controller.fleet_counts import counts
from controller.fleet_watch import FleetWatch
from controller.mqtt_link import LinkTrouble

EVERY_S: Final = 2.0  # [C] to put a thousand lasers in one picture takes some 30 ms
AGAIN_S: Final = 2.0  # [C] between two tries for a broker that was not there at first
TOLD_MAX: Final = 2_000  # [C] 1 MB; more are no picture, and `picolase fleet` chooses among them
NICENESS: Final = 10  # [C] what a person looks at yields to what a laser waits for


class FleetReading:
    """The fleet of the broker of `config`, as the page is told it."""

    def __init__(self, config: MqttConfig) -> None:
        self._broker = f"mqtt://{config.host}:{config.port}"
        self._fleet = Fleet(config.prefix)
        self._watch = FleetWatch(config, self._fleet, name=f"picolase-page-{secrets.token_hex(6)}")
        self._trouble = ""
        self._settled = False

    async def run(self, gone: asyncio.Event) -> None:
        """Print pictures until `gone` is set."""
        tasks = [
            asyncio.create_task(self._read(), name="fleet-watch"),
            asyncio.create_task(self._settle(), name="fleet-settle"),
            asyncio.create_task(self._tell(), name="fleet-tell"),
        ]
        leaving = asyncio.create_task(gone.wait(), name="fleet-leave")
        try:
            done, _ = await asyncio.wait({leaving, tasks[0], tasks[2]}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, leaving):
                task.cancel()
            await asyncio.gather(*tasks, leaving, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            try:
                await self._watch.run()
            except LinkTrouble as trouble:  # already the first connection was not to be had
                self._trouble = str(trouble)
            await asyncio.sleep(AGAIN_S)

    async def _settle(self) -> None:
        await self._watch.settled(_wall_us)
        self._settled = True

    async def _tell(self) -> None:
        while True:
            sys.stdout.buffer.write(to_json(self._picture(), inf_nan_mode="null") + b"\n")
            sys.stdout.buffer.flush()
            await asyncio.sleep(EVERY_S)

    def _picture(self) -> dict[str, Any]:
        """All lasers, those that ask for a look first."""
        if self._watch.subscribed.is_set():
            self._trouble = ""
        rows = sorted(self._fleet.rows(_wall_us()), key=_worst_first)
        return {
            "broker": self._broker,
            "trouble": self._watch.trouble or self._trouble,
            "settled": self._settled,
            "counts": counts(self._fleet, rows),
            "lasers": [row.plain() for row in rows[:TOLD_MAX]],
            "left_out": max(0, len(rows) - TOLD_MAX),
        }


def _worst_first(row: Row) -> tuple[bool, bool, bool, str, str]:
    return (not row.alarms, row.live, not row.troubled, row.site, row.device)


def _wall_us() -> int:
    """Microseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1e6)


async def _until_input_ends() -> None:
    """The first line is the configuration; the end of input is the end of whoever asked."""
    loop = asyncio.get_running_loop()
    config = MqttConfig.model_validate_json(await loop.run_in_executor(None, sys.stdin.buffer.readline))
    gone = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), gone.set)  # nothing more is ever told: what can be read is the end
    try:
        await FleetReading(config).run(gone)
    finally:
        loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    os.nice(NICENESS)
    asyncio.run(_until_input_ends())
