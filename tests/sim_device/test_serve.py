"""The real-time edge: device time on a virtual-time loop, real pseudo-terminals, real TCP, real processes."""

import asyncio
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from click.testing import CliRunner

from protocols.states import State
from rig.cli.sim import sim
from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.control_client import Control
from sim_device.errors import SetupError
from sim_device.memory import RamMemory
from sim_device.places import WAITING_MAX, serve_pty, serve_tcp
from sim_device.plant import Contacts, Plant
from sim_device.serve import HELD_UP_US, Pump
from sim_device.simulator import Simulator

S = 1_000_000
MS = 1_000


class Echo:
    """A firmware that kicks every 50 ms, sends back what it hears, and is warm after 60 s."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.state = State.WARM_UP
        self.steps: list[int] = []
        self.spoken = b""
        self.broken = False
        self._kick_us = 0

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self._kick_us = now_us

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        if self.broken:
            raise RuntimeError("this firmware is broken")
        self.steps.append(now_us)
        if now_us >= 60 * S:
            self.state = State.STANDBY
        if now_us >= self._kick_us:
            self.outputs.watchdog_kicks += 1
            self._kick_us = now_us + 50 * MS
        spoken, self.spoken = self.spoken, b""
        return Step(received + spoken, console.upper(), self._kick_us)


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: time jumps to the loop's next timer."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


def in_virtual_time(scenario: Callable[[JumpingSelector], Coroutine[Any, Any, None]]) -> None:
    selector = JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now_s  # type: ignore[method-assign] # the loop's clock is what is replaced
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scenario(selector))


@contextlib.asynccontextmanager
async def running(speed: int = 1) -> AsyncIterator[tuple[Pump, Echo]]:
    firmware = Echo()
    pump = Pump(Simulator(firmware, Plant(1), RamMemory()), speed)
    task = asyncio.create_task(pump.run())
    await asyncio.sleep(0)
    try:
        yield pump, firmware
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_device_time_is_real_time_and_runs_without_a_tick() -> None:
    async def scenario(_selector: JumpingSelector) -> None:
        async with running() as (pump, firmware):
            await asyncio.sleep(10)
            assert pump.sync() == 10 * S
            assert firmware.steps == [number * 50 * MS for number in range(201)]
            assert pump.slipped_us == 0

    in_virtual_time(scenario)


def test_warm_up_runs_ahead_by_the_factor_and_nothing_is_left_out() -> None:
    async def scenario(_selector: JumpingSelector) -> None:
        async with running(speed=10) as (pump, firmware):
            await asyncio.sleep(5.9)
            assert pump.sync() == 59 * S
            assert pump.speed == 10
            await asyncio.sleep(1.1)
            assert pump.sync() == 61 * S  # 6 s for the first 60 s, 1 s for the next
            assert pump.speed == 1
            assert firmware.steps == [number * 50 * MS for number in range(61 * 20 + 1)]
            assert pump.slipped_us == 0

    in_virtual_time(scenario)


def test_a_process_that_was_held_up_lets_device_time_slip_instead_of_jumping() -> None:
    async def scenario(selector: JumpingSelector) -> None:
        async with running() as (pump, _):
            await asyncio.sleep(1.025)
            selector.now_s += 3
            jump_us = pump.sync() - 1_025 * MS
            assert jump_us <= 25 * MS + HELD_UP_US
            assert pump.slipped_us == 3 * S - jump_us
            await asyncio.sleep(1)
            assert pump.sync() == 2_025 * MS + jump_us

    in_virtual_time(scenario)


def test_bytes_that_waited_while_the_process_was_held_up_come_before_time_runs_on() -> None:
    async def scenario(selector: JumpingSelector) -> None:
        async with running() as (pump, _):
            heard: list[tuple[int, bytes]] = []
            pump.wire.clients.append(lambda data: heard.append((pump.simulator.now_us, data)))
            await asyncio.sleep(1)
            selector.now_s += 0.5
            pump.wire.receive(b"late")
            assert len(heard) == 1
            assert heard[0][0] <= S + 50 * MS + HELD_UP_US

    in_virtual_time(scenario)


def test_idling_is_not_being_held_up() -> None:
    async def scenario(_selector: JumpingSelector) -> None:
        async with running() as (pump, _):
            pump.perform(lambda simulator, now_us: simulator.set_power(False, now_us))
            await asyncio.sleep(1000)
            pump.perform(lambda simulator, now_us: simulator.set_power(True, now_us))
            assert pump.sync() == 1000 * S
            assert pump.slipped_us == 0

    in_virtual_time(scenario)


async def test_an_error_in_the_simulator_ends_the_pump() -> None:
    firmware = Echo()
    pump = Pump(Simulator(firmware, Plant(1), RamMemory()))
    firmware.broken = True
    task = asyncio.create_task(pump.run())
    pump.wire.receive(b"x")
    with pytest.raises(RuntimeError, match="this firmware is broken"):
        await task


# --- pseudo-terminal


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


# --- TCP


async def echoed(port: int, data: bytes) -> bytes:
    """What a TCP client of its own gets back: `data`, or nothing when it is turned away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        answer = await reader.read(100)
        writer.close()
        await writer.wait_closed()
    return answer


