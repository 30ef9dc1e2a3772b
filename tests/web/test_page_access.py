"""Who can use the page: axe-core finds no fault in any view, and everything can be reached by keyboard."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.controller.cli_standin import pulse
from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import StandIn, calm, faulty, shots, treating
from tests.web.test_page_effects import COURSE, PAIN, SCAR, SESSION, WRONG
from tests.web.test_page_fleet import FINE, LOST, OPEN, picture

HERE = Path(__file__).parent
INSTALL_S = 240

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(300), without_chromium]
expect = sync_api.expect


@pytest.fixture(scope="module")
def axe() -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: apt-get install nodejs npm")
    installed = HERE / "node_modules" / ".package-lock.json"  # npm writes it last
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-progress"], cwd=HERE, capture_output=True, timeout=INSTALL_S, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"npm ci in tests/web needs the npm registry: {done.stderr.decode()[-300:]}")
    return (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text()


def faults(page: Any, axe: str) -> list[str]:
    """What axe-core has against the page, in a line each."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


STATES = {"standby": calm, "emitting": treating, "fault": faulty}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_no_state_in_light_or_dark_has_a_fault_of_accessibility(
    daemon: StandIn, browser: Any, axe: str, state: str, scheme: str
) -> None:
    daemon.logged_in = True
    for told in shots(1, 20):
        daemon.tell("pulse", told)
    daemon.tell("pulse", pulse(21, flags=["energy_high"], monitor_a_mj=210.0))
    daemon.tell("event", {"severity": "warning", "text": "a thing happened", "actor": "", "mono_us": 1})
    daemon.be(STATES[state]())
    with opened(browser, daemon.address, color_scheme=scheme) as page:
        expect(page.locator("#me")).to_be_visible()
        expect(page.locator("#last tbody tr")).to_have_count(8)
        assert faults(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_other_view_has_one(daemon: StandIn, browser: Any, axe: str, scheme: str) -> None:
    daemon.answers["/sim"] = {
        "state": {},
        "faults": {"faults": [{"name": "x", "meaning": "y"}]},
        "injections": [],
    }
    daemon.answers["/incidents"] = []
    daemon.answers["/sessions"] = [SESSION]
    daemon.answers["/sessions/s-1/effects"] = [SCAR, WRONG]
    daemon.answers["/courses/P-7"] = {"subject": "P-7", "courses": [COURSE], "effects": [SCAR, PAIN, WRONG]}
    daemon.answers["/fleet"] = picture(OPEN, LOST, FINE, trouble="the broker is gone")
    daemon.be(calm(web={"fleet": True}))
    daemon.answers["/stop"] = {"confirmed": False, "text": "the port was closed"}
    refusal = {"code": "e", "field": "name", "value": 1, "allowed": "2", "source": "", "action": "3"}
    daemon.answers["/act/check"] = {
        "ok": False,
        "refusals": [refusal],
        "summary": {"name": "x", "subject": "P-7"},
    }
    with opened(browser, daemon.address, color_scheme=scheme) as page:
        assert faults(page, axe) == []  # logged out
        page.locator("#login-name").fill("ada")
        page.locator("#login-password").fill("correct horse")
        page.keyboard.press("Enter")
        for view in ("plan", "history", "fleet", "sim"):
            page.locator(f"[data-view={view}]").click()
            if view == "plan":
                page.locator("#plan-text").fill("x")
                page.locator("#plan-check").click()
                expect(page.locator("#plan-fields tbody tr")).to_have_count(2)
                expect(page.locator("#subject-effects li")).to_have_count(3)
            elif view == "history":
                page.get_by_role("button", name="Effects: Tattoo").click()
                page.get_by_role("button", name="Take back #7").click()
            elif view == "fleet":
                expect(page.locator("#view-fleet.old tbody tr")).to_have_count(3)
            assert faults(page, axe) == [], view
        page.keyboard.press("Escape")
        expect(page.locator("#stop-told")).to_have_class("not-confirmed")
        assert faults(page, axe) == []


def test_everything_that_can_be_pressed_can_be_reached_by_the_tab_key(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = True
    daemon.be(faulty())
    with opened(browser, daemon.address) as page:
        expect(page.locator("#me")).to_be_visible()
        expect(page.locator("#attention-list button").first).to_be_enabled()
        wanted = page.evaluate(
            "[...document.querySelectorAll('button, input, a, select, textarea')]"
            ".filter((one) => !one.disabled && one.offsetParent !== null).length"
        )
        page.evaluate("window.reached = new Set()")
        for _ in range(wanted + 12):
            page.keyboard.press("Tab")
            page.evaluate("reached.add(document.activeElement)")
        reached = page.evaluate(
            "[...document.querySelectorAll('button, input, a, select, textarea')]"
            ".filter((one) => !one.disabled && one.offsetParent !== null && reached.has(one)).length"
        )
        assert reached == wanted
        assert wanted > 6


def test_the_focus_stays_while_the_page_is_drawn_anew(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = True
    daemon.be(faulty())
    with opened(browser, daemon.address) as page:
        expect(page.locator("#attention-list button").first).to_be_enabled()
        page.locator("#attention-list button", has_text="Acknowledge").focus()
        made = faulty()
        made["store"] |= {"ok": False, "text": "the disk is full"}
        daemon.be(made)
        expect(page.locator("#attention-list")).to_contain_text("the disk is full")
        assert page.evaluate("document.activeElement.textContent") == "Acknowledge"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (820, 1180), (768, 1024)])
def test_nothing_is_wider_than_the_window(daemon: StandIn, browser: Any, width: int, height: int) -> None:
    daemon.be(faulty() | {"web": {"fleet": True}})
    daemon.logged_in = True
    daemon.answers["/fleet"] = picture(OPEN, LOST, FINE)
    daemon.answers["/sessions"], daemon.answers["/incidents"] = [SESSION], []
    daemon.answers["/sessions/s-1/effects"] = [SCAR, WRONG]
    with opened(browser, daemon.address, viewport={"width": width, "height": height}) as page:
        expect(page.locator("#me")).to_be_visible()
        for view in ("live", "plan", "history", "fleet"):
            page.locator(f"[data-view={view}]").click()
            if view == "history":
                page.get_by_role("button", name="Effects: Tattoo").click()
                expect(page.locator("#effects-list li")).to_have_count(2)
            if view == "fleet":
                expect(page.locator("#lasers tbody tr")).to_have_count(3)
            for part in ("html", "main", "#rail", "header"):
                wide, room = page.evaluate(
                    "one => [one.scrollWidth, one.clientWidth]", page.query_selector(part)
                )
                assert wide <= room, (view, part)
