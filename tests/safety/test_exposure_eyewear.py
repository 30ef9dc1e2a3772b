"""Optical density, EN 207 and EN 208: each scale at, just inside and just outside its published densities."""

import math

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from safety.exposure import Inquiry, assess
from safety.eyewear import Mode, Scale, adjustment, mode, optical_density, protection, strictest
from safety.hazard_distance import BeamAt

# EN 207:2017, 315-1400 nm: what LBn withstands, W/m2 (D) or J/m2.
WITHSTANDS = {Mode.D: 1e1, Mode.I: 5e-3, Mode.R: 5e-3, Mode.M: 1.5e-4}
PULSE_S = {Mode.D: 10.0, Mode.I: 1e-3, Mode.R: 1e-8, Mode.M: 5.5e-10}


@pytest.mark.parametrize("letter", Mode)
@pytest.mark.parametrize("n", range(1, 11))
def test_a_scale_holds_up_to_its_density_and_the_next_one_from_there(letter: Mode, n: int) -> None:
    most = WITHSTANDS[letter] * 10**n
    for part, number in ((0.999, n), (1.0, n), (1.001, n + 1)):
        energy_j = part * most * (PULSE_S[letter] if letter is Mode.D else 1)
        scales = protection(PULSE_S[letter], 0.0, energy_j, 1.0)
        assert scales == {letter: Scale("LB", number, 10)}


@pytest.mark.parametrize(("number", "words"), [(0, "none"), (1, "LB1"), (10, "LB10"), (11, "above LB10")])
def test_a_scale_in_words(number: int, words: str) -> None:
    assert str(Scale("LB", number, 10)) == words


def test_what_is_below_the_first_scale_needs_none() -> None:
    assert protection(1e-8, 0.0, 4.9e-3, 1.0) == {Mode.R: Scale("LB", 0, 10)}
    assert protection(1e-8, 0.0, 1e-9, 1.0) == {Mode.R: Scale("LB", 0, 10)}


@pytest.mark.parametrize(
    ("pulse_s", "letter"),
    [
        (1e-13, Mode.M), (1e-9, Mode.M), (1.001e-9, Mode.R), (1e-6, Mode.R), (1.001e-6, Mode.I),
        (0.25, Mode.I), (0.2501, Mode.D), (3e4, Mode.D),
    ],
)  # fmt: skip
def test_the_letter_of_a_pulse_duration(pulse_s: float, letter: Mode) -> None:
    assert mode(pulse_s) is letter


@pytest.mark.parametrize(
    ("spot_mm", "lb"), [(2, 10), (2.4, 9), (3, 9), (3.5, 9), (4, 9), (6, 9), (7, 9), (8, 8), (10, 8)]
)
def test_the_scale_of_the_projects_spots(spot_mm: float, lb: int) -> None:
    density = 0.2 / (math.pi * (spot_mm / 2e3) ** 2) * 100**0.25
    assert 1.5 * 10 ** (lb - 5) < density <= 1.5 * 10 ** (lb - 4)  # the table read the other way round
    goggles = assess(Inquiry(755, 5.5e-10, 10, energy_j=0.2, beam_mm=spot_mm)).goggles
    assert goggles
    assert goggles.scales[Mode.M].number == goggles.lb.number == lb


def test_pulses_that_repeat_are_judged_by_their_mean_power_too() -> None:
    # UCC Laser Safety Guidelines: 4.5 uJ, 200 kHz, 200 fs, 3 mm at 800 nm is D LB5 and M LB6.
    scales = protection(2e-13, 2e5, 4.5e-6, math.pi * 1.5e-3**2)
    assert {letter: str(scale) for letter, scale in scales.items()} == {Mode.D: "LB5", Mode.M: "LB6"}
    assert str(strictest(scales.values())) == "LB6"
    # 10 W at 1064 nm in 4 mm, continuous, is D LB5.
    assert str(protection(10, 0.0, 100.0, math.pi * 2e-3**2)[Mode.D]) == "LB5"
    assert protection(1.0, 0.5, 10.0, 1.0)[Mode.D] == Scale("LB", 0, 10)


def test_the_pulses_of_ten_seconds_raise_the_energy_by_their_fourth_root() -> None:
    # 10,000 pulses: tenfold, 0.5 J/m2 is the very end of LB3.
    assert protection(1e-8, 1000.0, 0.5, 1.0)[Mode.R] == Scale("LB", 3, 10)
    assert protection(1e-8, 1001.0, 0.5, 1.0)[Mode.R] == Scale("LB", 4, 10)


