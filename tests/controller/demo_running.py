"""The demo as a process of its own, read line by line, and what it must not leave behind."""

import contextlib
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.urgent import DAEMON, LASER, make_urgent

WARMED_UP = "logging in as"  # what comes after it
PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"


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
