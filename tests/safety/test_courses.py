"""Courses: intervals, numbers, effects and the clock, against the rule said again."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.courses import (
    GRADES,
    GRAVE,
    Clock,
    Course,
    Effect,
    EffectKind,
    Matter,
    Sitting,
    matters,
    reasons,
    severities,
    severity_words,
)
from safety.presets import PRESETS

TATTOO = PRESETS["tattoo"]  # T027: 6 weeks, 4 at the least, 10 sessions
FIRST = date(2026, 3, 4)
DAY = timedelta(days=1)


def at(day: date, hour: int = 12) -> Clock:
    return Clock(datetime(day.year, day.month, day.day, hour, tzinfo=UTC))


def sitting(day: date = FIRST, session_id: str = "s-1") -> Sitting:
    return Sitting(session_id, "tattoo", day, 60, "anna")


def course(*sittings: Sitting) -> Course:
    return Course("tattoo", sittings, TATTOO)


def effect(number: int = 1, kind: EffectKind = EffectKind.PAIN, resolved: date | None = None) -> Effect:
    return Effect(number, "s-1", kind, 2, FIRST, datetime(2026, 3, 4, tzinfo=UTC), "anna", resolved)


def names(found: tuple[Matter, ...]) -> list[str]:
    return [matter.name for matter in found]


def test_nothing_stands_against_a_first_session_and_it_has_no_dates() -> None:
    first = course()
    assert (first.done, first.planned, first.last, first.earliest, first.earliest_known) == (
        0, 10, None, None, None
    )  # fmt: skip
    assert matters(first, (), at(FIRST)) == ()


@pytest.mark.parametrize("indication", PRESETS)
@pytest.mark.parametrize("hour", [0, 23])
def test_the_next_session_waits_for_the_interval_of_its_preset_to_the_day(indication: str, hour: int) -> None:
    weeks = {
        "acne_scars": (3, 3),
        "rejuvenation": (3, 3),
        "epidermal_pigment": (4, 4),
        "dermal_pigment": (4, 4),
        "melasma": (4, 4),
        "tattoo": (6, 4),
        "red_tattoo": (4, 4),
    }[indication]  # treatments.csv T023 to T028
    due, known = (FIRST + 7 * week * DAY for week in weeks)
    begun = Course(indication, (sitting(),), PRESETS[indication])
    assert (begun.last, begun.earliest, begun.earliest_known) == (FIRST, due, known)
    for after in range(-2, 60):
        today = FIRST + after * DAY
        expected = [] if today >= due else [f"early-{due}"] if today >= known else [f"too-early-{known}"]
        found = matters(begun, (), at(today, hour))
        assert names(found) == expected
        for matter in found:
            assert str(today) in matter.text
            assert str(due) in matter.text
            assert "treatments.csv" in matter.text


def test_the_interval_counts_from_the_latest_day_whatever_the_order_of_recording() -> None:
    days = [FIRST, FIRST + 50 * DAY, FIRST + 20 * DAY]
    for order in itertools.permutations(days):
        begun = course(*(sitting(day, f"s-{n}") for n, day in enumerate(order)))
        assert begun.last == FIRST + 50 * DAY
        assert begun.earliest == FIRST + 92 * DAY


@pytest.mark.shows("REQ-046")
@pytest.mark.parametrize("done", range(13))
def test_a_session_beyond_the_number_planned_is_confirmed_by_its_number(done: int) -> None:
    given_ = course(*(sitting(FIRST + 42 * n * DAY, f"s-{n}") for n in range(done)))
    found = matters(given_, (), at(FIRST + 42 * done * DAY))
    assert given_.done == done
    assert names(found) == ([f"session-{done + 1}"] if done >= 10 else [])
    if found:
        assert f"session {done + 1} of 10 planned" in found[0].text


def test_an_indication_without_a_preset_has_sessions_and_no_plan() -> None:
    old = Course("no longer known", (sitting(),), None)
    assert (old.done, old.planned, old.last, old.earliest, old.earliest_known) == (1, None, FIRST, None, None)
    assert matters(old, (), at(FIRST)) == ()


def test_going_on_with_a_session_on_its_own_day_is_the_same_sitting_and_later_it_is_another() -> None:
    begun = course(sitting(FIRST, "s-1"))
    assert matters(begun, (), at(FIRST), resuming="s-1") == ()
    assert names(matters(begun, (), at(FIRST), resuming="s-2")) == ["too-early-2026-04-01"]
    assert names(matters(begun, (), at(FIRST + DAY), resuming="s-1")) == ["too-early-2026-04-01"]
    assert names(matters(begun, (), at(FIRST - DAY), resuming="s-1")) == ["too-early-2026-04-01"]
    tenth = course(*(sitting(FIRST + 42 * n * DAY, f"s-{n}") for n in range(10)))
    assert matters(tenth, (), at(FIRST + 42 * 9 * DAY), resuming="s-9") == ()


# -- adverse effects


@pytest.mark.parametrize("resolved", [None, FIRST + DAY])
@pytest.mark.parametrize("kind", EffectKind)
def test_what_is_grave_or_not_resolved_is_confirmed_one_by_one_and_the_rest_together(
    kind: EffectKind, resolved: date | None
) -> None:
    grave = kind.value in {"blistering", "scarring", "hyperpigmentation", "hypopigmentation"}
    assert (kind in GRAVE) is grave
    (found,) = matters(course(), (effect(7, kind, resolved),), at(FIRST))
    assert found.name == ("effect-7" if grave or resolved is None else "effects-7")
    assert kind.value in found.text
    assert str(FIRST) in found.text
    assert ("not resolved" in found.text) is (resolved is None)


def test_a_new_effect_makes_every_earlier_confirmation_too_little() -> None:
    gone = FIRST + DAY
    known = (effect(1, resolved=gone), effect(2, EffectKind.BLISTERING), effect(3, resolved=gone))
    confirmed = {matter.name for matter in matters(course(), known, at(FIRST))}
    assert confirmed == {"effects-3", "effect-2"}
    for new in (effect(4, resolved=gone), effect(4, EffectKind.SCARRING)):
        standing = matters(course(), (*known, new), at(FIRST))
        assert reasons(standing, confirmed)


@pytest.mark.parametrize("kind", EffectKind)
def test_pain_goes_from_0_to_10_and_everything_else_has_three_grades(kind: EffectKind) -> None:
    allowed = list(severities(kind))
    assert allowed == (list(range(11)) if kind is EffectKind.PAIN else [1, 2, 3])
    words = [severity_words(kind, severity) for severity in allowed]
    assert words == ([f"{n}/10" for n in range(11)] if kind is EffectKind.PAIN else list(GRADES))
    assert len(GRADES) == 3


def test_an_effect_tells_all_that_is_known_of_it() -> None:
    told = replace(effect(3, resolved=FIRST + DAY), resolved_by="bert").plain()
    assert told == {
        "id": 3,
        "session": "s-1",
        "kind": "pain",
        "severity": 2,
        "severity_text": "2/10",
        "onset": "2026-03-04",
        "resolved": "2026-03-05",
        "recorded": "2026-03-04T00:00:00+00:00",
        "recorded_by": "anna",
        "resolved_by": "bert",
        "blocks": False,
        "taken_back": None,
        "corrects": None,
        "text": "pain, 2/10, since 2026-03-04, resolved on 2026-03-05",
    }
    assert effect().plain()["resolved"] is None
    assert effect().plain()["blocks"] is True


# -- the clock


NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("behind_s", "doubted"), [(-3600, False), (0, False), (60, False), (61, True), (3600, True)]
)
def test_a_clock_behind_the_newest_session_is_not_trusted(behind_s: int, doubted: bool) -> None:
    clock = Clock(NOON, NOON + timedelta(seconds=behind_s))
    assert bool(clock.doubt) is doubted
    found = matters(course(), (), clock)
    assert names(found) == (["clock-2026-03-04"] if doubted else [])
    if doubted:
        assert "12:00 UTC" in found[0].text


@pytest.mark.parametrize("set_by_s", [-7200, -3600, -61, -60, 0, 60, 61, 3600, 7200])
def test_a_clock_that_was_set_is_doubted_and_says_which_way(set_by_s: int) -> None:
    clock = Clock(NOON, None, timedelta(seconds=set_by_s))
    assert bool(clock.doubt) is (abs(set_by_s) > 60)
    if clock.doubt:
        assert ("forward" if set_by_s > 0 else "back") in clock.doubt


@given(
    true=st.integers(0, 90 * 86_400).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    step=st.integers(-7200, 7200).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_step_of_the_clock_never_makes_an_interval_shorter(true: datetime, step: timedelta) -> None:
    """Whatever the clock shows after a step that was seen: what stood before it stands."""
    begun = course(sitting())
    before = set(names(matters(begun, (), Clock(true))))
    after = set(names(matters(begun, (), Clock(true + step, None, step))))
    assert not before or any("early" in name for name in after)


# -- confirming


def test_each_matter_needs_its_own_name_and_a_name_that_fits_nothing_is_refused() -> None:
    begun = course(*(sitting(FIRST - 42 * n * DAY, f"s-{n}") for n in range(10)))
    standing = matters(begun, (effect(2),), Clock(NOON, NOON + DAY))
    every = {"clock-2026-03-04", "too-early-2026-04-01", "session-11", "effect-2"}
    assert set(names(standing)) == every
    for count in range(5):
        for confirmed in map(set, itertools.combinations(sorted(every), count)):
            codes = {reason.code for reason in reasons(standing, confirmed)}
            assert codes == {f"course.{name}" for name in every - confirmed}
    (stranger,) = reasons(standing, every | {"early-2026-04-15"})
    assert stranger.code == "course.unknown"
    assert "early-2026-04-15" in stranger.text
    assert all(reason.text and reason.action for reason in reasons(standing, ()))
