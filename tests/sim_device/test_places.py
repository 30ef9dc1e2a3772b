"""Real pseudo-terminals and TCP as a real cable has them: rates, pacing, handshake, pulled and plugged in.

In real time: the kernel moves the bytes of a pseudo-terminal in its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import termios
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import serial

from hal.errors import LinkError, LinkKind, PortError, PortKind
from hal.hooks import Hooks
from hal.laser import Laser
from hal.laser_values import LaserIdentity
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from hal.reconnect import Reconnect
from sim_device.errors import SetupError
from sim_device.firmware import Reference
from sim_device.hands import Hands
from sim_device.line import HELD_MAX
from sim_device.memory import RamMemory
from sim_device.places import serve_pty, serve_tcp
from sim_device.plant import Plant
from sim_device.serve import Pump
from sim_device.simulator import Simulator
from sim_device.vices import Delay, Drop
from tests.sim_device.echo import Echo

MS = 1_000
WITHIN_S = 50.0  # for what takes milliseconds on a machine that has nothing else to do


@contextlib.asynccontextmanager
async def running(firmware: Echo | Reference, baud: int = 0) -> AsyncIterator[Pump]:
    simulator = Simulator(firmware, Plant(1), RamMemory())
    simulator.wire.set_device(baud)
    pump = Pump(simulator)
    task = asyncio.create_task(pump.run())
    await asyncio.sleep(0)
    try:
        yield pump
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def do(pump: Pump, change: Callable[[Simulator], None]) -> None:
    pump.perform(lambda simulator, _now_us: change(simulator))


def unplug(pump: Pump) -> None:
    do(pump, lambda simulator: simulator.wire.unplug())


def plug(pump: Pump) -> None:
    do(pump, lambda simulator: simulator.wire.plug())


async def until(wanted: Callable[[], bool], what: str) -> None:
    for _ in range(round(WITHIN_S / 0.002)):
        if wanted():
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"not within {WITHIN_S} s: {what}")


async def read(port: serial.Serial, count: int) -> bytes:
    """Exactly `count` bytes."""
    data = b""
    async with asyncio.timeout(WITHIN_S):
        while len(data) < count:
            data += port.read(count - len(data))
            await asyncio.sleep(0.001)
    return data


# --- the client's own settings


@pytest.mark.parametrize("baud", [9_600, 250_000, 921_600])
async def test_a_client_with_the_devices_rate_is_understood_and_another_is_not(
    tmp_path: Path, baud: int
) -> None:
    firmware, link = Echo(), tmp_path / "laser0"
    async with running(firmware, baud) as pump:
        with serve_pty(pump.wire, link):
            with serial.Serial(str(link), baud, timeout=0) as port:
                port.write(b"right")
                assert await read(port, 5) == b"right"
            with serial.Serial(str(link), 3 * baud if baud < 300_000 else 115_200, timeout=0) as port:
                firmware.heard.clear()
                port.write(b"wrong rate")
                await until(lambda: firmware.words != b"", "something is heard")
                await asyncio.sleep(0.05)
                assert b"wrong" not in firmware.words
                assert b"wrong" not in port.read(100)
                port.baudrate = baud
                port.reset_input_buffer()
                port.write(b"right")
                await until(lambda: firmware.words.endswith(b"right"), "the right rate is understood again")


async def test_a_restored_laser_is_told_the_rate_that_the_client_has_now(tmp_path: Path) -> None:
    firmware, link = Echo(), tmp_path / "laser0"
    async with running(firmware, 115_200) as pump:
        with serve_pty(pump.wire, link), serial.Serial(str(link), 115_200, timeout=0) as port:
            port.write(b"right")
            assert await read(port, 5) == b"right"
            hands = Hands(pump)
            hands.snapshot("right")
            port.baudrate = 9_600
            hands.state()  # it is seen
            hands.restore("right")
            restored = pump.simulator.firmware
            assert isinstance(restored, Echo)
            restored.heard.clear()
            port.write(b"wrong rate")
            await until(lambda: restored.words != b"", "something is heard")
            assert b"wrong" not in restored.words


async def test_a_client_that_sets_nothing_has_the_devices_rate(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running(Echo(), 57_600) as pump:
        with serve_pty(pump.wire, link):
            client = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                os.write(client, b"plain")
                got = b""
                async with asyncio.timeout(WITHIN_S):
                    while len(got) < 5:
                        with contextlib.suppress(BlockingIOError):
                            got += os.read(client, 5)
                        await asyncio.sleep(0.001)
            finally:
                os.close(client)
            assert got == b"plain"


async def test_without_a_rate_of_the_device_a_client_may_have_any(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running(Echo()) as pump:
        with serve_pty(pump.wire, link), serial.Serial(str(link), 1_200, timeout=0) as port:
            port.write(b"hello")
            assert await read(port, 5) == b"hello"


async def test_a_paced_line_takes_its_time(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running(Echo(), 9_600) as pump:
        with serve_pty(pump.wire, link), serial.Serial(str(link), 9_600, timeout=0) as port:
            began_us = pump.sync()
            port.write(b"x" * 96)
            assert await read(port, 96) == b"x" * 96
            took_us = pump.sync() - began_us
    # 96 bytes to the device, and back from the first piece of 16 on: 112 bytes' time at least
    assert took_us >= 112 * 10 * 1_000_000 / 9_600


async def test_who_asks_for_rts_cts_waits_until_the_setting_is_taken_back(tmp_path: Path) -> None:
    firmware, link = Echo(), tmp_path / "laser0"
    async with running(firmware, 115_200) as pump:
        with (
            serve_pty(pump.wire, link),
            serial.Serial(str(link), 115_200, timeout=0, rtscts=True) as port,
        ):
            port.write(b"held")
            await asyncio.sleep(0.2)
            assert firmware.words == b""
            port.rtscts = False
            assert await read(port, 4) == b"held"


async def test_two_stop_bits_of_the_client_are_seen(tmp_path: Path) -> None:
    firmware, link = Echo(), tmp_path / "laser0"
    async with running(firmware, 9_600) as pump:
        with serve_pty(pump.wire, link), serial.Serial(str(link), 9_600, stopbits=2, timeout=0) as port:
            for bits in (11, 10):
                firmware.heard.clear()
                port.write(b"x" * 96)
                assert await read(port, 96) == b"x" * 96
                took_us = firmware.heard[-1][0] - firmware.heard[0][0]  # of all but the first piece of 16
                assert took_us == pytest.approx(80 * bits * 1_000_000 / 9_600, abs=10)
                port.stopbits = 1


async def test_a_client_that_sends_more_than_a_paced_line_takes_has_to_wait(tmp_path: Path) -> None:
    firmware, link = Echo(), tmp_path / "laser0"
    async with running(firmware, 4_000_000) as pump:
        sent = bytes(number % 251 for number in range(20 * HELD_MAX))
        with serve_pty(pump.wire, link), serial.Serial(str(link), 4_000_000, timeout=0) as port:
            most, left = 0, sent
            async with asyncio.timeout(WITHIN_S):
                while len(firmware.words) < len(sent):
                    with contextlib.suppress(serial.SerialTimeoutException, BlockingIOError):
                        left = left[os.write(port.fileno(), left) :] if left else left
                    port.read(10_000)
                    most = max(most, pump.simulator.wire.to_device.bytes_waiting)
                    await asyncio.sleep(0.0001)
            assert firmware.words == sent
            assert HELD_MAX < most <= 3 * HELD_MAX
            assert pump.simulator.wire.to_device.bytes_lost == 0


# --- the plug


async def test_an_unplugged_pty_is_gone_with_its_name_and_comes_back_as_another(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running(Echo()) as pump:
        with serve_pty(pump.wire, link) as name:
            with serial.Serial(str(link), timeout=0) as port:
                port.write(b"one")
                assert await read(port, 3) == b"one"
                unplug(pump)
                assert not link.is_symlink()
                with pytest.raises((serial.SerialException, OSError)):
                    port.write(b"two")
                with pytest.raises((serial.SerialException, termios.error, OSError)):
                    port.read(1)
                with pytest.raises(serial.SerialException):
                    serial.Serial(str(link))
                plug(pump)
                assert os.readlink(link) != name  # the client still holds the old one
            with serial.Serial(str(link), timeout=0) as port:
                port.write(b"three")
                assert await read(port, 5) == b"three"
        assert os.listdir(tmp_path) == []
        assert pump.wire.clients == []


async def test_an_unplugged_simulator_ends_in_order(tmp_path: Path) -> None:
    async with running(Echo()) as pump:
        with serve_pty(pump.wire, tmp_path / "laser0"):
            unplug(pump)
            unplug(pump)
        assert os.listdir(tmp_path) == []


async def test_somebody_elses_file_in_the_links_place_ends_the_pump_and_stays(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    pump = Pump(Simulator(Echo(), Plant(1), RamMemory()))
    task = asyncio.create_task(pump.run())
    with serve_pty(pump.wire, link):
        unplug(pump)
        link.write_text("mine")
        pump.simulator.at(pump.sync() + MS, lambda simulator: simulator.wire.plug())
        with pytest.raises(SetupError, match="is no link of a simulator"):
            await task
    assert link.read_text() == "mine"


async def test_an_unplugged_tcp_port_drops_its_client_refuses_others_and_returns_under_its_number() -> None:
    async with running(Echo()) as pump, serve_tcp(pump.wire, "127.0.0.1", 0) as number:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        unplug(pump)
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", number)
        plug(pump)
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_resets_its_connection_leaves_room_for_the_next() -> None:
    async with running(Echo()) as pump, serve_tcp(pump.wire, "127.0.0.1", 0) as number:
        sock = socket.create_connection(("127.0.0.1", number))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await until(lambda: len(pump.wire.clients) == 1, "it is connected")
        sock.close()  # with a reset
        await until(lambda: pump.wire.clients == [], "it is gone")
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(b"next")
        assert await reader.readexactly(4) == b"next"
        writer.close()
        await writer.wait_closed()


async def test_vices_of_the_line_reach_a_real_client() -> None:
    async with running(Echo()) as pump, serve_tcp(pump.wire, "127.0.0.1", 0) as number:
        losing, late = Drop().only(times=1), Delay(30 * MS)
        pump.simulator.wire.to_device.vices = (losing,)
        pump.simulator.wire.to_host.vices = (late,)
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        began_us = pump.sync()
        writer.write(b"lost\0kept\0")
        assert await reader.readexactly(5) == b"kept\0"
        assert pump.sync() - began_us >= 30 * MS
        assert (losing.fired, late.fired) == (1, 1)
        writer.close()
        await writer.wait_closed()


# --- the host's own driver on it


@pytest.mark.parametrize("kind", ["pty", "tcp"])
async def test_the_hosts_driver_loses_an_unplugged_laser_and_finds_it_again(
    tmp_path: Path, kind: str
) -> None:
    found: list[str] = []
    lost: list[object] = []
    hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lost.append)

    async def serve(_laser: Laser, identity: LaserIdentity) -> None:
        found.append(identity.serial)
        await asyncio.get_running_loop().create_future()

    async with running(Reference(serial="PL755-0042")) as pump, contextlib.AsyncExitStack() as places:
        if kind == "pty":
            places.enter_context(serve_pty(pump.wire, tmp_path / "laser0"))
            url = str(tmp_path / "laser0")
        else:
            number = await places.enter_async_context(serve_tcp(pump.wire, "127.0.0.1", 0))
            url = f"socket://127.0.0.1:{number}"
        policy = Reconnect(url, PicolaseLaser, hooks, jitter=lambda: 1.0)
        host = asyncio.create_task(policy.run(serve))
        await until(lambda: len(found) == 1, "connected")
        unplug(pump)
        await until(lambda: len(lost) == 1, "lost")
        with pytest.raises(PortError) as absent:
            await open_port(url)
        assert absent.value.kind is (PortKind.ABSENT if kind == "pty" else PortKind.REFUSED)
        plug(pump)
        await until(lambda: len(found) == 2, "connected again")
        assert found == ["PL755-0042"] * 2
        host.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await host


async def test_the_hosts_driver_on_a_wrong_rate_never_connects(tmp_path: Path) -> None:
    link = tmp_path / "laser0"
    async with running(Reference(), 115_200) as pump:
        with serve_pty(pump.wire, link):
            hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lambda _: None)
            right = await PicolaseLaser.connect(await open_port(str(link)), hooks)
            right.close()
            with pytest.raises(LinkError) as refused:
                await PicolaseLaser.connect(await open_port(str(link), baud=19_200), hooks)
            assert refused.value.kind is LinkKind.NO_FRAMES, refused.value
