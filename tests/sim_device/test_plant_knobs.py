"""Every fault of a part of the plant: it bites, it ends, and it leaves alone what it does not concern."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.board import Outputs
from sim_device.plant import NEVER, Contacts, Plant
from sim_device.plant.capacitor import Capacitor
from sim_device.plant.coolant import Coolant
from sim_device.plant.lamp import Lamp

S = 1_000_000
MS = 1_000
CAPACITANCE_F = 60e-6


def turn(plant: Plant, knob: str, value: object) -> None:
    """Set a knob by its path, as a fault does."""
    *path, name = knob.split(".")

    def change(p: Plant) -> None:
        part: object = p
        for step in path:
            part = getattr(part, step)
        assert hasattr(part, name), knob
        setattr(part, name, value)

    plant.act(change)


def powered(**levels: object) -> Plant:
    """A plant with the key on and these outputs driven."""
    plant = Plant(1, Contacts(key_on=True))
    plant.drive(Outputs(**levels))  # type: ignore[arg-type] # line names
    return plant


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


def charged(plant: Plant, **levels: object) -> Outputs:
    """Charge to 43 J with everything ready to fire."""
    outputs = Outputs(
        hv_enable=True,
        hv_set_mv=1_197_200,
        dump_hold=True,
        simmer_start=True,
        gate_enable=True,
        mode_width_ps=750,
        comparator_reset=True,
        lamp_triggers=plant.truth.triggers,
    )
    for name, level in levels.items():
        setattr(outputs, name, level)
    plant.drive(outputs)
    plant.advance(plant.now_us + 300 * MS)
    return outputs


def fire(plant: Plant, **levels: object) -> None:
    outputs = charged(plant, **levels)
    outputs.lamp_triggers += 1
    plant.drive(outputs)
    plant.advance(plant.now_us + 2 * MS)


def warm(seed: int = 1) -> Plant:
    plant = Plant(seed, Contacts(key_on=True, docked=False))
    plant.act(lambda p: p.coolant.set_celsius(0, 60.0))
    return plant


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
    turn(plant, "lamp.wear_ratio", 1e6)
    fire(plant)
    assert plant.lamp.broken
    assert not plant.inputs.simmer_on
    fire(plant)
    assert (plant.truth.triggers, plant.truth.blocked, plant.lamp.shots) == (2, 1, 1)


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
    turn(plant, f"coolant.{knob}", 1 if knob == "flow_ratio" else True)
    plant.advance(4 * S)
    warm_k = plant.head.warm_k(4 * S)
    assert plant.head.warm_k(4 * S + 230 * MS) == pytest.approx(warm_k / math.e, rel=1e-9)


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
