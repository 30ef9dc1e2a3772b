"""The API over HTTP, in process: who may ask what, and what is answered."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.api import build_api
from controller.console import WATCHER
from controller.store import Role, SessionState
from protocols.states import State
from rig.stack import Stack, plan_text
from tests.controller.asking import CONFIRMED, PLAN_BODY, logged_in, told

VIRTUAL_TIME = True
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
    "/effects": {"session": "s-1", "kind": "pain", "severity": 3},
    "/effects/resolve": {"effect": 1},
    "/effects/correct": {"effect": 1, "reason": "not_there"},
}
NEEDS_NO_LEASE = {"/standby", "/effects", "/effects/resolve", "/effects/correct"}
OPEN_TO_ALL = {"/login", "/logout", "/stop", "/plan/check"}


@pytest.mark.shows("REQ-045")
def test_every_route_is_known_to_these_tests() -> None:
    routes = [route for route in build_api_without_console().routes if isinstance(route, APIRoute)]
    posts = {route.path for route in routes if "POST" in (route.methods or ())}
    gets = {route.path for route in routes if "GET" in (route.methods or ())}
    assert posts == ACTS.keys() | OPEN_TO_ALL
    assert gets == {"/status", "/metrics", "/watch", "/courses/{subject}"}


def build_api_without_console() -> FastAPI:
    return build_api(None)  # type: ignore[arg-type]  # only its routes are looked at


# -- who may


@pytest.mark.shows("REQ-045")
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


@pytest.mark.shows("REQ-045")
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
    assert checked["summary"]["od"] == pytest.approx(6.38, abs=0.01)  # 755 nm, 750 ps, 5 Hz: N = 50
    assert (checked["summary"]["lb"], checked["summary"]["nohd_m"] > 1000) == ("LB9", True)
    stopped = (await http.post("/stop")).json()
    assert (stopped["confirmed"], stopped["level"]) == (True, "STOP")
    await stack.until(lambda: stack.device.stop_epoch == 1, "the stop's own Status")


async def test_a_login_is_a_token_and_a_logout_its_end(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.login()
    answer = (await http.post("/login", json={"name": "anna", "password": "anna"})).json()
    assert answer.keys() == {"token", "name", "role", "idle_lock_s", "training"}
    assert (answer["name"], answer["role"], answer["idle_lock_s"]) == ("anna", "operator", 900)
    headers = {"Authorization": f"Bearer {answer['token']}"}
    assert (await http.post("/resolve", headers=headers)).json() == {
        "settled": [],
        "given_up_pulses": 0,
        "open": [],
    }
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
        if path in NEEDS_NO_LEASE:
            continue  # whoever is logged in may disarm, and tell of the skin
        error = told(await http.post(path, json=body, headers=bob), 409)
        assert error["error"] == "lease"
        assert "anna" in error["message"]


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


@pytest.mark.shows("REQ-037")
async def test_an_old_latch_cannot_be_acknowledged_and_no_other_is_taken_for_it(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    headers = await logged_in(stack)
    for name, instance in (("start_up", 2), ("reconnected", 1), ("no_such", 1)):
        body = {"latches": [{"name": name, "instance": instance}]}
        answer = (await http.post("/ack", json=body, headers=headers)).json()
        assert (answer["outcome"], answer["cleared"]) == ("refused", [])
        (reason,) = answer["kept"][0]["reasons"]
        assert f"{name} #{instance}" in reason["text"]
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
