"""Latches: their words, their order, their instances."""

import itertools

import pytest

from safety.latches import LATCHES, Latches, LatchId

# Pinned: which trips send a stop even to a laser that is not known to be armed.
ALWAYS = {
    LatchId.STALE,
    LatchId.UNCERTAIN,
    LatchId.UNPERMITTED_LIGHT,
    LatchId.UNEXPECTED_STATE,
    LatchId.PULSE_JUDGEMENT,
}


@pytest.mark.shows("REQ-041")
@pytest.mark.parametrize("which", LatchId)
def test_every_latch_has_words_an_action_and_its_rule(which: LatchId) -> None:
    row = LATCHES[which]
    assert row.text
    assert row.action
    assert row.stops_always == (which in ALWAYS)


@pytest.mark.shows("REQ-025", "REQ-037", "HZ-020")
def test_the_first_cause_stands_and_instances_are_never_used_again() -> None:
    latches, seen = Latches(), []
    for round_, which in itertools.product(range(3), LatchId):
        latch = latches.set(which, f"cause {round_}", 10 * round_)
        assert latch is not None
        assert latches.set(which, "another cause", 99) is None
        assert (latch.since_us, f"cause {round_}" in latch.text) == (10 * round_, True)
        assert latches.standing() == (latch,)
        assert which in latches
        seen.append(latch.instance)
        latches.clear(which)
        latches.clear(which)
        assert which not in latches
    assert seen == list(range(1, len(seen) + 1))


def test_latches_stand_in_the_order_of_their_trips_and_are_found_by_instance() -> None:
    latches = Latches()
    order = [LatchId.STORE_FAILED, LatchId.START_UP, LatchId.STALE]
    for which in order:
        latches.set(which, "", 0)
    assert [latch.id for latch in latches.standing()] == order
    found, unknown = latches.find([3, 1, 7])
    assert [latch.id for latch in found] == [LatchId.STORE_FAILED, LatchId.STALE]
    assert unknown == [7]


def test_before_anything_tripped_no_latch_stands() -> None:
    assert Latches().standing() == ()
