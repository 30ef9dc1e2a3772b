"""The page of a real daemon, in a real Chromium: a session, a stop by somebody else, a daemon that froze."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes.rig import OPERATOR, PASSWORD, Rig, plan
from tests.processes.status import in_hand, permitted, short
from tests.web.browser import CHROMIUM, PATIENCE_MS, Witness, without_chromium

async_api = pytest.importorskip("playwright.async_api", reason="no playwright: pip install 'picolase[dev]'")
expect = async_api.expect
TRIES = 15
pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(900), without_chromium]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Chromium that yields to daemon and laser, whose time is real: all of it shares two processors here."""
    script = tmp_path / "chromium"
    script.write_text(f'#!/bin/sh\nexec nice -n 10 {CHROMIUM} "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture
async def chromium(program: Path) -> AsyncIterator[Any]:
    async with launched(program) as browser:
        yield browser


@asynccontextmanager
async def launched(program: Path) -> AsyncIterator[Any]:
    """A browser of its own, as a process of its own."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def window(chromium: Any, address: str, *allowed: str) -> AsyncIterator[Any]:
    """A page with cookies of its own; fails on any error of its script, and on any request elsewhere."""
    async with await chromium.new_context(viewport={"width": 1280, "height": 720}) as context:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        witness = Witness(page, address)
        await page.goto(address)
        await expect(page.locator("#state-name")).to_have_text("STANDBY")
        yield page
    witness.judge(*allowed)


@pytest.fixture
async def address(rig: Rig, free_port: int) -> str:
    """Everything started, in STANDBY, nothing latched; where its page is."""
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


async def hand(page: Any, what: str) -> None:
    """A hand at the simulated laser, by the page's own panel; the live view again afterwards."""
    await page.click("[data-view=sim]")
    await page.get_by_role("button", name=what, exact=True).click()
    await expect(page.locator("#sim-told")).to_have_text(f"{what}: done")
    await page.click("[data-view=live]")


async def held(page: Any) -> None:
    """Hold ARM as long as it takes."""
    await expect(page.locator("#arm")).to_be_enabled()
    place = await page.locator("#arm").bounding_box()
    await page.mouse.move(place["x"] + 20, place["y"] + 20)
    await page.mouse.down()
    await expect(page.locator("#act-told")).to_contain_text("ARM:")
    await page.mouse.up()


async def gone_on(rig: Rig, page: Any) -> None:
    """After a trip, which is right on a machine too busy for a laser: everything by the page once more."""
    await hand(page, "Footswitch release")
    buttons = page.locator("#attention-list button", has_text="Acknowledge")
    async with asyncio.timeout(60):
        while (await rig.client.status())["supervisor"]["latches"]:
            with contextlib.suppress(async_api.Error):  # one that is gone meanwhile
                await buttons.first.click(timeout=1_000)
    await expect(page.locator("#state-name")).to_have_text("STANDBY")
    if (await rig.client.status())["session"]["state"] in {"open", "armed"}:
        return
    await page.click("[data-view=plan]")
    await page.fill("#eyewear", "755")
    for box in await page.locator("#checklist input").all():
        await box.check()
    await page.click("#plan-resume")
    await expect(page.locator("#begin-told")).to_contain_text("Session begun")
    await page.click("[data-view=live]")


async def fired(rig: Rig, page: Any, pulses: int) -> str:
    """Hold ARM, press the foot, and wait for so many pulses; returns why not, if the laser was tripped."""
    await held(page)
    try:
        now = await rig.until("a permit", lambda now: permitted(now) or not in_hand(now), 30)
        if not permitted(now):
            return f"no permit: {short(now)}"
        await hand(page, "Footswitch press")
        told = await rig.until("pulses", lambda now: given(now) >= pulses or not permitted(now), 30)
    except AssertionError as error:  # refused, or nothing came of it
        return str(error)
    return "" if permitted(told) else f"ended: {short(told)}"


def given(now: dict[str, Any]) -> int:
    return int((now["session"] or {}).get("delivered", 0))


async def test_a_plan_is_armed_fired_and_stopped_by_the_page_while_another_browser_watches(
    rig: Rig, chromium: Any, program: Path, address: str
) -> None:
    async with (
        launched(program) as second,
        window(chromium, address) as page,
        window(second, address) as other,
    ):
        await logged_in(page)
        await begun(page, 60)
        tries: list[str] = []
        while why := await fired(rig, page, 2):
            tries.append(why)
            assert len(tries) < TRIES, "\n".join(tries)
            await gone_on(rig, page)
        for one in (page, other):
            await expect(one.locator("#last tbody tr").nth(1)).to_be_visible()
        place = await page.locator("#stop").bounding_box()
        await page.mouse.move(place["x"] + 30, place["y"] + 30)
        await page.mouse.down()  # and never up: it acts at once
        told = page.locator("#stop-told")
        await expect(told).to_contain_text(re.compile(r"[Cc]onfirmed by the device.* \d+ ms"))
        stopped = await rig.truth()
        assert 2 <= stopped.aperture < 60
        await rig.device_time(stopped.now_us + 2_000_000)
        assert (await rig.truth()).aperture == stopped.aperture  # the foot is down all the while
        for one in (page, other):
            await expect(one.locator("#state-name")).to_have_text("STANDBY")
        await hand(page, "Footswitch release")
        records = await rig.balanced()
        assert sum(one.aperture for one in records) == stopped.aperture
        for one in (page, other):
            await expect(one.locator("#last tbody tr").first).to_contain_text(str(records[-1].pulse_number))


@pytest.mark.shows("HZ-024")
async def test_a_frozen_daemon_is_not_taken_for_one_that_stops_or_lives(
    rig: Rig, chromium: Any, address: str
) -> None:
    async with window(chromium, address) as page:
        assert rig.daemon is not None
        os.kill(rig.daemon.pid, signal.SIGSTOP)
        await expect(page.locator("#stale")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#stop-told")).to_contain_text("NOT CONFIRMED")
        os.kill(rig.daemon.pid, signal.SIGCONT)
        await expect(page.locator("#stale")).to_be_hidden()
