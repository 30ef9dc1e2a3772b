"""What campaigns have found and is not mended yet: strict, so that mending it shows here."""

import time
from dataclasses import replace

import pytest

from rig.simulate import simulate
from tests.rig.defects import CALIBRATION, SERIES


@pytest.mark.xfail(
    strict=True, reason="the strap of the internal trigger has one channel: stuck on, no foot is needed"
)
def test_a_stuck_strap_gives_no_light_without_a_foot() -> None:
    stuck = {"name": "input-stuck", "line": "internal_trigger_strap", "to": True, "at_s": 0.5}
    result = simulate(replace(SERIES, faults=(stuck,)), 1, clock=time.perf_counter)
    assert not result.violations


@pytest.mark.xfail(
    strict=True, reason="the contact of the calibration port is believed although its meter sees nothing"
)
def test_a_stuck_contact_of_the_port_lets_no_calibration_light_into_the_room() -> None:
    stuck = {"name": "input-stuck", "line": "docked", "to": True, "at_s": 0.5}
    undocked = tuple(event for event in CALIBRATION.events if event.do != "dock")
    result = simulate(replace(CALIBRATION, events=undocked, faults=(stuck,)), 1, clock=time.perf_counter)
    assert not result.violations
