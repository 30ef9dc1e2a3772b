"""The loop of virtual time: timers, pipes, signals, threads and companions."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import cast

import pytest

from hal.time import now_us
from rig.virtual_time import NEVER_US, VirtualTimeLoop


async def test_an_hour_passes_in_no_time_and_to_the_microsecond() -> None:
    began_us, began_real = now_us(), time.monotonic()
    await asyncio.sleep(3600.000001)
    assert now_us() - began_us == 3_600_000_001
    assert time.monotonic() - began_real < 50


async def test_timers_fire_in_order_each_at_its_own_microsecond() -> None:
    loop = asyncio.get_running_loop()
    fired: list[tuple[int, int]] = []
    for due_us in (3, 1, 2, 100_000, 99_999):
        loop.call_at(due_us / 1e6, lambda due: fired.append((due, now_us())), due_us)
    await asyncio.sleep(1)
    assert fired == [(us, us) for us in (1, 2, 3, 99_999, 100_000)]


async def test_time_is_a_whole_number_of_microseconds_for_timers_that_are_not() -> None:
    await asyncio.sleep(1.2345678e-3)
    assert now_us() == 1235


async def test_bytes_in_a_pipe_are_read_before_the_clock_jumps() -> None:
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    heard: list[int] = []

    def read() -> None:
        os.read(reading, 1)
        heard.append(now_us())

    loop.add_reader(reading, read)
    os.write(writing, b"x")
    await asyncio.sleep(5)
    loop.remove_reader(reading)
    os.close(reading)
    os.close(writing)
    assert heard == [0]


async def test_a_pipe_that_comes_and_goes_is_polled_for_as_long_as_it_is_there() -> None:
    loop = asyncio.get_running_loop()
    for round_us in (0, 1_000_000):
        reading, writing = os.pipe()
        heard: list[int] = []
        loop.add_reader(reading, lambda: heard.append(len(os.read(reading, 1))))  # noqa: B023 - of this round
        loop.call_later(0.25, os.write, writing, b"x")
        await asyncio.sleep(0.25)
        for _ in range(3):
            await asyncio.sleep(0)
        assert heard == [1]
        assert now_us() == round_us + 250_000
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)
        await asyncio.sleep(0.75)


def idling(loop: VirtualTimeLoop) -> None:
    """Timers without end, and nothing else to do."""
    loop.call_later(0.001, idling, loop)


async def test_a_signal_is_heard_while_the_clock_jumps_from_timer_to_timer() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    heard = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, heard.set_result, True)
    signaller = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    idling(loop)
    signaller.start()
    assert await heard
    signaller.join()
    loop.remove_signal_handler(signal.SIGUSR1)


async def test_a_foreign_thread_is_heard_while_the_clock_jumps_and_while_there_is_nothing_to_do() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    for busy in (False, True):
        heard = loop.create_future()
        if busy:
            idling(loop)
        caller = threading.Timer(0.02, loop.call_soon_threadsafe, (heard.set_result, busy))
        caller.start()
        assert await heard is busy
        caller.join()


async def test_a_thread_is_not_overtaken_by_a_timer() -> None:
    async with asyncio.timeout(5):
        await asyncio.to_thread(os.getpid)
    async with asyncio.timeout(5):  # the thread waits for real; the clock keeps pace and does not jump
        await asyncio.to_thread(time.sleep, 0.02)
    assert now_us() < 1_000_000


def test_the_loop_ends_cleanly_with_an_executor_used() -> None:
    async def use() -> int:
        await asyncio.to_thread(os.getpid)
        await asyncio.sleep(1000)
        return now_us()

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start_us=5)) as runner:
        assert runner.run(use()) >= 1_000_000_005


async def test_a_time_out_still_fires() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.get_running_loop().create_future()
    assert now_us() == 60_000_000


class Companion:
    """Something with an event each `period_us`, which notes when it came."""

    def __init__(self, period_us: int, work: Callable[[int], object] = lambda _: None) -> None:
        self.loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
        self.next_us = self.loop.now_us() + period_us
        self.happened_us: list[int] = []
        self._period_us = period_us
        self._work = work
        self.loop.companions.append(self)

    def advance(self, until_us: int) -> int:
        """Only its next event."""
        assert self.loop.now_us() <= until_us >= self.next_us
        return self.next_us

    def tell(self) -> None:
        """Note it, and go on to the next."""
        self.happened_us.append(self.loop.now_us())
        self.next_us += self._period_us
        self._work(self.happened_us[-1])


async def test_companions_have_their_events_each_at_its_own_microsecond() -> None:
    one, other = Companion(300), Companion(7)
    await asyncio.sleep(0.01)
    assert one.happened_us == list(range(300, 10_001, 300))
    assert other.happened_us == list(range(7, 10_001, 7))


async def test_a_companion_comes_before_the_timers_of_the_same_microsecond() -> None:
    order: list[str] = []
    Companion(1000, lambda _: order.append("companion"))
    asyncio.get_running_loop().call_at(0.001, order.append, "timer")
    await asyncio.sleep(0.0015)
    assert order == ["companion", "timer"]


async def test_what_a_companion_sets_going_is_done_before_time_goes_on() -> None:
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, int]] = []

    def work(at_us: int) -> None:
        if at_us == 40:
            loop.call_soon(lambda: seen.append(("soon", now_us())))
            loop.call_later(5e-6, lambda: seen.append(("later", now_us())))
        else:
            seen.append(("event", at_us))

    Companion(10, work)
    await asyncio.sleep(60e-6)
    assert seen[:3] == [("event", 10), ("event", 20), ("event", 30)]
    assert seen[3:] == [("soon", 40), ("later", 45), ("event", 50), ("event", 60)]


async def test_what_a_companion_missed_while_the_loop_was_held_up_comes_before_anything_else() -> None:
    companion = Companion(1000)
    companion.loop.jump(0.0025)
    await asyncio.sleep(200e-6)
    assert companion.happened_us == [2500, 2500]  # late, as a timer would be; once for each


async def test_a_companion_that_breaks_is_told_of_and_left_behind() -> None:
    loop = asyncio.get_running_loop()
    told: list[BaseException | None] = []
    loop.set_exception_handler(lambda _, context: told.append(context.get("exception")))
    broken = Companion(10, lambda _: 1 / 0)
    fine = Companion(10)
    await asyncio.sleep(50e-6)
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert broken.happened_us == [10]
    assert fine.happened_us == [10, 20, 30, 40, 50]
    broken.next_us = now_us()
    broken.loop.companions.append(broken)
    broken.loop.jump(0.001)
    await asyncio.sleep(1e-6)
    assert len(told) == 2


async def test_a_companion_without_end_leaves_signals_and_threads_their_turn() -> None:
    companion = Companion(10)  # and no timer at all
    heard = companion.loop.create_future()
    companion.loop.add_signal_handler(signal.SIGUSR1, heard.set_result, True)
    signaller = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    signaller.start()
    assert await heard
    signaller.join()
    companion.loop.remove_signal_handler(signal.SIGUSR1)
    assert companion.happened_us


async def test_a_companion_keeps_pace_with_a_thread_that_works() -> None:
    companion = Companion(1_000)
    async with asyncio.timeout(5):
        await asyncio.to_thread(time.sleep, 0.02)
    assert len(companion.happened_us) <= now_us() // 1000
    assert now_us() < 1_000_000


async def test_a_companion_without_an_event_and_a_loop_without_a_timer_let_no_time_pass() -> None:
    companion = Companion(NEVER_US)
    companion.loop.pass_time(step_by_step=False)
    assert not companion.happened_us
    assert now_us() == 0


class Telling(Companion):
    """One that goes on alone up to every tenth of its events, and tells only of those."""

    def __init__(self, period_us: int) -> None:
        super().__init__(period_us)
        self.told_us: list[int] = []
        self._came_to_us = 0

    def advance(self, until_us: int) -> int:
        """Up to the next of which others hear."""
        clock_us = self.loop.now_us()
        while self.next_us <= until_us:
            self.happened_us.append(self.next_us)
            self.next_us += self._period_us
            if len(self.happened_us) % 10 == 0:
                until_us = self.happened_us[-1]
        assert self.loop.now_us() == clock_us
        self._came_to_us = until_us
        return until_us

    def tell(self) -> None:
        """The clock must show when."""
        assert self.loop.now_us() == self._came_to_us
        if self.happened_us and self.happened_us[-1] == self._came_to_us and len(self.happened_us) % 10 == 0:
            self.told_us.append(self.loop.now_us())


@pytest.mark.parametrize("timers_us", [[], [1], [30], [300, 600], [295, 300, 305], [7, 299, 301, 2_000]])
async def test_what_a_companion_does_alone_is_told_of_at_its_own_microsecond(timers_us: list[int]) -> None:
    loud, other, timed = Telling(30), Companion(70), list[int]()
    for timer_us in timers_us:
        loud.loop.call_at(timer_us / 1e6, lambda: timed.append(now_us()))
    await asyncio.sleep(0.003)
    assert loud.happened_us == list(range(30, 3_001, 30))
    assert loud.told_us == list(range(300, 3_001, 300))
    assert other.happened_us == list(range(70, 3_001, 70))
    assert timed == timers_us


async def test_who_runs_is_alone_at_an_instant_at_which_nobody_waits_and_nothing_is_due() -> None:
    loop = cast("VirtualTimeLoop", asyncio.get_running_loop())
    companion = Companion(1_000)
    assert loop.alone
    soon = loop.call_soon(lambda: None)
    assert not loop.alone
    soon.cancel()
    await asyncio.sleep(0)
    assert loop.alone
    later = loop.call_at(loop.time(), lambda: None)
    assert not loop.alone
    later.cancel()
    await asyncio.sleep(0)
    assert loop.alone
    companion.next_us = loop.now_us()
    assert not loop.alone
    companion.next_us += 1
    assert loop.alone


async def test_a_companion_without_an_event_does_not_keep_time_from_passing() -> None:
    companion = Companion(NEVER_US)
    await asyncio.sleep(1)
    assert not companion.happened_us
    assert now_us() == 1_000_000
