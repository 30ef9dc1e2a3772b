"""The clock mapping against simulated clocks whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.clock_map import STEP_SAMPLES, WINDOW_US, ClockMap

PERIOD_US = 50_000
delays = st.lists(st.integers(0, 20_000), min_size=20, max_size=300)


def test_nothing_is_mapped_before_anything_was_heard_or_across_a_restart() -> None:
    clock = ClockMap()
    assert clock.to_host_us(5, 1) is None
    assert clock.to_device_us(5) is None
    assert clock.error_us is None
    clock.feed(1_000, 1, 50_000)
    assert clock.to_host_us(1_000, 1) == 50_000
    assert clock.to_host_us(1_000, 2) is None
    assert clock.to_device_us(50_000) == 1_000
    assert clock.to_device_us(48_999) is None  # before the device started
    clock.feed(10, 2, 60_000)  # it restarted: the old clock is forgotten
    assert clock.to_host_us(1_000, 1) is None
    assert clock.to_host_us(10, 2) == 60_000
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
    host_us = clock.to_host_us(device_us, 1)
    assert host_us is not None
    window = [d for (at, h), d in zip(heard, late, strict=True) if h >= heard[-1][1] - WINDOW_US]
    truth_us = boot_us + device_us
    # Jitter of 20 ms over half a window passes for drift, but never lifts the map above a sample.
    assert host_us <= truth_us + late[-1]
    assert truth_us + min(window) - host_us <= 20_000 + WINDOW_US * 500 // 10**6


@given(delays, st.integers(-200, 200), st.integers(0, 10**10))
def test_no_past_instant_is_mapped_into_the_future_and_the_map_never_runs_backwards(
    late: list[int], drift_ppm: int, boot_us: int
) -> None:
    clock = ClockMap()
    instants = []
    for number, delay_us in enumerate(late, start=1):
        true_us = boot_us + number * PERIOD_US
        device_us = (true_us - boot_us) * (10**6 + drift_ppm) // 10**6
        clock.feed(device_us, 1, true_us + delay_us)
        instants.append(device_us)
        mapped = [clock.to_host_us(instant, 1) or 0 for instant in instants]
        assert mapped == sorted(mapped)
        assert mapped[-1] <= true_us + delay_us


@given(delays, st.integers(-200, 200), st.integers(-(10**6), 10**8))
def test_there_and_back_is_exact_and_never_later(late: list[int], drift_ppm: int, ahead_us: int) -> None:
    clock = ClockMap()
    host_us = 0
    for number, delay_us in enumerate(late, start=100):
        host_us = number * PERIOD_US + delay_us
        clock.feed(number * PERIOD_US * (10**6 + drift_ppm) // 10**6, 1, host_us)
    wanted_us = host_us + ahead_us
    device_us = clock.to_device_us(wanted_us)
    assert device_us is not None
    there_us, next_us = clock.to_host_us(device_us, 1), clock.to_host_us(device_us + 1, 1)
    assert there_us is not None
    assert next_us is not None
    assert there_us <= wanted_us < next_us


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
        mapped = clock.to_host_us(device_us, 1)
        assert mapped is not None
        assert mapped <= host_us + delay_us
        if step > 300 or fast:
            assert abs(host_us - mapped) <= 1_500 + 5_000
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
    assert clock.to_host_us(device_us, 1) == device_us + stood_us
    assert clock.to_device_us(device_us + stood_us + 7) == device_us + 7


def test_one_late_stamp_moves_nothing_and_an_overtaken_one_is_ignored() -> None:
    clock = ClockMap()
    for number in range(1, 50):
        clock.feed(number * PERIOD_US, 1, number * PERIOD_US + 100)
    clock.feed(50 * PERIOD_US, 1, 50 * PERIOD_US + 900_000)
    assert clock.to_host_us(50 * PERIOD_US, 1) == 50 * PERIOD_US + 100
    clock.feed(3, 1, 51 * PERIOD_US)
    assert clock.to_host_us(50 * PERIOD_US, 1) == 50 * PERIOD_US + 100
    assert clock.error_us is not None
    assert clock.error_us >= 0
