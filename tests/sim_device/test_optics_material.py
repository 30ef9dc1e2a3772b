"""Alexandrite, Frantz-Nodvik and the plain Q-switch against published and closed-form numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_device.optics import alexandrite
from sim_device.optics.amplifier import one_pass, round_trip, shaped_round_trip
from sim_device.optics.qswitch import Case, closed_form, lumped_map, rate_equations

# LASER_FACTS.md, "How a pulse comes about"
LIFETIMES_US = {27: 261, 40: 228, 60: 190, 70: 174}
STORAGE = {25: 0.764, 40: 0.733, 60: 0.691, 70: 0.670}
FLUENCES = {40: 34.7, 60: 30.8, 70: 29.0}
DEGNAN = [  # z, L, R, J, ns
    (4, 0.1, 0.890, 0.488, 182.6),
    (8, 0.1, 0.789, 1.488, 80.7),
    (10, 0.2, 0.559, 4.051, 31.7),
]


def case(ratio: float, loss: float) -> Case:
    return Case(ratio, loss, 0.19635, alexandrite.saturation_fluence_j_cm2(60.0), 6.67e-9)


def test_lifetime_storage_and_saturation_fluence_are_the_published_ones() -> None:
    for celsius, microseconds in LIFETIMES_US.items():
        assert 1e6 * alexandrite.lifetime_s(celsius) == pytest.approx(microseconds, abs=0.6)
    for celsius, share in STORAGE.items():
        assert alexandrite.storage_efficiency(celsius, 150e-6) == pytest.approx(share, abs=6e-4)
    for celsius, fluence in FLUENCES.items():
        assert alexandrite.saturation_fluence_j_cm2(celsius) == pytest.approx(fluence, abs=0.06)


def test_the_cross_section_meets_both_published_points_and_5_k_are_3_percent_of_gain() -> None:
    assert alexandrite.cross_section_cm2(300 - 273.15) == pytest.approx(7e-21)
    assert alexandrite.cross_section_cm2(475 - 273.15) == pytest.approx(2e-20, rel=0.01)
    ratio = alexandrite.cross_section_cm2(65.0) / alexandrite.cross_section_cm2(60.0)
    assert ratio == pytest.approx(1.03, abs=1e-3)  # hazards.csv HZ-010


def test_waiting_50_us_after_the_pump_loses_a_fifth_to_a_quarter_of_the_storage() -> None:
    for celsius in (40.0, 60.0, 70.0):
        waited = alexandrite.storage_efficiency(celsius, 150e-6, 50e-6)
        assert 0.75 <= waited / alexandrite.storage_efficiency(celsius, 150e-6) <= 0.81


@pytest.mark.parametrize(("ratio", "loss", "mirror", "joules", "nanoseconds"), DEGNAN)
def test_closed_form_and_rate_equations_meet_degnans_oracle_to_3_digits(
    ratio: float, loss: float, mirror: float, joules: float, nanoseconds: float
) -> None:
    best = case(ratio, loss)
    assert math.exp(-best.coupling) == pytest.approx(mirror, abs=6e-4)
    for pulse in (closed_form(best), rate_equations(best)):
        assert pulse.energy_j == pytest.approx(joules, abs=6e-4)
        assert 1e9 * pulse.width_s == pytest.approx(nanoseconds, abs=0.06)


@settings(max_examples=20)  # each is some thousand steps of Runge-Kutta
@given(ratio=st.floats(1.5, 15.0), loss=st.floats(0.002, 0.5))
def test_the_rate_equations_meet_the_closed_form_everywhere(ratio: float, loss: float) -> None:
    exact, pulse = closed_form(case(ratio, loss)), rate_equations(case(ratio, loss), steps_per_lifetime=20)
    assert pulse.energy_j == pytest.approx(exact.energy_j, rel=1e-4)
    assert pulse.width_s == pytest.approx(exact.width_s, rel=1e-3)


@pytest.mark.parametrize("ratio", [4.0, 8.0])
def test_the_round_trip_map_meets_the_rate_equations_as_the_losses_go_to_zero(ratio: float) -> None:
    errors = []
    for loss in (0.1, 0.01, 0.001):
        exact, pulse = closed_form(case(ratio, loss)), lumped_map(case(ratio, loss))
        errors.append(abs(pulse.energy_j / exact.energy_j - 1.0))
        assert pulse.width_s == pytest.approx(exact.width_s, rel=0.1)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 5e-4
    assert errors[-1] < errors[0] / 100


positive = st.floats(1e-6, 5.0)


@given(fluence=positive, gain=st.floats(0.001, 3.0))
def test_a_pass_takes_from_the_rod_what_it_gives_to_the_pulse(fluence: float, gain: float) -> None:
    amplified, left = one_pass(np.array(fluence), np.array(gain), np.array(2.0))
    assert amplified - fluence == pytest.approx(2.0 * (gain - left), rel=1e-9)
    assert 0.0 < left < gain
    assert amplified - fluence <= 2.0 * gain  # never more than was stored


@given(gain=st.floats(0.001, 3.0))
def test_a_weak_pulse_grows_by_the_small_signal_gain_and_a_strong_one_takes_everything(gain: float) -> None:
    weak, _ = one_pass(np.array(1e-9), np.array(gain), np.array(1.0))
    assert weak == pytest.approx(1e-9 * math.exp(gain), rel=1e-6)
    strong, left = one_pass(np.array(50.0), np.array(gain), np.array(1.0))
    assert strong == pytest.approx(50.0 + gain, rel=1e-9)
    assert left == pytest.approx(0.0, abs=1e-9)


@given(
    slices=st.lists(st.floats(0.0, 0.2), min_size=1, max_size=40).filter(lambda values: sum(values) > 1e-9),
    gain=st.floats(0.01, 2.0),
)
def test_a_shaped_pulse_takes_the_same_energy_whatever_its_shape(slices: list[float], gain: float) -> None:
    profile = np.array(slices)
    ratio, left = shaped_round_trip(profile, gain, 1.5)
    whole, whole_left = round_trip(np.array(profile.sum()), np.array(gain), np.array(1.5))
    assert float(np.sum(profile * ratio)) == pytest.approx(float(whole), rel=1e-6)
    assert left == pytest.approx(float(whole_left), abs=1e-6)
    assert np.all(np.diff(ratio) <= 1e-9)  # the front of the pulse finds more gain than its tail
