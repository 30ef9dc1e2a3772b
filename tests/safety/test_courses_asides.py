"""The words of a course's matters, and presets without an interval: found missing by mutation testing."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from safety.courses import GRADES, Clock, Course, Sitting, matters
from safety.presets import PRESETS

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TATTOO = PRESETS["tattoo"]


def sitting(day: date) -> Sitting:
    return Sitting("s-1", "tattoo", day, 60, "anna")


@pytest.mark.parametrize(
    ("set_by", "words"),
    [
        (
            timedelta(hours=1),
            "the clock was set forward by 60 min while the daemon ran, to 2026-11-23 12:00 UTC",
        ),
        (
            timedelta(hours=-2),
            "the clock was set back by 120 min while the daemon ran, to 2026-11-23 12:00 UTC",
        ),
        (timedelta(), ""),
    ],
)
def test_a_doubt_of_the_clock_says_how_far_it_was_set_and_which_way(set_by: timedelta, words: str) -> None:
    assert Clock(NOON, None, set_by).doubt == words


def test_the_day_is_the_earlier_one_of_a_clock_that_was_set_forward_and_the_shown_one_of_one_set_back() -> (
    None
):
    assert Clock(NOON, None, timedelta(days=2)).today == date(2026, 11, 21)
    assert Clock(NOON, None, timedelta(days=-2)).today == date(2026, 11, 23)


def test_what_comes_earlier_than_any_study_treated_says_so() -> None:
    known = Course("tattoo", (sitting(date(2026, 11, 1)),), replace(TATTOO, interval_weeks=6))
    (early,) = matters(known, (), Clock(NOON))
    assert TATTOO.interval_weeks_least > 3
    assert f"; earlier than {known.earliest_known} no study treated (" in early.text
    assert early.name == f"too-early-{known.earliest_known}"


def test_a_preset_without_an_interval_asks_for_none() -> None:
    begun = (sitting(date(2026, 11, 22)),)
    assert matters(Course("tattoo", begun, replace(TATTOO, interval_weeks=0)), (), Clock(NOON)) == ()
    planned = Course("tattoo", begun, replace(TATTOO, interval_weeks_least=0))
    (early,) = matters(planned, (), Clock(NOON))
    assert early.name == f"early-{planned.earliest}"


def test_the_grades_keep_their_words_and_their_order() -> None:
    assert GRADES == ("mild", "moderate", "severe")
