"""The fit of a calibration: gains and table from the sums of its shots; any of it can be stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim_device.firmware.calibration import fitted
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
