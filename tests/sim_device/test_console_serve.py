"""The console as it is served: the real firmware behind a real pseudo-terminal, TCP, and the command line."""

import asyncio
import contextlib
import copy
import functools
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import serial
from click.testing import CliRunner

from controller.cli.exits import CommandFailed
from protocols.states import State
from rig.cli.sim import sim
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.places import serve_pty, serve_tcp
from sim_device.plant import Contacts, Plant
from sim_device.serve import Pump
from sim_device.simulator import Simulator

IDENTITY = b"picolase,PicoLase 755,PL755-0001,0.1.0\n"
SETTING = b"SOUR:APPL 750 ps, 100 mJ, 5 Hz;:SOUR:ENER?;RATE?\r\n"


@functools.cache
def _in_standby() -> Simulator:
    simulator = Simulator(Reference(), Plant(3, Contacts(key_on=True, docked=True)), RamMemory())
    while simulator.state is not State.STANDBY:
        simulator.advance(simulator.next_event_us)
    return simulator


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Pump]:
    """A laser in STANDBY, in real time."""
    pump = Pump(copy.deepcopy(_in_standby()))
    task = asyncio.create_task(pump.run())
    try:
        yield pump
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def terminal(path: Path) -> AsyncIterator[serial.Serial]:
    async with running() as pump:
        with serve_pty(pump.console, path), serial.Serial(str(path), 115_200, timeout=50) as port:
            yield port


async def lines(port: serial.Serial, count: int) -> list[bytes]:
    """The next lines; a missing one is an empty one, after the port's time-out."""
    return [await asyncio.to_thread(port.readline) for _ in range(count)]


async def test_a_serial_library_asks_and_sets_over_a_pty(tmp_path: Path) -> None:
    async with terminal(tmp_path / "console") as port:
        port.write(b"*IDN?\n")
        assert await lines(port, 1) == [IDENTITY]
        port.write(SETTING)
        assert await lines(port, 1) == [b"100.000;5.000\n"]
        port.write(b"SOUR:ENER 500\n")
        port.write(b"SYST:ERR?\n")
        (error,) = await lines(port, 1)
        assert error.startswith(b"-222,")
        port.write(b"SOUR:ENER?\n")
        assert await lines(port, 1) == [b"100.000\n"]


async def test_two_commands_in_one_write_have_two_answers(tmp_path: Path) -> None:
    async with terminal(tmp_path / "console") as port:
        port.write(b"STAT:LAS?\n*OPC?\n")
        assert await lines(port, 2) == [b"STANDBY\n", b"1\n"]


async def test_one_byte_at_a_time_is_a_line_all_the_same(tmp_path: Path) -> None:
    async with terminal(tmp_path / "console") as port:
        for byte in b"*IDN?\r\n":
            port.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await lines(port, 1) == [IDENTITY]


async def test_an_overlong_line_is_told_and_the_next_is_answered(tmp_path: Path) -> None:
    async with terminal(tmp_path / "console") as port:
        port.write(b"SOUR:ENER " + b"1" * 300 + b"\nSYST:ERR?\n*IDN?\n")
        error, identity = await lines(port, 2)
        assert error.startswith(b"-363,")
        assert identity == IDENTITY


async def test_every_line_of_a_full_write_is_answered(tmp_path: Path) -> None:
    async with terminal(tmp_path / "console") as port:
        port.write(b"*OPC?\n" * 500)
        assert await lines(port, 500) == [b"1\n"] * 500
        port.write(b"SYST:ERR:COUN?\n")
        assert await lines(port, 1) == [b"0\n"]


async def test_the_console_survives_closing_and_opening(tmp_path: Path) -> None:
    async with running() as pump:
        with serve_pty(pump.console, tmp_path / "console"):
            for _ in range(3):
                with serial.Serial(str(tmp_path / "console"), timeout=50) as port:
                    port.write(b"*IDN?\n")
                    assert await lines(port, 1) == [IDENTITY]


async def test_nothing_of_the_console_is_on_the_binary_port(tmp_path: Path) -> None:
    async with running() as pump:
        heard = bytearray()
        pump.wire.clients.append(heard.extend)
        with (
            serve_pty(pump.console, tmp_path / "console"),
            serial.Serial(str(tmp_path / "console"), timeout=50) as port,
        ):
            port.write(b"*IDN?\nABOR\n*OPC?\n")
            assert await lines(port, 2) == [IDENTITY, b"1\n"]
        assert heard == b""


async def test_the_console_works_over_tcp_for_one_client_after_another() -> None:
    async with running() as pump, serve_tcp(pump.console, "127.0.0.1", 0) as port:
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while True:  # the server may learn of the first one's end a moment after the first one
                writer.write(b"*IDN?\n")
                with contextlib.suppress(ConnectionError):
                    if answer := await reader.readline():
                        break
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert answer == IDENTITY
            writer.write(SETTING)
            assert await reader.readline() == b"100.000;5.000\n"
            second, unheard = await asyncio.open_connection("127.0.0.1", port)
            unheard.write(b"*IDN?\n")
            with contextlib.suppress(ConnectionError):
                assert await second.read() == b""
            unheard.close()
            writer.close()
            await writer.wait_closed()


# --- the process


@contextlib.contextmanager
def simulator(tmp_path: Path, console: str) -> Iterator[str]:
    """`picolase sim` with this console; what it says first."""
    command = [sys.executable, "-c", "from rig.cli.sim import sim; sim()"]
    arguments = ["--pty", str(tmp_path / "laser0"), "--console", console, "--until-stdin-closes"]
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
            process.communicate(timeout=50)
            assert process.returncode == 0
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_the_process_serves_its_console_on_tcp(tmp_path: Path) -> None:
    with simulator(tmp_path, "tcp://127.0.0.1:0") as said:
        found = re.search(r"console tcp://127\.0\.0\.1:(\d+)", said)
        assert found, said
        with socket.create_connection(("127.0.0.1", int(found[1])), timeout=50) as client:
            client.sendall(b"*IDN?\nSTAT:LAS?\n")
            with client.makefile("rb") as answers:
                assert [answers.readline(), answers.readline()] == [IDENTITY, b"OFF\n"]


@pytest.mark.processes
@pytest.mark.parametrize("prefix", ["", "pty:"])
def test_the_process_serves_its_console_on_a_second_pty(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "console"
    with simulator(tmp_path, f"{prefix}{path}") as said:
        assert f"console {path};" in said
        with serial.Serial(str(path), timeout=50) as port:
            port.write(b"*IDN?\n")
            assert port.readline() == IDENTITY


@pytest.mark.parametrize(
    ("console", "words"),
    [
        ("tcp://5025", "HOST:PORT"),
        ("tcp://localhost:70000", "from 0 (any) to 65535"),
        ("tcp://", "HOST:PORT"),
        ("udp://localhost:5025", "give PATH or tcp://HOST:PORT"),
        ("pty:", "give PATH or tcp://HOST:PORT"),
        ("", "give PATH or tcp://HOST:PORT"),
        ("tcp://192.0.2.1:0", "cannot be used"),
    ],
)
def test_a_console_that_cannot_be_served_is_explained_and_nothing_is_started(
    tmp_path: Path, console: str, words: str
) -> None:
    result = CliRunner().invoke(sim, ["--pty", str(tmp_path / "laser0"), "--console", console])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit | CommandFailed)
    assert words in result.stderr + str(result.exception)
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []
