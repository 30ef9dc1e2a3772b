"""Set-points: staged, committed by hash, compared with what is connected."""

from __future__ import annotations

from typing import Final

from protocols.messages import Handpiece
from protocols.refusals import Refusal
from protocols.requests import Setpoint, StageSetpoint
from sim_device.board import Inputs
from sim_device.firmware import limits
from sim_device.firmware.limits import MODES, RATES_MHZ, mode_of, spot_fits

_HANDPIECE_DIFFERS: Final = 1 << Refusal.HANDPIECE_DIFFERS
_SPOT_DIFFERS: Final = 1 << Refusal.SPOT_DIFFERS
_WAVELENGTH_DIFFERS: Final = 1 << Refusal.WAVELENGTH_DIFFERS

NO_SETPOINT: Final = Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)


class Setpoints:
    """The one in force and the one staged beside it, each with its hash; 0 stands for none."""

    def __init__(self) -> None:
        self.staged = NO_SETPOINT
        self.staged_hash = 0
        self.committed = NO_SETPOINT
        self.hash = 0

    def stage(self, request: StageSetpoint) -> None:
        """Put a checked set-point beside the one in force."""
        self.staged = setpoint_of(request)
        self.staged_hash = self.staged.hash

    def commit(self) -> None:
        """Put the staged one in force."""
        self.committed, self.hash = self.staged, self.staged_hash
        self.forget_staged()

    def forget_staged(self) -> None:
        """Nothing is staged any more."""
        self.staged, self.staged_hash = NO_SETPOINT, 0


def setpoint_of(request: StageSetpoint) -> Setpoint:
    """The set-point that a request describes."""
    return Setpoint(
        request.wavelength_nm,
        request.mode_width_ps,
        request.pulse_energy_uj,
        request.rep_rate_mhz,
        request.handpiece,
        request.spot_um,
    )


def range_refusals(setpoint: Setpoint) -> int:
    """Every reason why this laser cannot do this at all, one bit each."""
    reasons = 0
    index = mode_of(setpoint.wavelength_nm, setpoint.mode_width_ps)
    if index < 0:
        reasons |= 1 << Refusal.MODE_NOT_OFFERED
    modes = MODES if index < 0 else (MODES[index],)
    if not any(mode.energy_min_uj <= setpoint.pulse_energy_uj <= mode.energy_max_uj for mode in modes):
        reasons |= 1 << Refusal.ENERGY_RANGE
    if setpoint.rep_rate_mhz not in RATES_MHZ:
        reasons |= 1 << Refusal.RATE_NOT_OFFERED
    if not spot_fits(setpoint.handpiece, setpoint.spot_um):
        reasons |= _SPOT_DIFFERS
    return reasons


def connection_refusals(wavelength_nm: int, handpiece: Handpiece, spot_um: int, inputs: Inputs) -> int:
    """Every way in which these differ from what is connected now, one bit each."""
    reasons = 0
    if handpiece != inputs.handpiece or not handpiece:  # "none" is like no handpiece, not even itself
        reasons |= _HANDPIECE_DIFFERS
    if spot_um != inputs.spot_um:
        reasons |= _SPOT_DIFFERS
    if wavelength_nm != inputs.wavelength_nm:
        reasons |= _WAVELENGTH_DIFFERS
    return reasons


def comparator_uj(pulse_energy_uj: int) -> int:
    """Threshold of the hardware comparator for this energy."""
    return pulse_energy_uj * limits.COMPARATOR_PERCENT // 100
