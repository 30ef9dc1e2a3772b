"""Two channels to stop the light: with either stuck the other suffices, whatever triggers the lamp."""

from __future__ import annotations

import pytest

from protocols.states import State
from tests.safety_case.ward import GUARDS, MS, S, Ward, ward_at

INHIBIT_US, CLOSED_US = 10 * MS, 50 * MS
CHARGED_US = 60 * MS  # the charger needs 45 ms

FIRST = ("gate-welded", "output-stuck gate_enable")
SECOND = ("charger-welded", "shutter-stuck", "shutter-driver-welded", "dump-stuck")
CAUSES = ("foot", "host", *GUARDS)


def inject(ward: Ward, fault: str) -> None:
    name, _, line = fault.partition(" ")
    if line:
        ward.inject(name, line=line, to=True)
    else:
        ward.inject(name)


def stop(ward: Ward, cause: str) -> tuple[int, int]:
    """Take permission away; when, and how long the host's silence adds."""
    since_us = ward.now_us
    if cause == "foot":
        ward.release()
    elif cause == "host":
        ward.inject("line-cut")
        return since_us, 200 * MS
    else:
        ward.act(cause, **GUARDS[cause][0])
    return since_us, 0


def hammered(ward: Ward, first_us: int) -> None:
    """The lamp's trigger line glitches, from `first_us` on as often as the capacitor could be full again."""
    ward.run(first_us + 1)
    for _ in range(30):
        ward.inject("spurious-trigger")
        ward.run(CHARGED_US)


@pytest.mark.shows("REQ-035", "REQ-011", "HZ-001", "HZ-021")
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("fault", FIRST)
def test_with_the_trigger_gate_stuck_open_high_voltage_and_shutter_end_it(fault: str, cause: str) -> None:
    ward = ward_at("emitting")
    inject(ward, fault)
    ward.run(150 * MS)
    since_us, more_us = stop(ward, cause)
    hammered(ward, more_us + CLOSED_US)
    assert ward.light_after(since_us + more_us + CLOSED_US) == []


@pytest.mark.shows("REQ-035", "REQ-011", "HZ-005", "HZ-006", "HZ-021")
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("fault", SECOND)
def test_with_the_second_channel_stuck_the_trigger_gate_ends_it(fault: str, cause: str) -> None:
    ward = ward_at("emitting")
    inject(ward, fault)
    ward.run(150 * MS)
    since_us, more_us = stop(ward, cause)
    hammered(ward, more_us + INHIBIT_US)
    assert ward.light_after(since_us + more_us + INHIBIT_US) == []


@pytest.mark.shows("REQ-035", "HZ-001", "HZ-005", "HZ-007")
@pytest.mark.parametrize("fault", [*FIRST, "charger-welded", "shutter-stuck", "shutter-driver-welded"])
def test_a_stuck_channel_is_told_before_ready_comes_again(fault: str) -> None:
    ward = ward_at("emitting")
    inject(ward, fault)
    ward.run(200 * MS)
    ward.release()
    ward.run(500 * MS)
    if ward.state is State.READY:
        ward.to_standby()
        ward.arm()
        ward.run(4 * S)
    assert ward.state is State.FAULT
    assert ward.fault.name in {"GATE_CHANNEL", "HV_CHANNEL", "SHUTTER_STUCK_OPEN"}


@pytest.mark.shows("REQ-001", "HZ-001")
@pytest.mark.parametrize("stage", ["standby", "arming"])
def test_a_trigger_line_that_glitches_in_standby_and_arming_finds_the_gate_closed_or_no_charge(
    stage: str,
) -> None:
    ward = ward_at(stage)
    since_us = ward.now_us
    hammered(ward, 0)
    assert ward.pulses_since(since_us) == []


def test_with_both_channels_stuck_and_the_switches_lying_the_same_hammering_makes_light() -> None:
    ward = ward_at("ready")
    inject(ward, "gate-welded")
    ward.inject("input-stuck", line="shutter_closed_switch", to=True)
    ward.inject("input-stuck", line="shutter_open_switch", to=False)
    ward.inject("shutter-driver-welded")
    since_us = ward.now_us
    hammered(ward, CLOSED_US)
    assert ward.light_after(since_us + CLOSED_US)  # so the tests above can fail
