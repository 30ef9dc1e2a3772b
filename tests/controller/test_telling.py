"""What listeners are told of the laser: a newcomer at once, everybody every change, nobody nothing."""

import asyncio
from collections import Counter
from typing import Any, cast

from controller.fanout import LATEST, Fanout, Item, Kind, Subscription
from protocols.states import State
from rig.stack import Stack, plan_text

VIRTUAL_TIME = True

EVERYTHING = {kind: 256 for kind in Kind}


async def taken(feed: Subscription) -> list[Item]:
    return [await feed.get() for _ in range(len(feed))]


def counted(items: list[Item]) -> Counter[Kind]:
    return Counter(item.kind for item in items)


def test_a_kind_is_heard_while_somebody_listens_to_it() -> None:
    fanout = Fanout()
    assert not any(fanout.hears(kind) for kind in Kind)
    first = fanout.subscribe("first", {Kind.STATE: LATEST})
    second = fanout.subscribe("second", {Kind.STATE: LATEST, Kind.PULSE: 3})
    assert {kind for kind in Kind if fanout.hears(kind)} == {Kind.STATE, Kind.PULSE}
    second.close()
    assert {kind for kind in Kind if fanout.hears(kind)} == {Kind.STATE}
    first.close()
    assert not any(fanout.hears(kind) for kind in Kind)


async def test_who_begins_to_listen_is_told_state_sample_and_alarms_with_the_next_status(
    stack: Stack,
) -> None:
    await stack.settled()
    await asyncio.sleep(10)  # long after every change there was
    for _ in range(2):  # the second is told all of it as well
        with stack.daemon.fanout.subscribe("newcomer", EVERYTHING) as feed:
            await asyncio.sleep(0.12)  # one Status
            told = await taken(feed)
            assert set(counted(told)) == {Kind.STATE, Kind.TELEMETRY, Kind.ALARMS}
            (alarms,) = [cast("dict[str, Any]", item.value) for item in told if item.kind is Kind.ALARMS]
            assert {name: alarm["first"] for name, alarm in alarms.items()} == {"host-start-up": True}
        await asyncio.sleep(3)


async def test_a_listener_is_told_every_pulse_each_change_and_the_state_each_second(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[5]))
    with stack.daemon.fanout.subscribe("listener", EVERYTHING) as feed:
        await stack.arm()
        await stack.give_all()
        told = await taken(feed)
        states = [item.value["state"] for item in told if item.kind is Kind.STATE]
        assert counted(told)[Kind.PULSE] == 5
        assert counted(told)[Kind.EVENT] > 0
        assert [state for state, before in zip(states, [None, *states], strict=False) if state != before] == [
            "standby", "arming", "ready", "emitting", "ready", "standby"
        ]  # fmt: skip
        await asyncio.sleep(5)
        assert 5 <= counted(await taken(feed))[Kind.STATE] <= 7
    assert not feed.dropped


async def test_alarms_are_told_when_they_change_and_a_fault_of_the_laser_once(stack: Stack) -> None:
    await stack.prepare()
    with stack.daemon.fanout.subscribe("listener", EVERYTHING) as feed:
        await stack.arm()
        stack.laser.act("door", to="open")
        await stack.until(lambda: stack.device.state is State.FAULT, "FAULT")
        await asyncio.sleep(3)
        alarms = [set(item.value) for item in await taken(feed) if item.kind is Kind.ALARMS]
        assert alarms == [set(), {"door"}]


async def test_after_an_outage_no_value_of_before_is_told_as_one_of_now(stack: Stack) -> None:
    await stack.settled()
    with stack.daemon.fanout.subscribe("listener", EVERYTHING) as feed:
        await asyncio.sleep(3)
        assert [item.value["coolant_c"] for item in await taken(feed) if item.kind is Kind.TELEMETRY][-1]
        stack.laser.act("cable", to="cut")
        await asyncio.sleep(5)
        await taken(feed)
        stack.laser.act("cable", to="mend")
        await stack.until(lambda: stack.status is not None, "the laser heard again")
        await asyncio.sleep(0.2)
        samples = [item.value for item in await taken(feed) if item.kind is Kind.TELEMETRY]
        assert samples
        assert samples[0]["coolant_c"] is None
