"""What a real daemon with a simulated laser tells its listeners in a short treatment."""

import asyncio
import functools
from collections.abc import Mapping
from unittest.mock import patch

from controller.fanout import LATEST, Fanout, Item, Kind
from protocols.payloads import Payload, Quality, Stamp, pulse_payload
from rig.stack import Stack, plan_text
from rig.virtual_time import VirtualTimeLoop
from tests.controller.publishing import NOON

OPERATOR = "anna"
SUBJECT = "P-4711"
PLAN_NAME = "Mrs Doe, left forearm"


@functools.cache
def told_by_a_laser() -> tuple[Item, ...]:
    """All that was told, in order, from the daemon's start to after the last of five pulses.

    Runs a loop of its own: to be called outside of any.
    """
    items: list[Item] = []

    def tell(_: Fanout, kind: Kind, value: Mapping[str, object]) -> None:
        items.append(Item(kind, value))

    async def treat() -> None:
        async with Stack() as stack:
            stack.daemon.fanout.subscribe("somebody", dict.fromkeys(Kind, LATEST))
            await stack.prepare(f'subject = "{SUBJECT}"\n' + plan_text(series=[5], name=f'"{PLAN_NAME}"'))
            await stack.arm()
            await stack.give_all()
            await asyncio.sleep(3)

    with patch.object(Fanout, "tell", tell), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(treat())
    return tuple(items)


def payloads_told(kind: Kind) -> list[Payload]:
    """The payloads of one kind as they are published, the oldest first."""
    values = [item.value for item in told_by_a_laser() if item.kind is kind]
    if kind is not Kind.PULSE:
        return values  # type: ignore[return-value]  # these are payloads already
    return [pulse_payload(value, Stamp(NOON, 1, "run-1", True, Quality.GOOD)) for value in values]
