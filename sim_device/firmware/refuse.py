"""Every reason to refuse a request, all at once; nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.interlocks import Interlock
from protocols.messages import Beam
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, Arm, CommitSetpoint, Grant, SetAiming, StageSetpoint
from protocols.states import ARMED, State
from sim_device.firmware import limits
from sim_device.firmware.calibration import voltage_mv
from sim_device.firmware.limits import PERMIT_MAX_US, PERMIT_PULSES_MAX
from sim_device.firmware.memory import REPORTS_MAX
from sim_device.firmware.setpoint import connection_refusals, range_refusals, setpoint_of

if TYPE_CHECKING:
    from sim_device.firmware.device import Device

_NOT_THE_KEY = ~(1 << Interlock.KEY)


def blocks(device: Device) -> set[Refusal]:
    """Why arming would be refused now, whatever beam is asked for; while armed, with what the beam demands.

    Being armed already is no block: Arm itself refuses that.
    """
    reasons = _general(device)
    if device.state is not State.STANDBY and device.state not in ARMED:
        reasons.add(Refusal.WRONG_STATE)
    if device.open_interlocks & _NOT_THE_KEY:
        reasons.add(Refusal.INTERLOCK_OPEN)
    if device.foot.down:
        reasons.add(Refusal.FOOT_HELD)
    if not _warm(device):
        reasons.add(Refusal.NOT_WARM)
    if not device.calibrator.valid:
        reasons.add(Refusal.NOT_CALIBRATED)
    setpoint = device.setpoints.committed
    if device.setpoints.hash:
        reasons |= connection_refusals(
            setpoint.wavelength_nm, setpoint.handpiece, setpoint.spot_um, device.inputs
        )
    else:
        reasons.add(Refusal.NO_SETPOINT)
    if device.memory.room <= 0:
        reasons.add(Refusal.REPORTS_FULL)
    if not device.host.alive(device.now_us):
        reasons.add(Refusal.HOST_SILENT)
    if device.armed:
        reasons |= _beam(device, device.beam)
    return reasons


def stage_refusals(device: Device, request: StageSetpoint) -> set[Refusal]:
    """Why this set-point cannot be staged."""
    reasons = _standby_only(device) | range_refusals(setpoint_of(request))
    return reasons | connection_refusals(
        request.wavelength_nm, request.handpiece, request.spot_um, device.inputs
    )


def commit_refusals(device: Device, request: CommitSetpoint) -> set[Refusal]:
    """Why the staged set-point cannot be put in force."""
    reasons = _standby_only(device)
    staged = device.setpoints.staged
    if not device.setpoints.staged_hash:
        return reasons | {Refusal.NO_SETPOINT}
    if request.setpoint_hash != device.setpoints.staged_hash:
        reasons.add(Refusal.SETPOINT_DIFFERS)
    return reasons | connection_refusals(
        staged.wavelength_nm, staged.handpiece, staged.spot_um, device.inputs
    )


def aiming_refusals(device: Device, request: SetAiming) -> set[Refusal]:
    """Why the aiming beam cannot be switched; off is never refused."""
    if not request.on or device.armed or device.state is State.STANDBY:
        return set()
    return _general(device, interface=False) | {Refusal.WRONG_STATE}


def calibrate_refusals(device: Device) -> set[Refusal]:
    """Why the energy calibration cannot be run."""
    reasons = _standby_only(device)
    if device.open_interlocks & _NOT_THE_KEY:
        reasons.add(Refusal.INTERLOCK_OPEN)
    if not device.inputs.docked:
        reasons.add(Refusal.NOT_DOCKED)
    if not _warm(device):
        reasons.add(Refusal.NOT_WARM)
    if device.memory.room <= 0:
        reasons.add(Refusal.REPORTS_FULL)
    return reasons


def standby_refusals(device: Device) -> set[Refusal]:
    """Why the laser cannot return to STANDBY."""
    if device.armed or device.state in (State.STANDBY, State.CALIBRATING):
        return set()
    return _general(device, interface=False) | {Refusal.WRONG_STATE}


def acknowledge_refusals(device: Device, request: Acknowledge) -> set[Refusal]:
    """Why the trip cannot be cleared.

    One that needs service is cleared only with the service strap fitted, and after the restart that service
    has to make: an operator has neither.
    """
    reasons: set[Refusal] = set()
    if device.state is not State.FAULT:
        reasons.add(Refusal.WRONG_STATE)
    if not device.inputs.key_on:
        reasons.add(Refusal.KEY_OFF)
    if request.fault_instance != device.faults.instance:
        return reasons | {Refusal.OTHER_FAULT}
    if device.causes_present():
        reasons.add(Refusal.CAUSE_PRESENT)
    serviced = device.inputs.internal_trigger_strap and device.faults.from_earlier_boot
    if device.faults.needs_service and not serviced:
        reasons.add(Refusal.SERVICE_NEEDED)
    return reasons


def arm_refusals(device: Device, request: Arm) -> set[Refusal]:
    """Why the laser cannot be armed."""
    reasons = blocks(device) | _beam(device, request.beam)
    if device.state is not State.STANDBY:
        reasons.add(Refusal.WRONG_STATE)
    if device.setpoints.hash and request.setpoint_hash != device.setpoints.hash:
        reasons.add(Refusal.SETPOINT_DIFFERS)
    if request.stop_epoch != device.stop_epoch:
        reasons.add(Refusal.STOPPED_SINCE)
    setpoint = device.setpoints.committed
    mode = limits.mode_of(setpoint.wavelength_nm, setpoint.mode_width_ps)
    calibrated = device.setpoints.hash and device.calibrator.valid
    if calibrated and not voltage_mv(device.memory.calibration, mode, setpoint.pulse_energy_uj):
        reasons.add(Refusal.ENERGY_RANGE)  # an aged lamp may not reach what the mode allows
    return reasons


def grant_refusals(device: Device, request: Grant) -> set[Refusal]:
    """Why this permit cannot be held; the answers given before are the caller's matter."""
    setpoint = device.setpoints.committed
    reasons = _general(device)
    checks = {
        Refusal.WRONG_STATE: device.state is not State.READY,
        Refusal.BOOT: request.boot != device.boot_number,
        Refusal.SESSION: request.session != device.host.session,
        Refusal.ARM_EPOCH: request.arm_epoch != device.arm_epoch,
        Refusal.STOPPED_SINCE: request.stop_epoch != device.stop_epoch,
        Refusal.PULSES_RANGE: not 1 <= request.pulses <= PERMIT_PULSES_MAX,
        Refusal.BEAM: request.beam is not device.beam,
        Refusal.NO_SETPOINT: not device.setpoints.hash,
        Refusal.SETPOINT_DIFFERS: (request.setpoint_hash, request.mode_width_ps, request.rep_rate_mhz)
        != (device.setpoints.hash, setpoint.mode_width_ps, setpoint.rep_rate_mhz),
        Refusal.WAVELENGTH_DIFFERS: request.wavelength_nm != setpoint.wavelength_nm,
        Refusal.HANDPIECE_DIFFERS: request.handpiece is not setpoint.handpiece,
        Refusal.SPOT_DIFFERS: request.spot_um != setpoint.spot_um,
        Refusal.PERMIT_END: not device.now_us < request.ends_us <= device.now_us + PERMIT_MAX_US,
        Refusal.PERMIT_HELD: device.permit.held,
        # A permit for more pulses than the ring holds needs all of it, and a host that keeps up.
        Refusal.REPORTS_FULL: device.memory.room < min(request.pulses, REPORTS_MAX),
        Refusal.HOST_SILENT: not device.host.alive(device.now_us),
        Refusal.FOOT_HELD: device.foot.down,
        Refusal.NOT_WARM: not _warm(device),
        Refusal.INTERLOCK_OPEN: bool(device.open_interlocks & _NOT_THE_KEY),
    }
    reasons |= {reason for reason, hit in checks.items() if hit}
    return reasons | connection_refusals(
        request.wavelength_nm, request.handpiece, request.spot_um, device.inputs
    )


def _general(device: Device, *, interface: bool = True) -> set[Refusal]:
    """What speaks against nearly everything."""
    reasons: set[Refusal] = set()
    if not device.inputs.key_on:
        reasons.add(Refusal.KEY_OFF)
    if device.faults.latched:
        reasons.add(Refusal.FAULT_LATCHED)
    if interface and device.host.session and not device.host.same_interface:
        reasons.add(Refusal.INTERFACE)
    return reasons


def _standby_only(device: Device) -> set[Refusal]:
    return _general(device) | (set() if device.state is State.STANDBY else {Refusal.WRONG_STATE})


def _warm(device: Device) -> bool:
    low_mc, high_mc = limits.ARM_COOLANT_MC
    past_warm_up = device.self_test.passed and device.state is not State.WARM_UP
    return past_warm_up and low_mc <= device.inputs.coolant_mc <= high_mc


def _beam(device: Device, beam: Beam) -> set[Refusal]:
    """What light at the aperture demands beyond everything else."""
    reasons: set[Refusal] = set()
    if beam is Beam.APERTURE:
        if not device.aiming_good:
            reasons.add(Refusal.AIMING_BEAM)
        if device.inputs.docked:
            reasons.add(Refusal.DOCKED)
    return reasons
