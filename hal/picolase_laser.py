"""The driver of the binary dialect: `Laser` over one connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from hal.clock_map import ClockMap
from hal.connection import Connection
from hal.errors import DeviceError, DeviceKind, LocalError, LocalKind
from hal.laser import Laser
from hal.laser_values import (
    CommittedSetPoint,
    LaserCapabilities,
    LaserIdentity,
    LaserMode,
    Permit,
    SetPoint,
    user_units,
)
from hal.outcomes import Done, Failed, Outcome, mapped
from protocols import requests as wire
from protocols.faults import Fault
from protocols.fields import FieldError
from protocols.messages import AckPulses, Beam, Heartbeat, Message, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hal.errors import LaserError
    from hal.hooks import Hooks
    from hal.port import Port
    from hal.session import Session
    from hal.stopping import StopResult
    from hal.traffic import Chunk, Counters

FAULTS_READ_MAX: Final = 32  # [C] what a person looks through; the device may keep more

A = TypeVar("A", bound=wire.Answer)


class PicolaseLaser(Laser):
    """The driver of the binary dialect; made by `connect`."""

    def __init__(self, connection: Connection, session: Session, clock: ClockMap) -> None:
        self.clock = clock
        self._connection = connection
        self._session = session

    @classmethod
    async def connect(cls, port: Port, hooks: Hooks) -> Self:
        """Open a session over `port`."""
        clock = ClockMap()

        def on_message(message: Message, now_us: int) -> None:
            hooks.on_message(message, now_us)
            if isinstance(message, Status):
                clock.feed(message.device_time_us, message.boot, now_us)

        connection = Connection(port, replace(hooks, on_message=on_message))
        session = await connection.open()
        return cls(connection, session, clock)

    @property
    def session(self) -> Session:
        """The facts of this session."""
        return self._session

    @property
    def traffic(self) -> Counters:
        """What the connection has carried so far."""
        return self._connection.counters

    def recent_traffic(self) -> tuple[Chunk, ...]:
        """The last 30 s of raw bytes, for the black box."""
        return self._connection.recent_traffic()

    async def identify(self) -> Outcome[LaserIdentity]:
        """Who the laser is."""
        return mapped(await self._ask(wire.ReadIdentity, wire.Identity), _identity)

    async def capabilities(self) -> Outcome[LaserCapabilities]:
        """What the laser can do, asked mode by mode."""
        told = await self._ask(wire.ReadCapabilities, wire.Capabilities)
        if not isinstance(told, Done):
            return told
        modes = []
        for index in range(told.value.modes):
            mode = await self._ask(partial(wire.ReadMode, index), wire.Mode)
            if not isinstance(mode, Done):
                return mode
            modes.append(_mode(mode.value))
        return Done(_capabilities(told.value, tuple(modes)))

    async def counters(self) -> Outcome[wire.Counters]:
        """The laser's own books."""
        return await self._ask(wire.ReadCounters, wire.Counters)

    async def calibration(self) -> Outcome[wire.Calibration]:
        """The energy calibration in force."""
        return await self._ask(wire.ReadCalibration, wire.Calibration)

    async def calibration_points(self) -> Outcome[tuple[wire.CalibrationPoint, ...]]:
        """What the calibration in force measured, asked point by point."""
        told = await self.calibration()
        if not isinstance(told, Done):
            return told
        points = []
        for index in range(told.value.points):
            point = await self._ask(partial(wire.ReadCalibrationPoint, index), wire.CalibrationPoint)
            if not isinstance(point, Done):
                return point
            points.append(point.value)
        return Done(tuple(points))

    async def fault_history(self) -> Outcome[tuple[wire.FaultRecord, ...]]:
        """The newest trips, up to FAULTS_READ_MAX."""
        history: list[wire.FaultRecord] = []
        for index in range(FAULTS_READ_MAX):
            record = await self._ask(partial(wire.ReadFault, index), wire.FaultRecord)
            if not isinstance(record, Done):
                return record
            if record.value.fault is Fault.NONE:
                break
            history.append(record.value)
        return Done(tuple(history))

    async def read_setpoint(self) -> Outcome[CommittedSetPoint | None]:
        """The set-point in force."""
        return mapped(await self._ask(wire.ReadSetpoint, wire.Setpoint), _committed)

    async def apply_setpoint(self, set_point: SetPoint) -> Outcome[CommittedSetPoint]:
        """Stage, commit, read back, compare. A set-point that is only staged changes nothing."""
        try:
            wanted = set_point.to_wire()
        except FieldError as error:
            return Failed(_value_error(error))
        for make in (lambda: _staged(wanted), lambda: wire.CommitSetpoint(wanted.hash)):
            reply = await self._ask(make, wire.Reply)
            if not isinstance(reply, Done):
                return reply
        told = await self._ask(wire.ReadSetpoint, wire.Setpoint)
        if not isinstance(told, Done):
            return told
        if told.value != wanted:
            text = f"the set-point read back is {told.value}, not {wanted}"
            return Failed(DeviceError(DeviceKind.READ_BACK, text, "apply it again; if it stays so, service"))
        return Done(CommittedSetPoint(SetPoint.from_wire(told.value), told.value.hash))

    async def set_aiming(self, *, on: bool) -> Outcome[None]:
        """Switch the aiming beam."""
        return await self._set(lambda: wire.SetAiming(on))

    async def calibrate(self) -> Outcome[None]:
        """Begin the energy calibration into the port."""
        return await self._set(wire.Calibrate)

    async def acknowledge(self, fault_instance: int) -> Outcome[None]:
        """Acknowledge the latched trip of this instance."""
        return await self._set(lambda: wire.Acknowledge(fault_instance))

    async def arm(self, setpoint_hash: int, beam: Beam, status: Status) -> Outcome[int]:
        """Begin arming; the value is the arm epoch."""
        if restarted := self._restarted(status):
            return Failed(restarted)
        reply = await self._ask(lambda: wire.Arm(setpoint_hash, status.stop_epoch, beam), wire.Reply)
        return mapped(reply, lambda done: done.epoch)

    async def grant(self, permit: Permit, status: Status) -> Outcome[None]:
        """Permit pulses; the end is given in the laser's time, rounded to the earlier."""
        if restarted := self._restarted(status):
            return Failed(restarted)
        ends_us = self.clock.to_device_us(permit.ends_us)
        if ends_us is None:
            text = "the laser's clock is not known yet"
            return Failed(LocalError(LocalKind.CLOCK, text, "wait for its next Status", field="ends_us"))
        return await self._set(lambda: self._grant(permit, status, ends_us))

    async def standby(self) -> Outcome[None]:
        """Return to STANDBY and void the permit."""
        return await self._set(wire.Standby)

    def heartbeat(self, heartbeat: Heartbeat) -> Outcome[None]:
        """Tell the laser that the host lives."""
        return self._connection.send(heartbeat)

    def acknowledge_pulses(self, pulse_number: int) -> Outcome[None]:
        """Tell the laser that all reports up to this one are on the host's disk."""
        return self._connection.send(AckPulses(pulse_number))

    def stop(self) -> asyncio.Future[StopResult]:
        """Stop the laser."""
        return self._connection.stop()

    def close(self) -> None:
        """End the connection at once."""
        self._connection.close()

    async def ended(self) -> LaserError:
        """Wait until the connection has ended; tells why."""
        return await self._connection.ended()

    async def _ask(self, make: Callable[[], wire.Request], answer: type[A]) -> Outcome[A]:
        try:
            message = make()
        except FieldError as error:
            return Failed(_value_error(error))
        return await self._connection.request(message, answer)

    async def _set(self, make: Callable[[], wire.Request]) -> Outcome[None]:
        return mapped(await self._ask(make, wire.Reply), lambda _: None)

    def _grant(self, permit: Permit, status: Status, ends_us: int) -> wire.Grant:
        setpoint = permit.committed.set_point.to_wire()
        return wire.Grant(
            permit_id=permit.permit_id,
            boot=status.boot,
            session=self._session.number,
            arm_epoch=status.arm_epoch,
            stop_epoch=status.stop_epoch,
            pulses=permit.pulses,
            beam=permit.beam,
            trigger=permit.trigger,
            wavelength_nm=setpoint.wavelength_nm,
            mode_width_ps=setpoint.mode_width_ps,
            rep_rate_mhz=setpoint.rep_rate_mhz,
            handpiece=setpoint.handpiece,
            spot_um=setpoint.spot_um,
            setpoint_hash=permit.committed.hash,
            ends_us=ends_us,
        )

    def _restarted(self, status: Status) -> DeviceError | None:
        if status.boot == self._session.boot:
            return None
        text = f"the status is from start {status.boot} of the laser, the session from {self._session.boot}"
        return DeviceError(DeviceKind.RESTARTED, text, "connect again and check its state")


