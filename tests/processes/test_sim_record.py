"""`picolase sim --record` and `--stepped`, as processes: what was recorded replays to the bit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hal.hooks import Hooks
from hal.outcomes import Done
from hal.picolase_laser import PicolaseLaser
from hal.ports import open_port
from rig.cli.sim import sim
from rig.recording import load
from rig.replay import compare, replay
from sim_device.control_client import AsyncControl, ControlError

SCENARIO = """\
format = 1
name = "a door in the noise"
duration_s = 1.0
[laser]
start = "warm"
spot_mm = 3.0
[[event]]
at_s = 0.3
do = "door"
to = "open"
[[fault]]
name = "input-stuck"
at_s = 0.3
for_s = 0.4
line = "remote_closed"
to = false
"""


@asynccontextmanager
async def running(folder: Path, *arguments: str) -> AsyncIterator[tuple[AsyncControl, Path]]:
    """`picolase sim` with a control channel; it is interrupted at the end, as a person does it."""
    pty = folder / "laser"
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller.cli", "sim",
        "--pty", str(pty), "--control", str(folder / "control"), *arguments,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert command.stdout is not None
    line = await command.stdout.readline()
    assert b"serves" in line
    assert (b"time stands still" in line) is ("--stepped" in arguments)
    assert (b"x real time" in line) is ("--stepped" not in arguments)
    client = AsyncControl(folder / "control")
    try:
        yield client, pty
    finally:
        await client.close()
        os.kill(command.pid, signal.SIGINT)
        await command.communicate()
    assert command.returncode == 0


async def serial_number(pty: Path) -> str:
    hooks = Hooks(gate=lambda _: (), on_message=lambda *_: None, on_down=lambda _: None)
    laser = await PicolaseLaser.connect(await open_port(str(pty)), hooks)
    answer = await laser.identify()
    laser.close()
    assert isinstance(answer, Done)
    return answer.value.serial


async def test_a_run_in_real_time_is_recorded_and_replays_bit_for_bit(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    arguments = ["--record", str(file), "--state", str(tmp_path), "--seed", "5", "--serial", "PL755-0042"]
    arguments += ["--baud", "115200"]  # bytes take their time, on the line that is replayed too
    for boot in (1, 2):  # the second run begins with the memory of the first
        async with running(tmp_path, *arguments) as (control, pty):
            assert await serial_number(pty) == "PL755-0042"
            await control.operate("key", to="on")
            await control.inject("input-stuck", line="door_closed", to=False, for_s=0.01)
            await control.operate("foot", to="press")
            assert (await control.device())["boots"] == boot
            await control.snapshot("now")
            with pytest.raises(ControlError, match="a Recorder is at work"):
                await control.restore("now")
        recording = load(file)
        assert {event.kind for event in recording.events} >= {">wire", "<wire", "act", "fault", "lines"}
        assert compare(recording, replay(recording)) is None
        file.unlink()


async def test_a_stepped_laser_answers_in_the_instant_in_which_it_stands(tmp_path: Path) -> None:
    async with running(tmp_path, "--stepped") as (control, pty):
        before_us = (await control.state())["now_us"]
        assert await serial_number(pty) == "PL755-0001"
        assert (await control.state())["now_us"] == before_us
        await control.operate("key", to="on")
        assert (await control.state())["outputs"]["pump_on"] is False
        assert await control.step(5_000_000) == before_us + 5_000_000
        state = await control.state()
        assert (state["now_us"], state["outputs"]["pump_on"]) == (before_us + 5_000_000, True)


async def test_a_scenario_that_was_recorded_replays_bit_for_bit(tmp_path: Path) -> None:
    scenario, file = tmp_path / "door.toml", tmp_path / "run.jsonl"
    scenario.write_text(SCENARIO)
    arguments = ["sim", "--scenario", str(scenario), "--pty", str(tmp_path / "laser"), "--record", str(file)]
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller.cli", *arguments, stdout=subprocess.PIPE
    )
    said, _ = await command.communicate()
    assert command.returncode == 0, said
    assert b"input-stuck" in said
    recording = load(file)
    assert recording.header.scenario == "a door in the noise"
    acts = [(event.kind, event.body["name"]) for event in recording.events if "name" in (event.body or ())]
    assert ("agenda", "door") in acts
    assert ("fault", "fault-begins") in acts
    assert compare(recording, replay(recording)) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--stepped"], "--stepped needs --control"),
        (["--stepped", "--control", "c", "--warm-up-speed", "5"], "no --warm-up-speed"),
        (["--record", "run.jsonl", "--lasers", "2"], "--record is for one laser"),
    ],
)
def test_what_cannot_be_said_together_is_refused(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(sim, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_a_recording_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text("precious")
    result = CliRunner().invoke(
        sim, ["--record", str(tmp_path / "run.jsonl"), "--pty", str(tmp_path / "laser")]
    )
    assert "File exists; give a new file" in str(result.exception)
    assert (tmp_path / "run.jsonl").read_text() == "precious"
