"""The picosecond resonator: mode-locked, regeneratively amplified, cavity-dumped, round trip by round trip.

Theory of operation: the Pockels cell holds the resonator shut while the lamp pumps. Then it is opened and
driven with a sine that lets light pass at one place of the round trip: out of the spontaneous noise a pulse
forms, narrowed by the modulation and broadened by the tuner (active mode locking), and is amplified until it
has used up as much of the gain as the dump setting says: a photodiode behind an end mirror adds up what
passes, and when its charge reaches the set one (the sum of the circulating energies, `dump_charge_j`), the
cell goes to quarter wave and the polariser throws the pulse out, `offset_trips` later if a delay is set.
Since ln(g0/g) of the gain is proportional to that sum, dumping at a set charge makes the energy a straight
line over the stored energy, which dumping at the peak does not.

Two models with one set of constants: `shot` carries the field of the pulse over the round trip and yields
energy, width and profile; `energies` carries energies alone, for whole grids of pumps and temperatures at
once.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sim_device.optics import alexandrite
from sim_device.optics.amplifier import Array, round_trip, shaped_round_trip

Field: TypeAlias = NDArray[np.complex128]

LIGHT_SPEED_M_S: Final = 299_792_458.0
FORMED_TRIPS: Final = 600  # [D] three time constants of the pulse's narrowing: its shape stands
TRIPS_MAX: Final = 3_000  # [C] 20 us: a pulse that has not formed by then never will


@dataclass(frozen=True, slots=True)
class Resonator:
    """What is built in; the same for all modes."""

    optical_length_m: float = 1.0  # [C] LASER_FACTS: round trip 6.67 ns
    rod_diameter_cm: float = 0.63  # [P]
    rod_length_cm: float = 8.0  # [P/C] 80 mm
    beam_diameter_cm: float = (
        0.40  # [C] 1.6 J/cm2 on coatings at 200 mJ, where some 3 J/cm2 at 0.7 ns are safe
    )
    # [C] rod 2 x 8 cm x 0.001 /cm [P] = 1.6 %, Pockels cell 0.5 %, polariser 0.5 %, mirrors 0.4 %
    loss: float = 0.030
    dump_efficiency: float = 0.96  # [C] polariser and Pockels cell, once
    dump_rise_s: float = 3e-9  # [C] fast Pockels driver, from none to quarter wave
    filter_hz: float = (
        6.5e9  # [C] width (FWHM) of tuner and thick etalon a round trip; the line itself is far wider
    )
    pump_s: float = 150e-6  # [C] LASER_FACTS
    pump_efficiency: float = 0.0483  # [D] of lamp energy into stored energy; fitted to 200 mJ at 43 J
    # [C] the lamp gets opaque to itself: fitted so that the largest mode begins to give light at 10 J [P]
    lamp_saturation_j: float = 200.0
    modes_of_noise: float = (
        43.0  # [D] modes within the filter, each with one photon: filter width x round trip
    )

    @property
    def round_trip_s(self) -> float:
        """Time of a round trip."""
        return 2 * self.optical_length_m / LIGHT_SPEED_M_S

    @property
    def beam_cm2(self) -> float:
        """Cross section of the beam in the rod."""
        return math.pi * self.beam_diameter_cm**2 / 4

    @property
    def rod_cm2(self) -> float:
        """Cross section of the rod."""
        return math.pi * self.rod_diameter_cm**2 / 4

    @property
    def noise_j(self) -> float:
        """Spontaneous light at the start."""
        return self.modes_of_noise * alexandrite.PHOTON_J

    def stored_j_cm2(self, pump_j: float, celsius: float) -> float:
        """Stored energy at the end of the pump, over the rod's cross section."""
        pumped_j = self.pump_efficiency * pump_j / (1.0 + pump_j / self.lamp_saturation_j)
        return pumped_j * alexandrite.storage_efficiency(celsius, self.pump_s) / self.rod_cm2

    def gain(self, pump_j: float, celsius: float) -> float:
        """Round-trip log gain at the end of the pump."""
        return 2 * self.stored_j_cm2(pump_j, celsius) / alexandrite.saturation_fluence_j_cm2(celsius)


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs between the modes: modulation and dump."""

    depth_rad: float  # amplitude of the modulation; 0: the modulation is off
    dump_charge_j: float  # sum of the circulating energies at which the pulse is dumped
    offset_trips: int = 0  # dumped so many round trips later (earlier if negative)
    gate_delay_s: float = 0.0  # of the dump's switching against its place before the pulse


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot: what came out and how it came about."""

    energy_j: float  # 0: the charge was never reached
    width_s: float  # full width at half maximum
    times_s: Array  # of the profile, the middle of the round trip at 0
    power_w: Array  # what came out
    circulating_j: Array  # after each round trip up to the dump, the start first
    gains: Array  # round-trip log gain at the same times
    lost_j: float  # into losses, modulator and tuner up to the dump


