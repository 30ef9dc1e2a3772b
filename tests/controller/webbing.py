"""The page's application over a laser in virtual time, and a browser before it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from controller.store import RecordRefused, Role
from controller.web import reading
from controller.web.app import build_web
from controller.web.archive import Archive
from controller.web.browsers import COOKIE, Browsers
from controller.web.events import Events
from controller.web.files import Files
from controller.web.fleet_view import FleetView
from controller.web.guard import Guard
from controller.web.simulator import Simulator
from rig.stack import Stack

HOST = "localhost:8756"
OWN = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
"""What a browser says of what the daemon's own page asks."""


@dataclass
class Web:
    """One daemon's page."""

    stack: Stack
    app: Guard
    events: Events
    browsers: Browsers

    def http(self, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        """A browser with its page open; close it when done."""
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(
            transport=transport, base_url=f"http://{HOST}", headers=OWN | (headers or {})
        )

    async def logged_in(self, name: str = "anna", role: Role = Role.OPERATOR) -> dict[str, str]:
        """The headers of a browser whose login is another than the stack's own."""
        await self.stack.login(name, role)
        return self.headers((await self.stack.login_again(name)).token)

    def headers(self, token: str) -> dict[str, str]:
        """What the page sends along with every act of a login."""
        return {"Cookie": f"{COOKIE}={self.browsers.cookie(token)}", "X-CSRF": self.browsers.csrf(token)}


@asynccontextmanager
async def web_of(
    stack: Stack, *, loopback_only: bool = True, control: Path | None = None
) -> AsyncIterator[Web]:
    """The application as the daemon makes it, without a listener; records are read in this process."""
    console = stack.daemon.console
    events = Events(stack.daemon.fanout, console.status, boot=stack.daemon.boot, wall_clock=stack.wall_clock)
    browsers = Browsers(b"a key for tests", stack.loop.now_us)
    names = iter(range(1_000_000))
    app = build_web(
        console,
        browsers=browsers,
        events=events,
        archive=Archive(stack.daemon.writer, Path(stack.records.path), read_here),
        files=Files(),
        simulator=Simulator(control, console.status),
        fleet=FleetView(None, stack.loop.now_us),
        loopback_only=loopback_only,
        new_browser=lambda: f"browser-{next(names)}",
    )
    telling = asyncio.create_task(events.run(), name="web-events")
    try:
        yield Web(stack, app, events, browsers)
    finally:
        telling.cancel()
        await asyncio.wait({telling})


async def read_here(path: Path, question: str, known_as: str) -> tuple[int, bytes, str]:
    """As the process that the daemon starts for it, but here: virtual time knows no other process."""
    try:
        return 0, reading.QUESTIONS[question](path, known_as), ""
    except RecordRefused as error:
        return reading.ABSENT, b"", str(error)


@dataclass
class Window:
    """A window that watches: every message in the order in which it came, as (kind, id, value)."""

    told: list[tuple[str, str, Any]]
    reading: asyncio.Task[None]

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.told]

    def of(self, *kinds: str) -> list[tuple[str, Any]]:
        return [(known_as, value) for kind, known_as, value in self.told if kind in kinds]


@asynccontextmanager
async def window(events: Events, browser: str = "", last: str = "") -> AsyncIterator[Window]:
    """Watch until the block ends; the parts of the stream are read as a browser reads them."""
    watch = events.open(browser, last)
    told: list[tuple[str, str, Any]] = []

    async def read() -> None:
        async for piece in watch.pieces():
            told.extend(messages(piece))

    task = asyncio.create_task(read(), name="window")
    try:
        yield Window(told, task)
    finally:
        task.cancel()
        await asyncio.wait({task})
        watch.close()


def messages(text: bytes) -> list[tuple[str, str, Any]]:
    """Kind, id and value of each message, read after the HTML standard's own rules."""
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line)
        if "data" in fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found
