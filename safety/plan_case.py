"""One plan in front of one device: what every check of a plan looks at, and how it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocols.messages import Handpiece
from safety import limits
from safety.limits import DeviceLimits, ModeLimits
from safety.plan import PlanRefusal, TreatmentPlan
from safety.preset import CONDITION_WORDS, Condition
from safety.presets import PRESETS

ROUNDING: Final = 1e-9  # relative; a bound itself is inside, however its last bit fell
_FINITE: Final = 1e18  # beyond it nothing is a quantity of a laser; also catches NaN and infinity

HANDPIECES: Final = {handpiece.name.lower(): handpiece for handpiece in limits.HANDPIECE_SPOTS_MM}


class Case:
    """One plan against one device; a field that is no number at all is refused once and not used further."""

    def __init__(self, plan: TreatmentPlan, device: DeviceLimits) -> None:
        self.plan = plan
        self.device = device
        self.preset = PRESETS.get(plan.indication)
        self.handpiece: Handpiece | None = HANDPIECES.get(plan.handpiece)
        self.energy_mj = number(plan.pulse_energy_mj)
        self.spot_mm = number(plan.spot_mm)
        self.rate_hz = number(plan.rep_rate_hz)

    def refuse(self, code: str, field: str, allowed: str, source: str, action: str) -> PlanRefusal:
        """A reason against what the plan says in `field`."""
        return PlanRefusal(f"plan.{code}", field, getattr(self.plan, field), allowed, source, action)

    def needs(self, condition: Condition, field: str, source: str) -> Iterator[PlanRefusal]:
        """The reason against `field` unless the operator has confirmed the condition."""
        if condition.value not in self.plan.acknowledged:
            yield self.refuse(
                f"needs_{condition.value}",
                field,
                f"only with {condition.value!r} in `acknowledged`",
                source,
                CONDITION_WORDS[condition],
            )

    @property
    def offered_mode(self) -> ModeLimits | None:
        """The plan's mode among those of the device."""
        for mode in self.device.modes:
            if (mode.wavelength_nm, mode.mode_width_ps) == (self.plan.wavelength_nm, self.plan.mode_width_ps):
                return mode
        return None


def number(value: object) -> float | None:
    """The value if it is a finite number, else None (a bool is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_FINITE < value < _FINITE:
        return None
    return float(value)


def within(low: float, value: float, high: float) -> bool:
    """Inclusive, with a rounding error of slack; 0 is never within, and nothing is if a bound is NaN."""
    return value > 0 and low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING)
