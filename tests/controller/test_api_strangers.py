"""Who comes to the API by way of a browser, or to fill the daemon's time."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from controller.api import build_api
from controller.config import ApiConfig
from controller.console import WATCHER, WATCHERS_MAX
from rig.stack import Stack
from tests.controller.asking import logged_in, told

VIRTUAL_TIME = True
OWN = ("localhost", "localhost:8755", "LOCALHOST", "127.0.0.1:8755", "127.0.0.2", "[::1]:8755", "[::1]")
OTHERS = (
    "rebound.example",
    "rebound.example:8755",
    "localhost.rebound.example",
    "127.0.0.1.rebound.example",
    "192.0.2.7:8755",
    "[2001:db8::1]:8755",
    "user@rebound.example",
    "[",
    "",
)


@pytest.fixture
async def local(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a daemon on a TCP port for this machine alone."""
    transport = httpx.ASGITransport(app=build_api(stack.daemon.console, loopback_only=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8755") as client:
        yield client


@pytest.mark.parametrize("host", OWN)
async def test_who_calls_this_machine_by_its_own_name_is_answered(
    stack: Stack, local: httpx.AsyncClient, host: str
) -> None:
    await stack.settled()
    assert (await local.get("/status", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", OTHERS)
async def test_a_page_whose_name_was_made_to_lead_here_learns_nothing_and_can_only_stop(
    stack: Stack, local: httpx.AsyncClient, host: str
) -> None:
    await stack.settled()
    headers = {"Host": host} | await logged_in(stack)
    carried = stack.line.bytes_carried
    for method, path, body in (
        ("GET", "/status", None),
        ("GET", "/watch", None),
        ("POST", "/login", {"name": "anna", "password": "guessed it"}),
        ("POST", "/standby", None),
    ):
        error = told(await local.request(method, path, json=body, headers=headers), 403)
        assert error["error"] == "host"
        assert "localhost" in error["message"]
    assert stack.line.bytes_carried == carried
    assert (await local.post("/stop", headers=headers)).json()["confirmed"]


async def test_where_other_machines_may_connect_any_name_will_do(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    assert (await http.get("/status", headers={"Host": "laser-3.example"})).status_code == 200


@pytest.mark.parametrize(
    ("given", "alone"),
    [({}, True), ({"allow_remote": True}, False), ({"socket": "d.sock"}, False)],
    ids=["tcp", "remote", "socket"],
)
def test_only_a_port_for_this_machine_asks_for_its_name(given: dict[str, object], alone: bool) -> None:
    assert ApiConfig.model_validate(given).loopback_only is alone


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_page_may_send_elsewhere_without_asking_is_no_login(
    stack: Stack, local: httpx.AsyncClient, kind: str
) -> None:
    """Browsers ask before they send JSON elsewhere; the daemon never answers that they may."""
    await stack.settled()
    body = b'{"name": "anna", "password": "wrong as can be"}'
    for _ in range(6):
        told(await local.post("/login", content=body, headers={"Content-Type": kind}), 422)
    assert await logged_in(stack)  # anna was not locked out by it
    asked = await local.options("/login", headers={"Origin": "http://a.example"})
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


async def test_no_more_watch_than_the_loop_can_bear_and_a_stop_gets_through(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    feeds = [stack.daemon.fanout.subscribe(WATCHER, {}) for _ in range(WATCHERS_MAX)]
    error = told(await http.get("/watch"), 429)
    assert error["error"] == "watchers"
    assert (await http.get("/status")).status_code == 200
    assert (await http.post("/stop")).json()["confirmed"]
    feeds.pop().close()
    last = asyncio.create_task(http.get("/watch"))
    await asyncio.sleep(0.1)
    assert not last.done()  # there was room again: it watches until the daemon ends
    assert told(await http.get("/watch"), 429)["error"] == "watchers"
    last.cancel()
    await asyncio.wait({last})
    for feed in feeds:
        feed.close()
