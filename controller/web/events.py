"""The events: what the page is told of the laser as it happens, resumable, the same for all who watch.

Theory of operation. Pulses and events are kept in a ring and numbered; each who watches has a place in it, so
that a slow or lost one costs no memory, and is told how many it missed when the ring has gone on without it.
Status, telemetry and beat are latest values, put together once for all and only while somebody watches. The
beat comes from the daemon's own loop twice a second: when it stays away, the page knows that nobody is there.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic_core import to_json

from controller.declined import Declined
from controller.fanout import LATEST, Fanout, Kind, Subscription
from hal.time import now_us
from protocols.payloads import utc_text
from protocols.timing import MS, SECOND

KEPT: Final = 512  # [C] fifty seconds of pulses at 10 Hz: longer than a page takes to come back
WAITING_MAX: Final = 2_048  # [C] as many as the recorder writes at once, eight times over
WATCHERS_MAX: Final = 32  # [C] each costs the loop some writes for each pulse; nobody needs a login to watch
STREAMS_PER_BROWSER: Final = 4
"""[D] A browser has six connections to one host over HTTP/1.1: windows that watch leave room for a STOP."""

RETRY_MS: Final = 500  # [C] how long a browser waits before it comes back
BEAT_US: Final = 500 * MS  # [D] a third of the 1.5 s within which the page says that it is stale
STATUS_US: Final = SECOND  # as often as the state is told without a change
STATUS_PAUSE_US: Final = 50 * MS  # [D] each pulse changes the state twice: so often, and no oftener, at 10 Hz

DIGITS_MAX: Final = 18  # of the number in an id: as many as there can ever be, none that take long to read

WATCHING: Final = "web-live"
"""The subscription that is there only while somebody watches."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of one kind, as it goes out, and how new it is."""

    version: int
    data: bytes


