"""A scripted bench for the firmware: an ideal laser, and an obedient host."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from typing import Any

from protocols.frame import Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import (
    AckPulses,
    Beam,
    Connect,
    Connected,
    Handpiece,
    Heartbeat,
    Intent,
    Leave,
    Message,
    PulseReport,
    Status,
    Stop,
    Stopped,
)
from protocols.refusals import Refusal
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
    Trigger,
)
from protocols.states import ARMED, State
from tests.sim_device.ideal_laser import IdealLaser, Ram

S = 1_000_000
MS = 1_000
SETPOINT = StageSetpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)


class Bench(IdealLaser):
    """Firmware, ideal laser and host, on one simulated clock."""

    def __init__(self, memory: Ram | None = None, *, docked: bool = True, now_us: int = 0) -> None:
        self.session = 0
        self.intent: Intent | None = None  # None: the truth, as the latest Status has it
        self.host_alive = True
        self.acks = True
        self._seq = 0
        self._free_seq = 0
        self._nonce = 0
        self.answers: list[Message] = []
        self.statuses: list[Status] = []
        self.reports: dict[int, PulseReport] = {}
        self.heard: list[Message] = []
        super().__init__(memory, docked=docked, now_us=now_us)

    def boot(self, *, watchdog_reset: bool = False) -> None:
        self.session = 0
        self._seq = self._free_seq = 0
        super().boot(watchdog_reset=watchdog_reset)

    @property
    def status(self) -> Status:
        return self.statuses[-1]

    @property
    def last_report(self) -> PulseReport:
        """That of the highest pulse."""
        return self.reports[max(self.reports)]

    def connect(self, interface_hash: int = INTERFACE_HASH) -> None:
        self._nonce += 1
        self._seq = self._free_seq = 0
        self.step(encode(Frame(0, 0, Connect(self._nonce, interface_hash))))

    def ask(self, request: Request) -> Any:
        """Send a request now; its answer."""
        self._seq += 1
        count = len(self.answers)
        self.step(encode(Frame(self.session, self._seq, request)))
        assert len(self.answers) == count + 1
        return self.answers[-1]

    def reasons(self, request: Request) -> frozenset[Refusal]:
        reply = self.ask(request)
        assert isinstance(reply, Reply)
        return reply.reasons

    def say(self, message: Message, session: int | None = None) -> None:
        """Send an out-of-band message now."""
        self._free_seq += 1
        self.step(encode(Frame(self.session if session is None else session, self._free_seq, message)))

    def say_in(self, delay_us: int, message: Message) -> None:
        self._free_seq += 1
        self._at(delay_us, "bytes", encode(Frame(self.session, self._free_seq, message)))

    def _hear(self, frame: Frame) -> None:
        message = frame.message
        match message:
            case Connected():
                self.session = frame.session
            case Status():
                self.statuses.append(message)
                if self.host_alive:
                    self.say_in(
                        5 * MS,
                        Heartbeat(
                            message.challenge, truthful(message) if self.intent is None else self.intent
                        ),
                    )
            case PulseReport():
                known = self.reports.setdefault(message.pulse_number, message)
                assert known == message, "a pulse was reported twice and differently"
                if self.acks:
                    self.say_in(5 * MS, AckPulses(message.pulse_number))
            case _ if type(message).channel.value == "answer":
                self.answers.append(message)
            case _:
                self.heard.append(message)

    # --- the way to emission ---

    def commit(self, setpoint: StageSetpoint = SETPOINT) -> int:
        assert not self.reasons(setpoint)
        staged = Setpoint(
            setpoint.wavelength_nm,
            setpoint.mode_width_ps,
            setpoint.pulse_energy_uj,
            setpoint.rep_rate_mhz,
            setpoint.handpiece,
            setpoint.spot_um,
        )
        assert not self.reasons(CommitSetpoint(staged.hash))
        assert self.ask(ReadSetpoint()) == staged
        return staged.hash

    def arm_request(self, beam: Beam = Beam.APERTURE) -> Arm:
        return Arm(self.ask(ReadSetpoint()).hash, self.status.stop_epoch, beam)

    def grant_request(self, pulses: int = 20, permit_id: int = 1, **changes: Any) -> Grant:
        setpoint = self.ask(ReadSetpoint())
        grant = Grant(
            permit_id,
            self.status.boot,
            self.session,
            self.status.arm_epoch,
            self.status.stop_epoch,
            pulses,
            self.status.beam,
            Trigger.FOOT,
            setpoint.wavelength_nm,
            setpoint.mode_width_ps,
            setpoint.rep_rate_mhz,
            setpoint.handpiece,
            setpoint.spot_um,
            setpoint.hash,
            self.now_us - self.boot_us + 100 * S,
        )
        return replace(grant, **changes)

    def grant(self, pulses: int = 20, permit_id: int = 1) -> None:
        assert not self.reasons(self.grant_request(pulses, permit_id))

    def press(self) -> None:
        self.set(foot_a_closed=True, foot_b_closed=True)

    def release(self) -> None:
        self.set(foot_a_closed=False, foot_b_closed=False)

    def dock(self, docked: bool) -> None:
        """Put the handpiece into the calibration port, or take it out."""
        self.set(docked_a_closed=docked, docked_b_closed=docked)

    def stop(self, stop_id: int = 1) -> Stopped:
        count = len(self.heard)
        self.say(Stop(stop_id))
        return next(m for m in self.heard[count:] if isinstance(m, Stopped))

    @property
    def left(self) -> Leave:
        return self.firmware.device.leave


def truthful(status: Status) -> Intent:
    if status.state not in ARMED:
        return Intent.IDLE
    return Intent.PERMIT if status.permit_id else Intent.ARMED


@functools.cache
def _at_stage(stage: str) -> Bench:
    if stage in ("self_test", "warm_up", "calibrating"):
        bench = Bench()
        bench.connect()
        bench.until(State[stage.upper()])
        return bench
    if stage == "standby":
        bench = Bench()
        bench.connect()
        bench.until(State.STANDBY)
        bench.dock(False)
        bench.run(200 * MS)
        return bench
    if stage == "set":
        bench = at("standby")
        bench.commit()
        assert not bench.reasons(SetAiming(True))
        bench.run(100 * MS)
        return bench
    if stage in ("arming", "rehearsal"):
        bench = at("set")
        beam = Beam.APERTURE if stage == "arming" else Beam.SHUTTER
        assert not bench.reasons(bench.arm_request(beam))
        return bench
    if stage in ("ready", "rehearsal ready"):
        bench = at("arming" if stage == "ready" else "rehearsal")
        bench.until(State.READY)
        bench.run(50 * MS)
        return bench
    if stage == "granted":
        bench = at("ready")
        bench.grant()
        bench.run(50 * MS)
        return bench
    assert stage == "emitting"
    bench = at("granted")
    bench.press()
    bench.until(State.EMITTING)
    while not bench.triggers or bench.triggers[-1] < bench.now_us - MS:
        bench.run(MS)
    return bench


def at(stage: str) -> Bench:
    """A bench of its own at this stage of the way to emission."""
    base = _at_stage(stage)
    messages = (*base.statuses, *base.reports.values(), *base.answers, *base.heard)
    return copy.deepcopy(base, {id(message): message for message in messages})  # they are frozen: share them
