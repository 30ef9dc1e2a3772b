"""What the check says against a plan, in short."""

from safety.limits import DeviceLimits
from safety.plan import TreatmentPlan
from safety.plan_check import check_plan
from tests.safety.laser import DEVICE


def codes(plan_: TreatmentPlan, device: DeviceLimits = DEVICE) -> set[str]:
    return {refusal.code.removeprefix("plan.") for refusal in check_plan(plan_, device)}
