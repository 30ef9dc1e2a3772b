"""Work at the page, in a real Chromium: logging in, plans, what must be settled, the past, the simulator."""

from typing import Any

import pytest

from safety.checklist import ITEMS
from tests.controller.cli_standin import SESSION
from tests.web.browser import opened, sync_api, without_chromium
from tests.web.standin import CSRF, ME, StandIn, calm, faulty, shots

pytestmark = [pytest.mark.slow, pytest.mark.processes, without_chromium]
expect = sync_api.expect

PLAN = 'name = "x"\n'


@pytest.fixture
def daemon(daemon: StandIn) -> StandIn:
    daemon.logged_in = True
    return daemon


def plan_view(page: Any) -> None:
    expect(page.locator("#me")).to_be_visible()
    page.locator("[data-view=plan]").click()
    page.locator("#plan-text").fill(PLAN)


def test_one_logs_in_and_out_and_the_password_stays_nowhere(daemon: StandIn, browser: Any) -> None:
    daemon.logged_in = False
    with opened(browser, daemon.address, allowed=("401",)) as page:  # of the wrong password
        page.locator("#login-name").fill("ada")
        page.locator("#login-password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#login-told")).to_contain_text("name or password is wrong")
        expect(page.locator("#login-password")).to_have_value("")
        page.locator("#login-password").fill("correct horse")
        page.keyboard.press("Enter")
        expect(page.locator("#me-who")).to_have_text("ada (operator); logged out after 15 min without use")
        expect(page.locator("#standby")).to_be_enabled()
        assert (
            page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'
        )
        page.locator("#logout").click()
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("#standby")).to_be_disabled()
        assert daemon.asked_for("/logout") == [{}]


def test_a_login_that_has_ended_is_noticed_at_the_next_act(daemon: StandIn, browser: Any) -> None:
    refused = {"error": "login.idle", "message": "locked after a time without use: log in again"}
    daemon.answers["/act/standby"] = (401, refused)
    with opened(browser, daemon.address, allowed=("401",)) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("#standby").click()
        expect(page.locator("#act-told")).to_contain_text("locked after a time without use")
        expect(page.locator("#login")).to_be_visible()
        expect(page.locator("#login-told")).to_have_text(refused["message"])
        expect(page.locator("#standby")).to_be_disabled()


@pytest.mark.parametrize(
    ("button", "path", "body"),
    [
        ("standby", "/act/standby", None),
        ("calibrate", "/act/calibrate", None),
        ("aiming", "/act/aiming", {"on": False}),
    ],
)
def test_each_act_asks_for_what_it_says(
    daemon: StandIn, browser: Any, button: str, path: str, body: dict[str, Any] | None
) -> None:
    with opened(browser, daemon.address) as page:  # in which the aiming beam is on
        expect(page.locator("#me")).to_be_visible()
        page.locator(f"#{button}").click()
        daemon.wait_for(path)
        expect(page.locator("#act-told")).to_contain_text(": done")
        assert daemon.asked_for(path) == [body]


def test_latches_and_what_is_uncertain_are_settled_one_by_one(daemon: StandIn, browser: Any) -> None:
    daemon.be(faulty())
    kept = [
        {
            "name": "device_fault",
            "instance": 9,
            "reasons": [{"code": "x", "text": "door open", "action": "close it"}],
        }
    ]
    daemon.answers["/act/ack"] = {"cleared": [], "kept": kept, "outcome": "refused"}
    daemon.answers["/act/resolve"] = {"settled": ["c-17"], "given_up_pulses": 0, "open": []}
    with opened(browser, daemon.address) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("#attention-list button", has_text="Acknowledge").click()
        expect(page.locator("#act-reasons")).to_have_text("door open: close it")
        assert daemon.asked_for("/act/ack") == [{"latches": [{"name": "device_fault", "instance": 9}]}]
        page.locator("#attention-list button", has_text="Settle").click()
        expect(page.locator("#act-told")).to_contain_text("done")
        assert daemon.asked_for("/act/resolve") == [{}]


def test_each_refusal_of_a_plan_stands_beside_its_field(daemon: StandIn, browser: Any) -> None:
    energy = {
        "code": "energy",
        "field": "pulse_energy_mj",
        "value": 273.0,
        "allowed": "35 to 200 mJ",
        "source": "T001",
        "action": "lower it",
    }
    whole = {
        "code": "dose",
        "field": "",
        "value": None,
        "allowed": "8 J/cm2",
        "source": "T1",
        "action": "fewer passes",
    }
    summary = {"name": "x", "pulse_energy_mj": 273.0, "rep_rate_hz": 5.0}
    daemon.answers["/act/check"] = {"ok": False, "refusals": [energy, whole], "summary": summary}
    with opened(browser, daemon.address, allowed=("422",)) as page:
        plan_view(page)
        page.locator("#plan-check").click()
        expect(page.locator("#plan-told")).to_contain_text("refused for 2 reason(s)")
        row = page.locator("#plan-fields tbody tr", has_text="pulse energy mj")
        expect(row).to_contain_text("allowed: 35 to 200 mJ; lower it")
        expect(page.locator("#plan-fields tbody tr").first).to_contain_text("whole plan")
        expect(page.locator("#plan-fields tbody tr.bad")).to_have_count(2)
        assert daemon.asked_for("/act/check") == [{"text": PLAN, "file": "plan"}]
        problem = {
            "code": "file",
            "field": "beam.spot_mm",
            "value": "x",
            "allowed": "a number",
            "source": "line 3 of the file",
            "action": "correct it",
        }
        daemon.answers["/act/check"] = (
            422,
            {
                "error": "file",
                "message": "plan is not a plan that can be read",
                "reasons": [],
                "problems": [problem],
            },
        )
        page.locator("#plan-check").click()
        expect(page.locator("#plan-told")).to_contain_text("not a plan that can be read")
        expect(page.locator("#plan-fields tbody tr.bad")).to_contain_text("beam.spot_mm")