async def test_tcp_serves_one_client_and_closes_a_second_at_once() -> None:
    async with running() as (pump, _), serve_tcp(pump.wire, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"first")
        assert await reader.readexactly(5) == b"first"
        assert await echoed(port, b"second") == b""
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()
        await writer.wait_closed()
        while await echoed(port, b"third") != b"third":
            pass  # the server may learn of the first one's end a moment after the first one


async def test_a_tcp_address_in_use_is_named() -> None:
    async with running() as (pump, _):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(SetupError, match="is in use"):
                async with serve_tcp(pump.wire, "127.0.0.1", taken.getsockname()[1]):
                    pass
        with pytest.raises(SetupError, match="cannot be used"):
            async with serve_tcp(pump.wire, "192.0.2.1", 0):
                pass


# --- the process


@contextlib.contextmanager
def simulator_process(*arguments: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from rig.cli.sim import sim; sim()", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd(), **more
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.processes
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_process_says_what_it_serves_and_leaves_nothing_behind(
    tmp_path: Path, ending: signal.Signals
) -> None:
    link, control = tmp_path / "laser0", tmp_path / "control"
    with simulator_process(
        "--pty", str(link), "--control", str(control), "--tcp", "127.0.0.1:0", "--warm-up-speed", "60"
    ) as process:
        line = first_line(process)
        for word in (str(link), str(control), "socket://127.0.0.1:", "60 x real time", "PL755-0001"):
            assert word in line
        assert control.stat().st_mode & 0o777 == 0o600
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_the_process_ends_with_its_parents_end_of_the_pipe(tmp_path: Path) -> None:
    with simulator_process(
        "--pty", str(tmp_path / "laser0"), "--until-stdin-closes", stdin=subprocess.PIPE
    ) as process:
        first_line(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_a_killed_simulator_can_be_started_again_on_the_same_paths_with_its_memory(tmp_path: Path) -> None:
    link, control, state = tmp_path / "laser0", tmp_path / "control", tmp_path / "state"
    arguments = ("--pty", str(link), "--control", str(control), "--state", str(state))
    with simulator_process(*arguments) as process:
        first_line(process)
        with simulator_process(*arguments) as other:
            assert other.wait(10) == 1
            assert other.stderr is not None
            assert "belongs to a running simulator" in other.stderr.read()
        process.kill()
        process.wait(10)
    assert link.is_symlink()  # it had no chance to clean up
    with simulator_process(*arguments) as process:
        first_line(process)
        client = Control(control)
        assert client.device()["boots"] == 2
        client.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tcp", "nowhere"], "HOST:PORT"),
        (["--tcp", "localhost:70000"], "from 0 (any) to 65535"),
        (["--warm-up-speed", "0"], "1<=x<=1000"),
        (["--control", "x" * 120], "allows 107"),
        (["--until-stdin-closes"], "must be a pipe"),
    ],
)
def test_a_wrong_option_is_explained_and_nothing_is_started(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    result = CliRunner().invoke(sim, ["--pty", str(tmp_path / "laser0"), *arguments])
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert words in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_docked_laser_with_its_key_on_comes_up_by_itself() -> None:
    """The real firmware in the real plant: self-test, warm-up, calibration, STANDBY; no light leaves it."""
    from sim_device.firmware import Reference

    plant = Plant(3, Contacts(key_on=True, docked=True))
    simulator = Simulator(Reference(), plant, RamMemory())
    while simulator.state is not State.STANDBY:
        assert simulator.now_us < 700 * S
        assert simulator.state is not State.FAULT
        simulator.advance(simulator.next_event_us)
    assert simulator.now_us > 620 * S
    assert plant.truth.total == plant.truth.triggers == 32
    assert (plant.truth.aperture, plant.truth.shuttered, plant.truth.port) == (0, 2, 30)
    assert simulator.resets == 0
