"""Anything at any time: feet, doors, emergency stops, keys, cables and a host, against the plant's truth."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.faults import Fault
from tests.safety_case.actor import PULSES, Actor
from tests.safety_case.ward import GUARDS, STAGES, SWEEP

Act = tuple[Any, ...]

WAIT_MS = (0, 1, 4, 6, 11, 19, 33, 51, 101, 240, 600, 2_100)
LONG_MS = (6_000, 11_000)
RELEASE, PRESS = ("foot", "release"), ("foot", "press")
WAY: tuple[Act, ...] = (RELEASE, ("aim",), ("arm",), ("run", 2_300), ("grant",), PRESS)


def opened(chance: random.Random) -> list[Act]:
    """A guard that is open for a while, or for good."""
    guard = chance.choice(sorted(GUARDS))
    again = [("run", chance.choice(WAIT_MS)), ("guard", guard, False)] if chance.random() < 0.8 else []
    return [("guard", guard, True), *again]


def seldom(chance: random.Random) -> list[Act]:
    acts: tuple[list[Act], ...] = (
        [("key", "off"), ("run", chance.choice(WAIT_MS)), ("key", "on")],
        [("talk", False), ("run", chance.choice(WAIT_MS)), ("talk", True)],
        [("spot", 3.0), ("run", chance.choice(WAIT_MS)), ("spot", 3.5)],
        [("dock", True), ("run", chance.choice(WAIT_MS)), ("dock", False)],
        [("power", chance.choice((1, 100, 700))), ("run", 70_000)],
        [("reset",), ("run", 70_000)],
    )
    return chance.choice(acts)


def piece(chance: random.Random) -> list[Act]:
    """What somebody does next."""
    drawn = chance.random()
    if drawn < 0.15:
        return [*WAY, ("run", chance.choice(WAIT_MS))]
    if drawn < 0.3:
        closed: list[Act] = [("guard", guard, False) for guard in GUARDS]
        return [*closed, ("acknowledge",), *WAY, ("run", chance.choice(WAIT_MS))]
    if drawn < 0.4:
        return [RELEASE, ("grant",), PRESS]
    if drawn < 0.55:
        return [("foot", chance.choice(("press", "release")))]
    if drawn < 0.65:
        return opened(chance)
    if drawn < 0.73:
        return [(chance.choice(("arm", "grant", "aim", "standby", "stop", "acknowledge", "connect")),)]
    if drawn < 0.77:
        return seldom(chance)
    return [("run", chance.choice(WAIT_MS if drawn < 0.98 else LONG_MS))]


def story(stage: str, acts: Iterable[Act]) -> Actor:
    """An actor that did all that."""
    actor = Actor.at(stage)
    for act in acts:
        actor.do_act(act)
    return actor


@pytest.mark.shows(
    *("REQ-001", "REQ-003", "REQ-005", "REQ-007", "REQ-008", "REQ-010", "REQ-011", "REQ-026", "REQ-042"),
    *("HZ-001", "HZ-002", "HZ-003", "HZ-004", "HZ-039", "HZ-040"),
)
@settings(max_examples=50 * SWEEP)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 40))
def test_whatever_anybody_does_light_needs_permit_press_guards_host_and_warning_and_is_recorded(
    seed: int, length: int
) -> None:
    chance = random.Random(seed)
    stage = chance.choice(STAGES)
    actor = story(stage, (act for _ in range(length) for act in piece(chance)))
    assert actor.oracle.found == []
    assert actor.books() == ""


def test_the_stories_make_light_of_many_permits_and_trips_of_many_kinds() -> None:
    lit = used = 0
    faults: set[Fault] = set()
    for seed in range(10):
        chance = random.Random(seed)
        actor = story("standby", (act for _ in range(30) for act in piece(chance)))
        lit += sum(pulse.aperture for pulse in actor.pulses)
        used += sum(permit.used > 0 for permit in actor.oracle.permits)
        memory = actor.device.memory
        faults |= {record.fault for number in range(1, 20) if (record := memory.record(number)) is not None}
    assert lit > 60
    assert used > 12
    assert len(faults) >= 4


def test_the_way_to_light_is_found_by_the_oracle_too() -> None:
    actor = story("standby", [*WAY, ("run", 6_000)])
    assert len(actor.pulses) > 0
    assert sum(permit.used for permit in actor.oracle.permits) == PULSES
    assert actor.oracle.found == []


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("foot", "after the foot"),
        ("door", "after door opened"),
        ("permit", "every permit is over"),
        ("press", "older than the press"),
        ("silence", "the host is silent"),
        ("indicator", "the indicator is on since None"),
    ],
)
def test_the_oracle_would_find(lie: str, words: str) -> None:
    actor = Actor.at("emitting")
    actor.run(300_000)
    oracle, pulse = actor.oracle, actor.pulses[-1]
    assert oracle.found == []
    long_ago_us = pulse.time_us - 400_000
    match lie:
        case "foot":
            oracle.foot(False, long_ago_us)
        case "door":
            oracle.guards["door"] = long_ago_us
        case "permit":
            oracle.ended("stop", long_ago_us)
        case "press":
            oracle.pressed_us = oracle.permits[0].sent_us - 1
        case "silence":
            oracle.answered_us = long_ago_us
        case _:
            oracle.lit_us = None
    oracle.judge(pulse)
    assert any(words in found for found in oracle.found), oracle.found
