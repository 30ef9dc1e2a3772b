"""Every reason why a device may not carry out a treatment plan."""

from __future__ import annotations

from safety.limits import DeviceLimits
from safety.plan import PlanRefusal, TreatmentPlan
from safety.plan_case import Case
from safety.plan_check_beam import beam_refusals
from safety.plan_check_dose import dose_refusals
from safety.plan_check_person import person_refusals


def check_plan(plan: TreatmentPlan, device: DeviceLimits) -> tuple[PlanRefusal, ...]:
    """Every reason against the plan on this device, in the order of its fields; empty when it may be done."""
    case = Case(plan, device)
    return (*person_refusals(case), *beam_refusals(case), *dose_refusals(case))
