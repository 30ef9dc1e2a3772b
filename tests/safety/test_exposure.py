"""Limits: the tables row by row, and what must hold whatever is asked."""

import math

import pytest
from hypothesis import given as any_of
from hypothesis import strategies as st

from safety.exposure import ExposureError, Inquiry, Rules, _bound, assess
from safety.exposure_class import classes
from safety.exposure_limits import Edition, Kind, eye_limits, factor, skin_limit
from safety.exposure_plain import plain
from safety.exposure_train import Rule, Train, peak_power_w, share
from safety.hazard_distance import BeamAt
from tests.safety.exposures import EDITIONS, INF, NAN, NEW, OLD, PULSES, WAVELENGTHS, thermal

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


@pytest.mark.parametrize(
    ("inquiry", "why"),
    [
        (Inquiry(755, 5.5e-10), "rule 1: a single pulse; retina, heat; ICNIRP 2013 Table 5"),
        (
            Inquiry(1390, 1e-3, 100, 100, rules=Rules.NEW),
            "rule 2: the mean of a group; front of the eye; ICNIRP 2013 Table 5",
        ),
        (Inquiry(755, 5.5e-10, 10, 10), "rule 3: C_P on each pulse; retina, heat; 2006/25/EC Table 2.2"),
    ],
    ids=["single", "group", "train"],
)
def test_the_rule_that_binds_is_told_in_words_with_its_source(inquiry: Inquiry, why: str) -> None:
    assert assess(inquiry).eye.why.startswith(why)


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


def test_what_is_outside_is_told_with_what_is_inside_and_its_unit() -> None:
    with pytest.raises(ExposureError) as error:
        Inquiry(1.0, 1e-20, -1.0, 1e9, -1.0, -1.0, -1.0)
    assert {problem.field: problem.allowed for problem in error.value.problems} == {
        "wavelength_nm": "400 to 1400 nm",
        "pulse_s": "1e-13 to 30000 s",
        "rate_hz": "1e-06 to 1e+12 Hz, or 0 for one pulse",
        "duration_s": "1e-13 to 30000 s",
        "energy_j": "1e-15 to 1e+06 J",
        "beam_mm": "0.001 to 100000 mm",
        "divergence_mrad": "1e-06 to 3141 mrad",
    }


@pytest.mark.parametrize(
    ("pulse_s", "binds", "c_p"),
    [(5e-10, Rules.OLD, 100**-0.25), (0.1, Rules.NEW, 1.0)],
    ids=["the older tables bind", "the newer tables bind"],
)
@pytest.mark.parametrize("wavelength_nm", [450.0, 755.0, 1300.0])
def test_the_factors_of_the_stricter_are_those_of_the_edition_that_binds(
    wavelength_nm: float, pulse_s: float, binds: Rules, c_p: float
) -> None:
    if wavelength_nm == 1300.0:  # the older C_C is the smaller one: it binds for every pulse
        binds, c_p = Rules.OLD, 100**-0.25
    stricter, alone = (
        assess(Inquiry(wavelength_nm, pulse_s, 10, 10, rules=one)) for one in (Rules.STRICTER, binds)
    )
    assert stricter.eye == alone.eye
    assert stricter.c_p == alone.c_p == pytest.approx(c_p)
    assert (stricter.c_a, stricter.c_c, stricter.t_i_s) == (alone.c_a, alone.c_c, alone.t_i_s)


def test_a_rate_that_is_refused_is_not_reckoned_with() -> None:
    with pytest.raises(ExposureError) as error:
        Inquiry(755, 2.0, -1.0, 10)
    assert [problem.field for problem in error.value.problems] == ["rate_hz"]


@pytest.mark.parametrize(
    ("train", "rule", "aperture_mm"),
    [
        (Train(0.1, 10, 1), Rule.GROUP, 1.5 * 0.5**0.375),  # the strictest group: five pulses, half a second
        (Train(0.3, 0.1, 100), Rule.SINGLE, 1.0),
    ],
)
def test_the_aperture_of_the_front_of_the_eye_is_that_of_the_time_that_binds(
    train: Train, rule: Rule, aperture_mm: float
) -> None:
    (limit,) = [one for one in eye_limits(1200, Edition.NEW) if one.kind is Kind.ANTERIOR]
    assert share(limit, limit.energy_j, train).rule is rule
    assert _bound(limit, train).aperture_m * 1e3 == pytest.approx(aperture_mm)


@pytest.mark.parametrize(
    ("wavelength_nm", "c_b"), [(440.0, 1.0), (500.0, 10.0), (550.0, 100.0), (600.0, None)]
)
def test_c_b_is_told_where_blue_light_counts(wavelength_nm: float, c_b: float | None) -> None:
    assert assess(Inquiry(wavelength_nm, 1.0)).c_b == (None if c_b is None else pytest.approx(c_b))


@pytest.mark.parametrize("wavelength_nm", [700.0, 755.0])
def test_what_nobody_sees_is_no_reason_to_blink(wavelength_nm: float) -> None:
    """From 700 nm on there is no class 2, and class 3R has five times the limit of class 1, for its time."""
    limits = classes(wavelength_nm, 100.0, 0.0, Edition.NEW).energy_j
    assert "2" not in limits
    assert limits["3R"] == pytest.approx(5 * limits["1"])
