"""A request on its way: it waits for its turn on the wire, then for its outcome."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hal.outcomes import Done, Outcome

if TYPE_CHECKING:
    from protocols.messages import Message
    from protocols.requests import Request


@dataclass(slots=True)
class Asked:
    """A request that was given to the link, by its number there."""

    request: Request
    outcome: asyncio.Future[Outcome[Message]]  # cancelled with its asker, while the device may still answer
    seq: int = 0

    @property
    def was_done(self) -> bool:
        """Whether the device has said that it did it."""
        outcome = self.outcome
        return outcome.done() and not outcome.cancelled() and isinstance(outcome.result(), Done)


class Turns:
    """Who waits for the wire, in the order in which they asked. Made and used within one running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()  # done: its turn has come

    def __bool__(self) -> bool:
        """Whether anybody waits, or was given the turn and has not taken it yet."""
        return bool(self._waiting)

    async def wait(self) -> None:
        """Wait for the turn. Whoever waited must let the next go on in the end, cancelled or not."""
        turn = self._loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        finally:
            self._waiting.remove(turn)

    def give(self) -> None:
        """Let the first who waits go on; until they do they stay the first, and giving again is harmless."""
        if self._waiting and not self._waiting[0].done():
            self._waiting[0].set_result(None)
