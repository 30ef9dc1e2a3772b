"""Judgement of one pulse: measured energy, width and number of flashes against what was set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from protocols.faults import Fault
from protocols.messages import PulseFlag
from sim_device.firmware import limits
from sim_device.firmware.limits import beyond

_MEASURED_MAX_UJ = 5_000_000


class Readings(NamedTuple):
    """What was measured of one pulse, energies calibrated."""

    pulses: int  # optical pulses since the trigger; 1 too, if any sensor but the photodiode saw light
    monitor_a_uj: int
    monitor_b_uj: int
    pulse_width_ps: int
    comparator: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What one pulse was fired for."""

    set_energy_uj: int  # 0: no energy is expected of it (calibration)
    mode_width_ps: int
    shutter_open: bool
    calibration: bool


class Verdict(NamedTuple):
    """Flags of the report, and the faults with the value that proved each, first cause first."""

    flags: frozenset[PulseFlag]
    faults: tuple[tuple[Fault, int], ...]


def calibrated(raw_uj: int, gain_ppm: int) -> int:
    """A monitor's reading times its gain, rounded, saturated at what a report can carry."""
    return max(0, min(_MEASURED_MAX_UJ, (raw_uj * gain_ppm + 500_000) // 1_000_000))


def judge(expected: Expected, readings: Readings) -> Verdict:
    """Judge one pulse. Either monitor alone can prove a wrong energy."""
    flags: list[PulseFlag] = []
    faults: list[tuple[Fault, int]] = []
    if readings.comparator:
        flags.append(PulseFlag.COMPARATOR)
        faults.append((Fault.OVER_ENERGY_COMPARATOR, readings.monitor_a_uj))
    if readings.pulses == 0:
        flags.append(PulseFlag.MISSING)
        faults.append((Fault.PULSE_MISSING, 0))
    else:
        if readings.pulses > 1:
            flags.append(PulseFlag.DOUBLE)
            faults.append((Fault.PULSE_DOUBLE, readings.pulses))
        _judge_energy(expected, readings, flags, faults)
        _judge_width(expected, readings.pulse_width_ps, flags, faults)
        _judge_path(expected, readings, flags, faults)
    return Verdict(frozenset(flags), tuple(faults))


def _judge_energy(
    expected: Expected, readings: Readings, flags: list[PulseFlag], faults: list[tuple[Fault, int]]
) -> None:
    set_uj = expected.set_energy_uj
    if not set_uj:
        return
    a_uj = readings.monitor_a_uj
    b_uj = readings.monitor_b_uj if expected.shutter_open else a_uj
    low_uj, high_uj = min(a_uj, b_uj), max(a_uj, b_uj)
    if beyond(high_uj, set_uj, limits.ENERGY_TRIP_PERCENT) and high_uj > set_uj:
        flags.append(PulseFlag.ENERGY_HIGH)
        faults.append((Fault.ENERGY_HIGH, high_uj))
    if beyond(low_uj, set_uj, limits.ENERGY_TRIP_PERCENT) and low_uj < set_uj:
        flags.append(PulseFlag.ENERGY_LOW)
        faults.append((Fault.ENERGY_LOW, low_uj))
    drifted = any(beyond(value_uj, set_uj, limits.ENERGY_DRIFT_PERCENT) for value_uj in (low_uj, high_uj))
    if drifted and not {PulseFlag.ENERGY_HIGH, PulseFlag.ENERGY_LOW} & set(flags):
        flags.append(PulseFlag.ENERGY_DRIFT)


def _judge_width(
    expected: Expected, width_ps: int, flags: list[PulseFlag], faults: list[tuple[Fault, int]]
) -> None:
    inside = limits.WIDTH_MIN_PS <= width_ps <= limits.WIDTH_MAX_PS
    if not inside or beyond(width_ps, expected.mode_width_ps, limits.WIDTH_PERCENT):
        flags.append(PulseFlag.WIDTH)
        faults.append((Fault.PULSE_WIDTH, width_ps))


def _judge_path(
    expected: Expected, readings: Readings, flags: list[PulseFlag], faults: list[tuple[Fault, int]]
) -> None:
    if not expected.shutter_open:
        if readings.monitor_b_uj >= limits.DARK_B_MAX_UJ:
            faults.append((Fault.SHUTTER_STUCK_OPEN, readings.monitor_b_uj))
    elif not expected.calibration:  # while the gains are being measured they cannot be compared
        mean_uj = (readings.monitor_a_uj + readings.monitor_b_uj) // 2
        apart_uj = abs(readings.monitor_a_uj - readings.monitor_b_uj)
        if apart_uj * 100 > limits.MONITORS_PERCENT * mean_uj:
            flags.append(PulseFlag.MONITORS_DISAGREE)
            faults.append((Fault.MONITORS_DISAGREE, apart_uj))
