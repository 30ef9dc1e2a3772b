"""A treatment plan: what an operator means to do, and the form of a reason against it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.fields import from_user
from protocols.messages import Beam, Handpiece
from protocols.refusals import Reason
from protocols.requests import Setpoint, Trigger
from safety.preset import SERVICE


@dataclass(frozen=True, slots=True)
class TreatmentPlan:
    """A plan in the words of its file; only `plan_check.check_plan` says whether it may be done.

    `series` are the pulses of each series of one pass, the foot released between; `passes` repeats them.
    `acknowledged` names the `safety.preset.Condition`s that the operator confirmed. A service plan
    (indication `service`) has no skin type, since nobody is treated.
    """

    name: str
    indication: str
    skin_type: str | None
    wavelength_nm: int
    mode_width_ps: int
    handpiece: str
    spot_mm: float
    pulse_energy_mj: float
    rep_rate_hz: float
    passes: int
    series: tuple[int, ...]
    fluence_j_cm2: float | None = None
    rehearsal: bool = False
    trigger: str = "foot"  # or "internal": fires by itself while the strap is fitted, for service alone
    subject: str | None = None
    acknowledged: tuple[str, ...] = ()
    area_cm2: float | None = None  # that one pass covers
    overlap_percent: float | None = None  # of neighbouring spots, as a share of their diameter

    @property
    def pulses(self) -> int:
        """Pulses of the whole plan, over all passes."""
        return self.passes * sum(self.series)

    @property
    def service(self) -> bool:
        """Whether the light is for maintenance or a test, and reaches no person."""
        return self.indication == SERVICE

    @property
    def beam(self) -> Beam:
        """Where the light goes: a rehearsal keeps the shutter closed."""
        return Beam.SHUTTER if self.rehearsal else Beam.APERTURE

    @property
    def fired_by(self) -> Trigger:
        """What may fire under its permits; anything but `internal` is the foot."""
        return Trigger.INTERNAL if self.trigger == "internal" else Trigger.FOOT

    @property
    def dose_j_cm2(self) -> float | None:
        """Mean dose over the area by all passes; None without an area. For a plan without refusals."""
        if self.area_cm2 is None:
            return None
        return self.pulses * self.pulse_energy_mj * 1e-3 / self.area_cm2

    def series_left(self, done: int) -> int:
        """Pulses left in the series that comes next after `done` pulses of the plan; 0 when all are given."""
        for pulses in self.series * self.passes:
            if done < pulses:
                return pulses - done
            done -= pulses
        return 0

    def setpoint(self) -> Setpoint:
        """The set-point in base units; only a plan without refusals is sure to have one."""
        return Setpoint(
            wavelength_nm=self.wavelength_nm,
            mode_width_ps=self.mode_width_ps,
            pulse_energy_uj=from_user("pulse_energy_mj", self.pulse_energy_mj)[1],
            rep_rate_mhz=from_user("rep_rate_hz", self.rep_rate_hz)[1],
            handpiece=Handpiece[self.handpiece.upper()],
            spot_um=from_user("spot_mm", self.spot_mm)[1],
        )


def pulses_to_cover(area_cm2: float, spot_mm: float, overlap_percent: float) -> int:
    """How many spots one pass can place on the area, neighbours overlapping by this share of their diameter.

    Centres at least p = d (1 - overlap) apart lie densest in a hexagonal lattice, sqrt(3)/2 p^2 for each.
    [C] No study says whether its overlap is of diameter or area; of diameter allows fewer up to 9 %, and at
    10 % the two agree within 1 %. Both quantities have to be above 0, and the overlap below 100.
    """
    pitch_cm = spot_mm / 10.0 * (1.0 - overlap_percent / 100.0)
    return math.ceil(area_cm2 / (math.sqrt(3.0) / 2.0 * pitch_cm**2))


@dataclass(frozen=True, slots=True)
class PlanRefusal:
    """One reason against a plan: which field, what it says, what is allowed and by whose word."""

    code: str
    field: str
    value: object
    allowed: str
    source: str
    action: str

    @property
    def reason(self) -> Reason:
        """The same in the form that every refusal has."""
        text = f"{self.field} = {self.value!r} is not allowed: {self.allowed} ({self.source})"
        return Reason(self.code, text, self.action)
