"""The simulator as a process: what it says, how it ends, what it leaves behind."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.exits import CommandFailed
from protocols.states import State
from rig.cli.sim import sim
from sim_device.control_client import Control
from sim_device.memory import RamMemory
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator

S = 1_000_000


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
        assert process.wait(50) == 0
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
        assert process.wait(50) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_a_killed_simulator_can_be_started_again_on_the_same_paths_with_its_memory(tmp_path: Path) -> None:
    link, control, state = tmp_path / "laser0", tmp_path / "control", tmp_path / "state"
    arguments = ("--pty", str(link), "--control", str(control), "--state", str(state))
    with simulator_process(*arguments) as process:
        first_line(process)
        with simulator_process(*arguments) as other:
            assert other.wait(50) == 1
            assert other.stderr is not None
            assert "belongs to a running simulator" in other.stderr.read()
        process.kill()
        process.wait(50)
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
    assert isinstance(result.exception, SystemExit | CommandFailed)
    assert words in f"{result.stderr}{result.exception}"
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
