"""Takes pictures of the page in its typical states: `python -m tests.web.shots FOLDER`."""

import sys
from pathlib import Path
from typing import Any

from tests.controller.cli_standin import pulse
from tests.web.browser import chromium, opened, sync_api
from tests.web.standin import StandIn, calm, faulty, serving, shots, treating
from tests.web.test_page_effects import COURSE, PAIN, SCAR, SESSION, WRONG
from tests.web.test_page_fleet import LOST, OPEN, laser, picture

WIDE = {"width": 1280, "height": 720}
PLANS = Path(__file__).parents[2] / "plans"
TABLET = {"width": 820, "height": 1180}
EVENTS = (
    "session opened: Tattoo, left forearm",
    "armed by ada",
    "permit 7 granted: 20 pulses",
    "the foot was pressed",
)


def take(daemon: StandIn, browser: Any, folder: Path, name: str, **context: Any) -> None:
    """One picture of what the stand-in shows."""
    allowed = ("ERR_",)
    with opened(browser, daemon.address, allowed=allowed, **context) as page:
        if daemon.logged_in:
            sync_api.expect(page.locator("#me")).to_be_visible()
        if name.startswith("stale"):
            daemon.mute = True
            page.locator("#stale").wait_for()
        if name.startswith("stopped"):
            page.locator("#stop").dispatch_event("pointerdown")
            page.locator("#stop-told.confirmed").wait_for()
        if name.startswith("frozen"):
            daemon.frozen = True
            page.keyboard.press("Escape")
            page.locator("#stop-told.not-confirmed").wait_for()
            page.locator("#stale").wait_for()
        if "plan" in name:
            page.locator("[data-view=plan]").click()
            page.locator("#plan-text").fill((PLANS / "tattoo-forearm.toml").read_text())
            page.locator("#plan-check").click()
            page.locator("#plan-fields tbody tr").first.wait_for()
        if "history" in name:
            page.locator("[data-view=history]").click()
            page.get_by_role("button", name="Effects: Tattoo").click()
            page.locator("#effects-list li").first.wait_for()
            page.get_by_role("button", name="Plot: Tattoo").click()
            page.get_by_role("button", name="device fault").click()
            page.locator(".timeline li").first.wait_for()
        if "fleet" in name:
            page.locator("[data-view=fleet]").click()
            page.locator("#lasers tbody tr").first.wait_for()
        page.wait_for_timeout(900)  # the charts are drawn twice a second
        page.screenshot(path=folder / f"{name}.png")
    daemon.mute = daemon.frozen = False


def main(folder: Path) -> None:
    """All of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with serving() as daemon, chromium() as browser:
        take(daemon, browser, folder, "standby-light", viewport=WIDE)
        daemon.logged_in = True
        daemon.answers["/stop"] = {"confirmed": True, "level": "frame", "took_ms": 8.0, "text": "stopped"}
        for one in shots(100, 40):
            daemon.tell("pulse", one)
        daemon.tell("pulse", pulse(140, monitor_a_mj=201.3, monitor_b_mj=202.0, flags=["energy_high"]))
        for text in EVENTS:
            daemon.tell(
                "event",
                {"severity": "info", "text": text, "actor": "ada", "event": "state", "mono_us": len(text)},
            )
        daemon.be(treating())
        for scheme in ("light", "dark"):
            take(daemon, browser, folder, f"emitting-{scheme}", viewport=WIDE, color_scheme=scheme)
        take(daemon, browser, folder, "emitting-tablet", viewport=TABLET, has_touch=True)
        take(daemon, browser, folder, "stale-light", viewport=WIDE)
        take(daemon, browser, folder, "stale-dark", viewport=WIDE, color_scheme="dark")
        daemon.be(faulty())
        take(daemon, browser, folder, "fault-light", viewport=WIDE)
        take(daemon, browser, folder, "stopped-dark", viewport=WIDE, color_scheme="dark")
        take(daemon, browser, folder, "frozen-tablet", viewport=TABLET)
        daemon.be(calm())
        refused = {
            "code": "plan.energy",
            "field": "pulse_energy_mj",
            "value": 273.0,
            "allowed": "35 to 200 mJ",
            "source": "T001",
            "action": "lower it",
        }
        summary = {
            "name": "Tattoo, left forearm",
            "subject": "P-7",
            "indication": "tattoo",
            "pulse_energy_mj": 273.0,
            "rep_rate_hz": 5.0,
            "spot_mm": 3.5,
        }
        daemon.answers["/act/check"] = {"ok": False, "refusals": [refused], "summary": summary}
        daemon.answers["/courses/P-7"] = {
            "subject": "P-7",
            "courses": [COURSE],
            "effects": [SCAR, PAIN, WRONG],
        }
        take(daemon, browser, folder, "plan-light", viewport=WIDE)
        daemon.answers["/sessions"] = [SESSION]
        daemon.answers["/sessions/s-1"] = {"pulses": shots(1, 60)}
        daemon.answers["/sessions/s-1/effects"] = [SCAR, PAIN, WRONG]
        daemon.answers["/incidents"] = [
            {"id": "i-1", "time": "2026-01-02T03:05:05Z", "first_cause": "device_fault"}
        ]
        cause = {"ms": -3.2, "who": "laser", "text": "the contact door opened"}
        steps = [cause, {"ms": 0.0, "who": "laser", "text": "FAULT: the door is open"}]
        steps.append({"ms": 0.4, "who": "host", "text": "STOP left"})
        daemon.answers["/incidents/i-1"] = {
            "id": "i-1",
            "story": {"summary": {"cause": cause}, "steps": steps},
        }
        take(daemon, browser, folder, "history-light", viewport=WIDE)
        take(daemon, browser, folder, "history-dark", viewport=WIDE, color_scheme="dark")
        many = [laser("north", f"room-{number}", age_s=0.1 * number) for number in range(1, 9)]
        daemon.answers["/fleet"] = picture(OPEN, LOST, *many)
        daemon.be(calm(web={"fleet": True}))
        take(daemon, browser, folder, "fleet-light", viewport=WIDE)
        take(daemon, browser, folder, "fleet-tablet-dark", viewport=TABLET, color_scheme="dark")
        daemon.answers["/fleet"] = picture(OPEN, LOST, *many, trouble="the broker is gone")
        take(daemon, browser, folder, "fleet-old", viewport=WIDE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
