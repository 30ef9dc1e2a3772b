"""The check of a plan: every wrong field, and the limits of the device."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from protocols.messages import Beam
from safety.limits import DeviceLimits, ModeLimits, above_ceiling
from safety.plan import TreatmentPlan
from safety.plan_check import check_plan
from tests.safety.laser import DEVICE, FOREARM, SETPOINT, plan
from tests.safety.plans import codes

NOT_NUMBERS = [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300, True, None, "5"]


def test_the_forearm_plan_passes_and_says_what_it_means() -> None:
    assert check_plan(FOREARM, DEVICE) == ()
    assert FOREARM.setpoint() == SETPOINT
    assert (FOREARM.pulses, FOREARM.beam) == (60, Beam.APERTURE)
    assert plan(rehearsal=True).beam is Beam.SHUTTER


def test_series_left_walks_through_every_series_of_every_pass() -> None:
    two = plan(passes=2, series=(3, 2))
    assert [two.series_left(done) for done in range(12)] == [3, 2, 1, 2, 1, 3, 2, 1, 2, 1, 0, 0]
    assert two.pulses == 10


WRONG: list[tuple[str, Any, set[str]]] = [
    ("name", "", {"name"}),
    ("name", "  ", {"name"}),
    ("name", "x" * 81, {"name"}),
    ("name", "a\nb", {"name"}),
    ("indication", "warts", {"indication"}),
    ("indication", "acne_scars", {"preset_handpiece", "preset_spot", "fluence_high"}),
    ("skin_type", "VII", {"skin_type"}),
    ("skin_type", "V", {"needs_test_spot"}),
    ("wavelength_nm", 1064, {"mode_not_offered", "preset_wavelength", "energy_ceiling"}),
    ("wavelength_nm", 0, {"mode_not_offered", "preset_wavelength", "energy_ceiling"}),
    ("mode_width_ps", 700, {"mode_not_offered"}),
    ("mode_width_ps", 500, {"mode_not_offered", "preset_mode_width"}),
    ("mode_width_ps", math.nan, {"mode_not_offered", "preset_mode_width"}),
    ("mode_width_ps", 550, {"energy_range", "fluence_unreachable"}),
    ("handpiece", "lamp", {"handpiece"}),
    ("handpiece", "none", {"handpiece"}),
    ("handpiece", "ZOOM", {"handpiece"}),
    ("handpiece", "fixed_8", {"preset_handpiece", "handpiece_spot"}),
    ("handpiece", "fixed_6", {"handpiece_spot"}),
    ("spot_mm", 3.0, {"fluence_differs"}),
    ("spot_mm", 2.5, {"fluence_differs", "needs_above_start"}),
    ("spot_mm", 1.9, {"device_spot", "handpiece_spot", "preset_spot", "fluence_differs", "fluence_high"}),
    ("spot_mm", 4.1, {"preset_spot", "fluence_differs", "fluence_low", "fluence_unreachable"}),
    ("pulse_energy_mj", 173.5, {"energy_step"}),
    ("pulse_energy_mj", 150.0, {"fluence_differs"}),
    ("pulse_energy_mj", 201.0, {"energy_range", "energy_ceiling", "fluence_differs"}),
    ("fluence_j_cm2", 1.81, {"fluence_differs"}),
    ("fluence_j_cm2", 1.9, {"fluence_differs"}),
    ("fluence_j_cm2", 2.5, {"fluence_differs", "fluence_unreachable"}),
    ("fluence_j_cm2", math.nan, {"fluence_stated"}),
    ("fluence_j_cm2", 0.0, {"fluence_stated"}),
    ("rep_rate_hz", 4.0, {"rate_not_offered"}),
    ("rep_rate_hz", 10.0, {"preset_rate"}),
    ("rep_rate_hz", 20.0, {"rate_not_offered", "rate_ceiling", "preset_rate"}),
    ("passes", 0, {"passes"}),
    ("passes", 2, {"passes"}),
    ("passes", True, {"passes"}),
    ("passes", 1.0, {"passes"}),
    ("series", (), {"series"}),
    ("series", (20, 0, 20), {"series"}),
    ("series", (20, -5), {"series"}),
    ("series", (1001,), {"series"}),
    ("series", (20, 2.0), {"series"}),
    ("series", (20, True), {"series"}),
    ("series", (1,) * 201, {"series"}),
    ("series", (1000,) * 21, {"pulses"}),
    ("rehearsal", 1, {"rehearsal"}),
    ("trigger", "internal", {"trigger"}),
    ("trigger", "hand", {"trigger"}),
    ("subject", "Jane Doe", {"subject"}),
    ("subject", "Jane", {"subject"}),
    ("subject", "", {"subject"}),
    ("subject", "S" * 32 + "1", {"subject"}),
    ("acknowledged", ("proceed",), {"acknowledged"}),
    ("area_cm2", 0.0, {"area"}),
    ("area_cm2", -1.0, {"area"}),
    ("area_cm2", math.nan, {"area"}),
    ("area_cm2", math.inf, {"area"}),
    ("area_cm2", True, {"area"}),
    ("area_cm2", "5", {"area"}),
    ("area_cm2", 2000.1, {"area"}),
    ("area_cm2", 5.0, {"stacked"}),  # 60 spots of 3.5 mm, overlapping by a tenth, want 5.07 cm2
    ("overlap_percent", -0.1, {"overlap"}),
    ("overlap_percent", 10.1, {"overlap"}),
    ("overlap_percent", math.nan, {"overlap"}),
    ("overlap_percent", True, {"overlap"}),
    ("overlap_percent", "5", {"overlap"}),
]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    WRONG,
    ids=lambda case: str(sorted(case) if isinstance(case, set) else case)[:30],
)
def test_each_wrong_field_is_refused_for_exactly_its_reasons(
    field: str, value: object, expected: set[str]
) -> None:
    wrong = plan(**{field: value})
    assert codes(wrong) == expected
    for refusal in check_plan(wrong, DEVICE):
        assert refusal.allowed
        assert refusal.source
        assert refusal.action
        assert refusal.field in {known.name for known in fields(TreatmentPlan)}
        assert refusal.field in refusal.reason.text
        assert refusal.reason.code == refusal.code


def test_every_field_has_a_wrong_value_above() -> None:
    assert {field for field, _, _ in WRONG} == {known.name for known in fields(TreatmentPlan)}


@pytest.mark.parametrize("field", ["spot_mm", "pulse_energy_mj", "rep_rate_hz"])
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_what_is_no_number_above_zero_is_refused(field: str, bad: object) -> None:
    assert field in {refusal.field for refusal in check_plan(plan(**{field: bad}), DEVICE)}
    alone = plan(**{field: bad, "fluence_j_cm2": None, "indication": "unknown"})
    assert field in {refusal.field for refusal in check_plan(alone, DEVICE)}


@pytest.mark.parametrize("bad", NOT_NUMBERS[:-1])
def test_a_stated_fluence_that_is_no_number_above_zero_is_refused(bad: object) -> None:
    expected = set() if bad is None else {"fluence_stated"}
    if bad is True:
        expected = {"fluence_stated"}
    if bad == 1e300:
        expected = {"fluence_stated"}
    assert codes(plan(fluence_j_cm2=bad)) == expected


def test_all_reasons_come_at_once_in_the_order_of_the_fields() -> None:
    wrong = plan(
        name="", skin_type="X", handpiece="?", spot_mm=math.nan, rep_rate_hz=math.inf, passes=9, series=()
    )
    found = [refusal.field for refusal in check_plan(wrong, DEVICE)]
    assert list(dict.fromkeys(found)) == [
        "name",
        "skin_type",
        "handpiece",
        "spot_mm",
        "rep_rate_hz",
        "passes",
        "series",
    ]


@pytest.mark.shows("REQ-022")
@pytest.mark.parametrize(
    ("stated", "fits"),
    [
        (1.8, True),
        (1.798, True),
        (1.7981, True),
        (1.799, True),  # within a thousandth, finer than any meter
        (1.7964, True),
        (1.7963, False),
        (1.81, False),
        (1.79, False),
        (2, False),  # a single digit must still be within 1 %
        (1.7, False),
    ],
)
def test_a_stated_fluence_must_be_that_of_energy_and_spot(stated: float, fits: bool) -> None:
    assert ("fluence_differs" not in codes(plan(fluence_j_cm2=stated))) == fits


def test_a_coarse_figure_is_held_to_one_percent() -> None:
    base = plan(fluence_j_cm2=2, spot_mm=2.5)
    energies = {
        mj: "fluence_differs" in codes(replace(base, pulse_energy_mj=float(mj))) for mj in range(90, 110)
    }
    inside = [mj for mj in energies if abs(mj * 0.4 / (math.pi * 6.25) - 2) <= 0.02]
    assert inside
    assert [mj for mj, refused in energies.items() if not refused] == inside


def test_an_unreachable_fluence_is_told_from_the_device_even_when_the_energy_is_no_number() -> None:
    assert "fluence_unreachable" in codes(plan(pulse_energy_mj=math.nan, fluence_j_cm2=3.0))
    assert "fluence_unreachable" not in codes(plan(spot_mm=math.nan, fluence_j_cm2=3.0))
    assert "fluence_unreachable" not in codes(plan(mode_width_ps=1, fluence_j_cm2=3.0))


@pytest.mark.shows("REQ-023", "HZ-008")
def test_no_device_can_raise_the_hard_ceilings() -> None:
    boastful = DeviceLimits(
        (ModeLimits(755, 750, 1.0, 900.0),), (5.0, 50.0), 0.5, 20.0, 1000, 120_000_000, 1.0
    )
    assert codes(plan(pulse_energy_mj=400.0, fluence_j_cm2=None), boastful) == {
        "energy_ceiling",
        "fluence_high",
    }
    tiny = plan(spot_mm=1.0, fluence_j_cm2=None, indication="?")
    assert codes(tiny, boastful) == {"indication", "handpiece_spot", "fluence_ceiling"}
    assert "rate_ceiling" in codes(plan(rep_rate_hz=50.0), boastful)


@pytest.mark.parametrize(("energy_mj", "refused"), [(201.0, False), (201.06, False), (201.07, True)])
def test_the_fluence_ceiling_is_6_4_joule_per_square_centimetre(energy_mj: float, refused: bool) -> None:
    # 6.4 J/cm2 in 2 mm is 201.06 mJ
    device = replace(DEVICE, energy_step_mj=0.01, modes=(ModeLimits(755, 750, 1.0, 300.0),))
    found = codes(plan(pulse_energy_mj=energy_mj, spot_mm=2.0, fluence_j_cm2=None), device)
    assert ("fluence_ceiling" in found) == refused


@pytest.mark.parametrize(
    "broken",
    [
        replace(DEVICE, energy_step_mj=math.nan),
        replace(DEVICE, energy_step_mj=0.0),
        replace(DEVICE, spot_min_mm=math.nan),
        replace(DEVICE, spot_max_mm=math.nan),
        replace(DEVICE, rates_hz=(math.nan,)),
        replace(DEVICE, rates_hz=()),
        replace(DEVICE, modes=()),
        replace(DEVICE, modes=(ModeLimits(755, 750, math.nan, 200.0),)),
        replace(DEVICE, modes=(ModeLimits(755, 750, 10.0, math.nan),)),
        replace(DEVICE, permit_pulses_max=0),
    ],
)
def test_a_device_that_says_nonsense_of_itself_can_do_nothing(broken: DeviceLimits) -> None:
    assert check_plan(FOREARM, broken)


# -- area and overlap (HZ-044)


@pytest.mark.shows("REQ-046", "HZ-044")
@pytest.mark.parametrize(
    ("overlap_percent", "area_cm2", "stacked"),
    [
        # sixty 3.5 mm spots, hexagonal: 59 or 60 times 0.8660254 * (0.35 cm * (1 - overlap))^2
        (0.0, 6.25, True),
        (0.0, 6.26, False),
        (5.0, 5.64, True),
        (5.0, 5.65, False),
        (10.0, 5.06, True),
        (10.0, 5.08, False),
        (None, 5.06, True),  # nothing said: the most that the indication allows
        (None, 5.08, False),
    ],
)
def test_pulses_that_do_not_fit_on_the_area_without_stacking_are_refused(
    overlap_percent: float | None, area_cm2: float, stacked: bool
) -> None:
    found = codes(plan(overlap_percent=overlap_percent, area_cm2=area_cm2))
    assert found == ({"stacked"} if stacked else set())


def test_stacking_is_not_judged_by_values_that_are_refused_already() -> None:
    wrong: dict[str, Any] = {"area_cm2": 0.01, "fluence_j_cm2": None}
    assert codes(plan(**wrong)) == {"stacked"}
    assert "stacked" not in codes(plan(**wrong, overlap_percent=11.0))
    assert "stacked" not in codes(plan(**wrong, series=()))
    assert "stacked" not in codes(plan(**wrong, spot_mm=math.nan))
    assert "stacked" not in codes(plan(**wrong, spot_mm=1e-200))
    assert "stacked" not in codes(plan(**wrong, spot_mm=0.999))
    assert "stacked" in codes(plan(**wrong, spot_mm=1.0))


@pytest.mark.shows("REQ-046", "HZ-044")
def test_overlap_and_area_are_judged_without_a_preset_too() -> None:
    assert codes(plan(indication="warts", overlap_percent=10.0)) == {"indication"}
    assert codes(plan(indication="warts", overlap_percent=10.1)) == {"indication", "overlap"}


def test_a_rate_below_one_is_taken_where_the_device_offers_it() -> None:
    assert codes(plan(rep_rate_hz=0.5), replace(DEVICE, rates_hz=(0.5,))) == set()


def test_the_longest_session_is_taken() -> None:
    assert codes(plan(series=(1000,) * 20)) == set()
    assert codes(plan(series=(1,) * 200)) == set()


def test_the_largest_area_is_taken() -> None:
    assert codes(plan(area_cm2=2000.0)) == set()


def test_the_longest_name_is_taken() -> None:
    assert codes(plan(name="x" * 80)) == set()


def test_the_dose_over_the_area_is_that_of_all_pulses_of_all_passes() -> None:
    assert plan().dose_j_cm2 is None
    assert plan(passes=2, area_cm2=8.0).dose_j_cm2 == pytest.approx(2 * 60 * 0.173 / 8)


# -- limits


@pytest.mark.shows("REQ-023")
@pytest.mark.parametrize(
    ("nm", "uj", "mhz", "um", "words"),
    [
        (755, 173_000, 5_000, 3_500, ""),
        (755, 200_000, 10_000, 2_000, ""),
        (755, 200_001, 10_000, 6_000, "200.001 mJ"),
        (755, 200_000, 10_001, 2_000, "10.001 Hz"),
        (755, 200_000, 10_000, 1_994, "6.4 J/cm2"),
        (755, 200_000, 10_000, 1_995, ""),
        (755, 1, 1_000, 0, "6.4 J/cm2"),
        (532, 100_000, 1_000, 3_000, ""),
        (532, 100_001, 1_000, 3_000, "100 mJ at 532"),
        (1064, 100_000, 1_000, 3_000, ""),
        (1064, 100_001, 1_000, 3_000, "100 mJ at 1064"),
        (0, 0, 0, 0, "no ceiling is known for 0 nm"),
    ],
)
def test_ceilings_hold_in_base_units(nm: int, uj: int, mhz: int, um: int, words: str) -> None:
    problem = above_ceiling(nm, uj, mhz, um)
    assert (words in problem) if words else (not problem)
