"""Ctrl-C and SIGTERM for commands that must put something in order before they end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from controller.cli.exits import CommandFailed, Exit

T = TypeVar("T")

_EXITS = {
    signal.SIGINT: (Exit.INTERRUPTED, "Interrupted by Ctrl-C."),
    signal.SIGTERM: (Exit.TERMINATED, "Ended by SIGTERM."),
    signal.SIGHUP: (Exit.TERMINATED, "Ended because the terminal was closed."),
}


def _without_late_wake_ups(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out one report that says nothing: a read that was cancelled in the instant its bytes came.

    anyio's unix sockets wake the reader by `Future.set_result(None)` and do not mind that it was cancelled.
    """
    late = isinstance(context.get("exception"), asyncio.InvalidStateError)
    if not (late and "Future.set_result" in str(context.get("message"))):
        loop.default_exception_handler(context)


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; a signal cancels it, so that it cleans up as at any other end, and ends the command.

    Further signals while it cleans up change nothing: cleaning up has its own time-outs.
    """
    received: list[signal.Signals] = []

    async def main() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_without_late_wake_ups)
        task = asyncio.ensure_future(work)

        def cancel(number: signal.Signals) -> None:
            received.append(number)
            if len(received) == 1:
                task.cancel()

        for number in _EXITS:
            loop.add_signal_handler(number, cancel, number)
        try:
            return await task
        finally:
            for number in _EXITS:
                loop.remove_signal_handler(number)

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        exit_, text = _EXITS[received[0] if received else signal.SIGTERM]
        raise CommandFailed(exit_, text) from None
