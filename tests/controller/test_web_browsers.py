"""Logging in at the page: the cookie, the second token, and how often a browser may guess."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store import EventKind, Role
from controller.web.browsers import BROWSER_COOKIE, COOKIE, FAILURES_PER_MINUTE, Browsers
from rig.stack import BEGAN, Stack, plan_text
from tests.controller.asking import CONFIRMED, told
from tests.controller.webbing import Web, web_of

VIRTUAL_TIME = True
ANNA = {"name": "anna", "password": "anna"}


@pytest.fixture
async def web(stack: Stack) -> AsyncIterator[Web]:
    await stack.settled()
    await stack.login()
    async with web_of(stack) as made:
        yield made


def cookies_of(answer: httpx.Response) -> SimpleCookie:
    found: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        found.load(header)
    return found


async def test_a_login_sets_a_cookie_that_no_script_reads_and_no_other_site_sends(web: Web) -> None:
    async with web.http() as http:
        answer = await http.post("/login", json=ANNA)
        morsel = cookies_of(answer)[COOKIE]
        assert (morsel["httponly"], morsel["samesite"].lower(), morsel["path"]) == (True, "strict", "/")
        assert (morsel["secure"], morsel["domain"], morsel["max-age"], morsel["expires"]) == ("", "", "", "")
        token = web.browsers.token(morsel.value)
        assert token is not None
        assert token not in answer.text
        assert morsel.value not in answer.text
        told_of = answer.json()
        assert told_of == (await http.get("/me")).json()
        assert (told_of["name"], told_of["role"]) == ("anna", "operator")
        assert told_of["trained"] == {"755": BEGAN.replace(year=2100).isoformat()}
        assert told_of["idle_lock_s"] == 900
        assert 899 < told_of["expires_in_s"] <= 900
        assert told_of["csrf"] == web.browsers.csrf(token)


async def test_over_tls_the_cookies_never_go_out_without_it(web: Web) -> None:
    transport = httpx.ASGITransport(app=web.app)
    own = {"Origin": "https://localhost"}
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost", headers=own) as http:
        assert cookies_of(await http.get("/"))[BROWSER_COOKIE]["secure"]
        assert cookies_of(await http.post("/login", json=ANNA))[COOKIE]["secure"]


async def test_a_logout_forgets_the_login_and_the_cookie(web: Web) -> None:
    async with web.http() as http:
        csrf = (await http.post("/login", json=ANNA)).json()["csrf"]
        kept = http.cookies[COOKIE]
        answer = await http.post("/logout", headers={"X-CSRF": csrf})
        assert cookies_of(answer)[COOKIE]["max-age"] == "0"
        assert COOKIE not in http.cookies
        http.cookies.set(COOKIE, kept)
        assert (await http.get("/me")).json()["name"] is None
        assert told(await http.get("/sessions"), 401)["error"] == "login.not_logged_in"


async def test_whoever_logs_in_takes_the_place_of_who_sat_there(web: Web) -> None:
    await web.stack.login("otto")
    async with web.http() as http:
        first = (await http.post("/login", json=ANNA)).json()["csrf"]
        kept = http.cookies[COOKIE]
        wrong = {"name": "otto", "password": "wrong"}
        told(await http.post("/login", json=wrong), 401)
        assert (await http.get("/me")).json()["name"] == "anna"  # who is not let in takes nobody's place
        assert (await http.post("/login", json={"name": "otto", "password": "otto"})).json()["csrf"] != first
        assert (await http.get("/me")).json()["name"] == "otto"
    async with web.http({"Cookie": f"{COOKIE}={kept}"}) as http:
        assert (await http.get("/me")).json()["name"] is None
        told(await http.get("/sessions"), 401)


async def test_asking_who_i_am_keeps_no_login_open(web: Web) -> None:
    async with web.http() as http:
        await http.post("/login", json=ANNA)
        left_s = 900.0
        for _ in range(15):
            await asyncio.sleep(59)
            left_s = (await http.get("/me")).json()["expires_in_s"]
        assert left_s < 20
        await asyncio.sleep(20)
        assert (await http.get("/me")).json()["error"] == "login.idle"


async def test_too_many_wrong_passwords_are_refused_before_they_are_looked_at(web: Web) -> None:
    async with web.http() as http:
        for number in range(FAILURES_PER_MINUTE):
            told(await http.post("/login", json={"name": f"nobody-{number}", "password": "x"}), 401)
            await asyncio.sleep(1)
        error = told(await http.post("/login", json=ANNA), 429)
        assert error["error"] == "login.rate"
        assert "wait 50 s" in error["message"]
        assert (await http.post("/stop")).json()["confirmed"]
        await asyncio.sleep(50)
        assert (await http.post("/login", json=ANNA)).status_code == 200


async def test_a_password_is_never_told_back(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    secret = "a-long-secret-7"
    async with web.http() as http:
        for body in (
            {"name": "anna", "password": [secret]},
            {"name": "anna", "password": {"x": secret}},
            {"name": "anna", "password": "anna", "more": secret},
            {"name": "anna", "password": secret * 20},
            {"name": "anna", "password": secret},
            [secret],
        ):
            answer = await http.post("/login", json=body)
            assert answer.status_code in {401, 422}
            assert secret not in answer.text
    assert secret not in caplog.text


async def test_right_passwords_are_never_too_many_and_attempts_at_once_count_each(web: Web) -> None:
    async with web.http() as http:
        for _ in range(2 * FAILURES_PER_MINUTE):
            assert (await http.post("/login", json=ANNA)).status_code == 200
        tries = [http.post("/login", json={"name": f"nobody-{n}", "password": "x"}) for n in range(40)]
        codes = [answer.status_code for answer in await asyncio.gather(*tries)]
        assert (codes.count(401), codes.count(429)) == (FAILURES_PER_MINUTE, 40 - FAILURES_PER_MINUTE)


async def test_a_whole_treatment_from_the_page(web: Web) -> None:
    stack = web.stack
    async with web.http() as http:
        http.headers["X-CSRF"] = (await http.post("/login", json=ANNA)).json()["csrf"]
        latches = stack.daemon.console.status()["supervisor"]["latches"]
        named = [{"name": one["name"], "instance": one["instance"]} for one in latches]
        assert (await http.post("/act/ack", json={"latches": named})).json()["outcome"] == "done"
        body = {"text": plan_text(series=[4]), "file": "plan.toml"} | CONFIRMED
        assert (await http.post("/act/check", json={"text": body["text"], "file": "p"})).json()["ok"]
        session = (await http.post("/act/open", json=body)).json()
        assert session["planned"] == 4
        assert (await http.post("/act/arm")).json()["outcome"] == "done"
        await stack.permitted()
        await stack.give_all()
        (listed,) = (await http.get("/sessions")).json()
        assert (listed["id"], listed["state"], listed["delivered"]) == (session["id"], "done", 4)
        assert listed["operator"] == "anna"
        answer = (await http.post("/stop")).json()
        assert answer["confirmed"]
        assert answer["took_ms"] < 100
    assert stack.truth.aperture == 4
    assert "anna" in {entry.actor for entry in stack.reader.audit_entries()}


async def test_a_stop_says_on_record_who_pressed_it_where_that_is_known(web: Web) -> None:
    async with web.http() as http:
        await http.post("/stop")
        await http.post("/login", json=ANNA)
        await http.post("/stop")
    await asyncio.sleep(1)
    stops = [event.actor for event in web.stack.reader.events() if event.kind is EventKind.STOP]
    assert {"somebody at the page", "anna"} <= set(stops)


async def test_a_browser_is_named_once_and_by_nothing_that_lets_it_in(web: Web) -> None:
    async with web.http() as http:
        named = cookies_of(await http.get("/"))[BROWSER_COOKIE]
        assert (named["httponly"], named["samesite"].lower()) == (True, "strict")
        assert "set-cookie" not in (await http.get("/")).headers
        assert (await http.get("/me")).json()["name"] is None


@given(st.text(alphabet=st.characters(codec="utf-8")), st.binary(min_size=1), st.binary(min_size=1))
def test_no_cookie_but_its_own_is_taken(text: str, key: bytes, other: bytes) -> None:
    browsers = Browsers(key, lambda: 0)
    assert browsers.token(text) is None
    token = "token-1"
    cookie = browsers.cookie(token)
    assert browsers.token(cookie) == token
    for wrong in (cookie[:-1], cookie + "0", "x" + cookie, cookie.upper(), f"{token}.{browsers.csrf(token)}"):
        assert browsers.token(wrong) is None
    if key != other and key.rstrip(b"\0") != other.rstrip(b"\0"):  # HMAC fills a short key with zeros
        assert Browsers(other, lambda: 0).token(cookie) is None


async def test_a_viewer_sees_the_records_and_acts_on_nothing(web: Web) -> None:
    headers = await web.logged_in("vera", Role.VIEWER)
    async with web.http(headers) as http:
        assert (await http.get("/sessions")).json() == []
        assert (await http.get("/incidents")).status_code == 200
        assert told(await http.post("/act/standby"), 403)["error"] == "login.role"
