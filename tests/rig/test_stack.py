"""The whole stack in virtual time: the same seed gives the same bytes, and nothing goes unseen."""

import asyncio
import itertools
import os
import subprocess
import sys

import pytest

from protocols.frame import Frame
from protocols.messages import Status
from rig.invariants.witness import Asked
from rig.player import Player
from rig.stack import PLAN, Stack, plan_text
from rig.virtual_time import VirtualTimeLoop
from safety.latches import LatchId
from sim_device.vices import Drop, Tap

TREATMENT = """\
import asyncio
import itertools
from rig.stack import Stack, plan_text
from rig.virtual_time import VirtualTimeLoop

async def treat():
    async with Stack({seed}) as stack:
        await stack.prepare(plan_text(series=[2, 8]))
        await stack.arm()
        await stack.give_series()
        await stack.permitted()
        stack.laser.act("door", to="open")
        await asyncio.sleep(1)
        stack.laser.act("door", to="close")
        await asyncio.sleep(1)
        await stack.resume()
        await stack.arm()
        stack.press()
        await asyncio.sleep(0.5)
        stack.kill_daemon()
        await asyncio.sleep(1)
        stack.release()
        stack.start_daemon()
        await stack.resume()
        await stack.arm()
        await stack.give_all()
        return stack.line.trace, stack.line.bytes_carried, stack.loop.now_us(), stack.truth.pulses

with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
    trace = runner.run(treat())
print(trace[0], trace[1], trace[2], repr(trace[3]).encode().hex()[-4000:])
"""


def treated(seed: int, hash_seed: int) -> str:
    """A treatment with a trip and a kill in a process of its own: trace, bytes, end, light."""
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    ran = subprocess.run(
        [sys.executable, "-c", TREATMENT.format(seed=seed)],
        env=environment, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_same_seed_gives_the_same_bytes_whatever_pythons_own_chance() -> None:
    first, second = treated(1, hash_seed=0), treated(1, hash_seed=1234)
    assert first == second
    assert int(first.split()[1]) > 10_000


def trace_of(seed: int, text: str = PLAN) -> tuple[str, list[object]]:
    """A series on a loop of its own: a replay begins where the first run began."""

    async def treat() -> tuple[str, list[object]]:
        async with Stack(seed) as stack:
            await stack.prepare(text)
            await stack.arm()
            await stack.fire(3)
            return stack.line.trace, list(stack.truth.pulses)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(treat())


def test_two_runs_in_one_process_are_the_same_to_the_last_photon() -> None:
    assert trace_of(5) == trace_of(5)


def test_another_seed_or_another_plan_gives_other_bytes() -> None:
    first, _ = trace_of(5)
    assert trace_of(6)[0] != first
    assert trace_of(5, plan_text(pulse_energy_mj=172.0))[0] != first


async def test_time_begins_anew_for_nobody_and_costs_nothing() -> None:
    async with Stack() as stack:
        await stack.settled()
        before_us, device_us = stack.loop.now_us(), stack.device.device_time_us
        await asyncio.sleep(10)
        assert stack.loop.now_us() == before_us + 10_000_000
        assert abs(stack.device.device_time_us - device_us - 10_000_000) <= 100_000
        assert (stack.wall_clock() - stack.wall_clock().replace(hour=0, minute=0, second=10)).seconds < 2


async def test_an_exception_in_a_callback_is_raised_at_the_end() -> None:
    def raise_it() -> None:
        raise ZeroDivisionError("unseen")

    async def run() -> None:
        async with Stack() as stack:
            await stack.settled()
            stack.loop.call_soon(raise_it)
            await asyncio.sleep(0.1)

    with pytest.raises(ExceptionGroup) as group:
        await run()
    assert isinstance(group.value.exceptions[0], ZeroDivisionError)


async def test_of_the_loops_own_words_each_is_told_and_no_object() -> None:
    async def run() -> None:
        async with Stack() as stack:
            await stack.settled()
            stack.loop.call_exception_handler({"message": "the moon fell", "handle": object()})
            stack.loop.call_exception_handler({"message": "x", "exception": ZeroDivisionError("unseen")})

    with pytest.raises(ExceptionGroup) as group:
        await run()
    assert [repr(one) for one in group.value.exceptions] == [
        "RuntimeError('the moon fell')",
        "ZeroDivisionError('unseen')",
    ]
    assert "0x" not in str(group.value)


async def test_waiting_for_what_never_comes_says_what_was_seen() -> None:
    async with Stack() as stack:
        await stack.settled()
        with pytest.raises(AssertionError, match=r"not within 1.0 s: the moon; latched \['the daemon was"):
            await stack.until(lambda: False, "the moon", within_s=1.0)
        assert stack.loop.time() >= 1


async def test_one_daemon_at_a_time() -> None:
    async with Stack() as stack:
        with pytest.raises(RuntimeError, match="is running"):
            stack.start_daemon()
        stack.kill_daemon()
        with pytest.raises(RuntimeError, match="no daemon"):
            stack.kill_daemon()
        with pytest.raises(RuntimeError, match="no daemon"):
            await stack.end_daemon()
        stack.start_daemon()
        await stack.settled()


async def test_a_daemon_that_does_not_end_by_itself_is_not_waited_for_for_ever() -> None:
    async with Stack() as stack:
        with pytest.raises(AssertionError, match="did not end"):
            await stack.ended(within_s=2)


def test_a_stack_on_an_ordinary_loop_is_refused() -> None:
    async def build() -> None:
        Stack()

    with pytest.raises(TypeError, match="VirtualTimeLoop"):
        asyncio.run(build())


def test_a_plan_is_changed_by_key_and_by_no_other() -> None:
    assert "series = [1, 2]" in plan_text(series=[1, 2])
    assert "rehearsal = true" in plan_text(rehearsal=True)
    assert plan_text() == PLAN
    with pytest.raises(KeyError):
        plan_text(colour=1)


async def test_a_lagging_loop_leaves_the_laser_its_own_time() -> None:
    async with Stack() as stack:
        await stack.settled()
        heard: list[Frame] = []

        def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
            heard.extend([frame] if frame is not None and isinstance(frame.message, Status) else [])
            return [piece]

        stack.line.to_host.vices = (Tap(listen),)
        stack.loop.jump(0.5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(heard) >= 4  # what was said meanwhile comes all at once


async def test_a_cut_line_carries_nothing_and_is_noticed_only_by_silence() -> None:
    async with Stack() as stack:
        await stack.settled()
        stack.line.cut()
        await asyncio.sleep(0.2)
        assert stack.status is not None
        await stack.until(lambda: stack.status is None, "the silence", within_s=2)
        stack.line.mend()
        await stack.until(lambda: LatchId.RECONNECTED in stack.latched, "connected again")


async def test_a_vice_swallows_as_many_as_it_is_told() -> None:
    async with Stack() as stack:
        await stack.settled()
        stack.line.to_host.vices = (Drop().only(Status, times=2),)
        at_us = stack.device.device_time_us
        await asyncio.sleep(0.15)  # at least one Status
        assert stack.device.device_time_us == at_us
        await asyncio.sleep(0.3)
        assert stack.device.device_time_us > at_us


async def test_people_go_home_in_the_order_in_which_they_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[int] = []
    numbers = itertools.count()

    async def wait_for_ever(_: Player) -> None:
        number = next(numbers)
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(number)

    monkeypatch.setattr(Player, "stop", wait_for_ever)
    async with Stack() as stack:
        player = Player(stack, Asked(), PLAN)
        for _ in range(50):
            player.event("stop", {})
        await asyncio.sleep(0.1)
        await player.end()
    assert gone == list(range(50))
