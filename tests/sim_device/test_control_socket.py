"""The control channel over a unix socket, with both clients."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from sim_device.control import serve_control
from sim_device.control_client import AsyncControl, Control, ControlError
from sim_device.errors import SetupError
from sim_device.serve import Pump
from tests.sim_device.controlled import bench


async def test_both_clients_work_over_a_private_socket_that_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "run" / "laser0.control"
    simulator = bench()

    def use_blocking() -> None:
        client = Control(path)
        client.operate("door", to="open")
        assert client.state()["inputs"]["door_closed"] is False
        assert client.truth(last=5)["total"] == 0
        assert client.device()["pulse_number"] == 0
        with pytest.raises(ControlError, match=r"foot.to = 'x': Input should be 'press' or 'release'"):
            client.operate("foot", to="x")
        client.close()

    async with serve_control(Pump(simulator), path):
        assert path.stat().st_mode & 0o777 == 0o600
        client = AsyncControl(path)
        now_us = await client.operate("undock")
        assert 0 <= now_us <= simulator.now_us
        assert (await client.state())["inputs"]["docked_a_closed"] is False
        assert (await client.truth())["pulses"] == []
        assert (await client.device())["boots"] == 0
        with pytest.raises(ControlError, match="is not known: give one of key, foot"):
            await client.operate("nonsense")
        await client.close()
        await asyncio.to_thread(use_blocking)
    assert list(path.parent.iterdir()) == []
    gone, gone_too = Control(path), AsyncControl(path)
    with pytest.raises(ControlError, match="does not answer"):
        gone.state()
    with pytest.raises(ControlError, match="does not answer"):
        await gone_too.state()
    gone.close()
    await gone_too.close()


async def test_a_stale_socket_is_replaced_and_a_live_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # closed without being removed, as by a killed process
    pump = Pump(bench())
    async with serve_control(pump, path):
        client = AsyncControl(path)
        assert (await client.state())["powered"]
        await client.close()
        with pytest.raises(SetupError, match="belongs to a running simulator"):
            async with serve_control(pump, path):
                pass
        assert path.is_socket()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SetupError, match="is served by another process"):
            async with serve_control(pump, path):
                pass
        assert path.is_socket()


async def test_a_path_that_cannot_be_a_socket_is_explained(tmp_path: Path) -> None:
    pump = Pump(bench())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SetupError, match="exists and is no socket"):
        async with serve_control(pump, tmp_path / "file"):
            pass
    assert (tmp_path / "file").read_text() == "mine"
    long = tmp_path / ("x" * 120)
    with pytest.raises(SetupError, match=f"has {len(os.fsencode(long))} bytes, the system allows 107"):
        async with serve_control(pump, long):
            pass
    with pytest.raises(SetupError, match="a directory that you may write"):
        async with serve_control(pump, tmp_path / "file" / "below"):
            pass
