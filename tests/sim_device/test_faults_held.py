"""Faults against people: what a fault holds nobody can undo, and what people want outlasts the fault."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from sim_device.faults import Injection, Injector, clear, inject
from sim_device.firmware.memory import NonVolatile
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.simulator import Simulator
from sim_device.snapshot import Snapshot
from tests.sim_device.desk import MS, S, at

Read = Callable[[Simulator], object]

# fault and its parameters, the person's action, (field for good, field for bad), how to read it: True is good
HELD: dict[str, tuple[dict[str, Any], str, tuple[str, str], Read]] = {
    "foot-held": ({}, "foot", ("release", "press"), lambda s: not s.plant.foot.pressed),
    "mains-dip": ({}, "mains", ("good", "bad"), lambda s: s.plant.contacts.mains_ok),
    "power-cut": ({}, "power", ("return", "cut"), lambda s: s.plant.powered),
    "line-cut": ({}, "cable", ("mend", "cut"), lambda s: not s.wire.severed),
    "line-unplugged": ({}, "cable", ("plug", "unplug"), lambda s: s.wire.plugged),
    "contact-flutters": (
        {"rate_hz": 0.01},
        "door",
        ("close", "open"),
        lambda s: s.plant.contacts.door_closed,
    ),
}


def act(simulator: Simulator, action: str, to: str) -> None:
    perform(simulator, action, {"to": to}, simulator.now_us)


@pytest.mark.parametrize("name", HELD)
def test_a_person_cannot_undo_what_a_fault_holds(name: str) -> None:
    given, action, (good, _), is_good = HELD[name]
    simulator = at("standby").simulator
    injection = inject(simulator, name, **given)
    for _ in range(2):
        act(simulator, action, good)
        simulator.advance(simulator.now_us + 20 * MS)
        assert not is_good(simulator)
        assert injection.report().active
    clear(simulator, injection)
    assert is_good(simulator)


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("wanted", list(itertools.product("gb", repeat=3)))
def test_after_a_fault_it_is_as_people_wanted_last(name: str, wanted: tuple[str, ...]) -> None:
    given, action, (good, bad), is_good = HELD[name]
    simulator = at("standby").simulator
    word = {"g": good, "b": bad}
    act(simulator, action, word[wanted[0]])
    injection = inject(simulator, name, **given)
    for want in wanted[1:]:
        act(simulator, action, word[want])
        assert not is_good(simulator)
    clear(simulator, injection)
    assert is_good(simulator) is (wanted[-1] == "g")


@pytest.mark.parametrize("name", [name for name in HELD if name != "contact-flutters"])
@pytest.mark.parametrize("first_to_go", [0, 1])
def test_of_two_that_overlap_the_last_to_go_gives_it_back(name: str, first_to_go: int) -> None:
    _, _, _, is_good = HELD[name]
    simulator = at("standby").simulator
    both = [inject(simulator, name), inject(simulator, name)]
    clear(simulator, both[first_to_go])
    assert not is_good(simulator)
    clear(simulator, both[1 - first_to_go])
    assert is_good(simulator)


def test_the_pedal_under_a_weight_stays_down_in_the_same_instant_for_the_firmware_too() -> None:
    simulator = at("standby").simulator
    act(simulator, "foot", "press")
    injection = inject(simulator, "foot-held")
    assert injection.report().fired == 0  # a foot is on it anyway
    act(simulator, "foot", "release")
    assert injection.report().fired == 1
    simulator.advance(simulator.now_us + 100 * MS)
    assert simulator.plant.inputs.foot_a_closed
    assert simulator.plant.inputs.foot_b_closed


def test_a_door_that_a_person_opened_does_not_flutter_shut() -> None:
    simulator = at("standby").simulator
    injection = inject(simulator, "contact-flutters", rate_hz=10.0)
    simulator.advance(simulator.now_us + 60 * MS)
    assert simulator.plant.contacts.door_closed
    act(simulator, "door", "open")
    fired = injection.report().fired
    simulator.advance(simulator.now_us + S)
    assert not simulator.plant.contacts.door_closed
    assert injection.report().fired == fired


def test_a_second_power_cut_fires_when_it_alone_keeps_the_power_away() -> None:
    simulator = at("standby").simulator
    began_us = simulator.now_us
    first = inject(simulator, "power-cut", for_s=1.0)
    simulator.advance(began_us + S // 2)
    second = inject(simulator, "power-cut", for_s=2.0)
    assert [one.report().fired for one in (first, second)] == [1, 0]
    simulator.advance(began_us + 2 * S)
    assert not simulator.plant.powered
    assert [one.report().fired for one in (first, second)] == [1, 1]
    simulator.advance(began_us + 3 * S)
    assert simulator.plant.powered


def test_a_power_cut_of_a_laser_that_is_off_fires_only_when_somebody_would_switch_it_on() -> None:
    simulator = at("standby").simulator
    act(simulator, "power", "cut")
    injection = inject(simulator, "power-cut")
    assert injection.report().fired == 0
    act(simulator, "power", "return")
    assert not simulator.plant.powered
    assert injection.report().fired == 1


# -- memory


def altered(name: str) -> tuple[Simulator, Injection]:
    simulator = at("standby").simulator
    return simulator, inject(simulator, name)


@pytest.mark.parametrize("name", ["memory-corrupted", "counters-near-their-end"])
def test_altered_memory_fires_when_the_firmware_reads_it_and_not_before(name: str) -> None:
    simulator, injection = altered(name)
    simulator.advance(simulator.now_us + S)
    assert injection.report().fired == 0
    perform(simulator, "reset", {}, simulator.now_us)
    simulator.advance(simulator.now_us + S)
    assert injection.report().fired == 1


def test_counters_that_the_firmware_writes_over_first_have_not_fired() -> None:
    simulator, injection = altered("counters-near-their-end")
    act(simulator, "estop", "press")  # a trip is written at once
    simulator.advance(simulator.now_us + S)
    perform(simulator, "reset", {}, simulator.now_us)
    simulator.advance(simulator.now_us + S)
    assert injection.report().fired == 0
    assert NonVolatile(simulator.memory).books.trips < 100


def test_memory_can_be_altered_while_it_refuses_writes() -> None:
    simulator = at("standby").simulator
    inject(simulator, "memory-fails")
    injection = inject(simulator, "memory-corrupted")
    perform(simulator, "reset", {}, simulator.now_us)
    simulator.advance(simulator.now_us + S)
    assert injection.report().fired == 1


@pytest.mark.parametrize("how", ["snapshot", "pickle"])
def test_what_was_altered_is_known_to_a_copy_too(how: str) -> None:
    simulator, _ = altered("memory-corrupted")
    if how == "snapshot":
        twin = Snapshot(simulator).restored(RamMemory())
    else:
        twin = pickle.loads(pickle.dumps(simulator))  # noqa: S301 # our own bytes
    twin.reset(twin.now_us)
    twin.advance(twin.now_us + S)
    assert [one.fired for one in Injector.of(twin).reports()] == [1]
    assert [one.fired for one in Injector.of(simulator).reports()] == [0]