def transmission(setting: Setting, phase: Array) -> Array:
    """Of the modulator, over the phase of the round trip (-1/2 to 1/2)."""
    return np.cos(setting.depth_rad * np.sin(np.pi * phase)) ** 2


def gate(resonator: Resonator, setting: Setting, times_s: Array) -> Array:
    """Share that the dump throws out as it switches, by default a quarter round trip before the pulse."""
    middle_s = -resonator.round_trip_s / 4 + setting.gate_delay_s
    ramp = np.clip((times_s - middle_s) / resonator.dump_rise_s + 0.5, 0.0, 1.0)
    return np.sin(np.pi / 2 * ramp) ** 2


def shot(
    resonator: Resonator,
    setting: Setting,
    pump_j: float,
    celsius: float,
    *,
    slices: int = 512,
    noise: np.random.Generator | None = None,
) -> Shot:
    """One shot with its profile over time, from even spontaneous light or from random light by `noise`."""
    trip_s = resonator.round_trip_s
    phase = (np.arange(slices) + 0.5) / slices - 0.5
    modulator = np.sqrt(transmission(setting, phase))
    tuner = _tuner(resonator, slices)
    saturation_j = resonator.beam_cm2 * alexandrite.saturation_fluence_j_cm2(celsius)
    decay = math.exp(-trip_s / alexandrite.lifetime_s(celsius))
    kept = math.exp(-resonator.loss)
    field = _spontaneous(resonator, slices, noise)
    gain = resonator.gain(pump_j, celsius)
    circulating, gains, losses = [_energy(field)], [gain], [0.0]
    fields = deque([field], maxlen=1 + max(0, -setting.offset_trips))
    charge_j = 0.0
    due = TRIPS_MAX
    for trip in range(1, TRIPS_MAX + 1):
        ratio, gain = shaped_round_trip(np.abs(field) ** 2, gain, saturation_j)
        field = field * np.sqrt(ratio)
        amplified_j = _energy(field)
        if setting.depth_rad:
            field = field * modulator
        field = np.fft.ifft(np.fft.fft(field) * tuner) * math.sqrt(kept)
        gain *= decay
        energy_j = _energy(field)
        circulating.append(energy_j)
        gains.append(gain)
        losses.append(amplified_j - energy_j)
        fields.append(field)
        charge_j += energy_j
        if charge_j >= setting.dump_charge_j and due == TRIPS_MAX:
            due = trip + max(0, setting.offset_trips)
        if trip == due or (energy_j < resonator.noise_j and gain < resonator.loss):
            break
    dumped = charge_j >= setting.dump_charge_j
    if dumped:
        field = fields[0]
    trips = len(gains) - (len(fields) - 1 if dumped else 0)
    times_s, power_w = _dump(resonator, setting, field)
    if not dumped:
        power_w = np.zeros_like(power_w)
    return Shot(
        energy_j=float(np.sum(power_w)) * trip_s / slices,
        width_s=full_width(times_s, power_w) if dumped else 0.0,
        times_s=times_s,
        power_w=power_w,
        circulating_j=np.array(circulating[:trips]),
        gains=np.array(gains[:trips]),
        lost_j=sum(losses[:trips]),
    )


def _dump(resonator: Resonator, setting: Setting, field: Field) -> tuple[Array, Array]:
    """Power over time that leaves in the round trip in which the dump switches, and in the next."""
    trip_s, slices = resonator.round_trip_s, field.size
    times_s = ((np.arange(2 * slices) + 0.5) / slices - 0.5) * trip_s
    thrown = gate(resonator, setting, times_s)
    # In the next round trip the cell stands at quarter wave: what was left goes out as well.
    thrown[slices:] = 1.0 - thrown[:slices]
    power_w = np.tile(np.abs(field) ** 2, 2) * slices / trip_s
    return times_s, power_w * thrown * resonator.dump_efficiency


def full_width(times_s: Array, power_w: Array) -> float:
    """From the first to the last crossing of half the largest power, between slices on a straight line."""
    half = float(np.max(power_w)) / 2
    above = np.flatnonzero(power_w > half)
    first, last = int(above[0]), int(above[-1])

    def crossing(low: int, high: int) -> float:
        if not 0 <= low < power_w.size or not 0 <= high < power_w.size:
            return float(times_s[min(max(low, 0), power_w.size - 1)])
        share = (half - power_w[low]) / (power_w[high] - power_w[low])
        return float(times_s[low] + share * (times_s[high] - times_s[low]))

    return crossing(last + 1, last) - crossing(first - 1, first)


