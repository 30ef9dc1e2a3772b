"""What a promise is: an invariant, what it gets to see of light and permits, and a violation of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from protocols.frame import Frame
from protocols.requests import Grant, Trigger
from protocols.states import State
from sim_device.board import Outputs
from sim_device.plant.truth import TruePulse

if TYPE_CHECKING:
    from rig.invariants.witness import Witness
    from rig.stack import Stack


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken: which, when and how it showed, and since when it was on its way."""

    invariant: str
    at_us: int
    text: str
    since_us: int = 0  # older results do not tell it of a lost worker


@dataclass(slots=True)
class Permit:
    """A permit as the wire told of it; `voided_us` is when it ended, None while it holds."""

    grant: Grant
    granted_us: int
    set_energy_uj: int | None  # None: no set-point of the granted hash was ever staged
    used: int = 0  # lamp triggers that gave light
    voided_us: int | None = None
    voided_by: str = ""

    @property
    def internal(self) -> bool:
        """Whether the internal trigger may fire, and the foot may not."""
        return self.grant.trigger is Trigger.INTERNAL


class Light(NamedTuple):
    """A flash, the lamp trigger that explains it (0: none), and the state in which that trigger was given."""

    pulse: TruePulse
    trigger: int
    trigger_us: int
    state: State | None
    permit: Permit | None


class Invariant:
    """One promise. It overrides what it wants to see, and calls `broken` when the promise was not kept."""

    name: ClassVar[str]
    rule: ClassVar[str]

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    def attach(self, stack: Stack) -> None:
        """Know the stack around the laser too: the daemon and its loop.

        The loop's clock may still show less than the time that something is told with: go by that.
        """

    def broken(self, text: str, *, at_us: int | None = None, since_us: int | None = None) -> None:
        """Report that the promise was broken at `at_us` (now), by what began at `since_us` (then)."""
        at_us = self.witness.now_us if at_us is None else at_us
        self.witness.report(Violation(self.name, at_us, text, at_us if since_us is None else since_us))

    def light(self, light: Light) -> None:
        """Light, before anything else of its instant."""

    def heard(self, now_us: int, frame: Frame) -> None:
        """A frame of the host's reached the firmware; what it did is in place already."""

    def told(self, now_us: int, frame: Frame) -> None:
        """The firmware sent a frame."""

    def moved(self, now_us: int, before: State | None, after: State | None) -> None:
        """The firmware's state changed."""

    def stopped(self, now_us: int, cause: str) -> None:
        """Something happened that must end emission: an interlock opened, STOP arrived, the laser tripped."""

    def released(self, now_us: int) -> None:
        """The foot was taken off the pedal."""

    def driven(self, now_us: int, outputs: Outputs) -> None:
        """The firmware took a step and the plant has these outputs."""

    def booted(self, now_us: int) -> None:
        """The processor starts anew."""

    def ended(self) -> None:
        """The run is over, everything has settled."""
