"""What a test's processes left behind: themselves, their sockets, locks and links."""

import fcntl
import os
import time
from pathlib import Path

ENDING_S = 5.0
POLL_S = 0.05


def of(folder: Path, mark: str) -> list[str]:
    """Everything left in `folder`, and each process with `mark` in its environment that does not end soon."""
    deadline_s = time.monotonic() + ENDING_S
    while (alive := _processes(mark)) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    left = [f"process {process}" for process in alive]
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            left.append(f"link {path}")
        elif path.is_socket():
            left.append(f"socket {path}")
        elif path.name.endswith(".lock") and _held(path):
            left.append(f"held lock {path}")
    return left


def _processes(mark: str) -> list[str]:
    wanted, found = mark.encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes():
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                found.append(f"{entry.name}: {command}")
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
