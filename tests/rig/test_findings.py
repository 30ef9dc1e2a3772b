"""What campaigns have found, and what keeps it mended."""

import time
from dataclasses import replace

import pytest

from rig.script import Happening, Script
from rig.simulate import simulate
from rig.stack import plan_text
from tests.rig.broken_device import Reads, setting, wrong
from tests.rig.broken_host import silent_trips
from tests.rig.scenes import CALIBRATION, SERIES, at

BY_ITSELF = (
    plan_text(indication='"service"', rep_rate_hz=10.0, series="[15, 15]")
    .replace('skin_type = "II"\n', "")
    .replace("rehearsal =", 'trigger = "internal"\nrehearsal =')
)


@pytest.mark.shows("HZ-001")
def test_a_stuck_strap_gives_no_light_without_a_foot() -> None:
    stuck = {"name": "input-stuck", "line": "internal_trigger_strap", "to": True, "at_s": 0.5}
    result = simulate(replace(SERIES, faults=(stuck,)), 1, clock=time.perf_counter)
    assert not result.violations


@pytest.mark.parametrize("events", [(), (at(5.0, "strap", to="off"), at(6.0, "strap", to="on"))])
def test_a_service_plan_for_the_internal_trigger_keeps_every_promise(events: tuple[Happening, ...]) -> None:
    script = Script("by itself", 14.0, BY_ITSELF, contacts={"internal_trigger_strap": True}, events=events)
    result = simulate(script, 1, clock=time.perf_counter)
    assert not result.violations
    assert not result.excused
    assert result.pulses_true == result.pulses_recorded == 30


def test_light_by_the_internal_trigger_without_its_strap_is_found() -> None:
    bridged = wrong(Reads(setting(internal_trigger_strap=True)))
    result = simulate(Script("bridged", 8.0, BY_ITSELF), 1, clock=time.perf_counter, attach=bridged)
    assert {violation.invariant for violation in result.violations} == {"fresh-press"}


@pytest.mark.shows("HZ-001")
@pytest.mark.parametrize("contact", ["docked_a_closed", "docked_b_closed"])
def test_a_stuck_contact_of_the_port_lets_no_calibration_light_into_the_room(contact: str) -> None:
    stuck = {"name": "input-stuck", "line": contact, "to": True, "at_s": 0.5}
    undocked = tuple(event for event in CALIBRATION.events if event.do != "dock")
    result = simulate(replace(CALIBRATION, events=undocked, faults=(stuck,)), 1, clock=time.perf_counter)
    assert not result.violations


@pytest.mark.shows("HZ-014")
def test_a_dead_photodiode_takes_no_pulse_out_of_the_books() -> None:
    dead = {"name": "photodiode-dead", "on": "pulse", "nth": 4, "after_s": 0.02}
    result = simulate(replace(SERIES, faults=(dead,)), 1, clock=time.perf_counter)
    assert not result.violations


@pytest.mark.shows("REQ-048", "HZ-013")
def test_a_double_pulse_is_counted_with_both_its_flashes() -> None:
    double = {"name": "double-pulse", "on": "pulse", "nth": 4, "after_s": 0.02}
    result = simulate(replace(SERIES, faults=(double,)), 1, clock=time.perf_counter)
    assert result.faults_fired == 1
    assert not result.violations


HANG = {"name": "processor-hangs", "on": "pulse", "nth": 4, "after_s": 0.02}
GLITCH_IN_IT = {"name": "spurious-trigger", "on": "pulse", "nth": 4, "after_s": 0.06}


def test_light_that_came_while_the_processor_hung_is_its_watchdogs_fault() -> None:
    result = simulate(replace(SERIES, faults=(HANG, GLITCH_IN_IT)), 1, clock=time.perf_counter)
    assert result.faults_fired == 2
    assert result.pulses_true == result.pulses_recorded + 1
    assert not result.violations
    assert not result.excused


def test_light_that_came_while_the_processor_hung_is_found_where_no_fault_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent_trips(monkeypatch)
    result = simulate(replace(SERIES, faults=(HANG, GLITCH_IN_IT)), 1, clock=time.perf_counter)
    assert "books-balance" in {violation.invariant for violation in result.violations}
    assert any("light that no trigger explains" in violation.text for violation in result.violations)
