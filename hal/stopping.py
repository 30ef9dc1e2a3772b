"""A stop under way, how it ended, and how far it had to go."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocols.timing import MS

if TYPE_CHECKING:
    import asyncio

    from protocols.messages import Stopped


class StopLevel(enum.Enum):
    """How far a stop had to go."""

    STOP = "STOP"
    LINK_RESET = "link reset"  # a fresh session: Connect voids every permit
    PORT_CLOSED = "port closed"  # no heartbeat any more: the device's own watchdog acts


@dataclass(frozen=True, slots=True)
class StopResult:
    """How a stop ended; unconfirmed, only the device's own watchdog is left to rely on."""

    level: StopLevel
    confirmed: bool
    took_us: int
    stopped: Stopped | None = None

    def __str__(self) -> str:
        how = f"{self.level.value}, {self.took_us / MS:.1f} ms"
        return f"stop confirmed ({how})" if self.confirmed else f"STOP NOT CONFIRMED ({how})"


@dataclass(slots=True)
class StopUnderWay:
    """A stop that is not confirmed yet, and who waits for it."""

    stop_id: int
    began_us: int
    deadline_us: int  # then it escalates
    level: StopLevel = StopLevel.STOP
    waiters: list[asyncio.Future[StopResult]] = field(default_factory=list)

    def end(self, stopped: Stopped | None, now_us: int) -> None:
        """Tell all who wait: confirmed by `stopped`, or not at all and the port is closed."""
        level = self.level if stopped else StopLevel.PORT_CLOSED
        result = StopResult(level, stopped is not None, now_us - self.began_us, stopped)
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(result)
