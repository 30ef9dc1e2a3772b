"""Adverse effects in the page: shown beside the plan, recorded, ended and taken back beside the session."""

from typing import Any

import pytest

from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import StandIn

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect

SCAR: dict[str, Any] = {"id": 7, "kind": "scarring", "severity": 2, "resolved": None, "taken_back": None}
SCAR |= {"blocks": True, "text": "scarring, moderate, since 2026-01-02, not resolved"}
PAIN: dict[str, Any] = {"id": 8, "kind": "pain", "severity": 4, "resolved": "2026-01-03", "taken_back": None}
PAIN |= {"blocks": False, "text": "pain, 4/10, since 2026-01-02, resolved on 2026-01-03"}
WRONG = PAIN | {"id": 9, "taken_back": {"reason": "recorded_twice"}, "text": "pain, recorded twice"}
COURSE: dict[str, Any] = {
    "indication": "tattoo",
    "sessions_done": 2,
    "sessions_planned": 6,
    "last_session": "2026-01-02",
}
COURSE |= {"earliest_next": "2026-02-13"}
SESSION: dict[str, Any] = {
    "id": "s-1",
    "name": "Tattoo",
    "subject": "P-7",
    "operator": "ada",
    "state": "done",
}
SESSION |= {"planned": 60, "delivered": 60, "unknown": 0, "started": "2026-01-02T03:04:05Z"}


def test_what_is_on_record_of_a_subject_stands_beside_the_plan_before_its_session(
    daemon: StandIn, browser: Any
) -> None:
    daemon.logged_in = True
    daemon.answers["/act/check"] = {"ok": True, "refusals": [], "summary": {"name": "x", "subject": "P-7"}}
    daemon.answers["/courses/P-7"] = {"subject": "P-7", "courses": [COURSE], "effects": [SCAR, PAIN, WRONG]}
    with opened(browser, daemon.address, allowed=("404",)) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("[data-view=plan]").click()
        expect(page.locator("#subject")).to_be_hidden()
        page.locator("#plan-text").fill("a plan")
        page.locator("#plan-check").click()
        expect(page.locator("#subject-title")).to_have_text("On record of P-7")
        expect(page.locator("#subject-courses li")).to_have_text(
            "tattoo: 2 of 6 sessions, the last on 2026-01-02, the next from 2026-02-13"
        )
        rows = page.locator("#subject-effects li")
        expect(rows).to_have_count(3)
        expect(rows.nth(0)).to_contain_text("to be confirmed by name before the next session")
        expect(rows.nth(2)).to_contain_text("(taken back)")
        expect(page.locator("#subject-effects button")).to_have_count(0)
        page.locator("#plan-text").fill("another plan")  # of which nothing is known yet
        expect(page.locator("#subject")).to_be_hidden()
        daemon.answers["/courses/P-7"] = (404, {"error": "subject", "message": "no session names it"})
        page.locator("#plan-check").click()
        expect(page.locator("#subject-told")).to_have_text("No session names this subject yet.")
        daemon.answers["/act/check"] = {"ok": True, "refusals": [], "summary": {"name": "x"}}
        page.locator("#plan-check").click()
        expect(page.locator("#subject")).to_be_hidden()


def test_an_effect_of_a_session_is_recorded_ended_and_taken_back(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = True
    daemon.answers["/sessions"], daemon.answers["/incidents"] = [SESSION], []
    daemon.answers["/sessions/s-1/effects"] = []
    with opened(browser, daemon.address) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("[data-view=history]").click()
        page.get_by_role("button", name="Effects: Tattoo").click()
        expect(page.locator("#effects-title")).to_have_text("Adverse effects of Tattoo, P-7")
        expect(page.locator("#effects-list")).to_have_text("none on record")
        expect(page.locator("#effect-reason")).to_be_hidden()
        expect(page.locator("#effect-severity option")).to_have_count(11)  # pain has a scale of its own
        page.locator("#effect-kind").select_option("scarring")
        expect(page.locator("#effect-severity option")).to_have_text(["mild", "moderate", "severe"])
        page.locator("#effect-severity").select_option("2")
        page.locator("#effect-onset").fill("2026-01-02")
        daemon.answers["/sessions/s-1/effects"] = [SCAR, WRONG]
        page.locator("#effect-form button[type=submit]").click()
        expect(page.locator("#effects-list li").first).to_contain_text("scarring, moderate")
        found = {"kind": "scarring", "severity": 2, "onset": "2026-01-02", "resolved": None}
        assert daemon.asked_for("/act/effects") == [{"session": "s-1"} | found]
        expect(page.locator("#effects-list li").nth(1).locator("button")).to_have_count(0)  # taken back

        page.get_by_role("button", name="It has gone #7").click()
        expect(page.locator("#effect-kind")).to_be_hidden()
        page.locator("#effect-resolved").fill("2026-02-01")
        page.locator("#effect-form button[type=submit]").click()
        daemon.wait_for("/act/effects/resolve")
        assert daemon.asked_for("/act/effects/resolve") == [{"effect": 7, "on": "2026-02-01"}]
        expect(page.locator("#effect-what")).to_have_text("Record an effect")

        page.get_by_role("button", name="Take back #7").click()
        expect(page.locator("#effect-severity")).to_have_value("2")  # what stands there is offered
        page.locator("#effect-severity").select_option("1")
        page.locator("#effect-form button[type=submit]").click()
        daemon.wait_for("/act/effects/correct")
        expect(page.locator("#effect-what")).to_have_text("Record an effect")
        page.get_by_role("button", name="Take back #7").click()
        page.locator("#effect-reason").select_option("not_there")
        expect(page.locator("#effect-kind")).to_be_hidden()
        page.locator("#effect-form button[type=submit]").click()
        daemon.wait_for("/act/effects/correct", 2)
        instead = {"kind": "scarring", "severity": 1, "onset": None, "resolved": None}
        assert daemon.asked_for("/act/effects/correct") == [
            {"effect": 7, "reason": "recorded_wrongly", "instead": instead},
            {"effect": 7, "reason": "not_there", "instead": None},
        ]


def test_a_refused_effect_says_why_and_keeps_what_was_filled_in(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = True
    daemon.answers["/sessions"], daemon.answers["/incidents"] = [SESSION], []
    daemon.answers["/sessions/s-1/effects"] = []
    refused = {"error": "effect", "message": "it was seen before the session", "reasons": [], "problems": []}
    daemon.answers["/act/effects"] = (422, refused)
    with opened(browser, daemon.address, allowed=("422",)) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("[data-view=history]").click()
        page.get_by_role("button", name="Effects: Tattoo").click()
        page.locator("#effect-onset").fill("2025-01-02")
        page.locator("#effect-form button[type=submit]").click()
        expect(page.locator("#effects-told")).to_contain_text("it was seen before the session")
        expect(page.locator("#effect-onset")).to_have_value("2025-01-02")
