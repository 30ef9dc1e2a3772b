"""What each reason against a plan names: field, allowed range and source, word for word.

They are part of the answer (`picolase plan check --json`). Read against treatments.csv, hazards.csv and the
requirements, and then kept: a change of any is a change of what people and programs are told.
"""

import math
from dataclasses import replace
from typing import Any

import pytest

from safety.plan_check import check_plan
from tests.safety.laser import DEVICE, plan

LAW = "F = E / (pi d^2 / 4) (REQ-022; docs/reference/fluence_cases.csv)"
T027 = "treatments.csv T027 (derived)"
T023 = "treatments.csv T023; T001 (published)"
OVERLAP = "treatments.csv T027; hazards.csv HZ-044; treatments.csv T006 (choice, to be confirmed)"

TOLD: list[tuple[str, Any, str, str, str, str]] = [
    ("name", "", "name", "name", "1 to 80 printable characters", "project"),
    (
        "indication",
        "warts",
        "indication",
        "indication",
        "one of acne_scars, rejuvenation, epidermal_pigment, dermal_pigment, "
        "melasma, tattoo, red_tattoo, service",
        "treatments.csv T023-T028",
    ),
    ("indication", "acne_scars", "preset_handpiece", "handpiece", "lens_array_6", T023),
    ("indication", "acne_scars", "preset_spot", "spot_mm", "6 to 6 mm", T023),
    (
        "indication",
        "acne_scars",
        "fluence_high",
        "pulse_energy_mj",
        "at most 0.71 J/cm2; this gives 1.8 J/cm2",
        T023,
    ),
    ("skin_type", "VII", "skin_type", "skin_type", "one of I, II, III, IV, V, VI", "Fitzpatrick's scale"),
    ("skin_type", "V", "needs_test_spot", "skin_type", "only with 'test_spot' in `acknowledged`", T027),
    (
        "wavelength_nm",
        1064,
        "mode_not_offered",
        "wavelength_nm",
        "755 nm/750 ps, 755 nm/650 ps, 755 nm/550 ps",
        "the device",
    ),
    (
        "wavelength_nm",
        1064,
        "preset_wavelength",
        "wavelength_nm",
        "755 nm for tattoo; 1064 nm is locked, since treatments.csv T012, T027 "
        "know too little of it: no fluence, no spot, no skin type",
        "treatments.csv T027; T008 (published)",
    ),
    (
        "wavelength_nm",
        1064,
        "energy_ceiling",
        "pulse_energy_mj",
        "above 0, up to 100 mJ at this wavelength",
        "LASER_FACTS, energy ceilings",
    ),
    (
        "wavelength_nm",
        0,
        "preset_wavelength",
        "wavelength_nm",
        "755 nm for tattoo",
        "treatments.csv T027; T008 (published)",
    ),
    (
        "wavelength_nm",
        0,
        "energy_ceiling",
        "pulse_energy_mj",
        "above 0, up to 0 mJ at this wavelength",
        "LASER_FACTS, energy ceilings",
    ),
    (
        "mode_width_ps",
        700,
        "mode_not_offered",
        "mode_width_ps",
        "755 nm/750 ps, 755 nm/650 ps, 755 nm/550 ps",
        "the device",
    ),
    (
        "mode_width_ps",
        500,
        "preset_mode_width",
        "mode_width_ps",
        "550 to 825 ps for tattoo",
        "treatments.csv T027; upper end REQ-047 (derived)",
    ),
    ("mode_width_ps", 550, "energy_range", "pulse_energy_mj", "10 to 165 mJ in this mode", "the device"),
    (
        "mode_width_ps",
        550,
        "fluence_unreachable",
        "fluence_j_cm2",
        "at most 1.71 J/cm2 in this mode and spot",
        LAW,
    ),
    (
        "handpiece",
        "lamp",
        "handpiece",
        "handpiece",
        "one of zoom, fixed_6, fixed_8, fixed_10, lens_array_6",
        "LASER_FACTS",
    ),
    ("handpiece", "fixed_8", "preset_handpiece", "handpiece", "zoom, fixed_6", T027),
    ("handpiece", "fixed_8", "handpiece_spot", "spot_mm", "8 to 8 mm", "LASER_FACTS"),
    ("handpiece", "fixed_6", "handpiece_spot", "spot_mm", "6 to 6 mm", "LASER_FACTS"),
    ("spot_mm", 3.0, "fluence_differs", "fluence_j_cm2", "2.447 J/cm2, which energy and spot give", LAW),
    ("spot_mm", 2.5, "fluence_differs", "fluence_j_cm2", "3.524 J/cm2, which energy and spot give", LAW),
    (
        "spot_mm",
        2.5,
        "needs_above_start",
        "pulse_energy_mj",
        "only with 'above_start' in `acknowledged`",
        T027,
    ),
    ("spot_mm", 1.9, "device_spot", "spot_mm", "2 to 10 mm", "the device"),
    ("spot_mm", 1.9, "handpiece_spot", "spot_mm", "2 to 6 mm", "LASER_FACTS"),
    ("spot_mm", 1.9, "preset_spot", "spot_mm", "2.5 to 4 mm", T027),
    ("spot_mm", 1.9, "fluence_differs", "fluence_j_cm2", "6.102 J/cm2, which energy and spot give", LAW),
    ("spot_mm", 1.9, "fluence_high", "pulse_energy_mj", "at most 4.1 J/cm2; this gives 6.1 J/cm2", T027),
    ("spot_mm", 4.1, "fluence_unreachable", "fluence_j_cm2", "at most 1.51 J/cm2 in this mode and spot", LAW),
    ("spot_mm", 4.1, "fluence_differs", "fluence_j_cm2", "1.31 J/cm2, which energy and spot give", LAW),
    (
        "spot_mm",
        4.1,
        "fluence_low",
        "pulse_energy_mj",
        "at least 1.6 J/cm2 for tattoo; this gives 1.31 J/cm2",
        T027,
    ),
    ("pulse_energy_mj", 173.5, "energy_step", "pulse_energy_mj", "a multiple of 1 mJ", "the device"),
    (
        "pulse_energy_mj",
        150.0,
        "fluence_differs",
        "fluence_j_cm2",
        "1.559 J/cm2, which energy and spot give",
        LAW,
    ),
    ("pulse_energy_mj", 201.0, "energy_range", "pulse_energy_mj", "10 to 200 mJ in this mode", "the device"),
    (
        "pulse_energy_mj",
        201.0,
        "energy_ceiling",
        "pulse_energy_mj",
        "above 0, up to 200 mJ at this wavelength",
        "LASER_FACTS, energy ceilings",
    ),
    (
        "pulse_energy_mj",
        201.0,
        "fluence_differs",
        "fluence_j_cm2",
        "2.089 J/cm2, which energy and spot give",
        LAW,
    ),
    (
        "fluence_j_cm2",
        1.81,
        "fluence_differs",
        "fluence_j_cm2",
        "1.798 J/cm2, which energy and spot give",
        LAW,
    ),
    (
        "fluence_j_cm2",
        2.5,
        "fluence_unreachable",
        "fluence_j_cm2",
        "at most 2.08 J/cm2 in this mode and spot",
        LAW,
    ),
    ("fluence_j_cm2", math.nan, "fluence_stated", "fluence_j_cm2", "a number above 0, or none", LAW),
    ("rep_rate_hz", 4.0, "rate_not_offered", "rep_rate_hz", "one of 1, 2.5, 5, 10 Hz", "the device"),
    ("rep_rate_hz", 10.0, "preset_rate", "rep_rate_hz", "above 0, up to 5 Hz", T027),
    ("rep_rate_hz", 20.0, "rate_ceiling", "rep_rate_hz", "above 0, up to 10 Hz", "REQ-023"),
    ("passes", 0, "passes", "passes", "1 to 1", T027),
    (
        "series",
        (),
        "series",
        "series",
        "1 to 200 series of 1 to 1000 pulses each",
        "the device's longest permit; project",
    ),
    (
        "series",
        (1000,) * 21,
        "pulses",
        "series",
        "at most 20000 pulses over all passes",
        "project, from treatments.csv T006",
    ),
    ("rehearsal", 1, "rehearsal", "rehearsal", "true or false", "project"),
    (
        "trigger",
        "internal",
        "trigger",
        "trigger",
        "one of foot, internal, and internal in a service plan alone",
        "project",
    ),
    (
        "subject",
        "Jane Doe",
        "subject",
        "subject",
        "up to 32 letters, digits and dashes with at least one digit, or none",
        "project: no personal data",
    ),
    (
        "acknowledged",
        ("proceed",),
        "acknowledged",
        "acknowledged",
        "any of test_spot, skin_risk, expert, above_start",
        "project",
    ),
    ("area_cm2", 0.0, "area", "area_cm2", "above 0, up to 2000 cm2, or none", "project"),
    (
        "area_cm2",
        5.0,
        "stacked",
        "series",
        "at most 59 pulses a pass: so many cover 5 cm2 with 3.5 mm spots at 10 % overlap",
        OVERLAP,
    ),
    ("overlap_percent", -0.1, "overlap", "overlap_percent", "0 to 10 %, or none", OVERLAP),
]


