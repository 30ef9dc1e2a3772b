"""Adverse effects over the API: told by whoever is logged in, corrected, and what the next session asks."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from controller.session_report import session_report
from controller.store import Role
from rig.stack import BEGAN, Stack, plan_text
from tests.controller.asking import CONFIRMED, logged_in, told

VIRTUAL_TIME = True

TODAY = BEGAN.date()
TOMORROW = TODAY + timedelta(days=1)
IDLE_LOCK_S = 60
SCAR: dict[str, Any] = {"kind": "scarring", "severity": 2}
Header = dict[str, str]


def of(subject: str | None) -> str:
    text = plan_text(series=[3])
    return text if subject is None else text.replace("rehearsal =", f'subject = "{subject}"\nrehearsal =')


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(safety={"idle_lock_s": IDLE_LOCK_S}) as stack:
        yield stack


@pytest.fixture
async def treated(stack: Stack) -> str:
    """A session in which Anna treated P-7."""
    return await treat(stack, "P-7")


async def treat(stack: Stack, subject: str | None) -> str:
    await stack.settled()
    await stack.acknowledge()
    console, who = stack.daemon.console, await stack.login()
    session = await console.open_session(who, of(subject), "plan.toml", 755, checklist=True)
    await stack.until(lambda: not stack.device.blocks, "the foot seen released")
    await stack.arm()
    await stack.give_all()
    return str(session["id"])


async def post(http: httpx.AsyncClient, route: str, header: Header, **body: Any) -> dict[str, Any]:
    answer = await http.post(route, json=body, headers=header)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def begin(http: httpx.AsyncClient, header: Header, *course: str) -> httpx.Response:
    """Ask for the next session of P-7."""
    body = {"text": of("P-7"), "file": "p", "course": list(course)} | CONFIRMED
    return await http.post("/sessions", json=body, headers=header)


async def standing(http: httpx.AsyncClient, header: Header) -> set[str]:
    """What has to be confirmed before the next session of P-7, but for the day."""
    error = told(await begin(http, header), 409)
    assert error["error"] == "course"
    names = {reason["code"].removeprefix("course.") for reason in error["reasons"]}
    return {name for name in names if "early" not in name}


def records(stack: Stack) -> list[tuple[str, str]]:
    entries = list(stack.reader.audit_entries())
    return [(entry.kind, entry.actor) for entry in entries if entry.kind.startswith("effect.")]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SERVICE, Role.ADMINISTRATOR])
async def test_whoever_is_logged_in_tells_of_an_effect_in_their_own_name(
    stack: Stack, treated: str, http: httpx.AsyncClient, role: Role
) -> None:
    """Also beside the one who commands the laser, and without a training: harm is told by whoever sees it."""
    header = await logged_in(stack, role, "olga")
    assert stack.store is not None
    stack.store.record_training("olga", 755, BEGAN, actor="root", now_us=0)
    asleep = stack.line.bytes_carried
    made = await post(http, "/effects", header, session=treated, **SCAR)
    assert stack.line.bytes_carried == asleep, "the laser has nothing to do with it"
    assert (made["id"], made["recorded_by"], made["subject"]) == (1, "olga", "P-7")
    assert (made["kind"], made["severity"], made["onset"], made["resolved"]) == (
        "scarring", 2, str(TODAY), None,
    )  # fmt: skip
    gone = await post(http, "/effects/resolve", await logged_in(stack, name="otto"), effect=1)
    assert (gone["resolved"], gone["resolved_by"], gone["recorded_by"]) == (str(TODAY), "otto", "olga")
    assert records(stack) == [("effect.record", "olga"), ("effect.resolve", "otto")]
    assert stack.daemon.console.status()["lease"]["operator"] == "anna"
    (kept,) = stack.reader.session_effects(treated)
    assert gone == kept.plain() | {"subject": "P-7"}


async def test_an_effect_that_has_gone_already_is_told_at_once(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack)
    days = {"onset": str(TODAY), "resolved": str(TODAY)}
    made = await post(http, "/effects", header, session=treated, kind="pain", severity=4, **days)
    assert (made["severity_text"], made["resolved"], made["blocks"]) == ("4/10", str(TODAY), False)
    assert records(stack) == [("effect.record", "anna"), ("effect.resolve", "anna")]


async def test_of_a_session_that_names_nobody_no_subject_is_told(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    session_id = await treat(stack, None)
    made = await post(http, "/effects", await logged_in(stack), session=session_id, **SCAR)
    assert made["subject"] is None


# -- who may look


@pytest.mark.shows("REQ-045")
async def test_a_viewer_sees_the_course_of_a_subject_and_adds_nothing_to_it(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    await post(http, "/effects", await logged_in(stack), session=treated, **SCAR)
    header = await logged_in(stack, Role.VIEWER, "vera")
    seen = (await http.get("/courses/p-7", headers=header)).json()
    assert seen["subject"] == "P-7"
    (course,) = seen["courses"]
    assert (course["indication"], course["sessions_done"], course["last_session"]) == (
        "tattoo", 1, str(TODAY),
    )  # fmt: skip
    assert [one["id"] for one in course["sessions"]] == [treated]
    assert seen["effects"] == [one.plain() for one in stack.reader.effects("P-7")]
    before = records(stack)
    for route, body in (
        ("/effects", {"session": treated, **SCAR}),
        ("/effects/resolve", {"effect": 1}),
        ("/effects/correct", {"effect": 1, "reason": "not_there"}),
    ):
        assert told(await http.post(route, json=body, headers=header), 403)["error"] == "login.role"
        assert told(await http.post(route, json=body), 401)["error"] == "login.not_logged_in"
    assert records(stack) == before


async def test_without_a_login_nobody_learns_whether_there_is_such_a_subject(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    answers = [told(await http.get(f"/courses/{name}"), 401) for name in ("P-7", "P-8")]
    assert answers[0] == answers[1]
    header = await logged_in(stack)
    assert told(await http.get("/courses/P-8", headers=header), 404)["error"] == "subject"
    assert told(await http.get(f"/courses/{'P' * 65}", headers=header), 422)["error"] == "request"


async def test_looking_keeps_no_login_open_and_telling_does(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack, name="olga")
    await asyncio.sleep(IDLE_LOCK_S - 20)
    await post(http, "/effects", header, session=treated, **SCAR)
    await asyncio.sleep(IDLE_LOCK_S - 20)
    assert (await http.get("/courses/P-7", headers=header)).status_code == 200
    await asyncio.sleep(20)
    assert told(await http.get("/courses/P-7", headers=header), 401)["error"] == "login.idle"


async def test_nothing_of_an_effect_is_in_what_everybody_may_see(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack)
    await post(http, "/effects", header, session=treated, **SCAR)
    await post(http, "/effects/correct", header, effect=1, reason="not_there")
    early = {
        reason["code"].removeprefix("course.") for reason in told(await begin(http, header), 409)["reasons"]
    }
    assert "taken_back" in (await begin(http, header, *early)).json()
    seen = (await http.get("/status")).text + json.dumps([event.text for event in stack.reader.events()])
    for word in ("scar", "taken", "P-7", "effect"):
        assert word not in seen


# -- corrections, and the next session


async def test_before_the_next_session_a_mistake_needs_no_word_and_is_shown_as_one(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack)
    await post(http, "/effects", header, session=treated, **SCAR)
    assert await standing(http, header) == {"effect-1"}
    otto = await logged_in(stack, name="otto")
    back = await post(http, "/effects/correct", otto, effect=1, reason="not_there")
    assert (back["recorded"], back["blocks"]) == (None, False)
    assert back["taken_back"] == {
        "reason": "not_there",
        "by": "otto",
        "when": stack.reader.effect(1).correction.when.isoformat(),  # type: ignore[union-attr]
        "instead": None,
    }
    assert await standing(http, header) == set()
    (early,) = told(await begin(http, header), 409)["reasons"]
    name = early["code"].removeprefix("course.")
    refused = told(await begin(http, header, name, "effect-1"), 409)
    assert [reason["code"] for reason in refused["reasons"]] == ["course.unknown"]
    begun = (await begin(http, header, name)).json()
    (shown,) = begun["taken_back"]
    assert shown == stack.reader.effect(1).plain()
    assert "taken back by otto" in shown["text"]
    assert "there was no such effect" in shown["text"]


async def test_what_stands_instead_needs_a_word_of_its_own_and_says_what_it_is(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack)
    await post(http, "/effects", header, session=treated, **SCAR)
    instead = {"kind": "blistering", "severity": 1}
    made = await post(http, "/effects/correct", header, effect=1, reason="recorded_wrongly", instead=instead)
    assert (made["id"], made["taken_back"]["instead"], made["subject"]) == (1, 2, "P-7")
    assert (made["recorded"]["id"], made["recorded"]["corrects"]) == (2, 1)
    assert (made["recorded"]["subject"], made["recorded"]["onset"]) == ("P-7", str(TODAY))
    assert await standing(http, header) == {"effect-2"}
    (text,) = [
        reason["text"]
        for reason in told(await begin(http, header), 409)["reasons"]
        if reason["code"] == "course.effect-2"
    ]
    assert "blistering, mild" in text
    assert "instead of number 1" in text
    assert records(stack) == [
        ("effect.record", "anna"), ("effect.record", "anna"), ("effect.correct", "anna"),
    ]  # fmt: skip


async def test_resuming_shows_what_was_taken_back_meanwhile(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    await stack.acknowledge()
    console, who = stack.daemon.console, await stack.login()
    session = await console.open_session(who, of("P-7"), "plan.toml", 755, checklist=True)
    assert session["taken_back"] == []
    await stack.until(lambda: not stack.device.blocks, "the foot seen released")
    await stack.arm()
    await stack.fire(1)
    await console.stop("anna", "a test")
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session interrupted")
    stack.release()
    header = await logged_in(stack)
    await post(http, "/effects", header, session=session["id"], **SCAR)
    await post(http, "/effects/correct", header, effect=1, reason="not_there")
    await stack.until(lambda: not stack.device.blocks, "the foot seen released")
    await stack.acknowledge()
    answer = await http.post("/sessions/resume", json=CONFIRMED, headers=header)
    assert answer.status_code == 200, answer.text
    assert [one["id"] for one in answer.json()["taken_back"]] == [1]


# -- what is refused


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("/effects", {"session": "none", **SCAR}, "no session 'none'"),
    ("/effects", {"severity": 4, "kind": "scarring"}, "allowed: 1 to 3"),
    ("/effects", {"severity": 0, "kind": "scarring"}, "allowed: 1 to 3"),
    ("/effects", SCAR | {"onset": str(TODAY - timedelta(days=1))}, f"allowed: {TODAY} to {TODAY}"),
    ("/effects", SCAR | {"onset": str(TOMORROW)}, f"allowed: {TODAY} to {TODAY}"),
    ("/effects", SCAR | {"resolved": str(TOMORROW)}, "resolution"),
    ("/effects/resolve", {"effect": 2}, "no adverse effect number 2"),
    ("/effects/resolve", {"effect": 2**63}, "cannot be stored"),
    ("/effects/resolve", {"effect": 1, "on": str(TOMORROW)}, "resolution"),
    ("/effects/correct", {"effect": 2, "reason": "not_there"}, "no adverse effect number 2"),
    ("/effects/correct", {"effect": 1, "reason": "recorded_twice"}, "no other pain"),
    ("/effects/correct", {"effect": 1, "reason": "recorded_wrongly"}, "does not fit"),
    ("/effects/correct", {"effect": 1, "reason": "not_there", "instead": SCAR}, "does not fit"),
]


async def test_what_is_not_so_is_refused_in_words_and_nothing_is_recorded(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    header = await logged_in(stack)
    await post(http, "/effects", header, session=treated, kind="pain", severity=1)
    before = records(stack)
    for route, body, words in REFUSED:
        asked = {"session": treated} | body if route == "/effects" else body
        error = told(await http.post(route, json=asked, headers=header), 422)
        assert error["error"] == "effect"
        assert words in error["message"]
        assert records(stack) == before, body


@pytest.mark.parametrize(
    ("route", "body", "field"),
    [
        ("/effects", {"session": "s", "kind": "itching", "severity": 1}, "kind"),
        ("/effects", {"session": "s", "kind": "pain", "severity": 11}, "severity"),
        ("/effects", {"session": "s", "kind": "pain", "severity": True}, "severity"),
        ("/effects", {"session": "", "kind": "pain", "severity": 1}, "session"),
        ("/effects", {"session": "s", "kind": "pain", "severity": 1, "note": "Mrs X"}, "note"),
        *(
            ("/effects", SCAR | {"session": "s", "onset": wrong}, "onset")
            for wrong in ("", "now", "2030-1-1", "20300101", "2030-W01-1", "2030-02-30", "2030-01-01T00", 0)
        ),
        ("/effects/resolve", {"effect": 0}, "effect"),
        ("/effects/resolve", {"effect": "1"}, "effect"),
        ("/effects/correct", {"effect": 1, "reason": "sorry"}, "reason"),
        (
            "/effects/correct",
            {"effect": 1, "reason": "not_there", "instead": {"kind": "pain"}},
            "instead.severity",
        ),
    ],
)  # fmt: skip
async def test_a_request_that_is_not_as_described_names_the_field(
    stack: Stack, http: httpx.AsyncClient, route: str, body: dict[str, Any], field: str
) -> None:
    error = told(await http.post(route, json=body, headers=await logged_in(stack)), 422)
    assert error["error"] == "request"
    assert [problem["field"] for problem in error["problems"]] == [field]


# -- in the report


async def test_the_log_of_a_session_tells_its_own_effects_and_nobody_elses(
    stack: Stack, treated: str, http: httpx.AsyncClient
) -> None:
    """The session of P-8 is going on while something is told of P-7."""
    await stack.standby()
    console, who = stack.daemon.console, await stack.login()
    session = await console.open_session(who, of("P-8"), "plan.toml", 755, checklist=True)
    await stack.until(lambda: not stack.device.blocks, "the foot seen released")
    await stack.arm()
    await stack.fire(1)
    header = await logged_in(stack)
    await post(http, "/effects", header, session=treated, **SCAR)
    mine = await post(http, "/effects", header, session=session["id"], kind="pain", severity=3)
    log = session_report(stack.reader, str(session["id"])).log
    assert [line.text for line in log if line.kind.startswith("effect.")] == [
        f"An adverse effect was recorded: number {mine['id']}"
    ]
    assert [one.kind.value for one in session_report(stack.reader, treated).effects] == ["scarring"]
