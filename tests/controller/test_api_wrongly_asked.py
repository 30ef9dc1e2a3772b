"""The API asked wrongly: every error has one form, and nothing is done."""

from typing import Any

import httpx
import pytest

from controller.api_bodies import TEXT_MAX
from rig.stack import PLAN, Stack, plan_text
from safety.checklist import ITEMS
from tests.controller.asking import CONFIRMED, PLAN_BODY, logged_in, told

VIRTUAL_TIME = True
BAD: list[tuple[str, Any, set[str]]] = [
    ("/login", {"name": "anna"}, {"password"}),
    ("/login", {}, {"name", "password"}),
    ("/login", {"name": 1, "password": "x"}, {"name"}),
    ("/login", {"name": "a" * 65, "password": "x"}, {"name"}),
    ("/login", {"name": "anna", "password": "x" * 257}, {"password"}),
    ("/login", {"name": "anna", "password": "x", "admin": True}, {"admin"}),
    ("/login", None, {"body"}),
    ("/login", [], {"body"}),
    ("/plan/check", {}, {"text"}),
    ("/plan/check", {"text": "x" * (TEXT_MAX + 1)}, {"text"}),
    ("/plan/check", {"text": None}, {"text"}),
    ("/sessions", PLAN_BODY, {"eyewear_nm", "checklist"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": "755", "checklist": True}, {"eyewear_nm"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": 755.0, "checklist": True}, {"eyewear_nm"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": -1, "checklist": True}, {"eyewear_nm"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": 755, "checklist": "yes"}, {"checklist"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": 755, "checklist": 1}, {"checklist"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": 755, "checklist": [1]}, {"checklist.0"}),
    ("/sessions", PLAN_BODY | {"eyewear_nm": 755, "checklist": True, "course": True}, {"course"}),
    ("/sessions/resume", {"eyewear_nm": 2001, "checklist": True}, {"eyewear_nm"}),
    ("/ack", {"latches": []}, {"latches"}),
    ("/ack", {"latches": [{"name": "x"}]}, {"latches.0.instance"}),
    ("/ack", {"latches": [{"name": "x", "instance": -1}]}, {"latches.0.instance"}),
    ("/ack", {"latches": [{"name": "x", "instance": 1}] * 65}, {"latches"}),
    ("/aiming", {"on": "true"}, {"on"}),
    ("/aiming", {"on": 1}, {"on"}),
    ("/aiming", {"on": True, "for_s": 3}, {"for_s"}),
    ("/aiming", None, {"body"}),
]


async def test_a_wrong_body_is_refused_with_each_field_and_nothing_is_done(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    headers = await logged_in(stack)
    before = stack.line.bytes_carried
    for path, body, fields in BAD:
        error = told(await http.post(path, json=body, headers=headers), 422)
        assert error["error"] == "request"
        assert {problem["field"] for problem in error["problems"]} == fields, (path, body)
        assert all(problem["allowed"] and problem["action"] for problem in error["problems"])
    assert stack.line.bytes_carried == before
    assert stack.reader.sessions() == []


async def test_a_password_is_never_told_back(http: httpx.AsyncClient) -> None:
    for body in ({"name": 5, "password": ["secret-1"]}, {"name": "anna", "password": "secret-1" * 40}):
        response = await http.post("/login", json=body)
        told(response, 422)
        assert "secret-1" not in response.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"null", b'"text"', b"[1]"])
async def test_what_is_no_json_object_is_refused_in_the_same_form(
    stack: Stack, http: httpx.AsyncClient, content: bytes
) -> None:
    del stack
    headers = {"Content-Type": "application/json"}
    error = told(await http.post("/login", content=content, headers=headers), 422)
    assert error["problems"]


async def test_what_does_not_exist_is_told_in_the_same_form(stack: Stack, http: httpx.AsyncClient) -> None:
    del stack
    assert "/fire" in told(await http.post("/fire"), 404)["message"]
    told(await http.get("/stop"), 405)
    told(await http.delete("/status"), 405)


@pytest.mark.shows("REQ-041")
async def test_a_plan_that_is_refused_names_field_value_and_range(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    headers = await logged_in(stack)
    text = plan_text(pulse_energy_mj=900.0 / 2, rep_rate_hz=20.0)
    checked = (await http.post("/plan/check", json={"text": text})).json()
    assert not checked["ok"]
    error = told(await http.post("/sessions", json={"text": text} | CONFIRMED, headers=headers), 422)
    assert error["error"] == "plan"
    assert error["problems"] == checked["refusals"]
    assert {problem["field"] for problem in error["problems"]} == {"pulse_energy_mj", "rep_rate_hz"}
    broken = told(await http.post("/plan/check", json={"text": plan_text(passes="many")}), 422)
    assert broken["error"] == "file"
    unknown = told(await http.post("/plan/check", json={"text": PLAN + "\n[beams]\n"}), 422)
    assert [problem["field"] for problem in unknown["problems"]] == ["beams"]


@pytest.mark.shows("REQ-044")
async def test_missing_confirmations_are_reasons(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    body = PLAN_BODY | {"eyewear_nm": 532, "checklist": False}
    headers = await logged_in(stack)
    error = told(await http.post("/sessions", json=body, headers=headers), 422)
    assert error["error"] == "confirm"
    wanted = {"confirm.eyewear_nm", *(f"confirm.{key}" for key in ITEMS)}
    assert {reason["code"] for reason in error["reasons"]} == wanted


async def test_what_is_not_possible_now_is_409(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    headers = await logged_in(stack)
    assert told(await http.post("/arm", headers=headers), 409)["error"] == "session.none"
    assert told(await http.post("/sessions/abandon", headers=headers), 409)["error"] == "session.none"
    assert told(await http.post("/sessions/resume", json=CONFIRMED, headers=headers), 409)["error"]
    stack.line.unplug()
    await stack.until(lambda: stack.status is None, "the loss seen")
    error = told(await http.post("/plan/check", json=PLAN_BODY), 409)
    assert error["error"] == "host.link_down"
    refused = (await http.post("/standby", headers=headers)).json()
    assert (refused["outcome"], refused["reasons"][0]["code"]) == ("refused", "host.link_down")
    stopped = (await http.post("/stop")).json()
    assert not stopped["confirmed"]
    assert "hardware stop" in stopped["text"]
    stack.line.plug_in()


async def test_a_store_that_fails_is_503_in_its_own_words(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    await stack.acknowledge()
    headers = await logged_in(stack)
    assert stack.store is not None
    stack.store.fill_disk()
    answers = [await http.post("/aiming", json={"on": True}, headers=headers) for _ in range(20)]
    error = told(answers[-1], 503)
    assert error["error"] == "store"
    assert "disk is full" in error["message"]
    stack.store.free_disk()
