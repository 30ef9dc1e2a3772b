"""Plans that treat nobody: what they may not name, what bounds them all the same, who may carry them out."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from protocols.messages import Handpiece
from protocols.requests import Trigger
from safety.limits import HANDPIECE_SPOTS_MM
from safety.plan import TreatmentPlan
from safety.plan_check import check_plan
from tests.safety.desk import Desk, stops
from tests.safety.laser import DEVICE, FOREARM, GRANT, SETPOINT

SERVICE = replace(FOREARM, name="burn-in", indication="service", skin_type=None, fluence_j_cm2=None)


def codes(plan: TreatmentPlan) -> set[str]:
    return {refusal.code.removeprefix("plan.") for refusal in check_plan(plan, DEVICE)}


@pytest.mark.parametrize("handpiece", HANDPIECE_SPOTS_MM, ids=lambda handpiece: handpiece.name)
def test_every_mode_spot_and_rate_of_the_device_may_be_served_at_every_energy(handpiece: Handpiece) -> None:
    low_mm, high_mm = HANDPIECE_SPOTS_MM[handpiece]
    spots_mm = {low_mm, (low_mm + high_mm) / 2, high_mm}
    for mode, spot_mm, rate_hz in itertools.product(DEVICE.modes, spots_mm, DEVICE.rates_hz):
        for energy_mj in (mode.energy_min_mj, mode.energy_max_mj):
            plan = replace(
                SERVICE,
                mode_width_ps=mode.mode_width_ps,
                handpiece=handpiece.name.lower(),
                spot_mm=spot_mm,
                rep_rate_hz=rate_hz,
                pulse_energy_mj=energy_mj,
            )
            assert check_plan(plan, DEVICE) == ()


@pytest.mark.shows("REQ-023")
@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("skin_type", "II", {"service_person"}),
        ("skin_type", "VII", {"service_person"}),
        ("subject", "P-0042", {"service_person"}),
        ("acknowledged", ("test_spot",), {"service_person"}),
        ("acknowledged", ("proceed",), {"service_person", "acknowledged"}),
        ("area_cm2", 5.0, {"service_person", "stacked"}),
        ("area_cm2", 50.0, {"service_person"}),
        ("area_cm2", 0.0, {"service_person", "area"}),
        ("overlap_percent", 0.0, {"service_person"}),
        ("rep_rate_hz", 20.0, {"rate_not_offered", "rate_ceiling"}),
        ("pulse_energy_mj", 201.0, {"energy_range", "energy_ceiling"}),
        ("pulse_energy_mj", 9.0, {"energy_range"}),
        ("mode_width_ps", 700, {"mode_not_offered"}),
        ("spot_mm", 6.5, {"handpiece_spot"}),
        ("spot_mm", 1.5, {"device_spot", "handpiece_spot", "fluence_ceiling"}),
        ("series", (1001,), {"series"}),
        ("passes", 8, {"passes"}),
        ("fluence_j_cm2", 1.9, {"fluence_differs"}),
    ],
)
def test_what_names_a_person_or_passes_the_device_is_refused(
    field: str, value: Any, expected: set[str]
) -> None:
    assert codes(replace(SERVICE, **{field: value})) == expected


@pytest.mark.parametrize("trigger", ["foot", "internal", "INTERNAL", "", "strap"])
def test_only_a_service_plan_may_be_fired_by_the_internal_trigger(trigger: str) -> None:
    served, treated = replace(SERVICE, trigger=trigger), replace(FOREARM, trigger=trigger)
    assert codes(served) == (set() if trigger in ("foot", "internal") else {"trigger"})
    assert codes(treated) == (set() if trigger == "foot" else {"trigger"})
    assert served.fired_by is (Trigger.INTERNAL if trigger == "internal" else Trigger.FOOT)


@pytest.mark.parametrize("planned", ["foot", "internal"])
@pytest.mark.parametrize("trigger", Trigger)
def test_a_grant_leaves_only_for_the_trigger_of_its_plan(trigger: Trigger, planned: str) -> None:
    desk = desk_for(replace(SERVICE, trigger=planned), may_serve=True)
    assert desk.arm()
    assert desk.grant(trigger=trigger) is (trigger.name.lower() == planned)


def test_a_treatment_is_not_done_without_a_skin_type_or_at_a_services_rate() -> None:
    assert codes(replace(FOREARM, skin_type=None)) == {"skin_type"}
    assert codes(replace(FOREARM, rep_rate_hz=10.0)) == {"preset_rate"}


def desk_for(plan: TreatmentPlan, *, may_serve: bool) -> Desk:
    desk = Desk().in_standby()
    assert desk.supervisor.load_plan(plan, DEVICE, 0, desk.now_us) == ()
    desk.supervisor.operator_present("ada", desk.now_us, may_treat=True, may_serve=may_serve)
    return desk


@pytest.mark.shows("REQ-045")
def test_a_service_plan_is_armed_and_granted_for_the_service_role_alone() -> None:
    assert desk_for(SERVICE, may_serve=False).arm_refused() == {"service"}
    desk = desk_for(SERVICE, may_serve=True)
    assert desk.arm()
    assert desk.grant()
    assert desk_for(FOREARM, may_serve=False).arm()


@pytest.mark.parametrize("may_treat", [True, False])
@pytest.mark.parametrize("plan", [SERVICE, FOREARM], ids=["service", "treatment"])
def test_who_takes_over_an_armed_laser_without_the_right_for_its_plan_stops_it(
    plan: TreatmentPlan, may_treat: bool
) -> None:
    desk = desk_for(plan, may_serve=True)
    desk.arm()
    taken = desk.supervisor.operator_present("bob", desk.now_us, may_treat=may_treat, may_serve=False)
    assert stops(taken) == (plan is SERVICE or not may_treat)


def test_nobody_may_serve_who_may_not_treat() -> None:
    desk = desk_for(SERVICE, may_serve=True)
    desk.supervisor.operator_present("bob", desk.now_us, may_treat=False, may_serve=True)
    assert desk.arm_refused() == {"operator", "service"}


@pytest.mark.parametrize(
    ("left_us", "refused"), [(0, True), (1, False), (120_000_000, False), (120_000_001, True)]
)
def test_a_permit_ends_in_the_future_and_never_beyond_the_devices_longest(
    left_us: int, refused: bool
) -> None:
    desk = Desk().in_ready()
    grant = replace(GRANT, arm_epoch=desk.last.arm_epoch, ends_us=desk.last.device_time_us + left_us)
    assert ("permit_end" in desk.refused(grant)) == refused


def test_a_service_plan_has_the_set_point_that_it_says() -> None:
    assert SERVICE.service
    assert not FOREARM.service
    assert SERVICE.setpoint() == SETPOINT
