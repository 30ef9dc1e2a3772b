"""No person goes over MQTT: whatever people do, what is published names neither them nor their plan."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.mqtt import MqttPublisher
from controller.mqtt_rows import message_of
from controller.operators import NotAuthorised
from protocols.topics import TopicTree
from rig.stack import Stack, plan_text
from tests.controller.contract import breaches, read

VIRTUAL_TIME = True
TREE = TopicTree("site", "laser0")
SECRETS = ("annabel", "svenja", "otto", "P-0042", "Kowalski", "tattoo")


def published(stack: Stack) -> list[str]:
    """The text of everything that waits to be published."""
    rows = stack.reader.outbox_next(10_000)
    now = stack.wall_clock()
    payloads = [message_of(row, TREE, boot="b", simulated=True, now=now).payload for row in rows]
    kinds = [row.topic for row in rows]
    assert [b for kind, told in zip(kinds, payloads, strict=True) for b in breaches(kind, read(told))] == []
    return [repr(told) for told in payloads]


async def armed(stack: Stack) -> None:
    who, console = await stack.login("annabel"), stack.daemon.console
    await console.acknowledge(who, [(latch.id.value, latch.instance) for latch in stack.latches])
    text = plan_text(name='"Kowalski, forearm"', series=[5])
    text = text.replace("skin_type", 'subject = "P-0042"\nskin_type', 1)
    await console.open_session(who, text, "Kowalski.toml", 755, checklist=True)
    await console.aiming(who, on=True)
    await console.arm(who)
    await stack.permitted()


async def abandoned_while_armed(stack: Stack) -> None:
    await stack.daemon.console.abandon_session(await stack.login("annabel"))


async def abandoned_by_two(stack: Stack) -> None:
    await stack.daemon.console.stop("operator", "stop asked for over the API")
    stack.daemon.console.logout((await stack.login("annabel")).token)
    await stack.daemon.console.abandon_session(await stack.login("otto"), second=stack.second())


async def logged_out_while_armed(stack: Stack) -> None:
    stack.daemon.console.logout((await stack.login("annabel")).token)
    await asyncio.sleep(1)


async def taken_over_at_another_console(stack: Stack) -> None:
    await stack.daemon.console.standby(await stack.login_again("annabel"))


async def barred_while_firing(stack: Stack) -> None:
    await stack.fire(2)
    assert stack.store is not None
    stack.store.deactivate_operator("annabel", actor="otto", now_us=0)
    await asyncio.sleep(3)


async def idle_for_too_long(stack: Stack) -> None:
    await asyncio.sleep(1_000)


async def wrong_passwords(stack: Stack) -> None:
    for _ in range(6):
        with pytest.raises(NotAuthorised):
            await stack.daemon.console.login("annabel", "wrong")


async def given_to_the_end(stack: Stack) -> None:
    await stack.give_all()


@pytest.mark.parametrize(
    "act",
    [
        abandoned_while_armed,
        abandoned_by_two,
        logged_out_while_armed,
        taken_over_at_another_console,
        barred_while_firing,
        idle_for_too_long,
        wrong_passwords,
        given_to_the_end,
    ],
)
async def test_nobody_is_named_whatever_people_do(
    act: Callable[[Stack], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hopeless(_: MqttPublisher) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MqttPublisher, "run", hopeless)  # sockets have no place in virtual time
    async with Stack(mqtt={"enabled": True}) as stack:
        await stack.settled()
        await armed(stack)
        await act(stack)
        await asyncio.sleep(1)
        told = published(stack)
        assert any("in hand" in text for text in told)
        for name in SECRETS:
            assert [text for text in told if name in text] == [], name