class Events:
    """Fed by `run`; whoever watches opens a `Watch`. `report` gives the status, `boot` names this run."""

    def __init__(
        self,
        fanout: Fanout,
        report: Callable[[], dict[str, Any]],
        *,
        boot: str,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self.boot = boot
        self.last = 0  # number of the newest pulse or event
        self.version = 0  # of the newest of the latest values
        self.closed = False
        self.latest: dict[str, Latest] = {}
        self._fanout = fanout
        self._report = report
        self._wall_clock = wall_clock
        self._ring: deque[bytes] = deque(maxlen=KEPT)
        self._watches: list[Watch] = []
        self._somebody = asyncio.Event()
        self._news = asyncio.Event()
        self._feed = fanout.subscribe("web", {Kind.PULSE: WAITING_MAX, Kind.EVENT: WAITING_MAX})

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._watches)

    @property
    def first(self) -> int:
        """Number of the oldest pulse or event that is kept; one more than `last` when none is."""
        return self.last - len(self._ring) + 1

    @property
    def news(self) -> asyncio.Event:
        """Set when there is something new; take it before looking for what is new."""
        return self._news

    async def run(self) -> None:
        """Keep and tell until cancelled; then every watch ends."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep(), name="web-keep")
                group.create_task(self._tell(), name="web-tell")
        finally:
            self.closed = True
            self._feed.close()
            self._wake()

    def open(self, browser: str = "", last_event_id: str = "") -> Watch:
        """Begin to watch, after what a browser has seen last; raises Declined when too many watch.

        `browser` tells one browser's windows from another's. Close it when done.
        """
        if len(self._watches) >= WATCHERS_MAX:
            raise Declined(429, "watchers", f"{WATCHERS_MAX} windows watch already", "close one of them")
        streams = Counter(watch.browser for watch in self._watches)[browser]
        if browser and streams >= STREAMS_PER_BROWSER:
            text = (
                f"{streams} windows of this browser watch already; with more, a STOP might not get out of it"
            )
            raise Declined(429, "watchers.browser", text, "close one of them")
        watch = Watch(self, browser, last_event_id)
        self._watches.append(watch)
        self._somebody.set()
        return watch

    def forget(self, watch: Watch) -> None:
        """A watch ended; one that had ended already is no error."""
        if watch in self._watches:
            self._watches.remove(watch)
        if not self._watches:
            self._somebody.clear()

    def status(self) -> bytes:
        """The status now, as it goes out."""
        return message("status", {"kind": "status"} | self._report())

    def since(self, number: int) -> bytes:
        """All pulses and events after this number that are kept."""
        return b"".join(itertools.islice(self._ring, max(0, number + 1 - self.first), None))

    # -- within

    async def _keep(self) -> None:
        async for item in self._feed:
            self.last += 1
            value: dict[str, object] = {"kind": item.kind.value}
            if item.kind is Kind.EVENT:
                value["time"] = utc_text(self._wall_clock())  # it was put on record this moment
            self._ring.append(message(item.kind.value, value | dict(item.value), f"{self.boot}-{self.last}"))
            self._wake()

    async def _tell(self) -> None:
        while not self._feed.closed:
            await self._somebody.wait()
            with self._fanout.subscribe(WATCHING, {Kind.STATE: LATEST, Kind.TELEMETRY: LATEST}) as live:
                await self._tell_while_watched(live)

    async def _tell_while_watched(self, live: Subscription) -> None:
        told_us = beat_due_us = now_us()
        changed = False
        while self._watches:
            status_due_us = told_us + (STATUS_PAUSE_US if changed else STATUS_US)
            try:
                async with asyncio.timeout_at(min(beat_due_us, status_due_us) / SECOND):
                    item = await live.get()
                if item.kind is Kind.STATE:
                    changed = True
                else:
                    self._set("telemetry", {"kind": "telemetry"} | dict(item.value))
            except TimeoutError:
                pass
            at_us = now_us()
            if at_us >= told_us + (STATUS_PAUSE_US if changed else STATUS_US):
                told_us, changed = at_us, False
                self._set("status", {"kind": "status"} | self._report())
            if at_us >= beat_due_us:
                beat_due_us = at_us + BEAT_US
                beat = {"kind": "beat", "time": utc_text(self._wall_clock()), "boot": self.boot}
                self._set("beat", beat)

    def _set(self, kind: str, value: Mapping[str, object]) -> None:
        self.version += 1
        self.latest[kind] = Latest(self.version, message(kind, value))
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Watch:
    """One window's place in the events, and what goes out to it; close it when done."""

    def __init__(self, events: Events, browser: str, last_event_id: str) -> None:
        self.browser = browser
        self._events = events
        self._missed: int | None = 0
        self._seen = events.first - 1
        if last_event_id:
            boot, _, number = last_event_id.rpartition("-")
            known = (
                boot == events.boot and number.isascii() and number.isdigit() and len(number) <= DIGITS_MAX
            )
            if known and int(number) <= events.last:
                self._seen = int(number)
            else:
                self._missed = None  # of another run: nobody knows what happened between
        self._version = events.version

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """What to send, as it comes, until it is closed or the daemon ends."""
        yield b"retry: %d\n\n" % RETRY_MS + self._events.status()
        while True:
            news = self._events.news
            if piece := self._new():
                yield piece
            elif self._events.closed:
                return
            else:
                await news.wait()

    def close(self) -> None:
        """Watch no more."""
        self._events.forget(self)

    def _new(self) -> bytes:
        events, parts = self._events, []
        lost = events.first - 1 - self._seen
        if lost > 0 or self._missed is None:
            self._missed = None if self._missed is None else lost
            parts.append(message("gap", {"kind": "gap", "missed": self._missed}))
            self._missed = 0
        parts.append(events.since(self._seen))
        self._seen = events.last
        parts += [one.data for one in events.latest.values() if one.version > self._version]
        self._version = events.version
        return b"".join(parts)


def message(kind: str, value: Mapping[str, object], known_as: str = "") -> bytes:
    """One message of the stream, as HTML's "Server-sent events" has it; JSON holds no line end."""
    number = b"id: %s\n" % known_as.encode() if known_as else b""
    return b"%sevent: %s\ndata: %s\n\n" % (number, kind.encode(), to_json(value, inf_nan_mode="null"))
