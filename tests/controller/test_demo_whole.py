"""The whole demo as a process: well, late, tripped, and with something killed."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.store import Reader
from sim_device.control_client import Control
from tests.processes.urgent import DAEMON, LASER, make_urgent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.processes,
    pytest.mark.usefixtures("alone"),
    pytest.mark.timeout(900, func_only=True),  # waiting to be alone does not count
]

WARMED_UP = "logging in as"  # what comes after it
PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No two at once, in whichever worker they run: in real time two on two cores would lag."""
    with (tmp_path_factory.getbasetemp().parent / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Running:
    """A demo as a process of its own, read line by line."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._take(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"{pattern!r} never came:\n{''.join(self.lines[-40:])}\n{self.errors()}")

    def pid(self, name: str) -> int:
        """The process of one of its children; read far enough first."""
        found = re.search(rf"{name} is process (\d+)", "".join(self.lines) + self.errors())
        assert found is not None, f"{name} was not started yet"
        return int(found[1])

    def warmed_up(self) -> None:
        """From now on its laser and its daemon come before the rest of the machine."""
        make_urgent(self.pid("the simulated laser"), LASER)
        make_urgent(self.pid("the daemon"), DAEMON)

    def _take(self, line: str) -> None:
        self.lines.append(line)
        if WARMED_UP in line:
            self.warmed_up()

    def pids(self) -> list[int]:
        """All of its children."""
        return [self.pid(name) for name in ("the broker", "the simulated laser", "the daemon")]

    def errors(self) -> str:
        """What it printed on standard error, so far."""
        return (self.folder / "errors").read_text()

    def end(self) -> int:
        """Read to the end and return the exit status."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._take(line)
        return self.process.wait(100)


@contextlib.contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[Running]:
    """Run the demo in `folder`."""
    command = [sys.executable, "-m", "controller.cli", "demo", "--plan", str(PLAN), *arguments]
    errors = (folder / "errors").open("w")
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(PLAN.parents[1])}
    with (
        errors,
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment,
            stdin=subprocess.DEVNULL,
        ) as process,
    ):  # fmt: skip
        try:
            yield Running(process, folder)
        finally:
            process.kill()


def wait_until_ended(pids: list[int]) -> None:
    """Wait until none of the processes runs, by watching them end; not all are our children."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                assert select.select([descriptor], [], [], 60)[0], f"process {pid} still runs"
            finally:
                os.close(descriptor)


def assert_nothing_is_left(running: Running) -> None:
    """No process, no socket and no port of the demo."""
    wait_until_ended(running.pids())
    assert not (running.folder / "run" / "laser0").is_symlink()
    assert list(running.folder.glob("run/*/*.sock")) == []


def test_the_demo_carries_out_its_plan_and_all_counts_agree(tmp_path: Path) -> None:
    with demo(tmp_path, "--json", "--speed", "300") as running:
        end = os.pidfd_open(running.process.pid)
        while WARMED_UP not in running.errors():  # it tells its story there, and its result on the pipe
            if select.select([end], [], [], 0.1)[0]:
                break
        else:
            running.warmed_up()
        os.close(end)
        status = running.end()
    assert status == 0, running.errors()
    summary = json.loads("".join(running.lines))
    assert summary["agree"] is True
    assert {count["plan"] for count in summary["counts"]} == {60}
    assert len({count["all"] for count in summary["counts"]} - {None}) == 1
    # The judgement of the firmware: 173 mJ +-15 %, 750 ps +-15 %; 1.80 J/cm2 a pulse.
    assert 173.0 * 0.85 < summary["energy_mj"]["mean"] < 173.0 * 1.15
    assert 637 < summary["width_ps"]["mean"] < 825
    assert summary["dose_j_cm2"] == pytest.approx(
        60 * summary["energy_mj"]["mean"] / 1000 / 0.09621, rel=1e-3
    )
    folder = Path(summary["folder"])
    assert {path.name for path in folder.iterdir()} >= {
        "picolase.toml", "picolase.db", "broker.log", "laser.log", "daemon.log", "device"
    }  # fmt: skip
    with Reader.open(folder / "picolase.db") as reader:
        (session,) = reader.sessions()
        # A trip by a busy machine in the instant of the last pulse leaves nothing to resume.
        late = "this computer was late" in running.errors()
        assert session.state.value == "done" or (late and session.state.value == "interrupted")
        assert session.delivered_pulses == len(list(reader.session_pulses(session.id))) == 60
        assert reader.check() == []
    assert not (tmp_path / "run" / "laser0").is_symlink()
    assert list(folder.glob("*.sock")) == []
    errors = running.errors()
    assert "READY" in errors
    assert "times as fast" in errors


@pytest.mark.parametrize("name", ["the broker", "the simulated laser", "the daemon"])
def test_a_killed_process_ends_the_demo_and_is_named(tmp_path: Path, name: str) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        os.kill(running.pid(name), signal.SIGKILL)
        status = running.end()
        assert status == 1
        assert f"{name} (process {running.pid(name)}) ended by SIGKILL" in running.errors()
        assert ".log" in running.errors()
        assert "Traceback" not in running.errors()
        assert_nothing_is_left(running)


@pytest.mark.parametrize(
    ("number", "moment", "status"),
    [
        (signal.SIGINT, "state EMITTING", 130),
        (signal.SIGTERM, "state CALIBRATING", 143),
        (signal.SIGTERM, "starting the daemon", 143),
        (signal.SIGKILL, "state EMITTING", -9),
    ],
)
def test_a_demo_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, moment: str, status: int
) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until(moment)
        if moment == "starting the daemon":
            running.until("the daemon is process")
        os.kill(running.process.pid, number)
        assert running.end() == status
        assert "Traceback" not in running.errors()
        if number is signal.SIGKILL:  # the children end by themselves; each removes what it made
            wait_until_ended(running.pids())
        if moment == "state EMITTING" and number is not signal.SIGKILL:
            assert any("STOP confirmed" in line for line in running.lines)
        assert_nothing_is_left(running)


def control_of(running: Running) -> contextlib.closing[Control]:
    """The control channel of its laser; read far enough first."""
    said = "".join(running.lines)
    found = re.search(r"control (\S+\.sock)", said)
    assert found is not None, said
    return contextlib.closing(Control(running.folder / found[1]))


def test_a_daemon_that_was_late_and_no_more_is_forgiven_and_the_plan_is_carried_out(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        os.kill(running.pid("the daemon"), signal.SIGSTOP)
        try:
            with control_of(running) as control:
                while control.state()["state"] != "FAULT":  # the laser's own watch
                    pass
        finally:
            os.kill(running.pid("the daemon"), signal.SIGCONT)
        assert running.end() == 0, running.errors()
    assert any("this computer was late, and that is all" in line for line in running.lines)
    assert "All counts agree" in running.errors()


def test_a_fault_that_says_more_than_lateness_ends_the_demo(tmp_path: Path) -> None:
    with demo(tmp_path, "--speed", "1000") as running:
        running.until("state EMITTING")
        with control_of(running) as control:
            control.operate("estop", to="press")
        assert running.end() == 1
        assert_nothing_is_left(running)
    assert "estop" in running.errors()
    assert "The demo failed" in running.errors()
