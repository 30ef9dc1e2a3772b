"""The simulated light: energies, conditions, monitors, hardware latch."""

import dataclasses
import math
import statistics
from collections.abc import Callable
from itertools import pairwise

import pytest

from sim_device.board import Outputs
from sim_device.plant import Plant
from sim_device.plant.monitors import Comparator
from tests.sim_device.lit import READY, laser, prepare, shoot, trigger

S = 1_000_000
MS = 1_000


@pytest.mark.parametrize(("mode_ps", "energy_uj"), [(750, 200_000), (650, 180_000), (550, 165_000)])
def test_43_joules_give_each_mode_its_published_energy_and_width_at_60_degrees(
    mode_ps: int, energy_uj: int
) -> None:
    pulse = shoot(laser(quiet=True), dataclasses.replace(READY, mode_width_ps=mode_ps))
    assert pulse.energy_uj == pytest.approx(energy_uj, rel=5e-3)
    assert pulse.width_ps == pytest.approx(mode_ps, rel=2e-3)


@pytest.mark.parametrize("mode_ps", [750, 650, 550])
def test_lamp_energy_and_pulse_energy_follow_nearly_a_straight_line_that_begins_near_10_joules(
    mode_ps: int,
) -> None:
    def energy_uj(joules: float) -> float:
        outputs = dataclasses.replace(
            READY, mode_width_ps=mode_ps, hv_set_mv=round(math.sqrt(2 * joules / 60e-6) * 1000)
        )
        return shoot(laser(quiet=True), outputs).energy_uj

    # The firmware's calibration takes straight lines between its five voltages: 615 to 1240 V.
    levels = [60e-6 * volts**2 / 2 for volts in (615, 820, 980, 1120, 1240)]
    measured = [energy_uj(joules) for joules in levels]
    assert measured[0] > 6_000  # some 100 uJ of offset must not spoil the calibration
    for low, high in pairwise(range(5)):
        for share in (0.25, 0.5, 0.75):
            joules = levels[low] + share * (levels[high] - levels[low])
            line_uj = measured[low] + share * (measured[high] - measured[low])
            assert energy_uj(joules) == pytest.approx(line_uj, rel=0.04)


def test_below_threshold_the_lamp_fires_in_vain() -> None:
    plant = laser()
    trigger(plant, prepare(plant, dataclasses.replace(READY, hv_set_mv=555_000)))
    assert plant.inputs.hv_mv == 0
    plant.advance(plant.now_us + MS)
    assert (plant.truth.total, plant.truth.dark, plant.truth.blocked) == (0, 1, 0)
    assert plant.inputs.light_count == 0


def test_the_energy_hardly_moves_with_the_coolant_around_its_set_point_and_falls_in_the_cold() -> None:
    at_60 = shoot(laser(quiet=True)).energy_uj
    for celsius in (55.0, 58.0, 62.0, 65.0):  # more gain, but less stored: docs/physics.md
        assert shoot(laser(quiet=True, celsius=celsius)).energy_uj == pytest.approx(at_60, rel=0.01)
    assert 0.9 < shoot(laser(quiet=True, celsius=20.0)).energy_uj / at_60 < 0.96


def test_energy_and_width_scatter_by_2_percent_and_drift_stays_small() -> None:
    plant = laser()
    pulses = [shoot(plant) for _ in range(400)]
    energies = [pulse.energy_uj for pulse in pulses]
    assert statistics.mean(energies) == pytest.approx(200_000, rel=0.04)
    assert 0.015 < statistics.stdev(energies) / statistics.mean(energies) < 0.03
    widths = [pulse.width_ps for pulse in pulses]
    assert statistics.mean(widths) == pytest.approx(750, rel=0.005)
    assert 0.017 < statistics.stdev(widths) / 750 < 0.023


def test_the_drift_walks_slowly_and_within_its_bound() -> None:
    plant = laser()
    drifts = []
    for _ in range(200):
        shoot(plant)
        drifts.append(plant.head.drift)
        plant.advance(plant.now_us + 300 * S)
        plant.act(lambda p: p.coolant.set_celsius(p.now_us, 60.0))
    assert max(abs(drift) for drift in drifts) <= 0.03
    assert 0.005 < statistics.pstdev(drifts) < 0.02


