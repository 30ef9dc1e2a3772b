"""Lines in memory as ports."""

import asyncio
from contextlib import closing

import pytest

from hal.errors import PortKind
from hal.memory_port import MemoryEnd, memory_pair
from hal.ports import open_port
from tests.hal.peers import refusal

REAL_TIME = True


async def test_a_memory_line_has_one_host_at_a_time_and_one_owner() -> None:
    with closing(memory_pair("one")):
        with pytest.raises(ValueError, match="not free"):
            memory_pair("one")
        first = await open_port("memory://one")
        assert (await refusal("memory://one")).kind is PortKind.BUSY
        first.close()
        (await open_port("memory://one")).close()
    with closing(memory_pair("one")):
        pass


async def test_a_memory_line_hands_over_at_once_what_is_written_and_later_what_was_held() -> None:
    heard: list[bytes] = []
    with closing(memory_pair("direct")) as end:
        end.on_bytes = heard.append
        port = await open_port("memory://direct")
        port.write(b"one")
        assert heard == [b"one"]
        end.frozen = True
        port.write(b"two")
        port.write(b"three")
        assert heard == [b"one"]
        end.frozen = False
        port.write(b"four")  # behind what waits, not before it
        assert heard == [b"one"]
        await asyncio.sleep(0)
        assert heard == [b"one", b"twothreefour"]
        port.close()


async def test_a_device_in_memory_that_breaks_is_told_to_the_loop_and_not_to_the_writer() -> None:
    told: list[object] = []

    def breaks(_: bytes) -> None:
        raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    with closing(memory_pair("broken")) as end:
        end.on_bytes = breaks
        port = await open_port("memory://broken")
        port.write(b"one")
        assert [type(error) for error in told] == [ZeroDivisionError]
        port.close()


def test_a_memory_line_belongs_to_its_loop_whatever_others_left_behind() -> None:
    async def lay(name: str) -> MemoryEnd:
        return memory_pair(name)

    async def look() -> str:
        with closing(memory_pair("one")):
            (await open_port("memory://one")).close()
            return str(await refusal("memory://two"))

    left = [asyncio.run(lay(name)) for name in ("one", "two")]
    try:
        said = asyncio.run(look())
    finally:
        for end in left:
            end.close()
    assert "there are: one)" in said
