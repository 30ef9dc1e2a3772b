"""An asyncio loop whose clock is virtual: when nothing is ready it jumps to the next timer."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_US_PER_S: Final = 1_000_000
# Below this, a timer's distance from a whole microsecond is the rounding of float seconds, not intent.
_ROUNDING_US: Final = 1e-3


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Timers cost no real time; `time()` is always a whole number of microseconds.

    File descriptors are polled before each jump, so pipes and ptys whose both ends live in this loop work.
    A peer in another thread or process cannot know this time: for those use an ordinary loop. While work of
    `run_in_executor` is under way the clock keeps pace with real time instead of jumping.
    """

    def __init__(self, start_us: int = 0) -> None:
        self._virtual_us = start_us
        self._threads_busy = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_us / _US_PER_S

    def now_us(self) -> int:
        """Virtual microseconds."""
        return self._virtual_us

    def jump(self, duration_s: float) -> None:
        """Advance the clock; the selector's call."""
        exact_us = (self.time() + duration_s) * _US_PER_S
        self._virtual_us = max(self._virtual_us, math.ceil(exact_us - _ROUNDING_US))

    @property
    def threads_busy(self) -> bool:
        """Whether work of `run_in_executor` is under way."""
        return self._threads_busy > 0

    def run_in_executor(  # type: ignore[override]  # typeshed's TypeVarTuple form cannot be forwarded
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As in asyncio; counted, so that no timer overtakes the thread."""
        future = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._threads_busy -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's
        """As in asyncio, without its time-out: virtual time would jump right over it."""
        await super().shutdown_default_executor()


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self._loop.threads_busy:  # only something real can go on
            ready = super().select(timeout)
        if not ready and timeout is not None:
            self._loop.jump(timeout)
        return ready