def test_a_plan_file_is_read_and_checked(daemon: StandIn, browser: Any) -> None:
    daemon.answers["/act/check"] = {"ok": True, "refusals": [], "summary": {"name": "x"}}
    with opened(browser, daemon.address) as page:
        plan_view(page)
        page.locator("#plan-file").set_input_files(
            files=[{"name": "arm.toml", "mimeType": "text/plain", "buffer": b"name = 'y'"}]
        )
        expect(page.locator("#plan-told")).to_have_text("The plan may be carried out.")
        assert daemon.asked_for("/act/check") == [{"text": "name = 'y'", "file": "arm.toml"}]


def test_a_session_begins_on_what_was_confirmed_item_by_item(daemon: StandIn, browser: Any) -> None:
    missing = [
        {"code": "confirm.no_keloid", "text": "not confirmed: no_keloid", "action": "ask the physician"},
        {"code": "lease", "text": "bob commands the laser", "action": "ask bob"},
    ]
    daemon.answers["/act/open"] = (
        422,
        {"error": "confirm", "message": "not confirmed", "reasons": missing, "problems": []},
    )
    with opened(browser, daemon.address, allowed=("422",)) as page:
        plan_view(page)
        page.locator("#eyewear").fill("755")
        boxes = page.locator("#checklist input")
        expect(boxes).to_have_count(len(ITEMS) + 1)  # and the conditions of a service
        page.locator("#checklist li", has_text="not pregnant").locator("input").check()
        page.locator("#plan-start").click()
        expect(page.locator("#checklist li", has_text="keloids")).to_contain_text(
            "not confirmed: no_keloid: ask the physician"
        )
        expect(page.locator("#begin-reasons")).to_have_text("bob commands the laser: ask bob")
        sent = {
            "text": PLAN,
            "file": "plan",
            "eyewear_nm": 755,
            "checklist": ["not_pregnant"],
            "service": False,
            "course": [],
        }
        assert daemon.asked_for("/act/open") == [sent]
        for box in boxes.all():
            box.check()
        daemon.answers["/act/open"] = SESSION
        page.locator("#plan-start").click()
        expect(page.locator("#begin-told")).to_contain_text("Session begun: 60 pulses to give")
        assert daemon.asked_for("/act/open")[1]["checklist"] == list(ITEMS)
        expect(page.locator("#checklist input:checked")).to_have_count(0)  # the next one is confirmed anew


def test_a_course_is_confirmed_by_name_and_a_second_person_is_asked_only_when_needed(
    daemon: StandIn, browser: Any
) -> None:
    matter = {
        "code": "course.interval",
        "text": "2 weeks since the last session",
        "action": "wait, or confirm",
    }
    daemon.answers["/act/open"] = (
        409,
        {"error": "course", "message": "fresh confirmations", "reasons": [matter], "problems": []},
    )
    with opened(browser, daemon.address, allowed=("409", "403")) as page:
        plan_view(page)
        expect(page.locator("#second")).to_be_hidden()
        page.locator("#plan-start").click()
        page.locator("#course-list label", has_text="2 weeks since").locator("input").check()
        daemon.answers["/act/open"] = (
            403,
            {"error": "second.needed", "message": "needs a second person", "reasons": [], "problems": []},
        )
        page.locator("#plan-start").click()
        expect(page.locator("#second")).to_be_visible()
        assert daemon.asked_for("/act/open")[1]["course"] == ["interval"]
        page.locator("#second-name").fill("bob")
        page.locator("#second-password").fill("battery staple")
        page.locator("#plan-start").click()
        daemon.wait_for("/act/open", 3)
        assert daemon.asked_for("/act/open")[2]["second"] == {"name": "bob", "password": "battery staple"}
        expect(page.locator("#second-password")).to_have_value("")


