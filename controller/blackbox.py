"""The black box: the last seconds of frames, samples and decisions, kept on disk at each trip."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from controller.store import Store, StoreError, StoreWriter
from hal.traffic import Chunk
from protocols.messages import Message, Status
from protocols.states import ARMED
from protocols.values import user_values

T = TypeVar("T")

KEPT_US: Final = 30_000_000  # DESIGN: the last 30 s
AFTER_S: Final = 2.0  # [C] what the laser and the people did about it belongs to the story
ENDING_S: Final = 2.0  # [C] what a daemon that ends waits for a slow disk
ENTRIES_MAX: Final = 1_000  # [D] 30 s of 20 status, 10 pulses, a sample and a decision each second
AT_ONCE: Final = 25  # [D] 2 ms of work, measured: the loop may lag by 100 ms


class BlackBox:
    """Remembers without end in a ring, and writes the ring down when something trips.

    `traffic` gives the line's recent bytes; `report` what the daemon would answer to a status request.
    """

    def __init__(
        self,
        writer: StoreWriter,
        *,
        now_us: Callable[[], int],
        traffic: Callable[[], Iterable[Chunk]],
        report: Callable[[], Mapping[str, Any]],
        new_id: Callable[[], str],
        on_failed: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._now_us = now_us
        self._traffic = traffic
        self._report = report
        self._new_id = new_id
        self._on_failed = on_failed
        self._entries: deque[tuple[int, str, Message | str]] = deque(maxlen=ENTRIES_MAX)
        self._trips: asyncio.Queue[tuple[int, str, bool]] = asyncio.Queue(maxsize=16)
        self._begun: list[tuple[int, str, bool]] = []  # trips that are to be written, and are not yet
        self._armed = False

    def note(self, kind: str, text: str) -> None:
        """Remember a decision in words."""
        self._entries.append((self._now_us(), kind, text))

    def message(self, message: Message, at_us: int) -> None:
        """Remember what the laser said."""
        self._entries.append((at_us, "message", message))
        if isinstance(message, Status):
            self._armed = message.state in ARMED

    def trip(self, cause: str) -> None:
        """Keep what is remembered; trips within the seconds after one belong to it."""
        self.note("trip", cause)
        self._keep_soon(cause, asked=False)

    def decided(self, event: str, text: str) -> None:
        """The supervisor noted an event; a stop of an armed laser is kept like the trip it may come from."""
        if event == "stop":
            self.note(event, text)
            if self._armed:
                self._keep_soon(text, asked=True)

    def _keep_soon(self, cause: str, *, asked: bool) -> None:
        if not self._trips.full():
            self._trips.put_nowait((self._now_us(), cause, asked))

    async def run(self) -> None:
        """Write an incident for each trip until cancelled, then at once what is not written yet."""
        try:
            while True:
                self._begun.append(await self._trips.get())
                await asyncio.sleep(AFTER_S)
                await self._keep_begun()
        except asyncio.CancelledError:
            # A daemon often ends by the very trip, or because of it: its reason must not be lost.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_S):
                    await self._keep_begun()
            raise

    async def _keep_begun(self) -> None:
        while not self._trips.empty():
            self._begun.append(self._trips.get_nowait())
        if self._begun:
            # The supervisor asks for its stop before it says what tripped.
            tripped_us, cause, _ = next((trip for trip in self._begun if not trip[2]), self._begun[0])
            await self._keep(tripped_us, cause)

    async def _keep(self, tripped_us: int, cause: str) -> None:
        since_us = tripped_us - KEPT_US
        body = {
            "tripped_us": tripped_us,
            "entries": [
                {"ms": (at_us - tripped_us) / 1e3, "kind": kind}
                | (
                    {"text": what}
                    if isinstance(what, str)
                    else {"name": type(what).__name__} | user_values(what)
                )
                async for at_us, kind, what in _by_and_by(self._entries)
                if at_us >= since_us
            ],
            "traffic": [
                {
                    "ms": (chunk.at_us - tripped_us) / 1e3,
                    "way": chunk.direction.name.lower(),
                    "hex": chunk.data.hex(),
                }
                async for chunk in _by_and_by(self._traffic())
                if chunk.at_us >= since_us
            ],
            "report": dict(self._report()),
        }
        self._begun.clear()  # what was handed over is written, even if this is cancelled
        try:
            await self._writer.run(Store.save_incident, self._new_id(), cause, body, now_us=tripped_us)
        except StoreError as error:
            self._on_failed(f"the black box of '{cause}' could not be kept: {error}")


async def _by_and_by(items: Iterable[T]) -> AsyncIterator[T]:
    """What `items` are now, a few at a time: half a minute of them would hold up the heartbeat."""
    for number, item in enumerate(tuple(items), start=1):
        yield item
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
