"""The plant's electrics, shutter and heat against closed formulas."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.board import Outputs
from sim_device.plant import NEVER, Plant
from tests.sim_device.warmed import key_on, warm, when

S = 1_000_000
MS = 1_000


def charging(volts: float) -> Outputs:
    return Outputs(hv_enable=True, hv_set_mv=round(volts * 1000), dump_hold=True)


# --- capacitor


@pytest.mark.parametrize(("volts", "expected_ms"), [(800, 19.2), (1000, 30.0), (1200, 43.2)])
def test_the_capacitor_charges_in_the_published_time(volts: float, expected_ms: float) -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(volts))
    reached_us = round(expected_ms * MS)
    plant.advance(reached_us - 20)
    assert plant.inputs.hv_mv < volts * 1000
    plant.advance(reached_us)
    assert plant.inputs.hv_mv == volts * 1000
    plant.advance(10 * S)
    assert plant.inputs.hv_mv == volts * 1000


@pytest.mark.parametrize("volts", [620, 800, 1000, 1250])
def test_end_of_charge_comes_two_tenths_of_a_percent_early(volts: float) -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(volts))
    done_us = when(plant, "charge_done", True)
    expected_s = 60e-6 * (0.998 * volts) ** 2 / 2 / 1000.0
    assert done_us == pytest.approx(expected_s * S, abs=1.5)
    assert plant.inputs.hv_mv == pytest.approx(998 * volts, abs=60)


@pytest.mark.parametrize("above_v", [0.5, 1.0, 1.9])
def test_end_of_charge_is_never_reported_before_its_comparator_has_looked(above_v: float) -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(1000))
    plant.advance(S)
    plant.drive(charging(1000 + above_v))
    assert not plant.inputs.charge_done
    assert when(plant, "charge_done", True) == S + 10


def test_the_charger_stops_at_its_own_ceiling() -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(2000))
    plant.advance(S)
    assert plant.inputs.hv_mv == 1_250_000


@pytest.mark.shows("REQ-026", "REQ-027")
def test_the_dump_relay_takes_a_full_capacitor_below_60_v_well_within_5_s() -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(1250))
    plant.advance(S)
    plant.drive(Outputs())
    assert not plant.inputs.charge_done
    plant.advance(S + S // 10)
    assert plant.inputs.hv_mv == pytest.approx(1_250_000 * math.exp(-0.1 / 0.15), abs=60)
    event_us = plant.next_event_us
    plant.advance(event_us)
    assert event_us - S < S // 2
    assert plant.inputs.hv_mv <= 60_000


def test_a_charged_capacitor_bleeds_slowly_while_the_dump_is_held() -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(1000))
    plant.advance(S)
    plant.drive(Outputs(dump_hold=True))
    plant.advance(31 * S)
    assert plant.inputs.hv_mv == pytest.approx(1_000_000 * math.exp(-0.5), abs=60)


def test_a_set_voltage_below_the_present_one_is_reached_by_bleeding_only() -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(1000))
    plant.advance(S)
    plant.drive(charging(900))
    assert when(plant, "charge_done", True) == S + 10
    plant.advance(3 * S)
    assert 960_000 < plant.inputs.hv_mv < 970_000
    plant.advance(60 * S)
    assert plant.inputs.hv_mv == 900_000
    assert plant.inputs.charge_done


def test_the_charger_does_not_work_against_its_dump_relay() -> None:
    plant = Plant(1, key_on())
    plant.drive(Outputs(hv_enable=True, hv_set_mv=800_000))
    plant.advance(10 * S)
    assert plant.inputs.hv_mv == 0


@pytest.mark.shows("REQ-006", "REQ-011", "REQ-027")
@pytest.mark.parametrize("contact", ["estop_pressed", "key_on"])
def test_emergency_stop_and_key_take_the_high_voltage_away_without_firmware(contact: str) -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(1000))
    plant.advance(S)
    plant.act(lambda p: setattr(p.contacts, contact, contact == "estop_pressed"))
    when(plant, "hv_inhibited", True)
    assert plant.now_us == S + 10
    plant.advance(6 * S)
    dumped = contact == "estop_pressed"
    assert (plant.inputs.hv_mv < 60_000) == dumped
    assert not plant.inputs.charge_done


# --- shutter


def test_the_shutter_opens_and_closes_in_its_travel_time() -> None:
    plant = Plant(1)
    plant.drive(Outputs(shutter_open=True))
    assert when(plant, "shutter_closed_switch", False) == 200
    assert not plant.inputs.shutter_open_switch
    assert when(plant, "shutter_open_switch", True) == 9_800
    plant.advance(S)
    assert plant.shutter.position(S) == 1.0
    plant.drive(Outputs())
    assert when(plant, "shutter_open_switch", False) == S + 200
    assert when(plant, "shutter_closed_switch", True) == S + 9_800


def test_a_shutter_turned_round_half_way_never_shows_the_open_switch() -> None:
    plant = Plant(1)
    plant.drive(Outputs(shutter_open=True))
    plant.advance(5 * MS)
    assert plant.shutter.position(5 * MS) == 0.5
    plant.drive(Outputs())
    assert when(plant, "shutter_closed_switch", True) == 5 * MS + 4_800
    assert not plant.inputs.shutter_open_switch
    assert plant.next_event_us == NEVER


@given(st.lists(st.tuples(st.integers(1, 12_000), st.booleans()), max_size=12))
def test_the_shutter_switches_always_tell_where_the_blade_is(moves: list[tuple[int, bool]]) -> None:
    plant = Plant(1)
    now_us = 0
    for pause_us, driven in moves:
        plant.drive(Outputs(shutter_open=driven))
        now_us += pause_us
        plant.advance(now_us)
        position = plant.shutter.position(now_us)
        if abs(position - 0.02) > 1e-9:  # on the very edge it depends on where the blade comes from
            assert plant.inputs.shutter_closed_switch == (position < 0.02)
        if abs(position - 0.98) > 1e-9:
            assert plant.inputs.shutter_open_switch == (position > 0.98)


@pytest.mark.shows("REQ-011", "REQ-013")
def test_the_emergency_stop_takes_the_shutters_supply_away() -> None:
    plant = Plant(1)
    plant.drive(Outputs(shutter_open=True))
    plant.advance(S)
    plant.act(lambda p: setattr(p.contacts, "estop_pressed", True))
    assert when(plant, "shutter_closed_switch", True) == S + 9_800


# --- heat


def test_the_warm_up_takes_what_water_and_heater_say() -> None:
    plant = Plant(1)
    plant.drive(Outputs(heater_on=True, pump_on=True))
    while plant.inputs.coolant_mc < 60_000:
        plant.advance(plant.next_event_us)
    # with the loss of 2 W/K: t = -tau ln(1 - 40 K / (1500 W / 2 W/K)), tau = 5 kg 4186 J/(kg K) / 2 W/K
    expected_s = -(5 * 4186 / 2.0) * math.log(1 - 40 / 750)
    assert plant.now_us / S == pytest.approx(expected_s, abs=0.2)
    assert 555 < plant.now_us / S < 580


def test_the_water_cools_towards_the_room_when_the_heater_is_off() -> None:
    plant = warm(Plant(1))
    plant.advance(1000 * S)
    assert plant.coolant.celsius(1000 * S) == pytest.approx(20 + 40 * math.exp(-1000 * 2.0 / (5 * 4186)))
    assert plant.inputs.coolant_mc == pytest.approx(1000 * plant.coolant.celsius(1000 * S), abs=12)


def test_the_thermostat_stops_a_heater_that_nobody_switches_off() -> None:
    plant = Plant(1)
    plant.drive(Outputs(heater_on=True, pump_on=True))
    opened_us = when(plant, "thermostat_closed", False, 5000 * S)
    assert plant.coolant.celsius(opened_us) == pytest.approx(85, abs=1e-3)
    hottest_mc = plant.inputs.coolant_mc
    plant.advance(opened_us + 5 * MS)  # its contact has settled
    assert not plant.inputs.thermostat_closed
    when(plant, "thermostat_closed", True, 5000 * S)
    assert plant.inputs.coolant_mc == pytest.approx(75_000, abs=20)
    assert hottest_mc == pytest.approx(85_000, abs=20)


def test_flow_follows_the_pump() -> None:
    plant = Plant(1)
    plant.drive(Outputs(pump_on=True))
    assert when(plant, "flow_ml_min", 4000) == 500 * MS
    plant.advance(S)
    plant.drive(Outputs())
    assert when(plant, "flow_ml_min", 0) == S + 300 * MS


def test_the_temperature_reading_costs_at_most_ten_events_a_second() -> None:
    plant = Plant(1)
    plant.drive(Outputs(heater_on=True))
    events = 0
    while plant.next_event_us <= 100 * S:
        before_mc = plant.inputs.coolant_mc
        plant.advance(plant.next_event_us)
        assert plant.inputs.coolant_mc - before_mc in (10, 20)
        assert plant.now_us % (100 * MS) == 0
        events += 1
    assert 400 < events <= 1000
