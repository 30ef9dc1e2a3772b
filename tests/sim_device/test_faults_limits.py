"""Where the device tells less than one would wish: that it is so, and no worse, as `LIMITS` says."""

from __future__ import annotations

import itertools
import random

import pytest

from protocols.faults import Fault
from protocols.messages import PulseFlag
from protocols.states import State
from sim_device.faults import CATALOGUE, LIMITS
from sim_device.plant.monitors import Monitors
from tests.sim_device import bench
from tests.sim_device.desk import ENERGY_UJ, MS, S, at


def test_every_limit_is_of_a_fault_there_is_and_is_sorted() -> None:
    assert set(LIMITS) <= set(CATALOGUE)
    assert list(LIMITS) == sorted(LIMITS)


@pytest.mark.shows("REQ-028", "HZ-028")
def test_with_a_weak_charger_every_other_trigger_is_skipped_and_counted_and_none_is_weak() -> None:
    desk = at("emitting")
    desk.run(50 * MS)
    begun_us, skipped = desk.simulator.now_us, desk.device.pulser.skipped
    desk.inject("charger-weak")
    desk.run(4 * S)
    assert desk.state is State.EMITTING
    pulses = desk.light_after(begun_us + 200 * MS)
    assert {late.time_us - early.time_us for early, late in itertools.pairwise(pulses)} == {200 * MS}
    assert abs(desk.device.pulser.skipped - skipped - len(pulses)) <= 2
    assert all(abs(pulse.transmitted_uj - ENERGY_UJ) < 0.15 * ENERGY_UJ for pulse in pulses)


def test_a_pulse_that_a_dead_photodiode_and_two_repeated_readings_hide_trips_and_is_booked_as_missing() -> (
    None
):
    hidden = bench.at("emitting")  # of a laser whose pulses are all alike
    hidden.run(50 * MS)
    fired = len(hidden.triggers)
    hidden.stuck.add("light")
    hidden.run(200 * MS)
    assert len(hidden.triggers) == fired + 1
    assert hidden.first_fault is Fault.PULSE_MISSING
    assert hidden.last_report.flags == {PulseFlag.MISSING}


@pytest.mark.parametrize(("pulse_mj", "share"), [(10, 7e-3), (50, 2e-4)])
def test_two_pulses_in_a_row_read_the_same_as_rarely_as_is_said(pulse_mj: int, share: float) -> None:
    chance, monitors, pulses = random.Random(1), Monitors(random.Random(2)), 60_000
    readings = []
    for _ in range(pulses):
        energy_uj = 1e3 * pulse_mj * chance.gauss(1.0, 0.02)
        monitors.measure(0, energy_uj, energy_uj, 750.0, 0.0)
        readings.append((monitors.a.pulse_uj, monitors.b.pulse_uj))
    same = sum(one == other for one, other in itertools.pairwise(readings))
    assert share / 2 < same / pulses < 2 * share
