"""The API over HTTP, in process: who may ask what, what is answered, and how a no looks."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.api import TEXT_MAX, build_api
from controller.console import WATCHER
from controller.store import Role, SessionState
from protocols.states import State
from rig.stack import PLAN, Stack, plan_text

VIRTUAL_TIME = True

PLAN_BODY = {"text": PLAN, "file": "plan.toml"}
CONFIRMED = {"eyewear_nm": 755, "checklist": True}
# What each route that acts is asked with.
ACTS: dict[str, dict[str, Any] | None] = {
    "/sessions": PLAN_BODY | CONFIRMED,
    "/sessions/resume": CONFIRMED,
    "/sessions/abandon": None,
    "/arm": None,
    "/standby": None,
    "/ack": {"latches": [{"name": "start_up", "instance": 1}]},
    "/calibrate": None,
    "/aiming": {"on": True},
    "/resolve": None,
}
OPEN_TO_ALL = {"/login", "/logout", "/stop", "/plan/check"}
ERROR_KEYS = {"error", "message", "reasons", "problems"}


@pytest.fixture
def api(stack: Stack) -> FastAPI:
    return build_api(stack.daemon.console)


@pytest.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://daemon") as client:
        yield client


async def logged_in(stack: Stack, role: Role = Role.OPERATOR, name: str = "anna") -> dict[str, str]:
    return {"Authorization": f"Bearer {(await stack.login(name, role)).token}"}


def told(response: httpx.Response, status: int) -> dict[str, Any]:
    """The body of an error, in the one form that all errors have."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    assert body.keys() == ERROR_KEYS
    assert body["error"]
    assert body["message"]
    for reason in body["reasons"]:
        assert reason.keys() == {"code", "text", "action"}
    for problem in body["problems"]:
        assert problem.keys() == {"code", "field", "value", "allowed", "source", "action"}
    return body


def test_every_route_is_known_to_these_tests() -> None:
    routes = [route for route in build_api_without_console().routes if isinstance(route, APIRoute)]
    posts = {route.path for route in routes if "POST" in (route.methods or ())}
    gets = {route.path for route in routes if "GET" in (route.methods or ())}
    assert posts == ACTS.keys() | OPEN_TO_ALL
    assert gets == {"/status", "/watch"}


def build_api_without_console() -> FastAPI:
    return build_api(None)  # type: ignore[arg-type]  # only its routes are looked at


# -- who may


@pytest.mark.parametrize(
    "header", [None, "Bearer nonsense", "Bearer ", "Basic YTpi", "nonsense", "bearer"], ids=repr
)
async def test_without_a_login_nothing_can_be_done(
    stack: Stack, http: httpx.AsyncClient, header: str | None
) -> None:
    await stack.settled()
    headers = {} if header is None else {"Authorization": header}
    carried = stack.line.bytes_carried
    for path, body in ACTS.items():
        error = told(await http.post(path, json=body, headers=headers), 401)
        assert error["error"] == "login.not_logged_in"
    assert stack.reader.sessions() == []
    assert stack.latches
    assert stack.line.bytes_carried == carried


async def test_a_viewer_can_do_nothing_either(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    headers = await logged_in(stack, Role.VIEWER, "vera")
    for path, body in ACTS.items():
        error = told(await http.post(path, json=body, headers=headers), 403)
        assert error["error"] == "login.role"
        assert "needs operator, you are viewer" in error["message"]
    assert stack.latches


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.SERVICE, Role.ADMINISTRATOR])
async def test_an_operator_or_more_can(stack: Stack, http: httpx.AsyncClient, role: Role) -> None:
    await stack.settled()
    answer = await http.post("/ack", json=ACTS["/ack"], headers=await logged_in(stack, role, "bob"))
    assert answer.json() == {
        "cleared": [{"name": "start_up", "instance": 1}],
        "kept": [],
        "outcome": "done",
    }


