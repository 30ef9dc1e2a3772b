"""What the supervisor asks of its caller, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.messages import Intent
from protocols.refusals import Reason
from protocols.states import State
from safety.freshness import InputView
from safety.latches import Latch


@dataclass(frozen=True, slots=True)
class StopNow:
    """Send STOP at once.

    Said again with every observation for as long as its reason lasts: a stop that is under way already
    must go on and not begin anew, or it would never come to its escalation.
    """

    reason: Reason


@dataclass(frozen=True, slots=True)
class LatchSet:
    """A latch was set; keep the black box, record and show it."""

    latch: Latch


@dataclass(frozen=True, slots=True)
class LatchCleared:
    """A latch was taken off."""

    latch: Latch


@dataclass(frozen=True, slots=True)
class Note:
    """Something to record that asks for nothing."""

    event: str
    text: str


Reaction = StopNow | LatchSet | LatchCleared | Note


@dataclass(frozen=True, slots=True)
class PermitView:
    """The open permit as it is shown."""

    permit_id: int
    pulses: int
    counted: int
    granted: bool


@dataclass(frozen=True, slots=True)
class SupervisorView:
    """Everything the supervisor knows, at one moment."""

    now_us: int
    serial: str | None
    boot: int | None
    session: int | None
    state: State | None  # the device's last word; see the quality of input "status"
    intent: Intent
    latches: tuple[Latch, ...]
    arming_refused: tuple[Reason, ...]
    heartbeat_withheld: tuple[Reason, ...]
    inputs: dict[str, InputView]
    permit: PermitView | None
    plan: str | None
    plan_done: int
    plan_pulses: int
    uncertain: tuple[str, ...]
    reported_to: int | None
    pulses_seen: int