@pytest.mark.parametrize("row", TOLD)
def test_a_refusal_names_field_allowed_range_and_source(row: tuple[str, Any, str, str, str, str]) -> None:
    changed, value, code, field, allowed, source = row
    wrong = plan(**{changed: value})
    (told,) = [refusal for refusal in check_plan(wrong, DEVICE) if refusal.code == f"plan.{code}"]
    assert (told.field, told.allowed, told.source) == (field, allowed, source)
    assert told.value is getattr(wrong, field)
    assert told.reason.text == f"{field} = {told.value!r} is not allowed: {allowed} ({source})"


def test_a_device_without_modes_offers_nothing() -> None:
    (told,) = check_plan(plan(), replace(DEVICE, modes=()))
    assert (told.code, told.field, told.allowed) == ("plan.mode_not_offered", "wavelength_nm", "nothing")


@pytest.mark.parametrize(
    ("field", "value"),
    [("passes", "1"), ("passes", None), ("series", ("20",)), ("series", (20, None))],
)
def test_a_count_that_is_no_number_is_refused_and_not_reckoned_with(field: str, value: object) -> None:
    assert [told.code for told in check_plan(plan(**{field: value}), DEVICE)] == [f"plan.{field}"]


@pytest.mark.shows("REQ-022")
def test_a_fluence_below_one_may_be_stated() -> None:
    lens_array = plan(
        indication="acne_scars",
        handpiece="lens_array_6",
        spot_mm=6.0,
        pulse_energy_mj=200.0,
        fluence_j_cm2=0.71,
    )
    assert check_plan(lens_array, DEVICE) == ()