def test_an_unfinished_session_is_resumed_or_abandoned(daemon: StandIn, browser: Any) -> None:
    daemon.answers["/act/resume"] = SESSION | {"remaining": 33}
    daemon.answers["/act/abandon"] = {"id": "s-1", "state": "abandoned", "planned": 60, "delivered": 27}
    with opened(browser, daemon.address) as page:
        plan_view(page)
        page.locator("#eyewear").fill("755")
        page.locator("#plan-resume").click()
        expect(page.locator("#begin-told")).to_contain_text("33 pulses to give")
        assert set(daemon.asked_for("/act/resume")[0]) == {"eyewear_nm", "checklist", "service", "course"}
        page.locator("#plan-abandon").click()
        expect(page.locator("#begin-told")).to_have_text("Session abandoned.")
        assert daemon.asked_for("/act/abandon") == [{}]


def test_the_past_is_listed_plotted_and_told_on_a_time_line(daemon: StandIn, browser: Any) -> None:
    session = {"id": "s-1", "name": "Tattoo", "operator": "ada", "state": "completed", "planned": 60}
    told = {"started": "2026-01-02T03:04:05Z", "ended": None, "delivered": 60, "unknown": 1}
    daemon.answers["/sessions"] = [session | told]
    daemon.answers["/sessions/s-1"] = {"pulses": shots(1, 30)}
    daemon.answers["/incidents"] = [
        {"id": "i-1", "time": "2026-01-02T03:05:05Z", "first_cause": "device_fault"}
    ]
    cause = {"ms": -3.2, "who": "laser", "text": "the contact door opened"}
    steps = [cause | {"role": "cause"}, {"ms": 0.4, "who": "host", "text": "STOP left", "role": "sent"}]
    daemon.answers["/incidents/i-1"] = {"id": "i-1", "story": {"summary": {"cause": cause}, "steps": steps}}
    with opened(browser, daemon.address) as page:
        expect(page.locator("#me")).to_be_visible()
        page.locator("[data-view=history]").click()
        row = page.locator("#sessions tbody tr")
        expect(row).to_contain_text("60 / 60, unknown (counted as delivered): 1")
        assert row.locator("a").get_attribute("href") == "/sessions/s-1/report"
        row.get_by_role("button", name="Plot: Tattoo").click()
        expect(page.locator("#session-plot canvas")).to_be_visible()
        page.locator("#incidents button").click()
        expect(page.locator("#incident")).to_contain_text(
            "What happened first: the contact door opened (laser, -3.2 ms)"
        )
        expect(page.locator(".timeline li")).to_have_count(2)
        expect(page.locator(".timeline li.cause")).to_contain_text("-3.2 ms")
        expect(page.locator(".timeline li").nth(1)).to_contain_text("+0.4 ms")


def test_hands_at_the_laser_are_there_for_a_simulated_one_alone(daemon: StandIn, browser: Any) -> None:
    fault = {"name": "door_bounces", "meaning": "the door's contact bounces"}
    daemon.answers["/sim"] = {"state": {}, "faults": {"faults": [fault], "trigger": []}, "injections": []}
    real = calm()
    real["device"] |= {"simulated": False}
    daemon.be(real)
    with opened(browser, daemon.address) as page:
        expect(page.locator("#me")).to_be_visible()
        expect(page.locator("[data-view=sim]")).to_be_hidden()
        assert daemon.asked_for("/sim") == []
        daemon.be(calm())
        page.locator("[data-view=sim]").click()
        page.get_by_label("Footswitch press").click()
        page.get_by_label("Door open").click()
        page.get_by_label("Calibration port put in").click()
        page.get_by_label("Emergency stop press").click()
        daemon.wait_for("/sim/operator/estop")
        assert daemon.asked_for("/sim/operator/foot") == [{"to": "press"}]
        assert daemon.asked_for("/sim/operator/door") == [{"to": "open"}]
        assert daemon.asked_for("/sim/operator/dock") == [{}]
        expect(page.locator("#sim-meaning")).to_have_text("the door's contact bounces")
        page.locator("#sim-given").fill('{"times": 3}')
        page.locator("#sim-inject").click()
        daemon.wait_for("/sim/faults/door_bounces")
        assert daemon.asked_for("/sim/faults/door_bounces") == [{"times": 3}]
        page.locator("#sim-clear").click()
        daemon.wait_for("/sim/clear")
        daemon.be(real)
        expect(page.locator("[data-view=sim]")).to_be_hidden()
        expect(page.locator("#view-live")).to_be_visible()


def test_every_act_carries_the_token_of_the_login(daemon: StandIn, browser: Any) -> None:
    assert ME["csrf"] == CSRF
    daemon.answers["/act/check"] = {"ok": True, "refusals": [], "summary": {}}
    with opened(browser, daemon.address) as page:
        plan_view(page)
        for name in (
            "plan-check",
            "plan-start",
            "plan-resume",
            "plan-abandon",
            "standby",
            "calibrate",
            "aiming",
            "logout",
        ):
            page.locator(f"#{name}").click()
        daemon.wait_for("/logout")
        posts = {path: headers for path, _, headers in daemon.asked if path.startswith(("/act/", "/logout"))}
        assert len(posts) == 8
        assert {headers.get("x-csrf") for headers in posts.values()} == {CSRF}
