"""Child processes: started with a log of their own, watched, and ended in order.

Each child holds the reading end of a pipe whose writing end only we hold. However we end, by kill -9 too, the
kernel closes it, and the child (started with its `--until-stdin-closes`) ends itself. Each has a process
group of its own, so that Ctrl-C in a terminal reaches us alone and the order of ending stays ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

END_S: Final = 30.0  # [C] the daemon's ordered shutdown takes a second; a busy machine, its time
TERMINATE_S: Final = 5.0
LOG_TAIL_LINES: Final = 8


class ChildEnded(Exception):
    """A child ended although it should run: `name`, `pid`, `status` as the system tells it, and its `log`."""

    def __init__(self, name: str, pid: int, status: int, log: Path) -> None:
        self.name = name
        self.pid = pid
        self.status = status
        self.log = log
        super().__init__(f"{name} (process {pid}) ended {ended_how(status)}; its log is {log}")

    def log_tail(self) -> list[str]:
        """The last lines of its log."""
        try:
            return self.log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            return []


def ended_how(status: int) -> str:
    """A process's end in words: by which signal, or with which exit status."""
    if status >= 0:
        return f"with exit status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"by signal {-status}"


class Child:
    """One running child process; what it prints goes to its log."""

    def __init__(self, name: str, log: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.log = log
        self.pid = process.pid
        self._process = process
        self._first_line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._copying = asyncio.create_task(self._copy(), name=f"{name} output")
        self.ended = asyncio.create_task(process.wait(), name=f"{name} wait")

    @classmethod
    async def start(cls, name: str, command: Sequence[str], log: Path) -> Self:
        """Start `command`; raises OSError when the program cannot be started."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        return cls(name, log, process)

    async def first_line(self, timeout_s: float) -> str:
        """The first line it prints: how it says that it is ready. Raises ChildEnded, or TimeoutError."""
        waiting: set[asyncio.Future[Any]] = {self._first_line, self.ended}
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._first_line.done():
            return self._first_line.result()
        if self.ended.done():
            raise self.failure()
        raise TimeoutError(
            f"{self.name} did not say within {timeout_s:.0f} s that it is ready; see {self.log}"
        )

    def failure(self) -> ChildEnded:
        """Its end as an error; only once `ended` is done."""
        return ChildEnded(self.name, self.pid, self.ended.result(), self.log)

    async def end(self) -> int:
        """End it: close its standard input, then SIGTERM, then SIGKILL; returns the exit status."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        for number, patience_s in (
            (None, END_S),
            (signal.SIGTERM, TERMINATE_S),
            (signal.SIGKILL, TERMINATE_S),
        ):
            if number is not None:
                self._signal(number)
            done, _ = await asyncio.wait({self.ended}, timeout=patience_s)
            if done:
                break
        await asyncio.wait({self._copying}, timeout=TERMINATE_S)
        self._copying.cancel()
        return await self.ended

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _copy(self) -> None:
        """Copy its standard output into the log until it ends."""
        if self._process.stdout is None:
            return
        with self.log.open("ab", buffering=0) as log:
            while line := await _line(self._process.stdout):
                log.write(line)
                if not self._first_line.done():
                    self._first_line.set_result(line.decode("utf-8", "replace").rstrip())


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # longer than a line may be: it is a log, go on behind it
        return b"\n"


class Children:
    """The children of one program: started in order, ended in the reverse order."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._ending = False
        self._failed: asyncio.Future[ChildEnded] = asyncio.get_running_loop().create_future()

    async def start(self, name: str, command: Sequence[str], log: Path) -> Child:
        """Start one more."""
        child = await Child.start(name, command, log)
        self._children.append(child)
        child.ended.add_done_callback(lambda _: self._note_end(child))
        return child

    async def failure(self) -> ChildEnded:
        """Wait until a child ends by itself; return the first such end as an error."""
        return await asyncio.shield(self._failed)

    def running(self, name: str) -> bool:
        """Whether the child of this name runs."""
        return any(child.name == name and not child.ended.done() for child in self._children)

    async def end(self) -> dict[str, int]:
        """End all, the youngest first; returns each one's exit status. Calling it again does nothing."""
        self._ending = True
        statuses = {}
        while self._children:
            child = self._children.pop()
            statuses[child.name] = await child.end()
        return statuses

    def _note_end(self, child: Child) -> None:
        if not self._ending and not self._failed.done() and not child.ended.cancelled():
            self._failed.set_result(child.failure())
