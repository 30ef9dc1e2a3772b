"""A pulse that surely gave no light is accounted for, and is none of the plan's."""

import itertools

import pytest

from protocols.messages import PulseFlag
from tests.safety.desk import Desk

NO_LIGHT = {PulseFlag.SKIPPED, PulseFlag.MISSING}


@pytest.mark.parametrize(
    "flags", [set(), *({flag} for flag in PulseFlag), *map(set, itertools.combinations(NO_LIGHT, 2))]
)
def test_only_what_surely_gave_no_light_is_not_done(flags: set[PulseFlag]) -> None:
    desk = Desk().emitting()
    energy_uj = 0 if flags & NO_LIGHT else 173_000
    desk.fire(101, flags=frozenset(flags), monitor_a_uj=energy_uj, monitor_b_uj=energy_uj)
    view = desk.supervisor.view(desk.now_us)
    assert (view.plan_done, view.reported_to) == (0 if flags & NO_LIGHT else 1, 101)
