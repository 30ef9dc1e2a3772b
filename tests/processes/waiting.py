"""Waiting for real processes: short polls, each with a deadline that says what did not come.

A step takes a second, a series some. Nothing waits longer than it must; a busy machine gets its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from controller.client import ApiRefusal, Client, ClientError, Endpoint
from sim_device.control_client import AsyncControl, ControlError
from tests.processes.status import Status, short

STEP_S = 60.0
POLL_S = 0.02


class Waiting:
    """The daemon's API and the laser's control channel in `folder`, and waits for what they tell."""

    def __init__(self, folder: Path, api: Path, control: Path) -> None:
        self.folder = folder
        self.api = api
        self.control = AsyncControl(control)
        self.client = Client(Endpoint(socket=api))

    async def until(self, what: str, wanted: Callable[[Status], bool], limit_s: float = STEP_S) -> Status:
        """The first status that is as wanted; a daemon that does not answer is waited for."""
        told: Status = {}

        async def as_wanted() -> bool:
            told.clear()
            told.update(await self.client.status())
            return wanted(told)

        await self.wait(what, as_wanted, lambda: short(told), limit_s)
        return told

    async def wait(
        self,
        what: str,
        come: Callable[[], Awaitable[bool]],
        seen: Callable[[], str] = str,
        limit_s: float = STEP_S,
    ) -> None:
        """Poll until it has come; fails with what was seen last and the end of the logs."""
        deadline_s = time.monotonic() + limit_s
        last = ""
        while True:
            try:
                if await come():
                    return
                last = ""
            except ApiRefusal as error:
                if error.code.startswith("session"):
                    raise
                last = f"{error} {error.reasons} {error.problems}"
            except (ClientError, ControlError) as error:
                last = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline_s:
                raise AssertionError(
                    f"not within {limit_s:g} s: {what}; {last} {seen()}\n{self.log_tail()}\n"
                    f"laser: {await self._laser()}"
                )
            await asyncio.sleep(POLL_S)

    async def _laser(self) -> object:
        try:
            seen = await self.control.state()
        except ControlError as error:
            return error
        return {key: seen[key] for key in ("now_us", "speed", "slipped_us", "powered", "running", "state")}

    def log(self) -> str:
        """What the daemons of this folder have logged."""
        log = self.folder / "daemon.log"
        return log.read_text() if log.exists() else ""

    def log_tail(self) -> str:
        return "\n".join(self.log().splitlines()[-15:])
