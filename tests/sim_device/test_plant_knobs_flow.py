"""Faults of shutter and coolant: each bites, it ends, and its figures are right."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.board import Outputs
from sim_device.plant import Plant
from sim_device.plant.coolant import Coolant
from sim_device.plant.head import Head
from tests.sim_device.knobs import powered, turn

S = 1_000_000
MS = 1_000


# --- shutter


@pytest.mark.parametrize("at_ms", [0, 3, 7, 20])
def test_a_stuck_shutter_stays_where_it_is_whatever_is_driven_and_moves_on_when_freed(at_ms: int) -> None:
    plant = Plant(1)
    plant.drive(Outputs(shutter_open=True))
    plant.advance(at_ms * MS)
    turn(plant, "shutter.stuck", True)
    held = plant.shutter.position(plant.now_us)
    assert held == pytest.approx(min(1.0, at_ms / 10))
    for driven in (False, True, False):
        plant.drive(Outputs(shutter_open=driven))
        plant.advance(plant.now_us + S)
        assert plant.shutter.position(plant.now_us) == held
        assert plant.inputs.shutter_open_switch == (at_ms >= 10)
    turn(plant, "shutter.stuck", False)
    plant.advance(plant.now_us + 10 * MS)
    assert plant.shutter.position(plant.now_us) == 0.0
    assert plant.inputs.shutter_closed_switch


def test_a_welded_driver_opens_the_shutter_and_only_the_supply_closes_it() -> None:
    plant = Plant(1)
    turn(plant, "shutter.driver_welded", True)
    plant.advance(10 * MS)
    assert plant.inputs.shutter_open_switch
    turn(plant, "contacts.estop_pressed", True)
    plant.advance(20 * MS)
    assert plant.inputs.shutter_closed_switch
    turn(plant, "contacts.estop_pressed", False)
    plant.advance(40 * MS)
    assert plant.inputs.shutter_open_switch
    plant.set_power(False)
    plant.advance(60 * MS)
    assert plant.inputs.shutter_closed_switch


@pytest.mark.parametrize("travel_ms", [5, 200])
def test_a_slow_shutter_takes_its_time_each_way(travel_ms: int) -> None:
    plant = Plant(1)
    turn(plant, "shutter.close_travel_us", travel_ms * MS)
    plant.drive(Outputs(shutter_open=True))
    plant.advance(9_800)
    assert plant.inputs.shutter_open_switch
    plant.advance(S)
    plant.drive(Outputs())
    plant.advance(S + travel_ms * MS // 2)
    assert plant.shutter.position(plant.now_us) == pytest.approx(0.5)
    plant.advance(S + travel_ms * 980)
    assert plant.inputs.shutter_closed_switch
    turn(plant, "shutter.open_travel_us", travel_ms * MS)
    plant.advance(2 * S)
    plant.drive(Outputs(shutter_open=True))
    plant.advance(2 * S + travel_ms * 980 - 1)
    assert not plant.inputs.shutter_open_switch
    plant.advance(2 * S + travel_ms * 980)
    assert plant.inputs.shutter_open_switch


# --- coolant


def test_without_its_heater_the_water_stays_cold() -> None:
    plant = powered(pump_on=True, heater_on=True)
    turn(plant, "coolant.heater_ok", False)
    plant.advance(300 * S)
    assert plant.inputs.coolant_mc == 20_000
    turn(plant, "coolant.heater_ok", True)
    plant.advance(310 * S)
    assert plant.inputs.coolant_mc == pytest.approx(20_000 + 1000 * 10 * 1500 / (5 * 4186), abs=20)


@pytest.mark.parametrize(("fan_ok", "conductance_w_k"), [(True, 17.0), (False, 3.5)])
def test_without_its_fan_the_cooler_hardly_cools(fan_ok: bool, conductance_w_k: float) -> None:
    plant = Plant(1)
    turn(plant, "coolant.fan_ok", fan_ok)
    plant.act(lambda p: p.coolant.set_celsius(0, 70.0))
    plant.advance(100 * S)
    expected_c = 20 + 50 * math.exp(-100 * conductance_w_k / (5 * 4186))
    assert plant.coolant.celsius(100 * S) == pytest.approx(expected_c)


def test_the_water_follows_the_room() -> None:
    plant = Plant(1)
    turn(plant, "coolant.ambient_c", 35.0)
    plant.advance(2000 * S)
    assert plant.coolant.celsius(plant.now_us) == pytest.approx(35 - 15 * math.exp(-2000 * 2 / (5 * 4186)))


@pytest.mark.parametrize("knob", ["coolant.pump_ok", "leak"])
def test_without_pump_or_water_there_is_no_flow(knob: str) -> None:
    plant = powered(pump_on=True)
    plant.advance(S)
    assert plant.inputs.flow_ml_min == 4000
    if knob == "leak":
        turn(plant, "coolant.leak_ml_s", 1000.0)
        plant.advance(3 * S)
    else:
        turn(plant, knob, False)
    plant.advance(plant.now_us + 300 * MS)
    assert plant.inputs.flow_ml_min == 0


def test_a_partly_blocked_loop_flows_less() -> None:
    plant = powered(pump_on=True)
    turn(plant, "coolant.flow_ratio", 0.4)
    plant.advance(S)
    assert plant.inputs.flow_ml_min == 1600


@pytest.mark.parametrize(
    ("knob", "value", "slower"), [("pump_ok", False, 10.0), ("flow_ratio", 0.5, 1 / 0.55)]
)
def test_without_flow_the_rod_keeps_its_heat(knob: str, value: object, slower: float) -> None:
    plant = powered(pump_on=True)
    plant.advance(S)
    turn(plant, f"coolant.{knob}", value)
    plant.advance(2 * S)
    plant.head.shoot(2 * S, 43.0, 750, 60.0)
    warm_k = plant.head.warm_k(2 * S)
    assert plant.head.warm_k(2 * S + 230 * MS) == pytest.approx(warm_k * math.exp(-1 / slower), rel=1e-9)
    plant.advance(2 * S + 230 * MS)
    turn(plant, f"coolant.{knob}", 1 if knob == "flow_ratio" else True)
    assert plant.head.warm_k(plant.now_us) == pytest.approx(warm_k * math.exp(-1 / slower), rel=1e-9)
    plant.advance(4 * S)
    warm_k = plant.head.warm_k(4 * S)
    assert plant.head.warm_k(4 * S + 230 * MS) == pytest.approx(warm_k / math.e, rel=1e-9)


def test_the_heat_of_a_series_follows_the_flow_from_shot_to_shot() -> None:
    head = Head(random.Random(1))
    head.shoot(0, 43.0, 750, 60.0)
    of_a_shot_k = warm_k = head.warm_k(0)
    for number in range(1, 40):
        if number == 20:  # half way between two shots the water stops: a tenth of the cooling is left
            head.cool(number * 100 * MS - 50 * MS, 0.0)
        before, after = 1.0 if number <= 20 else 0.1, 1.0 if number < 20 else 0.1
        warm_k *= math.exp(-0.05 * (before + after) / 0.23)
        head.shoot(number * 100 * MS, 43.0, 750, 60.0)
        warm_k += of_a_shot_k
        assert head.warm_k(number * 100 * MS) == pytest.approx(warm_k, rel=1e-9)


def test_a_leak_opens_the_level_switch_and_then_runs_the_pump_dry() -> None:
    plant = powered(pump_on=True)
    plant.advance(10 * S)
    turn(plant, "coolant.leak_ml_s", 10.0)
    plant.advance(110 * S - 1)
    assert plant.inputs.level_ok
    plant.advance(110 * S + 5 * MS)
    assert not plant.inputs.level_ok
    assert plant.inputs.flow_ml_min == 4000
    turn(plant, "coolant.leak_ml_s", 20.0)
    plant.advance(110 * S + 5 * MS + (50 * S - 5 * MS // 2) + 301 * MS)
    assert plant.inputs.flow_ml_min == 0
    assert plant.coolant.tank.left_ml(plant.now_us) == pytest.approx(3000, abs=10)
    turn(plant, "coolant.leak_ml_s", 0.0)
    plant.act(lambda p: p.coolant.tank.fill(p.now_us))
    plant.advance(plant.now_us + S)
    assert plant.inputs.level_ok
    assert plant.inputs.flow_ml_min == 4000


@pytest.mark.parametrize("kelvin", [-20.0, 5.0, 15.0])
def test_a_step_of_temperature_is_read_within_100_ms(kelvin: float) -> None:
    plant = Plant(1)
    plant.act(lambda p: p.coolant.set_celsius(0, 60.0))
    plant.advance(S)
    before_c = plant.coolant.celsius(S)
    plant.act(lambda p: p.coolant.step(p.now_us, kelvin))
    assert plant.coolant.celsius(S) == pytest.approx(before_c + kelvin)
    plant.advance(S + 100 * MS)
    assert plant.inputs.coolant_mc == pytest.approx(1000 * plant.coolant.celsius(plant.now_us), abs=10)


@given(
    st.lists(
        st.tuples(st.integers(100_000, 30_000_000), st.sampled_from([0.0, 5.0, 43.0, 4000.0])), max_size=40
    ),
    st.sampled_from([20.0, 60.3, 60.79, 75.0]),
    st.booleans(),
)
def test_heat_in_any_order_follows_small_steps(
    shots: list[tuple[int, float]], start_c: float, heater: bool
) -> None:
    coolant, now_us = Coolant(), 0
    coolant.set_celsius(0, start_c)
    coolant.drive(0, heater=heater, pump=True)
    capacity_j_k = 5.0 * 4186.0
    expected_c, cools, heats = start_c, start_c >= 60.8, start_c < 85.0

    def conducted_w() -> float:
        nonlocal cools, heats
        cools = expected_c > 60.5 if cools else expected_c >= 60.8
        heats = expected_c < 85.0 if heats else expected_c <= 75.0
        return (1500.0 if heater and heats else 0.0) - (17.0 if cools else 2.0) * (expected_c - 20.0)

    for pause_us, lamp_j in shots:
        for _ in range(300):
            expected_c += conducted_w() * pause_us / 300e6 / capacity_j_k
        now_us += pause_us
        while coolant.next_us <= now_us:
            coolant.happen(coolant.next_us)
        assert coolant.celsius(now_us) == pytest.approx(expected_c, abs=0.08)
        assert coolant.reading_mc / 1000 == pytest.approx(coolant.celsius(now_us), abs=0.25)
        coolant.heat(now_us, lamp_j)
        expected_c += 0.8 * lamp_j / capacity_j_k
