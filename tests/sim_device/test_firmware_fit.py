"""The fit of a calibration: gains and table from the sums of its shots; any of it can be stored."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.firmware.calibration import fitted, level_mv, voltage_mv
from sim_device.firmware.limits import CALIBRATION_LEVELS_MV, CALIBRATION_SHOTS, MODES
from sim_device.firmware.memory import NonVolatile
from tests.sim_device.ideal_laser import Ram

POINTS = len(MODES) * len(CALIBRATION_LEVELS_MV)
RISING = [10_000 * CALIBRATION_SHOTS * (1 + point % len(CALIBRATION_LEVELS_MV)) for point in range(POINTS)]
READING = st.integers(-(2**31) + 1, 2**31 - 1)  # what a 32-bit register can hold
SUM = st.one_of(READING, READING.map(lambda reading: reading // 1000)).map(lambda uj: uj * CALIBRATION_SHOTS)


def test_monitors_that_read_half_and_double_get_the_gains_that_undo_it() -> None:
    stored = fitted([[uj, uj // 2, uj * 2] for uj in RISING])
    assert stored.valid
    assert (stored.gain_a_ppm, stored.gain_b_ppm, stored.residual_ppm) == (2_000_000, 500_000, 0)
    assert stored.energies_uj == tuple(uj // CALIBRATION_SHOTS for uj in RISING)


@given(st.lists(st.lists(SUM, min_size=3, max_size=3), min_size=POINTS, max_size=POINTS))
def test_whatever_the_sensors_read_the_result_can_be_stored_and_read_back(sums: list[list[int]]) -> None:
    ram = Ram()
    memory = NonVolatile(ram)
    memory.calibration = fitted(sums)
    memory.save_calibration()
    assert NonVolatile(ram).calibration == memory.calibration
    assert not memory.broken


@given(st.integers(0, POINTS - 1), st.integers(-(2**31), CALIBRATION_SHOTS - 1))
def test_a_point_without_light_makes_a_calibration_invalid(point: int, port_uj: int) -> None:
    sums = [[uj, uj, uj] for uj in RISING]
    assert fitted(sums).valid
    sums[point][0] = port_uj
    assert not fitted(sums).valid


@pytest.mark.parametrize(
    ("tested_uj", "lowest_mv"),
    [
        (70_000, 615_000),  # a new lamp, in the 750 ps mode
        (46_400, 666_086),  # at its life's end: sqrt(20.172 J x 11.65 / 17.656 / 30 uF), by hand
        (15_000, 792_422),
        (10_001, 819_994),
        (10_000, 820_000),
        (0, 820_000),
        (-(2**31), 820_000),
        (2**31, 615_000),
    ],
)
def test_the_lowest_level_follows_the_light_of_the_tests_level(tested_uj: int, lowest_mv: int) -> None:
    assert level_mv(0, 0, tested_uj) == lowest_mv


@given(st.integers(0, len(MODES) - 1), st.integers(-(2**31), 2**31), st.integers(0, 2**31))
def test_less_light_never_lowers_it_and_the_levels_above_stand(mode: int, weak_uj: int, more_uj: int) -> None:
    levels_mv = [level_mv(mode, level, weak_uj) for level in range(len(CALIBRATION_LEVELS_MV))]
    assert levels_mv[1:] == list(CALIBRATION_LEVELS_MV[1:])
    assert level_mv(mode, 0, weak_uj + more_uj) <= levels_mv[0] <= levels_mv[1]


@given(st.integers(0, len(MODES) - 1), st.lists(st.integers(1, 400_000), min_size=5, max_size=5, unique=True))
def test_the_table_gives_each_level_its_own_voltage_back(mode: int, table_uj: list[int]) -> None:
    table_uj.sort()
    sums = [[uj * CALIBRATION_SHOTS] * 3 for uj in table_uj * len(MODES)]
    stored = fitted(sums)
    levels_mv = [level_mv(mode, level, table_uj[1]) for level in range(5)]
    assert all(low <= high for low, high in pairwise(levels_mv))
    for uj, mv in zip(table_uj, levels_mv, strict=True):
        assert voltage_mv(stored, mode, uj) == mv
