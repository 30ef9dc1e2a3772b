"""Courses from the command line: listed, shown, effects recorded; and what a plan's run asks of them."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.cli import course as command
from controller.store import DeviceRecord, SessionState, Store
from safety.courses import EffectKind
from tests.controller.cli_standin import SESSION, Picolase, StandIn, status
from tests.controller.stored import SERIAL, START, pulse

PLAN = Path(__file__).parents[2] / "plans" / "tattoo-forearm.toml"
NOW = START + timedelta(days=10)
STANDING = [
    ("course.too-early-2026-04-01", "the last session of this course was on 2026-03-04", "wait"),
    ("course.effect-2", "after an earlier session: blistering, severe", "look at the skin"),
]


@pytest.fixture
def treated(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    monkeypatch.setattr(command, "wall_clock", lambda: NOW)
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


def test_an_effect_is_recorded_shown_and_resolved(picolase: Picolase, treated: Path) -> None:
    made = answered(
        picolase, "effect", "s-1", "--kind", "blistering", "--severity", "severe", "--onset", "2026-03-06"
    )
    assert (made["id"], made["kind"], made["severity"], made["severity_text"]) == (
        1, "blistering", 3, "severe",
    )  # fmt: skip
    assert (made["onset"], made["resolved"], made["blocks"]) == ("2026-03-06", None, True)
    assert made["recorded_by"].startswith("cli:")
    assert datetime.fromisoformat(made["recorded"]) == NOW
    pain = answered(
        picolase, "effect", "s-1", "--kind", "pain", "--severity", "4", "--onset", "2026-03-04",
        "--resolved", "2026-03-05",
    )  # fmt: skip
    assert (pain["id"], pain["severity_text"], pain["resolved"], pain["blocks"]) == (
        2, "4/10", "2026-03-05", False
    )  # fmt: skip
    told = answered(picolase, "show", "p-7")
    assert told["subject"] == "P-7"
    assert [one["id"] for one in told["effects"]] == [1, 2]
    (course,) = told["courses"]
    assert course["sessions"] == [{"id": "s-1", "day": "2026-03-04", "pulses": 1, "operator": "anna"}]
    assert answered(picolase, "list")[0]["effects_unresolved"] == 1
    gone = answered(picolase, "resolve", "1", "--on", "2026-03-12")
    assert (gone["resolved"], gone["blocks"]) == ("2026-03-12", True)
    assert answered(picolase, "list")[0]["effects_unresolved"] == 0
    shown = picolase("course", "show", "P-7").stdout
    for word in ("1 of 10", "blistering", "severe", "2026-03-12", "4/10", "s-1"):
        assert word in shown
    with Store.open(treated, wall_clock=lambda: NOW) as store:
        assert [one.kind for one in store.session_effects("s-1")] == [EffectKind.BLISTERING, EffectKind.PAIN]
        assert [entry.kind for entry in store.audit_entries()][-3:] == [
            "effect.record", "effect.resolve", "effect.resolve",
        ]  # fmt: skip
        assert store.check() == []


@pytest.mark.parametrize("severity", ["mild", "1"])
def test_a_grade_is_a_word_or_its_number(picolase: Picolase, treated: Path, severity: str) -> None:
    made = answered(picolase, "effect", "s-1", "--kind", "oedema", "--severity", severity)
    assert (made["severity"], made["onset"]) == (1, "2026-03-14")


@pytest.mark.parametrize(
    ("arguments", "status_", "words"),
    [
        (("effect", "s-1", "--kind", "itching", "--severity", "mild"), 2, "is not one of"),
        (("effect", "s-1", "--kind", "pain", "--severity", "awful"), 2, "pain: 0 to 10"),
        (("effect", "s-1", "--kind", "pain", "--severity", "11"), 1, "allowed: 0 to 10"),
        (("effect", "s-1", "--kind", "crusting", "--severity", "4"), 1, "allowed: 1 to 3"),
        (("effect", "none", "--kind", "pain", "--severity", "1"), 1, "no session 'none'"),
        (("effect", "dark", "--kind", "pain", "--severity", "1"), 1, "no light"),
        (("effect", "s-1", "--kind", "pain", "--severity", "1", "--onset", "2026-03-15"), 1, "to 2026-03-14"),
        (("effect", "s-1", "--kind", "pain", "--severity", "1", "--resolved", "2026-03-01"), 1, "resolution"),
        (("resolve", "7"), 1, "no adverse effect number 7"),
        (("show", "P-9"), 1, "course list"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_recorded(
    picolase: Picolase, treated: Path, arguments: tuple[str, ...], status_: int, words: str
) -> None:
    result = picolase("course", *arguments)
    assert result.exit_code == status_, result.output
    assert words in result.stderr
    with Store.open(treated, wall_clock=lambda: NOW) as store:
        assert store.session_effects("s-1") == []
        assert not any(entry.kind.startswith("effect") for entry in store.audit_entries())


def test_of_a_session_without_a_subject_it_is_said_that_nobody_will_be_shown_it(
    picolase: Picolase, treated: Path
) -> None:
    result = picolase("course", "effect", "s-2", "--kind", "pain", "--severity", "1")
    assert result.exit_code == 0
    assert "names no subject" in result.stderr
    assert "adverse effect 1: pain, 1/10" in picolase("report", "s-2").stdout


def test_the_page_of_a_session_has_its_adverse_effects(
    picolase: Picolase, treated: Path, tmp_path: Path
) -> None:
    page = tmp_path / "s.html"
    assert picolase("report", "s-1", "--html", str(page)).exit_code == 0
    assert "None on record" in page.read_text("utf-8").split("Adverse effects")[1]
    answered(picolase, "effect", "s-1", "--kind", "scarring", "--severity", "mild")
    assert picolase("report", "s-1", "--html", str(page)).exit_code == 0
    assert "scarring, mild, since 2026-03-14, not resolved" in page.read_text("utf-8")
    assert json.loads(picolase("report", "s-1", "--json").stdout)["effects"][0]["kind"] == "scarring"


def test_a_plan_says_whose_course_it_belongs_to(picolase: Picolase) -> None:
    assert "none named, so the session belongs to no course" in picolase("plan", "check", str(PLAN)).stdout
    assert "subject: P-0042" in picolase("plan", "check", str(PLAN.parent / "acne-scars-cheek.toml")).stdout
    assert "subject" not in picolase("plan", "check", str(PLAN.parent / "service-10hz.toml")).stdout


def test_without_records_there_is_nothing_to_show_and_none_are_begun(
    picolase: Picolase, config: Path
) -> None:
    for arguments in (("list",), ("effect", "s-1", "--kind", "pain", "--severity", "1"), ("resolve", "1")):
        assert picolase("course", *arguments).exit_code == 1
    assert not (config.parent / "picolase.db").exists()
    Store.open(config.parent / "picolase.db", wall_clock=lambda: NOW).close()
    assert answered(picolase, "list") == []
    assert "No session" in picolase("course", "list").stderr


def test_a_subject_without_effects_says_so(picolase: Picolase, treated: Path) -> None:
    assert "No adverse effect" in picolase("course", "show", "P-7").stderr
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
