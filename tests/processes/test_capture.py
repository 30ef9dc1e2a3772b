"""Capturing: a tap on a real pty, a host that talks through it, and the simulator asked the same again."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hal.errors import PortError
from hal.hooks import Hooks
from hal.outcomes import Done
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from rig.capture import Tap, capture
from rig.laser import cold_laser
from rig.likeness import ask_again
from rig.recording import Event, Header, Recording, load
from sim_device.errors import SetupError
from sim_device.places import serve_pty
from sim_device.serve import Pump


@asynccontextmanager
async def tapped(folder: Path, into: Recording) -> AsyncIterator[tuple[Tap, Path]]:
    """A simulated laser on a pty, and a tap in front of it."""
    pump = Pump(cold_laser(9))
    running = asyncio.create_task(pump.run())
    try:
        with serve_pty(pump.wire, folder / "laser"):
            async with capture(str(folder / "laser"), folder / "tap", into) as tap:
                yield tap, folder / "tap"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def identified(path: Path) -> str:
    """The serial number that a host reads at this port."""
    hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lambda _: None)
    laser = await PicolaseLaser.connect(await open_port(str(path)), hooks)
    answer = await laser.identify()
    assert isinstance(answer, Done)
    laser.close()
    return answer.value.serial


async def test_a_host_talks_through_the_tap_and_both_ways_are_recorded(tmp_path: Path) -> None:
    recording = Recording(Header(kind="capture"))
    async with tapped(tmp_path, recording) as (tap, path):
        assert await identified(path) == "PL755-0001"
        assert tap.to_device_bytes > 0
        assert tap.to_host_bytes > 0
    assert {event.kind for event in recording.events} == {">wire", "<wire"}
    assert recording.end_us >= recording.events[-1].time_us
    found = ask_again(recording, cold_laser(1))
    assert found.unlike == ()
    assert found.alike >= 2


class FullDisk(Recording):
    """Takes nothing."""

    def put(self, event: Event) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_ends_the_capture_and_keeps_no_byte_from_its_way(tmp_path: Path) -> None:
    async with tapped(tmp_path, FullDisk(Header(kind="capture"))) as (tap, path):
        assert await identified(path) == "PL755-0001"
        assert str(await tap.lost) == "[Errno 28] No space left on device"


async def test_a_device_that_is_not_there_is_told_and_no_terminal_is_left(tmp_path: Path) -> None:
    with pytest.raises(PortError):
        async with capture(str(tmp_path / "none"), tmp_path / "tap", Recording(Header())):
            pass
    assert os.listdir(tmp_path) == []


async def test_a_taken_path_is_told_and_the_device_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "tap").write_text("something else")
    pump = Pump(cold_laser(9))
    with serve_pty(pump.wire, tmp_path / "laser"):
        for _ in range(2):  # a port that was kept would be locked the second time
            with pytest.raises(SetupError, match="tap exists"):
                async with capture(str(tmp_path / "laser"), tmp_path / "tap", Recording(Header())):
                    pass


async def test_the_command_captures_until_interrupted(tmp_path: Path) -> None:
    pump = Pump(cold_laser(9))
    running = asyncio.create_task(pump.run())
    with serve_pty(pump.wire, tmp_path / "laser"):
        arguments = ["capture", str(tmp_path / "laser"), str(tmp_path / "port.jsonl")]
        command = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "controller.cli",
            *arguments,
            "--pty",
            str(tmp_path / "tap"),
            stderr=subprocess.PIPE,
        )
        assert command.stderr is not None
        assert b"Ctrl-C ends the capture" in await command.stderr.readline()
        assert await identified(tmp_path / "tap") == "PL755-0001"
        os.kill(command.pid, signal.SIGINT)
        _, said = await command.communicate()
    running.cancel()
    assert command.returncode == 0, said
    assert b"picolase replay" in said
    recording = load(tmp_path / "port.jsonl")
    assert recording.header.kind == "capture"
    assert ask_again(recording, cold_laser(1)).unlike == ()
