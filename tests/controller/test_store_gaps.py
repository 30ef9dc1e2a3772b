"""Which pulses have no record, and up to which number nothing is missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store import DeviceRecord, PulseRange, Store
from tests.controller.pulse_records import PULSE, SERIAL, new_store


def missing_by_hand(numbers: set[int], after: int, last: int) -> set[int]:
    return {number for number in range(after + 1, last + 1) if number not in numbers}


@given(st.sets(st.integers(1, 30)), st.integers(0, 12), st.none() | st.integers(0, 35))
def test_the_missing_pulses_are_those_between_baseline_and_counter_without_a_record(
    numbers: set[int], baseline: int, counter: int | None
) -> None:
    with new_store(baseline) as store:
        store.record_pulses([replace(PULSE, pulse_number=number) for number in numbers])
        ranges = store.missing_pulses(SERIAL, device_counter=counter)
        found = [number for gap in ranges for number in range(gap.first, gap.last + 1)]
        last = counter if counter is not None else max(numbers, default=0)
        assert found == sorted(missing_by_hand(numbers, baseline, last))
        assert sum(map(len, ranges)) == len(found)
        again = store.missing_pulses(SERIAL, after=20, device_counter=counter)
        assert {n for gap in again for n in range(gap.first, gap.last + 1)} == missing_by_hand(
            numbers, 20, last
        )


@given(st.lists(st.integers(1, 30), unique=True), st.integers(0, 12), st.sets(st.integers(0, 30)))
def test_what_is_noted_as_complete_is_what_the_records_say_whenever_it_is_noted(
    numbers: list[int], baseline: int, noted_at: set[int]
) -> None:
    with new_store(baseline) as store:
        recorded: set[int] = set()
        for step, number in enumerate(numbers):
            if step in noted_at:
                store.mark_complete(SERIAL)
            store.record_pulses([replace(PULSE, pulse_number=number)])
            recorded.add(number)
        through = baseline
        while through + 1 in recorded:
            through += 1
        for _ in range(2):
            assert store.mark_complete(SERIAL) == through
            assert store.count_pulses(SERIAL) == store.total_pulses(SERIAL) == len(recorded)
        assert store.pulse_numbers(SERIAL, after=through) == sorted(n for n in recorded if n > through)
        assert store.check() == []


def test_only_what_came_since_the_last_note_is_looked_at(store: Store) -> None:
    store.record_pulses([replace(PULSE, pulse_number=number) for number in (1, 2, 3)])
    assert store.mark_complete(SERIAL) == store.total_pulses(SERIAL) == 3
    store._run("DROP TRIGGER pulse_is_never_removed")
    store._run("DELETE FROM pulse WHERE pulse_number = 2")
    assert store.mark_complete(SERIAL) == 3  # it was never allowed to go
    assert any("pulses 2 to 2" in fault and "none is missing up to 3" in fault for fault in store.check())


def test_a_note_that_is_undone_with_its_pulses_was_never_made(store: Store) -> None:
    def half() -> None:
        with store.transaction():
            store.record_pulses([PULSE])
            assert store.mark_complete(SERIAL) == PULSE.pulse_number
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert store.mark_complete(SERIAL) == 0


def test_of_a_device_that_nobody_knows_nothing_is_noted(store: Store) -> None:
    assert store.mark_complete("nobody") == store.total_pulses("nobody") == 0
    assert store.check() == []


def test_gaps_are_told_as_ranges(store: Store) -> None:
    store.record_pulses([replace(PULSE, pulse_number=number) for number in (1, 2, 5, 9)])
    assert store.missing_pulses(SERIAL) == [PulseRange(3, 4), PulseRange(6, 8)]
    assert store.missing_pulses(SERIAL, device_counter=11)[-1] == PulseRange(10, 11)
    assert store.missing_pulses("nobody") == []


def test_the_baseline_of_the_first_time_stands(store: Store) -> None:
    again = store.save_device(DeviceRecord(SERIAL, "PL-200", "1.1", True, {"new": 1}, 500))
    assert again == DeviceRecord(SERIAL, "PL-200", "1.1", True, {"new": 1}, 0)
    assert store.device(SERIAL) == again
    assert store.device("nobody") is None
