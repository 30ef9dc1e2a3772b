"""Chance for campaigns: from the seed alone, always playable, and reaching everything."""

from pathlib import Path

import pytest

from rig.campaign import disturbed
from rig.player import Player
from rig.scenario import parse_scenario
from rig.schedule import random_events, random_faults
from rig.script import HOST_EVENTS, OWN_FIELDS, Script
from rig.stack import PLAN
from rig.violation import as_toml
from sim_device.faults import CATALOGUE, Trigger, compose

SCRIPT = Script("anything", 60.0, PLAN, operator="random")
SEEDS = range(1, 1000)


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    assert random_events(7, 60.0) == random_events(7, 60.0)
    assert random_faults(7, 60.0) == random_faults(7, 60.0)
    assert len({repr(random_events(seed, 60.0)) for seed in SEEDS}) > 990


def test_every_fault_and_every_event_comes_at_some_seed() -> None:
    assert {fault["name"] for seed in SEEDS for fault in random_faults(seed, 60.0)} == set(CATALOGUE)
    assert {event.do for seed in SEEDS for event in random_events(seed, 60.0)} >= set(HOST_EVENTS)


def test_parameters_are_not_always_the_same() -> None:
    given = {
        (fault["name"], name, str(value))
        for seed in SEEDS
        for fault in random_faults(seed, 60.0)
        for name, value in fault.items()
    }
    assert len({one for one in given if one[:2] == ("input-stuck", "line")}) > 3
    assert {value for _, name, value in given if name == "monitor"} == {"a", "b", "port"}


@pytest.mark.parametrize("seed", range(1, 60))
def test_every_schedule_is_a_scenario_file_that_reads_back_the_same(seed: int, tmp_path: Path) -> None:
    script = disturbed(SCRIPT, seed)
    (tmp_path / "plan.toml").write_text(PLAN)
    found = parse_scenario(as_toml(script, seed, "plan.toml", ["a word"]), tmp_path / "scenario.toml")
    assert found.seed == seed
    assert found.script == script


def test_what_scenarios_may_say_is_what_the_player_can_do() -> None:
    for name in HOST_EVENTS:
        assert callable(getattr(Player, name.replace("-", "_"))), name


def test_the_parameters_of_every_fault_that_is_drawn_go_together() -> None:
    every = {*OWN_FIELDS, *Trigger.model_fields}
    for seed in range(5_000):
        for fault in random_faults(seed, 60.0):
            compose(fault["name"], {name: value for name, value in fault.items() if name not in every})
