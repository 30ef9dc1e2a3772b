"""The loop of these tests: an ordinary one, but virtual time for modules that say `VIRTUAL_TIME = True`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from rig.stack import Stack
from rig.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    item: pytest.Function,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    virtual = getattr(item.module, "VIRTUAL_TIME", False)
    return {"virtual": VirtualTimeLoop} if virtual else {"real": asyncio.new_event_loop}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    """A laser in STANDBY, its daemon just started, an empty database."""
    async with Stack() as stack:
        yield stack
