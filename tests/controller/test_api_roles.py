"""Every route of the daemon asked by every kind of person: the verdict on each pair, as a table apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from controller.api import build_api
from rig.stack import Stack
from tests.controller.asking import CONFIRMED, PLAN_BODY
from tests.controller.people_asking import ASKERS, IDLE_LOCK_S, become, interrupted_by_another

VIRTUAL_TIME = True
pytestmark = pytest.mark.shows("REQ-045")

IN = 200
NO_LOGIN = (401, "login.not_logged_in")
IDLE = (401, "login.idle")
NO_ROLE = (403, "login.role")
UNTRAINED = (403, "operator.training")
TWO = (403, "second.needed")
UNFINISHED = (409, "session.unfinished")


def everybody(verdict: Any) -> tuple[Any, ...]:
    return (verdict,) * len(ASKERS)


def whoever_may(verdict: Any, untrained: Any = None) -> tuple[Any, ...]:
    """The verdict for whoever has the role and a login that holds; `untrained` without a training."""
    no = NO_LOGIN
    last = verdict if untrained is None else untrained
    return (no, no, NO_ROLE, verdict, verdict, verdict, IDLE, no, no, no, verdict, last)


def whoever_may_look(verdict: Any) -> tuple[Any, ...]:
    """The same for what a viewer may."""
    return tuple(verdict if one == NO_ROLE else one for one in whoever_may(verdict))


# In the order in which they are asked. Another's session was interrupted before, and nobody holds the lease.
TABLE: dict[tuple[str, str], tuple[Any, ...]] = {
    ("GET", "/status"): everybody(IN),
    ("GET", "/watch"): everybody(IN),
    ("GET", "/metrics"): everybody((404, "metrics.off")),  # test_metrics.py asks where they are on
    ("GET", "/openapi.json"): everybody(IN),
    ("POST", "/plan/check"): everybody(IN),
    ("POST", "/stop"): everybody(IN),
    ("GET", "/courses/{subject}"): whoever_may_look((404, "subject")),
    ("POST", "/effects"): whoever_may((422, "effect")),
    ("POST", "/effects/resolve"): whoever_may((422, "effect")),
    ("POST", "/effects/correct"): whoever_may((422, "effect")),
    ("POST", "/ack"): whoever_may(IN),
    ("POST", "/calibrate"): whoever_may(IN),
    ("POST", "/aiming"): whoever_may(IN),
    ("POST", "/resolve"): whoever_may(IN),
    ("POST", "/sessions"): whoever_may(UNFINISHED, UNTRAINED),
    ("POST", "/sessions/resume"): whoever_may(IN, UNTRAINED),
    ("POST", "/arm"): whoever_may(IN, (409, "session.none")),
    ("POST", "/standby"): whoever_may(IN),
    ("POST", "/sessions/abandon"): whoever_may(TWO),
    ("POST", "/login"): (
        *((401, "login.wrong"),) * 2,  # there are no such people
        *(IN, IN, IN, IN),
        *(IN, IN),
        *((401, "login.wrong"),) * 2,
        (401, "login.locked_out"),
        IN,
    ),
    ("POST", "/logout"): everybody(IN),
}
BODIES: dict[str, dict[str, Any]] = {
    "/plan/check": PLAN_BODY,
    "/calibrate": {},
    "/aiming": {"on": True},
    "/sessions": PLAN_BODY | CONFIRMED,
    "/sessions/resume": CONFIRMED,
    "/effects": {"session": "none", "kind": "pain", "severity": 3},
    "/effects/resolve": {"effect": 1},
    "/effects/correct": {"effect": 1, "reason": "not_there"},
}


@dataclass
class Asker:
    """The laser with everything around it, and somebody who asks."""

    stack: Stack
    http: httpx.AsyncClient

    async def verdict(self, method: str, path: str) -> Any:
        body = await self._body(path) if method == "POST" else None
        response = await self.http.request(method, path, json=body)
        return IN if response.status_code == IN else (response.status_code, response.json()["error"])

    async def _body(self, path: str) -> dict[str, Any]:
        if path == "/ack":
            latches = [{"name": latch.id.value, "instance": latch.instance} for latch in self.stack.latches]
            return {"latches": latches or [{"name": "start_up", "instance": 1}]}
        if path == "/login":
            return {"name": "anna", "password": "anna"}
        return BODIES.get(path, {})


@asynccontextmanager
async def asker(kind: str) -> AsyncIterator[Asker]:
    """Somebody of this kind before a laser whose session somebody else has left interrupted."""
    async with Stack(safety={"idle_lock_s": IDLE_LOCK_S}) as stack:
        await interrupted_by_another(stack)
        token = await become(stack, kind)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app=build_api(stack.daemon.console))
        async with httpx.AsyncClient(transport=transport, base_url="http://d", headers=headers) as http:
            yield Asker(stack, http)


def test_every_route_of_the_daemon_is_in_the_table() -> None:
    api = build_api(None)  # type: ignore[arg-type]  # only its routes are looked at
    routes = [route for route in api.routes if isinstance(route, Route)]
    assert len(routes) == len(api.routes), "nothing is mounted that this would not see"
    asked = {(method, route.path) for route in routes for method in (route.methods or ()) if method != "HEAD"}
    assert asked == TABLE.keys()
    assert {len(verdicts) for verdicts in TABLE.values()} == {len(ASKERS)}


@pytest.mark.parametrize("kind", ASKERS)
async def test_each_route_lets_in_whom_the_table_lets_in_and_nobody_else(kind: str) -> None:
    """Refused people also leave no trace: nothing goes to the laser, nothing changes on record."""
    async with asker(kind) as one:
        place = ASKERS.index(kind)
        watching = asyncio.create_task(one.verdict("GET", "/watch"))  # answers when the daemon ends
        seen: dict[str, Any] = {}
        for (method, path), verdicts in TABLE.items():
            if path == "/watch":
                continue
            told_before = verdicts[place] == IDLE and IDLE in seen.values()
            expected = NO_LOGIN if told_before else verdicts[place]  # an idle login is forgotten then
            carried = one.stack.line.bytes_carried
            seen[path] = await one.verdict(method, path)
            assert seen[path] == expected, (kind, path)
            if seen[path] in {NO_LOGIN, NO_ROLE, IDLE}:
                assert one.stack.line.bytes_carried == carried, (kind, path)
        await one.stack.end_daemon()
        assert await watching == TABLE["GET", "/watch"][place]
        armed = [entry for entry in one.stack.reader.audit_entries() if '"command":"arm"' in entry.body]
        assert bool(armed) == (TABLE["POST", "/arm"][place] == IN)


async def test_without_any_operator_the_status_says_so_and_nothing_that_arms_can_be_asked() -> None:
    async with Stack() as stack:
        await stack.settled()
        transport = httpx.ASGITransport(app=build_api(stack.daemon.console))
        async with httpx.AsyncClient(transport=transport, base_url="http://d") as http:
            status = (await http.get("/status")).json()
            assert (status["people"]["operators"], status["people"]["administrators"]) == (0, 0)
            assert "picolase user add" in " ".join(status["people"]["lacking"])
            assert len(status["people"]["lacking"]) == 2
            refused = {reason["code"] for reason in status["supervisor"]["arm_refusals"]}
            assert "host.operator" in refused
            for path in (
                "/ack",
                "/sessions",
                "/sessions/resume",
                "/arm",
                "/calibrate",
                "/resolve",
                "/aiming",
            ):
                for header in ({}, {"Authorization": "Bearer x"}):
                    body = {"latches": [{"name": "start_up", "instance": 1}]} if path == "/ack" else None
                    answer = await http.post(path, json=body or BODIES.get(path, {}), headers=header)
                    assert answer.status_code == 401, path
            for name in ("", "root", "admin", "administrator"):
                answer = await http.post("/login", json={"name": name, "password": ""})
                assert answer.status_code == 401, name
