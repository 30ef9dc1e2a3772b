"""The simulator behind a real pseudo-terminal."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from sim_device.errors import SetupError
from sim_device.places import WAITING_MAX, serve_pty
from tests.sim_device.served import JumpingSelector, in_virtual_time, running

S = 1_000_000
MS = 1_000


async def read(client: int, count: int) -> bytes:
    """Exactly `count` bytes from a descriptor."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        readable = loop.create_future()
        loop.add_reader(client, readable.set_result, None)
        try:
            await readable
        finally:
            loop.remove_reader(client)
        data += os.read(client, count - len(data))
    return data


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    client = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        yield client
    finally:
        os.close(client)


async def test_a_pty_carries_every_byte_unchanged_and_survives_closing_and_opening(tmp_path: Path) -> None:
    link = tmp_path / "run" / "laser0"
    every_byte = bytes(range(256))
    async with running() as (pump, _):
        with serve_pty(pump.wire, link) as name:
            assert os.readlink(link) == name
            for _ in range(3):
                with opened(link) as client:
                    os.write(client, every_byte)
                    assert await read(client, 256) == every_byte
        assert list(link.parent.iterdir()) == []
        assert pump.wire.clients == []


async def test_a_serial_library_opens_the_pty_at_any_baud_rate(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running() as (pump, _):
        with serve_pty(pump.wire, link):
            for baud in (9600, 115_200, 921_600):
                with serial.Serial(str(link), baud, timeout=0, exclusive=True) as port:
                    port.write(b"hello")
                    assert await read(port.fileno(), 5) == b"hello"


async def test_the_console_has_a_line_of_its_own(tmp_path: Path) -> None:
    async with running() as (pump, _):
        with (
            serve_pty(pump.wire, tmp_path / "wire"),
            serve_pty(pump.console, tmp_path / "text"),
            opened(tmp_path / "text") as client,
        ):
            os.write(client, b"*idn?\n")
            assert await read(client, 6) == b"*IDN?\n"


def everything(client: int) -> bytes:
    """What can be read now."""
    os.set_blocking(client, False)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            data += os.read(client, 65_536)
    return data


def test_bytes_for_a_slow_client_wait_up_to_a_bound(tmp_path: Path) -> None:
    async def scenario(_selector: JumpingSelector) -> None:
        async with running() as (pump, _):
            with serve_pty(pump.wire, tmp_path / "laser0"), opened(tmp_path / "laser0") as client:
                sent = b"".join(number.to_bytes(4, "big") for number in range(100_000))
                for start in range(0, len(sent), 4096):
                    pump.wire.write(sent[start : start + 4096])
                found = b""
                while piece := everything(client):
                    found += piece
                    await asyncio.sleep(0.01)
                assert WAITING_MAX <= len(found) < len(sent) // 2
                assert sent.startswith(found)
                pump.wire.receive(b"alive")
                assert everything(client) == b"alive"

    in_virtual_time(scenario)


def test_a_client_that_comes_late_finds_nothing_old(tmp_path: Path) -> None:
    async def scenario(_selector: JumpingSelector) -> None:
        async with running() as (pump, _):
            with serve_pty(pump.wire, tmp_path / "laser0"):
                pump.wire.write(b"old!" * 16_384)
                await asyncio.sleep(1)
                pump.wire.write(b"new")
                with opened(tmp_path / "laser0") as client:
                    await asyncio.sleep(0.1)
                    assert everything(client) == b"new"

    in_virtual_time(scenario)


async def test_a_link_left_by_a_dead_simulator_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    link.symlink_to("/dev/null")
    (tmp_path / "laser0.lock").touch()
    async with running() as (pump, _):
        with serve_pty(pump.wire, link) as name:
            assert os.readlink(link) == name


async def test_a_link_in_use_or_a_file_in_its_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running() as (pump, _):
        with serve_pty(pump.wire, link) as name:
            with (
                pytest.raises(SetupError, match="belongs to a running simulator"),
                serve_pty(pump.wire, link),
            ):
                pass
            assert os.readlink(link) == name
        link.write_text("mine")
        with pytest.raises(SetupError, match="is no link of a simulator"), serve_pty(pump.wire, link):
            pass
        assert link.read_text() == "mine"
        with (
            pytest.raises(SetupError, match="a directory that you may write"),
            serve_pty(pump.wire, link / "x"),
        ):
            pass
