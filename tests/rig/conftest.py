"""The loop of these tests: virtual time."""

import asyncio
from collections.abc import Callable, Mapping

from rig.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}
