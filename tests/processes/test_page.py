"""The page of a real daemon, in a real Chromium: a session, a stop by somebody else, a daemon that froze."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.processes.rig import OPERATOR, PASSWORD, Rig, plan
from tests.web.browser import CHROMIUM, PATIENCE_MS, without_chromium

async_api = pytest.importorskip("playwright.async_api", reason="no playwright: pip install 'picolase[dev]'")
expect = async_api.expect
pytestmark = [pytest.mark.processes, pytest.mark.slow, without_chromium]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def window(chromium: Any, address: str) -> AsyncIterator[Any]:
    """A page with cookies of its own; fails on any error of its script and any request to another place."""
    wrong: list[str] = []
    async with await chromium.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
        await page.goto(address)
        await expect(page.locator("#state-name")).to_have_text("STANDBY")
        yield page
    assert [text for text in wrong if not text.startswith("data:")] == []


@pytest.fixture
async def address(rig: Rig, free_port: int) -> str:
    """Everything started, in STANDBY, nothing latched; where its page is."""
    # The most tolerant that is allowed: a browser draws on the processor that all of this shares.
    rig.settings += "[safety]\nloop_lag_max_ms = 150\nstatus_max_age_ms = 500\n"
    rig.settings += f'[web]\nport = {free_port}\nsimulator_control = "laser.sock"\n'
    await rig.start()
    address = f"http://127.0.0.1:{free_port}/"
    await rig.until("the page is there", lambda now: now["web"]["state"] == "up", 20)
    return address


async def logged_in(page: Any) -> None:
    await page.fill("#login-name", OPERATOR)
    await page.fill("#login-password", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#me-who")).to_contain_text(OPERATOR)


async def begun(page: Any, *series: int) -> None:
    """The plan checked, everything confirmed, the session open."""
    await page.click("[data-view=plan]")
    await page.fill("#plan-text", plan(*series))
    await page.click("#plan-check")
    await page.fill("#eyewear", "755")
    for box in await page.locator("#checklist input").all():
        await box.check()
    await page.click("#plan-start")
    await page.click("[data-view=live]")
    await expect(page.locator("#session-what")).not_to_be_empty()


async def test_a_session_is_begun_stopped_by_somebody_else_and_reported(
    rig: Rig, chromium: Any, address: str
) -> None:
    async with window(chromium, address) as page, window(chromium, address) as other:
        await logged_in(page)
        await begun(page, 5)
        await expect(other.locator("#session-bars")).to_contain_text("0 / 5")
        await other.locator("#stop").dispatch_event("pointerdown")  # nobody is logged in there
        await expect(other.locator("#stop-told")).to_contain_text("confirmed by the device")
        await page.click("[data-view=history]")
        await expect(page.locator("#sessions tbody tr")).to_contain_text("0 / 5")
        async with page.context.expect_page() as opening:
            await page.locator("#sessions tbody a").click()
        report = await opening.value
        await expect(report.locator("body")).to_contain_text("0 of 5", timeout=60_000)
        assert (await rig.truth()).aperture == 0


async def test_the_panel_of_the_simulator_moves_a_contact_that_every_window_sees(
    rig: Rig, chromium: Any, address: str
) -> None:
    async with window(chromium, address) as page, window(chromium, address) as other:
        await logged_in(page)
        await page.click("[data-view=sim]")
        await page.get_by_role("button", name="open").first.click()
        await expect(other.locator("#lamps")).to_contain_text("OPEN")
        await rig.until("an interlock open", lambda now: bool(now["laser"]["open_interlocks"]))


@pytest.mark.shows("HZ-024")
async def test_a_frozen_daemon_is_not_taken_for_one_that_stops_or_lives(
    rig: Rig, chromium: Any, address: str
) -> None:
    async with window(chromium, address) as page:
        assert rig.daemon is not None
        os.kill(rig.daemon.pid, signal.SIGSTOP)
        await expect(page.locator("#stale")).to_be_visible(timeout=3_000)
        await page.keyboard.press("Escape")
        await expect(page.locator("#stop-told")).to_contain_text("NOT CONFIRMED", timeout=3_000)
        os.kill(rig.daemon.pid, signal.SIGCONT)
        await expect(page.locator("#stale")).to_be_hidden()
