"""Limits, trains, classes: the tables row by row, and what must hold whatever is asked."""

import math
from fractions import Fraction

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from safety.exposure import Answer, ExposureError, Inquiry, Rules, assess
from safety.exposure_class import CLASSES, classes
from safety.exposure_limits import Edition, Kind, Limit, eye_limits, factor, skin_limit, t_i_s
from safety.exposure_plain import plain
from safety.exposure_train import Heat, Rule, Train, peak_power_w, pulses_beginning, share
from safety.hazard_distance import BeamAt

NEW, OLD = Edition.NEW, Edition.OLD
A7 = math.pi * 3.5e-3**2
MODES = st.sampled_from(
    [400, 450, 532, 599.9, 600, 650, 699, 700, 755, 800, 905, 1049, 1050, 1064, 1150, 1300]
)
WAVELENGTHS = st.one_of(MODES, st.floats(400, 1400))
PULSES = st.floats(-13, 1).map(lambda power: 10.0**power)
EDITIONS = st.sampled_from(Edition)
INF, NAN = math.inf, math.nan


def thermal(wavelength_nm: float, edition: Edition) -> Limit:
    return eye_limits(wavelength_nm, edition)[0]


# -- the tables, said again

CA = {
    532: 1.0,
    700: 1.0,
    700.5: 10**0.001,
    755: 10**0.11,
    905: 10**0.41,
    1049: 10**0.698,
    1050: 5.0,
    1050.5: 5.0,
    1064: 5.0,
    1175: 5.0,
    1300: 5.0,
}
CC = {
    532: 1.0,
    700: 1.0,
    700.5: 1.0,
    755: 1.0,
    905: 1.0,
    1049: 1.0,
    1050: 1.0,
    1050.5: 1.0,
    1064: 1.0,
    1175: 10**0.45,
    1300: 108.0,
}


def new_eye(nm: float, t: float) -> float:
    rows: list[tuple[float, float]]
    if nm < 1050:
        rows = [
            (1e-11, 1e-3),
            (5e-6, 2e-3 * CA[nm]),
            (10, 18 * CA[nm] * math.pow(t, 0.75)),
            (INF, 10 * CA[nm] * t),
        ]
    else:
        rows = [(1e-11, 1e-3), (13e-6, 2e-2), (10, 90 * math.pow(t, 0.75)), (INF, 50 * t)]
        rows = [(end, value * CC[nm]) for end, value in rows]
    return next(value for end, value in rows if t < end)


def old_eye(nm: float, t: float) -> float:
    times, end = (CA[nm], 18e-6) if nm < 1050 else (10 * min(CC[nm], 8.0), 50e-6)
    rows: list[tuple[float, float]] = [
        (1e-11, 1.5e-4 * times),
        (1e-9, 2.7e4 * math.pow(t, 0.75) * times),
        (end, 5e-3 * times),
    ]
    if nm < 1050:
        rows += [(10, 18 * CA[nm] * math.pow(t, 0.75)), (INF, 10 * CA[nm] * t)]
    else:
        rows += [(10, 90 * min(CC[nm], 8.0) * math.pow(t, 0.75)), (INF, 50 * min(CC[nm], 8.0) * t)]
    return next(value for end, value in rows if t < end)


def skin(nm: float, t: float) -> float:
    rows = [(1e-9, 2e11 * t), (1e-7, 200.0), (10, 1.1e4 * math.pow(t, 0.25)), (INF, 2e3 * t)]
    return CA[nm] * next(value for end, value in rows if t < end)


TIMES = [
    *(
        1e-13,
        5e-13,
        9.99e-12,
        1e-11,
        5.5e-10,
        7.5e-10,
        9.99e-10,
        1e-9,
        1e-8,
        9.9e-8,
        1e-7,
        1e-6,
        4.9e-6,
        5e-6,
    ),
    *(1.2e-5, 1.3e-5, 1.79e-5, 1.8e-5, 4.9e-5, 5e-5, 1e-3, 0.25, 1.0, 9.99, 10.0, 100.0, 3e4),
    1.005e-9,  # within a hundredth of a joint
]


