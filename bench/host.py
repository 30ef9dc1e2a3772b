"""The least host that keeps a laser firing: to measure a device without the daemon.

It is brought to firing by the link and its messages, as any host is. From then on it knows only what it is
asked all the time: bytes of a Status are answered by a Heartbeat with its challenge, those of a PulseReport
by an AckPulses, at the same instant, as few of them taken apart and put together as the device demands.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

from cobs import cobs

from protocols.host_link import Answered, HostLink, Received
from protocols.layout import CRC, HEAD_SIZE, HEADER
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

SECOND_US: Final = 1_000_000
SETPOINT: Final = Setpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
STAGE: Final = StageSetpoint(755, 750, 173_000, 10_000, Handpiece.ZOOM, 3_500)
PULSES: Final = 1_000  # the most that one permit allows
PERMIT_US: Final = 110 * SECOND_US
FIRST_SEQ: Final = 1_000_000  # of what is told while firing: numbers may have gaps, and never go back

_STATUS: Final = Status.layout.head
_REPORT: Final = PulseReport.layout.head
_CHALLENGE: Final = struct.Struct("<I")
_CHALLENGE_AT: Final = HEADER.size + struct.calcsize("<QI")  # behind time and boot
_NUMBER: Final = struct.Struct("<Q")
_HEARTBEAT: Final = struct.Struct(f"<{HEAD_SIZE}sIIIB")
_ACK: Final = struct.Struct(f"<{HEAD_SIZE}sIIQ")


class Host:
    """Answers every challenge and acknowledges every report, at once."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._link = HostLink(7)
        self._status: Status | None = None
        self._answer: Message | None = None
        self._seq = FIRST_SEQ
        self._link.open(simulator.now_us)
        self._exchange()

    def begin_firing(self) -> None:
        """From STANDBY to the first pulses: set-point, arm, grant, press; the foot stays down."""
        self._wait(SECOND_US)
        for request in (STAGE, CommitSetpoint(SETPOINT.hash), SetAiming(True)):
            self._do(request)
        self._wait(SECOND_US)
        self._do(Arm(SETPOINT.hash, self._now().stop_epoch, Beam.APERTURE))
        while self._now().state is not State.READY:
            self._wait(SECOND_US // 10)
        self._do(self._grant(self._now()))
        perform(self.simulator, "foot", {"to": "press"}, self.simulator.now_us)
        self._wait(SECOND_US)

    def fire(self, for_us: int) -> None:
        """Let the device fire on for so long."""
        simulator = self.simulator
        until_us = simulator.now_us + for_us
        while simulator.now_us < until_us:
            simulator.advance(until_us, until_sent=True)
            if data := simulator.sent():
                simulator.receive(self._answers(data), simulator.now_us)

    def _answers(self, data: bytes) -> bytes:
        """What whole frames are answered with."""
        answers = b""
        for piece in data.split(b"\0"):
            raw = cobs.decode(piece)
            head = raw[:HEAD_SIZE]
            if head == _STATUS:
                (challenge,) = _CHALLENGE.unpack_from(raw, _CHALLENGE_AT)
                said = _HEARTBEAT.pack(
                    Heartbeat.layout.head, self._link.session, self._seq, challenge, Intent.PERMIT
                )
            elif head == _REPORT:
                (number,) = _NUMBER.unpack_from(raw, HEADER.size)
                said = _ACK.pack(AckPulses.layout.head, self._link.session, self._seq, number)
            else:
                continue
            self._seq += 1
            answers += cobs.encode(said + CRC.pack(crc32(said))) + b"\0"
        return answers

    # -- on the way there

    def _wait(self, for_us: int) -> None:
        until_us = self.simulator.now_us + for_us
        while self.simulator.now_us < until_us:
            self.simulator.advance(until_us, until_sent=True)
            self._exchange()

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
