"""How commands end: the exit status, and the one error that ends a command with a message."""

import enum
from collections.abc import Sequence


class Exit(enum.IntEnum):
    """Exit status of every command; scripts may rely on it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNCERTAIN = 4
    NOT_REACHABLE = 5
    NOT_ALLOWED = 6
    BAD_INPUT = 7
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command was written wrongly",
    Exit.REFUSED: "refused; all reasons are printed",
    Exit.UNCERTAIN: "uncertain: whether it happened is not known; see `picolase resolve`",
    Exit.NOT_REACHABLE: "not reachable; the daemon is not running",
    Exit.NOT_ALLOWED: "not logged in, or not allowed",
    Exit.BAD_INPUT: "an input file is missing or wrong",
    Exit.INTERRUPTED: "ended by Ctrl-C",
    Exit.TERMINATED: "ended by SIGTERM",
}


class CommandFailed(Exception):
    """A command ends here: `text` says what, why and what to do; `details` are lines under it."""

    def __init__(self, exit_: Exit, text: str, details: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.exit = exit_
        self.text = text
        self.details = tuple(details)

    def __str__(self) -> str:
        return "\n".join([self.text, *(f"  - {line}" for line in self.details)])
