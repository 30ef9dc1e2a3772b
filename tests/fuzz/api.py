"""Targets of the HTTP interfaces: any request, any body, to a real daemon and to a real simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.api import build_api
from controller.store import Role
from protocols.states import ARMED
from rig.laser import cold_laser
from rig.stack import PLAN, Stack
from rig.virtual_time import VirtualTimeLoop
from sim_device.control import build_app
from sim_device.hands import Hands
from sim_device.memory import RamMemory
from sim_device.snapshot import Snapshot
from tests.controller.asking import ERROR_KEYS
from tests.fuzz.given import Given
from tests.fuzz.target import Target

BYTES_MAX = 60_000  # of one answer
TOKENS = ("", "Bearer ", "Bearer nonsense", "Basic YTpi", "bearer x")


class Served:
    """One application in a loop of its own, whose time is virtual."""

    def __init__(
        self, loop: VirtualTimeLoop, app: FastAPI, stack: Stack | None = None, hands: Hands | None = None
    ) -> None:
        self.loop = loop
        self.stack = stack
        self._hands = hands
        self._first = None if hands is None else Snapshot(hands.simulator)
        self.routes = sorted(
            (method, route.path)
            for route in app.routes
            if isinstance(route, APIRoute) and "event-stream" not in str(route.response_class)
            for method in route.methods or ()
            if route.path != "/watch"
        )
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fuzzed")
        self.viewer = self.operator = ""  # how they log in

    def ask(self, method: str, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.loop.run_until_complete(
            self._http.request(method, path, content=content, headers=headers)
        )

    def begin_anew(self) -> None:
        """Put the simulator back to where it was at first."""
        assert self._hands is not None
        assert self._first is not None
        self._hands._snapshots.clear()
        memory = RamMemory(self._hands.simulator.memory.size)
        self._hands._owner.exchange(self._first.restored(memory))

    def close(self) -> None:
        self.loop.run_until_complete(self._http.aclose())


_daemon: Served | None = None
_simulator: Served | None = None


@contextmanager
def daemon() -> Iterator[None]:
    """A laser in STANDBY and its daemon, with somebody who may do everything, and a viewer."""
    global _daemon  # noqa: PLW0603 - one for many inputs
    before = _daemon
    loop = VirtualTimeLoop()
    asyncio.set_event_loop(loop)
    try:
        stack = loop.run_until_complete(_entered())
        served = Served(loop, build_api(stack.daemon.console), stack)
        served.viewer = "Bearer " + loop.run_until_complete(stack.login("vera", Role.VIEWER)).token
        served.operator = "Bearer " + loop.run_until_complete(stack.login("sven", Role.SERVICE)).token
        _daemon = served
        yield
        served.close()
        loop.run_until_complete(stack.__aexit__(None, None, None))
    finally:
        _daemon = before
        asyncio.set_event_loop(None)
        loop.close()


async def _entered() -> Stack:
    stack = await Stack().__aenter__()
    await stack.settled()
    return stack


@contextmanager
def simulator() -> Iterator[None]:
    """A simulated laser whose time is stepped."""
    global _simulator  # noqa: PLW0603 - one for many inputs
    before = _simulator
    loop = VirtualTimeLoop()
    asyncio.set_event_loop(loop)
    try:
        hands = Hands.on(cold_laser(1))
        _simulator = served = Served(loop, build_app(hands), hands=hands)
        yield
        served.close()
    finally:
        _simulator = before
        asyncio.set_event_loop(None)
        loop.close()


def request_of(given: Given, served: Served) -> tuple[str, str, bytes]:
    """A route, or nearly one, and a body."""
    method, path = given.pick(served.routes)
    form = given.number(0, 15)
    if form == 0:
        method = given.pick(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
    if form == 1:
        path += "/" + given.piece(9).hex()
    while "{" in path:
        left, _, rest = path.partition("{")
        path = left + quote(given.piece(9), safe="") + rest.partition("}")[2]
    body = given.rest()
    return method, path, body


def answered(response: httpx.Response) -> Any:
    """An answer that a client can read."""
    assert response.status_code < 500, response.text[:300]
    assert len(response.content) < BYTES_MAX + 8 * len(response.request.content)
    if response.request.method == "HEAD" or not response.content:
        return None
    return json.loads(response.content, parse_constant=_no_json)


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


async def situation(stack: Stack) -> dict[str, Any]:
    """What nobody without a login may change, as it is when the laser has told it."""
    await asyncio.sleep(0.1)
    report = stack.daemon.console.status()
    return {
        "sessions": stack.reader.sessions(),
        "lease": report.get("lease"),
        "latches": [(latch.id, latch.instance) for latch in stack.latches],
        "armed": stack.device.state in ARMED,
        "permit": stack.device.permit_id,
        "setpoint": stack.device.setpoint_hash,
        "epochs": stack.device.arm_epoch,
    }


def daemon_api(data: bytes) -> None:
    """Without a login, or with a viewer's, any request is answered in the one form, and changes nothing."""
    assert _daemon is not None
    stack = _daemon.stack
    assert stack is not None
    given = Given(data)
    token = given.pick((*TOKENS, _daemon.viewer))
    method, path, body = request_of(given, _daemon)
    headers = {"Content-Type": given.pick(("application/json", "application/json", "text/plain"))}
    headers |= {"Authorization": token} if token else {}
    if path == "/logout" and token == _daemon.viewer:
        return
    before = _daemon.loop.run_until_complete(situation(stack))
    response = _daemon.ask(method, path, body, headers)
    told = answered(response)
    after = _daemon.loop.run_until_complete(situation(stack))
    assert after == before or path == "/stop"
    if response.status_code >= 400:
        assert told is None or told.keys() == ERROR_KEYS
        assert told is None or (told["error"] and told["message"])
    elif (method, path) not in {("POST", "/stop"), ("POST", "/plan/check"), ("POST", "/logout")}:
        assert method == "GET" or response.status_code == 307, f"{method} {path} was done for nobody"
    if path == "/login" and body in BODIES:
        assert b"hush-hush" not in response.content, "a password was told back"


