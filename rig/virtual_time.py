"""An asyncio loop whose clock is virtual: when nothing is ready it jumps to the next timer."""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

T = TypeVar("T")

_US_PER_S: Final = 1_000_000
# [C] turns of the loop between two looks at the pipe to which only signals and other threads write: what a
# thread calls runs in the next turn in any case, and a signal waits for a millisecond or so.
_TURNS_UNPOLLED_MAX: Final = 100
# [C] of companions, between two turns of the loop: one that lives without end leaves signals their turn
_AT_ONCE_MAX: Final = 20
_AT_ONCE_US: Final = 100_000  # [C] and each time no farther than this beyond its next event
# Below this, a timer's distance from a whole microsecond is the rounding of float seconds, not intent.
_ROUNDING_US: Final = 1e-3

TURNS_AT_ONCE_MAX: Final = 100_000
"""[C] Turns of the loop at one instant after which it is given up: tasks go round and time cannot pass."""


NEVER_US: Final = 2**62
"""Later than any event."""


class TimeStandsStill(RuntimeError):
    """The loop turned without end at one instant of virtual time."""


class Companion(Protocol):
    """What lives in a loop's virtual time with events of its own, too many for a timer and a turn each."""

    @property
    def next_us(self) -> int:
        """When its next event is due, on the loop's clock; NEVER_US or later for none."""
        ...

    def advance(self, until_us: int) -> int:
        """Let its events happen up to `until_us`, or to the first of them that others must hear of at once.

        Returns the time it came to. The loop's clock still shows less, so nobody may be told of anything; or
        it shows `until_us` already: after a jump, or when what is due waited for its turn.
        """
        ...

    def tell(self) -> None:
        """The clock shows the time it came to: now others may hear of it."""
        ...


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Timers cost no real time; `time()` is always a whole number of microseconds.

    File descriptors are polled before each jump, so pipes and ptys whose both ends live in this loop work;
    while there are none, it jumps without asking the system. A peer in another thread or process cannot know
    this time: for those use an ordinary loop. While work of `run_in_executor` is under way the clock keeps
    pace with real time instead of jumping. `companions` are taken along.
    """

    # asyncio's own, which typeshed does not tell: what runs in the next turn, and all timers as a heap.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self, start_us: int = 0) -> None:
        self._virtual_us = start_us
        self._virtual_s = start_us / _US_PER_S
        self._turns = 0
        self.companions: list[Companion] = []
        self.turns_max = 0  # the most turns at one instant so far
        self.late_max_us = 0  # the farthest jump that was not to the next timer, so that timers came late
        self.turn_s_max = 0.0  # the longest turn in real time, once that is measured
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
        due_us = self._due_us(self._virtual_s + duration_s)
        self.late_max_us = max(self.late_max_us, due_us - self._virtual_us)
        self._go_to(due_us)

    def measure_turns(self, clock: Callable[[], float]) -> None:
        """From now on note how long turns take by `clock`, in s, without what companions do between them."""
        self.turn_s_max = 0.0
        self._jumping.clock, self._jumping.turned_s = clock, clock()

    @property
    def quiet(self) -> bool:
        """Whether nothing waits for a turn, so that what is done at once is done in its turn."""
        return not self._ready

    @property
    def alone(self) -> bool:
        """Whether what runs now is all there is to do at this instant: nobody waits for a turn, or is due."""
        timers, due_s = self._scheduled, self._virtual_s + self._clock_resolution
        if self._ready or (timers and timers[0].when() < due_s):
            return False
        return all(companion.next_us > self._virtual_us for companion in self.companions)

    def wait_s(self, timeout_s: float | None) -> float | None:
        """How long nothing happens: no timer, given as `timeout_s`, and no companion; the selector's call."""
        for companion in self.companions:
            if companion.next_us < NEVER_US:
                wait_s = max(0, companion.next_us - self._virtual_us) / _US_PER_S
                timeout_s = wait_s if timeout_s is None else min(timeout_s, wait_s)
        return timeout_s

    def pass_time(self, *, step_by_step: bool) -> None:
        """Go to the next timer, by way of what happens to the companions before; the selector's call.

        Comes back sooner when one has given the loop something to do, and when they have gone on for long;
        `step_by_step` after each event.
        """
        ready, timers = self._ready, self._scheduled
        beyond_us = 0 if step_by_step else _AT_ONCE_US
        for _ in range(1 if step_by_step else _AT_ONCE_MAX):
            timer_us = self._due_us(timers[0].when()) if timers else NEVER_US
            first, due_us, other_us = None, timer_us, NEVER_US
            for companion in self.companions:
                next_us = companion.next_us
                if next_us <= due_us and next_us < NEVER_US:
                    if first is not None:
                        other_us = due_us
                    first, due_us = companion, next_us
                elif next_us < other_us:
                    other_us = next_us
            before_us = self._virtual_us
            if first is not None:
                self._take_along(first, max(due_us, min(timer_us, other_us - 1, due_us + beyond_us)))
            elif due_us < NEVER_US:
                self._go_to(due_us)
            if self._virtual_us == before_us:
                self.turn()
            if first is None or ready:
                return
            if self._virtual_us >= timer_us < min(first.next_us, other_us):
                return  # the timer is due, and before it nothing more

    def catch_up(self) -> None:
        """Give companions a turn whose events are due while others wait for theirs; the selector's call."""
        for companion in self.companions:
            if companion.next_us <= self._virtual_us:
                self.call_soon(self._take_along, companion, self._virtual_us)

    def turn(self) -> None:
        """Count a turn at this instant; the selector's call. Raises TimeStandsStill if they are too many."""
        self._turns += 1
        if self._turns > self.turns_max:
            self.turns_max = self._turns
            if self._turns > TURNS_AT_ONCE_MAX:
                self._turns = 0  # whoever ends the loop needs some turns of it
                raise TimeStandsStill(f"{self.turns_max} turns of the loop at {self._virtual_us} us")

    def _take_along(self, companion: Companion, until_us: int) -> None:
        """Let a companion live on up to `until_us`, and the clock with it."""
        if companion not in self.companions:
            return  # it was taken out while it waited for its turn
        try:
            self._go_to(companion.advance(max(until_us, self._virtual_us)))
            companion.tell()
        except Exception as error:  # noqa: BLE001 - the top of what time calls, as a handle is in asyncio
            self.companions.remove(companion)
            text = f"{companion!r} broke: it stands still from now on"
            self.call_exception_handler({"message": text, "exception": error})

    def _go_to(self, now_us: int) -> None:
        if now_us > self._virtual_us:  # after a jump the clock is ahead of what is due
            self._virtual_us = now_us
            self._virtual_s = now_us / _US_PER_S
            self._turns = 0

    @staticmethod
    def _due_us(due_s: float) -> int:
        return math.ceil(due_s * _US_PER_S - _ROUNDING_US)

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
        self.clock: Callable[[], float] | None = None  # of real time, if turns are measured
        self.turned_s = 0.0  # when the present turn began

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._alone = len(self.get_map()) <= 1
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._alone = len(self.get_map()) <= 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.clock is None:
            return self._select(timeout)
        loop = self._loop
        loop.turn_s_max = max(loop.turn_s_max, self.clock() - self.turned_s)
        ready = self._select(timeout)
        self.turned_s = self.clock()
        return ready

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = []
        idle = timeout != 0  # otherwise callbacks are waiting for the next turn
        real = self.threads_busy > 0 or not self._alone
        if idle and (real or timeout is None):
            timeout = self._loop.wait_s(timeout)
        if timeout is None or self.threads_busy:  # only something real can go on
            ready = super().select(timeout)
        elif not self._alone or self._turns_unpolled >= _TURNS_UNPOLLED_MAX:
            self._turns_unpolled = 0
            ready = super().select(0)
        else:
            self._turns_unpolled += 1
        if idle and not ready:
            self._loop.pass_time(step_by_step=real)
        else:
            self._loop.turn()
            self._loop.catch_up()
        return ready
