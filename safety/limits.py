"""What a device can give, and the ceilings that hold whatever it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.messages import Handpiece

# [D] 200 mJ in 2 mm is 6.37 J/cm2: nothing in this class of device gives more (fluence_cases.csv F011).
FLUENCE_CEILING_J_CM2: Final = 6.4
# [P] 755 nm: 200 mJ, from published spot and fluence (F001); [C] the 532 and 1064 nm modules.
ENERGY_CEILING_MJ: Final[dict[int, float]] = {532: 100.0, 755: 200.0, 1064: 100.0}
RATE_CEILING_HZ: Final = 10.0  # REQ-023: no accepted command yields a rate above 10 Hz
SERIES_PER_PASS_MAX: Final = 200  # [C] a plan longer than this is a slip of the pen
PULSES_PER_SESSION_MAX: Final = 20_000  # [C] three times the published mean of 6,253 pulses (T006)
PASSES_MAX: Final = 7  # [P] the most passes any published study gave (T006)
OVERLAP_MAX_PERCENT: Final = 10.0  # [P] the most overlap any published study gave (T006; HZ-044)
AREA_MAX_CM2: Final = 2_000.0  # [C] a back and more; beyond it, a slip of the pen

# [C] zoom 2 to 6 mm turned by hand, fixed 6/8/10 mm, 6 mm lens array (LASER_FACTS, "The device class").
HANDPIECE_SPOTS_MM: Final[dict[Handpiece, tuple[float, float]]] = {
    Handpiece.ZOOM: (2.0, 6.0),
    Handpiece.FIXED_6: (6.0, 6.0),
    Handpiece.FIXED_8: (8.0, 8.0),
    Handpiece.FIXED_10: (10.0, 10.0),
    Handpiece.LENS_ARRAY_6: (6.0, 6.0),
}

# [C] Full angle, to be confirmed: no maker publishes it. Small is the safe side (a long hazard distance); a
# lens array spreads its beamlets far more.
HANDPIECE_DIVERGENCE_MRAD: Final[dict[Handpiece, float]] = dict.fromkeys(HANDPIECE_SPOTS_MM, 5.0)


@dataclass(frozen=True, slots=True)
class ModeLimits:
    """One energy/width mode: pulse energies from `energy_min_mj` to `energy_max_mj`."""

    wavelength_nm: int
    mode_width_ps: int
    energy_min_mj: float
    energy_max_mj: float


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What the device says it can do, in the user's units."""

    modes: tuple[ModeLimits, ...]
    rates_hz: tuple[float, ...]
    spot_min_mm: float
    spot_max_mm: float
    permit_pulses_max: int
    permit_max_us: int
    energy_step_mj: float


# [P/C] LASER_FACTS, "The device class": three modes at 755 nm and both optional modules (532, 1064 nm); the
# step and the longest permit are those of the simulated laser.
DEVICE_CLASS: Final = DeviceLimits(
    modes=(
        ModeLimits(755, 750, 10.0, 200.0),
        ModeLimits(755, 650, 10.0, 180.0),
        ModeLimits(755, 550, 10.0, 165.0),
        ModeLimits(532, 450, 10.0, 100.0),
        ModeLimits(532, 500, 10.0, 100.0),
        ModeLimits(1064, 750, 10.0, 100.0),
    ),
    rates_hz=(1.0, 2.5, 5.0, 10.0),
    spot_min_mm=2.0,
    spot_max_mm=10.0,
    permit_pulses_max=1_000,
    permit_max_us=120_000_000,
    energy_step_mj=0.1,
)
"""What plans are checked against where no laser can be asked; the one that is connected has the last word."""


def above_ceiling(wavelength_nm: int, pulse_energy_uj: int, rep_rate_mhz: int, spot_um: int) -> str:
    """Why a set-point (base units) is above a ceiling, in words; empty when it is not."""
    problems = []
    energy_mj = ENERGY_CEILING_MJ.get(wavelength_nm)
    if energy_mj is None:
        problems.append(f"no ceiling is known for {wavelength_nm} nm")
    elif pulse_energy_uj > energy_mj * 1e3:
        problems.append(f"{pulse_energy_uj / 1e3:g} mJ is above {energy_mj:g} mJ at {wavelength_nm} nm")
    if rep_rate_mhz > RATE_CEILING_HZ * 1e3:
        problems.append(f"{rep_rate_mhz / 1e3:g} Hz is above {RATE_CEILING_HZ:g} Hz")
    # F = 4 E / (pi d^2) in J/cm2 is 400 E / (pi d^2) from uJ and um; 355/113 is pi to 1e-7, a shade above.
    if pulse_energy_uj * 400 * 113 > FLUENCE_CEILING_J_CM2 * 355 * spot_um * spot_um:
        problems.append(
            f"{pulse_energy_uj / 1e3:g} mJ in {spot_um / 1e3:g} mm is above {FLUENCE_CEILING_J_CM2:g} J/cm2"
        )
    return "; ".join(problems)
