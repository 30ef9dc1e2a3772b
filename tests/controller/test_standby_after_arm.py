"""A standby that is asked for after an arm holds, however little of the arm had been done by then."""

import asyncio

import pytest

from protocols.states import State
from rig.stack import Stack, plan_text

VIRTUAL_TIME = True


@pytest.mark.shows("REQ-001", "REQ-032")
@pytest.mark.parametrize("aiming", [True, False], ids=["aiming", "not-aiming"])
@pytest.mark.parametrize("after_us", [0, 1, 1_000, 6_000, 20_000, 50_000, 70_000, 100_000, 1_000_000])
async def test_nothing_is_armed_after_it_was_answered(stack: Stack, after_us: int, *, aiming: bool) -> None:
    """The arm was still switching the aiming beam on, standby found the laser in STANDBY and said done."""
    await stack.prepare(plan_text(series=[5]))
    console = stack.daemon.console
    anna, bert = await stack.login(), await stack.login("bert")
    await console.aiming(anna, on=aiming)
    arming = asyncio.create_task(console.arm(anna))
    await asyncio.sleep(after_us / 1e6)
    answer = await console.standby(bert)
    assert answer["outcome"] == "done"
    assert arming.done()
    await arming
    await asyncio.sleep(0.2)
    assert stack.device.state is State.STANDBY
    await asyncio.sleep(4)
    stack.press()
    await asyncio.sleep(2)
    assert sum(pulse.aperture for pulse in stack.truth.pulses) == 0
    assert stack.device.state is State.STANDBY


async def test_an_arm_asked_for_after_the_standby_is_carried_out(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[5]))
    console = stack.daemon.console
    anna = await stack.login()
    first = asyncio.create_task(console.standby(await stack.login("bert")))
    await asyncio.sleep(0)
    assert (await console.arm(anna))["outcome"] == "done"
    assert (await first)["outcome"] == "done"
    await stack.permitted()
    await stack.fire(2)


async def test_a_standby_does_not_wait_for_an_arm_while_the_laser_is_ready(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second arm that hangs, as on a disk that does not answer, delays nobody who ends READY."""
    await stack.prepare(plan_text(series=[50]))
    await stack.arm()
    await stack.fire(2)
    console = stack.daemon.console
    hanging = asyncio.Event()

    async def hang(*_: object) -> None:
        await hanging.wait()

    monkeypatch.setattr(console, "_demand_fitness", hang)
    again = asyncio.create_task(console.arm(await stack.login()))
    await asyncio.sleep(0.01)
    asked_us = stack.laser.now_us
    standing = asyncio.create_task(console.standby(await stack.login("bert")))
    await stack.standby()
    assert stack.laser.now_us - asked_us < 300_000
    hanging.set()
    await asyncio.gather(again, standing)
    assert stack.device.state is State.STANDBY
