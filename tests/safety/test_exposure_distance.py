"""Hazard distances: each convention by its own published figure, and the beam really safe where they say."""

import math

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from protocols.messages import Handpiece
from safety import limits
from safety.exposure import Inquiry, Rules, assess
from safety.exposure_plan import plan_hazard
from safety.hazard_distance import (
    Beam,
    BeamAt,
    distance_from_waist_to_m,
    distance_to_m,
    nohd_m,
    part_through,
    safe_diameter_1e2_m,
)
from safety.plan import TreatmentPlan

VISIBLE_W_M2 = 18 * 0.25**-0.25
E, E2 = BeamAt.ONE_OVER_E, BeamAt.ONE_OVER_E2
WIDTHS = st.floats(1e-4, 0.05)
ANGLES = st.floats(1e-4, 0.1)
ENERGIES = st.floats(1e-8, 10)


def test_the_standards_formula_wants_1_over_e_values() -> None:
    # 5 mW at 532 nm, 1 mm, 1 mrad: 14.8 m as told at 1/e; told at 1/e2 the same figures are another beam.
    assert nohd_m(5e-3, VISIBLE_W_M2, Beam.of(1e-3, 1e-3, E)) == pytest.approx(14.8, abs=0.05)
    assert nohd_m(5e-3, VISIBLE_W_M2, Beam.of(1e-3, 1e-3, E2)) == pytest.approx(21.4, abs=0.05)
    assert nohd_m(1, VISIBLE_W_M2, Beam.of(1e-3, 1e-3, E2)) == pytest.approx(315.28, abs=0.005)


def test_averaged_over_the_pupil_it_is_a_little_shorter_and_from_a_waist_a_little_longer() -> None:
    told = [(1.0, 1e-3, 315.206, None), (0.1, 2e-3, 97.772, 99.752)]
    for power_w, diameter_m, linear_m, waist_m in told:
        inquiry = Inquiry(532, 0.25, energy_j=power_w * 0.25, beam_mm=diameter_m * 1e3, divergence_mrad=1)
        distance = assess(inquiry).distance
        assert distance
        assert distance.nohd_averaged_m == pytest.approx(linear_m, abs=5e-4)
        assert waist_m is None or distance.nohd_waist_m == pytest.approx(waist_m, abs=5e-4)


def test_a_safe_beam_is_nowhere_a_hazard() -> None:
    wide = Beam.of(1.0, 1e-3, E2)
    assert nohd_m(1e-6, 1.0, wide) == 0
    assert safe_diameter_1e2_m(1e-6, 1e-6, 7e-3) == 0
    assert safe_diameter_1e2_m(1e-6, 2e-6, 7e-3) == 0
    assert distance_to_m(0.5, wide) == distance_from_waist_to_m(0.5, wide) == 0


@any_of(WIDTHS, ANGLES)
def test_both_ways_to_tell_a_beam_are_root_two_apart(diameter_m: float, angle_rad: float) -> None:
    at_e2 = Beam.of(diameter_m, angle_rad, E2)
    at_e = Beam.of(diameter_m, angle_rad, E)
    assert (at_e.diameter_1e_m, at_e.divergence_1e_rad) == (diameter_m, angle_rad)
    assert at_e2.diameter_1e2_m == pytest.approx(diameter_m, rel=1e-12)
    assert at_e2.divergence_1e2_rad == pytest.approx(angle_rad, rel=1e-12)
    assert at_e.diameter_1e2_m / at_e2.diameter_1e2_m == pytest.approx(math.sqrt(2), rel=1e-12)
    # 1 - 1/e = 63 % passes the 1/e circle, 1 - 1/e2 = 86 % the other.
    assert part_through(at_e.diameter_1e_m, at_e.diameter_1e2_m) == pytest.approx(1 - math.exp(-1), rel=1e-9)
    assert part_through(at_e.diameter_1e2_m, at_e.diameter_1e2_m) == pytest.approx(1 - math.exp(-2), rel=1e-9)


@any_of(ENERGIES, WIDTHS, ANGLES)
def test_at_the_distance_the_peak_is_the_limit(energy_j: float, diameter_m: float, angle_rad: float) -> None:
    limit = 2.5765e-3
    beam = Beam.of(diameter_m, angle_rad, E2)
    far_m = nohd_m(energy_j, limit, beam)
    width_1e2_m = diameter_m + angle_rad * far_m
    peak = 8 * energy_j / (math.pi * width_1e2_m**2)  # of a Gaussian by its 1/e2 diameter
    assert peak == pytest.approx(limit, rel=1e-9) if far_m else peak <= limit * (1 + 1e-9)


