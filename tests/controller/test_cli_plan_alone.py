"""`picolase plan check` without daemon, laser or configuration; and the checklist by name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from controller.commands import NO_LASER
from controller.plans import parse_plan, plan_toml
from safety.checklist import ITEMS
from safety.limits import DEVICE_CLASS
from safety.presets import PRESETS
from sim_device.firmware import limits as firmware
from tests.controller.cli_standin import SESSION, Picolase, StandIn, status

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"
FOREARM = parse_plan(PLAN.read_text("utf-8"), PLAN).plan
REFUSAL_KEYS = {"code", "field", "value", "allowed", "source", "action"}
CONFIRMED = ["--confirm-eyewear", "755"]
PLANS = sorted(PLAN.parent.glob("*.toml"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_every_plan_of_the_project_is_accepted_without_a_daemon(picolase: Picolase, path: Path) -> None:
    result = picolase("plan", "check", str(path), "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["ok"], told["refusals"], told["checked_against"]) == (True, [], "device_class")
    assert "without a laser" in result.stderr


def test_what_is_refused_alone_names_code_field_value_allowed_source_and_action(
    picolase: Picolase, tmp_path: Path
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(plan_toml(replace(FOREARM, skin_type="VI", rep_rate_hz=10.0, passes=2)))
    result = picolase("plan", "check", str(path), "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert [one["field"] for one in told["refusals"]] == ["skin_type", "rep_rate_hz", "passes"]
    for refusal in told["refusals"]:
        assert set(refusal) == REFUSAL_KEYS
        assert all(refusal[key] for key in REFUSAL_KEYS)
        assert "T027" in refusal["source"]
    words = picolase("plan", "check", str(path))
    assert words.exit_code == 3
    for refusal in told["refusals"]:
        assert refusal["allowed"] in words.stdout


@pytest.mark.parametrize("text", ["", "format = 1\nseries = [1]\n", "[beam", "\xff", "beam = 3\n", None])
def test_a_file_that_is_no_plan_is_refused_in_the_same_form(
    picolase: Picolase, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "p.toml"
    if text is not None:
        path.write_text(text, "latin-1")
    result = picolase("plan", "check", str(path), "--json")
    assert result.exit_code == 7
    told = json.loads(result.stdout)
    assert told["refusals"]
    for refusal in told["refusals"]:
        assert refusal["code"] == "plan.file"
        assert refusal.keys() >= REFUSAL_KEYS
        assert all(refusal[key] for key in REFUSAL_KEYS - {"value"})


def test_a_daemon_without_a_laser_is_no_hindrance_and_another_refusal_is(
    picolase: Picolase, daemon: StandIn
) -> None:
    no_laser = {"error": NO_LASER.code, "message": NO_LASER.text, "reasons": [], "problems": []}
    daemon.answers["plan/check"] = (409, no_laser)
    result = picolase("plan", "check", str(PLAN), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["checked_against"] == "device_class"
    daemon.answers["plan/check"] = (401, {"error": "login", "message": "who are you"})
    assert picolase("plan", "check", str(PLAN)).exit_code == 6


def test_the_laser_that_is_connected_is_asked_first(picolase: Picolase, daemon: StandIn) -> None:
    daemon.answers["plan/check"] = {"ok": True, "refusals": [], "summary": {"name": "as the daemon says"}}
    told = json.loads(picolase("plan", "check", str(PLAN), "--json").stdout)
    assert told["checked_against"] == "laser"
    assert told["summary"]["name"] == "as the daemon says"
    assert told["summary"]["end_point"] == PRESETS["tattoo"].end_point


def test_without_any_configuration_a_plan_is_checked_and_one_that_is_named_must_be_there(
    picolase: Picolase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("controller.config.DEFAULT_PATHS", (tmp_path / "none.toml",))
    alone = picolase("plan", "check", str(PLAN), "--json", environment={"PICOLASE_CONFIG": ""})
    assert alone.exit_code == 0
    assert json.loads(alone.stdout)["checked_against"] == "device_class"
    assert picolase("--config", "/nowhere/x.toml", "plan", "check", str(PLAN)).exit_code == 7


def test_running_a_plan_still_needs_the_daemon(picolase: Picolase) -> None:
    assert picolase("plan", "run", str(PLAN), *CONFIRMED, "--confirm-checklist").exit_code == 5


def test_a_file_that_is_no_plan_is_told_as_refusals_too(picolase: Picolase, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PLAN.read_text().replace("spot_mm = 3.5", "spot_mm = 30.5").replace('"II"', '"VII"'))
    result = picolase("plan", "check", str(path), "--json")
    assert result.exit_code == 7
    told = json.loads(result.stdout)
    assert (told["ok"], told["checked_against"]) == (False, None)
    assert {one["field"]: one["value"] for one in told["refusals"]} == {
        "beam.spot_mm": 30.5,
        "skin_type": "VII",
    }
    for refusal in told["refusals"]:
        assert set(refusal) >= REFUSAL_KEYS
    missing = picolase("plan", "check", str(tmp_path / "none.toml"), "--json")
    assert missing.exit_code == 7
    assert json.loads(missing.stdout)["ok"] is False


@pytest.mark.parametrize("energy_mj", [1e-7, 5e-324])
def test_an_energy_of_next_to_nothing_is_refused_and_breaks_nothing(
    picolase: Picolase, tmp_path: Path, energy_mj: float
) -> None:
    path = tmp_path / "p.toml"
    text = PLAN.read_text().replace("173.0", str(energy_mj)).replace("spot_mm = 3.5", "spot_mm = 1e-9")
    path.write_text(text.replace("rep_rate_hz = 5.0", "rep_rate_hz = 5e-324"))
    result = picolase("plan", "check", str(path), "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["ok"] is False


def test_area_overlap_dose_end_point_and_what_to_stop_at_are_told(picolase: Picolase, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(plan_toml(replace(FOREARM, area_cm2=8.0, overlap_percent=5.0)))
    told = json.loads(picolase("plan", "check", str(path), "--json").stdout)
    assert told["summary"]["area_dose_j_cm2"] == pytest.approx(60 * 0.173 / 8)
    words = picolase("plan", "check", str(path)).stdout
    for word in ("8 cm2 at 5 % overlap", "1.3 J/cm2", "whitening, no bleeding", "STOP at"):
        assert word in words


def test_the_class_of_device_is_the_simulated_laser_with_its_optional_modules() -> None:
    facts = {(mode.wavelength_nm, mode.mode_width_ps): mode.energy_max_mj for mode in DEVICE_CLASS.modes}
    simulated = {(one.wavelength_nm, one.mode_width_ps): one.energy_max_uj / 1e3 for one in firmware.MODES}
    modules = {(532, 450): 100.0, (532, 500): 100.0, (1064, 750): 100.0}  # LASER_FACTS, "The device class"
    assert facts == simulated | modules
    assert {mode.energy_min_mj for mode in DEVICE_CLASS.modes} == {10.0}
    assert DEVICE_CLASS.rates_hz == tuple(rate / 1e3 for rate in firmware.RATES_MHZ)
    assert pytest.approx(firmware.ENERGY_STEP_UJ / 1e3) == DEVICE_CLASS.energy_step_mj
    assert (DEVICE_CLASS.permit_pulses_max, DEVICE_CLASS.permit_max_us) == (1000, 120_000_000)
    spots_um = [spot for spots in firmware.SPOTS_UM.values() for spot in spots]
    assert (DEVICE_CLASS.spot_min_mm, DEVICE_CLASS.spot_max_mm) == (min(spots_um) / 1e3, max(spots_um) / 1e3)


# -- the checklist, item by item


@pytest.fixture
def opening(daemon: StandIn) -> StandIn:
    """A stand-in that opens a session and refuses to arm."""
    daemon.answers |= {
        "plan/check": {"ok": True, "refusals": [], "summary": {"wavelength_nm": 755, "pulse_energy_mj": 173,
                                                              "spot_mm": 3.5}},
        "sessions": SESSION,
        "status": status(),
        "arm": {"outcome": "refused", "reasons": [], "text": "not now"},
        "stop": {"confirmed": True, "level": "stop", "took_ms": 2.0, "text": ""},
    }  # fmt: skip
    return daemon


def opened(daemon: StandIn) -> list[list[str]]:
    return [body["checklist"] for route, body, _ in daemon.asked if route == "sessions"]


def test_all_items_confirmed_by_name_are_the_checklist(picolase: Picolase, opening: StandIn) -> None:
    named = [word for key in ITEMS for word in ("--confirm", key)]
    result = picolase("plan", "run", str(PLAN), *CONFIRMED, *named, "--arm")
    assert opened(opening) == [list(ITEMS)], result.output


@pytest.mark.shows("HZ-045")
@pytest.mark.parametrize("left_out", ITEMS)
def test_each_item_that_is_not_confirmed_is_refused_by_name(
    picolase: Picolase, opening: StandIn, left_out: str
) -> None:
    named = [word for key in ITEMS if key != left_out for word in ("--confirm", key)]
    result = picolase("plan", "run", str(PLAN), *CONFIRMED, *named, "--arm")
    assert result.exit_code == 3
    assert ITEMS[left_out].statement in result.stderr
    assert [key for key in ITEMS if f"  - {key}: " in result.stderr] == [left_out]
    assert opened(opening) == []


def test_an_item_that_nobody_asks_for_is_a_wrong_command_line(picolase: Picolase) -> None:
    assert picolase("plan", "run", str(PLAN), "--confirm", "everything").exit_code == 2


@pytest.mark.shows("HZ-045")
@pytest.mark.parametrize("not_so", [None, *ITEMS])
def test_at_a_terminal_each_item_is_asked_by_name(
    picolase: Picolase, opening: StandIn, monkeypatch: pytest.MonkeyPatch, not_so: str | None
) -> None:
    # click's runner replaces the standard input; only whether it is a terminal is pretended here.
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    answers = "".join("n\n" if key == not_so else "y\n" for key in ITEMS)
    result = picolase("plan", "run", str(PLAN), *CONFIRMED, "--arm", typed=answers)
    for key, item in ITEMS.items():
        assert f"{key}: {item.statement}" in result.stderr
    assert opened(opening) == ([list(ITEMS)] if not_so is None else [])
    if not_so is not None:
        assert result.exit_code == 3
        assert ITEMS[not_so].action in result.stderr
