"""The least host that keeps a laser firing, on the pure link: to measure a device without the daemon."""

from __future__ import annotations

from protocols.host_link import Answered, HostLink, Received
from protocols.messages import (
    AckPulses,
    Beam,
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
    Reply,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Trigger,
)
from protocols.states import ARMED, State
from sim_device.operator import perform
from sim_device.simulator import Simulator

SECOND_US = 1_000_000
SETPOINT = Setpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
STAGE = StageSetpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
PULSES = 1_000  # the most that one permit allows
PERMIT_US = 110 * SECOND_US


class Host:
    """Answers every challenge and acknowledges every report, at once."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._link = HostLink(7)
        self._status: Status | None = None
        self._answer: Message | None = None
        self._link.open(simulator.now_us)
        self._exchange()

    def run(self, for_us: int) -> None:
        """Let device and host live for so long."""
        until_us = self.simulator.now_us + for_us
        while self.simulator.now_us < until_us:
            self.simulator.advance(min(self.simulator.next_event_us, until_us))
            self._exchange()

    def begin_firing(self) -> None:
        """From STANDBY to the first pulses: set-point, arm, grant, press; the foot stays down."""
        self.run(SECOND_US)
        for request in (STAGE, CommitSetpoint(SETPOINT.hash), SetAiming(True)):
            self._do(request)
        self.run(SECOND_US)
        self._do(Arm(SETPOINT.hash, self._now().stop_epoch, Beam.APERTURE))
        while self._now().state is not State.READY:
            self.run(SECOND_US // 10)
        self._do(self._grant(self._now()))
        perform(self.simulator, "foot", {"to": "press"}, self.simulator.now_us)
        self.run(SECOND_US)

    def _grant(self, status: Status) -> Grant:
        return Grant(
            permit_id=1,
            boot=status.boot,
            session=self._link.session,
            arm_epoch=status.arm_epoch,
            stop_epoch=status.stop_epoch,
            pulses=PULSES,
            beam=Beam.APERTURE,
            trigger=Trigger.FOOT,
            wavelength_nm=SETPOINT.wavelength_nm,
            mode_width_ps=SETPOINT.mode_width_ps,
            rep_rate_mhz=SETPOINT.rep_rate_mhz,
            handpiece=SETPOINT.handpiece,
            spot_um=SETPOINT.spot_um,
            setpoint_hash=SETPOINT.hash,
            ends_us=status.device_time_us + PERMIT_US,
        )

    def _do(self, request: Request) -> None:
        self._answer = None
        self._link.request(request, self.simulator.now_us)
        self._exchange()
        if not isinstance(self._answer, Reply) or self._answer.reasons:
            raise RuntimeError(f"{request} was answered by {self._answer}")

    def _now(self) -> Status:
        if self._status is None:
            raise RuntimeError("the device has sent no Status yet")
        return self._status

    def _exchange(self) -> None:
        now_us = self.simulator.now_us
        while True:
            for event in self._link.receive(self.simulator.sent(), now_us):
                if isinstance(event, Answered):
                    self._answer = event.answer
                elif isinstance(event, Received):
                    self._hear(event.message)
            if not (out := self._link.outgoing()):
                return
            self.simulator.receive(out, now_us)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Status):
            self._status = message
            armed = Intent.ARMED if message.state in ARMED else Intent.IDLE
            self._link.send(Heartbeat(message.challenge, Intent.PERMIT if message.permit_id else armed))
        elif isinstance(message, PulseReport):
            self._link.send(AckPulses(message.pulse_number))
