"""Who may lead a browser to the page's port, and what every answer of it carries."""

import itertools
from collections.abc import AsyncIterator

import httpx
import pytest

from controller.web.guard import HEADERS
from rig.stack import Stack
from tests.controller.asking import PLAN_BODY, told
from tests.controller.test_api_strangers import OTHERS
from tests.controller.webbing import HOST, OWN, Web, web_of

VIRTUAL_TIME = True
ORIGIN = f"http://{HOST}"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@pytest.fixture
async def web(stack: Stack) -> AsyncIterator[Web]:
    await stack.settled()
    async with web_of(stack) as made:
        yield made


def bare(web: Web) -> httpx.AsyncClient:
    """A client that says nothing of where it comes from."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=web.app), base_url=f"http://{HOST}")


ORIGINS = {
    None: None,
    "null": None,
    ORIGIN: True,
    f"http://{HOST.upper()}": True,
    f"https://{HOST}": True,
    "http://localhost:8757": False,
    "http://localhost": False,
    "http://127.0.0.1:8756": False,
    "http://evil.example": False,
    "http://localhost:8756.evil.example": False,
    "http://evil.example/localhost:8756": False,
    f"http://user@{HOST}": False,
    f"ftp://{HOST}": False,
    HOST: False,
    "http://[": False,
    "": False,
}
"""Of each Origin header, whether it is the page's own; None: it does not say."""
SITES = {None: None, "same-origin": True, "same-site": False, "cross-site": False, "none": False, "x": False}


@pytest.mark.parametrize("path", ["/stop", "/act/standby", "/login"])
async def test_only_the_own_page_may_act_and_of_programs_only_a_stop_is_taken(web: Web, path: str) -> None:
    headers = await web.logged_in()
    body = {"name": "anna", "password": "anna"} if path == "/login" else None
    async with bare(web) as http:
        for (origin, own), (site, same) in itertools.product(ORIGINS.items(), SITES.items()):
            sent = {"Origin": origin, "Sec-Fetch-Site": site}
            given = headers | {name: value for name, value in sent.items() if value is not None}
            if same is None and origin is None:
                taken = path == "/stop"
            elif same is None:
                taken = own is True
            else:
                taken = same and own is not False
            carried = web.stack.line.bytes_carried
            answer = await http.post(path, json=body, headers=given)
            assert (answer.status_code == 200) == taken, given
            if not taken:
                assert told(answer, 403)["error"] == "origin"
                assert web.stack.line.bytes_carried == carried


@pytest.mark.parametrize("path", ["/", "/events", "/words", "/me", "/static/index.html", "/nothing"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_leads_to_the_page_and_to_nothing_behind_it(web: Web, path: str, site: str) -> None:
    async with bare(web) as http:
        answer = await http.get(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"})
    assert answer.status_code == (200 if path == "/" else 403)
    assert web.events.watchers == 0


@pytest.mark.parametrize("host", OTHERS)
async def test_a_name_that_was_made_to_lead_here_gets_nothing(web: Web, host: str) -> None:
    async with bare(web) as http:
        for method, path in (("GET", "/"), ("GET", "/words"), ("POST", "/login"), ("POST", "/stop")):
            headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
            assert told(await http.request(method, path, headers=headers), 403)["error"] == "origin"


async def test_where_other_machines_may_connect_the_page_works_under_its_name_there(stack: Stack) -> None:
    await stack.settled()
    name = "laser-3.example:8756"
    async with web_of(stack, loopback_only=False) as web, bare(web) as http:
        assert (await http.get("/", headers={"Host": name})).status_code == 200
        own = {"Host": name, "Origin": f"http://{name}"}
        assert (await http.post("/stop", headers=own)).json()["confirmed"]
        assert (await http.post("/stop", headers={"Host": name, "Origin": ORIGIN})).status_code == 403


async def test_every_answer_forbids_what_the_page_does_not_need(web: Web) -> None:
    headers = await web.logged_in()
    async with web.http(headers) as http:
        answers = [
            await http.get("/"),
            await http.get("/words"),
            await http.get("/me"),
            await http.get("/nothing"),
            await http.get("/sessions/no-!"),
            await http.get("/static/index.html"),
            await http.get("/static/../app.py"),
            await http.post("/stop"),
            await http.post("/act/check", json={}),
            await http.post("/act/check", json=PLAN_BODY | {"text": "x" * 200_000}),
            await http.post("/stop", headers={"Origin": "http://evil.example"}),
            await http.delete("/me"),
        ]
    assert {answer.status_code for answer in answers} == {200, 403, 404, 405, 413, 422}
    for answer in answers:
        found = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert found == POLICY, answer.url
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "cache-control" in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert {answer.headers["cache-control"] for answer in answers[1:5]} == {"no-store"}


async def test_an_answer_to_a_defect_carries_them_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.web.app.catalogue", lambda: 1 / 0)
    transport = httpx.ASGITransport(app=web.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=OWN) as http:
        answer = await http.get("/words")
    assert answer.status_code == 500
    assert HEADERS.items() <= dict(answer.headers).items()
    assert "division" not in answer.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_elsewhere_can_send_is_no_login(web: Web, kind: str) -> None:
    await web.stack.login()
    async with web.http() as http:
        for _ in range(12):
            sent = b'{"name": "anna", "password": "wrong as can be"}'
            told(await http.post("/login", content=sent, headers={"Content-Type": kind}), 422)
        assert (await http.post("/login", json={"name": "anna", "password": "anna"})).status_code == 200
