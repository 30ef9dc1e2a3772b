"""The host that falls silent in any way, at any phase: the gate closes by itself, and light ends with it."""

from __future__ import annotations

import pytest

from protocols.faults import Fault
from protocols.messages import Heartbeat, Status
from protocols.states import State
from tests.safety_case.ward import MS, RATES_MHZ, SWEEP, S, Ward, staged, ward_at

SILENT_US = 250 * MS  # REQ-032: after the last challenge that was answered was issued
CLOSED_US = 50 * MS
PHASES = 10 * min(SWEEP, 20)


class Silent(Ward):
    """A host that can fall silent, and knows when the last challenge was issued that it answered."""

    answers = True
    buffered: bool = False
    issued_us = 0
    _kept: tuple[Heartbeat, ...] = ()

    def _hear(self, message: object) -> None:
        if not isinstance(message, Status):
            super()._hear(message)
        elif self.answers:
            self.issued_us = self.now_us
            super()._hear(message)
        else:
            self.status = message


def silenced(rate_mhz: int, phase_us: int) -> Silent:
    """It is emitting, and from this phase on the host answers nothing any more."""
    ward = ward_at("emitting", staged(rate_mhz))
    ward.__class__ = Silent
    assert isinstance(ward, Silent)
    ward.run(150 * MS + phase_us)
    ward.answers = False
    return ward


def ends_in_time(ward: Silent) -> None:
    ward.when(lambda: not ward.gate_open and ward.state is not State.EMITTING, S)
    assert ward.now_us - ward.issued_us <= SILENT_US
    assert ward.fault is Fault.LINK_LOST
    ward.when(lambda: ward.closed, CLOSED_US)
    assert ward.closed
    ward.run(2 * S)
    assert ward.light_after(ward.issued_us + SILENT_US) == []
    assert not ward.gate_open


@pytest.mark.shows("REQ-032", "HZ-034", "HZ-035")
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_the_gate_closes_within_250_ms_of_the_last_answered_challenge_at_every_phase(rate_mhz: int) -> None:
    period_us = max(50 * MS, 1_000_000_000 // rate_mhz)  # of pulses and of Status
    for phase_us in range(0, period_us, period_us // PHASES):
        ends_in_time(silenced(rate_mhz, phase_us))


@pytest.mark.shows("REQ-032", "REQ-036", "HZ-034")
@pytest.mark.parametrize("fault", ["line-cut", "line-unplugged", "line-falls-silent"])
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_so_does_a_cut_line(fault: str, rate_mhz: int) -> None:
    period_us = max(50 * MS, 1_000_000_000 // rate_mhz)
    for phase_us in range(0, period_us, 2 * period_us // PHASES):
        ward = silenced(rate_mhz, phase_us)
        ward.answers = True
        ward.inject(fault)
        ends_in_time(ward)


@pytest.mark.shows("REQ-032", "HZ-002", "HZ-035", "HZ-036")
@pytest.mark.parametrize("delay_ms", [100.0, 201.0, 260.0, 500.0, 5_000.0])
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_heartbeats_left_in_a_buffer_keep_nothing_alive(rate_mhz: int, delay_ms: float) -> None:
    ward = ward_at("emitting", staged(rate_mhz))
    ward.run(130 * MS)
    ward.inject("line-delays", direction="to_device", delay_ms=delay_ms)
    since_us = ward.now_us
    ward.run(8 * S)
    if delay_ms > 200:
        assert ward.fault is Fault.LINK_LOST
        assert ward.light_after(since_us + SILENT_US) == []
    else:
        assert ward.state is State.EMITTING  # late, and yet the host is known to live


@pytest.mark.shows("REQ-032", "HZ-024")
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
def test_a_hung_processor_is_reset_and_ends_in_no_light(stage: str) -> None:
    for phase_ms in range(0, 100, 7):
        ward = ward_at(stage)
        ward.run(phase_ms * MS)
        resets, hung_us = ward.simulator.resets, ward.now_us
        ward.simulator.hang(hung_us)
        ward.when(lambda: ward.simulator.resets > resets, S)  # noqa: B023 - called at once
        assert ward.now_us - hung_us <= 58 * MS + 1
        assert not ward.gate_open
        ward.run(3 * S)
        assert [p for p in ward.light_after(hung_us) if p.time_us > hung_us + 300] == []  # 200 us build-up
        assert ward.fault is Fault.WATCHDOG_RESET
