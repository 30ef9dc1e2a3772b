"""The age of a contact's last opening: no clock makes it younger, each limit is kept to the microsecond."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.interlocks import Interlock
from safety.proof_tests import (
    NOTHING_SEEN,
    PROOF_TESTS,
    Elapsed,
    Evidence,
    Finding,
    Limits,
    Moment,
    Standing,
    evidence,
    judge,
)

pytestmark = pytest.mark.shows("HZ-039")

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WALL = 20_000 * DAY  # some day in 2024
LIMITS = Limits(days=30, cover_days=365)


def aged(passed_us: int, *, seen: bool = True, ahead: bool = False) -> Moment:
    return Moment(Elapsed(WALL, 0, passed_us, ahead), seen)


# -- the time since


def test_at_its_own_moment_nothing_has_passed() -> None:
    since = Elapsed(WALL, 7)
    assert (since.passed_us, since.ahead) == (0, False)
    assert since.at(WALL, 7) == since


@pytest.mark.parametrize(
    ("wall_us", "mono_us", "passed_us"),
    [
        (WALL + DAY, 100 * HOUR + DAY, DAY),  # both go on
        (WALL + DAY, 100 * HOUR + 1, DAY),  # the computer slept: its monotonic clock stood
        (WALL, 100 * HOUR + DAY, DAY),  # the time of day stood, or was put back
        (WALL - 9_000 * DAY, 100 * HOUR + DAY, DAY),
        (WALL + 5 * DAY, HOUR, 5 * DAY),  # the machine was off, and has run for an hour
        (WALL - 5 * DAY, HOUR, HOUR),  # the same, with its clock put back: an hour at the least
        (WALL, 100 * HOUR - MINUTE, 0),  # records that were written out of order
        (WALL, 100 * HOUR - MINUTE - 1, 100 * HOUR - MINUTE - 1),  # a start of the machine
    ],
)
def test_neither_clock_alone_tells_what_has_passed(wall_us: int, mono_us: int, passed_us: int) -> None:
    assert Elapsed(WALL, 100 * HOUR).at(wall_us, mono_us).passed_us == passed_us


@pytest.mark.parametrize(
    ("back_us", "ahead"), [(0, False), (5 * MINUTE, False), (5 * MINUTE + 1, True), (9_000 * DAY, True)]
)
def test_a_moment_in_the_future_is_told_as_such_beyond_five_minutes(back_us: int, ahead: bool) -> None:
    assert Elapsed(WALL, 0).at(WALL - back_us, 1).ahead is ahead
    assert not Elapsed(WALL, 0).at(WALL - back_us, 1).at(WALL, 2).ahead, "it is set right again"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 40 * DAY),  # really passes
        st.booleans(),  # the machine starts anew at its end
        st.integers(-50 * DAY, 50 * DAY) | st.just(0),  # the time of day is put off by so much
    ),
    max_size=12,
)


@given(STEPS)
def test_no_step_of_a_clock_makes_the_time_since_shorter_than_what_ran(
    steps: list[tuple[int, bool, int]],
) -> None:
    """The true time is simulated; the least that must be known is the time the machine ran between looks."""
    true_us, mono_us, off_us, ran_us = 0, 3 * HOUR, 0, 0
    since = Elapsed(WALL, mono_us)
    furthest_us = 0
    for passes_us, restarts, moves_us in steps:
        before = since.passed_us
        true_us += passes_us
        off_us += moves_us
        if restarts:
            mono_us = 0
        else:
            mono_us += passes_us
            ran_us += passes_us
        since = since.at(WALL + true_us + off_us, mono_us)
        furthest_us = max(furthest_us, true_us + off_us)
        assert since.passed_us >= before
        assert since.passed_us >= ran_us
        assert since.passed_us >= furthest_us


@given(st.lists(st.tuples(st.integers(0, 40 * DAY), st.booleans()), max_size=12))
def test_with_a_clock_that_is_right_it_is_the_true_time(steps: list[tuple[int, bool]]) -> None:
    true_us, mono_us = 0, 3 * HOUR
    since = Elapsed(WALL, mono_us)
    for passes_us, restarts in steps:
        true_us += passes_us
        mono_us = 0 if restarts else mono_us + passes_us
        since = since.at(WALL + true_us, mono_us)
        assert (since.passed_us, since.ahead) == (true_us, False)


# -- what follows


def test_the_contacts_that_people_open_are_these() -> None:
    assert {interlock: row.words for interlock, row in PROOF_TESTS.items()} == {
        Interlock.ESTOP: "the emergency stop",
        Interlock.KEY: "the key",
        Interlock.REMOTE: "the remote interlock",
        Interlock.DOOR: "the door",
        Interlock.COVER: "the housing cover",
    }
    assert {interlock for interlock, row in PROOF_TESTS.items() if row.service} == {Interlock.COVER}
    assert all("see `picolase status` report it" in row.action for row in PROOF_TESTS.values())
    assert "`picolase ack`" in PROOF_TESTS[Interlock.ESTOP].action, "its fault latches"
    assert "STANDBY" in PROOF_TESTS[Interlock.DOOR].action


DAYS = (29, 30, 31, 89, 90, 91, 364, 365, 366, 1_095, 1_096)
EACH = (False, True)


@pytest.mark.parametrize("interlock", PROOF_TESTS)
def test_each_age_has_its_consequence(interlock: Interlock) -> None:
    for days, more_us, *rest in itertools.product(DAYS, (-1, 0, 1), EACH, EACH, EACH):
        judged(interlock, days * DAY + more_us, *rest)


def judged(interlock: Interlock, passed_us: int, seen: bool, ahead: bool, unwired: bool) -> None:
    limits = replace(LIMITS, unwired=frozenset({interlock} if unwired else ()))
    finding = judge(interlock, aged(passed_us, seen=seen, ahead=ahead), limits)
    limit_days = 365 if interlock is Interlock.COVER else 30
    if unwired:
        expected = "unwired"
    elif interlock is not Interlock.COVER and passed_us > 90 * DAY:
        expected = "overdue"
    elif passed_us > limit_days * DAY or ahead:
        expected = "due"
    else:
        expected = "good"
    assert finding.standing.value == expected
    assert finding.due is (expected in {"due", "overdue"})
    assert finding.limit_us == limit_days * DAY
    against = evidence([finding]).against
    assert [reason.code for reason in against] == (
        [f"proof.{interlock.name.lower()}"] if expected == "overdue" else []
    )


@pytest.mark.parametrize(
    ("passed_us", "words"),
    [
        (0, "the door was seen open less than an hour ago"),
        (HOUR - 1, "the door was seen open less than an hour ago"),
        (HOUR, "the door was seen open 1 h ago"),
        (48 * HOUR - 1, "the door was seen open 47 h ago"),
        (48 * HOUR, "the door was seen open 2 days ago"),
        (30 * DAY, "the door was seen open 30 days ago"),
        (31 * DAY, "the door was not seen open for 31 days"),
        (400 * DAY - 1, "the door was not seen open for 399 days"),
    ],
)
def test_what_was_seen_is_said_in_words(passed_us: int, words: str) -> None:
    finding = judge(Interlock.DOOR, aged(passed_us), LIMITS)
    assert finding.words == words
    assert finding.reason.text == words
    assert finding.reason.action == PROOF_TESTS[Interlock.DOOR].action


def test_what_was_never_seen_what_is_not_wired_and_what_is_not_known_is_said_in_words() -> None:
    never = judge(Interlock.REMOTE, aged(31 * DAY, seen=False), LIMITS)
    assert never.words == "the remote interlock was never seen open, in 31 days of looking"
    fresh = judge(Interlock.REMOTE, aged(DAY - 1, seen=False), LIMITS)
    assert fresh.words == "the remote interlock was never seen open, in 0 days of looking"
    unwired = judge(Interlock.DOOR, aged(0, ahead=True), replace(LIMITS, unwired=frozenset({Interlock.DOOR})))
    assert unwired.words == "the door is not in use here"
    ahead = judge(Interlock.KEY, aged(0, ahead=True), LIMITS)
    assert ahead.words == "the key was last open in the future, by this computer's clock"
    assert ahead.reason.action == f"check this computer's clock; {PROOF_TESTS[Interlock.KEY].action}"


def test_evidence_says_everything_and_holds_against_only_what_is_overdue() -> None:
    findings = [
        judge(Interlock.ESTOP, aged(0), LIMITS),
        judge(Interlock.REMOTE, aged(31 * DAY), LIMITS),
        judge(Interlock.DOOR, aged(91 * DAY), LIMITS),
        judge(Interlock.COVER, aged(2_000 * DAY), LIMITS),
    ]
    found = evidence(findings)
    assert found.words == "on record: " + "; ".join(finding.words for finding in findings)
    assert found.against == (findings[2].reason,)


def test_where_nothing_is_known_no_evidence_is_claimed() -> None:
    assert evidence(()) == Evidence("on record: what was seen of them is not known", ())
    assert (NOTHING_SEEN.words, NOTHING_SEEN.against) == ("", ())


def test_a_finding_stands_for_every_standing() -> None:
    standings = {
        judge(Interlock.DOOR, aged(days * DAY), limits).standing
        for days in (1, 31, 91)
        for limits in (LIMITS, replace(LIMITS, unwired=frozenset({Interlock.DOOR})))
    }
    assert standings == set(Standing)
    assert Finding(Interlock.DOOR, aged(0), 0, Standing.GOOD).due is False
