"""The sequence of pulse reports: gaps, repetitions, jumps, and settling."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety.sequence import GAP_MAX_US, PulseSequence, Taken
from tests.safety.laser import COUNTERS, report

GAP_US = 1_500_000


def begun(recorded_to: int | None = 100) -> PulseSequence:
    sequence = PulseSequence()
    sequence.begin(recorded_to, 0)
    return sequence


def test_reports_in_order_are_new_and_move_the_count() -> None:
    sequence = begun()
    for number in (101, 102, 103):
        taken = sequence.take(report(pulse_number=number), number)
        assert (taken.new, taken.problem) == (True, "")
        assert sequence.reported_to == number
    assert not sequence.behind
    assert not sequence.overdue(10**12)


def test_a_repetition_is_not_new_and_no_problem() -> None:
    sequence = begun()
    sequence.take(report(), 0)
    for _ in range(3):
        assert sequence.take(report(), 0) == sequence.take(report(pulse_number=99), 0)
        assert not sequence.take(report(), 0).new
        assert not sequence.take(report(), 0).problem
    assert sequence.broken == ""


def test_a_repetition_with_other_content_is_a_problem() -> None:
    sequence = begun()
    sequence.take(report(), 0)
    taken = sequence.take(report(monitor_a_uj=1), 0)
    assert not taken.new
    assert "101" in taken.problem
    assert sequence.broken == taken.problem


def test_a_pulse_without_a_number_is_a_problem() -> None:
    taken = begun().take(report(pulse_number=0), 0)
    assert not taken.new
    assert taken.problem


def test_a_report_overtaken_by_its_successors_is_no_gap_until_its_repetitions_are_over() -> None:
    sequence = begun()
    assert sequence.take(report(pulse_number=102), 1_000).problem == ""
    assert sequence.behind
    assert sequence.reported_to == 100
    assert not sequence.overdue(1_000 + GAP_US)
    assert sequence.overdue(1_001 + GAP_US)
    sequence.take(report(pulse_number=101), 2_000)
    assert sequence.reported_to == 102
    assert not sequence.behind
    assert not sequence.overdue(10**12)


def test_progress_starts_the_waiting_anew() -> None:
    sequence = begun()
    sequence.take(report(pulse_number=103), 0)
    sequence.take(report(pulse_number=101), 1_000_000)
    assert not sequence.overdue(1_000_000 + GAP_US)
    assert sequence.overdue(1_000_001 + GAP_US)
    sequence.take(report(pulse_number=104), 1_200_000)  # no progress: 102 is still missing
    assert sequence.overdue(1_000_001 + GAP_US)
    sequence.begin(101, 3_000_000)  # a new link: the device begins again to send
    assert not sequence.overdue(3_000_000 + GAP_US)
    assert sequence.overdue(3_000_001 + GAP_US)


@pytest.mark.parametrize("ahead", range(1, 20))
def test_a_jump_further_than_the_device_has_under_way_is_a_problem(ahead: int) -> None:
    sequence = begun()
    taken = sequence.take(report(pulse_number=100 + ahead), 0)
    assert taken.new
    assert bool(taken.problem) == (ahead > 8)
    assert bool(sequence.broken) == (ahead > 8)


def test_a_device_new_to_the_host_begins_where_it_was_acknowledged() -> None:
    sequence = begun(None)
    assert sequence.take(report(pulse_number=43), 0).new
    assert sequence.reported_to is None
    assert not sequence.behind
    assert not sequence.overdue(10**12)
    assert sequence.counters(replace(COUNTERS, acknowledged=41, pulse_number=43), 5) == ""
    assert sequence.behind
    assert sequence.take(report(pulse_number=42), 6).new
    assert sequence.reported_to == 43
    assert not sequence.behind


def test_counters_that_forgot_what_was_not_recorded_are_a_problem() -> None:
    assert begun().counters(COUNTERS, 0) == ""
    sequence = begun(99)
    assert "forget" in sequence.counters(COUNTERS, 0)
    assert sequence.broken


def test_a_counter_that_goes_back_is_a_problem() -> None:
    sequence = begun()
    assert "went back from 100 to 99" in sequence.told(99, 0)
    sequence = begun()
    assert sequence.told(105, 0) == ""
    assert sequence.behind
    assert "went back from 105 to 104" in sequence.told(104, 0)
    assert begun(None).told(0, 0) == ""


def test_the_first_problem_is_kept_and_only_settling_takes_it_away() -> None:
    sequence = begun()
    sequence.told(99, 0)
    first = sequence.broken
    sequence.take(report(pulse_number=0), 0)
    sequence.take(report(pulse_number=250), 0)
    assert sequence.broken == first
    sequence.settle(300, 0)
    assert sequence.broken == ""
    assert sequence.reported_to == 300
    assert not sequence.behind
    assert not sequence.overdue(10**12)
    assert sequence.take(report(pulse_number=301), 0).new


def test_settling_forgets_reports_beyond_it_so_that_they_come_again() -> None:
    sequence = begun()
    sequence.take(report(pulse_number=104), 0)
    sequence.settle(103, 0)
    assert sequence.take(report(pulse_number=104), 0).new
    assert sequence.reported_to == 104


@pytest.mark.shows("REQ-025", "HZ-020")
@pytest.mark.parametrize("start", [0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63 - 4])
def test_the_count_does_not_roll_over(start: int) -> None:
    sequence = begun(start - 1)
    for number in (start, start + 1, start + 2):
        assert sequence.take(report(pulse_number=number), 0).problem == ""
    assert sequence.reported_to == start + 2


def test_memory_of_reports_is_bounded() -> None:
    sequence = begun()
    for number in range(101, 1_000):
        sequence.take(report(pulse_number=number), 0)
    assert len(sequence._recent) == 256
    assert not sequence.take(report(pulse_number=101), 0).new


@given(st.lists(st.integers(101, 108), min_size=1, max_size=40))
def test_each_pulse_is_new_exactly_once_in_any_order(numbers: list[int]) -> None:
    sequence, seen = begun(), set[int]()
    for number in numbers:
        taken = sequence.take(report(pulse_number=number), 0)
        assert taken.new == (number not in seen)
        assert not taken.problem
        seen.add(number)
    expected = 100
    while expected + 1 in seen:
        expected += 1
    assert sequence.reported_to == expected
    assert sequence.behind == (max(seen) > expected)


def test_the_last_pulse_of_the_record_is_not_new_when_it_is_reported_again() -> None:
    sequence = begun(100)
    assert not sequence.take(report(pulse_number=100), 0).new
    assert sequence.take(report(pulse_number=101), 0).new


def test_a_report_that_never_came_after_the_device_told_its_number_is_overdue() -> None:
    sequence = begun(100)
    assert sequence.told(101, 1_000) == ""
    assert not sequence.overdue(1_000 + GAP_MAX_US)
    assert sequence.overdue(1_000 + GAP_MAX_US + 1)


def test_settling_ends_the_waiting_and_keeps_the_content_of_what_is_settled() -> None:
    sequence = begun(100)
    sequence.take(report(pulse_number=102), 0)
    assert sequence.overdue(GAP_MAX_US + 1)
    sequence.settle(102, GAP_MAX_US + 1)
    assert not sequence.overdue(10 * GAP_MAX_US)
    assert sequence.take(report(pulse_number=102), 0) == Taken(new=False)
    assert "differently" in sequence.take(report(pulse_number=102, press=2), 0).problem
