"""The host's judgement of one pulse, from the report alone and independent of the device's own.

The limits are those of the requirements, in integers of the wire so that no rounding decides. The device
judges first; what it flagged counts here as well, whether or not it tripped on it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from protocols.fields import U32_MAX, Int
from protocols.frozen import quick
from protocols.messages import PulseFlag, PulseReport, Telemetry, layout

ENERGY_TRIP_PERCENT: Final = 15  # REQ-018: meters are good to +-5 %, so that +-20 % true is never left
MONITORS_DIFFER_PERCENT: Final = 10  # REQ-019: of their mean
WIDTH_LOW_PS: Final = 450  # REQ-047
WIDTH_HIGH_PS: Final = 825
WIDTH_MODE_PERCENT: Final = 15
DARK_UJ: Final = 2_000  # [C] noise and offset of a monitor that sees no light stay far below it
SATURATED_UJ: Final = 5_000_000  # the wire's top value: no measurement


_SENSORS: Final = ("hv_mv", "coolant_mc", "flow_ml_min", "indicator_ua", "aiming_uw")
_RANGES: Final = {name: kind for name, kind in layout(Telemetry).fields if isinstance(kind, Int)}


class Finding(enum.Enum):
    """What is wrong with a pulse."""

    SATURATED = "a measurement is saturated"
    NO_SETTING = "set energy or mode is missing"
    ENERGY_HIGH = "energy is more than 15 % above its setting"
    ENERGY_LOW = "energy is more than 15 % below its setting"
    MONITORS_DIFFER = "the two energy monitors differ by more than 10 %"
    WIDTH_WINDOW = "pulse width is outside 450 to 825 ps"
    WIDTH_MODE = "pulse width is more than 15 % from its mode's"
    LIGHT_PAST_SHUTTER = "light was seen behind the closed shutter"
    LIGHT_ALTHOUGH_NONE = "light was seen although the device says there was none"
    DEVICE_FLAG = "the device itself judged it bad"


# Looked for in every report.
_UNKNOWN, _CALIBRATION, _SHUTTER_CLOSED = PulseFlag.UNKNOWN, PulseFlag.CALIBRATION, PulseFlag.SHUTTER_CLOSED
_NO_LIGHT: Final = frozenset({PulseFlag.SKIPPED, PulseFlag.MISSING})
_BAD_FLAGS: Final = frozenset(
    {
        PulseFlag.MISSING,
        PulseFlag.DOUBLE,
        PulseFlag.ENERGY_HIGH,
        PulseFlag.ENERGY_LOW,
        PulseFlag.WIDTH,
        PulseFlag.MONITORS_DISAGREE,
        PulseFlag.COMPARATOR,
    }
)


@quick
@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in a report; `text` says it with the figures."""

    findings: frozenset[Finding]
    report: PulseReport

    @property
    def text(self) -> str:
        """In words."""
        report = self.report
        if PulseFlag.UNKNOWN in report.flags:
            return "nothing was measured"
        words = [finding.value for finding in Finding if finding in self.findings]
        return (
            f"{'; '.join(words) or 'as set'} (set {report.set_energy_uj} uJ, "
            f"monitors {report.monitor_a_uj} and {report.monitor_b_uj} uJ, "
            f"{report.pulse_width_ps} ps of {report.mode_width_ps} ps, "
            f"flags {', '.join(sorted(flag.name for flag in report.flags)) or 'none'})"
        )


def judge(report: PulseReport) -> Judgement:
    """Judge one reported pulse; no finding means that it was as it was set.

    A pulse flagged UNKNOWN has no measurement to judge. One flagged CALIBRATION, or given without a permit
    into the closed shutter, is fired in order to find the energy, which is therefore not held against it.
    """
    if _UNKNOWN in report.flags:
        return Judgement(frozenset(), report)
    found = _energy(report)
    if report.flags & _BAD_FLAGS:
        found.append(Finding.DEVICE_FLAG)
    return Judgement(frozenset(found), report)


def impossible(telemetry: Telemetry) -> str:
    """Which values no sensor in order can give, in words; empty when there are none.

    The end of a channel's range is what a saturated or cut sensor reads; 0 at the lower end is possible.
    """
    at_end = [
        name
        for name in _SENSORS
        if (value := getattr(telemetry, name)) == _RANGES[name].high or value == _RANGES[name].low != 0
    ]
    return f"{', '.join(at_end)} at the end of its range: is the sensor cut?" if at_end else ""


def _energy(report: PulseReport) -> list[Finding]:
    flags, a_uj, b_uj = report.flags, report.monitor_a_uj, report.monitor_b_uj
    if flags & _NO_LIGHT:
        return [Finding.LIGHT_ALTHOUGH_NONE] if max(a_uj, b_uj) > DARK_UJ else []
    found = []
    if max(a_uj, b_uj) >= SATURATED_UJ or report.pulse_width_ps == U32_MAX:
        found.append(Finding.SATURATED)
    behind_shutter = _SHUTTER_CLOSED in flags
    if behind_shutter and b_uj > DARK_UJ:
        found.append(Finding.LIGHT_PAST_SHUTTER)
    if _CALIBRATION in flags or (behind_shutter and not report.permit_id):
        return found
    seen = (a_uj,) if behind_shutter else (a_uj, b_uj)
    set_uj, mode_ps, width_ps = report.set_energy_uj, report.mode_width_ps, report.pulse_width_ps
    if not (set_uj and mode_ps):
        found.append(Finding.NO_SETTING)
    if max(seen) * 100 > set_uj * (100 + ENERGY_TRIP_PERCENT):
        found.append(Finding.ENERGY_HIGH)
    if min(seen) * 100 < set_uj * (100 - ENERGY_TRIP_PERCENT):
        found.append(Finding.ENERGY_LOW)
    if not behind_shutter and abs(a_uj - b_uj) * 200 > MONITORS_DIFFER_PERCENT * (a_uj + b_uj):
        found.append(Finding.MONITORS_DIFFER)
    if not WIDTH_LOW_PS <= width_ps <= WIDTH_HIGH_PS:
        found.append(Finding.WIDTH_WINDOW)
    if abs(width_ps - mode_ps) * 100 > WIDTH_MODE_PERCENT * mode_ps:
        found.append(Finding.WIDTH_MODE)
    return found
