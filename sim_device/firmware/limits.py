"""What this laser can do, and every limit and time its firmware works to, with source and reason.

[P] published, [D] derived, [C] engineering choice; REQ and HZ name rows of docs/safety. All integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocols.messages import Handpiece
from protocols.timing import MS, SECOND

U32: Final = 0xFFFF_FFFF
NEVER_US: Final = 2**62  # a deadline that does not come; sums with it still fit a signed 64-bit integer

MODEL: Final = "PicoLase 755"
FIRMWARE_VERSION: Final = "0.1.0"
BUILD_ID: Final = "simulated"  # of the C core too: which of the two runs makes no difference on the wire


@dataclass(frozen=True, slots=True)
class EnergyMode:
    """One energy/width mode and the pulse energies it can give."""

    wavelength_nm: int
    mode_width_ps: int
    energy_min_uj: int
    energy_max_uj: int


# LASER_FACTS, device class: 200 and 180 mJ [P -> D] from published fluences and spots; 165 and 10 mJ [C].
MODES: Final = (
    EnergyMode(755, 750, 10_000, 200_000),
    EnergyMode(755, 650, 10_000, 180_000),
    EnergyMode(755, 550, 10_000, 165_000),
)
RATES_MHZ: Final = (
    1_000,
    2_500,
    5_000,
    10_000,
)  # [P] 2.5 and 5 Hz, [C] 1 and 10 Hz; REQ-023: never above 10 Hz
SPOTS_UM: Final = {  # lowest and highest spot of each handpiece [C]
    Handpiece.ZOOM: (2_000, 6_000),
    Handpiece.FIXED_6: (6_000, 6_000),
    Handpiece.FIXED_8: (8_000, 8_000),
    Handpiece.FIXED_10: (10_000, 10_000),
    Handpiece.LENS_ARRAY_6: (6_000, 6_000),
}
_HANDPIECES: Final = tuple(Handpiece)  # by identity
ENERGY_STEP_UJ: Final = 100  # [C] well under the 2 % shot noise of the smallest pulse
PERMIT_PULSES_MAX: Final = 1_000  # [C] 100 s at 10 Hz, inside the longest permit
PERMIT_MAX_US: Final = 120 * SECOND  # [C] no series lasts longer; a lost host cannot leave one open

# status line
STATUS_SPACING_US: Final = 10 * MS  # [C] a chattering contact must not fill the line: 8 challenges last 80 ms
QUIET_US: Final = 3 * MS  # [C] HZ-033: the lamp's discharge rings for some 2 ms and flips bits on the line
KICK_SPACING_US: Final = 48 * MS  # [C] between two refreshes of the watchdog, however often inputs change
KICK_PERIOD_US: Final = 50 * MS  # [C] the middle of the watchdog's window, which tells a wrong clock too

# host
INTENT_SETTLE_US: Final = 500 * MS  # [C] a Grant or its answer may be lost and repeated
INTENT_STRIKES: Final = 3
IDLE_US: Final = 300 * SECOND  # REQ-045: 5 min in READY
AIMING_OFF_US: Final = 600 * SECOND  # REQ-015: auto-off in STANDBY [C]
GRANTS_KEPT: Final = 32  # [C] answers kept, so that a repeated Grant cannot become a second permit

# footswitch
FOOT_STABLE_US: Final = 5 * MS  # [C] outlasts contact bounce; a release is never delayed
FOOT_DISAGREE_US: Final = 50 * MS  # REQ-004
FOOT_HELD_US: Final = 10 * SECOND  # [C] patience with a held foot once READY is due

# other contacts
PAIR_DISAGREE_US: Final = 50 * MS  # [C] as the footswitch's, ten times what two contacts take to settle

# shutter and proofs
SHUTTER_US: Final = 30 * MS  # REQ-013: 10 ms typical, 30 ms at most
READY_DELAY_US: Final = 2 * SECOND  # REQ-002, IEC 60601-2-22 (to be confirmed)
SELF_TEST_US: Final = SECOND
INDICATOR_MIN_UA: Final = 10_000  # [C] 20 mA nominal; half means a dying lamp
INDICATOR_MAX_UA: Final = 30_000
INDICATOR_DARK_UA: Final = 1_000
INDICATOR_SETTLE_US: Final = 100 * MS  # [C] until its current is judged
AIMING_MIN_UW: Final = 100  # [C] visible on skin
AIMING_MAX_UW: Final = 5_000  # REQ-015: class 3R
AIMING_SETTLE_US: Final = 100 * MS
DARK_MAX_UJ: Final = 500  # [C] ten converter steps of 50 uJ
FLASH_MIN_UJ: Final = 35_000  # [C] 50 mJ nominal times the uncalibrated monitor gain, +-30 %
FLASH_MAX_UJ: Final = 65_000

# cooling
PUMP_GRACE_US: Final = 3 * SECOND  # [C] until the flow has built up
FLOW_MIN_ML_MIN: Final = 2_000  # [C] half of nominal
FLOW_LOW_US: Final = 500 * MS  # REQ-029
COOLANT_SET_MC: Final = 60_000  # [C] LASER_FACTS
HEATER_BAND_MC: Final = 300
WARM_BAND_MC: Final = 1_000  # REQ-030
WARM_US: Final = 60 * SECOND  # REQ-030
WARM_UP_TIMEOUT_US: Final = 1_800 * SECOND  # [C] three times the 560 s of a cold start
ARM_COOLANT_MC: Final = (58_000, 62_000)  # +-2 K is +-1.2 % gain [D]
COOLANT_COLD_MC: Final = 55_000  # [C] -5 K: -3 % gain
COOLANT_HOT_MC: Final = 68_000  # [C] +8 K: +5 % gain, well under the thermostat
SENSOR_MC: Final = (0, 95_000)  # [C] outside it the sensor is broken and must not run the heater

# high voltage
HV_SAFE_MV: Final = 60_000  # IEC 60601-1 8.4.3
DUMP_US: Final = 5 * SECOND  # REQ-026
HV_MIN_MV: Final = 500_000  # [D] 7.5 J, below the laser threshold of 10 J
HV_MAX_MV: Final = 1_250_000  # [D] 46.9 J, 9 % above the 43 J of 200 mJ
OVER_VOLTAGE_PERMILLE: Final = 15  # REQ-028
CHARGED_PERMILLE: Final = 980  # [C] end of charge at less than this is a lie: energy is steep in voltage
SKIPS_MAX: Final = 3
SIMMER_US: Final = SECOND  # [C] ten times the usual 100 ms
SIMMER_SETTLE_US: Final = 10 * MS  # [C] what is seen before may be the old current, fading

# pulse
JUDGE_US: Final = MS  # [C] 300 us to the reading, then a second pulse would have come
MISSING_US: Final = 2 * MS
RESET_LIGHT_US: Final = 2 * MS  # light of a trigger given just before a reset
ENERGY_TRIP_PERCENT: Final = 15  # REQ-018
ENERGY_DRIFT_PERCENT: Final = 10  # REQ-018
DRIFTS_MAX: Final = 3
MONITORS_PERCENT: Final = 10  # REQ-019
WIDTH_MIN_PS: Final = 450  # REQ-047
WIDTH_MAX_PS: Final = 825
WIDTH_PERCENT: Final = 15
DARK_B_MAX_UJ: Final = 2_000  # [C] behind a closed shutter; 20 % of the smallest pulse
COMPARATOR_PERCENT: Final = 120  # REQ-019
COMPARATOR_MAX_UJ: Final = 300_000  # [C] hard limit while nothing is set: 1.5 times the largest pulse

# calibration
# [D] equal steps of V^2, that is of lamp energy, from 14 to 215 mJ in the 750 ps mode with a new lamp. The
# lowest is a floor: a worn lamp gives no light there, so it follows the light of SHUTTER_TEST_LEVEL.
CALIBRATION_LEVELS_MV: Final = (
    615_000,
    820_000,
    980_000,
    1_120_000,
    1_240_000,
)
CALIBRATION_SHOTS: Final = 2  # at each level
CALIBRATION_PERIOD_US: Final = 100 * MS  # 10 Hz
SHUTTER_TEST_LEVEL: Final = 1  # [C] 20 J, some 70 mJ: well above the monitors' noise; first in the port too
LOWEST_LEVEL_UJ: Final = 10_000  # [C] what the lowest level aims at: the smallest pulse that may be set
LAMP_THRESHOLD_J: Final = 10  # [P] LASER_FACTS: lamp energy at which light begins, with a new lamp
LAMP_FULL_J: Final = 43  # [D] LASER_FACTS: for a mode's largest energy, with a new lamp
LAMP_WEAK_UJ: Final = 15_000  # [C] at SHUTTER_TEST_LEVEL; a lamp at the end of its life gives 35 mJ and more
RESIDUAL_MAX_PPM: Final = 50_000  # REQ-016
GAIN_PPM: Final = (500_000, 2_000_000)  # HZ-015
PORT_MIN_UJ: Final = 2_000  # [C] the port's meter saw a shot: a fifth of what the lowest level aims at
CALIBRATION_SHOTS_MAX: Final = 100_000  # [C] REQ-017: a tenth of a lamp's life, or less
AGREES_PERCENT: Final = 15


def mode_of(wavelength_nm: int, mode_width_ps: int) -> int:
    """Index of the mode, or -1: not offered."""
    for index, mode in enumerate(MODES):
        if (mode.wavelength_nm, mode.mode_width_ps) == (wavelength_nm, mode_width_ps):
            return index
    return -1


def handpiece_of(identity: int) -> Handpiece:
    """The handpiece of an identity chip; NONE for one that is not known."""
    return _HANDPIECES[identity] if 0 <= identity < len(_HANDPIECES) else Handpiece.NONE


def spot_fits(handpiece: Handpiece, spot_um: int) -> bool:
    """Whether this handpiece can have this spot."""
    low_um, high_um = SPOTS_UM.get(handpiece, (1, 0))
    return low_um <= spot_um <= high_um


def beyond(value: int, reference: int, percent: int) -> bool:
    """Whether `value` is more than `percent` of `reference` away from it; exactly at the limit is inside."""
    return abs(value - reference) * 100 > percent * reference
