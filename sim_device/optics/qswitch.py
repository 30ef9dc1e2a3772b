"""The plain Q-switched laser, three times: Degnan's closed form, the rate equations, the round-trip map.

It is what the resonator's model is checked against: with g the round-trip log gain and q the energy in the
resonator, dq/dt = q (g - L - ln 1/R)/T and dg/dt = -2 q g/(A Js T). The closed form is exact for them at the
best coupling; the map (Frantz-Nodvik once a round trip, then the losses) meets them as the losses go to zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from sim_device.optics.amplifier import round_trip

State: TypeAlias = tuple[float, float]  # energy in the resonator in J, round-trip log gain
SEED_SHARE: Final = 1e-12  # of A Js / 2: a start so small that it moves nothing in the result


@dataclass(frozen=True, slots=True)
class Case:
    """A rod pumped to z times its internal loss, in a resonator with the mirror that suits it best."""

    ratio: float  # z = g0 / L
    loss: float  # L, internal, a round trip
    area_cm2: float
    saturation_j_cm2: float
    round_trip_s: float

    @property
    def coupling(self) -> float:
        """Degnan's ln 1/R."""
        z = self.ratio
        return self.loss * (z - 1.0 - math.log(z)) / math.log(z)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What leaves through the mirror."""

    energy_j: float
    width_s: float  # energy over peak power


def closed_form(case: Case) -> Pulse:
    """Degnan, J. Quantum Electron. 25 (1989) 214."""
    z = case.ratio
    energy_j = case.area_cm2 * case.saturation_j_cm2 * case.loss * (z - 1.0 - math.log(z)) / 2
    a = (z - 1.0) / (z * math.log(z))
    width_s = case.round_trip_s / case.loss * math.log(z) / (z * (1.0 - a * (1.0 - math.log(a))))
    return Pulse(energy_j, width_s)


def rate_equations(case: Case, steps_per_lifetime: int = 100) -> Pulse:
    """The rate equations by Runge-Kutta of fourth order, `steps_per_lifetime` in 1/g0 round trips."""
    full_j = case.area_cm2 * case.saturation_j_cm2 / 2
    lost = case.loss + case.coupling
    step = 1.0 / (steps_per_lifetime * case.ratio * case.loss)

    def slope(state: State) -> State:
        q, gain = state
        return q * (gain - lost), -q * gain / full_j

    def turn(state: State) -> tuple[State, float]:
        state = _runge_kutta(state, slope, step)
        return state, case.coupling * state[0] * step

    return _pulse(case, (SEED_SHARE * full_j, case.ratio * case.loss), turn, step)


def lumped_map(case: Case) -> Pulse:
    """The round-trip map: gain, half the losses, the mirror lets its share out, the other half."""
    saturation_j = np.asarray(case.area_cm2 * case.saturation_j_cm2)

    def turn(state: State) -> tuple[State, float]:
        amplified_j, gain = round_trip(np.asarray(state[0]), np.asarray(state[1]), saturation_j)
        at_mirror_j = float(amplified_j) * math.exp(-case.loss / 2)
        kept_j = at_mirror_j * math.exp(-case.coupling)
        return (kept_j * math.exp(-case.loss / 2), float(gain)), at_mirror_j - kept_j

    return _pulse(case, (SEED_SHARE * float(saturation_j) / 2, case.ratio * case.loss), turn, 1.0)


def _pulse(case: Case, state: State, turn: Callable[[State], tuple[State, float]], step: float) -> Pulse:
    """Turn until the light is gone, adding up what leaves; `step` is a turn in round trips."""
    first_j = state[0]
    energy_j = peak_j = 0.0
    while state[0] >= first_j:
        state, leaving_j = turn(state)
        energy_j += leaving_j
        peak_j = max(peak_j, leaving_j)
    return Pulse(energy_j, energy_j / peak_j * step * case.round_trip_s)


def _runge_kutta(state: State, slope: Callable[[State], State], step: float) -> State:
    q, gain = state
    one = slope(state)
    two = slope((q + one[0] * step / 2, gain + one[1] * step / 2))
    three = slope((q + two[0] * step / 2, gain + two[1] * step / 2))
    four = slope((q + three[0] * step, gain + three[1] * step))
    return (
        q + (one[0] + 2 * two[0] + 2 * three[0] + four[0]) * step / 6,
        gain + (one[1] + 2 * two[1] + 2 * three[1] + four[1]) * step / 6,
    )
