"""The laser head at run time: the light of one lamp shot from pump energy, mode and rod temperature.

Theory of operation: energy and width are read from head.json, a table made by the resonator's model
(`sim_device.optics`; docs/physics.md explains and draws it, and states the table's error). What that model
does not know stands here: noise from shot to shot, slow drift, and the rod's own temperature. The rod warms
with each shot and cools into the coolant with its time constant, slower the less water flows. The thermal
lens follows it; a shot after a pause finds the lens gone and gives `first_pulse_ratio` of what it gives in a
series at 10 Hz and full pump. The drift is an Ornstein-Uhlenbeck walk in closed form over the time between
shots, held within its bound.
"""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final, NamedTuple

SHOT_SIGMA: Final = (
    0.02  # [C] energy, shot to shot; of it 1.7 to 2.2 % are the whole round trips of the dump [D]
)
WIDTH_SIGMA: Final = 0.02  # [C] width, shot to shot
WIDTH_LEAST: Final = 0.1  # [C] of the mean: noise takes no more away
DRIFT_SIGMA: Final = 0.01  # [C]
DRIFT_BOUND: Final = 0.03  # [C] within the makers' +-5 % over 30 min
DRIFT_TAU_S: Final = 600.0  # [C]
ROD_TAU_S: Final = 0.23  # [D] r^2 / (5.78 kappa), r = 3.15 mm
STILL_WATER: Final = 0.1  # [C] of the rod's cooling that is left when no water flows around it
ROD_HEAT: Final = 0.05  # [C] share of the lamp's energy that ends as heat in the rod
ROD_J_K: Final = 7.66  # [D] 6.3 mm x 80 mm of 3.7 g/cm3 and 0.83 J/(g K)
HEAT_K_J: Final = ROD_HEAT / ROD_J_K
# Over-energetic is published for Q-switched lasers [P]; the size is [C], inside drift and judgement.
FIRST_PULSE_RATIO: Final = 1.02
_KEPT_AT_10HZ: Final = math.exp(-0.1 / ROD_TAU_S)
# [D] how much warmer than the coolant the rod is at each shot of a series at 10 Hz and 43 J
ROD_WARM_K: Final = HEAT_K_J * 43.0 * _KEPT_AT_10HZ / (1.0 - _KEPT_AT_10HZ)
SECOND_PULSE_US: Final = 3  # [D] a second pulse builds up slower than the first, from the gain that was left
PUMP_DELAY_US: Final = 50  # [C] trigger to pump: the arc widens; the Pockels cell opens at the pump's end


class Light(NamedTuple):
    """One optical pulse that leaves the head."""

    delay_us: int  # after the time of the call
    energy_uj: float
    width_ps: float


class _Curve:
    """Values over a rising axis, on straight lines; the last line goes on, before the first value stands."""

    def __init__(self, axis: list[float], values: list[float]) -> None:
        self._axis, self._values = axis, values

    def at(self, x: float) -> float:
        axis, values = self._axis, self._values
        if x <= axis[0]:
            return values[0]
        upper = bisect_right(axis, x, 0, len(axis) - 1)
        low_x, low = axis[upper - 1], values[upper - 1]
        return low + (values[upper] - low) * (x - low_x) / (axis[upper] - low_x)


class _Energies:
    """Pulse energy over temperature and over what the pump has above that temperature's threshold."""

    def __init__(self, temperatures_c: list[float], over_j: list[float], table: dict[str, Any]) -> None:
        self._first_c = temperatures_c[0]
        self._step_c = temperatures_c[1] - temperatures_c[0]  # they are even
        self._top = len(temperatures_c) - 1.001
        self._thresholds_j: list[float] = table["threshold_j"]
        self._over_j = over_j
        self._rows: list[list[float]] = table["energy_uj"]

    def at(self, pump_j: float, celsius: float) -> float:
        place = (celsius - self._first_c) / self._step_c
        if not 0.0 <= place <= self._top:
            place = min(max(place, 0.0), self._top)
        low = int(place)
        warm = place - low
        cool = 1.0 - warm
        over_j = pump_j - self._thresholds_j[low] * cool - self._thresholds_j[low + 1] * warm
        if over_j <= 0.0:
            return 0.0
        axis, row, next_row = self._over_j, self._rows[low], self._rows[low + 1]
        upper = bisect_right(axis, over_j, 0, len(axis) - 1)
        lower = upper - 1
        more = (over_j - axis[lower]) / (axis[upper] - axis[lower])
        lower_uj = row[lower] * cool + next_row[lower] * warm
        return lower_uj + (row[upper] * cool + next_row[upper] * warm - lower_uj) * more


