"""How the outcome of a command or of a stop is told to whoever asked for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from controller.commands import described
from controller.store import CommandOutcome
from hal.outcomes import Outcome, Refused
from hal.stopping import StopResult

_WORDS: Final = {
    CommandOutcome.DONE: "done",
    CommandOutcome.REFUSED: "refused; nothing was done",
    CommandOutcome.FAILED: "failed; nothing was done",
    CommandOutcome.UNCERTAIN: "not known whether it was done: the laser was told to stop",
}


def answer_of(outcome: Outcome[Any]) -> dict[str, Any]:
    """Outcome, every reason, and words."""
    value, detail = described(outcome)
    reasons = [asdict(reason) for reason in outcome.reasons] if isinstance(outcome, Refused) else []
    text = _WORDS[value] + (f" ({detail})" if detail and not reasons else "")
    return {"outcome": value.value, "reasons": reasons, "text": text}


def failure_of(outcome: Outcome[Any]) -> dict[str, Any]:
    """As a reason, for what has none."""
    return {"code": "host.failed", "text": described(outcome)[1], "action": "try again"}


def stop_answer(result: StopResult) -> dict[str, Any]:
    """How a stop ended; what the laser has not confirmed is not called a stop."""
    return {
        "confirmed": result.confirmed,
        "level": result.level.value,
        "took_ms": result.took_us / 1e3,
        "text": str(result) if result.confirmed else f"{result}: use the hardware stop",
    }
