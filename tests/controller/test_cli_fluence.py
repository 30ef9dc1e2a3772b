"""`picolase fluence`: every published case, both computations, and what cannot be computed."""

import csv
import json
from pathlib import Path

import pytest

from controller.cli.fluence import LENS_ARRAY
from safety import fluence
from tests.controller.cli_standin import Picolase

CASES = Path(__file__).parents[2] / "docs" / "reference" / "fluence_cases.csv"
ROWS = list(csv.DictReader(CASES.read_text("utf-8").splitlines()))


def half(figure: str) -> float:
    return 0.5 * 10.0 ** -len(figure.partition(".")[2]) + 1e-12


@pytest.mark.shows("REQ-022", "HZ-023")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_every_published_case_is_answered_both_ways(picolase: Picolase, row: dict[str, str]) -> None:
    spot = ["--spot-mm", row["spot_diameter_mm"], "--json"]
    told = json.loads(picolase("fluence", "--fluence-j-cm2", row["fluence_J_cm2"], *spot).stdout)
    assert abs(told["pulse_energy_mj"] - float(row["implied_energy_mJ"])) <= half(row["implied_energy_mJ"])
    assert told["computed"] == "pulse_energy_mj"
    if row["recomputed_fluence"]:
        told = json.loads(picolase("fluence", "--energy-mj", row["energy_mJ"], *spot).stdout)
        published = row["recomputed_fluence"]
        assert abs(told["fluence_j_cm2"] - float(published)) <= half(published)
        assert told["computed"] == "fluence_j_cm2"


def test_both_computations_and_their_agreement_are_told(picolase: Picolase) -> None:
    result = picolase("fluence", "--energy-mj", "200", "--spot-mm", "6", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert round(told["fluence_j_cm2"], 4) == 0.7074
    assert told["agree"] is True
    assert told["first"] == told["fluence_j_cm2"]
    assert told["relative_difference"] < 1e-12
    assert told["first"] == pytest.approx(told["second"], rel=1e-13)
    assert not told["above_ceiling"]
    words = picolase("fluence", "--energy-mj", "200", "--spot-mm", "6").stdout
    assert "200 mJ in 6 mm = 0.707355 J/cm2" in words
    assert "computed twice" in words


@pytest.mark.shows("REQ-022", "HZ-023")
def test_computations_that_disagree_show_no_figure(
    picolase: Picolase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fluence, "_fluence", lambda energy_mj, spot_mm: energy_mj / spot_mm)
    result = picolase("fluence", "--energy-mj", "200", "--spot-mm", "6", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "disagree" in result.stderr


@pytest.mark.parametrize(("stated", "exit_"), [("0.71", 0), ("0.707", 0), ("0.70", 3), ("0.72", 3), ("7", 3)])
def test_energy_spot_and_fluence_must_say_the_same(picolase: Picolase, stated: str, exit_: int) -> None:
    result = picolase("fluence", "--energy-mj", "200", "--spot-mm", "6", "--fluence-j-cm2", stated, "--json")
    assert result.exit_code == exit_
    assert json.loads(result.stdout)["ok"] is (exit_ == 0)
    assert ("must" in result.stderr or "Correct" in result.stderr) is (exit_ == 3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--spot-mm", "6"], "--energy-mj or --fluence-j-cm2"),
        (["--energy-mj", "200"], "--spot-mm"),
        (["--energy-mj", "200", "--spot-mm", "0"], "spot_mm = 0.0"),
        (["--energy-mj", "nan", "--spot-mm", "6"], "pulse_energy_mj = nan"),
        (["--energy-mj", "-5", "--spot-mm", "6"], "pulse_energy_mj = -5.0"),
        (["--fluence-j-cm2", "inf", "--spot-mm", "6"], "fluence_j_cm2 = inf"),
        (["--fluence-j-cm2", "nan", "--energy-mj", "200", "--spot-mm", "6"], "fluence_j_cm2 = nan"),
        (["--energy-mj", "much", "--spot-mm", "6"], "much"),
    ],
)
def test_what_cannot_be_computed_with_ends_with_status_2_by_name(
    picolase: Picolase, options: list[str], named: str
) -> None:
    result = picolase("fluence", *options, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert named in result.stderr


def test_what_no_plan_may_be_is_said(picolase: Picolase) -> None:
    result = picolase("fluence", "--energy-mj", "200", "--spot-mm", "1.5", "--json")
    assert json.loads(result.stdout)["above_ceiling"] is True
    assert "6.4 J/cm2" in result.stderr


def test_under_a_lens_array_the_figure_is_said_to_be_a_mean(picolase: Picolase) -> None:
    options = ["fluence", "--energy-mj", "200", "--spot-mm", "6", "--lens-array"]
    assert json.loads(picolase(*options, "--json").stdout)["note"] == LENS_ARRAY
    assert LENS_ARRAY in picolase(*options).stdout
