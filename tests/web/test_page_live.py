"""The live view, in a real Chromium: what is told of the laser stands there in words, and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.picture import PERMITS
from protocols.interlocks import Interlock
from tests.controller.cli_standin import pulse
from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import StandIn, calm, faulty, shots, treating

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect


def test_every_state_is_named_with_what_it_permits(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        for state, permits in PERMITS.items():
            daemon.be(calm(laser_state=state))
            expect(page.locator("#state-name")).to_have_text(state.replace("_", " ").upper())
            expect(page.locator("#state-permits")).to_have_text(permits)


def test_a_state_of_a_later_version_is_taken_to_be_dangerous(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        daemon.be(calm(laser_state="purple"))
        expect(page.locator("#state-name")).to_have_text("PURPLE")
        expect(page.locator("#state-permits")).to_contain_text("take it to be dangerous")
        daemon.be(calm(laser=None))
        expect(page.locator("#state-name")).to_have_text("UNKNOWN")
        expect(page.locator("#lamps")).not_to_contain_text("closed")


def test_each_open_interlock_is_a_lamp_with_a_word_and_the_first_cause_is_marked(
    daemon: StandIn, browser: Any
) -> None:
    with opened(browser, daemon.address) as page:
        expect(page.locator(".lamp.closed")).to_have_count(len(Interlock))
        for interlock in Interlock:
            daemon.be(calm(laser_open_interlocks=[interlock.name.lower()]))
            lamp = page.locator(".lamp").nth(interlock.value)
            expect(lamp).to_contain_text("OPEN")
            expect(lamp).to_contain_text("FIRST CAUSE")
            expect(page.locator(".lamp.open")).to_have_count(1)


def test_the_latched_fault_is_the_first_cause_and_what_to_do_stands_there(
    daemon: StandIn, browser: Any
) -> None:
    daemon.be(faulty())  # the e-stop stands before the door in the chain, but the door was first
    with opened(browser, daemon.address) as page:
        expect(page.locator(".lamp.first")).to_have_count(1)
        expect(page.locator(".lamp.first")).to_contain_text("door")
        needs = page.locator("#attention-list")
        expect(needs).to_contain_text("Fault, first cause: door opened: close the door, then acknowledge")
        expect(needs).to_contain_text(
            "device fault #9: door opened: close the door; its cause is still there"
        )
        expect(needs).to_contain_text("Uncertain: grant c-17: its outcome is not known")
        expect(needs).to_contain_text("Heartbeat withheld: a latch stands")


def test_a_treatment_shows_its_pulses_its_series_and_what_the_permit_still_allows(
    daemon: StandIn, browser: Any
) -> None:
    daemon.be(treating(27))
    with opened(browser, daemon.address) as page:
        expect(page.locator("#session-what")).to_have_text("Tattoo, left forearm: open. ada")
        expect(page.locator("#session-bars")).to_contain_text("27 / 60")
        expect(page.locator("#session-bars")).to_contain_text("7 / 20")
        expect(page.locator("#session-facts")).to_contain_text("48.60 J/cm²")
        expect(page.locator("#session-facts")).to_contain_text("13 pulses, 59 s left")  # 71.0 - 12.5
        expect(page.locator("#state-facts")).to_contain_text("pressed")
        made = treating(28)
        made["session"] |= {"unknown": 1, "rehearsal": True}
        daemon.be(made)
        expect(page.locator("#session-facts .bad")).to_have_text("1")
        expect(page.locator("#session-what")).to_contain_text("REHEARSAL: the shutter stays closed")


def test_each_pulse_is_held_against_its_windows(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        expect(page.locator("#trend")).to_have_text("no pulse yet")
        for told in (
            pulse(33),
            pulse(34, monitor_a_mj=199.0, monitor_b_mj=198.96, flags=["energy_high"]),  # 173 + 15 % = 198.95
            pulse(
                35, monitor_a_mj=None, monitor_b_mj=None, pulse_width_ps=None, flags=["unknown"], unknown=True
            ),
            pulse(36, monitor_b_mj=0.1, flags=["shutter_closed"], aperture=False),
            pulse(37, pulse_width_ps=637.0),  # 750 - 15 % = 637.5
        ):
            daemon.tell("pulse", told)
        rows = page.locator("#last tbody tr")
        expect(rows).to_have_count(5)
        texts = [row.inner_text().split("\t") for row in rows.all()]
        assert texts[4] == ["33", "172.4", "173.9", "147.1 to 198.9", "751", "638 to 825", "ok"] or texts[4][
            3
        ] in {
            "147.1 to 199.0",
            "147.0 to 198.9",
        }
        assert texts[3][1:3] == ["199.0 !", "199.0 !"]
        assert texts[3][6] == "energy high"
        assert texts[2][1:] == ["-", "-", "-", "-", "-", "UNKNOWN: counted as given"]
        assert texts[1][2] == "0.1"  # nothing is to be measured behind a closed shutter
        assert texts[1][6] == "shutter closed"
        assert texts[0][4] == "637 !"
        expect(page.locator("#session-facts")).to_contain_text("since this page is open")
        expect(page.locator("#session-facts dd").first).to_have_text("1")


def test_a_pulse_told_twice_is_shown_once(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        for told in (pulse(33), pulse(34), pulse(33), pulse(34), pulse(35)):
            daemon.tell("pulse", told)
        expect(page.locator("#last tbody tr").first).to_contain_text("35")
        assert page.locator("#last tbody tr").count() == 3


def test_the_charts_draw_what_was_told(daemon: StandIn, browser: Any) -> None:
    for told in shots(1, 60):
        daemon.tell("pulse", told)
    with opened(browser, daemon.address) as page:
        expect(page.locator("#trend")).to_contain_text("mean of the last 20")
        for name in ("chart-energy", "chart-width"):
            inked = page.evaluate(
                """(name) => { const c = document.querySelector(`#${name} canvas`);
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }""",
                name,
            )
            assert inked > 2000, name


def test_events_stand_in_the_log_newest_first_and_a_gap_is_told(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as page:
        daemon.tell("event", {"severity": "info", "text": "armed", "actor": "ada", "mono_us": 1})
        daemon.tell("event", {"severity": "error", "text": "door opened", "actor": "", "mono_us": 2})
        expect(page.locator("#log-list li").first).to_have_text("error: door opened")
        expect(page.locator("#log-list li").nth(1)).to_have_text("info: armed (ada)")
        daemon.tell("gap", {"missed": 41})
        expect(page.locator("#log-list li").first).to_contain_text("41 pulses and events went by unseen")


def test_whatever_is_told_is_shown_as_text(daemon: StandIn, browser: Any) -> None:
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    made = treating()
    made["session"] |= {"name": evil, "operator": evil}
    made["device"] |= {"serial": evil}
    made["supervisor"] |= {
        "latches": [{"name": "x", "instance": 1, "text": evil, "action": evil, "cause_present": False}]
    }
    daemon.be(made)
    with opened(browser, daemon.address) as page:
        daemon.tell("event", {"severity": "info", "text": evil, "actor": evil, "mono_us": 5})
        expect(page.locator("#log-list")).to_contain_text("<b>bold</b>")
        expect(page.locator("#session-what")).to_contain_text(evil)
        expect(page.locator("#attention-list")).to_contain_text(evil)
        expect(page.locator("#device")).to_contain_text(evil)
        assert page.locator("img").count() == 0


def test_two_browsers_see_the_same(daemon: StandIn, browser: Any) -> None:
    with opened(browser, daemon.address) as one, opened(browser, daemon.address) as other:
        daemon.be(treating())
        daemon.tell("pulse", pulse(77))
        for page in (one, other):
            expect(page.locator("#state-name")).to_have_text("EMITTING")
            expect(page.locator("#last tbody tr")).to_contain_text("77")


def test_what_ends_soon_is_told(daemon: StandIn, browser: Any) -> None:
    made = calm(laser_calibrated=True, time="2026-01-02T03:04:05.000000Z")
    made["device"] |= {
        "calibration": {"expires": "2026-01-02T03:34:05Z", "calibrated": "", "operator": "ada", "points": []}
    }
    made["people"] |= {"training": [{"text": "ada's training for 755 nm ends on 2026-01-05, in 3 days"}]}
    made["proof_tests"] |= {"inputs": [{"standing": "overdue", "text": "door", "action": "open it"}]}
    daemon.be(made)
    with opened(browser, daemon.address) as page:
        needs = page.locator("#attention-list")
        expect(needs).to_contain_text("The energy calibration ends in 30 min")  # the status is of 03:04:05
        expect(needs).to_contain_text("in 3 days")
        expect(needs).to_contain_text("Proof test overdue: door: open it")
        daemon.be(calm(laser_calibrated=False))
        expect(needs).to_contain_text("No valid energy calibration")
        expect(page.locator("#values-facts")).to_contain_text("NOT CALIBRATED")


def test_link_broker_and_clocks_say_how_they_are_and_for_how_long(daemon: StandIn, browser: Any) -> None:
    made = calm(time=datetime.now(UTC).isoformat())
    made["link"] |= {"since_s": 7_400.0}
    made["mqtt"] = {"state": "down", "trouble": "refused", "since_s": 130.0}
    made["clock"] = {"laser_known": True, "laser_error_ms": 5.2, "laser_drift_ppm": 12.0}
    daemon.be(made)
    with opened(browser, daemon.address) as page:
        health = page.locator("#health-facts")
        expect(health).to_contain_text("up, for 2 h, run/laser0")
        expect(health).to_contain_text("down, for 2 min, refused")
        expect(health).to_contain_text("followed within 6 ms")
        daemon.be(made | {"time": (datetime.now(UTC) - timedelta(seconds=90)).isoformat(), "clock": None})
        expect(health).to_contain_text("s off this browser's")
        expect(health.locator("dd.bad", has_text="unknown")).to_have_count(1)  # of the laser's clock
