"""A firing series through the whole simulated laser: real link, real firmware, real plant, virtual time."""

import itertools
import statistics

import pytest

from protocols.messages import (
    Beam,
    PulseFlag,
)
from protocols.requests import (
    Standby,
)
from protocols.states import State
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator
from tests.sim_device.host import ENERGY_UJ, MS, Host, S


@pytest.fixture(scope="module")
def started() -> tuple[Simulator, Host]:
    """A laser in STANDBY, calibrated and undocked, with its set-point committed and its host connected."""
    plant = Plant(11, Contacts(key_on=True, docked=True))
    simulator = Simulator(Reference(), plant, RamMemory())
    while simulator.state is not State.STANDBY:
        assert simulator.now_us < 700 * S
        simulator.advance(simulator.next_event_us)
    perform(simulator, "undock", {}, simulator.now_us)
    host = Host(simulator)
    host.prepare()
    return simulator, host


def fire(host: Host, permit_id: int, pulses: int, beam: Beam, press_for_us: int) -> int:
    """Arm, grant, press, release; the time of the release."""
    host.arm(beam)
    host.until(State.READY)
    host.run(MS)  # in which its Status comes
    host.grant(pulses, permit_id, beam)
    host.press()
    host.run(press_for_us)
    host.release()
    released_us = host.simulator.now_us
    host.run(S)
    return released_us


def test_a_series_into_the_aperture_agrees_in_all_three_places(started: tuple[Simulator, Host]) -> None:
    simulator, host = started
    truth = simulator.plant.truth
    before = truth.total
    fire(host, 1, 40, Beam.APERTURE, 6 * S)
    pulses = [pulse for pulse in truth.pulses if pulse.number > before]
    assert len(pulses) == truth.aperture == 40
    assert all(pulse.foot_pressed and pulse.shutter_position == 1.0 for pulse in pulses)
    assert all(pulse.open_contacts == () for pulse in pulses)
    periods = {late.time_us - early.time_us for early, late in itertools.pairwise(pulses)}
    assert periods == {100 * MS}
    reports = [host.reports[number] for number in sorted(host.reports) if host.reports[number].permit_id == 1]
    assert len(reports) == 40
    assert truth.total == truth.triggers == len(host.reports)
    mean_uj = statistics.mean(pulse.energy_uj for pulse in pulses)
    assert mean_uj == pytest.approx(ENERGY_UJ, rel=0.05)
    for pulse, report in zip(pulses, reports, strict=True):
        assert report.monitor_a_uj == pytest.approx(pulse.energy_uj, rel=0.07)
        assert report.monitor_b_uj == pytest.approx(pulse.energy_uj, rel=0.07)
        assert report.pulse_width_ps == pytest.approx(pulse.width_ps, rel=0.03)
    assert host.state is State.READY


def test_a_rehearsal_lets_no_light_out(started: tuple[Simulator, Host]) -> None:
    simulator, host = started
    host.do(Standby())
    host.until(State.STANDBY)
    truth = simulator.plant.truth
    aperture, shuttered = truth.aperture, truth.shuttered
    fire(host, 2, 10, Beam.SHUTTER, 3 * S)
    assert (truth.aperture, truth.shuttered) == (aperture, shuttered + 10)
    latest = [host.reports[number] for number in sorted(host.reports)][-10:]
    assert all(PulseFlag.SHUTTER_CLOSED in report.flags for report in latest)


@pytest.mark.shows("REQ-005", "HZ-002")
def test_the_last_pulse_comes_at_most_20_ms_after_the_foot_is_lifted(started: tuple[Simulator, Host]) -> None:
    simulator, host = started
    host.do(Standby())
    host.until(State.STANDBY)
    before = simulator.plant.truth.total
    released_us = fire(host, 3, 100, Beam.APERTURE, 1_234_567)
    fired = simulator.plant.truth.total - before
    assert 8 <= fired <= 13  # at 10 Hz in 1.2 s, the first one after charging
    assert simulator.plant.truth.pulses[-1].time_us <= released_us + 20 * MS
    assert simulator.plant.inputs.shutter_closed_switch
