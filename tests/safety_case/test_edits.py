"""Settings that are changed while somebody fires: every pulse was made with what was read back before it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import PulseReport, Result
from protocols.requests import Arm, CommitSetpoint, Grant, ReadSetpoint, Reply, SetAiming, Setpoint, Standby
from protocols.states import State
from tests.safety_case.ward import MS, RATES_MHZ, Ward, staged, ward_at

ENERGIES_UJ = (60_000, 100_000, 173_000)

STEPS = st.one_of(
    st.tuples(st.just("stage"), st.sampled_from(ENERGIES_UJ), st.sampled_from(RATES_MHZ)),
    st.tuples(st.sampled_from(("commit", "arm", "grant", "press", "release", "standby", "aim"))),
    st.tuples(st.just("spot"), st.sampled_from((3.0, 3.5))),
    st.tuples(st.just("run"), st.sampled_from((1, 7, 60, 250, 2_300))),
)
WAY = [("commit",), ("aim",), ("arm",), ("run", 2_300), ("grant",), ("press",), ("run", 250)]


class Editor(Ward):
    """Does as told, whatever comes of it; remembers what was in force when it was granted."""

    granted: dict[int, Setpoint]

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("stage", energy_uj, rate_mhz):
                self.setpoint = staged(rate_mhz, energy_uj)
                self.ask(self.setpoint)
            case ("commit",):
                self.ask(CommitSetpoint(self._read_back().hash))
            case ("aim",):
                self.ask(SetAiming(True))
            case ("arm",):
                request = self.arm_request()
                assert isinstance(request, Arm)
                self.ask(request)
            case ("grant",):
                self._permit()
            case ("standby",):
                self.ask(Standby())
            case ("spot", spot_mm):
                self.act("spot", spot_mm=spot_mm)
            case ("run", for_ms):
                self.run(for_ms * MS)
            case (what,):
                self.act("foot", to=what)

    def _permit(self) -> None:
        before = self.ask(ReadSetpoint())
        assert isinstance(before, Setpoint)
        if not before.rep_rate_mhz:
            return
        request = dataclasses.replace(self.grant_request(), setpoint_hash=before.hash)
        assert isinstance(request, Grant)
        reply = self.ask(request)
        if isinstance(reply, Reply) and reply.result is Result.DONE:
            self.granted[request.permit_id] = before


@pytest.mark.shows("REQ-024", "HZ-019")
@given(steps=st.lists(STEPS, max_size=25), repeat=st.integers(1, 3))
def test_each_pulse_is_made_with_the_settings_that_were_read_back_for_its_permit(
    steps: list[tuple[Any, ...]], repeat: int
) -> None:
    ward = ward_at("ready")
    ward.__class__ = Editor
    assert isinstance(ward, Editor)
    ward.granted = {ward.permits: ward._read_back()}
    before = len(ward.pulses)
    for step in [("press",), ("run", 250), *steps, *WAY, *steps[:repeat]]:
        ward.take(step)
    ward.run(300 * MS)
    ward.release()
    ward.run(600 * MS)
    for pulse in ward.pulses[before:]:
        report = ward.reports[pulse.number]
        assert isinstance(report, PulseReport)
        agreed = ward.granted[report.permit_id]
        assert report.set_energy_uj == agreed.pulse_energy_uj
        assert report.rep_rate_mhz == agreed.rep_rate_mhz
        assert pulse.mode_width_ps == agreed.mode_width_ps
        assert pulse.spot_um == agreed.spot_um
        assert abs(pulse.energy_uj / agreed.pulse_energy_uj - 1) <= 0.2
    assert ward.state is not State.FAULT


@pytest.mark.parametrize("energy_uj", ENERGIES_UJ)
@pytest.mark.parametrize("rate_mhz", RATES_MHZ)
def test_what_is_set_anew_in_standby_is_what_is_fired_then(energy_uj: int, rate_mhz: int) -> None:
    ward = ward_at("ready")
    ward.__class__ = Editor
    assert isinstance(ward, Editor)
    ward.granted = {}
    before = len(ward.pulses)
    changed = [("standby",), ("stage", energy_uj, rate_mhz)]
    for step in [*changed, *WAY, ("run", 2_300), ("release",), ("run", 600)]:
        ward.take(step)
    assert len(ward.pulses) > before
    assert {ward.reports[pulse.number].set_energy_uj for pulse in ward.pulses[before:]} == {energy_uj}
