"""Ground truth: every optical pulse as it was, where neither firmware nor controller can write."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from protocols.messages import Handpiece

KEPT_PULSES: Final = 10_000
"""The counters go on for ever; of the pulses the latest are kept: 17 minutes at 10 Hz."""


class TruePulse(NamedTuple):
    """One optical pulse."""

    number: int  # counts up from 1 over the life of the plant
    time_us: int
    energy_uj: float  # before the shutter
    width_ps: float
    transmitted_uj: float  # after the shutter
    aperture: bool  # light left the aperture
    port: bool  # light went into the calibration port
    triggered: bool  # by a lamp trigger; otherwise the lamp fired by itself
    shutter_position: float  # 0 closed, 1 open
    foot_pressed: bool  # the pedal itself, not its contacts
    strap: bool  # internal trigger strapped
    docked: bool
    open_contacts: tuple[str, ...]  # interlock contacts that stood open
    mode_width_ps: int
    free_running: bool  # the rod lased by itself, not by its Pockels cell
    wavelength_nm: int  # behind the module that is truly there
    delivered_uj: float  # of `transmitted_uj`, behind that module, at that wavelength
    delivered_ps: float
    spot_um: int  # of the handpiece that is truly there
    handpiece: Handpiece
    aiming_offset_mm: float  # from where the aiming beam pointed, were it on, to where the light went


@dataclass(slots=True)
class Truth:
    """Counters since the plant was made, and the latest pulses."""

    total: int = 0
    aperture: int = 0
    port: int = 0
    shuttered: int = 0  # light that ended on the shutter
    triggers: int = 0  # lamp triggers the firmware gave
    blocked: int = 0  # of these: refused by the hardware, no light
    misfired: int = 0  # of these: let pass, but the lamp struck no arc
    dark: int = 0  # lamp fired, no light
    pulses: deque[TruePulse] = field(default_factory=lambda: deque(maxlen=KEPT_PULSES))

    def record(self, pulse: TruePulse) -> None:
        """Add one pulse; its number is `total` + 1."""
        self.total += 1
        self.aperture += pulse.aperture
        self.port += pulse.port
        self.shuttered += not (pulse.aperture or pulse.port)
        self.pulses.append(pulse)
