"""Every reason to refuse a request, all at once, as one bit each; nothing here changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.faults import Fault
from protocols.fields import members_of
from protocols.interlocks import Interlock
from protocols.messages import Beam
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, Arm, CommitSetpoint, Grant, SetAiming, StageSetpoint, Trigger
from protocols.states import State
from sim_device.firmware import limits
from sim_device.firmware.calibration import voltage_mv
from sim_device.firmware.limits import PERMIT_MAX_US, PERMIT_PULSES_MAX
from sim_device.firmware.memory import REPORTS_MAX
from sim_device.firmware.setpoint import connection_refusals, range_refusals, setpoint_of

if TYPE_CHECKING:
    from sim_device.firmware.device import Device

_NOT_THE_KEY: Final = ~(1 << Interlock.KEY)
_COOLANT_LOW_MC, _COOLANT_HIGH_MC = limits.ARM_COOLANT_MC

# The bits of what is looked at with every Status.
_WRONG_STATE: Final = 1 << Refusal.WRONG_STATE
_KEY_OFF: Final = 1 << Refusal.KEY_OFF
_FAULT_LATCHED: Final = 1 << Refusal.FAULT_LATCHED
_INTERFACE: Final = 1 << Refusal.INTERFACE
_INTERLOCK_OPEN: Final = 1 << Refusal.INTERLOCK_OPEN
_FOOT_HELD: Final = 1 << Refusal.FOOT_HELD
_NOT_WARM: Final = 1 << Refusal.NOT_WARM
_NOT_CALIBRATED: Final = 1 << Refusal.NOT_CALIBRATED
_NO_SETPOINT: Final = 1 << Refusal.NO_SETPOINT
_REPORTS_FULL: Final = 1 << Refusal.REPORTS_FULL
_HOST_SILENT: Final = 1 << Refusal.HOST_SILENT
_AIMING_BEAM: Final = 1 << Refusal.AIMING_BEAM
_DOCKED: Final = 1 << Refusal.DOCKED
_DOCK_DISAGREES: Final = 1 << Refusal.DOCK_DISAGREES
_COVER_DEFEATED: Final = 1 << Refusal.COVER_DEFEATED


def words(reasons: int) -> frozenset[Refusal]:
    """The reasons behind the bits."""
    return members_of(Refusal, reasons)


def blocks(device: Device) -> int:
    """Why arming would be refused now, whatever beam is asked for; while armed, with what the beam demands.

    Being armed already is no block: Arm itself refuses that.
    """
    inputs, setpoints = device.inputs, device.setpoints
    reasons = _general(device)
    if device.armed:
        reasons |= _beam(device, device.beam)
    elif device.state is not State.STANDBY:
        reasons |= _WRONG_STATE
    if device.open_interlocks & _NOT_THE_KEY:
        reasons |= _INTERLOCK_OPEN
    if device.foot.down:
        reasons |= _FOOT_HELD
    if not _warm(device):
        reasons |= _NOT_WARM
    if not device.calibrator.valid:
        reasons |= _NOT_CALIBRATED
    if setpoints.hash:
        setpoint = setpoints.committed
        reasons |= connection_refusals(setpoint.wavelength_nm, setpoint.handpiece, setpoint.spot_um, inputs)
    else:
        reasons |= _NO_SETPOINT
    if not inputs.defeat_key_out:
        reasons |= _COVER_DEFEATED
    if device.pairs.disagree(Fault.DOCK_DISAGREES):
        reasons |= _DOCK_DISAGREES
    if device.memory.room <= 0:
        reasons |= _REPORTS_FULL
    if not device.host.alive(device.now_us):
        reasons |= _HOST_SILENT
    return reasons


def stage_refusals(device: Device, request: StageSetpoint) -> int:
    """Why this set-point cannot be staged."""
    reasons = _standby_only(device) | range_refusals(setpoint_of(request))
    return reasons | connection_refusals(
        request.wavelength_nm, request.handpiece, request.spot_um, device.inputs
    )


def commit_refusals(device: Device, request: CommitSetpoint) -> int:
    """Why the staged set-point cannot be put in force."""
    reasons = _standby_only(device)
    staged = device.setpoints.staged
    if not device.setpoints.staged_hash:
        return reasons | _NO_SETPOINT
    if request.setpoint_hash != device.setpoints.staged_hash:
        reasons |= 1 << Refusal.SETPOINT_DIFFERS
    return reasons | connection_refusals(
        staged.wavelength_nm, staged.handpiece, staged.spot_um, device.inputs
    )


def aiming_refusals(device: Device, request: SetAiming) -> int:
    """Why the aiming beam cannot be switched; off is never refused."""
    if not request.on or device.armed or device.state is State.STANDBY:
        return 0
    return _general(device, interface=False) | _WRONG_STATE


def calibrate_refusals(device: Device) -> int:
    """Why the energy calibration cannot be run."""
    reasons = _standby_only(device)
    if device.open_interlocks & _NOT_THE_KEY:
        reasons |= _INTERLOCK_OPEN
    if not device.docked and not _check_due(device):
        reasons |= 1 << Refusal.NOT_DOCKED
    if not device.inputs.defeat_key_out:
        reasons |= _COVER_DEFEATED
    if device.pairs.disagree(Fault.DOCK_DISAGREES):
        reasons |= _DOCK_DISAGREES
    if not _warm(device):
        reasons |= _NOT_WARM
    if device.memory.room <= 0:
        reasons |= _REPORTS_FULL
    return reasons


def _check_due(device: Device) -> bool:
    """A calibration is stored but does not hold: a stop cut its check short, or it failed."""
    return device.memory.calibration.valid and not device.calibrator.valid


def standby_refusals(device: Device) -> int:
    """Why the laser cannot return to STANDBY."""
    if device.armed or device.state in (State.STANDBY, State.CALIBRATING):
        return 0
    return _general(device, interface=False) | _WRONG_STATE


def acknowledge_refusals(device: Device, request: Acknowledge) -> int:
    """Why the trip cannot be cleared.

    One that needs service is cleared only with the service strap fitted, and after the restart that service
    has to make: an operator has neither.
    """
    reasons = 0
    if device.state is not State.FAULT:
        reasons |= _WRONG_STATE
    if not device.inputs.key_on:
        reasons |= _KEY_OFF
    if request.fault_instance != device.faults.instance:
        return reasons | 1 << Refusal.OTHER_FAULT
    if device.causes_present():
        reasons |= 1 << Refusal.CAUSE_PRESENT
    serviced = device.inputs.internal_trigger_strap and device.faults.from_earlier_boot
    if device.faults.needs_service and not serviced:
        reasons |= 1 << Refusal.SERVICE_NEEDED
    return reasons


def arm_refusals(device: Device, request: Arm) -> int:
    """Why the laser cannot be armed."""
    reasons = blocks(device) | _beam(device, request.beam)
    if device.state is not State.STANDBY:
        reasons |= _WRONG_STATE
    if device.setpoints.hash and request.setpoint_hash != device.setpoints.hash:
        reasons |= 1 << Refusal.SETPOINT_DIFFERS
    if request.stop_epoch != device.stop_epoch:
        reasons |= 1 << Refusal.STOPPED_SINCE
    setpoint = device.setpoints.committed
    mode = limits.mode_of(setpoint.wavelength_nm, setpoint.mode_width_ps)
    calibrated = device.setpoints.hash and device.calibrator.valid
    if calibrated and not voltage_mv(device.memory.calibration, mode, setpoint.pulse_energy_uj):
        reasons |= 1 << Refusal.ENERGY_RANGE  # an aged lamp may not reach what the mode allows
    return reasons


def grant_refusals(device: Device, request: Grant) -> int:
    """Why this permit cannot be held; the answers given before are the caller's matter."""
    setpoint = device.setpoints.committed
    checks = {
        Refusal.WRONG_STATE: device.state is not State.READY,
        Refusal.BOOT: request.boot != device.boot_number,
        Refusal.SESSION: request.session != device.host.session,
        Refusal.ARM_EPOCH: request.arm_epoch != device.arm_epoch,
        Refusal.STOPPED_SINCE: request.stop_epoch != device.stop_epoch,
        Refusal.PULSES_RANGE: not 1 <= request.pulses <= PERMIT_PULSES_MAX,
        Refusal.BEAM: request.beam is not device.beam,
        Refusal.TRIGGER: (request.trigger is Trigger.INTERNAL) is not device.inputs.internal_trigger_strap,
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
        Refusal.COVER_DEFEATED: not device.inputs.defeat_key_out,
    }
    reasons = _general(device) | sum(1 << reason for reason, hit in checks.items() if hit)
    return reasons | connection_refusals(
        request.wavelength_nm, request.handpiece, request.spot_um, device.inputs
    )


def _general(device: Device, *, interface: bool = True) -> int:
    """What speaks against nearly everything."""
    reasons = 0
    if not device.inputs.key_on:
        reasons |= _KEY_OFF
    if device.faults.latched:
        reasons |= _FAULT_LATCHED
    if interface and device.host.session and not device.host.same_interface:
        reasons |= _INTERFACE
    return reasons


def _standby_only(device: Device) -> int:
    return _general(device) | (0 if device.state is State.STANDBY else _WRONG_STATE)


def _warm(device: Device) -> bool:
    past_warm_up = device.self_test.passed and device.state is not State.WARM_UP
    return past_warm_up and _COOLANT_LOW_MC <= device.inputs.coolant_mc <= _COOLANT_HIGH_MC


def _beam(device: Device, beam: Beam) -> int:
    """What light at the aperture demands beyond everything else."""
    reasons = 0
    if beam is Beam.APERTURE:
        if not device.aiming_good:
            reasons |= _AIMING_BEAM
        if not device.undocked:
            reasons |= _DOCKED
    return reasons
