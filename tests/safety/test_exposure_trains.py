"""Trains of pulses, and the class of a laser."""

import math
from fractions import Fraction

import pytest
from hypothesis import example
from hypothesis import given as any_of
from hypothesis import strategies as st

from safety.exposure import Answer, Inquiry, Rules, assess
from safety.exposure_class import CLASSES, classes
from safety.exposure_limits import Edition, eye_limits, skin_limit, t_i_s
from safety.exposure_train import Heat, Rule, Train, pulses_beginning, share
from tests.safety.exposures import A7, EDITIONS, NEW, OLD, PULSES, WAVELENGTHS

# -- trains


@pytest.mark.parametrize(
    ("rate_hz", "duration_s", "count"),
    [
        (1e3, 10, 10_000), (1e3, 10 + 1e-8, 10_001), (10, 10, 100), (10, 10.05, 101), (0.1, 30, 3),
        (2.5, 10, 25),
        (0, 10, 1), (1e-3, 10, 1), (80e6, 0.25, 20_000_000), (0.3, 10, 3), (1, 0.5, 1), (7, 1 / 7, 1),
    ],
)  # fmt: skip
def test_pulses_that_begin_within_the_exposure_count(rate_hz: float, duration_s: float, count: int) -> None:
    assert pulses_beginning(rate_hz, duration_s) == count


