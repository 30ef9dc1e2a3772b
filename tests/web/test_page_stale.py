"""Old data on the page, in a real Chromium: nobody can take it for the truth, and nothing is lost."""

from typing import Any

import pytest

from tests.controller.cli_standin import pulse
from tests.web.browser import clocked, opened, still, sync_api, without_chromium
from tests.web.standin import StandIn, calm, quiet, treating

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect


def shown_stale(page: Any, why: str) -> None:
    banner = page.locator("#stale")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("STALE")
    expect(banner).to_contain_text(why)
    expect(banner).to_be_in_viewport(ratio=1)
    expect(page).to_have_title("STALE: picolase")
    assert page.evaluate("getComputedStyle(document.querySelector('#state')).filter") == "grayscale(1)"


@pytest.mark.shows("HZ-024")
def test_a_frozen_daemon_makes_the_page_stale_within_two_seconds(daemon: StandIn, browser: Any) -> None:
    daemon.be(treating())
    with opened(browser, daemon.address, before=clocked) as page:
        expect(page.locator("#stale")).to_be_hidden()
        still(page)
        quiet(daemon, page)
        daemon.frozen = True
        page.clock.run_for(1_400)
        expect(page.locator("#stale")).to_be_hidden()
        page.clock.run_for(200)
        shown_stale(page, "nothing heard from the daemon for")
        daemon.frozen = daemon.mute = False
        page.clock.resume()
        expect(page.locator("#stale")).to_be_hidden()
        expect(page).to_have_title("picolase")


def test_beats_alone_keep_nothing_alive_when_no_status_comes(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        daemon.beats_alone = True
        expect(page.locator("#stale")).to_be_visible()
        daemon.beats_alone = False
        expect(page.locator("#stale")).to_be_hidden()


def test_old_data_of_the_laser_is_stale_though_the_daemon_is_there(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        for made, why in (
            (calm(laser_quality="stale", laser_age_s=2.5), "the laser's last status is 2."),
            (calm(laser_quality="bad", laser_age_s=None), "the laser's last status is ? s old"),
            (calm(laser_quality="good", laser_age_s=1.6), "the laser's last status is 1."),
            (calm(laser=None), "the daemon hears nothing from the laser"),
        ):
            daemon.be(made)
            shown_stale(page, why)
            daemon.be(calm())
            expect(page.locator("#stale")).to_be_hidden()


def test_a_lost_line_is_taken_up_again_where_it_ended_and_nothing_is_shown_twice(
    daemon: StandIn, browser: Any
) -> None:
    with opened(browser, daemon.address, allowed=("429", "ERR_")) as page:
        daemon.tell("pulse", pulse(33))
        daemon.tell("event", {"severity": "info", "text": "before", "actor": "", "mono_us": 1})
        expect(page.locator("#log-list")).to_contain_text("before")
        daemon.away = True
        shown_stale(page, "32 windows watch already")
        daemon.tell("pulse", pulse(34))
        daemon.tell("event", {"severity": "info", "text": "meanwhile", "actor": "", "mono_us": 2})
        daemon.away = False
        expect(page.locator("#stale")).to_be_hidden()
        expect(page.locator("#log-list")).to_contain_text("meanwhile")
        assert page.locator("#log-list li").count() == 2
        assert page.locator("#last tbody tr").count() == 2
        assert daemon.asked_for("/events")[-1] == "b00t-2"


def test_a_page_opened_before_there_is_a_daemon_says_so_and_comes_to_life(
    daemon: StandIn, browser: Any
) -> None:
    daemon.away = True
    with opened(browser, daemon.address, waits=False, allowed=("429",)) as page:
        expect(page.locator("#stale")).to_be_visible()
        expect(page.locator("#state-name")).to_have_text("UNKNOWN")
        daemon.away = False
        expect(page.locator("#state-name")).to_have_text("STANDBY")
        expect(page.locator("#stale")).to_be_hidden()


def test_a_beat_that_was_long_on_its_way_makes_the_page_stale(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        late = page.evaluate(
            """async () => {
              const version = document.querySelector('script[type=module]').src.replace('main.js', '');
              const { Picture } = await import(version + 'picture.js');
              const words = await import(version + 'words.js');
              const made = new Picture();
              const laser = { quality: 'good', age_s: 0.1, open_interlocks: [] };
              made.apply('status', { laser });
              const now = Date.now();
              made.apply('beat', { time: new Date(now).toISOString() });
              const before = made.stale();
              made.apply('beat', { time: new Date(now - 1600).toISOString() });
              return [before, made.stale()];
            }"""
        )
        assert late[0] == ""
        assert "nothing heard from the daemon for 1.6 s" in late[1]
