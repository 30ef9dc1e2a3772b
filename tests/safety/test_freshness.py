"""What each input is worth at any time, against the plain rule."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.freshness import FRESHNESS, Consequence, Freshness, Input, Quality, not_good

# The table, pinned: greatest age in us, and what follows (r refuses, w withholds, t trips).
TABLE = {
    Input.STATUS: (300_000, "rwt"),
    Input.TELEMETRY: (3_000_000, "r"),
    Input.TICK: (100_000, "rw"),
    Input.LOOP: (500_000, "rw"),
    Input.TASKS: (None, "rw"),
    Input.STORE: (None, "r"),
    Input.OPERATOR: (None, "r"),
    Input.CALIBRATION: (None, "r"),
}
LETTERS = {"r": Consequence.REFUSES, "w": Consequence.WITHHOLDS, "t": Consequence.TRIPS}


@pytest.mark.parametrize("which", Input)
def test_the_table_is_the_specified_one(which: Input) -> None:
    age, letters = TABLE[which]
    assert FRESHNESS[which].max_age_us == age
    assert FRESHNESS[which].consequences == {LETTERS[letter] for letter in letters}
    assert FRESHNESS[which].meaning


@pytest.mark.parametrize("which", Input)
def test_an_input_is_good_up_to_its_age_and_stale_after_it(which: Input) -> None:
    age = TABLE[which][0]
    freshness = Freshness({})
    assert freshness.view(which, 0).quality is Quality.BAD
    assert freshness.view(which, 0).age_us is None
    freshness.note(which, 1_000, text="seen")
    for passed in (0, 1, 299_999, 300_000, 300_001, 10**9):
        view = freshness.view(which, 1_000 + passed)
        assert view.quality is (Quality.GOOD if age is None or passed <= age else Quality.STALE)
        assert (view.age_us, view.text) == (passed, "seen")
    if age is not None:
        assert freshness.view(which, 1_000 + age).quality is Quality.GOOD
        assert freshness.view(which, 1_001 + age).quality is Quality.STALE


@pytest.mark.parametrize("which", Input)
def test_bad_future_nan_and_forgotten_are_not_good(which: Input) -> None:
    freshness = Freshness({})
    freshness.note(which, 1_000)
    assert freshness.view(which, 999).quality is Quality.BAD
    assert freshness.view(which, math.nan).quality is not Quality.GOOD  # type: ignore[arg-type]  # a caller's slip
    freshness.note(which, 1_000, ok=False)
    assert freshness.view(which, 1_000).quality is Quality.BAD
    freshness.note(which, 1_000)
    assert freshness.view(which, 1_000).quality is Quality.GOOD
    freshness.forget(which)
    freshness.forget(which)
    assert freshness.view(which, 1_000).quality is Quality.BAD


def test_the_configuration_overrides_an_age() -> None:
    freshness = Freshness({Input.STATUS: 50})
    freshness.note(Input.STATUS, 0)
    assert freshness.view(Input.STATUS, 50).quality is Quality.GOOD
    assert freshness.view(Input.STATUS, 51).quality is Quality.STALE


@pytest.mark.parametrize("consequence", Consequence)
def test_only_good_inputs_have_no_consequence_and_a_missing_one_is_bad(consequence: Consequence) -> None:
    letter = next(key for key, value in LETTERS.items() if value is consequence)
    concerned = [which for which in Input if letter in TABLE[which][1]]
    assert not_good({}, consequence) == concerned
    for quality in Quality:
        everything = dict.fromkeys(Input, quality)
        assert not_good(everything, consequence) == ([] if quality is Quality.GOOD else concerned)


# -- what is kept between two readings is never kept too long: the plain rule, said again at every microsecond


def judged_anew(readings: dict[Input, tuple[int, bool]], now_us: int) -> dict[Input, Quality]:
    found = {}
    for which, (max_age_us, _) in TABLE.items():
        at_us, ok = readings.get(which, (0, False))
        age_us = now_us - at_us
        if not ok or age_us < 0:
            found[which] = Quality.BAD
        else:
            found[which] = Quality.STALE if max_age_us is not None and age_us > max_age_us else Quality.GOOD
    return found


STEPS_US = st.sampled_from(
    [0, 0, 1, 49_999, 50_000, 99_999, 100_000, 100_001, 300_000, 300_001, 500_001, 3_000_001, -1, -60_000]
)
NOTES = st.tuples(st.just("note"), st.sampled_from(Input), st.sampled_from([True, True, True, False]))
FORGETS = st.tuples(st.just("forget"), st.sampled_from(Input), st.just(False))


ASKS = st.lists(STEPS_US, max_size=3)  # what nobody asks about meanwhile must not matter either


@given(st.booleans(), st.lists(st.tuples(STEPS_US, NOTES | NOTES | NOTES | FORGETS, ASKS), max_size=60))
def test_after_any_history_every_input_is_worth_at_any_time_what_the_plain_rule_says(
    all_good: bool,
    history: Sequence[tuple[int, tuple[str, Input, bool], Sequence[int]]],
) -> None:
    freshness, readings, now_us = Freshness({}), dict[Input, tuple[int, bool]](), 1_000_000
    for which in Input if all_good else ():
        freshness.note(which, now_us)
        readings[which] = (now_us, True)
    assert set(freshness.qualities(now_us).values()) == {Quality.GOOD if all_good else Quality.BAD}
    for step_us, (act, which, ok), asked_us in history:
        now_us += step_us
        if act == "note":
            freshness.note(which, now_us, ok=ok)
            readings[which] = (now_us, ok)
        else:
            freshness.forget(which)
            readings.pop(which, None)
        for later_us in asked_us:
            found, plain = freshness.qualities(now_us + later_us), judged_anew(readings, now_us + later_us)
            assert found == plain
            for consequence in Consequence:
                assert not_good(found, consequence) == not_good(plain, consequence)
                assert (not not_good(found, consequence)) == all(
                    plain[which] is Quality.GOOD
                    for which in Input
                    if consequence in FRESHNESS[which].consequences
                )


def test_where_all_are_good_none_was_before_its_reading_and_none_is_after_its_end() -> None:
    freshness = Freshness({})
    for which in Input:
        freshness.note(which, 1_000)
    assert set(freshness.qualities(1_000).values()) == {Quality.GOOD}
    freshness.note(Input.STATUS, 2_000)
    for now_us in (2_000, 101_000):
        assert set(freshness.qualities(now_us).values()) == {Quality.GOOD}
    assert freshness.qualities(1_999)[Input.STATUS] is Quality.BAD
    assert freshness.qualities(999)[Input.STORE] is Quality.BAD
    assert freshness.qualities(101_000)[Input.TICK] is Quality.GOOD
    assert freshness.qualities(101_001)[Input.TICK] is Quality.STALE
    freshness.note(Input.TICK, 101_001)
    assert set(freshness.qualities(201_001).values()) == {Quality.GOOD}
    freshness.note(Input.TICK, 201_001)
    assert set(freshness.qualities(301_001).values()) == {Quality.GOOD}
    assert freshness.qualities(1_998)[Input.TICK] is Quality.BAD
    assert freshness.qualities(302_001)[Input.STATUS] is Quality.STALE


def test_a_reading_from_before_the_one_before_ends_by_its_own_time() -> None:
    freshness = Freshness({})
    freshness.note(Input.STATUS, 1_000)
    assert freshness.qualities(1_000)[Input.STATUS] is Quality.GOOD
    freshness.note(Input.STATUS, 500)
    assert freshness.qualities(300_501)[Input.STATUS] is Quality.STALE


@pytest.mark.parametrize("which", [which for which, (age, _) in TABLE.items() if age is not None])
def test_an_input_that_ends_amid_others_that_are_kept_fresh_ends_at_its_own_microsecond(which: Input) -> None:
    freshness = Freshness({})
    for other in Input:
        freshness.note(other, 1_000)
    end_us = 1_000 + (TABLE[which][0] or 0)
    for now_us in range(1_000, end_us + 1, 10_000):
        for other in set(Input) - {which}:
            freshness.note(other, now_us)
        assert set(freshness.qualities(now_us).values()) == {Quality.GOOD}
    for other in set(Input) - {which}:
        freshness.note(other, end_us)
    assert freshness.qualities(end_us)[which] is Quality.GOOD
    late = freshness.qualities(end_us + 1)
    assert [other for other, quality in late.items() if quality is not Quality.GOOD] == [which]
    assert late[which] is Quality.STALE


def test_an_answer_given_once_does_not_change_afterwards() -> None:
    freshness = Freshness({})
    before = freshness.qualities(5)
    freshness.note(Input.STORE, 5)
    assert before[Input.STORE] is Quality.BAD
    assert freshness.qualities(5)[Input.STORE] is Quality.GOOD


def test_what_was_said_of_a_bad_input_is_told_until_it_is_good_again() -> None:
    freshness = Freshness({})
    assert freshness.why_bad(Input.STORE) == "never seen"
    freshness.note(Input.STORE, 0, ok=False, text="the disk is full")
    assert freshness.why_bad(Input.STORE) == "the disk is full"
    freshness.note(Input.STORE, 1, ok=True, text="written")
    assert freshness.why_bad(Input.STORE) == ""
