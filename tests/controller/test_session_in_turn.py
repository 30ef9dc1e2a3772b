"""What two consoles ask of one session at the same time is done one after the other, never half of each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller.declined import Declined
from controller.lease import Who
from controller.store import SessionState
from rig.stack import PLAN, Stack

VIRTUAL_TIME = True
Ask = Callable[[Stack, Who], Awaitable[Any]]


async def opened(stack: Stack, who: Who) -> Any:
    return await stack.daemon.console.open_session(who, PLAN, "plan.toml", 755, checklist=True)


async def resumed(stack: Stack, who: Who) -> Any:
    return await stack.daemon.console.resume_session(who, 755, checklist=True)


async def abandoned(stack: Stack, who: Who) -> Any:
    return await stack.daemon.console.abandon_session(who)


async def answered(asked: Awaitable[Any]) -> str:
    """The state that was answered, or the code with which it was declined; all else is raised."""
    try:
        return str((await asked)["state"])
    except Declined as error:
        return error.code


@pytest.mark.parametrize("turns", range(0, 30, 2))
@pytest.mark.parametrize(
    ("interrupted", "first", "second"),
    [
        (True, resumed, abandoned),
        (True, abandoned, resumed),
        (True, resumed, resumed),
        (True, resumed, opened),
        (False, opened, abandoned),
        (False, opened, opened),
        (False, opened, resumed),
    ],
)
async def test_the_session_in_hand_is_the_one_on_record(
    stack: Stack, turns: int, first: Ask, second: Ask, *, interrupted: bool
) -> None:
    await stack.settled()
    await stack.acknowledge()
    who, console = await stack.login(), stack.daemon.console
    if interrupted:
        await opened(stack, who)
        await console.stop("operator", "a test")
        await stack.until(lambda: stack.daemon.treatment.session is None, "interrupted")
    one = asyncio.create_task(answered(first(stack, who)))
    for _ in range(turns):
        await asyncio.sleep(0)
    other = asyncio.create_task(answered(second(stack, who)))
    answers = [await one, await other]
    record, in_hand = stack.reader.sessions()[0], stack.daemon.treatment.session
    assert (in_hand is not None) == (record.state is SessionState.OPEN), answers
    if in_hand is None:
        assert "abandoned" in answers
        with pytest.raises(Declined, match="no session is in hand"):
            await console.arm(who)
    else:
        assert in_hand.record.id == record.id
        assert len(stack.reader.sessions()) == 1
