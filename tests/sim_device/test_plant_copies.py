"""A plant is a value: a copy of it, or one that went through pickle, lives the same life on its own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.laser import warm_laser
from sim_device.board import Outputs, lines_of
from sim_device.plant import Contacts, Plant

S = 1_000_000
MS = 1_000

FIRING = Outputs(
    hv_enable=True,
    hv_set_mv=1_150_000,
    dump_hold=True,
    simmer_start=True,
    gate_enable=True,
    mode_width_ps=750,
    shutter_open=True,
    pump_on=True,
    heater_on=True,
    comparator_reset=True,
)


def pickled(plant: Plant) -> Plant:
    copied = pickle.loads(pickle.dumps(plant))  # noqa: S301 # our own
    assert isinstance(copied, Plant)
    return copied


def live(plant: Plant) -> list[object]:
    """Half a second of a busy life: what was seen, and how it ended."""
    seen: list[object] = []
    start_us = plant.now_us
    plant.act(lambda p: setattr(p.contacts, "door_closed", not p.contacts.door_closed))
    for shot in range(5):
        plant.act(lambda p, to=shot % 2 == 0: p.foot.move(p.now_us, to))  # type: ignore[misc] # bound now
        levels = lines_of(FIRING) | {"lamp_triggers": plant.truth.triggers + 1}
        plant.drive(Outputs(**levels))  # type: ignore[arg-type] # line names
        until_us = start_us + (shot + 1) * 100 * MS
        while plant.next_event_us <= until_us:
            plant.advance(plant.next_event_us)
            seen.append((plant.now_us, lines_of(plant.inputs)))
        plant.advance(until_us)
    return [*seen, list(plant.truth.pulses), plant.coolant.celsius(plant.now_us), plant.head.drift]


def test_whatever_a_step_goes_through_has_slots() -> None:
    """Attributes of a copied object are slower to find otherwise, and every laser of a campaign is a copy."""
    laser = warm_laser(1)
    alone = (laser, laser.wire, laser.wire.to_device, laser.watchdog, laser._clock)
    found: dict[int, object] = {id(part): part for part in alone}
    waiting: list[object] = [laser.plant]
    while waiting:
        part = waiting.pop()
        if type(part).__module__.startswith("sim_device.plant") and id(part) not in found:
            found[id(part)] = part
            names = [name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())]
            waiting += [getattr(part, name) for name in names]
    assert len(found) > 25
    assert not [type(part).__name__ for part in found.values() if getattr(part, "__dict__", {})]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
@pytest.mark.parametrize("at_us", [0, 2 * MS, 20 * MS, 300_150])
def test_a_copy_lives_on_as_the_original_does_and_neither_moves_the_other(
    duplicate: Callable[[Plant], Plant], at_us: int
) -> None:
    plant = Plant(7, Contacts(key_on=True))
    plant.act(lambda p: p.coolant.set_celsius(0, 59.9))
    plant.act(lambda p: setattr(p.contacts, "arm_connected", False))  # bounces still
    plant.act(lambda p: setattr(p.lamp, "misfire_probability", 0.3))
    plant.drive(FIRING)
    plant.advance(max(0, at_us - 150))
    if at_us > S // 4:  # a pulse is under way
        plant.drive(Outputs(**(lines_of(FIRING) | {"lamp_triggers": 1})))  # type: ignore[arg-type] # line names
    plant.advance(at_us)
    twin = duplicate(plant)
    assert twin.now_us == plant.now_us
    before = lines_of(plant.inputs)
    lived = live(twin)
    assert lines_of(plant.inputs) == before
    assert live(plant) == lived
    assert plant.truth.total >= 2
    assert plant.truth.misfired >= 1


@given(cuts=st.lists(st.integers(0, 700_000), max_size=40), seed=st.integers(0, 10))
def test_with_every_part_at_fault_results_do_not_depend_on_how_often_the_plant_is_asked(
    cuts: list[int], seed: int
) -> None:
    def spoil(plant: Plant) -> None:
        plant.coolant.leak_ml_s, plant.coolant.fan_ok = 4000.0, False
        plant.coolant.set_celsius(0, 60.795)
        plant.capacitor.bleed_ratio, plant.capacitor.charger_ratio = 300.0, 0.9
        plant.lamp.misfire_probability, plant.lamp.wear_ratio = 0.2, 1e4
        plant.monitors.a.drift_ratio_per_s = 0.5
        plant.shutter.open_travel_us = 150_000
        plant.head.hold_off, plant.head.pulses_per_trigger = seed % 2 == 0, 2
        plant.contacts.forced["cover_a_closed"] = False

    def told(cuts_us: list[int]) -> list[object]:
        plant = Plant(seed, Contacts(key_on=True))
        plant.act(spoil)
        seen: list[object] = []
        stops = sorted({*cuts_us, *range(0, 700_001, 50_000)})
        for when_us in stops:
            plant.advance(when_us)
            lines_of(plant.inputs)
            if when_us % 50_000 == 0:
                seen.append(lines_of(plant.inputs))
                plant.act(lambda p, to=when_us % 100_000 == 0: p.foot.move(p.now_us, to))  # type: ignore[misc] # bound now
                levels = lines_of(FIRING) | {"lamp_triggers": plant.truth.triggers + (when_us > 200_000)}
                plant.drive(Outputs(**levels))
        return [*seen, list(plant.truth.pulses), plant.lamp.wear, plant.coolant.celsius(plant.now_us)]

    whole = told([])
    assert told(cuts) == whole
    assert whole[-3]