def test_a_rate_below_one_pulse_in_ten_seconds_lowers_nothing() -> None:
    assert protection(1e-8, 0.01, 6e3, 1.0)[Mode.R] == protection(1e-8, 0.0, 6e3, 1.0)[Mode.R]


def test_a_diameter_told_at_1_over_e2_has_half_the_area_for_en_207() -> None:
    def lb(at: BeamAt | None) -> tuple[str, str | None]:
        goggles = assess(Inquiry(755, 5.5e-10, 10, energy_j=0.2, beam_mm=8, beam_at=at)).goggles
        assert goggles
        gaussian = goggles.lb_if_gaussian
        return str(goggles.lb), None if gaussian is None else str(gaussian)

    assert lb(None) == ("LB8", "LB9")
    assert lb(BeamAt.ONE_OVER_E) == ("LB8", None)
    assert lb(BeamAt.ONE_OVER_E2) == ("LB9", None)


@pytest.mark.parametrize("n", range(1, 6))
def test_en_208_scales(n: int) -> None:
    for part, number in ((0.999, n), (1.0, n), (1.001, n + 1)):
        continuous = adjustment(532, 10.0, 0.0, part * 10 ** (n + 3) * 10.0, 1.0)
        pulses = adjustment(532, 1e-8, 0.0, part * 2 * 10 ** (n - 1), 1.0)
        train = adjustment(532, 1e-3, 100.0, part * 10 ** (n + 3) / 100, 1.0)
        assert continuous == pulses == train == Scale("RB", number, 5)
    assert str(Scale("RB", 6, 5)) == "above RB5"


def test_en_208_counts_the_pulses_of_ten_seconds() -> None:
    assert adjustment(532, 1e-8, 1000.0, 2.1, 1.0) == Scale("RB", 3, 5)  # 2.1 J/m2 * 10


def test_en_208_judges_pulses_by_their_power_from_a_fifth_of_a_millisecond() -> None:
    # RB1 ends at 2 J/m2, and at 10 kW/m2; close to 0.2 ms the two lie a half per cent apart.
    assert adjustment(532, 1.99e-4, 0.0, 1.995, 1.0) == Scale("RB", 1, 5)  # though it is 10.03 kW/m2
    assert adjustment(532, 2.01e-4, 0.0, 2.005, 1.0) == Scale("RB", 1, 5)  # though it is above 2 J/m2


def test_there_is_no_adjustment_eyewear_for_light_unseen_or_pulses_below_a_nanosecond() -> None:
    assert adjustment(700, 10.0, 0.0, 1.0, 1.0) is None
    assert adjustment(699, 10.0, 0.0, 1.0, 1.0) is not None
    assert adjustment(532, 5e-10, 0.0, 1.0, 1.0) is None


@pytest.mark.shows("REQ-043", "HZ-018")
@any_of(st.floats(1e-6, 1e9), st.floats(1e-6, 1e6))
def test_what_passes_the_eyewear_is_within_the_limit(exposure: float, limit: float) -> None:
    passed = exposure * 10 ** -optical_density(exposure, limit)
    assert passed <= limit * (1 + 1e-9)
    assert optical_density(exposure, limit) == 0 or math.isclose(passed, limit, rel_tol=1e-9)


@any_of(st.floats(1e-9, 1e3), st.floats(0.1, 100), st.sampled_from([532, 755, 1064, 1350]))
def test_the_beam_itself_never_needs_more_than_the_whole_pulse_in_the_pupil(
    energy_j: float, beam_mm: float, nm: float
) -> None:
    hazard = assess(Inquiry(nm, 5.5e-10, 10, energy_j=energy_j, beam_mm=beam_mm)).hazard
    assert hazard
    assert hazard.od_at_beam is not None
    assert hazard.od_at_beam <= hazard.od


def test_goggles_are_rated_for_the_energy_on_the_whole_stated_spot() -> None:
    """Energies a percent apart over two decades: a spot two percent off would be rated otherwise for some."""
    area_m2 = math.pi / 4 * 6e-3**2
    for step in range(200):
        energy_j = 1e-3 * 1.0233**step
        goggles = assess(Inquiry(755, 5.5e-10, 10, 10, energy_j, 6.0, beam_at=BeamAt.ONE_OVER_E)).goggles
        assert goggles is not None
        assert goggles.lb == strictest(protection(5.5e-10, 10, energy_j, area_m2).values())


def test_adjustment_goggles_are_rated_for_the_energy_on_the_area() -> None:
    for energy_j in (0.2, 2.0, 20.0, 200.0):
        on_a_square_metre = adjustment(532, 1e-8, 0.0, energy_j, 1.0)
        assert adjustment(532, 1e-8, 0.0, energy_j * 1e-4, 1e-4) == on_a_square_metre
