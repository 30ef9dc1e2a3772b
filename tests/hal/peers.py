"""Whoever is at the other end of a real port."""

import asyncio

import pytest

from hal.errors import PortError
from hal.port import Port
from hal.ports import open_port

PATIENCE_S = 50  # how long an event may take on a slow shared core; nothing waits that long in vain


class Heard:
    """Collects what a port delivers."""

    def __init__(self, port: Port) -> None:
        self.data = b""
        self.lost: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        self.changed = asyncio.Event()
        port.start(self._take, self.lost.set_result)

    def _take(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    async def until(self, length: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.data) < length:
                self.changed.clear()
                await self.changed.wait()
        return self.data


async def refusal(url: str, **options: int) -> PortError:
    with pytest.raises(PortError) as caught:
        (await open_port(url, **options)).close()
    assert caught.value.url == url
    return caught.value
