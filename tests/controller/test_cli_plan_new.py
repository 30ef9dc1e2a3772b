"""`picolase plan new`: asks its way to an accepted plan, refuses with the reason, writes all or nothing."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.plan_draft import QUESTIONS, Draft
from controller.plans import parse_plan
from safety.limits import DEVICE_CLASS
from safety.plan_check import check_plan
from safety.preset import SERVICE, SKIN_TYPES, Condition, Locked
from safety.presets import PRESETS
from tests.controller.cli_standin import Picolase

ENTER = "\n"


def answered(tmp_path: Path, **answers: Any) -> Path:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers))
    return path


@pytest.fixture
def new(picolase: Picolase, tmp_path: Path) -> Callable[..., Any]:
    """Run `plan new FILE` with these answers or with what is typed."""

    def run(typed: str | None = None, **answers: Any) -> Any:
        options = [] if typed is not None else ["--answers", str(answered(tmp_path, **answers))]
        return picolase("plan", "new", str(tmp_path / "new.toml"), *options, "--json", typed=typed)

    return run


def skin_for(indication: str) -> tuple[str, list[str]]:
    """The first skin type that is treated, and what has to be acknowledged for it."""
    for skin in SKIN_TYPES:
        rule = PRESETS[indication].skin[skin]
        if not isinstance(rule, Locked):
            return skin, [rule.value] if rule else []
    raise LookupError(indication)


@pytest.mark.parametrize("indication", PRESETS)
def test_the_defaults_of_every_indication_are_a_plan_that_check_accepts(
    new: Callable[..., Any], picolase: Picolase, tmp_path: Path, indication: str
) -> None:
    skin, acknowledged = skin_for(indication)
    result = new(indication=indication, skin_type=skin, acknowledged=acknowledged, series=[20, 10])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["plan"]["pulse_energy_mj"] == PRESETS[indication].start.pulse_energy_mj
    assert told["plan"]["spot_mm"] == PRESETS[indication].start.spot_mm
    checked = picolase("plan", "check", told["file"], "--json")
    assert checked.exit_code == 0, checked.stdout
    text = (tmp_path / "new.toml").read_text()
    assert PRESETS[indication].end_point in text
    assert PRESETS[indication].stop_at in text


@pytest.mark.parametrize("width_ps", [750, 650, 550])
@pytest.mark.parametrize("indication", [name for name in PRESETS if PRESETS[name].wavelength_nm == 755])
def test_in_every_mode_the_default_spot_is_one_that_an_energy_fits(
    new: Callable[..., Any], indication: str, width_ps: int
) -> None:
    skin, acknowledged = skin_for(indication)
    result = new(
        indication=indication, skin_type=skin, acknowledged=acknowledged, series=[5], mode_width_ps=width_ps
    )
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)["plan"]
    low_mm, high_mm = PRESETS[indication].spots_mm
    assert low_mm <= plan["spot_mm"] <= high_mm
    assert plan["mode_width_ps"] == width_ps


def test_a_service_plan_is_asked_nothing_of_a_person(
    new: Callable[..., Any], picolase: Picolase, tmp_path: Path
) -> None:
    asked = ["service", *[""] * 6, "600 600", "", "", "Burn-in"]
    result = new(typed=ENTER.join(asked) + ENTER)
    assert result.exit_code == 0, result.output
    assert "skin type" not in result.stderr
    assert "Pseudonym" not in result.stderr
    assert picolase("plan", "check", str(tmp_path / "new.toml")).exit_code == 0
    refused = new(indication="service", skin_type="II", series=[5])
    assert refused.exit_code == 3


def test_each_question_shows_its_bounds_and_an_impossible_answer_is_refused_with_the_reason(
    new: Callable[..., Any], tmp_path: Path
) -> None:
    typed = [
        *("warts", "tattoo"),
        *("IX", "ii"),
        *("1064", "seven", "755"),
        *("500", "750"),
        *("lamp", "fixed_8", "zoom"),
        *("9", "3.5"),
        *("nan", "250", "10", "173.55", "173"),
        *("20", "5"),
        *("-1", "8"),
        *("20", "10"),
        *("0", "2000", "1 1 1000", "20, 20, 20"),
        *("2", "1"),
        *("Jane", "P-7"),
        *("maybe", "n"),
        *("x" * 90, "Forearm"),
    ]
    result = new(typed=ENTER.join(typed) + ENTER)
    assert result.exit_code == 0, result.output
    reasons = [line for line in result.stderr.replace(": ", ":\n").splitlines() if "refused" in line]
    assert len(reasons) >= 20
    for told in (
        "2.5 to 4 mm",  # of the spot
        "149.2 to 200 mJ = 1.55 J/cm2 to 2.08 J/cm2",  # of the energy, with the fluence shown
        "= 1.8 J/cm2",
        "T012, T027 know too little of it",  # of 1064 nm
        "a multiple of 0.1 mJ",
        "together at most 94 for the area",
        "0 to 10 %",
        "V (test_spot), VI (test_spot)",
        "yes or no is wanted",
    ):
        assert told in result.stderr, told
    plan = parse_plan((tmp_path / "new.toml").read_text(), Path("p")).plan
    assert (plan.name, plan.subject, plan.skin_type) == ("Forearm", "P-7", "II")
    assert (plan.spot_mm, plan.pulse_energy_mj, plan.rep_rate_hz, plan.series) == (3.5, 173, 5, (20, 20, 20))
    assert (plan.area_cm2, plan.overlap_percent) == (8, 10)


def test_a_condition_is_asked_by_name_and_without_it_the_answer_is_refused(
    new: Callable[..., Any], tmp_path: Path
) -> None:
    typed = [
        *("tattoo", "VI", "n", "V", "y"),  # the test spot is denied once
        *("", "", "", "2.5"),
        *("180", "n", "180", "y"),  # above the start fluence
        *("", "", "", "20", "", "", "", ""),
    ]
    result = new(typed=ENTER.join(typed) + ENTER)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("test_spot: make a test spot") == 2
    assert result.stderr.count("above_start: begin at the start") == 2
    assert "above 137.4 mJ only after a tolerated session" in result.stderr
    plan = parse_plan((tmp_path / "new.toml").read_text(), Path("p")).plan
    assert plan.acknowledged == ("test_spot", "above_start")
    assert plan.skin_type == "V"


def test_a_spot_in_which_no_energy_gives_the_fluence_is_refused(new: Callable[..., Any]) -> None:
    given = {"indication": "dermal_pigment", "skin_type": "III", "series": [5], "mode_width_ps": 650}
    result = new(**given, spot_mm=3.0)
    assert result.exit_code == 3
    assert "it takes 187.4 mJ, and the most is 180 mJ" in result.stderr
    assert new(**given, spot_mm=2.9).exit_code == 0


@pytest.mark.parametrize(
    ("answers", "exit_", "named"),
    [
        ({}, 3, "indication"),
        ({"indication": "tattoo"}, 3, "skin_type"),
        ({"indication": "tattoo", "skin_type": "II"}, 3, "series"),
        ({"indication": "melasma", "skin_type": "VI", "series": [5]}, 3, "locked"),
        ({"indication": "tattoo", "skin_type": "V", "series": [5]}, 3, "test_spot"),
        ({"indication": "tattoo", "skin_type": "I", "series": [5], "acknowledged": ["expert"]}, 3, "expert"),
        ({"indication": "tattoo", "skin_type": "I", "series": [5], "passes": 2}, 3, "1 to 1"),
        ({"indication": "tattoo", "skin_type": "I", "series": [1.5]}, 3, "whole number"),
        ({"indication": "tattoo", "skin_type": "I", "series": []}, 3, "series"),
        ({"indication": "tattoo", "skin_type": "I", "series": [5], "spot_mm": None}, 3, "number"),
        ({"indication": "tattoo", "skin_type": "I", "series": [5], "rehearsal": "maybe"}, 3, "yes or no"),
        ({"indication": "service", "series": [1000] * 20, "passes": 7}, 3, "20000 pulses"),
        ({"indication": "tattoo", "colour": "red"}, 7, "colour"),
        ({"acknowledged": "expert"}, 7, "acknowledged"),
    ],
)
def test_answers_from_a_file_are_refused_by_name_and_nothing_is_written(
    new: Callable[..., Any], tmp_path: Path, answers: dict[str, Any], exit_: int, named: str
) -> None:
    result = new(**answers)
    assert result.exit_code == exit_
    assert named in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "new.toml").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "7", "\xff"])
def test_a_file_of_answers_that_is_none_ends_with_status_7(
    picolase: Picolase, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    for name in (str(path), str(tmp_path / "missing.json")):
        result = picolase("plan", "new", str(tmp_path / "new.toml"), "--answers", name)
        assert result.exit_code == 7
        assert name in result.stderr


def test_no_file_is_overwritten_and_the_default_name_is_that_of_the_plan(
    picolase: Picolase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = answered(tmp_path, indication="tattoo", skin_type="I", series=[5], name="Tattoo, left Forearm!")
    assert picolase("plan", "new", "--answers", str(path)).exit_code == 0
    written = tmp_path / "tattoo-left-forearm.toml"
    before = written.read_bytes()
    for again in ([], [str(written)]):
        result = picolase("plan", "new", *again, "--answers", str(path))
        assert result.exit_code == 3
        assert "exists" in result.stderr
    assert written.read_bytes() == before
    assert picolase("plan", "new", "/nowhere/p.toml", "--answers", str(path)).exit_code == 1


def test_answers_that_end_too_early_write_nothing(new: Callable[..., Any], tmp_path: Path) -> None:
    result = new(typed="tattoo\nII\n")
    assert result.exit_code == 3
    assert "no answer for wavelength_nm" in result.stderr
    assert not (tmp_path / "new.toml").exists()


JUNK = (
    st.none() | st.booleans() | st.integers(-5, 2000) | st.floats() | st.text(max_size=5)
    | st.lists(st.integers(-1, 1001), max_size=3)
)  # fmt: skip
SENSIBLE = {
    "skin_type": st.sampled_from(SKIN_TYPES),
    "wavelength_nm": st.sampled_from([532, 755, 1064]),
    "mode_width_ps": st.sampled_from([450, 550, 650, 750]),
    "handpiece": st.sampled_from(["zoom", "fixed_6", "fixed_8", "lens_array_6"]),
    "spot_mm": st.sampled_from([2.0, 2.5, 2.9, 3.0, 4.0, 6.0, 8.0]),
    "pulse_energy_mj": st.integers(5, 210),
    "rep_rate_hz": st.sampled_from([1, 2.5, 5, 10]),
    "area_cm2": st.none() | st.floats(0.1, 50),
    "overlap_percent": st.none() | st.floats(0, 12),
    "series": st.lists(st.integers(1, 60), min_size=1, max_size=5),
    "passes": st.integers(1, 8),
    "subject": st.sampled_from([None, "P-1", "Jane"]),
    "rehearsal": st.booleans(),
    "name": st.text(max_size=10),
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([*PRESETS, SERVICE]),
    st.fixed_dictionaries({}, optional={key: good | JUNK for key, good in SENSIBLE.items()}),
    st.lists(st.sampled_from(Condition), unique=True),
)
def test_whatever_is_answered_the_draft_never_holds_what_is_refused(
    indication: str, answers: dict[str, Any], confirmed: list[Condition]
) -> None:
    draft = Draft(DEVICE_CLASS)
    assert draft.answer("indication", indication) == []
    for condition in confirmed if not draft.plan.service else []:
        draft.acknowledge(condition)
    asked = {"indication"}
    for question in QUESTIONS[1:]:
        if draft.plan.service and not question.of_service:
            continue
        assert question.words(draft)
        text = str(answers[question.key]) if question.key in answers else question.default(draft)
        try:
            value = None if text is None else question.parse(text)
        except ValueError:
            continue
        before = draft.plan
        if value is not None and draft.answer(question.key, value):
            assert draft.plan == before, "a refused answer leaves no trace"
        elif value is not None:
            asked.add(question.key)
        left = {one.field for one in check_plan(draft.plan, DEVICE_CLASS)}
        assert not left & asked


# -- at a real terminal


def at_a_terminal(tmp_path: Path, typed: list[str], *, interrupt: bool) -> tuple[int, str]:
    """Run `plan new` on a pseudo-terminal, each line typed once its prompt stands; Ctrl-C at the end."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "controller.cli", "plan", "new", str(tmp_path / "new.toml")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as run:
        os.close(theirs)
        shown = ""
        for line in typed:
            shown += read_until_prompt(ours)
            os.write(ours, line.encode() + b"\n")
        if interrupt:
            shown += read_until_prompt(ours)
            # One that comes between the prompt and the reading of the line is Python's to lose: press again.
            for _ in range(50):
                os.kill(run.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(1)
                    break
            else:
                run.kill()
        shown += read_to_the_end(ours)
        code = run.wait(50)
    os.close(ours)
    return code, shown


def read_until_prompt(terminal: int) -> str:
    shown = ""
    while not re.search(r": $", shown):
        assert select.select([terminal], [], [], 50)[0], shown
        shown += os.read(terminal, 4096).decode()
    return shown


def read_to_the_end(terminal: int) -> str:
    shown = ""
    while select.select([terminal], [], [], 50)[0]:
        try:
            some = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not some:
            break
        shown += some.decode()
    return shown


DIALOGUE = ["tattoo", "II", "", "", "", "3.5", "300", "173", "5", "", "", "20 20 20", "", "", "", "Forearm"]


def test_at_a_terminal_the_dialogue_ends_in_a_file(tmp_path: Path) -> None:
    code, shown = at_a_terminal(tmp_path, DIALOGUE, interrupt=False)
    assert code == 0, shown
    assert "refused: pulse_energy_mj = 300.0" in shown
    plan = parse_plan((tmp_path / "new.toml").read_text(), Path("p")).plan
    assert (plan.name, plan.pulse_energy_mj, plan.series) == ("Forearm", 173, (20, 20, 20))


@pytest.mark.parametrize("after", [0, 1, len(DIALOGUE) - 1])
def test_ctrl_c_at_any_question_writes_nothing(tmp_path: Path, after: int) -> None:
    code, shown = at_a_terminal(tmp_path, DIALOGUE[:after], interrupt=True)
    assert code == 130, shown
    assert "Interrupted" in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("area_cm2", [0.1, 10, 300, 600, 2000])
@pytest.mark.parametrize("indication", PRESETS)
def test_the_series_that_are_offered_for_an_area_are_accepted(indication: str, area_cm2: float) -> None:
    """Of a large area 20 pulses to a series were more series than a plan may have."""
    draft = Draft(DEVICE_CLASS)
    skin, acknowledged = skin_for(indication)
    answers = {"indication": indication, "skin_type": skin, "area_cm2": area_cm2}
    for question in QUESTIONS:
        if question.key not in answers:
            default = question.default(draft)
            assert default is not None, question.key
            answers[question.key] = question.parse(default)
        for name in acknowledged if question.key == "skin_type" else ():
            draft.acknowledge(Condition(name))
        assert draft.answer(question.key, answers[question.key]) == [], question.key
