"""States that the prover found the firmware not safe in, on the real firmwares themselves.

None of them can be reached: each stands for a register that tipped over, and gave light before it was mended.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocols.messages import Beam
from protocols.states import State
from safety.freshness import Input, Quality
from sim_device.firmware.changes import ALL
from tests.safety.desk import Desk
from tests.sim_device.bench import MS, Bench, S, at
from tests.sim_device.twins import BenchNative, benches_of

pytestmark = pytest.mark.shows("HZ-001")

_PERMIT = struct.Struct("<IHBxq")  # the C core's: number, pulses left, internal trigger, end


def between_two_pulses() -> Bench:
    bench = at("emitting")
    bench.run(20 * MS)
    assert bench.firmware.state is State.EMITTING
    return bench


def lit(bench: Bench, run_us: int = 300 * MS) -> int:
    """Triggers in that time."""
    before = len(bench.triggers)
    bench.run(run_us)
    return len(bench.triggers) - before


def test_untouched_there_would_be_three_pulses() -> None:
    assert lit(between_two_pulses()) == 3


def test_a_permit_whose_end_tipped_into_the_past_fires_no_further_pulse() -> None:
    bench = between_two_pulses()
    bench.firmware.device.permit.ends_us = bench.firmware.device.now_us - 1
    assert not lit(bench)


def test_a_permit_of_another_number_than_the_press_fires_no_further_pulse() -> None:
    bench = between_two_pulses()
    bench.firmware.device.permit.id ^= 1 << 7
    assert not lit(bench)


def test_a_host_whose_death_went_unnoticed_fires_no_further_pulse() -> None:
    bench = between_two_pulses()
    bench.host_alive = False
    bench.run(60 * MS)  # the heartbeats on their way are through
    bench.firmware.device.host.alive_until_us = 0
    bench.firmware._host_alive = False
    assert not lit(bench)


def test_a_latched_fault_stops_a_laser_that_should_not_emit_at_all() -> None:
    bench = between_two_pulses()
    bench.firmware.device.memory.books.latched = 1 << 5
    assert not lit(bench)


def test_an_order_that_calls_itself_a_calibration_needs_permit_and_foot_all_the_same() -> None:
    bench = between_two_pulses()
    device = bench.firmware.device
    order = device.emission._order
    device.emission._order = replace(order, expected=replace(order.expected, calibration=True))
    device.permit.id ^= 1 << 7
    assert not lit(bench)


def test_an_order_for_the_open_shutter_fires_nothing_in_a_rehearsal() -> None:
    bench = at("rehearsal ready")
    bench.grant()
    bench.run(MS)
    bench.press()
    bench.run(120 * MS)
    assert bench.firmware.state is State.EMITTING
    device = bench.firmware.device
    order = device.emission._order
    device.emission._order = replace(order, expected=replace(order.expected, shutter_open=True))
    device.note(ALL)
    assert not lit(bench)


def test_a_permit_for_the_internal_trigger_that_nobody_gave_fires_nothing() -> None:
    bench = at("ready")
    permit = bench.firmware.device.permit
    permit.internal, permit.pulses_left = True, 5
    bench.set(internal_trigger_strap=True)
    assert not lit(bench)


def arms_and_presses(bench: Bench) -> int:
    assert not bench.reasons(bench.arm_request(Beam.APERTURE))
    bench.until(State.READY)
    bench.run(MS)
    bench.press()
    return lit(bench)


def test_a_permit_that_stands_in_standby_is_not_for_the_next_arming() -> None:
    bench = at("set")
    permit = bench.firmware.device.permit
    permit.id, permit.pulses_left, permit.ends_us = 9, 20, bench.now_us + 100 * S
    assert not arms_and_presses(bench)


def test_a_deadline_that_tipped_into_the_past_brings_no_pulse_before_its_period() -> None:
    bench = between_two_pulses()
    bench.run(60 * MS)  # the next one is charged for, and not yet due
    device = bench.firmware.device
    device.pulser._first, device.pulser._due_us = True, 0
    device.note(ALL)
    bench.set(coolant_mc=60_001)  # something to make a step for
    assert not lit(bench, 10 * MS)
    assert lit(bench, 30 * MS) == 1


def test_tasks_of_which_nothing_is_known_are_a_cause_though_none_is_named() -> None:
    desk = Desk().in_standby()
    desk.take(desk.supervisor.task_ended("recorder", desk.now_us))
    known = desk.supervisor._known
    known.ended_tasks.clear()
    assert known.freshness.qualities(desk.now_us)[Input.TASKS] is Quality.BAD
    assert desk.acknowledge_all()


# -- the C core keeps the same registers in bytes


def core_of(bench: Bench) -> BenchNative:
    core: object = bench.firmware
    assert isinstance(core, BenchNative)
    return core


@pytest.fixture
def permit_at() -> Iterator[int]:
    """Where the C core has its permit: the only bytes that read like the reference's."""
    permit = at("emitting").firmware.device.permit
    like = _PERMIT.pack(permit.id, permit.pulses_left, permit.internal, permit.ends_us)
    with benches_of(BenchNative):
        held = core_of(at("emitting"))._core.image()
        assert held.count(like) == 1
        yield held.index(like)


def in_c(bench: Bench, permit_at: int, **tipped: int) -> Bench:
    core = core_of(bench)
    image = bytearray(core._core.image())
    number, left, internal, ends_us = _PERMIT.unpack_from(image, permit_at)
    fields = {"number": number, "left": left, "internal": internal, "ends_us": ends_us} | tipped
    _PERMIT.pack_into(image, permit_at, *fields.values())
    core._core.restore(bytes(image), core._memory)
    return bench


def test_untouched_there_would_be_three_pulses_in_c(permit_at: int) -> None:
    assert lit(in_c(between_two_pulses(), permit_at)) == 3


def test_a_permit_whose_end_tipped_into_the_past_fires_no_further_pulse_in_c(permit_at: int) -> None:
    assert not lit(in_c(between_two_pulses(), permit_at, ends_us=1))


def test_a_permit_of_another_number_than_the_press_fires_no_further_pulse_in_c(permit_at: int) -> None:
    assert not lit(in_c(between_two_pulses(), permit_at, number=129))


def test_a_permit_for_the_internal_trigger_that_nobody_gave_fires_nothing_in_c(permit_at: int) -> None:
    bench = in_c(at("ready"), permit_at, internal=1, left=5)
    bench.set(internal_trigger_strap=True)
    assert not lit(bench)


def test_a_permit_that_stands_in_standby_is_not_for_the_next_arming_in_c(permit_at: int) -> None:
    bench = at("set")
    in_c(bench, permit_at, number=9, left=20, ends_us=bench.now_us + 100 * S)
    assert not arms_and_presses(bench)
