"""Arming on the page: held for its whole time, by whoever may, on what is known to be true."""

from typing import Any

import pytest

from protocols.states import State
from tests.web.browser import clocked, opened, still, sync_api, without_chromium
from tests.web.standin import StandIn, calm, quiet

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect


@pytest.fixture
def daemon(daemon: StandIn) -> StandIn:
    daemon.logged_in = True
    return daemon


def test_arm_is_asked_for_once_it_was_held_for_a_second(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        expect(page.locator("#arm")).to_be_enabled()
        page.locator("#arm").hover()
        before = page.evaluate("performance.now()")
        page.mouse.down()
        expect(page.locator("#arm-word")).to_have_text("Keep holding to ARM")
        assert daemon.asked_for("/act/arm") == []
        daemon.wait_for("/act/arm")
        assert page.evaluate("performance.now()") - before >= 1000
        page.mouse.up()
        expect(page.locator("#act-told")).to_have_text("ARM: done")
        assert len(daemon.asked_for("/act/arm")) == 1


@pytest.mark.parametrize("key", ["Enter", " "])
def test_arm_is_held_by_a_key_too(daemon: StandIn, browser: Any, key: str) -> None:
    with opened(browser, daemon.address) as page:
        expect(page.locator("#arm")).to_be_enabled()
        page.locator("#arm").focus()
        page.keyboard.down(key)
        expect(page.locator("#arm-word")).to_have_text("Keep holding to ARM")
        daemon.wait_for("/act/arm")
        page.keyboard.up(key)
        assert len(daemon.asked_for("/act/arm")) == 1


def press_and_let_go(page: Any, way: str) -> float:
    """Press ARM and let go of it at once; for how long it was held at most, in ms of the page."""
    before = page.evaluate("performance.now()")
    if way in {"blur", "key"}:
        page.locator("#arm").focus()
        page.keyboard.down(" ")
    else:
        page.locator("#arm").hover()
        page.mouse.down()
    match way:
        case "up":
            page.mouse.up()
        case "leave":
            page.mouse.move(5, 5)
        case "blur":
            page.locator("#standby").focus()
        case "key":
            page.keyboard.up(" ")
    held_ms: float = page.evaluate("performance.now()") - before
    return held_ms


@pytest.mark.parametrize("way", ["up", "leave", "blur", "key"])
def test_arm_is_not_asked_for_when_let_go_too_early(daemon: StandIn, browser: Any, way: str) -> None:
    with opened(browser, daemon.address) as page:
        for _ in range(50):
            expect(page.locator("#arm")).to_be_enabled()
            asked = len(daemon.asked_for("/act/arm"))
            if press_and_let_go(page, way) < 900:
                break
            page.mouse.up()  # this machine was too slow for a short press: once more
            page.keyboard.up(" ")
        else:
            pytest.fail("this machine is too slow to press a key for less than a second")
        expect(page.locator("#act-told")).to_have_text("not held to its end: not armed")
        page.wait_for_timeout(1_200)
        assert len(daemon.asked_for("/act/arm")) == asked


def test_arm_is_let_go_of_when_what_is_shown_grows_stale(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address, before=clocked) as page:
        expect(page.locator("#arm")).to_be_enabled()
        page.locator("#arm").hover()
        still(page)
        quiet(daemon, page)
        page.clock.run_for(800)
        page.mouse.down()
        page.clock.run_for(900)
        expect(page.locator("#stale")).to_be_visible()
        expect(page.locator("#arm")).to_be_disabled()
        expect(page.locator("#arm-why")).to_have_text("cannot arm: what is shown is stale")
        page.clock.run_for(1000)
        assert daemon.asked_for("/act/arm") == []
        page.mouse.up()


def test_arm_is_offered_in_standby_alone(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        for state in State:
            daemon.be(calm(laser_state=state.name.lower()))
            expect(page.locator("#state-name")).to_have_text(state.name.replace("_", " "))
            if state is State.STANDBY:
                expect(page.locator("#arm")).to_be_enabled()
            else:
                expect(page.locator("#arm-why")).to_contain_text("not in STANDBY")
                expect(page.locator("#arm")).to_be_disabled()


def test_every_reason_why_arming_is_refused_stands_beside_the_button(daemon: StandIn, browser: Any) -> None:
    refused = [
        {"code": "a", "text": "door open", "action": "close"},
        {"code": "b", "text": "no session", "action": "begin one"},
    ]
    made = calm()
    made["supervisor"] |= {"arm_refusals": refused}
    daemon.be(made)
    with opened(browser, daemon.address) as page:
        expect(page.locator("#arm-why")).to_have_text("cannot arm: door open; no session")
        expect(page.locator("#attention-list")).to_contain_text("Not armed yet: no session: begin one")
        expect(page.locator("#arm")).to_be_disabled()


def test_what_the_daemon_refuses_is_told_with_all_its_reasons(daemon: StandIn, browser: Any) -> None:
    reasons = [{"code": "x", "text": "the foot is held", "action": "take it off"}]
    daemon.answers["/act/arm"] = {
        "outcome": "refused",
        "reasons": reasons,
        "text": "refused; nothing was done",
    }
    with opened(browser, daemon.address) as page:
        expect(page.locator("#arm")).to_be_enabled()
        page.locator("#arm").focus()
        page.keyboard.down("Enter")
        expect(page.locator("#act-told")).to_have_text("ARM: refused; nothing was done")
        expect(page.locator("#act-reasons")).to_have_text("the foot is held: take it off")
        page.keyboard.up("Enter")


def test_nobody_who_is_not_logged_in_is_offered_an_act(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = False
    with opened(browser, daemon.address) as page:
        expect(page.locator("#arm-why")).to_have_text("cannot arm: log in first")
        for name in ("arm", "standby", "calibrate", "aiming", "plan-start", "plan-resume", "plan-abandon"):
            expect(page.locator(f"#{name}")).to_be_disabled()
