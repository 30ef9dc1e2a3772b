"""The firmware in the real plant: from the key to a series of pulses, measured against the ground truth."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest

from protocols.frame import Decoder, Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import (
    AckPulses,
    Beam,
    Connect,
    Connected,
    Handpiece,
    Heartbeat,
    Intent,
    Message,
    PulseReport,
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
    StageSetpoint,
    Trigger,
)
from protocols.states import ARMED, State
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Plant
from sim_device.simulator import Simulator
from tests.sim_device.bench import MS, S


class Laser:
    """A simulated laser with an obedient host that answers within a millisecond."""

    def __init__(self, seed: int) -> None:
        self.simulator = Simulator(Reference(), Plant(seed), RamMemory())
        self.decoder = Decoder()
        self.session = self.seq = self.free_seq = 0
        self.status: Status | None = None
        self.reports: dict[int, PulseReport] = {}
        self.answer: Any = None
        self.alive = True

    @property
    def now_us(self) -> int:
        return self.simulator.now_us

    def state(self) -> State | None:
        return self.simulator.state

    def act(self, name: str, **fields: Any) -> None:
        perform(self.simulator, name, fields, self.now_us)

    def run(self, for_us: int) -> None:
        end_us = self.now_us + for_us
        while self.now_us < end_us:
            self.simulator.advance(min(end_us, self.now_us + MS))
            self.hear()

    def until(self, state: State, limit_s: int = 1_000) -> None:
        for _ in range(limit_s * 100):
            if self.state() is state:
                return
            self.run(10 * MS)
        raise AssertionError(f"{self.state()}, not {state}")

    def hear(self) -> None:
        for found in self.decoder.feed(self.simulator.sent()):
            assert isinstance(found, Frame)
            message = found.message
            if isinstance(message, Connected):
                self.session = found.session
            elif isinstance(message, Status):
                self.status = message
                armed = Intent.PERMIT if message.permit_id else Intent.ARMED
                if self.alive:
                    self.say(Heartbeat(message.challenge, armed if message.state in ARMED else Intent.IDLE))
            elif isinstance(message, PulseReport):
                self.reports[message.pulse_number] = message
                self.say(AckPulses(message.pulse_number))
            else:
                self.answer = message

    def say(self, message: Message) -> None:
        self.free_seq += 1
        self.simulator.receive(encode(Frame(self.session, self.free_seq, message)), self.now_us)

    def ask(self, request: Request) -> Any:
        self.seq += 1
        self.answer = None
        self.simulator.receive(encode(Frame(self.session, self.seq, request)), self.now_us)
        self.hear()
        assert self.answer is not None
        if isinstance(self.answer, Reply):
            assert not self.answer.reasons
        return self.answer

    def connect(self) -> None:
        self.seq = self.free_seq = 0
        connect = Connect(self.now_us + 1, INTERFACE_HASH)
        self.simulator.receive(encode(Frame(0, 0, connect)), self.now_us)
        self.hear()


@functools.cache
def _ready(seed: int) -> Laser:
    laser = Laser(seed)
    laser.act("dock")
    laser.act("key", to="on")
    laser.connect()
    laser.until(State.WARM_UP)
    laser.simulator.act(lambda plant: plant.coolant.set_celsius(plant.now_us, 59.5), laser.now_us)
    laser.until(State.STANDBY)
    laser.act("undock")
    laser.run(20 * MS)
    assert laser.status is not None
    assert laser.status.calibrated
    laser.ask(SetAiming(True))
    laser.ask(StageSetpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, laser.status.spot_um))
    laser.ask(CommitSetpoint(staged_hash(laser)))
    laser.run(50 * MS)
    laser.ask(Arm(laser.ask(ReadSetpoint()).hash, 0, Beam.APERTURE))
    laser.until(State.READY)
    laser.run(50 * MS)
    return laser


def staged_hash(laser: Laser) -> int:
    firmware = laser.simulator.firmware
    assert isinstance(firmware, Reference)
    return firmware.device.setpoints.staged_hash


def granted(seed: int, pulses: int) -> Laser:
    laser = copy.deepcopy(_ready(seed))
    status, setpoint = laser.status, laser.ask(ReadSetpoint())
    assert status is not None
    laser.ask(
        Grant(
            1,
            status.boot,
            laser.session,
            status.arm_epoch,
            status.stop_epoch,
            pulses,
            Beam.APERTURE,
            Trigger.FOOT,
            755,
            750,
            10_000,
            Handpiece.ZOOM,
            setpoint.spot_um,
            setpoint.hash,
            status.device_time_us + 60 * S,
        )
    )
    laser.run(20 * MS)
    return laser


@pytest.mark.parametrize("seed", [1, 2])
def test_a_series_of_sixty_pulses_is_fired_reported_and_true(seed: int) -> None:
    laser = granted(seed, 60)
    truth = laser.simulator.plant.truth
    before = truth.total
    laser.act("foot", to="press")
    laser.run(7 * S)
    assert laser.status is not None
    assert laser.status.first_fault == 0
    assert truth.total - before == 60
    assert sorted(laser.reports) == list(range(1, truth.total + 1))
    for number, pulse in zip(sorted(laser.reports)[-60:], list(truth.pulses)[-60:], strict=True):
        report = laser.reports[number]
        assert abs(report.monitor_a_uj - pulse.energy_uj) < 0.06 * pulse.energy_uj
        assert 0.85 * 173_000 < pulse.energy_uj < 1.15 * 173_000


@pytest.mark.shows("REQ-005", "REQ-032", "HZ-002")
@pytest.mark.parametrize("phase_ms", range(0, 100, 13))
def test_no_true_light_later_than_20_ms_after_the_foot_and_250_ms_after_the_host(phase_ms: int) -> None:
    laser = granted(4, 100)
    laser.act("foot", to="press")
    laser.run(500 * MS + phase_ms * MS)
    released_us = laser.now_us
    laser.act("foot", to="release")
    laser.run(S)
    assert list(laser.simulator.plant.truth.pulses)[-1].time_us <= released_us + 20 * MS
    laser.act("foot", to="press")
    laser.run(500 * MS)
    silent_us = laser.now_us
    laser.alive = False
    laser.run(S)
    assert silent_us - 200 * MS < list(laser.simulator.plant.truth.pulses)[-1].time_us <= silent_us + 250 * MS
    assert laser.state() is State.FAULT


@pytest.mark.shows("REQ-011")
def test_an_emergency_stop_ends_the_light_at_once() -> None:
    laser = granted(5, 100)
    laser.act("foot", to="press")
    laser.run(730 * MS)
    stopped_us = laser.now_us
    laser.act("estop", to="press")
    laser.run(2 * S)
    assert list(laser.simulator.plant.truth.pulses)[-1].time_us <= stopped_us
    assert laser.simulator.plant.inputs.shutter_closed_switch
    assert laser.state() is State.FAULT
