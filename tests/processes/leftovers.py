"""What a test's processes left behind: themselves, their sockets, locks and links."""

import contextlib
import fcntl
import os
import select
import time
from pathlib import Path

ENDING_S = 60.0  # no longer than it takes, on whatever machine


def of(folder: Path, mark: str) -> list[str]:
    """Everything left in `folder`, and each process with `mark` in its environment that does not end soon."""
    deadline_s = time.monotonic() + ENDING_S
    while (alive := _processes(mark)) and (left_s := deadline_s - time.monotonic()) > 0:
        _wait_for_an_end(list(alive), left_s)
    left = [f"process {number}: {command}" for number, command in alive.items()]
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            left.append(f"link {path}")
        elif path.is_socket():
            left.append(f"socket {path}")
        elif path.name.endswith(".lock") and _held(path):
            left.append(f"held lock {path}")
    return left


def _wait_for_an_end(processes: list[int], limit_s: float) -> None:
    """Wait until one of them ends; one that has ended already needs no waiting."""
    with contextlib.ExitStack() as stack:
        ends = select.poll()
        for process in processes:
            try:
                end = os.pidfd_open(process)
            except ProcessLookupError:
                return
            stack.callback(os.close, end)
            ends.register(end, select.POLLIN)
        ends.poll(limit_s * 1000)


def _processes(mark: str) -> dict[int, str]:
    """The command of each process with `mark` in its environment, by its number."""
    wanted, found = mark.encode(), dict[int, str]()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes():
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found[int(entry.name)] = command
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def _held(path: Path) -> bool:
    lock = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
