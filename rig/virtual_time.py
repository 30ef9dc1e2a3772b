"""An asyncio loop whose clock is virtual: when nothing is ready it jumps to the next timer."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

T = TypeVar("T")

_US_PER_S: Final = 1_000_000
# [C] turns of the loop between two looks at the pipe to which only signals and other threads write: what a
# thread calls runs in the next turn in any case, and a signal waits for a millisecond or so.
_TURNS_UNPOLLED_MAX: Final = 100
# Below this, a timer's distance from a whole microsecond is the rounding of float seconds, not intent.
_ROUNDING_US: Final = 1e-3

TURNS_AT_ONCE_MAX: Final = 100_000
"""[C] Turns of the loop at one instant after which it is given up: tasks go round and time cannot pass."""


class TimeStandsStill(RuntimeError):
    """The loop turned without end at one instant of virtual time."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Timers cost no real time; `time()` is always a whole number of microseconds.

    File descriptors are polled before each jump, so pipes and ptys whose both ends live in this loop work;
    while there are none, it jumps without asking the system. A peer in another thread or process cannot know
    this time: for those use an ordinary loop. While work of `run_in_executor` is under way the clock keeps
    pace with real time instead of jumping.
    """

    # asyncio's own, which typeshed does not tell: what runs in this turn or the next, and all timers as a heap.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, start_us: int = 0) -> None:
        self._virtual_us = start_us
        self._virtual_s = start_us / _US_PER_S
        self._turns = 0
        self.turns_max = 0  # the most turns at one instant so far
        self.late_max_us = 0  # the farthest jump that was not to the next timer, so that timers came late
        self._jumping = _JumpingSelector(self)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_s

    def now_us(self) -> int:
        """Virtual microseconds."""
        return self._virtual_us

    def jump(self, duration_s: float) -> None:
        """Advance the clock over the heads of all timers: a loop that was blocked for so long."""
        before_us = self._virtual_us
        self.reach_timer(duration_s)
        self.late_max_us = max(self.late_max_us, self._virtual_us - before_us)

    def reach_timer(self, duration_s: float) -> None:
        """Advance the clock to the next timer, if that is not now already; the selector's call."""
        due_us = self._due_us(self._virtual_s + duration_s)
        if due_us > self._virtual_us:
            self._set(due_us)
        else:
            self.turn()

    @property
    def quiet(self) -> bool:
        """Whether the callback that asks is all there is to do at this instant."""
        return not (self._ready or self._stopping or self._jumping.watching)

    def pass_to(self, due_us: int) -> bool:
        """Let it be `due_us` now, as if the caller had set a timer and it came; whether that was possible.

        It is while nobody else has anything to do up to and including then, not even a cancelled timer to be
        cleared away, and some timer is set: who has nothing to wait for lets the loop look at its signals.
        """
        timers = self._scheduled
        if not timers or self._due_us(timers[0].when()) <= due_us or not self.quiet:
            return False
        if due_us > self._virtual_us:
            self._set(due_us)
        return True

    def turn(self) -> None:
        """Count a turn at this instant; the selector's call. Raises TimeStandsStill if they are too many."""
        self._turns += 1
        if self._turns > self.turns_max:
            self.turns_max = self._turns
            if self._turns > TURNS_AT_ONCE_MAX:
                self._turns = 0  # whoever ends the loop needs some turns of it
                raise TimeStandsStill(f"{self.turns_max} turns of the loop at {self._virtual_us} us")

    @staticmethod
    def _due_us(due_s: float) -> int:
        return math.ceil(due_s * _US_PER_S - _ROUNDING_US)

    def _set(self, now_us: int) -> None:
        self._virtual_us = now_us
        self._virtual_s = now_us / _US_PER_S
        self._turns = 0

    def run_in_executor(  # type: ignore[override]  # typeshed's TypeVarTuple form cannot be forwarded
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As in asyncio; counted, so that no timer overtakes the thread."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads_busy += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads_busy -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's
        """As in asyncio, without its time-out: virtual time would jump right over it."""
        await super().shutdown_default_executor()


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self.threads_busy = 0  # pieces of work of `run_in_executor` under way
        self._loop = loop
        self._alone = True  # nothing but the loop's own pipe for signals and threads is registered
        self._turns_unpolled = 0

    @property
    def watching(self) -> bool:
        """Whether anything real may come in: from a file descriptor or a thread."""
        return self.threads_busy > 0 or not self._alone

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._alone = len(self.get_map()) <= 1
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._alone = len(self.get_map()) <= 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = []
        if timeout is None or self.threads_busy:  # only something real can go on
            ready = super().select(timeout)
        elif not self._alone or self._turns_unpolled >= _TURNS_UNPOLLED_MAX:
            self._turns_unpolled = 0
            ready = super().select(0)
        else:
            self._turns_unpolled += 1
        if timeout and not ready:
            self._loop.reach_timer(timeout)
        else:
            self._loop.turn()
        return ready
