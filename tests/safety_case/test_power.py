"""Power that goes at any moment of a series: safe at once, nothing restored, every pulse in the books."""

from __future__ import annotations

import random

import pytest

from protocols.messages import PulseFlag
from protocols.states import ARMED, State
from tests.safety_case.ward import MS, RATES_MHZ, SWEEP, S, Ward, staged, ward_at

SAFE_V, SAFE_US = 60.0, 5 * S  # REQ-026
CLOSED_US = 50 * MS
CYCLES = 15 * SWEEP  # of each rate

RESTS = {State.OFF, State.SELF_TEST, State.WARM_UP, State.CALIBRATING, State.STANDBY, State.FAULT}


def cut_at(rate_mhz: int, chance: random.Random) -> tuple[Ward, int, int]:
    """A ward whose power went at some moment of a series; when, and the number of its first pulse."""
    ward = ward_at("emitting", staged(rate_mhz))
    first = len(ward.pulses)
    ward.run(chance.randrange(2 * S))
    near = chance.random() < 0.5
    if near:  # around a trigger, where memory is written and light is on its way
        triggers = ward.simulator.plant.truth.triggers
        ward.when(lambda: ward.simulator.plant.truth.triggers > triggers, 3 * S)
        ward.run(chance.randrange(3 * MS))
    ward.act("power", to="cut")
    return ward, ward.now_us, first


@pytest.mark.shows("REQ-026", "REQ-008", "HZ-003", "HZ-024")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_a_power_cycle_at_any_moment_of_a_series_ends_it_for_good(rate_mhz: int) -> None:
    chance = random.Random(rate_mhz)
    for _ in range(CYCLES):
        ward, cut_us, _ = cut_at(rate_mhz, chance)
        ward.run(CLOSED_US)
        assert ward.closed
        assert not ward.gate_open
        away_us = chance.choice((10 * MS, S, 5 * S, 10 * S))
        ward.run(away_us)
        if away_us >= SAFE_US:
            assert ward.volts < SAFE_V
        ward.act("power", to="return")  # with the foot down all the while, and the host answering
        for _ in range(40):
            ward.run(250 * MS)
            assert ward.state in RESTS
            assert not ward.gate_open
        assert ward.volts < SAFE_V
        assert [p for p in ward.pulses_since(cut_us + 1) if p.aperture] == []
        assert ward.state not in ARMED


@pytest.mark.shows("REQ-026", "REQ-042", "HZ-020")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_after_a_power_cycle_every_pulse_has_its_number_and_at_most_one_is_unknown(rate_mhz: int) -> None:
    chance = random.Random(rate_mhz + 1)
    for _ in range(CYCLES):
        ward, _, _ = cut_at(rate_mhz, chance)
        ward.run(100 * MS)
        ward.act("power", to="return")
        again = ward.reconnected()
        again.run(3 * S)
        told = again.reports
        assert sorted(told) == [*range(min(told), max(told) + 1)]  # without a gap
        unknown = [report for report in told.values() if PulseFlag.UNKNOWN in report.flags]
        assert len(unknown) <= 1
        lit = sum(PulseFlag.SKIPPED not in report.flags for report in told.values())
        true = len(again.pulses) - (min(told) - 1)
        assert lit - len(unknown) <= true <= lit
