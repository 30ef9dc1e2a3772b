"""The fleet on the page: the last picture of all lasers of a broker, drawn by a process while somebody looks.

Theory of operation. A thousand lasers are thousands of messages a second, and whoever may write at a broker
may send more. The daemon owes its loop to one laser's heartbeat, so a process of its own with a lower
priority listens, with a connection of its own that only reads, and prints a picture every 2 s; the daemon
keeps the bytes of the last. Nobody looks: no process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Final

from pydantic_core import to_json

from controller.config import MqttConfig
from controller.declined import Declined
from protocols.timing import SECOND

LOOKED_AT_US: Final = 30 * SECOND  # [C] a page asks every 2 s; one that is loaded anew finds it still there
PICTURE_MAX: Final = 16 * 1024 * 1024  # [D] bytes: 2,000 lasers with every alarm in words
SILENT_S: Final = 20.0  # [C] a picture comes every 2 s: what says nothing for so long hangs
AGAIN_S: Final = 5.0  # [C] after a process that ended by itself

_log = logging.getLogger(__name__)


class FleetView:
    """`picture` tells what there is and keeps `run` at it; without `config` there is no fleet."""

    def __init__(self, config: MqttConfig | None, now_us: Callable[[], int]) -> None:
        self._config = config
        self._now_us = now_us
        self._asked_us: int | None = None
        self._asked = asyncio.Event()
        self._picture = b""
        self._drawn_us = 0
        self._trouble = ""

    def picture(self) -> bytes:
        """`{age_s, trouble, picture}` as JSON; the picture is null until there is one. Raises Declined."""
        if self._config is None:
            text = "this daemon shows no fleet"
            action = "set fleet = true under [web], and the broker under [mqtt]; restart the daemon"
            raise Declined(404, "fleet.off", text, action)
        self._asked_us = self._now_us()
        self._asked.set()
        age_s = (self._asked_us - self._drawn_us) / 1e6 if self._picture else None
        told = (to_json(age_s), to_json(self._trouble or None), self._picture or b"null")
        return b'{"age_s":%s,"trouble":%s,"picture":%s}' % told

    async def run(self) -> None:
        """Have it drawn while somebody looks, until cancelled."""
        while True:
            await self._asked.wait()
            try:
                await self._watch(self._config)
            except OSError as error:
                _log.warning("the fleet cannot be read: %s", error)
                self._trouble = "the fleet cannot be read, see the log of the daemon"
            if self._looked_at():
                await asyncio.sleep(AGAIN_S)
            else:
                self._asked.clear()
                self._picture = b""  # what was so long ago is shown to nobody

    def _looked_at(self) -> bool:
        return self._asked_us is not None and self._now_us() - self._asked_us < LOOKED_AT_US

    async def _watch(self, config: MqttConfig | None) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "controller.web.fleet_reading"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=PICTURE_MAX,
        )
        asking, told = process.stdin, process.stdout
        if asking is None or told is None:  # never, of a process with pipes
            raise OSError("the process has no pipes")
        try:
            asking.write((config.model_dump_json() if config else "").encode() + b"\n")
            await asking.drain()
            while self._looked_at():
                async with asyncio.timeout(SILENT_S):
                    line = await told.readline()
                if not line:
                    self._trouble = "what reads the fleet has ended, see the log of the daemon"
                    return
                self._picture, self._drawn_us, self._trouble = line.rstrip(), self._now_us(), ""
        except TimeoutError:
            self._trouble = "what reads the fleet is silent"
        except ValueError:  # of `readline`, beyond the limit
            self._trouble = "the fleet is too large for the page: use picolase fleet"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            asking.close()
            await asyncio.shield(process.wait())
