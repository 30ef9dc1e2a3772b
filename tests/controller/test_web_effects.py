"""Adverse effects at the page: shown before the next session, recorded, and corrected, with its own token."""

from collections.abc import AsyncIterator

import pytest

from controller.store import Role
from rig.stack import Stack
from tests.controller.asking import CONFIRMED, told
from tests.controller.test_effects_api import of, treat
from tests.controller.webbing import Web, web_of

VIRTUAL_TIME = True


@pytest.fixture
async def web(stack: Stack) -> AsyncIterator[Web]:
    async with web_of(stack) as made:
        yield made


async def test_an_effect_recorded_at_the_page_stands_before_the_next_session_until_it_is_taken_back(
    web: Web,
) -> None:
    session = await treat(web.stack, "P-7")
    headers = web.headers((await web.stack.login_again("anna")).token)
    async with web.http(headers) as http:
        assert (await http.get(f"/sessions/{session}/effects")).json() == []
        assert (await http.get("/sessions")).json()[0]["subject"] == "P-7"
        scar = {"session": session, "kind": "scarring", "severity": 2}
        made = (await http.post("/act/effects", json=scar)).json()
        assert (made["subject"], made["blocks"], made["recorded_by"]) == ("P-7", True, "anna")
        (shown,) = (await http.get(f"/sessions/{session}/effects")).json()
        course = (await http.get("/courses/p-7")).json()
        assert course["effects"] == [shown]
        assert [one["sessions_done"] for one in course["courses"]] == [1]
        plan = {"text": of("P-7"), "file": "p"} | CONFIRMED
        asked = told(await http.post("/act/open", json=plan), 409)
        assert f"course.effect-{made['id']}" in {reason["code"] for reason in asked["reasons"]}
        gone = (await http.post("/act/effects/resolve", json={"effect": made["id"]})).json()
        assert gone["resolved"] is not None
        mistake = {"effect": made["id"], "reason": "not_there"}
        assert (await http.post("/act/effects/correct", json=mistake)).json()["recorded"] is None
        asked = told(await http.post("/act/open", json=plan), 409)
        assert not [one for one in asked["reasons"] if "effect" in one["code"]]
        (shown,) = (await http.get(f"/sessions/{session}/effects")).json()
        assert shown["taken_back"]["reason"] == "not_there"


async def test_a_viewer_reads_of_effects_and_records_none(web: Web) -> None:
    session = await treat(web.stack, None)
    headers = await web.logged_in("vera", Role.VIEWER)
    async with web.http(headers) as http:
        assert (await http.get(f"/sessions/{session}/effects")).json() == []
        body = {"session": session, "kind": "pain", "severity": 3}
        assert told(await http.post("/act/effects", json=body), 403)["error"] == "login.role"
        assert (await http.get(f"/sessions/{session}/effects")).json() == []


@pytest.mark.parametrize(
    "body",
    [{"severity": 11}, {"kind": "itching"}, {"severity": "3"}, {"onset": "yesterday"}, {"more": 1}],
)
async def test_what_is_no_effect_is_refused_by_its_field(web: Web, body: dict[str, object]) -> None:
    headers = await web.logged_in()
    async with web.http(headers) as http:
        sent = {"session": "s", "kind": "pain", "severity": 3} | body
        problems = told(await http.post("/act/effects", json=sent), 422)["problems"]
        assert [one["field"] for one in problems] == [next(iter(body))]
