"""The event loop: what was due happens when it is due.

In virtual time nothing costs time, so blocking shows in two ways only. A callback that moves the clock
itself (a jump) makes others late; and tasks that go round and round without waiting for anything keep time
from passing at all. How long a callback takes in real time is not seen: that would make the verdict of a seed
depend on the machine. A run's `turn_ms_max` tells it as a figure, and `make bench` measures it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rig.invariants.invariant import Invariant
from rig.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from rig.stack import Stack

TURNS_MAX: Final = 2_000  # [C] of the loop at one instant; a burst of everything at once takes some tens
LATE_MAX_US: Final = 0


class LoopNeverBlocked(Invariant):
    """The loop of the daemon."""

    name = "loop-never-blocked"
    rule = (
        "in virtual time no timer fires late and the loop never turns without end at one instant; "
        "what a callback takes in real time is not seen here"
    )

    _loop: VirtualTimeLoop | None = None

    def attach(self, stack: Stack) -> None:
        """Know the loop."""
        self._loop = stack.loop

    def ended(self) -> None:
        """Ask the loop."""
        if self._loop is None:
            return
        if self._loop.late_max_us > LATE_MAX_US:
            self.broken(f"a timer fired {self._loop.late_max_us} us late")
        if self._loop.turns_max > TURNS_MAX:
            self.broken(f"the loop turned {self._loop.turns_max} times at one instant")
