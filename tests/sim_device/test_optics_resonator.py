"""The picosecond resonator: published pulses, conservation of energy, mode locking, free running."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from sim_device.optics import alexandrite
from sim_device.optics.free_running import STUCK_COUPLING, free_run
from sim_device.optics.modes import CELSIUS, PUBLISHED, PUMP_J, RESONATOR, SETTINGS
from sim_device.optics.resonator import (
    Shot,
    energies,
    full_width,
    narrowing,
    shot,
    steady_width_s,
    without_modulation,
)

MODES = list(SETTINGS)
# LASER_FACTS.md: the device's modes, (200 mJ, 750 ps), (180 mJ, 650 ps), (165 mJ, 550 ps)
DEVICE = {750: 0.200, 650: 0.180, 550: 0.165}
FULL_J = RESONATOR.beam_cm2 * alexandrite.saturation_fluence_j_cm2(CELSIUS) / 2


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def usual(mode: int) -> Shot:
    return shot(RESONATOR, SETTINGS[mode], PUMP_J, CELSIUS)


def mean_j(mode: int, pump_j: float, celsius: float = CELSIUS, offset_trips: int = 0) -> float:
    setting = replace(SETTINGS[mode], offset_trips=offset_trips)
    return float(energies(RESONATOR, setting, np.array([pump_j]), np.array([celsius]), starts=32)[0][0])


def test_one_resonator_gives_all_modes_of_the_device(mode: int, usual: Shot) -> None:
    assert mean_j(mode, 43.0) == pytest.approx(DEVICE[mode], rel=4e-3)
    assert usual.width_s == pytest.approx(mode * 1e-12, rel=4e-3)
    assert PUBLISHED[mode].energy_j == DEVICE[mode]


def test_the_figures_lie_where_laser_facts_finds_them_feasible(mode: int, usual: Shot) -> None:
    stored_j = RESONATOR.stored_j_cm2(43.0, 60.0) * RESONATOR.rod_cm2
    assert RESONATOR.round_trip_s == pytest.approx(6.67e-9, rel=1e-3)
    assert 0.8 <= stored_j <= 2.5
    assert 0.22 <= usual.gains[0] <= 0.57
    assert 157 <= usual.gains.size - 1 <= 348
    assert 0.027 <= stored_j / 43.0 / alexandrite.storage_efficiency(60.0, 150e-6) <= 0.078
    assert mean_j(mode, 43.0) / RESONATOR.beam_cm2 < 2.0  # J/cm2 on the coatings


def test_what_the_rod_loses_is_found_again_to_the_last_part_in_a_million(mode: int, usual: Shot) -> None:
    decay = math.exp(-RESONATOR.round_trip_s / alexandrite.lifetime_s(CELSIUS))
    fluorescence_j = FULL_J * float(np.sum(usual.gains[1:] / decay - usual.gains[1:]))
    taken_j = FULL_J * float(usual.gains[0] - usual.gains[-1]) - fluorescence_j
    found_j = float(usual.circulating_j[-1] - usual.circulating_j[0]) + usual.lost_j
    assert found_j == pytest.approx(taken_j, rel=1e-6)
    assert usual.energy_j == pytest.approx(RESONATOR.dump_efficiency * usual.circulating_j[-1], rel=1e-9)
    assert usual.energy_j < taken_j < FULL_J * usual.gains[0]


def test_the_result_does_not_hang_on_the_number_of_slices(mode: int, usual: Shot) -> None:
    coarse = shot(RESONATOR, SETTINGS[mode], PUMP_J, CELSIUS, slices=256)
    fine = shot(RESONATOR, SETTINGS[mode], PUMP_J, CELSIUS, slices=1024)
    assert coarse.energy_j == pytest.approx(fine.energy_j, rel=1e-5)
    assert usual.width_s == pytest.approx(fine.width_s, rel=1e-3)
    assert coarse.width_s == pytest.approx(fine.width_s, rel=3e-3)


def test_energies_alone_agree_with_whole_pulses_within_the_chance_of_the_start(mode: int) -> None:
    for pump_j in (15.0, 30.0, 43.0):
        mean, spread = energies(RESONATOR, SETTINGS[mode], np.array(pump_j), np.array(CELSIUS), starts=32)
        one = shot(RESONATOR, SETTINGS[mode], pump_j, CELSIUS, slices=128)
        assert one.energy_j == pytest.approx(float(mean), rel=2.0 * float(spread) + 2e-3)
        assert 0.0 < spread < 0.025  # what whole round trips alone scatter


def test_energy_rises_with_the_pump_from_a_threshold_near_the_published_10_joules(mode: int) -> None:
    pumps_j = np.arange(5.0, 60.0, 1.0)
    energy_j, _ = energies(RESONATOR, SETTINGS[mode], pumps_j, np.array(CELSIUS), starts=16)
    lit = energy_j > 0.0
    assert 9.0 <= pumps_j[lit][0] <= 11.0
    assert np.all(np.diff(energy_j[lit]) > 0.0)
    assert np.all(energy_j <= 1e-9 + FULL_J * np.array([RESONATOR.gain(j, CELSIUS) for j in pumps_j]))


def test_a_charge_that_is_never_reached_gives_no_pulse() -> None:
    dark = shot(RESONATOR, SETTINGS[750], 8.0, CELSIUS, slices=64)
    assert (dark.energy_j, dark.width_s) == (0.0, 0.0)
    assert dark.circulating_j.max() > 1e-6  # it did lase, and faded


def test_more_gain_and_less_storage_cancel_around_the_set_point(mode: int) -> None:
    energy_j = {celsius: mean_j(mode, 43.0, celsius) for celsius in (20.0, 55.0, 60.0, 65.0)}
    assert RESONATOR.gain(43.0, 65.0) > RESONATOR.gain(43.0, 60.0)
    assert RESONATOR.stored_j_cm2(43.0, 65.0) < RESONATOR.stored_j_cm2(43.0, 60.0)
    assert energy_j[55.0] == pytest.approx(energy_j[60.0], rel=0.01)
    assert energy_j[65.0] == pytest.approx(energy_j[60.0], rel=0.01)
    assert 0.90 < energy_j[20.0] / energy_j[60.0] < 0.96


def test_dumping_later_gives_more_until_the_peak_and_less_after_it(mode: int) -> None:
    energy_j = [mean_j(mode, 43.0, offset_trips=trips) for trips in range(-12, 25, 4)]
    peak = int(np.argmax(energy_j))
    assert 0 < peak < len(energy_j) - 1
    assert all(low < high for low, high in pairwise(energy_j[: peak + 1]))
    assert all(high > low for high, low in pairwise(energy_j[peak:]))
    step = mean_j(mode, 43.0, offset_trips=1) / mean_j(mode, 43.0)
    assert 1.04 < step < 1.08  # LASER_FACTS: off-peak dumping steps 4-8 % a trip


def test_an_early_or_late_dump_is_the_same_shot_cut_elsewhere() -> None:
    late = shot(RESONATOR, replace(SETTINGS[750], offset_trips=5), PUMP_J, CELSIUS, slices=128)
    early = shot(RESONATOR, replace(SETTINGS[750], offset_trips=-5), PUMP_J, CELSIUS, slices=128)
    on_time = shot(RESONATOR, SETTINGS[750], PUMP_J, CELSIUS, slices=128)
    at = on_time.gains.size
    assert (late.gains.size, early.gains.size) == (at + 5, at - 5)
    np.testing.assert_array_equal(late.circulating_j[:at], on_time.circulating_j)
    np.testing.assert_array_equal(late.circulating_j[: at - 5], early.circulating_j)
    assert early.energy_j == pytest.approx(RESONATOR.dump_efficiency * late.circulating_j[at - 6])


def test_the_pulse_narrows_trip_by_trip_as_kuizenga_and_siegman_say(mode: int) -> None:
    u, c = narrowing(RESONATOR, SETTINGS[mode].depth_rad)
    for pump_j in (20.0, 30.0, 43.0):
        one = shot(RESONATOR, SETTINGS[mode], pump_j, CELSIUS, slices=256)
        a = 0.0
        for _ in range(one.gains.size - 1):
            a += u
            a /= 1.0 + 4.0 * a * c
        assert one.width_s == pytest.approx(math.sqrt(2 * math.log(2) / a), rel=0.02)


def test_after_very_many_trips_the_width_stands_where_modulation_and_tuner_balance() -> None:
    for setting in SETTINGS.values():
        one = shot(RESONATOR, setting, 13.0, CELSIUS, slices=256)
        assert one.gains.size > 800
        assert one.width_s == pytest.approx(steady_width_s(RESONATOR, setting.depth_rad), rel=0.02)


def test_a_deeper_modulation_gives_a_shorter_pulse_and_none_gives_the_whole_round_trip() -> None:
    widths_s = [
        shot(RESONATOR, replace(SETTINGS[750], depth_rad=depth), PUMP_J, CELSIUS, slices=128).width_s
        for depth in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert widths_s == sorted(widths_s, reverse=True)
    assert widths_s[0] == pytest.approx(RESONATOR.round_trip_s, rel=0.02)


def test_an_unlocked_pulse_has_the_energy_but_not_the_power(mode: int, usual: Shot) -> None:
    long = shot(RESONATOR, without_modulation(SETTINGS[mode]), PUMP_J, CELSIUS)
    assert long.energy_j == pytest.approx(usual.energy_j, rel=0.15)
    assert long.power_w.max() < usual.power_w.max() / 5


def test_a_dump_that_switches_on_the_pulse_splits_it_and_loses_nothing() -> None:
    late = replace(SETTINGS[750], gate_delay_s=RESONATOR.round_trip_s / 4)
    split = shot(RESONATOR, late, PUMP_J, CELSIUS)
    assert split.energy_j == pytest.approx(shot(RESONATOR, SETTINGS[750], PUMP_J, CELSIUS).energy_j, rel=1e-9)
    halves = split.power_w.reshape(2, -1).sum(axis=1)
    assert 0.3 < halves[0] / halves.sum() < 0.7
    assert split.width_s > RESONATOR.round_trip_s / 2  # two flashes, a round trip apart


def test_random_light_at_the_start_moves_energy_by_the_trips_and_the_short_pulse_hardly_in_width() -> None:
    shots = [
        shot(RESONATOR, SETTINGS[550], PUMP_J, CELSIUS, slices=128, noise=np.random.default_rng(seed))
        for seed in range(12)
    ]
    energy_j = np.array([one.energy_j for one in shots])
    assert energy_j.mean() == pytest.approx(0.165, rel=0.02)
    assert 0.005 < energy_j.std() / energy_j.mean() < 0.04
    widths_s = np.array([one.width_s for one in shots])
    assert np.median(widths_s) == pytest.approx(550e-12, rel=0.03)


def test_the_width_of_a_gaussian_is_that_of_its_formula() -> None:
    times_s = np.linspace(-5.0, 5.0, 401)
    assert full_width(times_s, np.exp(-((times_s / 1.3) ** 2))) == pytest.approx(
        2.6 * math.sqrt(math.log(2)), rel=1e-3
    )


def test_without_hold_off_the_rod_gives_a_long_flash_of_most_of_a_joule() -> None:
    run = free_run(RESONATOR, PUMP_J, CELSIUS)
    assert 0.5 < run.energy_j < 1.0  # LASER_FACTS, HZ-046: order of 0.8 J over 100 us
    assert 80e-6 < run.width_s < 130e-6
    assert run.power_w.max() < 1e6  # against 0.27 GW of the picosecond pulse


def test_a_free_running_rod_gives_no_more_than_was_pumped_into_it() -> None:
    full_j = RESONATOR.rod_cm2 * alexandrite.saturation_fluence_j_cm2(CELSIUS) / 2
    for pump_j in (20.0, 43.0, 70.0):
        run = free_run(RESONATOR, pump_j, CELSIUS)
        pumped_j = full_j * RESONATOR.gain(pump_j, CELSIUS) / alexandrite.storage_efficiency(CELSIUS, 150e-6)
        light_j = run.energy_j * (RESONATOR.loss + STUCK_COUPLING) / STUCK_COUPLING
        step_s = run.times_s[1] - run.times_s[0]
        fluorescence_j = full_j * float(run.gains.sum()) * step_s / alexandrite.lifetime_s(CELSIUS)
        spent_j = light_j + fluorescence_j + full_j * float(run.gains[-1])
        assert spent_j == pytest.approx(pumped_j, rel=0.01)


def test_free_running_has_a_threshold_and_converges_with_the_step() -> None:
    assert free_run(RESONATOR, 8.0, CELSIUS).energy_j < 1e-9
    usual = free_run(RESONATOR, 43.0, CELSIUS).energy_j
    assert free_run(RESONATOR, 43.0, CELSIUS, trips_per_step=0.25).energy_j == pytest.approx(usual, rel=0.02)