class _Mode:
    """One mode of the table."""

    def __init__(self, table: dict[str, Any], mode: dict[str, Any]) -> None:
        axes = table["temperatures_c"], table["over_j"]
        self.energies = {locked: _Energies(*axes, mode[name]) for name, locked in _LOCKED.items()}
        self.widths = {
            True: _Curve(table["width_pumps_j"], mode["width_ps"]),
            False: _Curve(table["width_pumps_j"], mode["unlocked_width_ps"]),
        }
        self.second_ratio: float = mode["second_ratio"]
        self._offsets: list[float] = table["offsets"]
        self._ratios = [_Curve(table["offset_pumps_j"], row) for row in mode["offset_ratios"]]

    def offset_ratio(self, trips: int, pump_j: float) -> float:
        """Energy dumped so many round trips late to energy dumped on time."""
        within = min(max(trips, self._offsets[0]), self._offsets[-1])
        return _Curve(self._offsets, [ratio.at(pump_j) for ratio in self._ratios]).at(within)


_LOCKED: Final = {"locked": True, "unlocked": False}
_TABLE: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("head.json").read_text("utf-8"))
_MODES: Final = {int(name): _Mode(_TABLE, mode) for name, mode in _TABLE["modes"].items()}
_FREE: Final = {
    name: _Curve(_TABLE["free"]["pumps_j"], _TABLE["free"][name])
    for name in ("energy_uj", "width_ps", "begin_us")
}
MODES_PS: Final = frozenset(_MODES)
DUMP_OFFSETS: Final = (_TABLE["offsets"][0], _TABLE["offsets"][-1])
"""Least and largest `dump_offset_trips` that the table knows; beyond them the nearest holds."""


def pulse_energy_uj(mode_width_ps: int, pump_j: float, celsius: float, *, locked: bool = True) -> float:
    """Mean energy in this mode of `MODES_PS`; 0 below threshold. The rod's temperature counts."""
    return _MODES[mode_width_ps].energies[locked].at(pump_j, celsius)


def pulse_width_ps(mode_width_ps: int, pump_j: float, *, locked: bool = True) -> float:
    """Mean width in this mode of `MODES_PS`."""
    return _MODES[mode_width_ps].widths[locked].at(pump_j)


