"""The web console's listener: serves the page beside the daemon, which runs on whatever becomes of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from controller.api import serve
from controller.config import MqttConfig, WebConfig
from controller.console import Console
from controller.fanout import Fanout
from controller.listening import ListenError, listen_tcp
from controller.store import StoreWriter
from controller.web.app import build_web
from controller.web.archive import Archive
from controller.web.browsers import Browsers
from controller.web.events import Events
from controller.web.files import Files
from controller.web.fleet_view import FleetView
from controller.web.guard import Guard
from controller.web.simulator import Simulator

AGAIN_S: Final = 5.0  # [C] between two tries for a port that somebody else has
GONE_MS: Final = 10_000
"""[C] After so long without an acknowledgement a connection is ended: else a watcher whose network was cut
would keep its place for a quarter of an hour."""

_log = logging.getLogger(__name__)


class WebConsole:
    """One daemon's page. `report` tells people of trouble; what fails here ends nothing else."""

    def __init__(
        self,
        config: WebConfig,
        mqtt: MqttConfig,
        *,
        console: Console,
        fanout: Fanout,
        writer: StoreWriter,
        store_path: Path,
        boot: str,
        wall_clock: Callable[[], datetime],
        now_us: Callable[[], int],
        report: Callable[[str], None],
    ) -> None:
        self._config = config
        self._console = console
        self._fanout = fanout
        self._boot = boot
        self._wall_clock = wall_clock
        self._report = report
        self._browsers = Browsers(secrets.token_bytes(32), now_us)
        self._archive = Archive(writer, store_path)
        self._fleet = FleetView(mqtt if config.fleet else None, now_us)
        self._events: Events | None = None
        self._trouble = "is starting"

    @property
    def health(self) -> dict[str, Any]:
        """How it is, as the status tells it."""
        return {
            "state": "down" if self._events is None else "up",
            "address": self.address,
            "trouble": self._trouble or None,
            "watchers": 0 if self._events is None else self._events.watchers,
            "fleet": self._config.fleet,
        }

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = self._config.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._config.port}/"

    async def run(self) -> None:
        """Serve until cancelled; a port that is taken, or any failure, is told and tried again."""
        while True:
            try:
                with listen_tcp(self._config.host, self._config.port, "web") as listening:
                    await self._serve(listening)
                trouble = "the page's server ended"
            except ListenError as error:
                trouble = str(error)
            except Exception as error:  # noqa: BLE001  # the top of the task: the page is no reason to end a treatment
                _log.exception("the page failed")
                trouble = f"the page failed [{type(error).__name__}]"
            if trouble != self._trouble:
                self._trouble = trouble
                self._report(f"no page for people at {self.address}: {trouble}")
            await asyncio.sleep(AGAIN_S)

    async def _serve(self, listening: socket.socket) -> None:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)  # each connection has it
        events = Events(self._fanout, self._console.status, boot=self._boot, wall_clock=self._wall_clock)
        app = self._app(events)
        telling = asyncio.create_task(events.run(), name="web-events")
        serving = asyncio.create_task(serve(app, listening), name="web-server")
        fleet = asyncio.create_task(self._fleet.run(), name="web-fleet")
        self._events, self._trouble = events, ""
        _log.info("the page is at %s", self.address)
        try:
            await asyncio.wait({telling, serving, fleet}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._events = None
            telling.cancel()  # first: the streams end by it, and the server waits for them
            fleet.cancel()
            await asyncio.wait({telling, fleet})
            serving.cancel()
            await asyncio.wait({serving})
        for task in (telling, serving, fleet):
            if not task.cancelled():
                task.result()

    def _app(self, events: Events) -> Guard:
        return build_web(
            self._console,
            browsers=self._browsers,
            events=events,
            archive=self._archive,
            files=Files(),
            simulator=Simulator(self._config.simulator_control, self._console.status),
            fleet=self._fleet,
            loopback_only=not self._config.allow_remote,
            new_browser=lambda: secrets.token_urlsafe(16),
        )
