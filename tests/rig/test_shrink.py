"""The least script that still fails."""

import pytest

from rig.script import Happening, Script
from rig.shrink import Shrinker

EVENTS = tuple(Happening(number + 0.123, f"event-{number}") for number in range(20))
FAULTS = tuple({"name": f"fault-{number}", "at_s": number + 0.456, "for_s": 1.5} for number in range(10))
SCRIPT = Script("many", 60.0, "", events=EVENTS, faults=FAULTS)


def names(script: Script) -> set[str]:
    return {event.do for event in script.events} | {fault["name"] for fault in script.faults}


@pytest.mark.parametrize(
    "needed",
    [set(), {"event-3"}, {"fault-9"}, {"event-0", "event-19"}, {"event-7", "fault-2", "fault-8"}],
    ids=len,
)
def test_only_what_is_needed_is_left(needed: set[str]) -> None:
    shrinker = Shrinker(lambda script: 25.0 if needed <= names(script) else None)
    assert names(shrinker.shrink(SCRIPT)) == needed
    assert shrinker.runs < 150


def test_a_script_that_does_not_fail_is_left_as_it_is() -> None:
    shrinker = Shrinker(lambda _: None)
    assert shrinker.shrink(SCRIPT) is SCRIPT
    assert shrinker.runs == 1


def test_the_run_is_cut_short_after_the_violation() -> None:
    least = Shrinker(lambda script: 4.5 if {"event-2", "fault-3"} <= names(script) else None).shrink(SCRIPT)
    assert least.duration_s == 6
    assert names(least) == {"event-2", "fault-3"}


@pytest.mark.parametrize("needed", ["event-19", "fault-9"])
def test_a_run_is_not_cut_shorter_than_what_it_needs(needed: str) -> None:
    least = Shrinker(lambda script: 4.5 if needed in names(script) else None).shrink(SCRIPT)
    assert names(least) == {needed}
    assert least.duration_s == SCRIPT.duration_s


def test_parameters_that_do_not_matter_go_and_times_become_round() -> None:
    least = Shrinker(lambda script: 5.0 if {"event-4", "fault-4"} <= names(script) else None).shrink(SCRIPT)
    assert least.faults == ({"name": "fault-4", "at_s": 4.0},)
    assert least.events == (Happening(4.0, "event-4"),)


def test_a_time_that_matters_stays() -> None:
    def fails(script: Script) -> float | None:
        return 5.0 if any(abs(event.at_s - 4.123) < 0.01 for event in script.events) else None

    least = Shrinker(fails).shrink(SCRIPT)
    assert least.events == (Happening(4.123, "event-4"),)


def test_it_gives_up_after_so_many_runs() -> None:
    events = tuple(Happening(number / 10, f"event-{number}") for number in range(400))
    shrinker = Shrinker(lambda script: 50.0 if len(script.events) > 300 else None)
    least = shrinker.shrink(Script("many", 60.0, "", events=events))
    assert len(least.events) > 300
    assert shrinker.runs <= 302


def test_what_would_come_after_the_new_end_goes_with_it() -> None:
    late = {"name": "late", "at_s": 2.0, "after_s": 9.0}
    script = Script("late", 60.0, "", faults=(late, {"name": "early", "at_s": 1.0}))

    def fails(script: Script) -> float | None:
        return (
            3.0 if "early" in names(script) and ("late" in names(script)) is (script.duration_s > 5) else None
        )

    least = Shrinker(fails).shrink(script)
    assert (least.duration_s, names(least)) == (4, {"early"})
