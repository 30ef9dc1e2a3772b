"""Many lasers in one process: each its own number, path, port, chance and memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest

from hal.hooks import Hooks
from hal.outcomes import Done
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from sim_device import process
from sim_device.errors import SetupError
from sim_device.memory import MEMORY_SIZE, RamMemory
from sim_device.process import Options, run
from sim_device.simulator import Simulator


def options(**changes: object) -> Options:
    given: dict[str, object] = {
        "pty": None,
        "tcp": None,
        "console": None,
        "control": None,
        "state": None,
        "seed": 1,
        "serial": "PL755-0098",
        "warm_up_speed": 1,
        "key_on": False,
        "docked": True,
        "until_stdin_closes": False,
    }
    return Options(**{**given, **changes})  # type: ignore[arg-type] # as the command line gives them


def free_ports(count: int) -> int:
    """The first of so many free ports in a row."""
    for first in range(21_000, 60_000, 500):
        with contextlib.ExitStack() as stack:
            try:
                for number in range(count):
                    sock = stack.enter_context(socket.socket())
                    sock.bind(("127.0.0.1", first + number))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


@dataclass
class Running:
    """Lasers that are served, and what their process says of it."""

    simulators: list[Simulator] = field(default_factory=list)
    told: str = ""


@contextlib.asynccontextmanager
async def running(asked: Options) -> AsyncIterator[Running]:
    lasers, announced, ended = Running(), asyncio.Event(), asyncio.Event()

    def echo(text: str) -> None:
        lasers.told = text
        announced.set()

    with patch("sim_device.process.click.echo", echo):
        task = asyncio.create_task(run(asked, lasers.simulators.append, ended))
        waiting = asyncio.create_task(announced.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if not task.done():
                yield lasers
        finally:
            ended.set()
            await task


async def serial_of(url: str) -> str:
    hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lambda _: None)
    laser = await PicolaseLaser.connect(await open_port(url), hooks)
    told = await laser.identify()
    laser.close()
    assert isinstance(told, Done)
    return told.value.serial


async def test_ports_and_serial_numbers_are_counted_up_and_every_laser_answers() -> None:
    first = free_ports(5)
    async with running(options(tcp=("127.0.0.1", first), lasers=5)) as lasers:
        told = await asyncio.gather(*(serial_of(f"socket://127.0.0.1:{first + n}") for n in range(5)))
        assert told == ["PL755-0098", "PL755-0099", "PL755-0100", "PL755-0101", "PL755-0102"]
    assert len({id(simulator.memory) for simulator in lasers.simulators}) == 5
    assert lasers.told.startswith("5 lasers, from PL755-0098 serves socket://")
    assert f"PL755-0102 serves socket://127.0.0.1:{first + 4}" in lasers.told


async def test_paths_and_memories_are_counted_up_and_everything_is_put_away(tmp_path: Path) -> None:
    asked = options(pty=tmp_path / "laser07", state=tmp_path / "state", lasers=3)
    async with running(asked):
        assert [await serial_of(str(tmp_path / f"laser{n}")) for n in ("07", "08", "09")] == [
            "PL755-0098",
            "PL755-0099",
            "PL755-0100",
        ]
    assert os.listdir(tmp_path) == ["state"]
    assert sorted(os.listdir(tmp_path / "state")) == ["PL755-0098", "PL755-0099", "PL755-0100"]


def test_each_laser_has_a_seed_of_its_own() -> None:
    assert [options(lasers=3, seed=7).of(number).seed for number in range(3)] == [7, 8, 9]
    assert options(lasers=1, seed=7).of(0) == options(lasers=1, seed=7)


def test_any_port_means_any_for_each() -> None:
    assert options(lasers=2, tcp=("127.0.0.1", 0)).of(1).tcp == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control": Path("x")}, "serve one laser only"),
        ({"console": Path("x")}, "serve one laser only"),
        ({"serial": "LASER"}, "serial = 'LASER' must end in a number"),
        ({"pty": Path("run/laser")}, "pty = 'run/laser' must end in a number"),
        ({"tcp": ("127.0.0.1", 65_530)}, "TCP ports end at 65535"),
    ],
)
async def test_what_cannot_be_counted_up_is_refused_before_anything_is_served(
    changes: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SetupError, match=words):
        await run(options(lasers=10, **changes))
    assert capsys.readouterr().out == ""


async def test_a_taken_port_among_many_starts_none_and_frees_the_others() -> None:
    first = free_ports(3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 2))
        taken.listen()
        with pytest.raises(SetupError, match=f"{first + 2} is in use"):
            await run(options(tcp=("127.0.0.1", first), lasers=3))
    with socket.socket() as free:
        free.bind(("127.0.0.1", first))


async def test_a_limit_of_open_files_that_is_too_low_is_raised_or_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 1_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    async with running(options(tcp=("127.0.0.1", 0), lasers=10)):
        pass
    assert asked == [(process.FILES_OURS + 10 * process.FILES_EACH, 1_000)]

    def refuse(_: int, limits: tuple[int, int]) -> None:
        raise ValueError(limits)

    monkeypatch.setattr(resource, "setrlimit", refuse)
    with pytest.raises(SetupError, match="the system allows 1000"):
        await run(options(tcp=("127.0.0.1", 0), lasers=10))


def test_a_memory_takes_room_only_for_what_was_written_and_reads_as_zeros_beyond() -> None:
    memory = RamMemory()
    assert memory.read(MEMORY_SIZE - 4, 4) == bytes(4)
    memory.write(100, b"abc")
    assert memory.read(98, 8) == b"\0\0abc\0\0\0"
    memory.write(101, b"xyz")
    assert memory.read(0, MEMORY_SIZE) == bytes(100) + b"axyz" + bytes(MEMORY_SIZE - 104)
    memory.write(MEMORY_SIZE - 1, b"!")
    assert memory.read(MEMORY_SIZE - 2, 2) == b"\0!"
    with pytest.raises(OSError, match="outside a memory of 65536 bytes"):
        memory.write(MEMORY_SIZE - 1, b"!!")