def _value_error(error: FieldError) -> LocalError:
    return LocalError(
        LocalKind.VALUE,
        f"{error.field} = {error.value!r} is not allowed",
        f"give {error.allowed}",
        field=error.field,
        value=error.value,
    )


def _identity(told: wire.Identity) -> LaserIdentity:
    return LaserIdentity(
        model=told.model,
        serial=told.serial,
        firmware_version=told.firmware_version,
        build_id=told.build_id,
        interface_hash=told.interface_hash,
        boot=told.boot,
        simulated=told.simulated,
    )


def _mode(told: wire.Mode) -> LaserMode:
    return LaserMode(
        wavelength_nm=told.wavelength_nm,
        mode_width_ps=told.mode_width_ps,
        energy_min_mj=user_units("energy_min_uj", told.energy_min_uj),
        energy_max_mj=user_units("energy_max_uj", told.energy_max_uj),
    )


def _capabilities(told: wire.Capabilities, modes: tuple[LaserMode, ...]) -> LaserCapabilities:
    return LaserCapabilities(
        modes=modes,
        rates_hz=tuple(user_units("rate_mhz", rate_mhz) for rate_mhz in told.rates_mhz),
        spot_min_mm=user_units("spot_min_um", told.spot_min_um),
        spot_max_mm=user_units("spot_max_um", told.spot_max_um),
        permit_pulses_max=told.permit_pulses_max,
        permit_max_us=told.permit_max_us,
        reports_max=told.reports_max,
        ready_delay_us=told.ready_delay_us,
        energy_step_mj=user_units("energy_step_uj", told.energy_step_uj),
    )


def _committed(told: wire.Setpoint) -> CommittedSetPoint | None:
    if not told.mode_width_ps:  # all zero: none is committed
        return None
    return CommittedSetPoint(SetPoint.from_wire(told), told.hash)


def _staged(wanted: wire.Setpoint) -> wire.StageSetpoint:
    return wire.StageSetpoint(
        wanted.wavelength_nm,
        wanted.mode_width_ps,
        wanted.pulse_energy_uj,
        wanted.rep_rate_mhz,
        wanted.handpiece,
        wanted.spot_um,
    )
