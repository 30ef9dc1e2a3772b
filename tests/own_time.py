"""A clock for tests that tell what a program does from what the machine does to it."""

import time
from pathlib import Path

SCHEDSTAT = Path("/proc/thread-self/schedstat")


def own_s() -> float:
    """Real time, which stands still while this thread wants a core and gets none.

    What a program spends in computing and in waiting counts; that others had the core does not. Where the
    kernel does not tell that, everything counts.
    """
    waited_ns = int(SCHEDSTAT.read_text().split()[1]) if SCHEDSTAT.exists() else 0
    return time.monotonic() - waited_ns / 1e9