@pytest.mark.parametrize("nm", CA)
@pytest.mark.parametrize("t", TIMES)
def test_each_row_of_each_table_is_as_published(nm: float, t: float) -> None:
    assert thermal(nm, NEW).radiant_exposure_j_m2(t) == pytest.approx(new_eye(nm, t), rel=1e-12)
    assert thermal(nm, OLD).radiant_exposure_j_m2(t) == pytest.approx(old_eye(nm, t), rel=1e-12)
    for edition in Edition:
        assert skin_limit(nm, edition).radiant_exposure_j_m2(t) == pytest.approx(skin(nm, t), rel=1e-12)


@pytest.mark.parametrize(("nm", "c_b"), [(400, 1), (450, 1), (480, 10**0.6), (500, 10), (599, 10**2.98)])
@pytest.mark.parametrize("edition", Edition)
def test_blue_light_is_a_dose_until_100_s_and_then_a_rate(nm: float, c_b: float, edition: Edition) -> None:
    limit = eye_limits(nm, edition)[1]
    assert limit.kind is Kind.PHOTOCHEMICAL
    for t, dose in ((10, 100), (50, 100), (99.9, 100), (100, 100), (100.5, 100.5), (3e4, 3e4)):
        assert limit.radiant_exposure_j_m2(t) == pytest.approx(dose * c_b, rel=1e-12)
    assert limit.aperture_m(100) == 7e-3


def test_which_limits_hold_where() -> None:
    kinds = {
        nm: [limit.kind.name for limit in eye_limits(nm, NEW)] for nm in (400, 599.9, 600, 1149.9, 1150, 1400)
    }
    assert kinds == {
        400: ["THERMAL", "PHOTOCHEMICAL"],
        599.9: ["THERMAL", "PHOTOCHEMICAL"],
        600: ["THERMAL"],
        1149.9: ["THERMAL"],
        1150: ["THERMAL", "ANTERIOR"],
        1400: ["THERMAL", "ANTERIOR"],
    }


@pytest.mark.parametrize(
    ("t", "mm"), [(1e-9, 1.0), (0.33, 1.0), (1.0, 1.5), (5.0, 2.743), (9.6, 3.5), (100.0, 3.5)]
)
def test_the_front_of_the_eye_has_the_skins_row_and_an_aperture_that_grows(t: float, mm: float) -> None:
    limit = eye_limits(1350, NEW)[1]
    assert limit.radiant_exposure_j_m2(t) == skin_limit(1350, NEW).radiant_exposure_j_m2(t)
    assert limit.aperture_m(t) * 1e3 == pytest.approx(mm, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "nm", "edition", "value"),
    [
        ("A", 400, NEW, 1), ("A", 700, NEW, 1), ("A", 900, OLD, 10**0.4), ("A", 1050, NEW, 5),
        ("A", 1400, OLD, 5),
        ("C", 1149.9, NEW, 1), ("C", 1150, NEW, 1), ("C", 1199, NEW, 10**0.882), ("C", 1200, NEW, 8.01),
        ("C", 1250, NEW, 9), ("C", 1400, NEW, 8 + 10**6), ("C", 1200, OLD, 8), ("C", 1400, OLD, 8),
    ],
)  # fmt: skip
def test_correction_factors(name: str, nm: float, edition: Edition, value: float) -> None:
    assert factor(name, nm, edition) == pytest.approx(value, rel=1e-9)


@any_of(WAVELENGTHS, EDITIONS, st.data())
def test_limits_meet_at_the_joints_of_their_rows(nm: float, edition: Edition, data: st.DataObject) -> None:
    for limit in (*eye_limits(nm, edition), skin_limit(nm, edition)):
        joint_s = data.draw(st.sampled_from([row.start_s for row in limit.rows[1:]]))
        if (joint_s, edition, limit.kind) == (1e-11, NEW, Kind.THERMAL):
            continue  # a factor of 2 C_A or 20 there, as published
        before = limit.radiant_exposure_j_m2(math.nextafter(joint_s, 0))
        # The tables round their joints; the largest steps are 90 (50 us)^0.75 = 5.35e-2 against 5e-2 of the
        # old table, and 18 (5 us)^0.75 = 1.90e-3 against 2e-3 of the new one.
        assert limit.radiant_exposure_j_m2(joint_s) == pytest.approx(before, rel=0.071)


