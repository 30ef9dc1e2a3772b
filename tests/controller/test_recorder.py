"""The recorder: on disk first, acknowledged then; each number once, whatever the line and the disk do."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.recorder import CAPACITY, MARK_EVERY, Event, Recorder, grant_id, record_of
from controller.store import (
    DeviceRecord,
    EventKind,
    PulseRecord,
    RecordRefused,
    SessionState,
    Severity,
    StoreWriter,
)
from protocols.messages import Handpiece, PulseFlag, PulseReport
from protocols.requests import Counters
from rig.records import Records, RigStore

VIRTUAL_TIME = True

SERIAL = "PL755-0001"
NOW = datetime(2030, 1, 1, tzinfo=UTC)
COUNTERS = Counters(pulse_number=0, acknowledged=0, reports_waiting=0, lamp_shots=0, boots=1, trips=0)
DEVICE = DeviceRecord(SERIAL, "model", "1", simulated=True, identity={}, baseline_pulse=0)


def report(number: int, *flags: PulseFlag, permit_id: int = 0, **changes: int) -> PulseReport:
    good = PulseReport(
        pulse_number=number,
        boot=1,
        device_time_us=number * 1000,
        permit_id=permit_id,
        press=1,
        flags=frozenset(flags),
        set_energy_uj=173_000,
        monitor_a_uj=174_000,
        monitor_b_uj=172_000,
        pulse_width_ps=748,
        mode_width_ps=750,
        wavelength_nm=755,
        handpiece=Handpiece.ZOOM,
        spot_um=3_500,
        rep_rate_mhz=5_000,
        lamp_mv=1_200_000,
        coolant_mc=60_000,
    )
    return replace(good, **changes)  # type: ignore[arg-type]  # the names are checked by replace


class Desk:
    """A recorder over a real database, and all that it said."""

    def __init__(self) -> None:
        self.records = Records(None, lambda: NOW)
        self.store: RigStore = self.records.open()
        self.told: list[PulseRecord | Event] = []
        self.store_said: list[bool] = []
        self.troubles: list[str] = []
        self.acknowledged: list[int] = []
        self.recorder = Recorder(
            StoreWriter(self.store, inline=True),
            wall_clock=lambda: NOW,
            on_recorded=self.told.append,
            on_store=lambda ok, _: self.store_said.append(ok),
            on_trouble=self.troubles.append,
        )
        self.running = asyncio.create_task(self.recorder.run())

    async def connect(self, counters: Counters = COUNTERS) -> int | None:
        self.store.save_device(DEVICE)
        recorded_to = await self.recorder.connected(SERIAL, counters)
        self.recorder.acknowledging(self.acknowledged.append)
        return recorded_to

    async def take(self, *reports: PulseReport) -> None:
        for one in reports:
            self.recorder.pulse(one, 0)
        await self.recorder.drain()

    @property
    def numbers(self) -> list[int]:
        return [pulse.pulse_number for pulse in self.records.reader.pulses(SERIAL)]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    desk.running.cancel()
    await asyncio.wait({desk.running})
    desk.records.close()


def event(text: str) -> Event:
    return Event(EventKind.SYSTEM, Severity.INFO, text, "test", 0)


# -- the order of things


@pytest.mark.shows("REQ-042")
async def test_a_pulse_is_on_disk_when_it_is_acknowledged_and_told(desk: Desk) -> None:
    seen: list[tuple[int, list[int]]] = []
    await desk.connect()
    desk.recorder.acknowledging(lambda number: seen.append((number, desk.numbers)))
    await desk.take(report(1), report(2), report(3))
    assert seen == [(3, [1, 2, 3])]
    assert [told.pulse_number for told in desk.told if isinstance(told, PulseRecord)] == [1, 2, 3]
    assert desk.recorder.balanced


async def test_a_repeated_report_is_acknowledged_again_and_recorded_once(desk: Desk) -> None:
    await desk.connect()
    await desk.take(report(1), report(2))
    await desk.take(report(1), report(2), report(2))
    assert desk.numbers == [1, 2]
    assert desk.acknowledged == [2, 2]
    assert len(desk.told) == 2
    assert desk.recorder.books.recorded == 2


async def test_what_comes_out_of_order_is_kept_and_acknowledged_when_the_gap_is_filled(desk: Desk) -> None:
    await desk.connect()
    await desk.take(report(3), report(4))
    assert desk.acknowledged == [0]
    assert (desk.recorder.books.missing, desk.recorder.balanced) == (2, False)
    await desk.take(report(2))
    assert desk.acknowledged[-1] == 0
    await desk.take(report(1))
    assert desk.acknowledged[-1] == 4
    assert desk.numbers == [1, 2, 3, 4]
    assert desk.recorder.balanced


async def test_the_device_counter_is_the_highest_that_anybody_told(desk: Desk) -> None:
    await desk.connect()
    desk.recorder.device_counter(3)
    assert not desk.recorder.balanced
    desk.recorder.device_counter(1)
    assert desk.recorder.books.device_counter == 3
    await desk.take(report(1), report(2), report(3))
    assert desk.recorder.balanced


async def test_reports_of_an_unknown_device_are_not_recorded(desk: Desk) -> None:
    await desk.take(report(1))
    assert desk.numbers == []
    assert desk.told == []


async def test_another_content_under_a_known_number_is_trouble_and_the_first_stands(desk: Desk) -> None:
    await desk.connect()
    await desk.take(report(1))
    await desk.take(report(1, monitor_a_uj=1), report(2), report(3))
    assert len(desk.troubles) == 1
    assert "pulse 1" in desk.troubles[0]
    assert desk.numbers == [1, 2, 3]
    kept = desk.records.reader.pulse(SERIAL, 1)
    assert kept is not None
    assert kept.monitor_a_mj == 174.0
    assert desk.acknowledged[-1] == 3
    await desk.take(report(1, monitor_a_uj=1))
    assert len(desk.troubles) == 1, "the device repeats it; once is enough to say"


# -- a disk that fails


@pytest.mark.shows("REQ-042", "HZ-035")
async def test_nothing_is_acknowledged_while_the_disk_is_full_and_all_comes_right(desk: Desk) -> None:
    await desk.connect()
    await desk.take(report(1))
    desk.store.fill_disk()
    number = 1
    while not desk.store_said.count(False):
        number += 1
        desk.recorder.pulse(report(number), 0)
        desk.recorder.event(event(f"{number} {'x' * 2_000}"))
        await asyncio.sleep(0.01)
    on_disk = desk.numbers
    assert desk.acknowledged[-1] <= on_disk[-1] < number
    desk.recorder.event(event("kept"))
    desk.store.free_disk()
    await asyncio.sleep(1)
    assert desk.store_said[-1] is True
    texts = [one.text.split()[0] for one in reversed(desk.records.reader.events())]
    assert texts == [*map(str, range(2, number + 1)), "kept"], "each event once, in its order"
    assert not desk.recorder.balanced  # the pulse is the device's to repeat
    await desk.take(*[report(again) for again in range(on_disk[-1] + 1, number + 1)])
    assert desk.numbers == list(range(1, number + 1))
    assert desk.acknowledged[-1] == number
    assert desk.records.reader.check() == []


async def test_a_queue_that_is_full_leaves_pulses_to_the_device_and_counts_lost_events(desk: Desk) -> None:
    await desk.connect()
    for number in range(1, CAPACITY + 11):
        desk.recorder.pulse(report(number), 0)
    desk.recorder.event(event("lost"))
    assert desk.recorder.dropped_events == 1
    await desk.recorder.drain()
    assert desk.numbers[-1] <= CAPACITY
    assert desk.acknowledged[-1] == CAPACITY
    await desk.take(*[report(number) for number in range(CAPACITY + 1, CAPACITY + 11)])
    assert desk.acknowledged[-1] == CAPACITY + 10


# -- a device comes and goes


async def test_a_device_that_is_known_goes_on_where_its_records_end(desk: Desk) -> None:
    assert await desk.connect() is None
    await desk.take(report(1), report(2), report(4))
    desk.recorder.acknowledging(None)
    await desk.take(report(5))  # nobody judges it: it is the device's to repeat
    assert desk.acknowledged == [2]
    assert desk.numbers == [1, 2, 4]
    counters = replace(COUNTERS, pulse_number=6)
    assert await desk.connect(counters) == 2
    assert desk.acknowledged[-1] == 2
    books = desk.recorder.books
    assert (books.device_counter, books.recorded, books.missing, books.waiting) == (6, 3, 3, 0)
    await desk.take(report(3))
    assert desk.acknowledged[-1] == 4
    await desk.take(report(5), report(6))
    assert desk.recorder.balanced


async def test_pulses_of_the_laser_before_do_not_count_for_the_one_that_is_there_now(desk: Desk) -> None:
    await desk.connect()
    desk.store.fill_disk()
    while not desk.store_said.count(False):
        desk.recorder.event(event("x" * 2_000))
        await asyncio.sleep(0.01)
    desk.recorder.pulse(report(1), 0)  # waits for the disk
    desk.recorder.acknowledging(None)
    desk.store.free_disk()
    desk.store.save_device(replace(DEVICE, serial="PL755-0002"))
    assert await desk.recorder.connected("PL755-0002", replace(COUNTERS, pulse_number=2)) is None
    acknowledged: list[int] = []
    desk.recorder.acknowledging(acknowledged.append)
    await desk.recorder.drain()
    assert desk.numbers == [1]
    assert acknowledged == []
    assert desk.recorder.books.missing == 2


async def test_a_device_with_a_past_elsewhere_begins_at_its_baseline(desk: Desk) -> None:
    desk.store.save_device(replace(DEVICE, baseline_pulse=100))
    counters = replace(COUNTERS, pulse_number=102, acknowledged=100, reports_waiting=2)
    assert await desk.recorder.connected(SERIAL, counters) == 100
    desk.recorder.acknowledging(desk.acknowledged.append)
    await desk.take(report(101), report(102))
    assert (desk.numbers, desk.acknowledged[-1]) == ([101, 102], 102)
    assert desk.recorder.balanced


async def test_how_far_the_record_is_complete_is_noted_with_the_pulses_themselves(desk: Desk) -> None:
    first = MARK_EVERY - 2
    desk.store.save_device(replace(DEVICE, baseline_pulse=first - 1))
    await desk.recorder.connected(SERIAL, replace(COUNTERS, pulse_number=first - 1))
    desk.recorder.acknowledging(desk.acknowledged.append)

    def noted() -> int:
        (number,) = desk.store._rows("SELECT complete_to FROM device")[0]
        return int(number)

    await desk.take(report(first), report(first + 1))
    assert noted() == first - 1  # as it was connected
    await desk.take(report(MARK_EVERY), report(MARK_EVERY + 1))
    assert noted() == MARK_EVERY
    again = await desk.recorder.connected(SERIAL, replace(COUNTERS, pulse_number=MARK_EVERY + 1))
    assert again == noted() == MARK_EVERY + 1
    assert desk.recorder.books.recorded == 4
    assert desk.store.check() == []


async def test_giving_up_a_gap_says_how_much_it_was_and_goes_on_behind_it(desk: Desk) -> None:
    await desk.connect(replace(COUNTERS, pulse_number=5))
    await desk.take(report(3), report(5))
    assert desk.recorder.accept_gap(4) == 3  # 1, 2 and 4
    assert desk.acknowledged[-1] == 5
    assert desk.recorder.balanced
    assert desk.recorder.accept_gap(4) == 0


async def test_a_pulse_belongs_to_the_session_its_permit_was_written_down_for(desk: Desk) -> None:
    await desk.connect()
    for session_id in ("one", "two"):
        desk.store.open_session(
            session_id, device_serial=SERIAL, operator="anna", plan={}, plan_sha256="x" * 64,
            planned_pulses=9, now_us=0,
        )  # fmt: skip
        desk.store.move_session(session_id, SessionState.INTERRUPTED, actor="test", now_us=0)
    body = {"permit_id": 7, "session_id": "one"}
    desk.store.begin_command(grant_id(7), "grant", body, actor="daemon", now_us=0)
    desk.recorder.permit(8, "two")
    await desk.take(report(1, permit_id=7), report(2, permit_id=8), report(3, permit_id=9), report(4))
    told = [pulse.session_id for pulse in desk.records.reader.pulses(SERIAL)]
    assert told == ["one", "two", None, None]


async def test_an_unrecorded_session_refuses_nothing_but_its_own_pulse(desk: Desk) -> None:
    """A session that is not in this database cannot take pulses; the pulse itself must not be lost by it."""
    await desk.connect()
    with pytest.raises(RecordRefused):
        desk.store.record_pulses([record_of(SERIAL, report(1), "no such session", NOW, 0)])
    await desk.take(report(1))
    assert desk.numbers == [1]


# -- what a report becomes


def record(*flags: PulseFlag, **changes: int) -> PulseRecord:
    return record_of(SERIAL, report(1, *flags, **changes), None, NOW, 5)


def test_a_good_pulse_is_recorded_in_the_users_units() -> None:
    pulse = record()
    assert (pulse.set_energy_mj, pulse.monitor_a_mj, pulse.monitor_b_mj) == (173.0, 174.0, 172.0)
    assert (pulse.pulse_width_ps, pulse.spot_mm, pulse.rep_rate_hz) == (748.0, 3.5, 5.0)
    assert (pulse.lamp_v, pulse.coolant_c, pulse.handpiece) == (1200.0, 60.0, "zoom")
    assert pulse.aperture
    assert not pulse.unknown
    assert pulse.fluence_j_cm2 == pytest.approx(0.172 / (math.pi * 0.175**2))


INSIDE = [PulseFlag.SHUTTER_CLOSED, PulseFlag.CALIBRATION, PulseFlag.SKIPPED, PulseFlag.MISSING]


@pytest.mark.parametrize("flag", PulseFlag)
def test_light_counts_as_given_unless_it_is_sure_that_none_came_out(flag: PulseFlag) -> None:
    pulse = record(flag)
    unknown = flag is PulseFlag.UNKNOWN
    assert pulse.unknown == unknown
    assert pulse.aperture == (flag not in {*INSIDE, PulseFlag.UNKNOWN})  # of an unknown one it is not said
    assert pulse.delivered == (flag not in INSIDE)
    assert (pulse.fluence_j_cm2 > 0) == pulse.delivered
    assert pulse.flags == {flag.name.lower()}


@pytest.mark.parametrize("flag", INSIDE)
def test_what_is_unknown_counts_as_given_wherever_it_was_meant_to_go(flag: PulseFlag) -> None:
    pulse = record(PulseFlag.UNKNOWN, flag)
    assert pulse.delivered
    assert (pulse.monitor_a_mj, pulse.monitor_b_mj, pulse.pulse_width_ps) == (None, None, None)
    assert pulse.delivered_energy_mj == 173.0
    assert pulse.fluence_j_cm2 == pytest.approx(0.173 / (math.pi * 0.175**2))


def test_a_saturated_reading_has_no_value_and_the_highest_known_energy_counts() -> None:
    pulse = record(monitor_b_uj=5_000_000, monitor_a_uj=181_000, pulse_width_ps=2**32 - 1)
    assert (pulse.monitor_b_mj, pulse.pulse_width_ps) == (None, None)
    assert pulse.delivered_energy_mj == 181.0
    assert pulse.fluence_j_cm2 > 0


def test_no_spot_has_no_fluence() -> None:
    assert record(spot_um=0).fluence_j_cm2 == 0.0


def test_the_number_of_a_permit_names_its_record() -> None:
    assert (grant_id(0x1F), grant_id(0xFFFFFFFF)) == ("grant-0000001f", "grant-ffffffff")
