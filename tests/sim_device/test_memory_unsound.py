"""Records with a right sum and numbers that no device has: not believed, by either firmware, and told."""

import struct
import zlib
from collections.abc import Iterator

import pytest

from protocols.faults import Fault
from protocols.messages import Status
from protocols.requests import Counters, ReadCounters
from sim_device.firmware import memory as layout
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.ideal_laser import Ram
from tests.sim_device.twins import Pair, benches_of

# The books of a device with a history, one field after the other.
SOUND: dict[str, int] = {
    "pulse_number": 0,
    "acknowledged": 0,
    "lamp_shots": 5_000,
    "boots": 7,
    "trips": 3,
    "latched": 1 << Fault.DOOR,
    "first_fault": Fault.DOOR,
    "trip_boot": 6,
}


@pytest.fixture(scope="module", autouse=True)
def _both() -> Iterator[None]:
    with benches_of(Pair):
        yield


def memory_with(slot: int, **changes: int) -> Ram:
    """A memory whose books say so, with a right sum, in this slot; the other one is blank."""
    ram = Ram()
    values = (SOUND | changes).values()
    body = struct.pack("<II", layout._MAGIC, 1) + struct.pack("<QQQIIQBI", *values)
    whole = body + struct.pack("<I", zlib.crc32(body))
    at = layout._BOOKS_AT[slot]
    ram.data[at : at + len(whole)] = whole
    return ram


def started(ram: Ram) -> tuple[Status, Counters]:
    bench = Bench(ram)
    bench.connect()
    bench.run(300 * MS)
    counters = bench.ask(ReadCounters())
    assert isinstance(counters, Counters)
    return bench.status, counters


@pytest.mark.parametrize("slot", [0, 1])
def test_books_that_a_device_can_have_are_believed(slot: int) -> None:
    status, counters = started(memory_with(slot))
    assert status.faults == {Fault.DOOR}
    assert (counters.boots, counters.lamp_shots, counters.trips) == (8, 5_000, 3)


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        {"latched": 1 << 63},
        {"latched": 1 << len(Fault)},
        {"latched": 1},
        {"first_fault": 91},
        {"first_fault": len(Fault)},
        {"first_fault": Fault.NONE},
        {"first_fault": Fault.DOOR + 1},
        {"latched": 0},
        {"lamp_shots": 3 * 2**61 + 1},
        {"pulse_number": 2**63},
        {"acknowledged": 2**64 - 1},
    ],
    ids=str,
)
def test_books_that_no_device_has_are_not_believed_and_that_is_told(
    slot: int, change: dict[str, int]
) -> None:
    status, counters = started(memory_with(slot, **change))
    assert Fault.NONVOLATILE in status.faults
    assert Fault.DOOR not in status.faults
    assert (counters.boots, counters.lamp_shots, counters.pulse_number) == (1, 0, 0)


def test_the_older_books_stand_in_for_unsound_ones() -> None:
    ram, newer = memory_with(0), memory_with(1, latched=1 << 63)
    at = layout._BOOKS_AT[1]
    ram.data[at : at + 64] = newer.data[at : at + 64]
    status, counters = started(ram)
    assert status.faults == {Fault.DOOR, Fault.NONVOLATILE}
    assert counters.lamp_shots == 5_000


def sealed(ram: Ram, at: int, size: int, seed: int) -> None:
    """A right sum for what stands there."""
    end = at + size - 4
    ram.data[end : end + 4] = struct.pack("<I", zlib.crc32(bytes(ram.data[at:end]), seed))


@pytest.mark.parametrize(("offset", "value"), [(21, 10_000_001), (25, 2**32 - 1)], ids=["gain A", "gain B"])
def test_a_calibration_with_a_gain_that_the_wire_cannot_carry_is_not_believed(
    offset: int, value: int
) -> None:
    bench = at("standby")
    bench.run(S)
    assert isinstance(bench.memory, Ram)
    for place in layout._CALIBRATION_AT:
        slot = layout.NonVolatile(Ram())._calibration_slots
        if not any(bench.memory.data[place : place + slot._size]):
            continue
        gain_at = place + 8 + offset
        bench.memory.data[gain_at : gain_at + 4] = struct.pack("<I", value)
        sealed(bench.memory, place, slot._size, 0)
    bench.boot()
    bench.connect()
    bench.run(300 * MS)
    assert bench.status.faults == {Fault.NONVOLATILE}
    assert not bench.status.calibrated


def test_a_pulse_of_a_lamp_that_has_fired_for_ever_is_unreadable() -> None:
    bench = at("emitting")
    bench.run(500 * MS)
    number = bench.last_report.pulse_number
    half = layout.NonVolatile._entry_at(number) + layout._HALF_SIZE
    assert isinstance(bench.memory, Ram)
    bench.memory.data[half : half + 8] = struct.pack("<Q", 2**64 - 1)
    sealed(bench.memory, half, layout._HALF.size, layout._MAGIC)
    bench.boot()
    bench.connect()
    bench.run(300 * MS)
    assert isinstance(counters := bench.ask(ReadCounters()), Counters)
    assert number <= counters.lamp_shots < 1_000