@any_of(WAVELENGTHS, EDITIONS, PULSES, st.floats(1, 100))
def test_a_longer_exposure_may_bring_more(nm: float, edition: Edition, t: float, longer: float) -> None:
    for limit in (*eye_limits(nm, edition), skin_limit(nm, edition)):
        assert limit.radiant_exposure_j_m2(t * longer) >= limit.radiant_exposure_j_m2(t) * 0.94  # the joints


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


# -- questions

BOUNDS = [
    ("wavelength_nm", 400.0, 1400.0), ("pulse_s", 1e-13, 3e4), ("rate_hz", 1e-6, 1e12),
    ("duration_s", 1e-13, 3e4),
    ("energy_j", 1e-15, 1e6), ("beam_mm", 1e-3, 1e5), ("divergence_mrad", 1e-6, 3141.0),
]  # fmt: skip
GOOD = {"wavelength_nm": 755.0, "pulse_s": 1e-13}


@pytest.mark.parametrize(("field", "least", "most"), BOUNDS)
def test_a_value_at_its_bound_is_answered_and_one_just_outside_refused(
    field: str, least: float, most: float
) -> None:
    for inside in (least, most):
        Inquiry(**GOOD | {field: inside})  # type: ignore[arg-type]  # one dict for all fields
    for value in (math.nextafter(least, -INF), math.nextafter(most, INF), INF, -INF, NAN, -1.0, "1", True):
        with pytest.raises(ExposureError) as error:
            Inquiry(**GOOD | {field: value})  # type: ignore[arg-type]  # what no type allows is tried here
        assert [problem.field for problem in error.value.problems] == [field]
        assert f"{most:g}" in str(error.value)
        assert repr(value) in str(error.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ExposureError) as error:
        Inquiry(399.0, 0.2, 10.0, 0.1, -1.0, NAN, 0.0)
    assert [problem.field for problem in error.value.problems] == [
        "wavelength_nm", "energy_j", "beam_mm", "divergence_mrad", "rate_hz", "duration_s",
    ]  # fmt: skip
    assert "rate_hz = 10.0 is not allowed: give at most 5 Hz for pulses of 0.2 s" in str(error.value)
    assert "duration_s = 0.1 is not allowed: give at least the 0.2 s of one pulse" in str(error.value)


def test_what_is_needed_and_not_given_is_missing() -> None:
    with pytest.raises(
        ExposureError, match="wavelength_nm is missing: give 400 to 1400 nm; pulse_s is missing"
    ):
        Inquiry(None, None)  # type: ignore[arg-type]  # what a command line may leave out


def test_light_without_a_pause_is_a_train_too() -> None:
    assert Inquiry(755, 0.1, 10, 10).train.pulses == 100


def test_a_train_without_a_duration_is_seen_for_ten_seconds_or_one_pulse() -> None:
    assert Inquiry(755, 1e-9, 10).train == Train(1e-9, 10, 10)
    assert Inquiry(755, 20, 0.01).train == Train(20, 0.01, 20)
    assert Inquiry(755, 1e-9, None, 10).train == Inquiry(755, 1e-9, 0.0, 10).train == Train(1e-9, 0, 1e-9)


ENERGY = {"ael_class", "ael_class_edition", "od", "peak_power_w", "safe_beam_mm", "energy_j"}
BEAM = {"lb", "lb_by_mode", "lb_if_gaussian", "od_at_beam"}
DISTANCE = {"nohd_m", "nohd_averaged_m", "nohd_waist_m"}


def test_what_is_left_out_leaves_out_only_what_needs_it() -> None:
    everything = set(plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6, 5))))
    assert everything >= ENERGY | BEAM | DISTANCE | {
        "eye_mpe_j_m2",
        "skin_mpe_j_m2",
        "c_a",
        "c_c",
        "c_p",
        "ael_j",
    }
    without_rate = set(plain(assess(Inquiry(755, 5.5e-10, None, 10, 0.2, 6, 5))))
    assert everything - without_rate == {"rate_hz", "c_p"}
    without_energy = set(plain(assess(Inquiry(755, 5.5e-10, 10, 10, None, 6, 5))))
    assert everything - without_energy == ENERGY | BEAM | DISTANCE
    without_beam = set(plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, None, 5))))
    assert everything - without_beam == BEAM | DISTANCE | {"beam_mm"}
    without_divergence = set(plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6, None))))
    assert everything - without_divergence == DISTANCE | {"divergence_mrad"}
    assert set(plain(assess(Inquiry(500, 1e-6, 10, 10, 0.2, 6, 5)))) - everything == {"c_b", "rb"}
    told = plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6, 5, BeamAt.ONE_OVER_E)))
    assert everything ^ set(told) == {"beam_at", "lb_if_gaussian"}


