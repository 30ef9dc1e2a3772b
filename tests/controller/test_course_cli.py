"""Courses from the command line: listed, shown, effects recorded; and what a plan's run asks of them."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.store import DeviceRecord, SessionState, Store
from controller.store.courses import Finding
from safety.courses import EffectKind, Mistake
from tests.controller.cli_standin import SESSION, Picolase, StandIn, status
from tests.controller.stored import SERIAL, START, pulse

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"
NOW = START + timedelta(days=10)
STANDING = [
    ("course.too-early-2026-04-01", "the last session of this course was on 2026-03-04", "wait"),
    ("course.effect-2", "after an earlier session: blistering, severe", "look at the skin"),
]


@pytest.fixture
def treated(config: Path) -> Path:
    """A database with a session of P-7, one of nobody named, and one that gave no light; ten days later."""
    path = config.parent / "picolase.db"
    with Store.open(path, wall_clock=lambda: START) as store:
        store.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
        for number, (session_id, subject) in enumerate((("s-1", "P-7"), ("s-2", None), ("dark", "P-8")), 1):
            store.open_session(
                session_id,
                device_serial=SERIAL,
                operator="anna",
                plan={"subject": subject, "indication": "tattoo"},
                plan_sha256="0" * 64,
                planned_pulses=1,
                now_us=0,
            )
            if session_id != "dark":
                store.record_pulse(pulse(number, session_id))
            store.move_session(session_id, SessionState.DONE, actor="daemon", now_us=0)
    return path


def answered(picolase: Picolase, *arguments: str) -> Any:
    result = picolase("course", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_courses_are_listed_with_sessions_done_and_planned_and_the_day_of_the_next(
    picolase: Picolase, treated: Path
) -> None:
    assert answered(picolase, "list") == [
        {
            "subject": "P-7",
            "indication": "tattoo",
            "sessions_done": 1,
            "sessions_planned": 10,
            "last_session": "2026-03-04",
            "earliest_next": "2026-04-15",
            "earliest_known": "2026-04-01",
            "effects": 0,
            "effects_unresolved": 0,
        }
    ]
    shown = picolase("course", "list").stdout
    for word in ("P-7", "tattoo", "1 of 10", "2026-03-04", "2026-04-15"):
        assert word in shown


def test_effects_are_shown_and_counted_and_those_taken_back_are_marked_and_count_no_more(
    picolase: Picolase, treated: Path
) -> None:
    with Store.open(treated, wall_clock=lambda: NOW) as store:
        found(store, EffectKind.BLISTERING, 3, onset=START.date())
        found(store, EffectKind.PAIN, 4, resolved=NOW.date())
        found(store, EffectKind.CRUSTING, 2)
        assert_counted(picolase, 3, 2)
        store.correct_effect(1, Mistake.NOT_THERE, actor="bert", now_us=1)
        mild = Finding(EffectKind.CRUSTING, 1)
        store.correct_effect(3, Mistake.RECORDED_WRONGLY, instead=mild, actor="bert", now_us=1)
        assert_counted(picolase, 2, 1)
        told = answered(picolase, "show", "p-7")
        assert told["subject"] == "P-7"
        (course,) = told["courses"]
        assert course["sessions"] == [{"id": "s-1", "day": "2026-03-04", "pulses": 1, "operator": "anna"}]
        assert told["effects"] == [one.plain() for one in store.effects("P-7")]
    shown = picolase("course", "show", "P-7").stdout
    for word in (
        "1 of 10",
        "blistering",
        "severe",
        "4/10",
        "s-1",
        "taken back by bert on 2026-03-14: there was no such effect",
        "taken back by bert on 2026-03-14: it was recorded wrongly, number 4 stands instead",
        "instead of number 3",
    ):
        assert word in shown


def found(store: Store, kind: EffectKind, severity: int, **days: date) -> None:
    store.record_effect("s-1", kind, severity, actor="anna", now_us=1, **days)


def assert_counted(picolase: Picolase, effects: int, unresolved: int) -> None:
    (told,) = answered(picolase, "list")
    assert (told["effects"], told["effects_unresolved"]) == (effects, unresolved)


# -- in the report of the session


def test_the_page_of_a_session_has_its_adverse_effects_and_their_corrections(
    picolase: Picolase, treated: Path, tmp_path: Path
) -> None:
    page = tmp_path / "s.html"
    assert picolase("report", "s-1", "--html", str(page)).exit_code == 0
    assert "None on record" in page.read_text("utf-8").split("Adverse effects")[1]
    with Store.open(treated, wall_clock=lambda: NOW) as store:
        found(store, EffectKind.SCARRING, 1)
        mild = Finding(EffectKind.CRUSTING, 1)
        store.correct_effect(1, Mistake.RECORDED_WRONGLY, instead=mild, actor="bert", now_us=1)
    assert picolase("report", "s-1", "--html", str(page)).exit_code == 0
    lines = (
        "scarring, mild, since 2026-03-14, not resolved; taken back by bert on 2026-03-14: "
        "it was recorded wrongly, number 2 stands instead",
        "crusting, mild, since 2026-03-14, not resolved; instead of number 1",
    )
    for line in lines:
        assert line in page.read_text("utf-8")
        assert line in picolase("report", "s-1").stdout
    told = json.loads(picolase("report", "s-1", "--json").stdout)["effects"]
    assert [one["kind"] for one in told] == ["scarring", "crusting"]
    assert [one["blocks"] for one in told] == [False, True]


def test_a_plan_says_whose_course_it_belongs_to(picolase: Picolase) -> None:
    assert "none named, so the session belongs to no course" in picolase("plan", "check", str(PLAN)).stdout
    assert "subject: P-0042" in picolase("plan", "check", str(PLAN.parent / "acne-scars-cheek.toml")).stdout
    assert "subject" not in picolase("plan", "check", str(PLAN.parent / "service-10hz.toml")).stdout


def test_without_records_there_is_nothing_to_show_and_none_are_begun(
    picolase: Picolase, config: Path
) -> None:
    for arguments in (("list",), ("show", "P-7")):
        assert picolase("course", *arguments).exit_code == 1
    assert not (config.parent / "picolase.db").exists()
    Store.open(config.parent / "picolase.db", wall_clock=lambda: NOW).close()
    assert answered(picolase, "list") == []
    assert "No session" in picolase("course", "list").stderr


def test_a_subject_without_effects_says_so(picolase: Picolase, treated: Path) -> None:
    assert "No adverse effect" in picolase("course", "show", "P-7").stderr
    unknown = picolase("course", "show", "P-9")
    assert (unknown.exit_code, "course list" in unknown.stderr) == (1, True)
    assert answered(picolase, "show", "P-8") == {"subject": "P-8", "courses": [], "effects": []}


# -- what `plan run` and `plan resume` ask


def refusal(*standing: tuple[str, str, str]) -> tuple[int, dict[str, Any]]:
    reasons = [dict(zip(("code", "text", "action"), one, strict=True)) for one in standing]
    return 409, {"error": "course", "message": "the course", "reasons": reasons, "problems": []}


@pytest.fixture
def asking(daemon: StandIn) -> StandIn:
    """A stand-in that wants the course confirmed, then opens a session, and refuses to arm."""
    plan = {"wavelength_nm": 755, "pulse_energy_mj": 173, "spot_mm": 3.5}
    daemon.answers |= {
        "plan/check": {"ok": True, "refusals": [], "summary": plan},
        "sessions": [refusal(*STANDING), SESSION],
        "sessions/resume": [refusal(*STANDING), SESSION],
        "status": status(),
        "arm": {"outcome": "refused", "reasons": [], "text": "not now"},
        "stop": {"confirmed": True, "level": "stop", "took_ms": 2.0, "text": ""},
    }
    return daemon


BEGIN = {
    "sessions": ("plan", "run", str(PLAN), "--confirm-eyewear", "755", "--confirm-checklist", "--arm"),
    "sessions/resume": ("plan", "resume", "--confirm-eyewear", "755", "--confirm-checklist", "--arm"),
}


def courses(daemon: StandIn, route: str) -> list[list[str]]:
    return [body.get("course", []) for asked, body, _ in daemon.asked if asked == route]


@pytest.mark.parametrize("route", BEGIN)
def test_at_a_terminal_each_matter_is_shown_and_confirmed_by_its_name(
    picolase: Picolase, asking: StandIn, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    result = picolase(*BEGIN[route], typed="y\ny\n")
    assert courses(asking, route) == [[], ["too-early-2026-04-01", "effect-2"]], result.output
    for code, text, action in STANDING:
        assert text in result.stderr
        assert action in result.stderr
        assert f"Confirm {code.removeprefix('course.')}" in result.stderr


@pytest.mark.parametrize("route", BEGIN)
def test_what_was_taken_back_of_the_subject_is_shown_before_the_laser_is_armed(
    picolase: Picolase, asking: StandIn, route: str
) -> None:
    asking.answers[route] = SESSION | {
        "taken_back": [{"id": 3, "text": "scarring, mild; taken back by bert"}]
    }
    result = picolase(*BEGIN[route])
    assert (
        "After an earlier session, and not to be counted: scarring, mild; taken back by bert."
        in result.stderr
    )
    assert "arm" in asking.routes()


@pytest.mark.parametrize("typed", ["n\n", "y\nn\n", "\n"])
def test_what_is_not_confirmed_at_the_terminal_opens_nothing(
    picolase: Picolase, asking: StandIn, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    result = picolase(*BEGIN["sessions"], typed=typed)
    assert result.exit_code == 3
    assert "Nothing was done" in result.stderr
    assert courses(asking, "sessions") == [[]]


def test_without_a_terminal_the_names_are_told_and_taken_from_the_options(
    picolase: Picolase, asking: StandIn
) -> None:
    result = picolase(*BEGIN["sessions"])
    assert result.exit_code == 3
    assert "--confirm-course NAME" in result.stderr
    for code, text, _ in STANDING:
        assert f"{code.removeprefix('course.')}: {text}" in result.stderr
    given = [word for code, _, _ in STANDING for word in ("--confirm-course", code.removeprefix("course."))]
    picolase(*BEGIN["sessions"], *given)
    assert courses(asking, "sessions") == [[], ["too-early-2026-04-01", "effect-2"]]


def test_a_name_that_fits_nothing_is_refused_also_at_a_terminal(
    picolase: Picolase, asking: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    unknown = ("course.unknown", "there is nothing named 'x' to confirm", "leave it out")
    asking.answers["sessions"] = refusal(*STANDING, unknown)
    result = picolase(*BEGIN["sessions"], "--confirm-course", "x", typed="y\ny\ny\n")
    assert result.exit_code == 3
    assert "nothing named 'x'" in result.stderr
    assert courses(asking, "sessions") == [["x"]]


def test_any_other_refusal_is_told_as_ever(picolase: Picolase, asking: StandIn) -> None:
    asking.answers["sessions"] = (409, {"error": "lease", "message": "bert commands the laser"})
    result = picolase(*BEGIN["sessions"])
    assert result.exit_code == 3
    assert "bert commands the laser" in result.stderr