class Head:
    """One shot at a time; its chance, its drift and its rod's temperature are its own.

    Set through `Plant.act`: `locked` (the modulation locks the modes; if not, the pulse is as long as the
    round trip), `width_ratio`, `slope_ratio` (energy of every pulse; dirty optics), `pulses_per_trigger`
    (Pockels cell that rings), `hold_off` (the Pockels cell keeps the resonator shut while the lamp pumps; if
    not, the rod runs free), `dump_offset_trips` (dumped so many round trips late), `first_pulse_ratio`,
    `shot_sigma`, `width_sigma`.
    """

    __slots__ = (
        *("drift", "dump_offset_trips", "first_pulse_ratio", "hold_off", "locked", "pulses_per_trigger"),
        *("shot_sigma", "slope_ratio", "width_ratio", "width_sigma"),
        *("_chance", "_cooled", "_cooling", "_elapsed_us", "_kept", "_shot_us", "_step", "_warm_k"),
        *("_warm_us",),
    )

    def __init__(self, chance: random.Random) -> None:
        self.locked = True
        self.hold_off = True
        self.width_ratio = 1.0
        self.slope_ratio = 1.0
        self.pulses_per_trigger = 1
        self.dump_offset_trips = 0
        self.first_pulse_ratio = FIRST_PULSE_RATIO
        self.shot_sigma = SHOT_SIGMA
        self.width_sigma = WIDTH_SIGMA
        self.drift = 0.0
        self._shot_us = 0  # the latest shot
        self._warm_k = 0.0  # rod above coolant, just after it or after a change of the flow
        self._warm_us = 0  # that time
        self._cooling = 1.0  # of the rod's cooling in full flow
        self._elapsed_us = 0  # for which these hold: what is left of drift and warmth, the drift's step
        self._kept, self._step, self._cooled = 1.0, 0.0, 1.0
        self._chance = chance

    def warm_k(self, now_us: int) -> float:
        """How much warmer than the coolant the rod is at `now_us`, which is not before the latest shot."""
        return self._warm_k * math.exp((self._warm_us - now_us) / (1e6 * ROD_TAU_S) * self._cooling)

    def cool(self, now_us: int, flow: float) -> None:
        """Let this share of the healthy flow, 0 to 1, carry away the heat of the rod from now on."""
        cooling = STILL_WATER + (1.0 - STILL_WATER) * flow
        if cooling != self._cooling:
            self._warm_k, self._warm_us = self.warm_k(now_us), now_us
            self._cooling = cooling
            self._elapsed_us = -1  # what it held for is another flow

    def shoot(self, now_us: int, pump_j: float, mode_width_ps: int, celsius: float) -> tuple[Light, ...]:
        """Let the Pockels cell work on a rod pumped with `pump_j`: the pulses, none below threshold.

        `mode_width_ps` is one of `MODES_PS`, `celsius` the coolant's. Without hold-off the rod has nothing
        left.
        """
        mode, locked = _MODES[mode_width_ps], self.locked
        warm_k, noise = self._pumped(now_us, pump_j)
        width_noise = self._chance.gauss(1.0, self.width_sigma)
        width_noise = width_noise if width_noise > WIDTH_LEAST else WIDTH_LEAST
        if not self.hold_off:
            return ()
        energy_uj = mode.energies[locked].at(pump_j, celsius + warm_k) * noise
        if self.first_pulse_ratio != 1.0:
            relaxed = 1.0 - warm_k / ROD_WARM_K
            energy_uj *= 1.0 + (self.first_pulse_ratio - 1.0) * (relaxed if relaxed > 0.0 else 0.0)
        if self.dump_offset_trips:
            energy_uj *= mode.offset_ratio(self.dump_offset_trips, pump_j)
        if energy_uj <= 0.0:
            return ()
        width_ps = mode.widths[locked].at(pump_j) * self.width_ratio * width_noise
        first = Light(0, energy_uj, width_ps)
        if self.pulses_per_trigger == 1:
            return (first,)
        return tuple(
            Light(number * SECOND_PULSE_US, energy_uj * mode.second_ratio**number, width_ps)
            for number in range(self.pulses_per_trigger)
        )

    def free_run(self, now_us: int, pump_j: float) -> Light | None:
        """What leaves a rod pumped with `pump_j` by itself after a trigger now; None while hold-off holds.

        One long flash at the time at which a tenth of it has left. The table is that of 60 degC; a rod of
        20 degC would give 2 % less.
        """
        if self.hold_off or (energy_uj := _FREE["energy_uj"].at(pump_j)) < 1.0:
            return None
        _, noise = self._pumped(now_us, pump_j)
        begin_us, width_ps = _FREE["begin_us"].at(pump_j), _FREE["width_ps"].at(pump_j)
        return Light(PUMP_DELAY_US + round(begin_us), energy_uj * noise, width_ps)

    def _pumped(self, now_us: int, pump_j: float) -> tuple[float, float]:
        """Bring drift and rod to this shot: how warm the rod was, and the factor of all its light."""
        if now_us - self._shot_us != self._elapsed_us:  # in a series every pause is the same
            self._elapsed_us = now_us - self._shot_us
            self._kept = math.exp(-self._elapsed_us / (1e6 * DRIFT_TAU_S))
            self._step = DRIFT_SIGMA * math.sqrt(1.0 - self._kept * self._kept)
            self._cooled = math.exp(-self._elapsed_us / (1e6 * ROD_TAU_S) * self._cooling)
        steady = self._warm_us == self._shot_us
        warm_k = self._warm_k * self._cooled if steady else self.warm_k(now_us)
        self._shot_us = self._warm_us = now_us
        gauss = self._chance.gauss
        drift = self.drift * self._kept + gauss(0.0, self._step)
        if abs(drift) > DRIFT_BOUND:
            drift = math.copysign(DRIFT_BOUND, drift)
        self.drift = drift
        self._warm_k = warm_k + HEAT_K_J * pump_j
        noise = gauss(1.0, self.shot_sigma)
        return warm_k, self.slope_ratio * (1.0 + drift) * (noise if noise > 0.0 else 0.0)
