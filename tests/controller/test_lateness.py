"""Lateness: what counts as no more than that, and what is done after it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from controller.client import Client, Endpoint
from controller.lateness import acknowledge_all, in_hand, only_late, take_up_again
from controller.store import SessionState
from protocols.states import State
from rig.stack import Stack, plan_text
from safety.latches import LatchId
from sim_device.vices import Tap

VIRTUAL_TIME = True


def status(
    latches: Sequence[str] = (), faults: Sequence[str] = (), *, session: str = "open", state: str = "standby"
) -> dict[str, Any]:
    return {
        "laser": {"state": state, "faults": list(faults)},
        "session": {"state": session},
        "supervisor": {"latches": [{"name": name, "instance": 1} for name in latches]},
    }


@pytest.mark.parametrize("latch", LatchId, ids=lambda latch: str(latch.value))
def test_of_all_latches_five_can_mean_lateness_alone(latch: LatchId) -> None:
    late = {"loop_lag", "stale", "reconnected", "uncertain", "device_fault"}
    assert only_late(status([latch.value])) is (latch.value in late)
    assert only_late(status(["loop_lag", latch.value])) is (latch.value in late)


def test_a_fault_of_the_device_is_lateness_only_when_it_is_the_lost_link_and_no_other() -> None:
    assert only_late(status(["device_fault"], ["link_lost"]))
    assert not only_late(status(["device_fault"], ["estop"]))
    assert not only_late(status(["device_fault", "loop_lag"], ["link_lost", "estop"]))


def test_nothing_latched_and_nothing_known_is_no_lateness() -> None:
    assert not only_late(status())
    assert not only_late({"laser": None, "session": None, "supervisor": None})


def test_a_session_is_in_hand_when_it_is_open_at_rest_and_nothing_is_latched() -> None:
    assert in_hand(status())
    assert not in_hand(status(["loop_lag"]))
    assert not in_hand(status(session="tripped"))
    assert not in_hand(status(session="interrupted"))
    assert not in_hand(status(state="fault"))
    assert not in_hand({"laser": None, "session": None, "supervisor": None})


async def client_of(stack: Stack, api: FastAPI) -> Client:
    client = Client(Endpoint(), (await stack.login()).token)
    client._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://daemon")
    return client


async def hold_up(stack: Stack) -> None:
    """Nothing of what the daemon sends arrives, as when it waits for a core."""
    stack.line.to_device.vices = (Tap(lambda *_: []),)
    await stack.until(lambda: stack.laser.state is State.FAULT, "the device's watch")
    stack.line.to_device.vices = ()
    stack.release()


async def test_what_lateness_has_interrupted_is_taken_up_again_and_given_whole(
    stack: Stack, api: FastAPI
) -> None:
    await stack.prepare(plan_text(series=[5]))
    client = await client_of(stack, api)
    await stack.arm()
    await stack.fire(2)
    await hold_up(stack)
    await stack.until(lambda: LatchId.DEVICE_FAULT in stack.latched, "the trip")
    assert only_late(await client.status())
    async with asyncio.timeout(20):
        assert await take_up_again(client, 755)
    assert in_hand(await client.status())
    await stack.arm()
    await stack.give_all()
    session = stack.reader.sessions()[0]
    assert (session.state, session.delivered_pulses, stack.truth.aperture) == (SessionState.DONE, 5, 5)
    assert not await take_up_again(client, 755), "nothing is left of it"


async def test_a_trip_that_says_more_stays_latched_and_nothing_is_resumed(stack: Stack, api: FastAPI) -> None:
    await stack.prepare(plan_text(series=[5]))
    client = await client_of(stack, api)
    await stack.arm()
    await stack.fire(2)
    stack.laser.act("estop", to="press")
    stack.release()
    await stack.until(lambda: LatchId.DEVICE_FAULT in stack.latched, "the trip")
    stack.laser.act("estop", to="release")
    latched = stack.latched
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20):
            await take_up_again(client, 755)
    assert stack.latched == latched
    assert stack.reader.sessions()[0].state is SessionState.INTERRUPTED
    async with asyncio.timeout(20):
        await acknowledge_all(client)  # whoever looks at each latch may
    assert not stack.latched
