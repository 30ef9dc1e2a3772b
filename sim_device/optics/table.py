"""The table that the plant's laser head reads at run time, made from the resonator's model.

For each mode and temperature: the lamp energy at which light begins, and the pulse energy so much above it.
The other numbers are widths over the pump, what a dump some round trips early or late gives, a second pulse,
and the free-running rod.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from sim_device.optics import alexandrite
from sim_device.optics.amplifier import Array
from sim_device.optics.free_running import free_run
from sim_device.optics.modes import CELSIUS, PUMP_J, RESONATOR, SETTINGS
from sim_device.optics.resonator import Setting, energies, passing, shot, without_modulation

Table: TypeAlias = dict[str, Any]

TEMPERATURES_C: Final = tuple(float(c) for c in range(10, 90, 10))
# over the threshold
OVER_J: Final = (
    *(0.0, 0.25, 0.5, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 12.0, 15.0),
    *(18.0, 22.0, 26.0, 30.0, 34.0, 38.0, 43.0, 50.0, 60.0),
)
WIDTH_PUMPS_J: Final = (12.0, 20.0, 30.0, 36.0, 43.0, 50.0, 60.0, 70.0)
OFFSETS: Final = tuple(range(-8, 9, 2))
OFFSET_PUMPS_J: Final = (12.0, 16.0, 22.0, 30.0, 43.0, 60.0)
FREE_PUMPS_J: Final = (13.0, 14.0, 16.0, 20.0, 26.0, 34.0, 43.0, 55.0, 70.0)
STARTS: Final = 32  # of the chance that the mean stands for
DIGITS: Final = 5


def table() -> Table:
    """Everything the head needs, rounded to `DIGITS` significant digits."""
    return {
        "temperatures_c": list(TEMPERATURES_C),
        "over_j": list(OVER_J),
        "offsets": list(OFFSETS),
        "offset_pumps_j": list(OFFSET_PUMPS_J),
        "width_pumps_j": list(WIDTH_PUMPS_J),
        "modes": {str(mode): _mode(setting) for mode, setting in SETTINGS.items()},
        "free": _free(),
    }


def deviation(stored: Table) -> float:
    """Largest relative difference between a stored table and the model, for a sample of each of its parts."""
    at = TEMPERATURES_C.index(CELSIUS)
    pairs: list[tuple[float, float]] = []
    for mode, setting in SETTINGS.items():
        kept = stored["modes"][str(mode)]
        threshold_j = kept["locked"]["threshold_j"][at]
        pumps_j = threshold_j + np.array(stored["over_j"][4::5])
        energy_j, _ = energies(RESONATOR, setting, pumps_j, np.array(CELSIUS), starts=STARTS)
        pairs += zip(kept["locked"]["energy_uj"][at][4::5], 1e6 * energy_j, strict=True)
        last = len(stored["width_pumps_j"]) - 1
        pairs.append((kept["width_ps"][last], _width_ps(setting, stored["width_pumps_j"][last])))
        pairs.append((kept["second_ratio"], _second_ratio(setting)))
    free = _free()
    pairs += zip(stored["free"]["energy_uj"], free["energy_uj"], strict=True)
    return max(abs(kept / float(new) - 1.0) for kept, new in pairs)


def _mode(setting: Setting) -> Table:
    off = without_modulation(setting)
    pumps_j, celsius = np.array(OFFSET_PUMPS_J), np.array(CELSIUS)
    shifted = [
        energies(RESONATOR, replace(setting, offset_trips=trips), pumps_j, celsius, starts=STARTS)[0]
        for trips in OFFSETS
    ]
    on_time = shifted[OFFSETS.index(0)]
    return {
        "locked": _energies(setting),
        "unlocked": _energies(off),
        "width_ps": _rounded([_width_ps(setting, pump_j) for pump_j in WIDTH_PUMPS_J]),
        "unlocked_width_ps": _rounded([_width_ps(off, pump_j) for pump_j in WIDTH_PUMPS_J]),
        "offset_ratios": [_rounded(energy_j / on_time) for energy_j in shifted],
        "second_ratio": _rounded([_second_ratio(setting)])[0],
    }


def _energies(setting: Setting) -> Table:
    """Thresholds over temperature, and energies over what is above them."""
    celsius = np.array(TEMPERATURES_C)[:, None]
    low, high = np.full_like(celsius, 4.0), np.full_like(celsius, 20.0)
    for steps in (40, 40, 10):  # to 0.4 J, 10 mJ, 1 mJ
        pumps_j = low + (high - low) * np.linspace(0.0, 1.0, steps + 1)
        lit = energies(RESONATOR, setting, pumps_j, celsius, starts=1)[0] > 0.0
        first = np.argmax(lit, axis=1)[:, None]
        low, high = np.take_along_axis(pumps_j, first - 1, 1), np.take_along_axis(pumps_j, first, 1)
    energy_j, _ = energies(RESONATOR, setting, high + np.array(OVER_J), celsius, starts=STARTS)
    return {"threshold_j": _rounded(high[:, 0]), "energy_uj": [_rounded(1e6 * row) for row in energy_j]}


def _width_ps(setting: Setting, pump_j: float) -> float:
    return shot(RESONATOR, setting, pump_j, CELSIUS, slices=256).width_s * 1e12


def _second_ratio(setting: Setting) -> float:
    """Of a second pulse that the gain left by the first one makes, dumped at its peak, to the first."""
    first = shot(RESONATOR, setting, PUMP_J, CELSIUS, slices=256)
    left = float(first.gains[-1])
    lost = RESONATOR.loss - math.log(passing(RESONATOR, setting)[-1])
    full_j = RESONATOR.beam_cm2 * alexandrite.saturation_fluence_j_cm2(CELSIUS) / 2
    peak_j = full_j * (left - lost - lost * math.log(left / lost))
    return peak_j * RESONATOR.dump_efficiency / first.energy_j


def _free() -> Table:
    runs = [free_run(RESONATOR, pump_j, CELSIUS) for pump_j in FREE_PUMPS_J]
    return {
        "pumps_j": list(FREE_PUMPS_J),
        "energy_uj": _rounded([run.energy_j * 1e6 for run in runs]),
        "width_ps": _rounded([run.width_s * 1e12 for run in runs]),
        "begin_us": _rounded([run.begin_s * 1e6 for run in runs]),
    }


def _rounded(values: list[float] | Array) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
