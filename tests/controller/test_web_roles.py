"""Every route of the page asked by every kind of person, with and without what its own page sends along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from controller.operators import NotAuthorised
from controller.store import Role
from controller.web.browsers import COOKIE
from rig.stack import Stack
from tests.controller.asking import CONFIRMED, PLAN_BODY
from tests.controller.people_asking import ASKERS, IDLE_LOCK_S, become, interrupted_by_another
from tests.controller.webbing import Web, web_of

VIRTUAL_TIME = True
pytestmark = pytest.mark.shows("REQ-045")

IN = 200
NO_LOGIN = (401, "login.not_logged_in")
IDLE = (401, "login.idle")
NO_ROLE = (403, "login.role")
NO_CSRF = (403, "csrf")
UNTRAINED = (403, "operator.training")
TWO = (403, "second.needed")
UNFINISHED = (409, "session.unfinished")
ABSENT = (404, "records.absent")
NO_SUCH = (422, "effect")
NO_SIMULATOR = (404, "sim.off")


def everybody(verdict: Any) -> tuple[Any, ...]:
    return (verdict,) * len(ASKERS)


def operators(verdict: Any, untrained: Any = None) -> tuple[Any, ...]:
    no, last = NO_LOGIN, verdict if untrained is None else untrained
    return (no, no, NO_ROLE, verdict, verdict, verdict, IDLE, no, no, no, verdict, last)


def viewers(verdict: Any) -> tuple[Any, ...]:
    return tuple(verdict if one == NO_ROLE else one for one in operators(verdict))


# In the order in which they are asked; a verdict for each of ASKERS.
TABLE: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GET", "/"): everybody(IN),
    ("GET", "/static/{path:path}"): everybody(IN),
    ("GET", "/words"): everybody(IN),
    ("GET", "/events"): everybody(IN),
    ("GET", "/sessions"): viewers(IN),
    ("GET", "/sessions/{known_as}"): viewers(ABSENT),
    ("GET", "/sessions/{known_as}/report"): viewers(ABSENT),
    ("GET", "/sessions/{known_as}/effects"): viewers(ABSENT),
    ("GET", "/courses/{subject}"): viewers((404, "subject")),
    ("GET", "/fleet"): viewers((404, "fleet.off")),
    ("GET", "/incidents"): viewers(IN),
    ("GET", "/incidents/{known_as}"): viewers(ABSENT),
    ("GET", "/sim"): viewers(NO_SIMULATOR),
    ("POST", "/sim/operator/{action}"): operators(NO_SIMULATOR),
    ("POST", "/sim/faults/{fault}"): operators(NO_SIMULATOR),
    ("POST", "/sim/clear"): operators(NO_SIMULATOR),
    ("POST", "/act/check"): viewers(IN),
    ("POST", "/act/ack"): operators(IN),
    ("POST", "/act/calibrate"): operators(IN),
    ("POST", "/act/aiming"): operators(IN),
    ("POST", "/act/resolve"): operators(IN),
    ("POST", "/act/effects"): operators(NO_SUCH),
    ("POST", "/act/effects/resolve"): operators(NO_SUCH),
    ("POST", "/act/effects/correct"): operators(NO_SUCH),
    ("POST", "/act/open"): operators(UNFINISHED, UNTRAINED),
    ("POST", "/act/resume"): operators(IN, UNTRAINED),
    ("POST", "/act/arm"): operators(IN, (409, "session.none")),
    ("POST", "/act/standby"): operators(IN),
    ("POST", "/act/abandon"): operators(TWO),
    ("GET", "/me"): everybody(IN),  # who is nobody is told so; which name is told stands in its own test
    ("POST", "/stop"): everybody(IN),
    ("POST", "/logout"): everybody(IN),
}
# A login replaces the one before, so it has a test of its own.
LOGIN = ("POST", "/login")
WITHOUT_CSRF = {"/stop", "/login"}
ANYBODY = {"/", "/static/{path:path}", "/words", "/events", "/me", "/stop", "/login", "/logout"}
BODIES: dict[str, dict[str, Any]] = {
    "/act/check": PLAN_BODY,
    "/act/aiming": {"on": True},
    "/act/effects": {"session": "none", "kind": "pain", "severity": 1},
    "/act/effects/resolve": {"effect": 1},
    "/act/effects/correct": {"effect": 1, "reason": "not_there"},
    "/act/open": PLAN_BODY | CONFIRMED,
    "/act/resume": CONFIRMED,
}
PATHS = {
    "{path:path}": "index.html",
    "{known_as}": "none",
    "{subject}": "P-0042",
    "{action}": "key",
    "{fault}": "pump",
}


@asynccontextmanager
async def before(kind: str, folder: Path) -> AsyncIterator[tuple[Web, dict[str, str]]]:
    """The page of a laser whose session somebody else has left interrupted, and the headers of the kind."""
    async with Stack(folder=folder, safety={"idle_lock_s": IDLE_LOCK_S}) as stack:
        await interrupted_by_another(stack)
        token = await become(stack, kind)
        async with web_of(stack) as web:
            yield web, {} if token is None else headers_of(web, kind, token)


def headers_of(web: Web, kind: str, token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"} if kind == "made-up" else web.headers(token)


async def verdict(web: Web, method: str, path: str, headers: dict[str, str]) -> Any:
    body: dict[str, Any] | None = None
    if method == "POST":
        body = BODIES.get(path, {})
        if path == "/act/ack":
            latches = [{"name": one.id.value, "instance": one.instance} for one in web.stack.latches]
            body = {"latches": latches or [{"name": "start_up", "instance": 1}]}
    for part, value in PATHS.items():
        path = path.replace(part, value)
    async with web.http(headers) as http:
        answer = await http.request(method, path, json=body)
    return IN if answer.status_code == IN else (answer.status_code, answer.json()["error"])


async def test_every_route_of_the_page_is_in_the_table(stack: Stack) -> None:
    async with web_of(stack) as web:
        routes = [route for route in web.app.app.routes if isinstance(route, Route)]
        assert len(routes) == len(web.app.app.routes), "nothing is mounted that this would not see"
    asked = {(method, route.path) for route in routes for method in (route.methods or ()) if method != "HEAD"}
    assert asked == TABLE.keys() | {LOGIN}
    assert {len(verdicts) for verdicts in TABLE.values()} == {len(ASKERS)}


@pytest.mark.parametrize("kind", ASKERS)
async def test_each_route_lets_in_whom_the_table_lets_in_and_nobody_else(kind: str, tmp_path: Path) -> None:
    async with before(kind, tmp_path) as (web, headers):
        place = ASKERS.index(kind)
        seen: list[Any] = []
        for (method, path), verdicts in TABLE.items():
            if path == "/events":
                continue  # does not end; asked below
            told_before = verdicts[place] == IDLE and IDLE in seen
            carried = web.stack.line.bytes_carried
            seen.append(await verdict(web, method, path, headers))
            assert seen[-1] == (NO_LOGIN if told_before else verdicts[place]), (kind, path)
            if seen[-1] in {NO_LOGIN, NO_ROLE, IDLE}:
                assert web.stack.line.bytes_carried == carried, (kind, path)
        watching = asyncio.create_task(verdict(web, "GET", "/events", headers))
        await asyncio.sleep(0.1)
        assert web.events.watchers == 1
        watching.cancel()
        await asyncio.wait({watching})
        armed = [entry for entry in web.stack.reader.audit_entries() if '"command":"arm"' in entry.body]
        assert bool(armed) == (TABLE["POST", "/act/arm"][place] == IN)


@pytest.mark.parametrize("kind", ASKERS)
async def test_who_i_am_is_told_to_whom_the_records_let_look_and_to_nobody_else(
    kind: str, tmp_path: Path
) -> None:
    async with before(kind, tmp_path) as (web, headers), web.http(headers) as http:
        told = (await http.get("/me")).json()
        lets_look = TABLE["GET", "/sessions"][ASKERS.index(kind)] == IN
        assert (told["name"], "csrf" in told, "error" in told) == (
            ("anna", True, False) if lets_look else (None, False, True)
        )


@pytest.mark.parametrize("csrf", [None, "", "made-up", "of another login"])
async def test_without_the_second_token_nothing_is_done_but_a_stop_and_nothing_reaches_the_laser(
    csrf: str | None, tmp_path: Path
) -> None:
    async with before("operator", tmp_path) as (web, headers):
        other = await web.logged_in("otto")
        told = {"of another login": other["X-CSRF"]}.get(csrf or "", csrf)
        forged = {"Cookie": headers["Cookie"]} | ({} if told is None else {"X-CSRF": told})
        carried = web.stack.line.bytes_carried
        asked = 0
        for method, path in TABLE:
            if method == "POST" and path not in WITHOUT_CSRF:
                assert await verdict(web, method, path, forged) == NO_CSRF, path
                asked += 1
        assert asked == 17
        assert web.stack.line.bytes_carried == carried
        assert await verdict(web, "POST", "/stop", forged) == IN
        async with web.http(headers) as http:
            assert (await http.get("/me")).json()["name"] == "anna"  # still logged in


async def test_a_token_of_the_api_is_no_cookie_and_a_cookie_no_token(tmp_path: Path) -> None:
    async with before("operator", tmp_path) as (web, _):
        token = (await web.stack.login_again("anna")).token
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"Cookie": f"{COOKIE}={token}"},
            {"Cookie": f"{COOKIE}={token}.", "X-CSRF": web.browsers.csrf(token)},
        ):
            for (method, path), verdicts in TABLE.items():
                if path not in ANYBODY:
                    assert verdicts[0] == NO_LOGIN
                    assert await verdict(web, method, path, headers) == NO_LOGIN, path
        logins = web.stack.daemon.logins
        assert logins.require(token, Role.OPERATOR).name == "anna"
        with pytest.raises(NotAuthorised):
            logins.require(web.browsers.cookie(token), Role.OPERATOR)
