"""The real-time edge: device time on a virtual-time loop, and TCP."""

import asyncio
import contextlib
import socket

import pytest

from sim_device.errors import SetupError
from sim_device.memory import RamMemory
from sim_device.places import serve_tcp
from sim_device.plant import Plant
from sim_device.serve import HELD_UP_US, Pump
from sim_device.simulator import Simulator
from tests.sim_device.served import Echo, JumpingSelector, in_virtual_time, running

S = 1_000_000
MS = 1_000


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
