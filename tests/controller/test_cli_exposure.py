"""`picolase exposure`: no daemon, every number with what binds it, every bad value told at once."""

import json
import math
from typing import Any

import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main

FIELDS = ("wavelength-nm", "pulse-s", "rate-hz", "duration-s", "energy-j", "beam-mm", "divergence-mrad")
BEAM = ("755", "5.5e-10", "10", "10", "0.2", "6", "5")


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["exposure", *args])


def options(*values: str | None) -> list[str]:
    given = zip(FIELDS, values, strict=False)
    return [part for field, value in given if value is not None for part in (f"--{field}", value)]


def ask(*values: str | None, more: tuple[str, ...] = ()) -> dict[str, Any]:
    result = run(*options(*values), *more, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert isinstance(told, dict)
    return told


def test_the_projects_beam_by_the_edition_of_2014() -> None:
    told = ask(*BEAM, more=("--edition", "2014"))
    assert told["eye_mpe_j_m2"] == pytest.approx(0.0025765, abs=5e-8)
    assert told["skin_mpe_j_m2"] == pytest.approx(141.707, abs=5e-4)
    assert (told["c_a"], told["c_c"], told["c_p"]) == (pytest.approx(1.28825, abs=5e-6), 1.0, 1.0)
    assert (told["ael_class"], told["lb"], told["lb_by_mode"]) == ("4", "LB9", {"D": "LB4", "M": "LB9"})
    assert told["od"] == pytest.approx(6.30471, abs=5e-6)
    assert told["nohd_m"] == pytest.approx(2810.7, abs=0.05)
    assert told["eye"]["rule"] == 1


def test_without_an_edition_the_stricter_binds_and_is_named() -> None:
    told = ask(*BEAM)
    assert told["edition"] == "stricter"
    assert told["eye"]["edition"] == "2007"
    assert told["eye_mpe_j_m2"] == pytest.approx(0.00124921, abs=5e-9)
    assert told["eye_mpe_j_m2"] == ask(*BEAM, more=("--edition", "2007"))["eye_mpe_j_m2"]


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        (2, {"rate_hz", "c_p"}),
        (3, set()),
        (5, {"beam_mm", "lb", "lb_by_mode", "lb_if_gaussian", "od_at_beam", "nohd_m"}),
        (6, {"divergence_mrad", "nohd_m"}),
    ],
)
def test_an_option_left_out_leaves_out_only_what_needs_it(left_out: int, missing: set[str]) -> None:
    values = [None if at == left_out else value for at, value in enumerate(BEAM)]
    gone = set(ask(*BEAM)) - set(ask(*values))
    assert gone - {"nohd_averaged_m", "nohd_waist_m"} == missing


def test_without_an_energy_there_are_still_the_limits() -> None:
    told = ask(*BEAM[:4])
    assert {"eye_mpe_j_m2", "skin_mpe_j_m2", "c_a", "c_c", "c_p", "ael_j"} <= set(told)
    assert not {"od", "lb", "nohd_m", "ael_class"} & set(told)


def test_continuous_light_is_one_long_pulse() -> None:
    told = ask("532", "0.25", None, None, "0.25", "1", "1", more=("--edition", "2014", "--beam-at", "1/e2"))
    assert told["nohd_m"] == pytest.approx(315.28, abs=0.005)
    assert told["eye_mpe_j_m2"] == pytest.approx(6.36396, abs=5e-6)
    pointer = ask("532", "0.25", None, None, "1.25e-3", "1", "1", more=("--beam-at", "1/e"))
    assert pointer["nohd_m"] == pytest.approx(14.8, abs=0.05)
    assert pointer["ael_class"] == "3R"


def test_the_table_names_the_rule_that_binds_and_its_source() -> None:
    result = run(*options(*BEAM))
    assert result.exit_code == 0
    lines = {line.split("│")[1].strip(): line for line in result.stdout.splitlines() if line.count("│") > 3}
    assert "rule 3: C_P on each pulse; retina, heat; 2006/25/EC" in lines["eye, each pulse"]
    assert "rule 1: a single pulse; skin; ICNIRP 2013 Table 7" in lines["skin, each pulse"]
    assert "6.61911" in lines["optical density"]
    assert "LB9" in lines["EN 207"]
    assert "taken to be told at 1/e2" in lines["NOHD"]
    assert {"class", "class 1 up to", "class 3B up to", "peak power", "safe beam"} <= set(lines)
    assert "Point source only" in result.stderr


def test_the_table_says_what_a_gaussian_beam_would_need() -> None:
    line = next(line for line in run(*options(*BEAM[:5], "8")).stdout.splitlines() if "EN 207" in line)
    assert "LB8" in line
    assert "LB9 if this is the 1/e2 diameter" in line


def test_a_table_of_limits_alone_has_no_empty_lines() -> None:
    result = run(*options(*BEAM[:2]))
    assert "None" not in result.stdout
    assert "optical density" not in result.stdout


def test_every_bad_value_is_told_at_once_with_its_field_and_range() -> None:
    result = run(*options("300", "abc", "-3", "nan", "0", "", "1e9"))
    assert result.exit_code == 2
    assert result.stdout == ""
    for words in (
        "7 values are wrong. Nothing was computed.",
        "wavelength_nm = 300.0 is not allowed: give 400 to 1400 nm",
        "pulse_s = 'abc' is not allowed: give 1e-13 to 30000 s",
        "rate_hz = -3.0 is not allowed: give 1e-06 to 1e+12 Hz, or 0 for one pulse",
        "duration_s = nan is not allowed",
        "energy_j = 0.0 is not allowed",
        "beam_mm = '' is not allowed",
        "divergence_mrad = 1000000000.0 is not allowed",
    ):
        assert words in result.stderr


def test_the_two_that_are_needed_are_asked_for() -> None:
    result = run()
    assert result.exit_code == 2
    assert "wavelength_nm is missing: give 400 to 1400 nm" in result.stderr
    assert "pulse_s is missing: give 1e-13 to 30000 s" in result.stderr


@pytest.mark.parametrize("nm", ["399.999", "1400.001", "inf", "-755", "1e999"])
def test_outside_the_wavelengths_is_an_error_of_one_line(nm: str) -> None:
    result = run(*options(nm, "1e-9"))
    assert result.exit_code == 2
    assert "1 value is wrong" in result.stderr
    assert f"wavelength_nm = {float(nm)!r}" in result.stderr


@pytest.mark.parametrize("edge", ["400", "1400"])
def test_the_bounds_themselves_are_answered(edge: str) -> None:
    assert math.isfinite(ask(edge, "1e-13")["eye_mpe_j_m2"])
    assert math.isfinite(ask(edge, "3e4")["eye_mpe_j_m2"])


def test_an_edition_or_convention_that_does_not_exist_is_a_usage_error() -> None:
    assert run(*options(*BEAM), "--edition", "2001").exit_code == 2
    assert run(*options(*BEAM), "--beam-at", "fwhm").exit_code == 2


def test_help_names_every_option_and_its_unit() -> None:
    text = run("--help").output
    assert all(f"--{field}" in text for field in (*FIELDS, "beam-at", "edition", "json"))
