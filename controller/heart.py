"""The heart: ticks the supervisor, measures how late the event loop is, and sends the heartbeat.

The heartbeat leaves only from here and only when the supervisor gives one. So a loop that lags, a supervisor
that withholds and a task that ended all have the same effect: silence, and the device ends emission itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from protocols.messages import Heartbeat
from protocols.timing import HEARTBEAT_PERIOD_US
from safety.reactions import Reaction

_PERIOD_S = HEARTBEAT_PERIOD_US / 1e6


class Watched(Protocol):
    """What the heart needs of the supervisor."""

    def loop_lag(self, lag_us: int, now_us: int) -> list[Reaction]:
        """Take how late the loop was."""
        ...

    def tick(self, now_us: int) -> list[Reaction]:
        """Act on what time alone has changed."""
        ...

    def heartbeat(self, now_us: int) -> Heartbeat | None:
        """The heartbeat to send now, or None: withheld."""
        ...


async def beat(
    supervisor: Watched, react: Callable[[list[Reaction]], None], send: Callable[[Heartbeat], object]
) -> None:
    """Tick every 50 ms until cancelled; `send` is called with every heartbeat that is not withheld."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    timer: asyncio.TimerHandle | None = None

    def on_time(due_s: float) -> None:
        nonlocal timer
        try:
            now_s = loop.time()
            now_us = round(now_s * 1e6)
            react(supervisor.loop_lag(max(0, round((now_s - due_s) * 1e6)), now_us))
            react(supervisor.tick(now_us))
            heartbeat = supervisor.heartbeat(now_us)
            if heartbeat is not None:
                send(heartbeat)
            due_s += _PERIOD_S
            if due_s <= loop.time():  # a late beat is not made up for: two at once tell no more than one
                due_s = loop.time() + _PERIOD_S
            timer = loop.call_at(due_s, on_time, due_s)
        except Exception as error:  # noqa: BLE001 - raised by who awaits the heart
            if not ended.done():
                ended.set_exception(error)

    # Straight from the timer, not by way of a task that it would wake: the beat comes a turn sooner.
    on_time(loop.time())
    try:
        await ended
    finally:
        if timer is not None:
            timer.cancel()