@any_of(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_last_pulse_counted_begins_before_the_end_and_the_next_does_not(
    rate_mhz: int, time_ms: int
) -> None:
    count = pulses_beginning(rate_mhz / 1e3, time_ms / 1e3)
    rate_hz, duration_s = Fraction(rate_mhz, 1000), Fraction(time_ms, 1000)
    assert (count - 1) / rate_hz < duration_s <= count / rate_hz


@pytest.mark.parametrize(
    ("edition", "n", "pulse_s", "t", "c_p"),
    [
        (NEW, 10_000, 1e-8, 0.25, 1), (NEW, 600, 1e-8, 10, 1), (NEW, 601, 1e-8, 10, 1),
        (NEW, 626, 1e-8, 10, 0.9996),
        (NEW, 10_000, 1e-8, 0.2501, 0.5), (NEW, 10**6, 1e-8, 10, 0.158114), (NEW, 10_000, 13e-6, 10, 0.5),
        (NEW, 10_000, 14e-6, 10, 1), (OLD, 100, 1e-8, 0.1, 0.316228), (OLD, 10_000, 1e-2, 10, 0.1),
        (OLD, 1, 1, 1, 1),
    ],
)  # fmt: skip
def test_c_p_of_a_point_source(edition: Edition, n: int, pulse_s: float, t: float, c_p: float) -> None:
    assert Heat(edition, 13e-6).c_p(n, pulse_s, t) == pytest.approx(c_p, abs=5e-5)


def test_iec_lets_the_class_factor_fall_no_lower_than_its_floor() -> None:
    assert Heat(NEW, 5e-6, 0.4).c_p(10**6, 1e-8, 100) == 0.4


@pytest.mark.parametrize(
    ("nm", "new", "old"), [(400, 5e-6, 18e-6), (1049, 5e-6, 18e-6), (1050, 13e-6, 50e-6)]
)
def test_the_time_within_which_pulses_count_as_one(nm: float, new: float, old: float) -> None:
    assert (t_i_s(nm, NEW), t_i_s(nm, OLD)) == (new, old)


@any_of(
    st.sampled_from([450, 532, 755, 1064, 1310, 1390]),
    EDITIONS,
    st.sampled_from([1e-12, 5.5e-10, 1e-8, 1e-6, 1e-4, 1e-2]),
    st.integers(2, 1500),
    st.floats(-5, 3),
)
@example(1310, NEW, 1e-9, 1500, -3.0)  # where the aperture begins to grow, for the front of the eye
def test_the_strictest_group_is_found_as_by_trying_every_one(
    nm: float, edition: Edition, pulse_s: float, pulses: int, decade: float
) -> None:
    rate_hz = min(10.0**-decade, 0.5 / pulse_s)
    train = Train(pulse_s, rate_hz, min((pulses - 0.5) / rate_hz, 3e4))
    if train.pulses < 2:
        return
    for limit in (*eye_limits(nm, edition), skin_limit(nm, edition)):
        for most in (limit.radiant_exposure_j_m2, limit.energy_j):
            tried = min(most(pulse_s + (n - 1) / rate_hz) / n for n in range(2, train.pulses + 1))
            assert share(limit, most, train).by_rule[Rule.GROUP] == pytest.approx(tried, rel=1e-12)


def test_pulses_of_a_mode_locked_laser_are_bound_by_their_mean() -> None:
    answer = assess(Inquiry(800, 1e-13, 80e6, 0.25, rules=Rules.NEW))
    mean = 18 * 10**0.2 * (0.25 - 1 / 80e6 + 1e-13) ** 0.75 / 2e7
    assert answer.eye.share.value == pytest.approx(mean, rel=1e-9)
    assert answer.eye.share.rule is Rule.GROUP
    # 400 of them fall within T_i and count as one of 5 us.
    together = 18 * 10**0.2 * 5e-6**0.75 / 400
    assert answer.eye.share.by_rule[Rule.TRAIN] == pytest.approx(together, rel=1e-9)


def test_pulses_within_t_i_are_judged_singly_too() -> None:
    # Pairs on the limit of 5 us would be allowed 0.216 mJ/m2, single pulses of 100 fs only 0.120.
    answer = assess(Inquiry(800, 1e-13, 3e5, 10, rules=Rules.NEW))
    assert answer.eye.share.by_rule[Rule.TRAIN] == pytest.approx(5 * 3e6**-0.25 * 1e-3, rel=1e-9)
    assert answer.c_p == pytest.approx(5 * 3e6**-0.25, rel=1e-9)


def test_two_pulses_within_t_i_count_as_one() -> None:
    answer = assess(Inquiry(755, 1e-9, 3e5, 10, rules=Rules.NEW))
    c_p = 5 * 1.5e6**-0.25  # of the pairs
    pair = c_p * 18 * 10**0.11 * math.pow(5e-6, 0.75) / 2
    assert answer.eye.share.by_rule[Rule.TRAIN] == pytest.approx(pair, rel=1e-9)
    assert answer.c_p == pytest.approx(c_p)


def test_one_pulse_is_a_group_of_one() -> None:
    share_of_one = assess(Inquiry(755, 1e-9)).eye.share
    assert (share_of_one.group_pulses, share_of_one.rule) == (1, Rule.SINGLE)
    assert assess(Inquiry(800, 1e-13, 80e6, 0.25, rules=Rules.NEW)).eye.share.group_pulses == 20_000_000


def test_pulses_after_ten_seconds_do_not_count_for_c_p_but_for_the_mean() -> None:
    short, long = (assess(Inquiry(1064, 1e-8, 1e3, t, rules=Rules.NEW)) for t in (10, 100))
    assert short.c_p == long.c_p == pytest.approx(0.5)
    assert long.eye.share.by_rule[Rule.GROUP] == pytest.approx(50 * (10 + 1e-8) / 10_001, rel=1e-9)


def test_the_skin_knows_no_c_p() -> None:
    answer = assess(Inquiry(755, 5.5e-10, 10, 10, rules=Rules.OLD))
    assert answer.skin.share.c_p is None
    assert set(answer.skin.share.by_rule) == {Rule.SINGLE, Rule.GROUP}
    assert answer.skin.share.value == pytest.approx(2e11 * 10**0.11 * 5.5e-10, rel=1e-12)


@any_of(WAVELENGTHS, PULSES, st.floats(0, 6), st.floats(-3, 4), st.floats(1, 10), st.sampled_from(Rules))
def test_a_longer_train_leaves_no_more_to_each_pulse(  # noqa: PLR0917  # one for each thing drawn
    nm: float, pulse_s: float, decade: float, length: float, longer: float, rules: Rules
) -> None:
    rate_hz = min(10.0**decade, 1 / pulse_s)
    duration_s = max(10.0**length, pulse_s)
    end_s = min(duration_s * longer, 3e4)
    times = (duration_s, max(end_s, duration_s))
    short, long = (assess(Inquiry(nm, pulse_s, rate_hz, t, rules=rules)) for t in times)
    assert long.eye.share.value <= short.eye.share.value * (1 + 1e-9)
    assert long.skin.share.value <= short.skin.share.value * (1 + 1e-9)
    assert long.eye_energy_j <= short.eye_energy_j * (1 + 1e-9)


@any_of(WAVELENGTHS, PULSES, st.floats(0, 7), st.floats(-9, 1))
def test_the_stricter_of_both_is_as_strict_as_each(
    nm: float, pulse_s: float, decade: float, energy: float
) -> None:
    rate_hz = min(10.0**decade, 1 / pulse_s)

    def ask(rules: Rules) -> Answer:
        return assess(Inquiry(nm, pulse_s, rate_hz, None, 10.0**energy, 6, 5, rules=rules))

    both, *each = (ask(rules) for rules in (Rules.STRICTER, Rules.NEW, Rules.OLD))
    assert both.hazard
    assert both.distance
    assert both.eye.share.value == min(one.eye.share.value for one in each)
    assert both.skin.share.value == min(one.skin.share.value for one in each)
    assert both.eye_energy_j == min(one.eye_energy_j for one in each)
    for one in each:
        assert one.hazard
        assert one.distance
        assert both.hazard.od >= one.hazard.od
        assert both.distance.nohd_m >= one.distance.nohd_m
        assert both.distance.nohd_averaged_m >= one.distance.nohd_averaged_m
        assert CLASSES.index(both.hazard.laser_class) >= CLASSES.index(one.hazard.laser_class)
    assert both.eye.limit.edition in Edition
    assert both.hazard.od == max(one.hazard.od for one in each if one.hazard)


# -- classes


def cw(nm: float, power_w: float, edition: Edition = NEW) -> str:
    """Class of continuous light: one emission as long as the longest time base."""
    return classes(nm, 100, 0, edition).of(power_w * 100)


@pytest.mark.parametrize(
    ("nm", "power_w", "name"),
    [
        (532, 0.3e-3, "1"), (532, 0.384e-3, "1"), (532, 0.386e-3, "2"), (532, 1e-3, "2"),
        (532, 1.001e-3, "3R"),
        (532, 5e-3, "3R"), (532, 5.01e-3, "3B"), (532, 0.5, "3B"), (532, 0.501, "4"),
        (633, 0.384e-3, "1"), (633, 0.386e-3, "2"), (450, 3.8e-5, "1"), (450, 3.9e-5, "2"),
        (905, 0.98e-3, "1"), (905, 1.0e-3, "3R"), (905, 4.9e-3, "3R"), (905, 5.0e-3, "3B"), (905, 0.51, "4"),
        (1064, 1.92e-3, "1"), (1064, 1.93e-3, "3R"), (1064, 9.6e-3, "3R"), (1064, 9.7e-3, "3B"),
        (1064, 0.6, "4"),
        (1300, 0.2, "1"), (1300, 0.21, "3R"), (1350, 0.499, "1"), (1350, 0.501, "4"),
    ],
)  # fmt: skip
def test_continuous_beams_fall_into_their_published_classes(nm: float, power_w: float, name: str) -> None:
    assert cw(nm, power_w) == name


@pytest.mark.parametrize(
    ("nm", "pulse_s", "name", "energy_j"),
    [
        (532, 1e-8, "1", 2e-3 * A7), (532, 1e-8, "2", 2e-3 * A7), (532, 1e-8, "3R", 1e-2 * A7),
        (532, 1e-8, "3B", 0.03),
        (905, 1e-7, "3B", 0.03 * 10**0.41), (905, 0.1, "3B", 0.03 * 10**0.41), (905, 0.2, "3B", 0.1),
        (1064, 1e-3, "3B", 0.15), (1064, 0.24, "3B", 0.15), (1064, 0.25, "3B", 0.125),
        (532, 0.059, "3B", 0.03),
        (532, 0.07, "3B", 0.035), (755, 5.5e-10, "3B", 3e7 * 10**0.11 * 5.5e-10), (1064, 5e-10, "3B", 0.075),
        (532, 1.005e-9, "3B", 0.03), (532, 0.0603, "3B", 0.03015),
        (532, 0.3, "2", 0.3e-3), (532, 0.3, "3R", 1.5e-3), (532, 200, "1", 10 * A7 * 200),
        (1064, 200, "3R", 50 * A7 * 1e3),
    ],
)  # fmt: skip
def test_the_energy_of_one_pulse_that_a_class_allows(
    nm: float, pulse_s: float, name: str, energy_j: float
) -> None:
    for edition in Edition:
        if (edition, pulse_s < 1e-6, name == "3B") != (OLD, True, False):
            assert classes(nm, pulse_s, 0, edition).energy_j[name] == pytest.approx(energy_j, rel=1e-9)


def test_there_is_no_class_2_where_nothing_is_seen() -> None:
    assert list(classes(699.9, 1e-8, 0, NEW).energy_j) == ["1", "2", "3R", "3B"]
    assert list(classes(700, 1e-8, 0, NEW).energy_j) == ["1", "3R", "3B"]


def test_a_train_of_a_class_is_judged_over_its_time_base() -> None:
    new, old = (classes(532, 1e-8, 1e3, edition).energy_j for edition in Edition)
    assert new["1"] == pytest.approx(0.5 * 2e-3 * A7)  # C5 of the pulses of 10 s
    assert new["2"] == new["3R"] / 5 == pytest.approx(2e-3 * A7)  # none within 0.25 s
    assert old["1"] == pytest.approx(5e-3 * 1e4**-0.25 * A7)
    assert old["2"] == pytest.approx(5e-3 * 250**-0.25 * A7)
    assert new["3B"] == pytest.approx(0.5 * 0.06 / 61)  # the 61 pulses of 60 ms


def test_a_pulse_after_the_time_base_of_100_s_does_not_count() -> None:
    for edition in Edition:
        once = classes(450, 30, 1 / 101, edition).energy_j["1"]
        assert once == pytest.approx(100 * A7)  # blue light as the dose of one pulse
        assert classes(450, 30, 1 / 99, edition).energy_j["1"] == pytest.approx(129 / 2 * A7)


def test_c5_of_a_class_has_the_floor_that_c_p_of_an_exposure_has_not() -> None:
    assert classes(1300, 1e-8, 3e3, NEW).energy_j["1"] == pytest.approx(0.4 * 2e-2 * 108 * A7)
    answer = assess(Inquiry(1300, 1e-8, 3e3, 10, rules=Rules.NEW))
    assert answer.eye.share.value == pytest.approx(5 * 3e4**-0.25 * 2e-2 * 108)


@any_of(WAVELENGTHS, PULSES, st.floats(0, 7), EDITIONS)
def test_each_class_allows_as_much_as_the_one_below(
    nm: float, pulse_s: float, decade: float, edition: Edition
) -> None:
    for rate_hz in (0.0, min(10**decade, 1 / pulse_s)):
        most = list(classes(nm, pulse_s, rate_hz, edition).energy_j.values())
        assert most == sorted(most)
