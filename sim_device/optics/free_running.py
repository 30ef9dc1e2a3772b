"""A resonator whose Pockels cell does not hold off: the rod lases by itself while the lamp pumps it.

The same rate equations as a Q-switch, with the pump in them: dg/dt = pump - g/tau - 2 q g/(A Js T). Light
starts when the gain passes the losses, spikes, and settles to what the pump supplies. Nothing selects the
small beam of the picosecond pulse: there is time for modes of all orders, and the whole rod gives light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim_device.optics import alexandrite
from sim_device.optics.amplifier import Array
from sim_device.optics.resonator import Resonator

# [C] log share a round trip that a cell stuck between its two voltages turns out through the polariser
STUCK_COUPLING: Final = 0.05
TAIL: Final = 1.2  # the light has ended well within this many pump times
MIDDLE: Final = (0.1, 0.9)  # between these shares of the energy a rectangular pulse spends 0.8 of its width


@dataclass(frozen=True, slots=True)
class FreeRun:
    """What comes out of one lamp shot."""

    energy_j: float
    width_s: float  # of a rectangle with the same time between a tenth and nine tenths of the energy
    begin_s: float  # from the start of the pump to a tenth of the energy
    times_s: Array
    power_w: Array
    gains: Array


def free_run(resonator: Resonator, pump_j: float, celsius: float, *, trips_per_step: float = 1.0) -> FreeRun:
    """One lamp shot into an open resonator."""
    saturation_j = resonator.rod_cm2 * alexandrite.saturation_fluence_j_cm2(celsius)
    step_s = trips_per_step * resonator.round_trip_s
    # Without loss of upper-state life the whole pump would be stored at its end.
    efficiency = alexandrite.storage_efficiency(celsius, resonator.pump_s)
    pumped = resonator.gain(pump_j, celsius) / efficiency * step_s / resonator.pump_s
    life = step_s / alexandrite.lifetime_s(celsius)
    lost = resonator.loss + STUCK_COUPLING
    seed_j = resonator.noise_j
    steps = int(TAIL * resonator.pump_s / step_s)
    pumped_steps = resonator.pump_s / step_s
    inside_j, gain = seed_j, 0.0
    energies, gains = np.empty(steps), np.empty(steps)
    for index in range(steps):
        # Each factor is exact for its own process over the step: neither light nor gain goes below zero.
        inside_j = inside_j * math.exp((gain - lost) * trips_per_step) + seed_j
        taken = 2 * inside_j / saturation_j * trips_per_step
        gain = gain * math.exp(-taken - life) + (pumped if index < pumped_steps else 0.0)
        energies[index], gains[index] = inside_j, gain
    power_w = STUCK_COUPLING * energies / resonator.round_trip_s
    total_j = np.cumsum(power_w) * step_s
    energy_j = float(total_j[-1])
    times_s: Array = step_s * np.arange(1.0, steps + 1)
    begin_s, end_s = (float(np.interp(share * energy_j, total_j, times_s)) for share in MIDDLE)
    return FreeRun(energy_j, (end_s - begin_s) / (MIDDLE[1] - MIDDLE[0]), begin_s, times_s, power_w, gains)
