"""The answer as JSON has it: every key, in its unit, and nothing that needs more than was given."""

import json

import pytest

from safety.exposure import Inquiry, Rules, assess
from safety.exposure_plain import plain
from safety.exposure_train import Train
from safety.hazard_distance import BeamAt

ALWAYS = {
    *("wavelength_nm", "pulse_s", "duration_s", "edition", "eye_mpe_j_m2", "eye_energy_j", "eye"),
    *("eye_aperture_mm", "skin_mpe_j_m2", "skin", "skin_aperture_mm", "c_a", "c_c", "t_i_s", "t_2_s"),
    *("pulses", "ael_j"),
}
BY_ENERGY = {"energy_j", "ael_class", "ael_class_edition", "od", "peak_power_w", "safe_beam_mm"}
BY_BEAM = {"beam_mm", "od_at_beam", "lb", "lb_by_mode", "lb_if_gaussian"}
BY_DIVERGENCE = {"divergence_mrad", "nohd_m", "nohd_averaged_m", "nohd_waist_m"}


@pytest.mark.parametrize(
    ("inquiry", "keys"),
    [
        (Inquiry(755, 5.5e-10), ALWAYS),
        (Inquiry(450, 5.5e-10), ALWAYS | {"c_b"}),
        (Inquiry(755, 5.5e-10, 10, 10), ALWAYS | {"rate_hz", "c_p"}),
        (Inquiry(755, 5.5e-10, None, 10, 0.2), ALWAYS | BY_ENERGY),
        (Inquiry(755, 5.5e-10, None, 10, 0.2, 6.0), ALWAYS | BY_ENERGY | BY_BEAM),
        (Inquiry(755, 5.5e-10, None, 10, 0.2, 6.0, 5.0), ALWAYS | BY_ENERGY | BY_BEAM | BY_DIVERGENCE),
    ],
    ids=["least", "blue", "train", "energy", "beam", "everything"],
)
def test_each_key_is_there_if_what_it_needs_was_given(inquiry: Inquiry, keys: set[str]) -> None:
    told = plain(assess(inquiry))
    assert set(told) - {"rb"} == keys
    assert json.loads(json.dumps(told, allow_nan=False)).keys() == told.keys()


def test_each_value_is_the_answers_in_the_unit_of_its_name() -> None:
    inquiry = Inquiry(755, 5.5e-10, 10, 10, 0.2, 6.0, 5.0, BeamAt.ONE_OVER_E2, Rules.OLD)
    answer = assess(inquiry)
    told = plain(answer)
    assert answer.hazard is not None
    assert answer.goggles is not None
    assert answer.distance is not None
    assert (told["eye_aperture_mm"], told["skin_aperture_mm"], told["t_2_s"]) == (7.0, 3.5, 10.0)
    assert (told["beam_at"], told["edition"], told["pulses"], told["duration_s"]) == ("1/e2", "2007", 100, 10)
    assert told["safe_beam_mm"] == pytest.approx(answer.hazard.safe_diameter_1e2_m * 1000)
    assert told["eye_mpe_j_m2"] == answer.eye.share.value
    assert told["eye_energy_j"] == answer.eye_energy_j
    assert told["t_i_s"] == answer.t_i_s
    assert told["eye"] == {
        "kind": "retina, heat",
        "edition": "2007",
        "source": answer.eye.limit.source,
        "rule": 3,
        "by_rule_j_m2": {rule.value: most for rule, most in answer.eye.share.by_rule.items()},
        "group_pulses": answer.eye.share.group_pulses,
    }
    assert told["skin"]["kind"] == "skin"
    assert set(told["eye"]["by_rule_j_m2"]) == {1, 2, 3}
    assert told["lb_by_mode"] == {mode.name: str(scale) for mode, scale in answer.goggles.scales.items()}


def test_a_rating_for_a_gaussian_beam_is_told_in_words() -> None:
    answer = assess(Inquiry(755, 5.5e-10, 10, 10, 0.2, 6.0))
    assert answer.goggles is not None
    assert plain(answer)["lb_if_gaussian"] == str(answer.goggles.lb_if_gaussian)


def test_one_pulse_without_a_rate_is_as_long_as_it_is() -> None:
    assert Train(1e-9, 0.0, 1.0).group_s(1) == 1e-9


@pytest.mark.parametrize(
    ("rules", "pulse_s", "visible_j_m2", "corrected"),
    [
        (Rules.NEW, 1e-12, 1e-3, False),
        (Rules.NEW, 1e-9, 2e-3, True),
        (Rules.NEW, 1e-3, 18 * 1e-3**0.75, True),
        (Rules.OLD, 1e-12, 1.5e-4, True),
        (Rules.OLD, 1e-10, 2.7e4 * 1e-10**0.75, True),
        (Rules.OLD, 1e-8, 5e-3, True),
        (Rules.OLD, 1e-3, 18 * 1e-3**0.75, True),
    ],
)
def test_half_a_nanometre_below_a_band_its_limit_does_not_hold_yet(
    rules: Rules, pulse_s: float, visible_j_m2: float, corrected: bool
) -> None:
    """C_A grows from 1 at 700 nm to 5 at 1050 nm, where a limit of its own begins."""
    below_1050 = 10 ** (0.002 * (1049.5 - 700)) if corrected else 1.0
    for wavelength_nm, c_a in ((699.5, 1.0), (1049.5, below_1050)):
        told = plain(assess(Inquiry(wavelength_nm, pulse_s, rules=rules)))
        assert told["eye_mpe_j_m2"] == pytest.approx(visible_j_m2 * c_a, rel=1e-9)
