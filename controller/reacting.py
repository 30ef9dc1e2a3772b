"""The reactions: what is done, at once and in this order, about each thing that the supervisor asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from controller.blackbox import BlackBox
from controller.commands import Commands
from controller.store import EventKind, Severity
from controller.treatment import Treatment
from safety.reactions import LatchCleared, LatchSet, Note, Reaction, StopNow


class Noting(Protocol):
    """Puts on record what happened."""

    def __call__(
        self, kind: EventKind, severity: Severity, text: str, body: Mapping[str, object] | None = None, /
    ) -> None:
        """Never waits."""
        ...


def react(
    reactions: Iterable[Reaction], treatment: Treatment, commands: Commands, blackbox: BlackBox, note: Noting
) -> None:
    """Do what they ask; a stop is sent before this returns, and before anything is written of it."""
    for reaction in reactions:
        match reaction:
            case StopNow(reason):
                treatment.trip(reason.text)
                commands.stop("supervisor", reason.text)
            case LatchSet(latch):
                treatment.trip(latch.text)
                blackbox.trip(latch.text)
                body = {"latch": latch.id.value, "instance": latch.instance, "action": latch.action}
                note(EventKind.FAULT, Severity.ERROR, latch.text, body)
            case LatchCleared(latch):
                note(EventKind.STATE, Severity.INFO, f"cleared: {latch.text}")
            case Note(event, text):
                note(EventKind.STATE, Severity.INFO, text, {"event": event})
                blackbox.decided(event, text)
