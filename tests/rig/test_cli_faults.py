"""`picolase faults` and `picolase sim --scenario`: what they print, and how they end."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.exits import Exit
from controller.cli.main import PLUGINS, main
from sim_device.faults import CATALOGUE, meaning_of

ROOT = Path(__file__).parents[2]
SCENARIO = """format = 1
name = "short"
duration_s = 0.3
[laser]
start = "cold"
[[event]]
at_s = 0.1
do = "key"
to = "on"
[[fault]]
name = "key-lost"
at_s = {at_s}
for_s = 0.05
"""


@pytest.fixture(autouse=True)
def declared_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands as pyproject.toml declares them, whatever was installed when."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    entries = [
        EntryPoint(name=name, value=value, group=PLUGINS)
        for name, value in project["entry-points"][PLUGINS].items()
    ]
    monkeypatch.setattr("controller.cli.main._plugins", lambda: entries)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_every_fault_is_listed_with_its_meaning() -> None:
    listed = run("faults").output
    squeezed = "".join(listed.split())
    for name, fault in CATALOGUE.items():
        assert name in listed
        assert meaning_of(fault).split()[0] in squeezed


def test_a_fault_tells_its_parameters_with_units_ranges_and_hazards() -> None:
    told = run("faults", "shutter-slow-to-close").output
    assert "HZ-006" in told
    assert "travel_ms = 200.0 ms" in told
    assert "a number from 1 to 60000" in told
    assert "at_s" in told
    assert "[[fault]]" in told


def test_the_list_is_told_to_programs_too() -> None:
    told = json.loads(run("faults", "--json").output)
    assert [one["name"] for one in told["faults"]] == list(CATALOGUE)
    one = json.loads(run("faults", "flow-low", "--json").output)
    (ratio,) = one["parameters"]
    assert (ratio["name"], ratio["default"], ratio["allowed"]) == ("ratio", 0.3, "a number from 0 to 2")
    assert {parameter["name"] for parameter in one["trigger"]} >= {
        "at_s",
        "on",
        "nth",
        "probability",
        "for_s",
    }


def test_an_unknown_fault_is_told_the_nearest() -> None:
    result = run("faults", "flwo-low")
    assert result.exit_code == Exit.BAD_INPUT
    assert "Did you mean flow-low?" in result.output


def scenario(folder: Path, at_s: float) -> Path:
    file = folder / "s.toml"
    file.write_text(SCENARIO.format(at_s=at_s), "utf-8")
    return file


def test_a_scenario_runs_in_real_time_and_tells_what_fired(tmp_path: Path) -> None:
    result = run("sim", "--pty", str(tmp_path / "laser0"), "--scenario", str(scenario(tmp_path, 0.2)))
    assert result.exit_code == 0, result.output
    assert "key-lost: came 1 times, fired 1 times" in result.output
    assert not (tmp_path / "laser0").exists()


def test_a_scenario_whose_fault_never_fired_fails(tmp_path: Path) -> None:
    result = run("sim", "--pty", str(tmp_path / "laser0"), "--scenario", str(scenario(tmp_path, 0.0)))
    assert result.exit_code == Exit.FAILED
    assert "key-lost: came 1 times, fired 0 times" in result.output
    assert "key-lost never fired" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--key-on"], "--key-on does not go with --scenario"),
        (["--state", "x"], "--state does not go with --scenario"),
        (["--lasers", "2"], "--scenario is for one laser"),
    ],
)
def test_what_a_scenario_says_itself_cannot_be_said_beside_it(
    tmp_path: Path, options: list[str], words: str
) -> None:
    result = run("sim", "--scenario", str(scenario(tmp_path, 0.1)), *options)
    assert result.exit_code != 0
    assert words in result.output


def test_a_bad_scenario_is_told_with_file_and_line_and_nothing_is_started(tmp_path: Path) -> None:
    file = scenario(tmp_path, 9.0)
    result = run("sim", "--pty", str(tmp_path / "laser0"), "--scenario", str(file))
    assert result.exit_code == Exit.BAD_INPUT
    assert f"{file}:12: fault.0.at_s = 9.0: comes after the end" in result.output
    assert not (tmp_path / "laser0").exists()


def test_a_scenario_for_the_whole_stack_needs_to_be_told_device_only(tmp_path: Path) -> None:
    plan = ROOT / "plans" / "tattoo-forearm.toml"
    file = scenario(tmp_path, 0.2)
    file.write_text(file.read_text("utf-8") + f'[host]\nplan = "{plan}"\n', "utf-8")
    result = run("sim", "--scenario", str(file))
    assert result.exit_code == Exit.BAD_INPUT
    assert f"picolase simulate {file}" in result.output
    result = run("sim", "--pty", str(tmp_path / "laser0"), "--scenario", str(file), "--device-only")
    assert result.exit_code == 0, result.output