async def test_looking_checking_and_stopping_need_no_login(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    assert (await http.get("/status")).status_code == 200
    checked = (await http.post("/plan/check", json=PLAN_BODY)).json()
    assert (checked["ok"], checked["refusals"]) == (True, [])
    assert checked["summary"]["planned_pulses"] == 60
    assert checked["summary"]["duration_s"] == pytest.approx(12.0)
    stopped = (await http.post("/stop")).json()
    assert (stopped["confirmed"], stopped["level"]) == (True, "STOP")
    await stack.until(lambda: stack.device.stop_epoch == 1, "the stop's own Status")


async def test_a_login_is_a_token_and_a_logout_its_end(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.login()
    answer = (await http.post("/login", json={"name": "anna", "password": "anna"})).json()
    assert answer.keys() == {"token", "name", "role", "idle_lock_s"}
    assert (answer["name"], answer["role"], answer["idle_lock_s"]) == ("anna", "operator", 900)
    headers = {"Authorization": f"Bearer {answer['token']}"}
    assert (await http.post("/resolve", headers=headers)).json() == {"settled": [], "open": []}
    assert (await http.post("/logout", headers=headers)).json() == {}
    told(await http.post("/resolve", headers=headers), 401)
    assert (await http.post("/logout", headers=headers)).json() == {}


async def test_wrong_passwords_lock_out_and_tell_nothing_of_who_exists(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.login()
    for _ in range(5):
        known = told(await http.post("/login", json={"name": "anna", "password": "wrong"}), 401)
        unknown = told(await http.post("/login", json={"name": "nobody", "password": "wrong"}), 401)
        assert known == unknown
        assert known["error"] == "login.wrong"
    locked = told(await http.post("/login", json={"name": "anna", "password": "anna"}), 401)
    assert locked["error"] == "login.locked_out"
    assert "300 s left" in locked["message"]


async def test_a_lease_held_elsewhere_is_409_and_says_by_whom(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.prepare()
    bob = await logged_in(stack, name="bob")
    for path, body in ACTS.items():
        if path == "/standby":
            continue  # whoever is logged in may disarm
        error = told(await http.post(path, json=body, headers=bob), 409)
        assert error["error"] == "lease"
        assert "anna" in error["message"]


# -- what is asked wrongly


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


async def test_missing_confirmations_are_reasons(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    body = PLAN_BODY | {"eyewear_nm": 532, "checklist": False}
    headers = await logged_in(stack)
    error = told(await http.post("/sessions", json=body, headers=headers), 422)
    assert error["error"] == "confirm"
    assert {reason["code"] for reason in error["reasons"]} == {"confirm.eyewear", "confirm.checklist"}


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


# -- what is answered


async def test_the_status_has_everything_the_contract_names(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.fire(3)
    status = (await http.get("/status")).json()
    assert status.keys() >= {
        "time", "boot", "link", "device", "laser", "telemetry", "supervisor", "session", "lease", "books",
        "uncertain", "mqtt", "store",
    }  # fmt: skip
    assert status["link"].keys() >= {"state", "port", "reason"}
    assert (status["link"]["state"], status["link"]["port"]) == ("up", stack.line.url)
    assert (
        status["device"].items()
        >= {"serial": stack.serial, "simulated": True, "interface_matches": True}.items()
    )
    assert (status["laser"]["state"], status["laser"]["quality"]) == ("emitting", "good")
    assert status["laser"]["age_s"] <= 0.05
    assert status["telemetry"]["quality"] == "good"
    assert (status["supervisor"]["latches"], status["supervisor"]["heartbeat"]) == ([], "sent")
    session = status["session"]
    given = len([pulse for pulse in stack.reader.pulses(stack.serial) if pulse.session_id])
    assert (session["state"], session["planned"], session["series"]) == ("armed", 60, [20, 20, 20])
    assert (session["delivered"], session["remaining"]) == (given, 60 - given)
    assert session["series_done"] == [given, 0, 0]
    assert status["lease"]["operator"] == "anna"
    assert status["books"]["device_counter"] == 32 + given
    assert (status["uncertain"], status["mqtt"]["state"], status["store"]["ok"]) == ([], "off", True)
    json.dumps(status, allow_nan=False)  # JSON knows no NaN


async def test_before_any_laser_is_there_the_status_says_so(http: httpx.AsyncClient) -> None:
    status = (await http.get("/status")).json()
    assert (status["device"], status["laser"], status["telemetry"], status["session"]) == (None,) * 4
    assert status["link"]["state"] == "connecting"
    assert "host.link_down" in {reason["code"] for reason in status["supervisor"]["arm_refusals"]}
    assert [latch["name"] for latch in status["supervisor"]["latches"]] == ["start_up"]


async def test_a_whole_treatment_over_the_api(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    await stack.login()
    token = (await http.post("/login", json={"name": "anna", "password": "anna"})).json()["token"]
    http.headers["Authorization"] = f"Bearer {token}"
    latches = (await http.get("/status")).json()["supervisor"]["latches"]
    named = [{"name": latch["name"], "instance": latch["instance"]} for latch in latches]
    assert (await http.post("/ack", json={"latches": named})).json()["outcome"] == "done"
    body = {"text": plan_text(series=[4, 4])} | CONFIRMED
    session = (await http.post("/sessions", json=body)).json()
    assert (session["planned"], session["remaining"], session["state"]) == (8, 8, "open")
    assert (await http.post("/aiming", json={"on": True})).json()["outcome"] == "done"
    assert (await http.post("/arm")).json()["outcome"] == "done"
    await stack.permitted()
    await stack.give_series()
    assert (await http.post("/standby")).json()["outcome"] == "done"
    again = (await http.post("/arm")).json()
    if again["outcome"] == "refused":  # it is on its way to STANDBY still
        await stack.standby()
        await stack.until(lambda: not stack.device.blocks, "the foot seen released")
        assert (await http.post("/arm")).json()["outcome"] == "done"
    await stack.give_all()
    assert stack.truth.aperture == 8
    assert stack.reader.session(session["id"]).state is SessionState.DONE
    assert (await http.get("/status")).json()["session"]["state"] == "done"
    assert stack.device.state is State.STANDBY


async def test_an_old_latch_cannot_be_acknowledged_and_no_other_is_taken_for_it(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    headers = await logged_in(stack)
    for name, instance in (("start_up", 2), ("reconnected", 1), ("no_such", 1)):
        body = {"latches": [{"name": name, "instance": instance}]}
        answer = (await http.post("/ack", json=body, headers=headers)).json()
        assert (answer["outcome"], answer["cleared"]) == ("refused", [])
        assert answer["kept"][0]["reasons"]
    assert len(stack.latches) == 1


async def test_the_stream_tells_state_pulses_and_events_and_ends_with_the_daemon(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    watching = asyncio.create_task(http.get("/watch"))  # this transport gives the whole of it at its end
    await asyncio.sleep(0)
    await stack.prepare(plan_text(series=[3]))
    await stack.arm()
    await stack.give_all()
    await asyncio.sleep(2.5)
    await stack.end_daemon()
    response = await watching
    assert response.headers["content-type"].startswith("text/event-stream")
    items = [json.loads(line[5:]) for line in response.text.splitlines() if line.startswith("data:")]
    assert items[0]["kind"] == "status"
    by_kind = {
        kind: [item for item in items if item["kind"] == kind] for kind in ("status", "pulse", "event")
    }
    assert [pulse["pulse_number"] for pulse in by_kind["pulse"]] == list(range(1, 36))
    assert {"ready", "emitting", "standby"} <= {
        item["laser"]["state"] for item in by_kind["status"] if item["laser"]
    }
    assert any("is done: 3 pulses" in event["text"] for event in by_kind["event"])


async def test_a_silent_laser_leaves_the_stream_a_status_each_second(stack: Stack) -> None:
    seen: list[float] = []

    async def watch() -> None:
        async for item in stack.daemon.console.watch():
            seen.extend([stack.loop.time()] if item["kind"] == "status" else [])

    stack.line.unplug()
    await asyncio.sleep(3)
    watching = asyncio.create_task(watch())
    await asyncio.sleep(5.5)
    watching.cancel()
    await asyncio.wait({watching})
    assert len(seen) >= 5
    assert max(b - a for a, b in pairwise(seen)) <= 1.01
    assert not [feed for feed in stack.daemon.fanout.subscriptions if feed.name == WATCHER]
    stack.line.plug_in()
