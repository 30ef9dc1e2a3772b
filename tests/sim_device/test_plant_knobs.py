"""Faults of capacitor and lamp: each bites, it ends, and its figures are right."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.board import Outputs
from sim_device.plant import NEVER, Contacts, Plant
from sim_device.plant.capacitor import Capacitor
from sim_device.plant.lamp import Lamp
from tests.sim_device.knobs import charged, fire, powered, turn, warm

S = 1_000_000
MS = 1_000
CAPACITANCE_F = 60e-6


def charging(volts: float) -> Plant:
    return powered(hv_enable=True, hv_set_mv=round(volts * 1000), dump_hold=True)


def done_us(plant: Plant) -> int:
    while not plant.inputs.charge_done:
        assert plant.next_event_us < 1000 * S
        plant.advance(plant.next_event_us)
    return plant.now_us


# --- capacitor


@pytest.mark.parametrize("ratio", [0.3, 0.5, 2.0])
def test_a_weak_charger_takes_so_much_longer(ratio: float) -> None:
    plant = Plant(1, Contacts(key_on=True))
    turn(plant, "capacitor.charger_ratio", ratio)
    plant.drive(Outputs(hv_enable=True, hv_set_mv=1_000_000, dump_hold=True))
    assert done_us(plant) == pytest.approx(CAPACITANCE_F * 998**2 / 2 / (1000 * ratio) * S, abs=2)


def test_a_dead_charger_leaves_the_capacitor_to_its_bleeder_and_a_revived_one_goes_on() -> None:
    plant = charging(1000)
    plant.advance(S)
    turn(plant, "capacitor.charger_ratio", 0.0)
    assert not plant.inputs.charge_done
    plant.advance(31 * S)
    assert plant.inputs.hv_mv == pytest.approx(1_000_000 * math.exp(-30 / 60), abs=60)
    turn(plant, "capacitor.charger_ratio", 1.0)
    plant.advance(32 * S)
    assert plant.inputs.hv_mv == 1_000_000
    assert plant.inputs.charge_done


@pytest.mark.parametrize(("set_v", "true_v"), [(1000, 1200), (1250, 1500), (1300, 1500)])
def test_a_wrong_reference_gives_more_than_was_set_its_ceiling_included(set_v: float, true_v: float) -> None:
    plant = charging(set_v)
    turn(plant, "capacitor.set_ratio", 1.2)
    plant.advance(S)
    assert plant.inputs.hv_mv == true_v * 1000
    assert plant.inputs.charge_done


def test_the_converter_has_a_top() -> None:
    plant = charging(1250)
    turn(plant, "capacitor.set_ratio", 2.0)
    plant.advance(S)
    assert plant.capacitor.volts(S) == 2500
    assert plant.inputs.hv_mv == 1_600_000


def test_a_stuck_dump_relay_leaves_the_charge_to_the_bleeder_until_it_falls() -> None:
    plant = charging(1000)
    plant.advance(S)
    turn(plant, "capacitor.dump_stuck", True)
    plant.drive(Outputs())
    plant.advance(11 * S)
    assert plant.inputs.hv_mv == pytest.approx(1_000_000 * math.exp(-10 / 60), abs=60)
    turn(plant, "capacitor.dump_stuck", False)
    plant.advance(12 * S)
    assert plant.inputs.hv_mv == pytest.approx(1_000_000 * math.exp(-10 / 60 - 1 / 0.15), abs=60)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 3.0])
def test_a_bleeder_bleeds_by_its_conductance(ratio: float) -> None:
    plant = charging(1000)
    plant.advance(S)
    turn(plant, "capacitor.bleed_ratio", ratio)
    plant.drive(Outputs(dump_hold=True))
    plant.advance(11 * S)
    assert plant.inputs.hv_mv == pytest.approx(1_000_000 * math.exp(-10 * ratio / 60), abs=60)


def test_with_dump_relay_and_bleeder_gone_the_charge_stays() -> None:
    plant = charging(1000)
    plant.advance(S)
    turn(plant, "capacitor.dump_stuck", True)
    turn(plant, "capacitor.bleed_ratio", 0.0)
    plant.drive(Outputs())
    assert plant.next_event_us == NEVER or plant.next_event_us <= S + 10
    plant.advance(10_000 * S)
    assert plant.inputs.hv_mv == 1_000_000


def by_small_steps(set_v: float, ratio: float, lasts_s: float) -> float:
    """The charging equation C V V' = P - (ratio - 1) V^2 / R in small steps: the closed form's oracle."""
    resistance_ohm, step_s, energy_j = 60.0 / CAPACITANCE_F, 2e-5, 0.0
    for _ in range(round(lasts_s / step_s)):
        leak_w = (ratio - 1) * 2 * energy_j / CAPACITANCE_F / resistance_ohm
        energy_j = min(energy_j + (1000.0 - leak_w) * step_s, CAPACITANCE_F * set_v**2 / 2)
    return math.sqrt(2 * energy_j / CAPACITANCE_F)


@pytest.mark.parametrize("ratio", [1.0, 50.0, 400.0, 1000.0, 5000.0])
@pytest.mark.parametrize("lasts_s", [0.01, 0.04, 0.2])
def test_a_leaking_capacitor_charges_as_its_differential_equation_says(ratio: float, lasts_s: float) -> None:
    plant = Plant(1, Contacts(key_on=True))
    turn(plant, "capacitor.bleed_ratio", ratio)
    plant.drive(Outputs(hv_enable=True, hv_set_mv=1_200_000, dump_hold=True))
    plant.advance(round(lasts_s * S))
    expected_v = by_small_steps(1200.0, ratio, lasts_s)
    assert plant.capacitor.volts(plant.now_us) == pytest.approx(expected_v, rel=2e-3)
    assert plant.inputs.charge_done == (expected_v > 0.998 * 1200 * 1.0005)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.3, 1.0]),
            st.sampled_from([0.0, 1.0, 900.0]),
            st.sampled_from([0, 700, 1200]),
            st.booleans(),
            st.integers(1, 80_000),
        ),
        max_size=15,
    )
)
def test_a_voltage_never_jumps_but_for_a_flash(steps: list[tuple[float, float, int, bool, int]]) -> None:
    capacitor, now_us = Capacitor(), 0
    for charger_ratio, bleed_ratio, set_v, dump, pause_us in steps:
        before_v = capacitor.volts(now_us)
        capacitor.charger_ratio, capacitor.bleed_ratio = charger_ratio, bleed_ratio
        capacitor.drive(now_us, charge=set_v > 0, set_v=set_v, dump=dump)
        assert capacitor.volts(now_us) == pytest.approx(before_v, abs=1e-6)
        halfway_v = capacitor.volts(now_us + pause_us // 2)
        now_us += pause_us
        low_v, high_v = sorted((before_v, capacitor.volts(now_us)))
        assert low_v - 1e-6 <= halfway_v <= high_v + 1e-6  # nor turns round
        assert 0.0 <= high_v <= 1200.0 + 1e-6
        while capacitor.next_us <= now_us:
            capacitor.happen(capacitor.next_us)


# --- lamp


def mean_uj(plant: Plant, shots: int = 12) -> float:
    before = plant.truth.total
    for _ in range(shots):
        fire(plant)
    pulses = list(plant.truth.pulses)[before - plant.truth.total :]
    assert len(pulses) == shots
    return sum(pulse.energy_uj for pulse in pulses) / shots


def test_an_aged_lamp_pumps_less() -> None:
    plain, aged = warm(), warm()
    turn(aged, "lamp.output_ratio", 0.8)
    assert mean_uj(aged) < 0.8 * mean_uj(plain)  # above threshold energy falls faster than pump light


def test_a_failing_simmer_goes_out_and_comes_back_100_ms_after_it_is_repaired() -> None:
    plant = warm()
    charged(plant)
    assert plant.inputs.simmer_on
    turn(plant, "lamp.simmer_fails", True)
    plant.advance(plant.now_us + MS)
    assert not plant.inputs.simmer_on
    fire(plant)
    assert (plant.truth.total, plant.truth.blocked) == (0, 1)
    turn(plant, "lamp.simmer_fails", False)
    plant.advance(plant.now_us + 99 * MS)
    assert not plant.inputs.simmer_on
    plant.advance(plant.now_us + MS)
    assert plant.inputs.simmer_on


@pytest.mark.parametrize(("probability", "fewest", "most"), [(0.0, 0, 0), (0.5, 20, 80), (1.0, 100, 100)])
def test_a_misfiring_lamp_strikes_no_arc_and_leaves_the_capacitor_charged(
    probability: float, fewest: int, most: int
) -> None:
    plant = warm()
    turn(plant, "lamp.misfire_probability", probability)
    for number in range(100):
        missed = plant.truth.misfired
        outputs = charged(plant)
        outputs.hv_enable = False
        outputs.lamp_triggers += 1
        plant.drive(outputs)
        assert plant.inputs.hv_mv == pytest.approx(1_197_200 if plant.truth.misfired > missed else 0, abs=100)
        plant.advance(plant.now_us + MS)
        assert plant.truth.total + plant.truth.misfired == number + 1
    assert fewest <= plant.truth.misfired <= most


@pytest.mark.parametrize(("share", "life"), [(1 / 5, 8.7e5), (1 / 3, 1.1e4)])
def test_a_lamp_lives_as_many_shots_as_the_published_law_says(share: float, life: float) -> None:
    lamp = Lamp(Plant(1).lamp._chance)
    lamp.fire(share * lamp.explosion_j)
    assert 1 / lamp.wear == pytest.approx(life, rel=0.05)


def test_a_lamp_breaks_at_the_end_of_its_life_and_is_weaker_before() -> None:
    plant = warm()
    turn(plant, "lamp.explosion_j", 86.0)  # hazards.csv HZ-031: E0/Ex 0.5, a life of 2^8.5 = 362 shots
    fresh_j = worn_j = plant.lamp.fire(43.0)
    shots = 1
    while not plant.lamp.broken:
        worn_j = plant.lamp.fire(43.0)
        shots += 1
    assert shots == 363
    assert worn_j == pytest.approx(0.8 * fresh_j, rel=0.01)


def test_a_shot_that_breaks_the_lamp_ends_its_simmer() -> None:
    plant = warm()
    turn(plant, "lamp.wear_ratio", 1e7)
    fire(plant)
    assert plant.lamp.broken
    assert not plant.inputs.simmer_on
    fire(plant)
    assert (plant.truth.triggers, plant.truth.blocked, plant.lamp.shots) == (2, 1, 1)