@any_of(ENERGIES, ENERGIES)
def test_through_the_pupil_of_a_safe_beam_goes_what_is_allowed(energy_j: float, allowed_j: float) -> None:
    width_m = safe_diameter_1e2_m(energy_j, allowed_j, 7e-3)
    if width_m:
        assert energy_j * part_through(7e-3, width_m) == pytest.approx(allowed_j, rel=1e-9)
    else:
        assert allowed_j >= energy_j


@any_of(ENERGIES, st.floats(1, 10), WIDTHS, ANGLES, st.sampled_from([532, 755, 1064, 1300]))
def test_more_energy_reaches_farther_and_the_conventions_keep_their_order(
    energy_j: float, times: float, diameter_m: float, angle_rad: float, nm: float
) -> None:
    beam = (diameter_m * 1e3, angle_rad * 1e3)
    near = assess(Inquiry(nm, 5.5e-10, 10, None, energy_j, *beam)).distance
    far = assess(Inquiry(nm, 5.5e-10, 10, None, energy_j * times, *beam)).distance
    told_at_e = assess(Inquiry(nm, 5.5e-10, 10, None, energy_j, *beam, E)).distance
    assert near
    assert far
    assert told_at_e
    assert far.nohd_m >= near.nohd_m * (1 - 1e-9)
    assert far.nohd_averaged_m >= near.nohd_averaged_m * (1 - 1e-9)
    assert near.nohd_averaged_m <= near.nohd_m * (1 + 1e-9)  # the peak is more than any mean
    assert near.nohd_waist_m >= near.nohd_averaged_m * (1 - 1e-9)
    assert told_at_e.nohd_m <= near.nohd_m * (1 + 1e-9)  # not told, the longer one


# -- the plan's beam (REQ-043)

PLAN = TreatmentPlan(
    name="Forearm",
    indication="tattoo",
    skin_type="II",
    wavelength_nm=755,
    mode_width_ps=750,
    handpiece="fixed_8",
    spot_mm=8.0,
    pulse_energy_mj=200.0,
    rep_rate_hz=10.0,
    passes=1,
    series=(20,),
)


def changed(**fields: object) -> TreatmentPlan:
    return TreatmentPlan(**{name: getattr(PLAN, name) for name in PLAN.__slots__} | fields)


@pytest.mark.shows("REQ-043", "HZ-018")
def test_a_plan_tells_what_its_beam_needs_by_the_stricter_edition() -> None:
    told = plan_hazard(PLAN)
    limit = 2.7e4 * 10**0.11 * math.pow(7.5e-10, 0.75) * 100**-0.25
    assert limit == pytest.approx(0.00157638, rel=1e-5)  # MPE091
    assert told["od"] == pytest.approx(math.log10(0.2 / (math.pi * 3.5e-3**2) / limit))
    assert told["lb"] == "LB8"
    safe_m = math.sqrt(4 * 0.2 / (math.pi * limit))
    assert told["nohd_m"] == pytest.approx((safe_m - 8e-3 / math.sqrt(2)) / (5e-3 / math.sqrt(2)))


@pytest.mark.shows("REQ-043")
@pytest.mark.parametrize("handpiece", limits.HANDPIECE_DIVERGENCE_MRAD)
def test_every_handpiece_has_a_divergence(handpiece: Handpiece) -> None:
    assert set(plan_hazard(changed(handpiece=handpiece.name.lower()))) == {"nohd_m", "od", "lb"}


@pytest.mark.parametrize(
    "fields",
    [
        {"handpiece": "unknown"}, {"wavelength_nm": 1500}, {"pulse_energy_mj": -1.0}, {"spot_mm": math.nan},
        {"rep_rate_hz": math.inf}, {"mode_width_ps": 0},
    ],
)  # fmt: skip
def test_of_a_plan_that_cannot_be_nothing_is_told(fields: dict[str, object]) -> None:
    assert plan_hazard(changed(**fields)) == {}


def test_the_older_rules_alone_bind_a_picosecond_train() -> None:
    both, new = (assess(Inquiry(755, 7.5e-10, 10, rules=rules)).eye for rules in (Rules.STRICTER, Rules.NEW))
    assert both.limit.edition.value == "2007"
    assert both.share.value < new.share.value
