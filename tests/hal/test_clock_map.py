"""The clock mapping against simulated clocks whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.clock_map import STEP_SAMPLES, WINDOW_US, ClockMap

PERIOD_US = 50_000


def begins(clock: ClockMap, device_us: int, host_us: int) -> bool:
    """Whether this is the very microsecond of the host in which that instant of the device begins."""
    return not reached(clock, device_us, host_us - 1) and reached(clock, device_us, host_us)


def reached(clock: ClockMap, device_us: int, host_us: int) -> bool:
    """Whether that instant of the device is not after this one of the host."""
    there_us = clock.to_device_us(host_us)
    return there_us is not None and there_us >= device_us


delays = st.lists(st.integers(0, 20_000), min_size=20, max_size=300)


def test_nothing_is_mapped_before_anything_was_heard_or_across_a_restart() -> None:
    clock = ClockMap()
    assert clock.to_device_us(5) is None
    assert clock.error_us is None
    clock.feed(1_000, 1, 50_000)
    assert clock.to_device_us(50_000) == 1_000
    assert clock.to_device_us(48_999) is None  # before the device started
    clock.feed(10, 2, 60_000)  # it restarted: the old clock is forgotten
    assert clock.to_device_us(60_000) == 10
    assert clock.to_device_us(60_100) == 110


@given(delays, st.integers(0, 10**12), st.integers(0, 10**10))
def test_the_least_delayed_stamp_of_the_window_counts(late: list[int], boot_us: int, start_us: int) -> None:
    clock = ClockMap()
    device_us = start_us
    heard: list[tuple[int, int]] = []
    for delay_us in late:
        device_us += PERIOD_US
        heard.append((device_us, boot_us + device_us + delay_us))
        clock.feed(device_us, 1, boot_us + device_us + delay_us)
    window = [d for (at, h), d in zip(heard, late, strict=True) if h >= heard[-1][1] - WINDOW_US]
    truth_us = boot_us + device_us
    # Jitter of 20 ms over half a window passes for drift, but never lifts the map above a sample.
    assert reached(clock, device_us, truth_us + late[-1])
    assert not reached(clock, device_us, truth_us + min(window) - 20_000 - WINDOW_US * 500 // 10**6 - 1)


@given(delays, st.integers(-200, 200), st.integers(0, 10**10))
def test_no_past_instant_is_mapped_into_the_future_and_the_map_never_runs_backwards(
    late: list[int], drift_ppm: int, boot_us: int
) -> None:
    clock = ClockMap()
    for number, delay_us in enumerate(late, start=1):
        true_us = boot_us + number * PERIOD_US
        device_us = (true_us - boot_us) * (10**6 + drift_ppm) // 10**6
        clock.feed(device_us, 1, true_us + delay_us)
        assert reached(clock, device_us, true_us + delay_us)
        assert clock._least[0][1] == min(offset_us for _, offset_us in clock._samples)
    mapped = [clock.to_device_us(boot_us + number * PERIOD_US // 7) or 0 for number in range(7 * len(late))]
    assert mapped == sorted(mapped)


@given(delays, st.integers(-200, 200), st.integers(-(10**6), 10**8))
def test_a_device_instant_lasts_until_the_next_one_begins(
    late: list[int], drift_ppm: int, ahead_us: int
) -> None:
    clock = ClockMap()
    host_us = 0
    for number, delay_us in enumerate(late, start=100):
        host_us = number * PERIOD_US + delay_us
        clock.feed(number * PERIOD_US * (10**6 + drift_ppm) // 10**6, 1, host_us)
    wanted_us = host_us + ahead_us
    device_us = clock.to_device_us(wanted_us)
    assert device_us is not None
    began_us = next(at for at in range(wanted_us, wanted_us - 10, -1) if begins(clock, device_us, at))
    next_us = next(at for at in range(wanted_us + 1, wanted_us + 10) if reached(clock, device_us + 1, at))
    # Crystals differ by less than a thousandth: a microsecond of one is never three of the other.
    assert next_us - began_us <= 2


@pytest.mark.parametrize("drift_ppm", [-100, -20, 0, 20, 100])
def test_the_drift_of_a_crystal_is_found(drift_ppm: int) -> None:
    clock = ClockMap()
    for number in range(1, 400):
        true_us = number * PERIOD_US
        delay_us = 300 + 7919 * number % 2000  # 0.3 to 2.3 ms, the least often enough
        clock.feed(true_us * (10**6 + drift_ppm) // 10**6, 1, true_us + delay_us)
    assert clock.drift_ppm == pytest.approx(-drift_ppm, abs=30)
    # The end of a permit 60 s ahead lands within a few ms, and the truth of it is known here.
    end_us = 400 * PERIOD_US + 60_000_000
    device_us = clock.to_device_us(end_us)
    assert device_us is not None
    assert device_us == pytest.approx(end_us * (1 + drift_ppm * 1e-6), abs=3_000)


@pytest.mark.parametrize("times", [2, 10, 1000])
def test_a_clock_that_runs_ahead_for_a_while_is_followed_without_mapping_into_the_future(times: int) -> None:
    clock = ClockMap()
    device_us, host_us = 0, 10**9
    for step in range(600):
        fast = 100 <= step < 300
        host_us += PERIOD_US
        device_us += PERIOD_US * (times if fast else 1)
        delay_us = 137 * step % 1500
        clock.feed(device_us, 1, host_us + delay_us)
        assert reached(clock, device_us, host_us + delay_us)
        if step > 300 or fast:
            assert not reached(clock, device_us, host_us - 1_500 - 5_000 - 1)
    assert abs(clock.drift_ppm) <= 500
    ends = clock.to_device_us(host_us + 1_000_000)
    assert ends is not None
    assert abs(ends - (device_us + 1_000_000)) <= 5_000


def test_a_clock_that_stood_still_is_noticed_after_eight_stamps() -> None:
    clock = ClockMap()
    for number in range(1, 100):
        clock.feed(number * PERIOD_US, 1, number * PERIOD_US)
    stood_us = 3_000_000
    for number in range(100, 100 + STEP_SAMPLES):
        clock.feed(number * PERIOD_US, 1, number * PERIOD_US + stood_us)
    device_us = 107 * PERIOD_US
    assert begins(clock, device_us, device_us + stood_us)
    assert clock.to_device_us(device_us + stood_us + 7) == device_us + 7


def test_one_late_stamp_moves_nothing_and_an_overtaken_one_is_ignored() -> None:
    clock = ClockMap()
    for number in range(1, 50):
        clock.feed(number * PERIOD_US, 1, number * PERIOD_US + 100)
    clock.feed(50 * PERIOD_US, 1, 50 * PERIOD_US + 900_000)
    assert begins(clock, 50 * PERIOD_US, 50 * PERIOD_US + 100)
    clock.feed(3, 1, 51 * PERIOD_US)
    assert begins(clock, 50 * PERIOD_US, 50 * PERIOD_US + 100)
    assert clock.error_us is not None
    assert clock.error_us >= 0
