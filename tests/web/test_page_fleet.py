"""The fleet in the page: every laser in words, those that ask for a look first, and never old as if new."""

from typing import Any

import pytest

from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import StandIn, calm

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect


def laser(site: str, device: str, **changes: Any) -> dict[str, Any]:
    """One laser of which nothing is wrong, as the daemon tells it."""
    energy = {"pulses": 20, "mean_mj": 171.2, "set_mj": 173.0, "off_percent": -1.04, "trend": "falling"}
    return {
        **{"site": site, "device": device, "live": True, "why": "", "state": "standby", "link_up": True},
        **{"simulated": True, "quality": "good", "serial": "PL-1", "model": "PL", "age_s": 0.4},
        **{"seen": "2026-01-02T03:04:05Z", "first_cause": None, "faults": [], "latches": [], "alarms": {}},
        **{"pulses": 1234, "pulses_planned": 60, "pulses_delivered": 12, "energy": energy},
        **{"samples_dropped": 0},
    } | changes


LOST = laser("b", "1", live=False, why="lost: its broker does not hear it", age_s=7300.0, energy=None)
OPEN = laser("c", "1", state="fault", alarms={"door": "The door is open"}, faults=["door", "key"])
FINE = laser("a", "1")


def picture(*lasers: dict[str, Any], age_s: float = 0.5, **changes: Any) -> dict[str, Any]:
    live = sum(one["live"] for one in lasers)
    counts = {"lasers": len(lasers), "live": live, "with_alarms": 1, "states": {"standby": live}}
    counts |= {"messages": 9, "unreadable": 0, "repeated": 0, "crowded_out": 0}
    told = {"broker": "mqtt://127.0.0.1:1883", "trouble": "", "settled": True, "counts": counts}
    return {
        "age_s": age_s,
        "trouble": None,
        "picture": told | {"lasers": list(lasers), "left_out": 0} | changes,
    }


@pytest.fixture
def fleet(daemon: StandIn) -> StandIn:
    daemon.logged_in = True
    daemon.be(calm(web={"fleet": True}))
    daemon.answers["/fleet"] = picture(OPEN, LOST, FINE)
    return daemon


def look(page: Any) -> Any:
    expect(page.locator("#me")).to_be_visible()
    page.locator("[data-view=fleet]").click()
    return page.locator("#lasers tbody tr")


def test_each_laser_has_a_row_in_words(fleet: StandIn, browser: Any) -> None:
    with opened(browser, fleet.address) as page:
        rows = look(page)
        expect(rows).to_have_count(3)
        texts = [rows.nth(0).locator("td").nth(place).text_content() for place in range(8)]
        assert texts[:2] == ["c/1", "\u25cf LIVE"]
        assert texts[2] == "fault (simulated)"
        assert texts[3] == "The door is open; key"
        assert texts[5] == "1234 (12 / 60)"
        assert texts[6] == "171.2 of 173.0 mJ \u2193 -1.0 %"
        expect(rows.nth(1)).to_contain_text("\u2716 NOT LIVE")
        expect(rows.nth(1)).to_contain_text("was standby")
        expect(rows.nth(1)).to_contain_text("2 h ago")
        expect(rows.nth(1)).to_contain_text("lost: its broker does not hear it")
        expect(rows.nth(2)).not_to_have_class("bad")
        expect(page.locator("#fleet-counts")).to_have_text(
            "3 lasers at mqtt://127.0.0.1:1883; 2 live (2 standby); 1 not live; 1 with alarms."
        )
        fleet.answers["/fleet"] = picture(FINE)
        expect(rows).to_have_count(1)


def test_lasers_are_chosen_by_words_and_by_what_asks_for_a_look(fleet: StandIn, browser: Any) -> None:
    with opened(browser, fleet.address) as page:
        rows = look(page)
        page.locator("#fleet-order").select_option("name")
        expect(rows.locator("td:first-child")).to_have_text(["a/1", "b/1", "c/1"])
        page.locator("#fleet-troubled").check()
        expect(rows.locator("td:first-child")).to_have_text(["b/1", "c/1"])
        page.locator("#fleet-filter").fill("door c/")
        expect(rows.locator("td:first-child")).to_have_text(["c/1"])


def test_what_is_old_is_called_stale_and_grey_whoever_is_to_blame(fleet: StandIn, browser: Any) -> None:
    with opened(browser, fleet.address, allowed=("503",)) as page:
        look(page)
        expect(page.locator("#fleet-told")).to_have_text("")
        for wrong, words in (
            (picture(FINE, age_s=42.0), "42 s old"),
            (picture(FINE, trouble="no broker there"), "no broker there"),
            (picture(FINE) | {"trouble": "what reads it is silent"}, "what reads it is silent"),
            ((503, {"error": "x", "message": "it broke"}), "it broke"),
        ):
            fleet.answers["/fleet"] = wrong
            expect(page.locator("#fleet-told")).to_contain_text(f"STALE: {words}")
            expect(page.locator("#view-fleet.old")).to_have_count(1)
            expect(page.locator("#lasers tbody td").nth(1)).to_have_text("? was live")
            expect(page.locator("#lasers tbody td").nth(2)).to_contain_text("was standby")
        fleet.answers["/fleet"] = picture(FINE)
        expect(page.locator("#fleet-told")).to_have_text("")
        expect(page.locator("#view-fleet.old")).to_have_count(0)


def test_a_thousand_lasers_are_counted_and_as_many_drawn_as_anybody_reads(
    fleet: StandIn, browser: Any
) -> None:
    fleet.answers["/fleet"] = picture(*(laser("s", f"l{number}") for number in range(1000)), left_out=7)
    with opened(browser, fleet.address) as page:
        expect(look(page)).to_have_count(200)
        expect(page.locator("#fleet-left")).to_contain_text("and 807 more")
        page.locator("#fleet-filter").fill("s/l999")
        expect(page.locator("#lasers tbody tr")).to_have_count(1)


def test_hostile_names_are_text_and_nothing_else(fleet: StandIn, browser: Any) -> None:
    evil = "<img src=x onerror=alert(1)>"
    fleet.answers["/fleet"] = picture(laser("a", "1", state=evil, why=evil, alarms={evil: evil}))
    with opened(browser, fleet.address) as page:
        expect(look(page).first).to_contain_text("<img src=x")
        assert page.locator("#view-fleet img").count() == 0


def test_the_fleet_is_offered_where_the_daemon_watches_it_and_asked_for_only_while_it_is_looked_at(
    fleet: StandIn, browser: Any
) -> None:
    with opened(browser, fleet.address) as page:
        expect(page.locator("[data-view=fleet]")).to_be_visible()
        assert fleet.asked_for("/fleet") == []
        look(page)
        fleet.wait_for("/fleet", 2)
        page.locator("[data-view=live]").click()
        asked = -1
        for _ in range(5):  # one or two may have been under way
            if asked == (asked := len(fleet.asked_for("/fleet"))):
                break
            page.wait_for_timeout(2_500)
        else:
            raise AssertionError("it is asked for still")
        page.locator("[data-view=fleet]").click()
        fleet.be(calm())
        expect(page.locator("[data-view=fleet]")).to_be_hidden()
        expect(page.locator("#view-live")).to_be_visible()


def test_without_a_login_the_fleet_says_to_log_in(fleet: StandIn, browser: Any) -> None:
    fleet.logged_in = False
    with opened(browser, fleet.address) as page:
        page.locator("[data-view=fleet]").click()
        expect(page.locator("#fleet-told")).to_have_text("log in first")
        assert fleet.asked_for("/fleet") == []
