"""Books over restarts: power cut at every write, full ring, wide counters, broken memory."""

from dataclasses import replace

import pytest

from protocols.faults import Fault
from protocols.messages import AckPulses, Handpiece, Leave, PulseFlag, PulseReport
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, ReadCounters, ReadFault
from protocols.states import State
from sim_device.firmware.memory import MEMORY_BYTES, REPORTS_MAX, NonVolatile
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.ideal_laser import PowerCutError, Ram

COMMIT = PulseReport(
    1,
    1,
    7,
    3,
    1,
    frozenset({PulseFlag.UNKNOWN}),
    173_000,
    0,
    0,
    0,
    750,
    755,
    Handpiece.ZOOM,
    3_500,
    5_000,
    9,
    60_000,
)

WHOLE = 57  # bytes of the books: written whole, but the power goes before the firmware knows


def fire(memory: NonVolatile, number: int, *, report: bool = True) -> None:
    commit = replace(COMMIT, pulse_number=number)
    assert memory.commit(commit)
    if report:
        memory.finish(replace(commit, flags=frozenset(), monitor_a_uj=173_000))


def power_cut_during_a_series(cut_at: int, torn_bytes: int) -> tuple[Bench, int, bool]:
    """Five pulses with the power cut at this write; triggers that left, and whether it was cut."""
    bench = at("granted")
    bench.memory.writes = 0
    bench.memory.cut_at = cut_at
    bench.memory.torn_bytes = torn_bytes
    before = len(bench.triggers)
    try:
        bench.press()
        bench.run(430 * MS)
        return bench, len(bench.triggers) - before, False
    except PowerCutError:
        return bench, len(bench.triggers) - before, True


@pytest.mark.shows("REQ-026", "HZ-003")
def test_power_cut_at_every_write_of_a_series_leaves_numbers_without_gap_and_at_most_one_unknown() -> None:
    cuts = 0
    for cut_at in range(40):
        for torn_bytes in (0, 40, 78):
            bench, triggered, cut = power_cut_during_a_series(cut_at, torn_bytes)
            if not cut:
                assert cut_at >= 10, "the series wrote less than one commit and one report for each pulse"
                assert triggered == 5
                break
            cuts += 1
            known = dict(bench.reports)
            bench.memory.cut_at = -1
            fresh = Bench(bench.memory, now_us=bench.now_us + 3 * S)
            fresh.connect()
            fresh.run(2 * S)
            counters = fresh.ask(ReadCounters())
            assert 32 + triggered <= counters.pulse_number <= 32 + triggered + 1
            everything = known | fresh.reports
            assert sorted(everything) == list(range(1, counters.pulse_number + 1))
            unknown = [n for n, r in fresh.reports.items() if PulseFlag.UNKNOWN in r.flags]
            assert len(unknown) <= 1
            assert unknown in ([], [counters.pulse_number])
            for number in fresh.reports.keys() & known.keys():
                assert fresh.reports[number] == known[number], "a report changed over the restart"
            for number in unknown:
                lost = fresh.reports[number]
                assert (lost.set_energy_uj, lost.monitor_a_uj, lost.permit_id) == (173_000, 0, 1)
            assert counters.boots == 2
            assert fresh.first_fault is Fault.NONE
        else:
            continue
        break
    assert cuts >= 30


@pytest.mark.parametrize("torn_bytes", [0, 1, 8, 40, 56, WHOLE])
@pytest.mark.parametrize("cut_at", range(4))
def test_power_cut_at_the_first_writes_of_a_new_device_is_no_fault(cut_at: int, torn_bytes: int) -> None:
    memory = Ram()
    memory.cut_at, memory.torn_bytes = cut_at, torn_bytes
    for _ in range(4):
        try:
            Bench(memory).run(100 * MS)
        except PowerCutError:
            break
    memory.cut_at = -1
    bench = Bench(memory)
    bench.run(2 * S)
    assert bench.state is State.WARM_UP
    assert bench.firmware.device.boot_number == cut_at + 1 + (torn_bytes == WHOLE)


