"""The page left open overnight: eight hours by the browser's own clock, and nothing more than at dusk."""

from typing import Any

import pytest

from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import StandIn, calm, shots, treating

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.timeout(600), without_chromium]
expect = sync_api.expect

STEP_MIN = 10
DUSK = 8  # steps, after which every list is as long as it gets
DAWN = 48  # eight hours
PULSES, EVENTS = 100, 15  # in each step: more in all than the page keeps


class Night:
    """A page whose clock is moved on while the daemon goes on telling."""

    def __init__(self, daemon: StandIn, page: Any) -> None:
        self.daemon = daemon
        self.page = page
        self.pulse = 0
        self.memory = page.context.new_cdp_session(page)

    def pass_by(self) -> None:
        """Ten minutes: the machine slept for them, and then the daemon told what had happened."""
        self.page.clock.fast_forward(STEP_MIN * 60_000)
        self.daemon.ahead_s += STEP_MIN * 60
        for one in shots(self.pulse + 1, PULSES):
            self.daemon.tell("pulse", one)
        self.pulse += PULSES
        text = ""
        for number in range(EVENTS):
            text = f"event {self.pulse}-{number}"
            self.daemon.tell("event", {"severity": "info", "text": text, "actor": "", "mono_us": number})
        expect(self.page.locator("#last tbody tr").first).to_contain_text(str(self.pulse))
        expect(self.page.locator("#log-list li").first).to_contain_text(text)
        expect(self.page.locator("#stale")).to_be_hidden()

    def counts(self) -> dict[str, int]:
        """What of the page is alive, once everything that may go has gone."""
        self.memory.send("HeapProfiler.collectGarbage")
        told: dict[str, int] = self.memory.send("Memory.getDOMCounters")
        told["heap"] = self.memory.send("Runtime.getHeapUsage")["usedSize"]
        return told


def test_nothing_grows_in_a_night_and_in_the_morning_it_is_live_and_stops(
    daemon: StandIn, browser: Any
) -> None:
    daemon.logged_in = True
    daemon.be(treating())
    daemon.answers["/stop"] = {"confirmed": True, "level": "frame", "took_ms": 8.0, "text": "stopped"}
    with opened(browser, daemon.address, before=lambda page: page.clock.install()) as page:
        expect(page.locator("#me")).to_be_visible()
        night = Night(daemon, page)
        dusk: dict[str, int] = {}
        for step in range(DAWN):
            night.pass_by()
            if step == DUSK:
                dusk = night.counts()
            if step == DAWN // 2:
                daemon.logged_in = False  # as after 15 min without use
                daemon.be(calm())
        dawn = night.counts()
        assert page.locator("#last tbody tr").count() == 8
        assert page.locator("#log-list li").count() == 100
        expect(page.locator("#login")).to_be_visible()
        for _ in range(200):  # a stream that was given back ends a little later
            if daemon.streams == 1:
                break
            page.wait_for_timeout(100)
        assert daemon.streams == 1
        # A tenth and some: what the browser itself keeps for a while. A leak of one node or listener in each
        # message of that night would be tens of thousands.
        for name in ("documents", "nodes", "jsEventListeners"):
            assert dawn[name] <= 1.1 * dusk[name] + 50, (name, dusk, dawn)
        assert dawn["heap"] <= 1.5 * dusk["heap"], (dusk, dawn)
        daemon.be(treating(40))
        expect(page.locator("#state-name")).to_have_text("EMITTING")
        page.keyboard.press("Escape")
        expect(page.locator("#stop-told.confirmed")).to_be_visible()
