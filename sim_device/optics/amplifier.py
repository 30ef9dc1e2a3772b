"""Frantz-Nodvik: how a short pulse takes its energy out of an inverted rod.

One pass through a rod of log gain g turns the fluence J into J' = Js ln(1 + e^g (e^(J/Js) - 1)) and leaves g'
= g - (J' - J)/Js: what the pulse has gained is what the rod has lost. In time, each slice of the pulse sees
the gain that the slices before it have left.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


def one_pass(fluence: Array, gain: Array, saturation: Array) -> tuple[Array, Array]:
    """Fluence and log gain after one pass; both fluences in the same unit."""
    amplified = saturation * np.log1p(np.exp(gain) * np.expm1(fluence / saturation))
    return amplified, gain - (amplified - fluence) / saturation


def round_trip(fluence: Array, gain: Array, saturation: Array) -> tuple[Array, Array]:
    """The same for a round trip in a linear resonator: through the rod and back; `gain` is that of both."""
    there, half = one_pass(fluence, gain / 2, saturation)
    back, half = one_pass(there, half, saturation)
    return back, 2 * half


def shaped_round_trip(profile: Array, gain: float, saturation: float) -> tuple[Array, float]:
    """Gain in power of each slice of a pulse over one round trip, and the round-trip log gain after it.

    `profile` is the fluence of each slice, in the unit of `saturation`, in the order of their arrival.
    """
    ratio = np.ones_like(profile)
    half = gain / 2
    for _ in range(2):
        slices = profile * ratio
        after = np.cumsum(slices) / saturation
        before = after - slices / saturation
        # The exact mean over each slice: energy is conserved for any number of slices.
        passed = np.log1p(np.exp(half) * np.expm1(after)) - np.log1p(np.exp(half) * np.expm1(before))
        small = slices < 1e-12 * saturation
        gained = np.exp(half + before) / (1.0 + np.exp(half) * np.expm1(before))
        ratio = ratio * np.where(small, gained, passed * saturation / np.where(small, 1.0, slices))
        half -= float(np.sum(profile * ratio - slices)) / saturation
    return ratio, 2 * half
