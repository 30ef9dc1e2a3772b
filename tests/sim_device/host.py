"""The least host that keeps a permit alive: answers every challenge, acknowledges every report."""

from __future__ import annotations

from typing import Any

from protocols.host_link import Answered, HostLink, Received
from protocols.messages import AckPulses, Beam, Handpiece, Heartbeat, Intent, PulseReport, Result, Status
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
from sim_device.operator import perform
from sim_device.plant import NEVER
from sim_device.simulator import Simulator

S = 1_000_000
MS = 1_000
ENERGY_UJ = 173_000
STAGED = StageSetpoint(755, 750, ENERGY_UJ, 10_000, Handpiece.ZOOM, 3_500)


class Host:
    """A host on the line of a simulated laser, both of them in the laser's time; its session is open."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.link = HostLink(7)
        self.status: Status | None = None
        self.reports: dict[int, PulseReport] = {}
        self.acknowledged = 0
        self.answer: object = None
        self.link.open(simulator.now_us)
        self._exchange()

    def prepare(self) -> None:
        """Commit the set-point and switch the aiming beam on, a second for each."""
        self.run(S)
        self.do(STAGED)
        self.do(CommitSetpoint(Setpoint(755, 750, ENERGY_UJ, 10_000, Handpiece.ZOOM, 3_500).hash))
        self.do(SetAiming(True))
        self.run(S)

    @property
    def state(self) -> State | None:
        return self.simulator.state

    def act(self, action: str, **fields: Any) -> None:
        perform(self.simulator, action, fields, self.simulator.now_us)
        self._exchange()

    def press(self) -> None:
        self.act("foot", to="press")

    def release(self) -> None:
        self.act("foot", to="release")

    def run(self, for_us: int) -> None:
        """Let device and host live for so long."""
        until_us = self.simulator.now_us + for_us
        while self.simulator.now_us < until_us:
            due_us = min(self.simulator.next_event_us, self._link_due_us, until_us)
            self.simulator.advance(max(due_us, self.simulator.now_us))
            self._exchange()

    def until(self, state: State, limit_us: int = 15 * S) -> None:
        """Run until the firmware is in this state."""
        end_us = self.simulator.now_us + limit_us
        while self.state is not state:
            assert self.simulator.now_us < end_us, self.status
            self.run(MS)

    def ask(self, request: Request, within_us: int = 500 * MS) -> Any:
        """The answer to a request; None when none comes in time."""
        self.answer = None
        self.link.request(request, self.simulator.now_us)
        self._exchange()
        until_us = self.simulator.now_us + within_us
        while self.simulator.now_us < until_us:
            if self.answer is not None:
                return self.answer
            self.run(MS)
        return self.answer

    def do(self, request: Request) -> None:
        reply = self.ask(request)
        assert isinstance(reply, Reply)
        assert reply.result is Result.DONE, reply

    def refusals(self, request: Request) -> frozenset[Refusal]:
        reply = self.ask(request)
        assert isinstance(reply, Reply)
        return reply.reasons

    def arm_request(self, beam: Beam = Beam.APERTURE) -> Arm:
        setpoint = self.ask(ReadSetpoint())
        assert isinstance(setpoint, Setpoint)
        assert self.status is not None
        return Arm(setpoint.hash, self.status.stop_epoch, beam)

    def arm(self, beam: Beam = Beam.APERTURE) -> None:
        self.do(self.arm_request(beam))

    def grant(self, pulses: int = 100, permit_id: int = 1, beam: Beam = Beam.APERTURE) -> None:
        status, setpoint = self.status, self.ask(ReadSetpoint())
        assert status is not None
        assert isinstance(setpoint, Setpoint)
        self.do(
            Grant(
                permit_id,
                status.boot,
                self.link.session,
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

    def _exchange(self) -> None:
        now_us = self.simulator.now_us
        while True:
            heard = [*self.link.receive(self.simulator.sent(), now_us)]
            if self._link_due_us <= now_us:
                heard += self.link.tick(now_us)
            for event in heard:
                if isinstance(event, Answered):
                    self.answer = event.answer
                elif isinstance(event, Received):
                    self._hear(event.message)
            out = self.link.outgoing()
            if not out:
                return
            self.simulator.receive(out, now_us)

    @property
    def _link_due_us(self) -> int:
        due_us = self.link.next_deadline()
        return NEVER if due_us is None else due_us

    def _hear(self, message: object) -> None:
        if isinstance(message, Status):
            self.status = message
            armed = Intent.ARMED if message.state in ARMED else Intent.IDLE
            self.link.send(Heartbeat(message.challenge, Intent.PERMIT if message.permit_id else armed))
        elif isinstance(message, PulseReport):
            self.reports[message.pulse_number] = message
            while self.acknowledged + 1 in self.reports:
                self.acknowledged += 1
            self.link.send(AckPulses(self.acknowledged))