def test_monitors_have_gain_noise_and_steps_and_answer_100_us_after_the_pulse() -> None:
    plant = laser()
    outputs = dataclasses.replace(READY, shutter_open=True)
    ratios_a, ratios_b, widths = [], [], []
    for number in range(200):
        armed = prepare(plant, outputs)
        start_us = plant.now_us
        trigger(plant, armed)
        plant.advance(start_us + 299)
        assert plant.inputs.light_count == number
        plant.advance(start_us + 300)
        assert plant.inputs.light_count == number + 1
        pulse = plant.truth.pulses[-1]
        assert pulse.time_us == start_us + 200
        assert plant.inputs.pulse_width_ps == pytest.approx(pulse.width_ps, rel=0.025)
        widths.append(plant.inputs.pulse_width_ps / pulse.width_ps)
        assert plant.inputs.monitor_a_uj % 50 == plant.inputs.monitor_b_uj % 50 == 0
        assert plant.inputs.port_meter_uj == 0
        ratios_a.append(plant.inputs.monitor_a_uj / pulse.energy_uj)
        ratios_b.append(plant.inputs.monitor_b_uj / pulse.energy_uj)
    assert statistics.mean(ratios_a) == pytest.approx(1.04, abs=0.004)
    assert statistics.mean(ratios_b) == pytest.approx(0.97, abs=0.004)
    assert 0.008 < statistics.stdev(ratios_a) < 0.012
    assert 0.008 < statistics.stdev(ratios_b) < 0.012
    assert statistics.mean(widths) == pytest.approx(1.0, abs=0.002)
    assert 0.004 < statistics.stdev(widths) < 0.006


def test_behind_a_closed_shutter_there_is_no_light() -> None:
    plant = laser()
    pulse = shoot(plant)
    assert pulse.transmitted_uj == 0
    assert not pulse.aperture
    assert not pulse.port
    assert plant.inputs.monitor_a_uj > 150_000
    assert plant.inputs.monitor_b_uj < 500
    assert (plant.truth.shuttered, plant.truth.aperture, plant.truth.port) == (1, 0, 0)


def test_the_port_meter_reads_within_1_percent_only_when_docked_and_open() -> None:
    plant = laser(docked=True)
    shoot(plant)
    assert plant.inputs.port_meter_uj == 0
    errors = []
    for _ in range(100):
        pulse = shoot(plant, dataclasses.replace(READY, shutter_open=True))
        assert pulse.port
        assert not pulse.aperture
        errors.append(plant.inputs.port_meter_uj / pulse.energy_uj - 1)
    assert abs(statistics.mean(errors)) < 0.002
    assert max(abs(error) for error in errors) < 0.02
    assert (plant.truth.port, plant.truth.aperture) == (100, 0)


def test_a_moving_shutter_passes_part_of_the_light() -> None:
    passed = []
    for after_ms in (3, 6, 7, 8, 9.5):
        plant = laser(quiet=True)
        armed = prepare(plant)
        armed = dataclasses.replace(armed, shutter_open=True)
        plant.drive(armed)
        plant.advance(plant.now_us + round(after_ms * MS) - 200)
        trigger(plant, armed)
        plant.advance(plant.now_us + MS)
        pulse = plant.truth.pulses[-1]
        passed.append(pulse.transmitted_uj / pulse.energy_uj)
    assert passed == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def unplug(name: str, value: object) -> Callable[[Plant, Outputs], Outputs]:
    def spoil(plant: Plant, outputs: Outputs) -> Outputs:
        plant.act(lambda p: setattr(p.contacts, name, value))
        return outputs

    return spoil


def without(**levels: object) -> Callable[[Plant, Outputs], Outputs]:
    return lambda _, outputs: dataclasses.replace(outputs, **levels)  # type: ignore[arg-type] # line names


def trip(plant: Plant, outputs: Outputs) -> Outputs:
    plant.act(lambda p: p.comparator.trip(p.now_us))
    return outputs


def dump(plant: Plant, outputs: Outputs) -> Outputs:
    plant.drive(dataclasses.replace(outputs, dump_hold=False))
    plant.advance(plant.now_us + 10 * S)
    return outputs


def cut(plant: Plant, outputs: Outputs) -> Outputs:
    plant.set_power(False)
    return outputs


def no_simmer(plant: Plant, outputs: Outputs) -> Outputs:
    plant.drive(dataclasses.replace(outputs, simmer_start=False))
    plant.advance(plant.now_us + 2 * MS)
    return outputs


@pytest.mark.shows("REQ-035")
@pytest.mark.parametrize(
    "spoil",
    [
        without(gate_enable=False),
        without(mode_width_ps=0),
        without(mode_width_ps=700),
        unplug("estop_pressed", True),
        trip,
        dump,
        cut,
        no_simmer,
    ],
)
def test_there_is_no_light_while_one_condition_is_missing(
    spoil: Callable[[Plant, Outputs], Outputs],
) -> None:
    plant = laser()
    outputs = prepare(plant)
    outputs = spoil(plant, outputs)
    trigger(plant, outputs)
    plant.advance(plant.now_us + 10 * MS)
    assert plant.truth.total == 0
    assert plant.inputs.light_count == 0
    assert plant.truth.blocked + plant.truth.dark == (0 if spoil is cut else 1)


def test_there_is_light_when_no_condition_is_missing() -> None:
    assert shoot(laser()).triggered


def test_a_gate_closed_between_lamp_and_pulse_holds_the_pulse_back() -> None:
    for gap_us, light in ((100, 0), (199, 0), (200, 1)):
        plant = laser()
        outputs = prepare(plant)
        trigger(plant, outputs)
        plant.advance(plant.now_us + gap_us)
        plant.act(lambda p: setattr(p.contacts, "estop_pressed", True))
        plant.advance(plant.now_us + S)
        assert plant.truth.total == light
        assert plant.truth.blocked == 1 - light


