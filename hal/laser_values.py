"""What a laser tells and takes, in the user's units, whichever laser it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.fields import FieldError, from_user, to_user
from protocols.messages import Beam, Handpiece
from protocols.requests import Setpoint, Trigger


@dataclass(frozen=True, slots=True)
class LaserIdentity:
    """Who the laser is."""

    model: str
    serial: str
    firmware_version: str
    build_id: str
    interface_hash: int
    boot: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class LaserMode:
    """One energy/width mode of one wavelength."""

    wavelength_nm: int
    mode_width_ps: int
    energy_min_mj: float
    energy_max_mj: float


@dataclass(frozen=True, slots=True)
class LaserCapabilities:
    """What the laser can do."""

    modes: tuple[LaserMode, ...]
    rates_hz: tuple[float, ...]
    spot_min_mm: float
    spot_max_mm: float
    permit_pulses_max: int
    permit_max_us: int
    reports_max: int
    ready_delay_us: int
    energy_step_mj: float


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What each pulse shall be."""

    wavelength_nm: int
    mode_width_ps: int
    pulse_energy_mj: float
    rep_rate_hz: float
    handpiece: Handpiece
    spot_mm: float

    def to_wire(self) -> Setpoint:
        """In base units; raises FieldError for what the wire cannot carry exactly. Nothing is rounded off."""
        return Setpoint(
            wavelength_nm=self.wavelength_nm,
            mode_width_ps=self.mode_width_ps,
            pulse_energy_uj=_base_units("pulse_energy_mj", self.pulse_energy_mj),
            rep_rate_mhz=_base_units("rep_rate_hz", self.rep_rate_hz),
            handpiece=self.handpiece,
            spot_um=_base_units("spot_mm", self.spot_mm),
        )

    @classmethod
    def from_wire(cls, wire: Setpoint) -> SetPoint:
        """The same in the user's units."""
        return cls(
            wavelength_nm=wire.wavelength_nm,
            mode_width_ps=wire.mode_width_ps,
            pulse_energy_mj=user_units("pulse_energy_uj", wire.pulse_energy_uj),
            rep_rate_hz=user_units("rep_rate_mhz", wire.rep_rate_mhz),
            handpiece=wire.handpiece,
            spot_mm=user_units("spot_um", wire.spot_um),
        )


@dataclass(frozen=True, slots=True)
class CommittedSetPoint:
    """A set-point as it was read back from the laser, with the identity that arm and grant carry."""

    set_point: SetPoint
    hash: int


@dataclass(frozen=True, slots=True)
class Permit:
    """What an operator lets the laser do: so many pulses of this set-point, until `ends_us` of the host."""

    permit_id: int
    pulses: int
    beam: Beam
    trigger: Trigger
    committed: CommittedSetPoint
    ends_us: int


def user_units(name: str, value: int) -> float:
    """The value of a wire field in the user's units: (`spot_um`, 3500) -> 3.5."""
    return float(to_user(name, value)[1])


def _base_units(name: str, value: float) -> int:
    wire_name, base = from_user(name, value)
    if not math.isclose(user_units(wire_name, base), value, rel_tol=1e-9, abs_tol=1e-9):
        raise FieldError(name, value, "a multiple of 0.001")
    return base
