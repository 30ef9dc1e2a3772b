"""A firing series through the whole simulated laser: real link, real firmware, real plant, virtual time."""

import itertools
import statistics

import pytest

from protocols.host_link import Answered, HostLink, Received, Up
from protocols.messages import (
    AckPulses,
    Beam,
    Handpiece,
    Heartbeat,
    Intent,
    PulseFlag,
    PulseReport,
    Result,
    Status,
)
from protocols.requests import (
    Arm,
    CommitSetpoint,
    Grant,
    ReadSetpoint,
    Reply,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Standby,
    Trigger,
)
from protocols.states import State
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator

S = 1_000_000
MS = 1_000
ENERGY_UJ = 173_000
STAGE = StageSetpoint(755, 750, ENERGY_UJ, 10_000, Handpiece.ZOOM, 3_500)


class Host:
    """The least host that keeps a permit alive: answers every challenge, acknowledges every report."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.link = HostLink(7)
        self.status: Status | None = None
        self.reports: dict[int, PulseReport] = {}
        self.answer: object = None
        self.link.open(simulator.now_us)
        self._exchange()

    def run(self, until_us: int) -> None:
        """Let device and host live until then."""
        while self.simulator.now_us < until_us:
            self.simulator.advance(min(self.simulator.next_event_us, until_us))
            self._exchange()

    def until(self, state: State, limit_us: int = 10 * S) -> None:
        end_us = self.simulator.now_us + limit_us
        while self.now().state is not state:
            assert self.simulator.now_us < end_us, (
                self.now().state,
                self.now().first_fault,
                self.now().leave,
            )
            self.run(self.simulator.now_us + MS)

    def ask(self, request: Request) -> object:
        self.answer = None
        self.link.request(request, self.simulator.now_us)
        self._exchange()
        return self.answer

    def do(self, request: Request) -> None:
        reply = self.ask(request)
        assert isinstance(reply, Reply)
        assert reply.result is Result.DONE, reply

    def now(self) -> Status:
        assert self.status is not None
        return self.status

    def _exchange(self) -> None:
        now_us = self.simulator.now_us
        while True:
            data = self.simulator.sent()
            for event in self.link.receive(data, now_us):
                if isinstance(event, Answered):
                    self.answer = event.answer
                elif isinstance(event, Received):
                    self._hear(event.message)
                else:
                    assert isinstance(event, Up), event
            out = self.link.outgoing()
            if not out:
                return
            self.simulator.receive(out, now_us)

    def _hear(self, message: object) -> None:
        if isinstance(message, Status):
            self.status = message
            armed = (
                Intent.ARMED if message.state in {State.ARMING, State.READY, State.EMITTING} else Intent.IDLE
            )
            self.link.send(Heartbeat(message.challenge, Intent.PERMIT if message.permit_id else armed))
        elif isinstance(message, PulseReport):
            self.reports[message.pulse_number] = message
            self.link.send(AckPulses(message.pulse_number))


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
    host.run(simulator.now_us + S)
    host.do(STAGE)
    host.do(CommitSetpoint(Setpoint(755, 750, ENERGY_UJ, 10_000, Handpiece.ZOOM, 3_500).hash))
    host.do(SetAiming(True))
    host.run(simulator.now_us + S)
    return simulator, host


def fire(host: Host, permit_id: int, pulses: int, beam: Beam, press_for_us: int) -> int:
    """Arm, grant, press, release; the time of the release."""
    simulator = host.simulator
    setpoint = host.ask(ReadSetpoint())
    assert isinstance(setpoint, Setpoint)
    host.do(Arm(setpoint.hash, host.now().stop_epoch, beam))
    host.until(State.READY)
    status = host.now()
    host.do(
        Grant(
            permit_id,
            status.boot,
            host.link.session,
            status.arm_epoch,
            status.stop_epoch,
            pulses,
            beam,
            Trigger.FOOT,
            755,
            750,
            10_000,
            Handpiece.ZOOM,
            3_500,
            setpoint.hash,
            status.device_time_us + 60 * S,
        )
    )
    perform(simulator, "foot", {"to": "press"}, simulator.now_us)
    host.run(simulator.now_us + press_for_us)
    perform(simulator, "foot", {"to": "release"}, simulator.now_us)
    released_us = simulator.now_us
    host.run(simulator.now_us + S)
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
    assert host.now().state is State.READY


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
