"""What is counted for the metrics: each pulse once, by what became of it."""

import itertools
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.meter import DELIVERED, OUTCOMES, Histogram, Meter, outcome_of
from controller.recorder import record_of
from protocols.messages import PulseFlag
from tests.controller.stored import now
from tests.safety.laser import REPORT

MEASURED = {"set_energy_uj": 100_000, "monitor_a_uj": 101_000, "monitor_b_uj": 98_000, "pulse_width_ps": 740}


def told(*flags: PulseFlag, **changes: Any) -> dict[str, Any]:
    """A pulse as the fan-out tells it."""
    report = replace(REPORT, flags=frozenset(flags), **(MEASURED | changes))
    record = record_of("PL-1", report, None, now(), 1)
    return asdict(record) | {"flags": sorted(record.flags)}


def metered(*pulses: dict[str, Any]) -> Meter:
    meter = Meter()
    for pulse in pulses:
        meter.pulse(pulse)
    return meter


def test_every_set_of_flags_has_one_outcome_and_it_agrees_with_the_record() -> None:
    """The record's own words are the oracle: through the aperture is delivered, unknown is unknown."""
    seen: Counter[str] = Counter()
    for count in range(len(PulseFlag) + 1):
        for flags in itertools.combinations(PulseFlag, count):
            pulse = told(*flags)
            outcome = outcome_of(pulse)
            seen[outcome] += 1
            assert (outcome == "unknown") == pulse["unknown"], flags
            assert (outcome == DELIVERED) == pulse["aperture"], flags
            dark = {PulseFlag.SKIPPED, PulseFlag.MISSING} & set(flags)
            if not pulse["unknown"]:
                assert (outcome in {"skipped", "missing"}) == bool(dark), flags
    assert seen.keys() == set(OUTCOMES)
    assert seen.total() == 2 ** len(PulseFlag)


def test_a_delivered_pulse_is_measured_by_both_monitors_and_against_its_setting() -> None:
    meter = metered(told())
    assert meter.outcomes == {"delivered": 1}
    assert (meter.energy_j["a"].sum, meter.energy_j["b"].sum) == pytest.approx((0.101, 0.098))
    assert (meter.energy_ratio["a"].sum, meter.energy_ratio["b"].sum) == pytest.approx((1.01, 0.98))
    assert meter.width_s.sum == pytest.approx(740e-12)
    assert meter.last is not None
    assert meter.last["set_energy_mj"] == 100.0


def test_light_into_the_closed_shutter_is_not_held_against_the_monitor_behind_it() -> None:
    meter = metered(told(PulseFlag.SHUTTER_CLOSED, monitor_b_uj=0))
    assert (meter.energy_ratio["a"].count, meter.energy_ratio["b"].count) == (1, 0)
    assert meter.last is not None
    assert (meter.last["monitor_a_mj"], meter.last["monitor_b_mj"]) == (101.0, None)


@pytest.mark.parametrize(
    "flag", [PulseFlag.CALIBRATION, PulseFlag.SKIPPED, PulseFlag.MISSING, PulseFlag.UNKNOWN]
)
def test_what_is_no_treatment_light_is_counted_and_not_measured(flag: PulseFlag) -> None:
    meter = metered(told(), told(flag))
    assert meter.outcomes.total() == 2
    assert meter.flags == {flag.name.lower(): 1}
    assert [meter.energy_j[monitor].count for monitor in "ab"] == [1, 1]
    assert meter.width_s.count == 1
    assert meter.last is not None
    assert meter.last["flags"] == []


def test_a_saturated_measurement_is_counted_nowhere() -> None:
    meter = metered(told(monitor_a_uj=5_000_000, pulse_width_ps=2**32 - 1))
    assert meter.outcomes == {"delivered": 1}
    assert [meter.energy_j[monitor].count for monitor in "ab"] == [0, 1]
    assert meter.width_s.count == 0


def test_a_loop_that_is_early_is_not_late() -> None:
    meter = Meter()
    meter.lag(-1e-9)
    meter.lag(0.07)
    assert (meter.lag_s.count, meter.lag_s.sum) == (2, 0.07)


@given(
    st.lists(st.floats(-10, 10), max_size=50),
    st.lists(st.floats(-10, 10), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_a_bucket_holds_what_is_at_most_its_bound(values: list[float], bounds: list[float]) -> None:
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    expected = [(bound, sum(value <= bound for value in values)) for bound in (*bounds, float("inf"))]
    assert list(histogram.cumulative()) == expected
    assert histogram.count == len(values)
    assert histogram.sum == pytest.approx(sum(values))
