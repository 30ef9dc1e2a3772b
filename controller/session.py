"""A treatment session in hand: its plan, what it has given so far, and what it stands on."""

from __future__ import annotations

from dataclasses import dataclass

from controller.store import PulseRecord, SessionRecord
from hal.laser_values import CommittedSetPoint
from safety.plan import TreatmentPlan


@dataclass(slots=True)
class Tally:
    """What a session has given so far, from its recorded pulses."""

    rehearsal: bool
    given: int = 0
    unknown: int = 0
    energy_mj: float = 0.0
    dose_j_cm2: float = 0.0

    def add(self, pulse: PulseRecord) -> None:
        """Count one pulse; in a rehearsal the light inside counts for the plan, and gives no dose."""
        inside = self.rehearsal and not pulse.flags & {"skipped", "missing"}
        self.given += pulse.delivered or inside
        self.unknown += pulse.unknown
        self.energy_mj += pulse.delivered_energy_mj
        self.dose_j_cm2 += pulse.fluence_j_cm2 if pulse.delivered else 0.0


@dataclass(slots=True)
class Session:
    """The session in hand: its plan, what it has given, and the set-point it is armed for."""

    record: SessionRecord
    plan: TreatmentPlan
    committed: CommittedSetPoint
    tally: Tally
    confirmed_by: str  # whose confirmations it stands on
    arm_epoch: int | None = None  # of the arming that serves it; None: not armed
    tripped: str = ""  # why it is to be interrupted
    wait_until_us: int = 0  # after a refused grant
    used_us: int = 0  # when it was armed, or the last pulse came
    ended: str = ""  # how: done, interrupted or abandoned

    @property
    def state(self) -> str:
        """In a word, for people."""
        return self.ended or (
            "tripped" if self.tripped else "armed" if self.arm_epoch is not None else "open"
        )

    @property
    def remaining(self) -> int:
        """Pulses of the plan that were not given yet."""
        return max(0, self.plan.pulses - self.tally.given)
