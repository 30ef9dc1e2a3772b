"""Judgement of a pulse, dense around each limit; the limits are written here again from the requirements."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.messages import PulseFlag
from sim_device.firmware.judge import Expected, Readings, calibrated, judge

E = Expected(100_000, 750, shutter_open=True, calibration=False)


def faults(readings: Readings, expected: Expected = E) -> list[Fault]:
    return [fault for fault, _ in judge(expected, readings).faults]


def flags(readings: Readings, expected: Expected = E) -> frozenset[PulseFlag]:
    return judge(expected, readings).flags


def pulse(
    a: int = 100_000, b: int | None = None, width: int = 750, pulses: int = 1, comparator: bool = False
) -> Readings:
    return Readings(pulses, a, a if b is None else b, width, comparator)


@pytest.mark.shows("REQ-018")
@pytest.mark.parametrize(
    ("energy", "fault", "flag"),
    [
        (84_999, Fault.ENERGY_LOW, PulseFlag.ENERGY_LOW),
        (85_000, None, PulseFlag.ENERGY_DRIFT),
        (89_999, None, PulseFlag.ENERGY_DRIFT),
        (90_000, None, None),
        (100_000, None, None),
        (110_000, None, None),
        (110_001, None, PulseFlag.ENERGY_DRIFT),
        (115_000, None, PulseFlag.ENERGY_DRIFT),
        (115_001, Fault.ENERGY_HIGH, PulseFlag.ENERGY_HIGH),
        (5_000_000, Fault.ENERGY_HIGH, PulseFlag.ENERGY_HIGH),
        (0, Fault.ENERGY_LOW, PulseFlag.ENERGY_LOW),
    ],
)
@pytest.mark.parametrize("which", ["a", "b", "both"])
def test_energy_limits_are_exact_and_either_monitor_proves_them(
    energy: int, fault: Fault | None, flag: PulseFlag | None, which: str
) -> None:
    other = min(115_000, max(85_000, energy)) if fault else 100_000
    readings = {"a": pulse(energy, other), "b": pulse(other, energy), "both": pulse(energy)}[which]
    energy_faults = {Fault.ENERGY_HIGH, Fault.ENERGY_LOW}
    assert set(faults(readings)) & energy_faults == ({fault} if fault else set())
    energy_flags = {PulseFlag.ENERGY_HIGH, PulseFlag.ENERGY_LOW, PulseFlag.ENERGY_DRIFT}
    assert flags(readings) & energy_flags == ({flag} if flag else set())


@pytest.mark.shows("REQ-047", "HZ-012")
@pytest.mark.parametrize(
    ("width", "mode", "good"),
    [
        (637, 750, False),
        (638, 750, True),
        (825, 750, True),
        (826, 750, False),
        (862, 750, False),
        (552, 650, False),
        (553, 650, True),
        (747, 650, True),
        (748, 650, False),
        (467, 550, False),
        (468, 550, True),
        (632, 550, True),
        (633, 550, False),
        (449, 550, False),
        (0, 750, False),
        (10_000_000, 750, False),
    ],
)
def test_width_limits_are_exact(width: int, mode: int, good: bool) -> None:
    readings = pulse(width=width)
    expected = Expected(100_000, mode, shutter_open=True, calibration=False)
    assert faults(readings, expected) == ([] if good else [Fault.PULSE_WIDTH])
    assert (PulseFlag.WIDTH in flags(readings, expected)) is not good


@pytest.mark.shows("REQ-019", "HZ-014")
@given(st.integers(0, 400_000), st.integers(0, 400_000))
def test_monitors_that_differ_by_more_than_a_tenth_of_their_mean_disagree(a: int, b: int) -> None:
    disagree = abs(a - b) * 10 > (a + b) // 2
    assert (Fault.MONITORS_DISAGREE in faults(pulse(a, b))) is disagree


@pytest.mark.shows("HZ-005")
@pytest.mark.parametrize(("b", "good"), [(0, True), (1_999, True), (2_000, False), (100_000, False)])
def test_light_behind_the_closed_shutter_proves_it_open(b: int, good: bool) -> None:
    expected = Expected(100_000, 750, shutter_open=False, calibration=False)
    assert faults(pulse(100_000, b), expected) == ([] if good else [Fault.SHUTTER_STUCK_OPEN])


@pytest.mark.shows("REQ-048", "HZ-013")
@pytest.mark.parametrize("pulses", [2, 3, 2**31])
def test_more_than_one_flash_is_a_double(pulses: int) -> None:
    assert faults(pulse(pulses=pulses)) == [Fault.PULSE_DOUBLE]
    assert flags(pulse(pulses=pulses)) == {PulseFlag.DOUBLE}


@pytest.mark.shows("REQ-048")
def test_no_flash_is_a_missing_pulse_and_nothing_else_is_judged() -> None:
    assert faults(pulse(0, 0, 0, pulses=0)) == [Fault.PULSE_MISSING]
    assert flags(pulse(0, 0, 0, pulses=0)) == {PulseFlag.MISSING}


@pytest.mark.shows("REQ-019", "HZ-008")
def test_the_hardware_comparator_is_the_first_cause() -> None:
    assert faults(pulse(200_000, comparator=True))[0] is Fault.OVER_ENERGY_COMPARATOR
    assert PulseFlag.COMPARATOR in flags(pulse(comparator=True))


def test_a_calibration_pulse_is_judged_by_width_and_count_only() -> None:
    expected = Expected(0, 750, shutter_open=True, calibration=True)
    assert faults(pulse(30_000, 60_000), expected) == []
    assert faults(pulse(30_000, 60_000, width=400, pulses=2), expected) == [
        Fault.PULSE_DOUBLE,
        Fault.PULSE_WIDTH,
    ]


@given(st.integers(0, 2**31), st.integers(500_000, 2_000_000))
def test_calibrated_readings_are_rounded_to_the_nearest_and_saturate(raw: int, gain: int) -> None:
    exact = raw * gain / 1_000_000
    assert (
        calibrated(raw, gain) == 5_000_000
        if exact > 5_000_001
        else abs(calibrated(raw, gain) - exact) <= 0.5 + 1e-6
    )
