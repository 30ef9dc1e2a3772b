"""One connection to the broker after another, ever more slowly while they fail; each trouble is told once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from controller.mqtt_link import LinkTrouble, happens

BACKOFF_S: Final = (0.2, 5.0)  # [C] first and longest pause between attempts
LASTING_S: Final = 5.0  # [C] a shorter connection does not reset the pause: two of one name take turns


class Tries:
    """Uses connections until `stopping`, and says in `trouble` what is wrong; who is connected clears it.

    `name` stands before what `log` is told; `jitter` gives a number from 0 to 1, so that a fleet does not
    come back all at once.
    """

    def __init__(
        self, name: str, log: logging.Logger, *, stopping: asyncio.Event, jitter: Callable[[], float]
    ) -> None:
        self.trouble: LinkTrouble | None = None
        self._name = name
        self._log = log
        self._stopping = stopping
        self._jitter = jitter

    async def run(self, session: Callable[[], Awaitable[None]]) -> None:
        """Begin `session` again and again; raises nothing but cancellation."""
        loop = asyncio.get_running_loop()
        pause_s, longest_s = BACKOFF_S
        while not self._stopping.is_set():
            began_s = loop.time()
            try:
                await session()
            except LinkTrouble as trouble:
                self.complain(trouble)
            except Exception as error:  # noqa: BLE001  # top of the task: telemetry may fail, control must not
                self.complain(LinkTrouble("bug", f"publishing failed and is tried again: {error!r}"), error)
            if loop.time() - began_s > LASTING_S:
                pause_s = BACKOFF_S[0]
            await happens(self._stopping, pause_s * (1 + self._jitter()) / 2)
            pause_s = min(2 * pause_s, longest_s)

    def complain(self, trouble: LinkTrouble, bug: Exception | None = None) -> None:
        """Keep a trouble, and log it unless the last one was of its kind."""
        repeated = self.trouble is not None and self.trouble.kind == trouble.kind
        level = logging.DEBUG if repeated else logging.ERROR if bug else logging.WARNING
        self._log.log(level, "%s: %s", self._name, trouble, exc_info=bug)
        self.trouble = trouble
