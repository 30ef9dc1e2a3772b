"""Faults of lights and monitors: each bites, it ends, and its figures are right."""

from __future__ import annotations

import pytest

from sim_device.board import Outputs
from sim_device.plant import Plant
from tests.sim_device.knobs import fire, powered, turn, warm

S = 1_000_000
MS = 1_000


# --- lights


@pytest.mark.parametrize(
    ("knob", "output", "line", "healthy"),
    [
        ("lights.indicator_ratio", "indicator_on", "indicator_ua", 20_000),
        ("lights.aiming_ratio", "aiming_on", "aiming_uw", 1_000),
    ],
)
def test_a_weak_or_bright_light_reads_so(knob: str, output: str, line: str, healthy: int) -> None:
    plant = powered(**{output: True})
    for ratio in (0.4, 0.0, 6.0, 1.0):
        turn(plant, knob, ratio)
        plant.advance(plant.now_us + S)
        assert getattr(plant.inputs, line) == round(healthy * ratio)


def test_an_aiming_beam_beside_the_laser_is_known_to_the_truth_alone() -> None:
    straight, aside = warm(), warm()
    turn(aside, "lights.aiming_offset_mm", 3.0)
    for plant in (straight, aside):
        fire(plant, aiming_on=True, shutter_open=True)
    assert straight.inputs == aside.inputs
    assert straight.truth.pulses[-1].aiming_offset_mm == 0.0
    assert aside.truth.pulses[-1].aiming_offset_mm == 3.0


# --- monitors

LINE = {"a": "monitor_a_uj", "b": "monitor_b_uj", "port": "port_meter_uj"}
DARK = {"a": "dark_a_uj", "b": "dark_b_uj"}


def reading(plant: Plant, monitor: str) -> int:
    fire(plant, shutter_open=True)
    return int(getattr(plant.inputs, LINE[monitor]))


def quiet(seed: int = 1) -> Plant:
    """Docked, and nothing scatters."""
    plant = warm(seed)

    def silence(p: Plant) -> None:
        p.contacts.docked = True
        for monitor in (p.monitors.a, p.monitors.b, p.monitors.port):
            monitor.sigma = 0.0

    plant.act(silence)
    return plant


@pytest.mark.parametrize("monitor", ["a", "b", "port"])
def test_each_monitor_can_have_a_wrong_gain_an_offset_a_ceiling_or_stand_still(monitor: str) -> None:
    plant = quiet()

    def ratio() -> float:
        value = reading(plant, monitor)
        return value / plant.truth.pulses[-1].energy_uj

    healthy = ratio()
    gain = {"a": 1.04, "b": 0.97, "port": 1.0}[monitor]
    assert healthy == pytest.approx(gain, abs=2e-3)
    turn(plant, f"monitors.{monitor}.gain", gain * 0.5)
    assert ratio() == pytest.approx(0.5 * healthy, abs=2e-3)
    turn(plant, f"monitors.{monitor}.gain", gain)
    turn(plant, f"monitors.{monitor}.dark_uj", 20_000.0)
    assert reading(plant, monitor) == pytest.approx(gain * plant.truth.pulses[-1].energy_uj + 20_000, abs=50)
    if monitor in DARK:
        assert getattr(plant.inputs, DARK[monitor]) == 20_000
    turn(plant, f"monitors.{monitor}.top_uj", 90_000)
    assert reading(plant, monitor) == 90_000
    turn(plant, f"monitors.{monitor}.frozen", True)
    turn(plant, f"monitors.{monitor}.top_uj", 2_000_000)
    assert reading(plant, monitor) == 90_000
    turn(plant, f"monitors.{monitor}.frozen", False)
    assert reading(plant, monitor) > 150_000


@pytest.mark.parametrize("monitor", ["a", "b"])
def test_a_frozen_monitor_does_not_see_its_reference_flash(monitor: str) -> None:
    plant = Plant(1)
    turn(plant, f"monitors.{monitor}.frozen", True)
    plant.drive(Outputs(monitor_test=True))
    plant.advance(S)
    other = "b" if monitor == "a" else "a"
    assert getattr(plant.inputs, DARK[monitor]) < 500
    assert getattr(plant.inputs, DARK[other]) > 35_000


@pytest.mark.parametrize("monitor", ["a", "b", "port"])
def test_a_drifting_monitor_gains_with_time_and_is_itself_again_when_the_drift_ends(monitor: str) -> None:
    plant = quiet()
    plant.advance(100 * S)
    first = reading(plant, monitor) / plant.truth.pulses[-1].energy_uj
    turn(plant, f"monitors.{monitor}.drift_ratio_per_s", 1e-3)
    since_us = plant.now_us
    for after_s in (10, 60, 200):
        plant.advance(since_us + after_s * S - 300 * MS)
        value = reading(plant, monitor) / plant.truth.pulses[-1].energy_uj
        assert value == pytest.approx(first * (1 + 1e-3 * after_s), rel=2e-3)
    turn(plant, f"monitors.{monitor}.drift_ratio_per_s", 0.0)
    assert reading(plant, monitor) / plant.truth.pulses[-1].energy_uj == pytest.approx(first, abs=2e-3)


def test_a_dead_photodiode_counts_nothing_while_the_monitors_see_the_pulse() -> None:
    plant = quiet()
    turn(plant, "monitors.photodiode_dead", True)
    fire(plant)
    assert (plant.inputs.light_count, plant.inputs.pulse_width_ps) == (0, 0)
    assert plant.inputs.monitor_a_uj > 150_000
    turn(plant, "monitors.photodiode_dead", False)
    fire(plant)
    assert plant.inputs.light_count == 1


def test_a_weak_photodiode_reads_long_and_misses_weak_light() -> None:
    plant = quiet()
    turn(plant, "monitors.photodiode_ratio", 0.5)
    fire(plant)
    assert plant.inputs.pulse_width_ps == pytest.approx(2 * plant.truth.pulses[-1].width_ps, rel=0.03)
    turn(plant, "monitors.photodiode_ratio", 1e-4)
    fire(plant)
    assert plant.truth.total == 2
    assert plant.inputs.light_count == 1
