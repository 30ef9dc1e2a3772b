"""Processes that come before the rest of the machine, where this user may ask for that.

A laser in real time whose host waits for a core trips, as it must. So that a trip shows the daemon's lateness
and not the machine's load, both are put into a real-time class before they arm; root may do that, and whoever
has RLIMIT_RTPRIO. Not before: starting and warming up fill cores, and on full cores the kernel's own workers,
which carry the bytes of a pseudo-terminal, would have to wait as well.
"""

import contextlib
import os
from pathlib import Path

LASER, DAEMON = 1, 2  # the one with the nearer deadline is the more urgent


def make_urgent(process: int, priority: int) -> None:
    """Have all threads of the process in the real-time class from now on; without the right, nothing."""
    with contextlib.suppress(PermissionError, ProcessLookupError, FileNotFoundError):
        for task in Path(f"/proc/{process}/task").iterdir():
            os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(priority))
