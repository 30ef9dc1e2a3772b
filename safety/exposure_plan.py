"""What a treatment plan's beam is to the eyes of those around: hazard distance, OD and EN 207 (REQ-043)."""

from __future__ import annotations

from typing import Any

from safety.exposure import ExposureError, Inquiry, assess
from safety.exposure_plain import plain
from safety.limits import HANDPIECE_DIVERGENCE_MRAD
from safety.plan import TreatmentPlan


def plan_hazard(plan: TreatmentPlan) -> dict[str, Any]:
    """`nohd_m`, `od` and `lb` of the plan's beam by the stricter edition, for 10 s of its train.

    Empty where the handpiece's divergence is not known, or the plan is none that could be carried out.
    """
    divergences = {one.name.lower(): angle for one, angle in HANDPIECE_DIVERGENCE_MRAD.items()}
    if plan.handpiece not in divergences:
        return {}
    try:
        answer = assess(
            Inquiry(
                plan.wavelength_nm,
                plan.mode_width_ps * 1e-12,
                plan.rep_rate_hz,
                energy_j=plan.pulse_energy_mj / 1e3,
                beam_mm=plan.spot_mm,
                divergence_mrad=divergences[plan.handpiece],
            )
        )
    except ExposureError:
        return {}  # refused for the same value by `plan_check`, in the plan's own words
    told = plain(answer)
    return {key: told[key] for key in ("nohd_m", "od", "lb")}
