"""A stack whose time of day moves by days, and the hands that open its interlocks."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from controller.store import EventRecord
from protocols.states import State
from rig.stack import Stack

BY_HAND = ["estop", "key", "remote", "door"]
OPENED = {"door": "open", "remote": "open", "cover": "open", "estop": "press", "key": "off"}
CLOSED = {"door": "close", "remote": "close", "cover": "close", "estop": "release", "key": "on"}


class Dated(Stack):
    """A stack whose time of day can be moved by days; its monotonic clock goes on."""

    moved = timedelta(0)

    def wall_clock(self) -> datetime:
        return super().wall_clock() + self.moved

    async def days_pass(self, days: float) -> None:
        """So many days; the daemon looks again within a minute."""
        self.moved += timedelta(days=days)
        await asyncio.sleep(61)

    async def known(self) -> None:
        await self.settled()
        await self.until(lambda: bool(self.daemon.openings.findings), "the record of openings read")

    async def standby_again(self) -> None:
        """After the key and the emergency stop: acknowledged, tested, in STANDBY."""
        await self.until(lambda: not self.device.faults_present, "no cause of a fault")
        await self.acknowledge()
        await self.until(lambda: self.device.state is State.STANDBY, "STANDBY", within_s=600)

    async def open_and_close(self, *names: str) -> None:
        for name in names:
            self.laser.act(name, to=OPENED[name])
            await asyncio.sleep(2)
            self.laser.act(name, to=CLOSED[name])
            await asyncio.sleep(2)

    @property
    def due(self) -> list[str]:
        return [name for name in self.daemon.openings.due.split(",") if name]

    def told(self, code: str) -> list[EventRecord]:
        """The events with this code, oldest first."""
        return [one for one in reversed(self.reader.events(limit=1_000)) if one.body.get("code") == code]

    def input(self, name: str) -> dict[str, Any]:
        inputs = self.daemon.console.status()["proof_tests"]["inputs"]
        return next(one for one in inputs if one["interlock"] == name)