def passing(resonator: Resonator, setting: Setting, trips: int = FORMED_TRIPS, slices: int = 512) -> Array:
    """What modulator and tuner let pass in each of the first round trips, of a pulse not yet saturating."""
    phase = (np.arange(slices) + 0.5) / slices - 0.5
    modulator, tuner = np.sqrt(transmission(setting, phase)), _tuner(resonator, slices)
    field = _spontaneous(resonator, slices, None)
    passed = np.ones(trips)
    for trip in range(trips):
        before_j = _energy(field)
        if setting.depth_rad:
            field = field * modulator
        field = np.fft.ifft(np.fft.fft(field) * tuner)
        passed[trip] = _energy(field) / before_j
    return passed


def steady_width_s(resonator: Resonator, depth_rad: float) -> float:
    """Width that modulation and tuner alone lead to after very many round trips (Kuizenga and Siegman).

    The field is exp(-a t^2); the modulator adds u to a in each round trip, the tuner makes 1/a larger by 4 c.
    """
    u, c = narrowing(resonator, depth_rad)
    a = (u + math.sqrt(u * u + u / c)) / 2  # before the tuner acts: a = a / (1 + 4 a c) + u
    return math.sqrt(2 * math.log(2) / (a - u))


def narrowing(resonator: Resonator, depth_rad: float) -> tuple[float, float]:
    """The modulator's u in 1/s^2 and the tuner's c in s^2, each for one round trip, of a short pulse."""
    u = (depth_rad * math.pi / resonator.round_trip_s) ** 2 / 2
    return u, math.log(2) / (2 * (math.pi * resonator.filter_hz) ** 2)


def energies(
    resonator: Resonator, setting: Setting, pump_j: Array, celsius: Array, *, starts: int = 8
) -> tuple[Array, Array]:
    """Mean energy in J over the chance of the start, and its relative spread, for pumps and temperatures.

    Both are arrays that broadcast. The start decides where within a round trip the charge is reached;
    `starts` evenly spread ones stand for all.
    """
    loss = resonator.loss
    pump_j, celsius = (values[..., None] for values in np.broadcast_arrays(pump_j, celsius))
    saturation_j = np.vectorize(alexandrite.saturation_fluence_j_cm2)(celsius) * resonator.beam_cm2
    decay = np.exp(-resonator.round_trip_s / np.vectorize(alexandrite.lifetime_s)(celsius))
    gain = np.vectorize(resonator.gain)(pump_j, celsius) * np.ones(starts)
    passed = passing(resonator, setting) * math.exp(-loss)
    growth = np.maximum(
        gain + math.log(passed[-1]), 0.0
    )  # the starts are spread evenly over one round trip's
    energy_j = resonator.noise_j * np.exp(growth * (np.arange(starts) + 0.5) / starts)
    charge_j, dumped_j = np.zeros_like(gain), np.zeros_like(gain)
    due = np.full(gain.shape, 2 * TRIPS_MAX)
    latest: deque[Array] = deque(maxlen=1 + max(0, -setting.offset_trips))
    for trip in range(TRIPS_MAX):
        energy_j, gain = round_trip(energy_j, gain, saturation_j)
        energy_j = energy_j * passed[min(trip, FORMED_TRIPS - 1)]
        gain = gain * decay
        latest.append(energy_j)
        charge_j = charge_j + energy_j
        due[(charge_j >= setting.dump_charge_j) & (due > TRIPS_MAX)] = trip + max(0, setting.offset_trips)
        dumped_j = np.where(due == trip, latest[0], dumped_j)
        if np.all((due <= trip) | ((gain < loss) & (energy_j < resonator.noise_j))):
            break
    dumped_j *= resonator.dump_efficiency
    mean_j = dumped_j.mean(axis=-1)
    return mean_j, dumped_j.std(axis=-1) / np.maximum(mean_j, 1e-12)


def without_modulation(setting: Setting) -> Setting:
    """The same setting while the modulator fails."""
    return replace(setting, depth_rad=0.0)


def _spontaneous(resonator: Resonator, slices: int, noise: np.random.Generator | None) -> Field:
    """The field at the start; the square of its amount is the energy of a slice."""
    if noise is None:
        return np.full(slices, math.sqrt(resonator.noise_j / slices), dtype=np.complex128)
    real, imaginary = noise.normal(0.0, math.sqrt(resonator.noise_j / slices / 2), (2, slices))
    return np.asarray(real + 1j * imaginary, dtype=np.complex128)


def _tuner(resonator: Resonator, slices: int) -> Array:
    """Gaussian transmission of the field over the modes of the resonator."""
    frequency_hz = np.fft.fftfreq(slices, resonator.round_trip_s / slices)
    transmitted: Array = np.exp(-2 * math.log(2) * (frequency_hz / resonator.filter_hz) ** 2)
    return transmitted


def _energy(field: Field) -> float:
    return float(np.vdot(field, field).real)
