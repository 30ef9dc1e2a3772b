"""The loop of these tests: virtual time, but for modules that say `REAL_TIME = True` (ptys, sockets)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing

import pytest

from rig.virtual_time import VirtualTimeLoop
from tests.hal.pty_end import PtyEnd


def pytest_asyncio_loop_factories(
    item: pytest.Function,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    real = getattr(item.module, "REAL_TIME", False)
    return {"real": asyncio.SelectorEventLoop} if real else {"virtual": VirtualTimeLoop}


@pytest.fixture
async def line() -> AsyncIterator[PtyEnd]:
    with closing(PtyEnd()) as end:
        yield end
