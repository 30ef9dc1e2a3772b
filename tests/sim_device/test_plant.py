"""The plant's electrics, mechanics and heat against closed forms, however often it is called."""

import dataclasses
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Handpiece
from sim_device.board import Inputs, Outputs, lines_of
from sim_device.plant import NEVER, Contacts, Plant

S = 1_000_000
MS = 1_000


def warm(plant: Plant, celsius: float = 60.0) -> Plant:
    plant.act(lambda p: p.coolant.set_celsius(p.now_us, celsius))
    return plant


def key_on() -> Contacts:
    return Contacts(key_on=True)


def charging(volts: float) -> Outputs:
    return Outputs(hv_enable=True, hv_set_mv=round(volts * 1000), dump_hold=True)


def when(plant: Plant, line: str, value: object, limit_us: int = 2000 * S) -> int:
    """Advance from event to event until `line` has `value`; the time."""
    while getattr(plant.inputs, line) != value:
        assert plant.next_event_us <= limit_us, f"{line} never became {value}"
        plant.advance(plant.next_event_us)
    return plant.now_us


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


def test_the_charger_stops_at_its_own_ceiling() -> None:
    plant = Plant(1, key_on())
    plant.drive(charging(2000))
    plant.advance(S)
    assert plant.inputs.hv_mv == 1_250_000


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


# --- the rest of the board


@pytest.mark.parametrize(
    ("output", "line", "value", "on_us", "off_us"),
    [
        ("simmer_start", "simmer_on", True, 100 * MS, MS),
        ("indicator_on", "indicator_ua", 20_000, MS, MS),
        ("aiming_on", "aiming_uw", 1_000, MS, MS),
        ("monitor_test", "dark_a_uj", 52_050, 100, 100),
        ("monitor_test", "dark_b_uj", 48_600, 100, 100),
    ],
)
def test_each_load_answers_after_its_delay(
    output: str, line: str, value: object, on_us: int, off_us: int
) -> None:
    plant = Plant(1)
    before = getattr(plant.inputs, line)
    assert before != value
    plant.drive(dataclasses.replace(Outputs(), **{output: True}))
    assert when(plant, line, value) == on_us
    plant.advance(S)
    plant.drive(Outputs())
    assert when(plant, line, before) == S + off_us


def test_a_simmer_start_that_is_withdrawn_in_time_lights_nothing() -> None:
    plant = Plant(1)
    plant.drive(Outputs(simmer_start=True))
    plant.advance(99 * MS)
    plant.drive(Outputs())
    assert plant.next_event_us == NEVER
    assert not plant.inputs.simmer_on


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("estop", [False, True])
@pytest.mark.parametrize("tripped", [False, True])
def test_the_gate_reads_inhibited_unless_everything_lets_it_open(
    enabled: bool, estop: bool, tripped: bool
) -> None:
    plant = Plant(1)
    plant.drive(Outputs(comparator_reset=not tripped))
    plant.drive(Outputs(gate_enable=enabled))
    plant.act(lambda p: setattr(p.contacts, "estop_pressed", estop))
    plant.advance(S)
    assert plant.inputs.gate_inhibited == (not enabled or estop or tripped)
    assert plant.inputs.comparator_tripped == tripped


def test_every_contact_reaches_its_line() -> None:
    expected = {
        "key_on": ("key_on", True, True),
        "mains_ok": ("mains_ok", False, False),
        "remote_closed": ("remote_closed", False, False),
        "door_closed": ("door_closed", False, False),
        "arm_connected": ("arm_connected", False, False),
        "internal_trigger_strap": ("internal_trigger_strap", True, True),
        "level_ok": ("level_ok", False, False),
        "charger_cool": ("charger_cool", False, False),
        "handpiece": ("handpiece", Handpiece.FIXED_8, 2 + 1),
        "zoom_um": ("spot_um", 5_000, 5_000),
        "wavelength_nm": ("wavelength_nm", 532, 532),
    }
    for contact, (line, value, reads) in expected.items():
        plant = Plant(1)
        before = lines_of(plant.inputs)
        plant.act(lambda p, c=contact, v=value: setattr(p.contacts, c, v))  # type: ignore[misc] # bound now
        changed = {name for name, level in lines_of(plant.inputs).items() if level != before[name]}
        assert getattr(plant.inputs, line) == reads
        assert changed == ({"handpiece", "spot_um"} if contact == "handpiece" else {line})
        assert plant.changed
    for contact, lines in (
        ("estop_pressed", {"estop_a_closed", "estop_b_closed"}),
        ("cover_closed", {"cover_a_closed", "cover_b_closed"}),
        ("docked", {"docked_a_closed", "docked_b_closed"}),
    ):
        plant = Plant(1)
        plant.act(lambda p, c=contact: setattr(p.contacts, c, not getattr(p.contacts, c)))  # type: ignore[misc]
        plant.advance(5 * MS)
        assert {name for name in lines if not getattr(plant.inputs, name)} == lines


@pytest.mark.parametrize(
    ("handpiece", "spot_um"),
    [
        (Handpiece.NONE, 0),
        (Handpiece.ZOOM, 3500),
        (Handpiece.FIXED_6, 6000),
        (Handpiece.FIXED_8, 8000),
        (Handpiece.FIXED_10, 10_000),
        (Handpiece.LENS_ARRAY_6, 6000),
    ],
)
def test_each_handpiece_has_its_spot(handpiece: Handpiece, spot_um: int) -> None:
    assert Plant(1, Contacts(handpiece=handpiece)).inputs.spot_um == spot_um