@pytest.mark.shows("REQ-026", "REQ-037")
@pytest.mark.parametrize("torn_bytes", [0, 20, 56, WHOLE])
@pytest.mark.parametrize("cut_at", range(3))
def test_power_cut_at_every_write_of_a_trip_keeps_it_latched_or_not_begun(
    cut_at: int, torn_bytes: int
) -> None:
    bench = at("ready")
    bench.memory.writes, bench.memory.cut_at, bench.memory.torn_bytes = 0, cut_at, torn_bytes
    try:
        bench.set(door_closed=False)
    except PowerCutError:
        assert bench.dark, "the outputs must be safe before memory is written"
    bench.memory.cut_at = -1
    fresh = Bench(bench.memory, now_us=bench.now_us + S)
    fresh.connect()
    latched = cut_at > 0 or torn_bytes == WHOLE
    assert fresh.state is (State.FAULT if latched else State.SELF_TEST)
    assert fresh.first_fault is (Fault.DOOR if latched else Fault.NONE)
    assert fresh.ask(ReadCounters()).trips == int(latched)
    record = fresh.ask(ReadFault(0))
    assert record.fault is (Fault.DOOR if latched else Fault.NONE)


@pytest.mark.shows("REQ-008", "REQ-037", "HZ-003")
def test_a_latched_fault_survives_key_and_reset_with_cause_and_instance() -> None:
    bench = at("ready")
    bench.set(door_closed=False)
    instance = bench.firmware.device.faults.instance
    bench.set(key_on=False)
    assert bench.dark
    bench.run(20 * MS)
    assert bench.status.state is State.OFF
    bench.set(key_on=True, door_closed=True)
    assert bench.state is State.FAULT
    bench.boot()
    bench.connect()
    assert bench.state is State.FAULT
    assert (bench.first_fault, bench.firmware.device.faults.instance) == (Fault.DOOR, instance)
    record = bench.ask(ReadFault(0))
    assert (record.fault, record.instance, record.boot, record.state) == (
        Fault.DOOR,
        instance,
        1,
        State.READY,
    )
    assert not bench.reasons(Acknowledge(instance))
    assert bench.ask(ReadFault(0)) == record


@pytest.mark.shows("REQ-025", "HZ-020")
@pytest.mark.parametrize("floor", [2**31 - 3, 2**32 - 3, 2**40, 2**62])
def test_counters_pass_the_width_of_small_integers(floor: int) -> None:
    memory = NonVolatile(ram := Ram())
    memory.pulse_number = memory.books.acknowledged = memory.lamp_shots = floor
    memory.save_books()
    fire(memory, floor + 1)
    memory.save_books()
    for number in range(floor + 2, floor + 8):
        fire(memory, number)
    again = NonVolatile(ram)
    assert again.pulse_number == floor + 7
    assert again.lamp_shots == floor + 7
    assert again.waiting == 7
    assert again.report(floor + 4).pulse_number == floor + 4
    assert not again.broken


def test_the_ring_keeps_256_reports_and_takes_no_more_until_one_is_acknowledged() -> None:
    memory = NonVolatile(Ram())
    for number in range(1, REPORTS_MAX + 1):
        fire(memory, number)
    assert memory.room == 0
    assert not memory.commit(replace(COMMIT, pulse_number=257))
    assert not memory.broken
    assert memory.report(1).pulse_number == 1
    memory.acknowledge(1)
    fire(memory, 257)
    assert memory.report(2).pulse_number == 2
    assert memory.report(257).monitor_a_uj == 173_000


def test_a_commit_without_report_is_unknown_after_a_restart_and_keeps_its_set_values() -> None:
    memory = NonVolatile(ram := Ram())
    fire(memory, 1)
    fire(memory, 2, report=False)
    again = NonVolatile(ram)
    assert again.pulse_number == 2
    assert again.unknown_at_boot
    assert again.report(2) == replace(COMMIT, pulse_number=2)
    assert PulseFlag.UNKNOWN not in again.report(1).flags


def test_an_old_report_in_the_same_place_is_not_taken_for_the_new_pulse() -> None:
    memory = NonVolatile(ram := Ram())
    for number in range(1, REPORTS_MAX + 1):
        fire(memory, number)
    memory.acknowledge(5)
    fire(memory, 257, report=False)  # the report of pulse 1 is still in the second half
    assert PulseFlag.UNKNOWN in NonVolatile(ram).report(257).flags


@pytest.mark.parametrize("offset", [0, 128])
def test_one_bad_slot_of_the_books_falls_back_to_the_one_before(offset: int) -> None:
    memory = NonVolatile(ram := Ram())
    for boots in range(1, 4):
        memory.books.boots = boots
        memory.save_books()
    ram.data[offset + 20] ^= 1
    again = NonVolatile(ram)
    assert again.books.boots in (2, 3)
    assert not again.broken
    again.books.boots = 9
    again.save_books()
    assert NonVolatile(ram).books.boots == 9