def simulator_api(data: bytes) -> None:
    """Any request to the control channel is answered; a refusal says why, and changes nothing."""
    assert _simulator is not None
    given = Given(data)
    for _ in range(4):
        method, path, body = request_of(given, _simulator)
        if path == "/time/step" and b"0000000" in body:
            return  # an hour of a laser takes too long
        before = _simulator.ask("GET", "/state", b"", {}).json()
        response = _simulator.ask(method, path, body, {"Content-Type": "application/json"})
        told = answered(response)
        if response.status_code >= 400:
            assert told is None or (told.keys() == {"error"} and told["error"])
            assert _simulator.ask("GET", "/state", b"", {}).json() == before
        if not given:
            break
    _simulator.begin_anew()


BODIES = [
    *(b"", b"{}", b"[]", b"null", b"\xff", b"[" * 2_000, b'{"a":' * 2_000, b"9" * 5_000, b"NaN"),
    *(b'{"\\ud800": 1}', b'{"on": "\\ud800"}', b'{"on": 1e999}', b'{"on": true}', b'{"name": "a\\u0000"}'),
    b'{"name": "anna", "password": "hush-hush-1"}',
    b'{"name": {"password": "hush-hush-1"}}',
    b'{"name": "anna", "Password": "hush-hush-1"}',
    b'{"password": "hush-hush-1", "name": null, "second": {"password": "hush-hush-1"}}',
    json.dumps({"text": PLAN, "file": "\ud800/\0"}).encode(),
    *(
        json.dumps({"text": text, "file": "f", "eyewear_nm": 755, "checklist": True}).encode()
        for text in (
            PLAN,
            "format = 1979-05-27",
            "name = nan",
            "a = " + "[" * 2_000,
            "format = 0x" + "f" * 4_000,
        )
    ),
    json.dumps({"text": "a" + ".a" * 9_000 + " = 1", "file": "f"}).encode(),
    json.dumps({"text": "a = [\n" + "1,\n" * 3_000 + "]"}).encode(),
    json.dumps({"text": "#" * 30_000}).encode(),
    json.dumps({"latches": [{"name": "start_up", "instance": 10**30}]}).encode(),
]


def _daemon_seeds() -> list[bytes]:
    with daemon():
        assert _daemon is not None
        routes = _daemon.routes
    count = len(routes)
    heads = [bytes([token, route, 9]) + b"\x00" for route in range(count) for token in (0, 5)]
    asks = [head[:3] + body for head in heads[::2] for body in BODIES[::5]]
    others = [bytes([0, route, 9]) + body for route in range(count) for body in BODIES[route % 4 :: 4]]
    texts = [n for n, (_, path) in enumerate(routes) if path in {"/login", "/plan/check"}]
    return [*asks, *others, *(bytes([0, route, 9]) + body for route in texts for body in BODIES)]


def _simulator_seeds() -> list[bytes]:
    with simulator():
        assert _simulator is not None
        routes = _simulator.routes
    bodies = (
        b"",
        b'{"at_s": 0.1}',
        b'{"to": "open"}',
        b'{"duration_us": 1000}',
        b'{"to": "press", "at_s": NaN}',
    )
    made = [
        bytes([number, 9]) + (b"\x03abc" if "{" in path else b"") + bodies[number % len(bodies)]
        for number, (_, path) in enumerate(routes)
    ]
    number = next(n for n, (_, path) in enumerate(routes) if path.startswith("/operator/"))
    return [*made, *(bytes([number, 9]) + body for body in BODIES)]


TARGETS = (
    Target("daemon_api", daemon_api, _daemon_seeds, 32_768, ("REQ-023", "REQ-045"), daemon),
    Target("simulator_api", simulator_api, _simulator_seeds, 8_192, (), simulator),
)
