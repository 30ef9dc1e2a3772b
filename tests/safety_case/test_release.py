"""The foot comes up: the light ends, at every rate and in every phase of the pulse."""

from __future__ import annotations

import pytest

from protocols.faults import Fault
from protocols.states import State
from tests.safety_case.ward import MS, RATES_MHZ, SWEEP, S, Ward, staged, ward_at

RELEASED_US = 20 * MS  # REQ-005
DISAGREE_US = 50 * MS  # REQ-004
INHIBIT_US = 10 * MS
PHASES = 20 * min(SWEEP, 20)  # of a period; 400 in a soak


def phases(rate_mhz: int) -> list[int]:
    """Times over one period, dense around its pulse, which comes at 0."""
    period_us = 1_000_000_000 // rate_mhz
    dense = [period_us - 5 * MS + step * 500 for step in range(20)]
    return sorted({*(period_us * step // PHASES for step in range(PHASES)), *dense})


def released(rate_mhz: int, phase_us: int, fault: str = "", **given: object) -> tuple[Ward, int]:
    """A ward half a second after its release at this phase, and when that was."""
    ward = ward_at("emitting", staged(rate_mhz))
    if fault:
        ward.inject(fault, **given)
    ward.run(phase_us)
    ward.release()
    released_us = ward.now_us
    ward.run(500 * MS)
    return ward, released_us


@pytest.mark.shows("REQ-005", "HZ-002")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_after_the_release_comes_at_most_the_pulse_that_was_triggered_already(rate_mhz: int) -> None:
    last = []
    for phase_us in phases(rate_mhz):
        ward, released_us = released(rate_mhz, phase_us)
        after = ward.pulses_since(released_us)
        assert len(after) <= 1
        assert all(pulse.time_us - released_us <= RELEASED_US for pulse in after)
        assert ward.state is State.READY
        assert ward.closed
        last += after
    assert last  # some phase did catch a pulse under way, or the sweep shows nothing


@pytest.mark.shows("REQ-004", "REQ-005", "HZ-002")
@pytest.mark.parametrize("channel", ["a", "b"])
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_with_one_contact_welded_the_other_ends_it_as_soon_and_the_weld_is_told(
    channel: str, rate_mhz: int
) -> None:
    for phase_us in phases(rate_mhz)[::4]:
        ward, released_us = released(rate_mhz, phase_us, "foot-contact-welded", channel=channel)
        after = ward.pulses_since(released_us)
        assert len(after) <= 1
        assert all(pulse.time_us - released_us <= RELEASED_US for pulse in after)
        assert ward.fault is Fault.FOOT_DISAGREES
        assert ward.closed


@pytest.mark.shows("REQ-004")
@pytest.mark.parametrize("fault", ["foot-contact-welded", "foot-contact-open"])
@pytest.mark.parametrize("channel", ["a", "b"])
def test_every_stuck_contact_of_the_foot_is_told_at_the_next_press_or_release(
    fault: str, channel: str
) -> None:
    ward = ward_at("ready")
    ward.inject(fault, channel=channel)
    ward.run(DISAGREE_US // 2)
    ward.press()
    pressed_us, before = ward.now_us, len(ward.pulses)
    ward.run(100 * MS)
    ward.release()
    ward.run(100 * MS)
    assert ward.fault is Fault.FOOT_DISAGREES
    assert len(ward.pulses) == before or fault == "foot-contact-welded"
    assert all(pulse.time_us < pressed_us + 100 * MS + RELEASED_US for pulse in ward.pulses[before:])


@pytest.mark.shows("REQ-004")
@pytest.mark.parametrize("channel", ["a", "b"])
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_one_contact_that_opens_while_the_foot_is_down_ends_it_at_once_and_latches(
    channel: str, rate_mhz: int
) -> None:
    for phase_us in phases(rate_mhz)[::8]:
        ward = ward_at("emitting", staged(rate_mhz))
        ward.run(phase_us)
        ward.inject("foot-contact-open", channel=channel)
        opened_us = ward.now_us
        assert not ward.gate_open or ward.when(lambda: not ward.gate_open, S) <= INHIBIT_US  # noqa: B023
        took_us = ward.when(lambda: ward.state is State.FAULT, S)  # noqa: B023 - called at once
        assert took_us <= DISAGREE_US + MS
        assert len(ward.pulses_since(opened_us + MS)) == 0
        assert ward.fault is Fault.FOOT_DISAGREES