def test_the_most_that_a_mode_gives_may_be_stated_rounded_up() -> None:
    """200 mJ in 3.5 mm are 2.0788 J/cm2."""
    most = plan(pulse_energy_mj=200.0, fluence_j_cm2=2.08)
    assert check_plan(most, DEVICE) == ()
    (told,) = check_plan(plan(pulse_energy_mj=200.0, fluence_j_cm2=2.09), DEVICE)[:1]
    assert told.code == "plan.fluence_unreachable"


def test_what_names_a_person_in_a_service_plan_is_told_to_be_taken_out() -> None:
    service = replace(plan(), indication="service", skin_type=None, fluence_j_cm2=None)
    assert check_plan(service, DEVICE) == check_plan(replace(service, skin_type=""), DEVICE) == ()
    (told,) = check_plan(replace(service, subject="P-0042"), DEVICE)
    assert (told.code, told.field, told.source) == ("plan.service_person", "subject", "project")
    assert told.allowed == "none in a service plan: it gives light to no person"


@pytest.mark.parametrize(
    ("indication", "able"),
    [
        ("epidermal_pigment", "I, II, III, IV"),
        ("dermal_pigment", "III, IV"),
        ("melasma", "III, IV"),
        ("red_tattoo", "I, II, III"),
    ],
)
def test_a_skin_type_that_is_locked_is_told_with_those_that_are_not(indication: str, able: str) -> None:
    told = check_plan(plan(indication=indication, skin_type="VI"), DEVICE)
    (locked,) = [refusal for refusal in told if refusal.code == "plan.skin_locked"]
    assert locked.allowed == f"{indication} is locked for it; skin types {able}"


def test_series_that_are_refused_are_not_laid_on_the_area() -> None:
    told = check_plan(plan(series=(20, None), area_cm2=50.0), DEVICE)
    assert [refusal.code for refusal in told] == ["plan.series"]


def test_a_small_energy_is_no_reason_to_speak_of_the_ceiling() -> None:
    faint = replace(DEVICE, modes=(replace(DEVICE.modes[0], energy_min_mj=0.1),), energy_step_mj=0.1)
    told = check_plan(plan(pulse_energy_mj=0.5, fluence_j_cm2=None), faint)
    assert [refusal.code for refusal in told] == ["plan.fluence_low"]
