"""What a session has given, counted from its records."""

from dataclasses import replace

import pytest

from controller.session import Tally
from tests.controller.stored import pulse

INSIDE = replace(pulse(1), aperture=False, flags=frozenset({"shutter_closed"}))


@pytest.mark.parametrize(("flag", "given"), [("", 1), ("skipped", 0), ("missing", 0)])
def test_a_rehearsal_counts_the_light_inside_and_nothing_that_was_none(flag: str, given: int) -> None:
    tally = Tally(rehearsal=True)
    tally.add(replace(INSIDE, flags=INSIDE.flags | set(filter(None, [flag]))))
    assert tally.given == given
    assert tally.dose_j_cm2 == 0.0


def test_a_treatment_counts_what_was_delivered_and_its_dose() -> None:
    tally = Tally(rehearsal=False)
    for number in range(1, 4):
        tally.add(pulse(number))
    tally.add(INSIDE)
    assert tally.given == 3
    assert tally.dose_j_cm2 == pytest.approx(3 * 0.7)
    assert tally.energy_mj == pytest.approx(3 * 200.0)
