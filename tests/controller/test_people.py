"""Who may arm, and what stays armed: confirmations, training and logins belong to one person each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.declined import Declined
from controller.lease import Who
from controller.store import Role
from protocols.frame import Frame
from protocols.messages import Stop
from protocols.states import ARMED, State
from rig.stack import PLAN, Stack, plan_text
from sim_device.vices import Tap

VIRTUAL_TIME = True

SHORT = plan_text(series=[10, 10])


def listening_for_stops(stack: Stack) -> list[int]:
    """When each STOP comes to the laser, in the time of the loop."""
    heard_us: list[int] = []

    def listen(piece: bytes, frame: Frame | None) -> list[bytes]:
        if frame is not None and isinstance(frame.message, Stop):
            heard_us.append(stack.loop.now_us())
        return [piece]

    stack.line.to_device.vices = (Tap(listen),)
    return heard_us


@pytest.mark.shows("REQ-044", "REQ-045", "HZ-018")
async def test_nobody_arms_with_another_persons_confirmations(stack: Stack) -> None:
    await stack.prepare(SHORT)
    console = stack.daemon.console
    console.logout((await stack.login()).token)
    bert = await stack.login("bert")
    with pytest.raises(Declined, match="confirmations of anna"):
        await console.arm(bert)
    assert stack.device.arm_epoch == 0
    await console.resume_session(bert, 755, checklist=True)
    assert (await console.arm(bert))["outcome"] == "done"


async def test_the_same_person_arms_again_from_another_login(stack: Stack) -> None:
    await stack.prepare(SHORT)
    console = stack.daemon.console
    console.logout((await stack.login()).token)
    assert (await console.arm(await stack.login_again("anna")))["outcome"] == "done"


@pytest.mark.shows("REQ-045")
@pytest.mark.parametrize("ask", ["open", "resume", "arm"])
async def test_an_operator_who_was_removed_while_logged_in_may_not_treat(stack: Stack, ask: str) -> None:
    if ask == "open":
        await stack.settled()
        await stack.acknowledge()
    else:
        await stack.prepare(PLAN)
    who, console = await stack.login(), stack.daemon.console
    assert stack.store is not None
    stack.store.deactivate_operator("anna", actor="root", now_us=stack.loop.now_us())
    asks: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "open": lambda: console.open_session(who, PLAN, "plan.toml", 755, checklist=True),
        "resume": lambda: console.resume_session(who, 755, checklist=True),
        "arm": lambda: console.arm(who),
    }
    with pytest.raises(Declined, match="no operator any more") as declined:
        await asks[ask]()
    assert declined.value.status == 403
    assert stack.device.arm_epoch == 0


async def emitting(stack: Stack) -> Who:
    await stack.prepare(plan_text(series=[60]))
    await stack.arm()
    await stack.fire(3)
    return await stack.login()


async def assert_stopped_at_once(stack: Stack, heard_us: list[int], asked_us: int) -> None:
    """STOP leaves in the instant it is asked for, and no light comes later than the 20 ms of a stop."""
    device_us = stack.laser.now_us - (stack.loop.now_us() - asked_us)
    await asyncio.sleep(1)
    assert heard_us[0] == asked_us
    assert [pulse for pulse in stack.truth.pulses if pulse.time_us > device_us + 20_000] == []
    assert stack.device.state is State.STANDBY


@pytest.mark.shows("REQ-045")
async def test_logging_out_while_armed_stops_at_once(stack: Stack) -> None:
    who = await emitting(stack)
    heard_us, asked_us = listening_for_stops(stack), stack.loop.now_us()
    stack.daemon.console.logout(who.token)
    await assert_stopped_at_once(stack, heard_us, asked_us)


async def test_somebody_elses_logging_out_stops_nothing(stack: Stack) -> None:
    await emitting(stack)
    bert = await stack.login("bert")
    heard_us = listening_for_stops(stack)
    stack.daemon.console.logout(bert.token)
    stack.daemon.console.logout(None)
    await asyncio.sleep(1)
    assert heard_us == []
    assert stack.device.state in ARMED


async def test_whoever_takes_over_a_lease_that_ran_out_does_not_inherit_an_armed_laser() -> None:
    """A command of another login may come before housekeeping has looked, within its second."""
    async with Stack(safety={"idle_lock_s": 60}) as stack:
        await stack.prepare(SHORT)
        await asyncio.sleep(0.3)  # so that the lease does not end in the instant in which housekeeping looks
        stack.daemon.logins.require((await stack.login()).token, Role.OPERATOR)  # as the API does each time
        await stack.arm()
        await asyncio.sleep(30)
        bert = await stack.login("bert")
        lease = stack.daemon.lease.report(stack.loop.now_us())
        assert lease is not None
        await asyncio.sleep(lease["expires_s"])
        assert stack.device.state in ARMED
        heard_us, asked_us = listening_for_stops(stack), stack.loop.now_us()
        await stack.daemon.console.resolve(bert)
        await assert_stopped_at_once(stack, heard_us, asked_us)
