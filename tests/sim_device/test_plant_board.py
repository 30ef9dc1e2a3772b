"""The rest of the plant: loads, contacts, footswitch, loss of power, and independence of the calls."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Handpiece
from sim_device.board import Inputs, Outputs, lines_of
from sim_device.plant import NEVER, Contacts, Plant
from tests.sim_device.warmed import key_on, warm, when

S = 1_000_000
MS = 1_000


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


CHARGING = Outputs(
    hv_enable=True,
    hv_set_mv=1_150_000,
    dump_hold=True,
    simmer_start=True,
    gate_enable=True,
    mode_width_ps=750,
)
SUPPLIES = {
    "charge": CHARGING,
    "charge to less": dataclasses.replace(CHARGING, hv_set_mv=800_000),
    "charge to nothing": dataclasses.replace(CHARGING, hv_set_mv=0),
    "hold": dataclasses.replace(CHARGING, hv_enable=False),
    "dump": Outputs(),
}
FAULTS = {"leak": ("bleed_ratio", 4_000.0), "healthy": ("bleed_ratio", 1.0), "weak": ("charger_ratio", 0.01)}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SUPPLIES, *FAULTS, "fire", "cut", "return"]),
            st.lists(st.integers(0, 200 * MS), max_size=3),
        ),
        max_size=12,
    )
)
def test_the_board_shows_the_voltage_of_this_very_moment(acts: list[tuple[str, list[int]]]) -> None:
    """It is not read anew while it stands still: nobody may notice."""
    plant, driven = Plant(1, Contacts(key_on=True)), CHARGING
    plant.drive(dataclasses.replace(CHARGING, comparator_reset=True))
    plant.advance(S)
    for act, waits_us in acts:
        if act in SUPPLIES:
            driven = dataclasses.replace(SUPPLIES[act], lamp_triggers=driven.lamp_triggers)
        elif act in FAULTS:
            plant.act(lambda p, fault=FAULTS[act]: setattr(p.capacitor, *fault))  # type: ignore[misc] # bound now
        elif act == "fire":
            driven = dataclasses.replace(driven, lamp_triggers=driven.lamp_triggers + 1)
        else:
            plant.set_power(act == "return")
        plant.drive(driven)
        for wait_us in waits_us:
            plant.advance(plant.now_us + wait_us)
            assert plant.inputs.hv_mv == plant.capacitor.millivolts(plant.now_us)


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


@pytest.mark.shows("REQ-013", "REQ-026", "REQ-036", "HZ-003")
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
