"""Message handlers: what each message of the host does, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.interface import INTERFACE_HASH
from protocols.messages import AckPulses, Effect, Heartbeat, Leave, Message, Result, Stop, Telemetry
from protocols.refusals import Refusal
from protocols.requests import (
    Acknowledge,
    Answer,
    Arm,
    Calibrate,
    Calibration,
    CalibrationPoint,
    Capabilities,
    CommitSetpoint,
    Counters,
    FaultRecord,
    Grant,
    Identity,
    Mode,
    ReadCalibration,
    ReadCalibrationPoint,
    ReadCapabilities,
    ReadCounters,
    ReadFault,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Reply,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Standby,
)
from protocols.states import Event
from sim_device.firmware import limits, refuse
from sim_device.firmware.calibration import level_mv
from sim_device.firmware.changes import ALL, RECORDS
from sim_device.firmware.limits import U32
from sim_device.firmware.memory import REPORTS_MAX
from sim_device.firmware.report import ON_TELLING, Reporter, reported

if TYPE_CHECKING:
    from sim_device.firmware.device import Device


class Comms:
    """The binary port: link, handlers, and what is told unasked."""

    def __init__(self, device: Device, reporter: Reporter, serial: str) -> None:
        self._device = device
        self._serial = serial
        self._link = DeviceLink(device.boot_number)
        self._reporter = reporter
        self._stop_id = 0
        # Any, not Request: each handler takes its own kind, and the key says which.
        self._handlers: dict[type[Request], Callable[[Any], Answer]] = {
            ReadIdentity: self._identity,
            ReadCapabilities: self._capabilities,
            ReadMode: self._mode,
            ReadSetpoint: self._setpoint,
            ReadCounters: self._counters,
            ReadFault: self._fault,
            ReadCalibration: self._calibration,
            ReadCalibrationPoint: self._calibration_point,
            StageSetpoint: self._stage,
            CommitSetpoint: self._commit,
            SetAiming: self._aiming,
            Calibrate: self._calibrate,
            Acknowledge: self._acknowledge,
            Standby: self._standby,
            Arm: self._arm,
            Grant: self._grant,
        }

    def receive(self, data: bytes) -> None:
        """Act on bytes from the host, in their order."""
        for event in self._link.receive(data):
            if isinstance(event, Heard):
                self.hear(event.message)
            elif isinstance(event, Asked):
                self._link.answer(self.request(event.request))
            else:
                self._open_session(event)

    def tell(self, changed: int) -> bytes:
        """What is to be sent, answers included, when this has changed in the step."""
        device = self._device
        if changed & ON_TELLING or device.now_us >= self._reporter.deadline_us:
            self._reporter.tell(device, self._link, changed)
        return self._link.outgoing()

    def request(self, request: Request) -> Answer:
        """Carry out one request and answer it."""
        if request.effect is not Effect.READS:
            self._device.note(ALL)
        return self._handlers[type(request)](request)

    def hear(self, message: Message) -> None:
        """Act on an out-of-band message."""
        device = self._device
        if isinstance(message, Heartbeat):
            if device.host.heard(message, armed=device.armed, permit=device.permit.held):
                device.go(Event.RETURN, Leave.INTENT)
        elif isinstance(message, AckPulses):
            if device.memory.acknowledged < message.pulse_number <= reported(device):
                device.memory.acknowledge(message.pulse_number)
                device.note(RECORDS)
        elif isinstance(message, Stop):
            self.stop(again=message.stop_id == self._stop_id)
            self._stop_id = message.stop_id
            self._reporter.stopped(device, self._link, message.stop_id)
        # no other message of the host is out of band

    def stop(self, *, again: bool = False) -> None:
        """End every permission now, whoever asks; a repetition raises no further epoch."""
        device = self._device
        if not again:
            device.stop_epoch = device.stop_epoch + 1 & U32
        device.void_permit()
        device.go(Event.STOP, Leave.STOP)

    def handlers(self, kinds: Iterable[type[Request]]) -> dict[type[Request], Callable[[Any], Answer]]:
        """The handlers of these requests alone."""
        return {kind: self._handlers[kind] for kind in kinds}

    def telemetry(self) -> Telemetry:
        """The slow values as they are now; `sample` is that of the latest told."""
        return self._reporter.telemetry(self._device, self._link)

    def _open_session(self, opened: SessionOpened) -> None:
        device = self._device
        device.note(ALL)
        device.host.open_session(opened.session, same_interface=opened.same_interface)
        device.void_permit()
        device.permit.forget_answers()
        device.setpoints.forget_staged()
        if device.armed:
            device.go(Event.RETURN, Leave.SESSION)
        self._reporter.open_session(device.now_us)

    def _reply(self, reasons: int, *, arms: bool = False) -> Reply:
        epoch = self._device.arm_epoch if arms else self._device.stop_epoch
        return Reply(Result.REFUSED if reasons else Result.DONE, refuse.words(reasons), epoch)

    def _identity(self, _: ReadIdentity) -> Identity:
        return Identity(
            limits.MODEL,
            self._serial,
            limits.FIRMWARE_VERSION,
            limits.BUILD_ID,
            INTERFACE_HASH,
            self._device.boot_number,
            simulated=True,
        )

    def _capabilities(self, _: ReadCapabilities) -> Capabilities:
        spots_um = limits.SPOTS_UM.values()
        return Capabilities(
            *limits.RATES_MHZ,
            modes=len(limits.MODES),
            spot_min_um=min(low_um for low_um, _ in spots_um),
            spot_max_um=max(high_um for _, high_um in spots_um),
            permit_pulses_max=limits.PERMIT_PULSES_MAX,
            permit_max_us=limits.PERMIT_MAX_US,
            reports_max=REPORTS_MAX,
            ready_delay_us=limits.READY_DELAY_US,
            energy_step_uj=limits.ENERGY_STEP_UJ,
        )

    def _mode(self, request: ReadMode) -> Mode:
        index = min(request.index, len(limits.MODES) - 1)
        mode = limits.MODES[index]
        return Mode(index, mode.wavelength_nm, mode.mode_width_ps, mode.energy_min_uj, mode.energy_max_uj)

    def _setpoint(self, _: ReadSetpoint) -> Setpoint:
        return self._device.setpoints.committed

    def _counters(self, _: ReadCounters) -> Counters:
        memory = self._device.memory
        return Counters(
            memory.pulse_number,
            memory.acknowledged,
            memory.waiting,
            memory.lamp_shots,
            memory.books.boots,
            memory.books.trips,
        )

    def _fault(self, request: ReadFault) -> FaultRecord:
        return self._device.faults.record(request.index)

    def _calibration(self, _: ReadCalibration) -> Calibration:
        stored = self._device.memory.calibration
        return Calibration(
            self._device.calibrator.valid,
            stored.boot,
            stored.device_time_us,
            stored.lamp_shots,
            stored.gain_a_ppm,
            stored.gain_b_ppm,
            stored.residual_ppm,
            stored.points,
        )

    def _calibration_point(self, request: ReadCalibrationPoint) -> CalibrationPoint:
        stored, levels = self._device.memory.calibration, len(limits.CALIBRATION_LEVELS_MV)
        index = min(request.index, len(stored.energies_uj) - 1)
        mode, level = divmod(index, levels)
        tested_uj = stored.energies_uj[mode * levels + limits.SHUTTER_TEST_LEVEL]
        return CalibrationPoint(
            index,
            limits.MODES[mode].wavelength_nm,
            limits.MODES[mode].mode_width_ps,
            level_mv(mode, level, tested_uj),
            stored.energies_uj[index],
            stored.residuals_ppm[index],
        )

    def _stage(self, request: StageSetpoint) -> Reply:
        reasons = refuse.stage_refusals(self._device, request)
        if not reasons:
            self._device.setpoints.stage(request)
        return self._reply(reasons)

    def _commit(self, request: CommitSetpoint) -> Reply:
        reasons = refuse.commit_refusals(self._device, request)
        if not reasons:
            self._device.setpoints.commit()
        return self._reply(reasons)

    def _aiming(self, request: SetAiming) -> Reply:
        reasons = refuse.aiming_refusals(self._device, request)
        if not reasons:
            self._device.set_aiming(request.on)
        return self._reply(reasons)

    def _calibrate(self, _: Calibrate) -> Reply:
        reasons = refuse.calibrate_refusals(self._device)
        if not reasons:
            self._device.go(Event.CALIBRATE)
        return self._reply(reasons)

    def _acknowledge(self, request: Acknowledge) -> Reply:
        device = self._device
        reasons = refuse.acknowledge_refusals(device, request)
        if not reasons:
            device.faults.clear()
            holds = device.self_test.passed and device.cooling.warm and device.calibrator.valid
            device.go(Event.CLEARED if holds else Event.CLEARED_RESTART)
        return self._reply(reasons)

    def _standby(self, _: Standby) -> Reply:
        reasons = refuse.standby_refusals(self._device)
        if not reasons:
            self._device.void_permit()
            self._device.go(Event.RETURN, Leave.STANDBY_ASKED)
        return self._reply(reasons)

    def _arm(self, request: Arm) -> Reply:
        device = self._device
        reasons = refuse.arm_refusals(device, request)
        if not reasons:
            device.beam = request.beam
            device.go(Event.ARM)
        return self._reply(reasons, arms=True)

    def _grant(self, request: Grant) -> Reply:
        device = self._device
        before, taken = device.permit.answered(request)
        if before is not None:
            return before
        reasons = refuse.grant_refusals(device, request)
        if taken:
            reasons |= 1 << Refusal.PERMIT_HELD  # an identity is for one permit, whatever became of it
        reply = self._reply(reasons)
        if not reasons:
            device.permit.grant(request)
            device.host.permit_changed(device.now_us)
            device.foot.consume(device.now_us)
        device.permit.remember(request, reply)
        return reply