def test_both_slots_bad_is_a_latched_fault_and_the_numbers_go_on_from_the_ring() -> None:
    bench = at("standby")
    bench.memory.data[10] ^= 1
    bench.memory.data[138] ^= 1
    fresh = Bench(bench.memory)
    assert fresh.first_fault is Fault.NONVOLATILE
    assert fresh.firmware.device.memory.pulse_number == 32


def test_a_damaged_entry_that_waits_is_reported_unknown_and_latches() -> None:
    memory = NonVolatile(ram := Ram())
    memory.save_books()
    memory.save_books()
    for number in (1, 2, 3):
        fire(memory, number)
    ram.data[4096 + 2 * 160 + 10] ^= 1  # both halves of pulse 2
    ram.data[4096 + 2 * 160 + 90] ^= 1
    bench = Bench(ram)
    bench.connect()
    bench.run(100 * MS)
    assert bench.first_fault is Fault.NONVOLATILE
    assert sorted(bench.reports) == [1, 2, 3]
    assert [n for n, r in bench.reports.items() if PulseFlag.UNKNOWN in r.flags] == [2]


def test_a_pulse_that_cannot_be_committed_is_not_fired() -> None:
    bench = at("granted")
    triggers = len(bench.triggers)
    bench.memory.broken = True
    bench.press()
    bench.run(200 * MS)
    assert len(bench.triggers) == triggers
    assert bench.state is State.FAULT
    assert bench.first_fault is Fault.NONVOLATILE


def test_a_memory_that_is_too_small_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match=f"give at least {MEMORY_BYTES}"):
        Bench(Ram(MEMORY_BYTES - 1))


def test_acknowledging_more_than_was_reported_frees_nothing() -> None:
    bench = at("emitting")
    bench.acks = False
    bench.run(50 * MS)
    device = bench.firmware.device
    for number in (device.memory.pulse_number + 1, 2**40):
        before = device.memory.acknowledged
        bench.say(AckPulses(number))
        assert device.memory.acknowledged == before
    bench.say(AckPulses(device.memory.pulse_number))
    assert device.memory.waiting == 0
    bench.say(AckPulses(1))
    assert device.memory.waiting == 0


def test_at_most_eight_reports_are_outstanding_oldest_first_and_repeated_after_300_ms() -> None:
    bench = at("granted")
    bench.acks = False
    bench.press()
    bench.run(2_050 * MS)
    assert len(bench.triggers) == 52
    assert sorted(bench.reports) == list(range(1, 41))  # 33..40 of 33..52
    for number in range(33, 41):
        bench.reports.pop(number)
    bench.run(299 * MS)
    bench.run(2 * MS)
    assert sorted(bench.reports)[32:] == list(range(33, 41))
    bench.acks = True
    bench.run(2 * S)
    assert sorted(bench.reports) == list(range(1, 53))
    assert bench.firmware.device.memory.waiting == 0


def test_a_full_ring_ends_the_arming_and_refuses_the_next_permit() -> None:
    bench = at("ready")
    device = bench.firmware.device
    bench.acks = False
    while device.memory.room > 3:
        fire(device.memory, device.memory.pulse_number + 1)
    bench.run(50 * MS)
    assert bench.reasons(bench.grant_request(4)) == {Refusal.REPORTS_FULL}
    bench.grant(3, permit_id=2)
    fire(device.memory, device.memory.pulse_number + 1)  # as if another's room had been counted wrongly
    bench.run(1)
    bench.press()
    bench.run(S)
    assert (bench.state, bench.left) == (State.STANDBY, Leave.REPORTS_FULL)
    assert len(bench.triggers) == 34
    assert Refusal.REPORTS_FULL in bench.status.blocks


def test_the_history_keeps_the_last_32_trips_newest_first() -> None:
    bench = at("standby")
    faults = bench.firmware.device.faults
    for number in range(40):
        faults.latch(Fault.DOOR if number % 2 else Fault.MAINS, number, State.READY, 0, number)
        faults.clear()
    told = [bench.ask(ReadFault(index)) for index in (*range(34), 255)]
    assert [r.instance for r in told] == [*range(40, 8, -1), 0, 0, 0]
    assert [r.value for r in told[:3]] == [39, 38, 37]
    assert told[32].fault is Fault.NONE