@given(seed=st.integers(0, 500), hold_ms=st.integers(20, 400))
def test_the_footswitch_bounces_for_a_few_ms_and_its_contacts_part_by_some_100_us(
    seed: int, hold_ms: int
) -> None:
    plant = Plant(seed)
    plant.act(lambda p: p.foot.move(p.now_us, True))
    first: dict[str, int] = {}
    changes = 0
    while True:
        for name in ("a", "b"):
            if getattr(plant.inputs, f"foot_{name}_closed"):
                first.setdefault(name, plant.now_us)
        if plant.next_event_us == NEVER:
            break
        plant.advance(plant.next_event_us)
        changes += 1
    assert min(first.values()) == 0
    assert 100 <= abs(first["a"] - first["b"]) <= 900
    assert (plant.inputs.foot_a_closed, plant.inputs.foot_b_closed) == (True, True)
    assert plant.now_us <= 5 * MS
    assert changes >= 5  # it did bounce
    released_us = hold_ms * MS
    plant.advance(released_us)
    plant.act(lambda p: p.foot.move(p.now_us, False))
    plant.advance(released_us)
    assert (plant.inputs.foot_a_closed, plant.inputs.foot_b_closed) != (True, True)
    while plant.next_event_us < NEVER:
        plant.advance(plant.next_event_us)
        assert plant.now_us <= released_us + 5 * MS
    assert (plant.inputs.foot_a_closed, plant.inputs.foot_b_closed) == (False, False)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6_000)), min_size=1, max_size=10), st.integers(0, 99))
def test_however_a_foot_dances_the_contacts_end_where_the_pedal_is(
    steps: list[tuple[bool, int]], seed: int
) -> None:
    plant = Plant(seed)
    for pressed, pause_us in steps:
        plant.act(lambda p, to=pressed: p.foot.move(p.now_us, to))  # type: ignore[misc] # bound now
        plant.advance(plant.now_us + pause_us)
    plant.advance(plant.now_us + 10 * MS)
    assert (plant.inputs.foot_a_closed, plant.inputs.foot_b_closed) == (pressed, pressed)


def test_without_power_everything_falls_to_its_safe_side() -> None:
    plant = warm(Plant(1, key_on()))
    plant.drive(
        Outputs(
            hv_enable=True,
            hv_set_mv=1_200_000,
            dump_hold=True,
            simmer_start=True,
            gate_enable=True,
            comparator_reset=True,
            shutter_open=True,
            indicator_on=True,
            aiming_on=True,
            pump_on=True,
            heater_on=True,
        )
    )
    plant.advance(S)
    assert plant.inputs.simmer_on
    plant.set_power(False)
    plant.drive(Outputs(gate_enable=True, shutter_open=True))  # a processor without power drives nothing
    plant.advance(6 * S)
    safe = lines_of(Inputs())
    for line in ("mains_ok", "simmer_on", "charge_done", "shutter_open_switch", "indicator_ua", "aiming_uw"):
        assert getattr(plant.inputs, line) == safe[line]
    assert plant.inputs.gate_inhibited
    assert plant.inputs.hv_inhibited
    assert plant.inputs.shutter_closed_switch
    assert plant.inputs.hv_mv < 60_000
    assert plant.inputs.flow_ml_min == 0
    plant.set_power(True)
    plant.advance(7 * S)
    assert plant.inputs.mains_ok
    assert plant.inputs.comparator_tripped  # wakes up latched


def test_time_does_not_go_backwards() -> None:
    plant = Plant(1)
    plant.advance(100)
    with pytest.raises(ValueError, match="time does not go backwards"):
        plant.advance(99)


# --- independence of the calls


def lasing(plant: Plant, cuts: list[int]) -> list[object]:
    """Run a fixed scenario of outputs and hands; `cuts` are further instants at which somebody asks."""
    chance = random.Random(7)
    script: list[tuple[int, object]] = []
    for number in range(6):
        start_us = S + number * 100 * MS
        fires = Outputs(
            dump_hold=True,
            simmer_start=True,
            gate_enable=True,
            mode_width_ps=650,
            comparator_uj=190_000,
            pump_on=True,
            heater_on=number % 2 == 0,
            shutter_open=number > 1,
            lamp_triggers=number + 1,
        )
        level_mv = chance.randint(700_000, 1_250_000)
        charges = dataclasses.replace(fires, hv_enable=True, hv_set_mv=level_mv, lamp_triggers=number)
        script += [(start_us, charges), (start_us + 60 * MS, fires)]
        script.append((start_us + 80 * MS, number % 2 == 0))  # the foot
    seen: list[object] = []
    waiting = sorted(set(cuts))
    plant.drive(Outputs(comparator_reset=True, simmer_start=True, pump_on=True))
    for when_us, what in script:
        while waiting and waiting[0] < when_us:
            plant.advance(max(plant.now_us, waiting.pop(0)))
        plant.advance(when_us)
        if isinstance(what, Outputs):
            plant.drive(what)
        else:
            plant.act(lambda p, to=what: p.foot.move(p.now_us, to))  # type: ignore[misc] # bound now
        seen.append(lines_of(plant.inputs))
    plant.advance(2 * S)
    seen.append(lines_of(plant.inputs))
    seen.append(list(plant.truth.pulses))
    seen.append((plant.coolant.celsius(2 * S), plant.capacitor.volts(2 * S), plant.head.drift))
    return seen


@given(cuts=st.lists(st.integers(0, 1_700_000), max_size=60), seed=st.integers(0, 20))
def test_results_do_not_depend_on_how_often_the_plant_is_asked(cuts: list[int], seed: int) -> None:
    whole = lasing(warm(Plant(seed, key_on()), 59.9), [])
    assert lasing(warm(Plant(seed, key_on()), 59.9), cuts) == whole
    assert len(whole[-2]) >= 4  # type: ignore[arg-type] # the list of pulses: the scenario did lase
