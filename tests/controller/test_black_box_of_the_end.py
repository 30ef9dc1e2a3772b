"""The black box of a daemon that ends: a trip in its last seconds is kept, and so is its own failure."""

import asyncio
from typing import Any

import pytest

from rig.stack import Stack, plan_text

VIRTUAL_TIME = True


async def firing(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[100]))
    await stack.arm()
    await stack.fire(3)


def kept(stack: Stack) -> list[str]:
    return [incident.first_cause for incident in stack.reader.incidents()]


def words(stack: Stack) -> list[str]:
    """What stands in the only black box, in words."""
    (incident,) = stack.reader.incidents()
    body: Any = stack.reader.incident(incident.id).body
    return [str(entry.get("text")) for entry in body["entries"]]


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5, 1.9, 1.99])
async def test_a_trip_just_before_the_end_is_kept_once(stack: Stack, after_s: float) -> None:
    """Who sees a trip and ends the daemon at once, wants to know what it was."""
    await firing(stack)
    stack.laser.act("door", to="open")
    await stack.until(lambda: bool(stack.latches), "the trip")
    await asyncio.sleep(after_s)
    assert kept(stack) == []
    assert await stack.end_daemon()
    (cause,) = kept(stack)
    assert "door" in cause


async def test_a_daemon_that_is_ended_while_it_fires_keeps_its_own_stop(stack: Stack) -> None:
    await firing(stack)
    assert await stack.end_daemon()
    (cause,) = kept(stack)
    assert cause == "stop asked for by daemon"


async def test_a_part_that_dies_leaves_a_black_box_that_names_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await firing(stack)

    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("injected")

    monkeypatch.setattr(stack.daemon.treatment, "_step", broken)
    assert not await stack.ended()
    assert any("treatment" in text for text in words(stack))


async def test_a_daemon_without_a_trip_keeps_nothing_at_its_end(stack: Stack) -> None:
    await stack.prepare(plan_text(series=[2]))
    await stack.arm()
    await stack.give_all()
    assert await stack.end_daemon()
    assert kept(stack) == []


async def test_a_trip_that_is_kept_already_is_not_kept_again_at_the_end(stack: Stack) -> None:
    await firing(stack)
    stack.laser.act("door", to="open")
    await asyncio.sleep(4)
    before = kept(stack)
    assert len(before) == 1
    assert await stack.end_daemon()
    assert kept(stack) == before