def test_the_projects_own_beam() -> None:
    told = plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6, 5, rules=Rules.NEW)))
    c_a = 10**0.11
    assert told["eye_mpe_j_m2"] == pytest.approx(2e-3 * c_a)
    assert told["skin_mpe_j_m2"] == pytest.approx(2e11 * c_a * 5.5e-10)
    assert (told["c_a"], told["c_c"], told["c_p"], told["pulses"]) == (pytest.approx(c_a), 1, 1, 100)
    assert (told["ael_class"], told["lb"]) == ("4", "LB9")
    assert told["od"] == pytest.approx(6.30471, abs=5e-6)
    safe_m = math.sqrt(4 * 0.2 / (math.pi * 2e-3 * c_a))
    assert told["nohd_m"] == pytest.approx((safe_m - 6e-3 / math.sqrt(2)) / (5e-3 / math.sqrt(2)))
    older = plain(assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6, 5)))
    assert older["eye_mpe_j_m2"] == pytest.approx(2.7e4 * c_a * 5.5e-10**0.75 * 100**-0.25)
    assert older["eye"]["edition"] == "2007"
    assert older["eye"]["rule"] == 3
    assert older["od"] == pytest.approx(6.62, abs=5e-3)
    bound = assess(Inquiry(755, 5.5e-10, 10, 10)).eye
    assert bound.why.startswith("rule 3: C_P on each pulse; retina, heat; 2006/25/EC Table 2.2")


def test_the_front_of_the_eye_caps_the_retina_where_little_light_reaches_it() -> None:
    answer = assess(Inquiry(1350, 1e-8, energy_j=1e-3, rules=Rules.NEW))
    assert answer.eye.limit.kind is Kind.THERMAL  # 200 J/m2 on the retina, 1,000 on the front
    assert answer.hazard
    assert answer.eye_energy_j == pytest.approx(1000 * math.pi * 0.5e-3**2)  # but the front through 1 mm
    assert answer.hazard.od == pytest.approx(math.log10(1e-3 / (1000 * math.pi * 0.5e-3**2)))
    assert assess(Inquiry(1390, 1, rules=Rules.NEW)).eye.limit.kind is Kind.ANTERIOR
    train = assess(Inquiry(1390, 1e-3, 100, 100, energy_j=1.0, beam_mm=1.0, rules=Rules.NEW))
    assert train.hazard
    assert train.eye.share.rule is Rule.GROUP


@pytest.mark.parametrize(("shape", "watts"), [("rectangular", 1e4), ("gaussian", 9394.4), ("sech2", 8813.7)])
def test_peak_power_of_a_pulse_shape(shape: str, watts: float) -> None:
    assert peak_power_w(125e-9, 12.5e-12, shape) == pytest.approx(watts, rel=1e-5)


@pytest.mark.parametrize(("energy_j", "name", "edition"), [(4e-8, "1", "2014"), (7e-8, "3R", "2007")])
def test_the_class_is_the_higher_of_both_editions(energy_j: float, name: str, edition: str) -> None:
    told = plain(assess(Inquiry(755, 5.5e-10, 10, energy_j=energy_j)))
    assert (told["ael_class"], told["ael_class_edition"]) == (name, edition)


def test_the_density_of_the_beam_is_for_its_part_that_passes_the_pupil() -> None:
    told = plain(assess(Inquiry(755, 5.5e-10, 10, energy_j=0.2, beam_mm=6)))
    part = 1 - math.exp(-2 * 49 / 36)
    assert told["od_at_beam"] == pytest.approx(told["od"] + math.log10(part))
    assert set(plain(assess(Inquiry(755, 5.5e-10, energy_j=0.2, beam_mm=6)))["lb_by_mode"]) == {"M"}
