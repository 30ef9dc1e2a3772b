"""The metrics of a daemon: asked for by Prometheus' own parser, held against the plant and the database."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from controller.api import build_api
from controller.metric import Kind
from controller.metrics import METRICS
from protocols.states import State
from rig.stack import BEGAN, Stack, plan_text
from tests.controller.asking import told
from tests.controller.promtool import PROMTOOL, without_promtool
from tests.controller.scraping import asking, names, seen, with_metrics

VIRTUAL_TIME = True
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with with_metrics() as stack:
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(stack) as client:
        yield client


# -- the declarations


def test_names_follow_prometheus_and_are_declared_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"picolase_[a-z][a-z_]*[a-z]", metric.name), metric.name
        assert not metric.name.endswith(("_total", "_info", "_count", "_sum", "_bucket")), metric.name
        assert not re.search(r"_(ms|us|mj|uj|ps|mv|ma|mw|percent|minutes|milli)(_|$)", metric.name), (
            metric.name
        )
        assert re.fullmatch(r"[A-Z].*\.", metric.meaning), metric.name
        assert len(metric.labels) <= 1 or metric.kind is Kind.INFO


def test_no_label_names_a_person_a_subject_or_a_session_and_their_number_is_bounded() -> None:
    free = {label.name for metric in METRICS for label in metric.labels if not label.among}
    assert free == {"version", "serial", "model", "firmware", "simulated"}
    for metric in METRICS:
        assert metric.kind is Kind.INFO or all(label.among for label in metric.labels), metric.name
    assert sum(math.prod(len(label.among) for label in metric.labels) for metric in METRICS) < 300


# -- the page


@pytest.mark.parametrize("asked", [{}, OPENMETRICS], ids=["text", "openmetrics"])
async def test_every_declared_metric_of_a_firing_laser_is_told_with_its_type(
    stack: Stack, http: httpx.AsyncClient, asked: dict[str, str]
) -> None:
    await stack.prepare()
    await stack.arm()
    await stack.fire(5)
    response = await http.get("/metrics", headers=asked)
    stack.release()
    parse = openmetrics.text_string_to_metric_families if asked else parsed
    assert ("openmetrics" in response.headers["content-type"]) == bool(asked)
    families = {family.name: family for family in parse(response.text)}
    off = {
        "picolase_mqtt_connected",
        "picolase_mqtt_messages_sent",
        "picolase_mqtt_samples_dropped",
        "picolase_outbox_waiting",
    }
    for metric in METRICS:
        name = metric.name if asked or metric.kind is not Kind.INFO else f"{metric.name}_info"
        assert (name in families) == (metric.name not in off), metric.name
        if metric.name in off:
            continue
        family = families.pop(name)
        assert family.documentation == metric.meaning
        assert family.type == (metric.kind.value if asked or metric.kind is not Kind.INFO else "gauge")
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "le"}
            assert tuple(labels) == tuple(label.name for label in metric.labels) or set(labels) == {
                label.name for label in metric.labels
            }
            for label in metric.labels:
                assert not label.among or labels[label.name] in label.among, sample
    assert not families, "nothing is told that is not declared"


async def test_before_any_laser_was_seen_nothing_is_claimed_of_one() -> None:
    stack = with_metrics()
    stack.line.unplug()
    async with stack, asking(stack) as http:
        await asyncio.sleep(3)
        found = await seen(http)
    assert found[("picolase_link_up", ())] == 0
    assert found[("picolase_laser_data_age_seconds", ())] == math.inf
    assert found[("picolase_latch_standing", ("start_up",))] == 1
    assert found[("picolase_pulses_total", ("delivered",))] == 0
    of_laser = {"picolase_laser_info", "picolase_laser_state", "picolase_coolant_celsius"}
    assert not (of_laser | {"picolase_calibration_age_seconds"}) & names(found)


async def test_the_page_agrees_with_the_plant_and_the_database(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.prepare(plan_text(series=[7]))
    before = await seen(http)
    await stack.arm()
    await stack.fire(3)
    firing = await seen(http)
    await stack.until(lambda: not stack.device.permit_id, "the permit used up")
    stack.release()
    await stack.until(lambda: stack.daemon.treatment.session is None, "the session done")
    await stack.standby()
    found = await seen(http)

    assert before[("picolase_laser_state", ("standby",))] == 1
    assert before[("picolase_set_energy_joules", ())] == 0.173
    assert before[("picolase_plan_pulses", ())] == 7
    assert firing[("picolase_laser_state", ("emitting",))] == 1
    assert firing[("picolase_permit_pulses", ())] == 4
    assert 0 < firing[("picolase_permit_remaining_seconds", ())] < 60
    assert firing[("picolase_plan_pulses_given", ())] == 3
    assert firing[("picolase_shutter_position", ("open",))] == 1

    fired = [one for one in stack.reader.pulses(stack.serial) if one.aperture]
    assert len(fired) == 7 == sum(pulse.aperture for pulse in stack.truth.pulses)
    assert found[("picolase_pulses_total", ("delivered",))] == 7
    assert sum(value for (name, _), value in found.items() if name == "picolase_pulses_total") == len(
        stack.reader.pulses(stack.serial)
    )
    for monitor in ("a", "b"):
        energies_j = [getattr(one, f"monitor_{monitor}_mj") / 1e3 for one in fired]
        assert found[("picolase_pulse_energy_joules_sum", (monitor,))] == pytest.approx(sum(energies_j))
        assert found[("picolase_pulse_energy_joules_count", (monitor,))] == 7
        assert found[("picolase_last_pulse_energy_joules", (monitor,))] == pytest.approx(energies_j[-1])
        ratio = found[("picolase_pulse_energy_to_set_ratio_sum", (monitor,))] / 7
        assert ratio == pytest.approx(sum(energies_j) / 7 / 0.173)
    widths_s = [(one.pulse_width_ps or 0) * 1e-12 for one in fired]
    assert found[("picolase_pulse_width_seconds_sum", ())] == pytest.approx(sum(widths_s))
    assert found[("picolase_laser_pulse_number", ())] == stack.device.pulse_number
    assert found[("picolase_permit_pulses", ())] == found[("picolase_permit_remaining_seconds", ())] == 0
    assert found[("picolase_pulses_missing", ())] == found[("picolase_pulses_uncounted_total", ())] == 0
    gone = {"picolase_set_energy_joules", "picolase_plan_pulses", "picolase_plan_pulses_given"}
    assert not gone & names(found), "a plan that is done is not in hand"


async def test_nothing_of_a_person_a_subject_or_a_plan_is_on_the_page(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    who, latches = await stack.login("berta-secretname"), stack.latches
    await stack.daemon.console.acknowledge(who, [(latch.id.value, latch.instance) for latch in latches])
    text = plan_text(name='"Planname"').replace("rehearsal", 'subject = "S-4711"\nrehearsal', 1)
    session = await stack.daemon.console.open_session(who, text, "filename.toml", 755, checklist=True)
    for headers in ({}, OPENMETRICS):
        page = (await http.get("/metrics", headers=headers)).text
        for word in ("secretname", "berta", "Planname", "S-4711", "filename", session["id"], "memory:"):
            assert word not in page, word


async def test_what_a_silent_laser_said_last_is_not_repeated(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    assert "picolase_laser_state" in names(await seen(http))
    stack.line.cut()
    await asyncio.sleep(0.6)
    silent = await seen(http)
    of_laser = {
        *("picolase_laser_state", "picolase_interlock_closed", "picolase_fault_latched"),
        *("picolase_shutter_position", "picolase_permit_pulses", "picolase_laser_pulse_number"),
    }
    assert not of_laser & names(silent)
    assert 0.5 < silent[("picolase_laser_data_age_seconds", ())] < 1
    assert silent[("picolase_input_good", ("status",))] == 0
    assert silent[("picolase_heartbeat_sent", ())] == 0
    await asyncio.sleep(10)
    lost = await seen(http)
    assert not (of_laser | {"picolase_coolant_celsius", "picolase_lamp_shots_total"}) & names(lost)
    assert lost[("picolase_link_up", ())] == 0
    assert lost[("picolase_laser_data_age_seconds", ())] == math.inf
    stack.line.mend()
    await stack.settled()
    again = await seen(http)
    assert again[("picolase_laser_state", ("standby",))] == 1
    assert again[("picolase_latch_standing", ("reconnected",))] == 1


async def test_an_opened_door_is_told_as_contact_fault_latch_and_alarm(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.prepare()
    calm = await seen(http)
    assert calm[("picolase_interlock_closed", ("door",))] == 1
    assert calm[("picolase_alarms", ())] == 0
    await stack.arm()
    stack.laser.act("door", to="open")
    await stack.until(lambda: stack.device.state is State.FAULT, "a fault")
    found = await seen(http)
    assert found[("picolase_interlock_closed", ("door",))] == 0
    assert sum(value for (name, _), value in found.items() if name == "picolase_interlock_closed") == 11
    assert found[("picolase_fault_latched", ("door",))] == 1
    assert found[("picolase_fault_present", ("door",))] == 1
    assert sum(value for (name, _), value in found.items() if name == "picolase_fault_latched") == 1
    assert found[("picolase_latch_standing", ("device_fault",))] == 1
    assert found[("picolase_alarms", ())] == len(stack.latches)  # the fault, and latches but its mirror


async def test_age_and_end_of_the_calibration_and_of_the_proof_tests_go_with_time(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    await stack.settled()
    day_s = 86_400
    first = await seen(http)
    age_s = ("picolase_calibration_age_seconds", ())
    left_s = ("picolase_calibration_remaining_seconds", ())
    assert first[age_s] + first[left_s] == pytest.approx(30 * day_s, abs=1)
    assert first[("picolase_start_time_seconds", ())] == BEGAN.timestamp()
    await asyncio.sleep(120)
    later = await seen(http)
    assert later[age_s] - first[age_s] == pytest.approx(120, abs=0.1)
    assert first[left_s] - later[left_s] == pytest.approx(120, abs=0.1)
    proof = ("picolase_proof_test_age_seconds", ("door",))
    assert later[proof] >= first[proof]
    assert later[("picolase_proof_test_due", ("door",))] == 0
    findings = stack.daemon.openings.report()["inputs"]
    assert {one["interlock"] for one in findings} == {
        labels[0] for name, labels in later if name == "picolase_proof_test_overdue"
    }


# -- who may ask


async def test_metrics_need_no_login_and_only_a_name_of_this_machine(http: httpx.AsyncClient) -> None:
    assert (await http.get("/metrics")).status_code == 200
    error = told(await http.get("/metrics", headers={"host": "laser.example"}), 403)
    assert error["error"] == "host"


async def test_a_daemon_without_them_says_how_to_switch_them_on() -> None:
    async with Stack() as stack:
        await stack.settled()
        assert stack.daemon.metrics is None
        assert not [feed for feed in stack.daemon.fanout.subscriptions if feed.name == "metrics"]
        transport = httpx.ASGITransport(app=build_api(stack.daemon.console))
        async with httpx.AsyncClient(transport=transport, base_url="http://d") as http:
            error = told(await http.get("/metrics"), 404)
    assert error["error"] == "metrics.off"
    assert "set enabled = true under [metrics]" in error["message"]


@without_promtool
async def test_promtool_has_nothing_to_say_against_the_page(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.prepare()
    page = (await http.get("/metrics")).text
    checked = subprocess.run(  # noqa: ASYNC221  # nothing else runs meanwhile in virtual time
        [str(PROMTOOL), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
