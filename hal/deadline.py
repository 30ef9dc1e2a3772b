"""One movable deadline on the loop's clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hal.time import seconds

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """Calls `on_due` at the deadline, or earlier: moving a timer later for each frame would cost more."""

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0

    def set(self, due_us: int | None) -> None:
        """Be called at `due_us` at the latest; None: not at all."""
        if due_us is None:
            self._cancel()
        elif self._timer is None or due_us < self._timer_us:
            self._cancel()
            self._timer_us = due_us
            self._timer = self._loop.call_at(seconds(due_us), self._fire)

    def _cancel(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._on_due()