def test_a_second_trigger_finds_an_empty_capacitor() -> None:
    plant = laser()
    outputs = prepare(plant, dataclasses.replace(READY))
    plant.drive(dataclasses.replace(outputs, lamp_triggers=outputs.lamp_triggers + 2))
    plant.advance(plant.now_us + MS)
    assert (plant.truth.total, plant.truth.triggers, plant.truth.blocked) == (1, 2, 1)


def test_a_restarted_firmware_that_counts_from_zero_again_triggers_nothing() -> None:
    plant = laser()
    shoot(plant)
    outputs = prepare(plant)
    plant.drive(dataclasses.replace(outputs, lamp_triggers=0))
    plant.advance(plant.now_us + MS)
    assert plant.truth.triggers == 1
    plant.drive(dataclasses.replace(outputs, lamp_triggers=1))
    plant.advance(plant.now_us + MS)
    assert plant.truth.total == 2


@pytest.mark.shows("REQ-019")
def test_the_comparator_latches_over_energy_and_blocks_the_gate_until_it_is_reset() -> None:
    plant = laser(quiet=True)
    shoot(plant, dataclasses.replace(READY, comparator_uj=201_000))
    assert not plant.inputs.comparator_tripped
    limited = dataclasses.replace(READY, comparator_uj=199_000)
    shoot(plant, limited)  # the pulse that trips it is out already
    assert plant.inputs.comparator_tripped
    assert plant.inputs.gate_inhibited
    trigger(plant, prepare(plant, limited))
    plant.advance(plant.now_us + MS)
    assert (plant.truth.total, plant.truth.blocked) == (2, 1)
    plant.drive(dataclasses.replace(limited, comparator_reset=True, lamp_triggers=3))
    plant.advance(plant.now_us + MS)
    assert not plant.inputs.comparator_tripped
    shoot(plant, dataclasses.replace(READY, comparator_uj=201_000))
    assert plant.truth.total == 3


def test_a_comparator_that_is_held_in_reset_does_not_trip() -> None:
    comparator = Comparator()
    comparator.drive(0, threshold_uj=100, reset=True)
    assert not comparator.see(1, 200.0)
    assert not comparator.tripped
    comparator.drive(2, threshold_uj=100, reset=False)
    assert not comparator.see(3, 100.0)
    assert comparator.see(4, 100.1)
    assert comparator.tripped


def test_a_comparator_whose_threshold_is_lost_trips_at_any_light() -> None:
    plant = laser()
    shoot(plant, dataclasses.replace(READY, comparator_uj=0))
    assert plant.inputs.comparator_tripped


def test_the_truth_tells_where_the_light_went_and_who_stood_on_the_pedal() -> None:
    plant = laser()
    plant.act(lambda p: p.foot.move(p.now_us, True))
    pulse = shoot(plant, dataclasses.replace(READY, shutter_open=True))
    assert pulse.aperture
    assert pulse.foot_pressed
    assert pulse.shutter_position == 1.0
    assert pulse.open_contacts == ()
    plant.act(lambda p: setattr(p.contacts, "door_closed", False))
    plant.act(lambda p: p.foot.move(p.now_us, False))
    pulse = shoot(plant, dataclasses.replace(READY, shutter_open=True))
    assert pulse.number == 2
    assert not pulse.foot_pressed
    assert pulse.open_contacts == ("door_closed",)


def test_the_lamp_heats_the_water_and_the_cooler_holds_it_at_full_power() -> None:
    plant = laser()
    outputs = prepare(plant, dataclasses.replace(READY, pump_on=True, shutter_open=True))
    hottest_c = 0.0
    for _ in range(6000):  # ten minutes at 10 Hz and 43 J
        plant.drive(outputs)
        plant.advance(plant.now_us + 99 * MS)
        outputs = dataclasses.replace(outputs, lamp_triggers=outputs.lamp_triggers + 1)
        plant.drive(outputs)
        plant.advance(plant.now_us + MS)
        hottest_c = max(hottest_c, plant.coolant.celsius(plant.now_us))
    assert plant.truth.total == 6000
    assert plant.lamp.shots == 6000
    assert 60.7 < hottest_c < 61.0
    assert plant.coolant.celsius(plant.now_us) > 60.3


def test_the_same_seed_gives_the_same_light_and_another_seed_another() -> None:
    def energies(seed: int) -> list[float]:
        plant = laser(seed)
        return [shoot(plant).energy_uj for _ in range(5)]

    assert energies(3) == energies(3)
    assert energies(3) != energies(4)


def test_a_bouncing_foot_does_not_alter_the_next_pulse() -> None:
    plain, danced = laser(5), laser(5)
    danced.act(lambda p: p.foot.move(p.now_us, True))
    assert shoot(plain).energy_uj == shoot(danced).energy_uj
