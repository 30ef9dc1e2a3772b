"""The serial line of a simulated laser: ideal, paced, garbled, cut, unplugged, copied."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_device.doors import Observer
from sim_device.line import HELD_MAX, WAITING_MAX, Line, Way
from sim_device.memory import RamMemory
from sim_device.plant import NEVER, Plant
from sim_device.simulator import Simulator
from sim_device.vices import Delay, Drop, Glue, Split, Vice
from tests.sim_device.echo import Echo

MS = 1_000
S = 1_000_000


def made() -> tuple[Simulator, Echo]:
    firmware = Echo()
    return Simulator(firmware, Plant(1), RamMemory()), firmware


def came(simulator: Simulator, until_us: int) -> list[tuple[int, bytes]]:
    """What comes out at the host's end until then, and when."""
    found = []
    while True:
        if data := simulator.sent():
            found.append((simulator.now_us, data))
        if simulator.next_event_us > until_us:
            simulator.advance(until_us)
            return found
        simulator.advance(simulator.next_event_us)


def test_an_ideal_line_hands_bytes_over_in_the_same_instant_and_keeps_nothing() -> None:
    simulator, firmware = made()
    simulator.receive(b"hello", 7 * MS)
    assert firmware.heard == [(7 * MS, b"hello")]
    assert simulator.sent() == b"hello"
    assert simulator.wire.to_device.straight
    assert simulator.wire.to_host.straight
    assert simulator.wire.next_us == NEVER


@pytest.mark.parametrize("baud", [9_600, 115_200, 1_000_000])
def test_a_paced_line_takes_ten_bits_a_byte_both_ways(baud: int) -> None:
    simulator, firmware = made()
    simulator.wire.set_device(baud)
    simulator.receive(b"x" * 10, 10 * MS)
    assert simulator.sent() == b""
    found = came(simulator, S)
    one_way_us = 10 * 10 * S / baud
    assert firmware.words == b"x" * 10
    assert firmware.heard[-1][0] == pytest.approx(10 * MS + one_way_us, abs=2)
    assert b"".join(data for _, data in found) == b"x" * 10
    assert found[-1][0] == pytest.approx(10 * MS + 2 * one_way_us, abs=4)


def test_what_is_sent_while_the_line_is_busy_waits_for_its_turn() -> None:
    simulator, firmware = made()
    simulator.wire.set_device(9_600)
    simulator.receive(b"a" * 96, 0)  # 100 ms
    simulator.receive(b"b" * 48, 50 * MS)  # 50 ms more, from 100 ms on
    simulator.advance(S)
    assert firmware.words == b"a" * 96 + b"b" * 48
    when = {data[-1:]: at_us for at_us, data in firmware.heard}
    assert when[b"a"] == pytest.approx(100 * MS, abs=2)
    assert when[b"b"] == pytest.approx(150 * MS, abs=2)


def test_a_paced_line_delivers_in_pieces_of_a_receivers_fifo() -> None:
    simulator, firmware = made()
    simulator.wire.set_device(10_000)  # a byte takes 1 ms
    simulator.receive(bytes(range(40)), 0)
    simulator.advance(S)
    assert firmware.heard == [
        (16 * MS, bytes(range(16))),
        (32 * MS, bytes(range(16, 32))),
        (40 * MS, bytes(range(32, 40))),
    ]


def test_two_stop_bits_of_the_host_take_their_time() -> None:
    simulator, firmware = made()
    simulator.wire.set_device(10_000)
    simulator.wire.set_host(10_000, byte_bits=11)
    simulator.receive(b"x" * 10, 0)
    found = came(simulator, S)
    assert firmware.heard[-1][0] == 11 * MS
    assert found[-1][0] == 21 * MS  # the device sends one stop bit


def test_another_rate_of_the_host_garbles_both_ways_until_it_is_right_again() -> None:
    simulator, firmware = made()
    simulator.wire.set_device(115_200)
    simulator.wire.set_host(9_600)
    simulator.receive(b"hello", 0)
    simulator.advance(100 * MS)
    assert firmware.heard
    assert b"hello" not in firmware.words
    simulator.sent()
    firmware.heard.clear()
    simulator.wire.set_host(115_200)
    simulator.receive(b"hello", 200 * MS)
    assert b"".join(data for _, data in came(simulator, 300 * MS)) == b"hello"


def test_a_line_without_a_rate_takes_the_host_at_any() -> None:
    simulator, _ = made()
    simulator.wire.set_host(9_600)
    simulator.receive(b"hello", 0)
    assert simulator.sent() == b"hello"


@given(
    st.lists(st.tuples(st.integers(0, 20 * MS), st.binary(max_size=30)), max_size=12),
    st.lists(
        st.one_of(
            st.builds(Split, st.integers(1, 9), st.integers(1, 3 * MS)),
            st.builds(Glue, st.integers(1, 40 * MS)),
            st.builds(Delay, st.integers(0, 50 * MS), st.integers(0, 20 * MS)),
        ),
        max_size=3,
    ),
    st.sampled_from([0, 4_800, 115_200]),
)
def test_a_line_that_only_takes_its_time_loses_nothing_and_keeps_the_order(
    sent: list[tuple[int, bytes]], vices: list[Vice], baud: int
) -> None:
    way, now_us, gone_us, put, got = Line().to_device, 0, 0, bytearray(), bytearray()
    way.vices = vices
    way.pace(baud, baud, 10)
    times = []
    for gap_us, data in sent:
        now_us += gap_us
        got += way.arrived(now_us)
        way.put(data, now_us)
        put += data
    while way.next_us < NEVER:
        assert way.next_us >= gone_us
        gone_us = way.next_us
        times.append(gone_us)
        got += way.arrived(gone_us)
    if vices:  # what has no delimiter yet is held back
        way.put(b"\0", max(now_us, gone_us))
        put += b"\0"
        while way.next_us < NEVER:
            got += way.arrived(way.next_us)
    assert got == put


def test_nothing_passes_a_cut_line_and_what_was_under_way_is_lost() -> None:
    simulator, firmware = made()
    simulator.wire.to_device.vices = (Delay(20 * MS),)
    simulator.receive(b"before\0", 0)
    simulator.wire.cut()
    simulator.receive(b"meanwhile\0", 10 * MS)
    simulator.advance(100 * MS)
    assert firmware.heard == []
    simulator.wire.mend()
    simulator.receive(b"after\0", 110 * MS)
    simulator.advance(200 * MS)
    assert firmware.heard == [(130 * MS, b"after\0")]


def test_mending_does_not_plug_in_and_plugging_in_does_not_mend() -> None:
    line = Line()
    line.cut()
    line.unplug()
    line.mend()
    assert not line.plugged
    assert not line.to_device.straight
    line.cut()
    line.plug()
    line.to_device.put(b"x", 0)
    assert line.next_us == NEVER
    line.mend()
    assert line.to_device.straight


def test_a_vice_that_is_gone_leaves_the_half_frame_it_held_to_the_bytes_after_it() -> None:
    simulator, firmware = made()
    vice = Drop()
    simulator.wire.to_device.add(vice)
    simulator.receive(b"lost\0ha", 0)
    simulator.wire.to_device.remove(vice)
    simulator.receive(b"lf\0", MS)
    assert firmware.heard == [(MS, b"half\0")]
    assert simulator.wire.to_device.straight
    assert vice.fired == 1


def test_what_can_be_no_frame_is_not_held_back_for_ever() -> None:
    way = Line().to_device
    way.add(Delay(0))
    way.put(b"x" * 5_000, 0)
    assert way.arrived(0) == b"x" * 5_000


def test_a_sender_that_takes_no_notice_of_a_full_line_loses_bytes_and_they_are_counted() -> None:
    way = Line().to_device
    way.pace(300, 300, 10)
    assert not way.full
    way.put(b"x" * (HELD_MAX + 1), 0)
    assert way.full
    for _ in range(20):
        way.put(b"x" * HELD_MAX, 0)
    assert way.bytes_waiting <= WAITING_MAX
    assert way.bytes_lost + way.bytes_waiting == 21 * HELD_MAX + 1
    while way.next_us < NEVER:
        way.arrived(way.next_us)
    assert way.bytes_waiting == 0


def test_bytes_that_nobody_sent_can_be_slipped_in() -> None:
    simulator, firmware = made()
    simulator.advance(5 * MS)
    simulator.wire.to_device.slip_in(b"forged\0", 5 * MS)
    assert simulator.next_event_us == 5 * MS
    simulator.advance(5 * MS)
    assert firmware.heard == [(5 * MS, b"forged\0")]


def test_what_was_lost_with_the_cable_delays_nothing_after_it() -> None:
    line = Line()
    line.set_device(10_000)  # a byte takes 1 ms
    line.to_device.put(b"x" * 500, 0)
    line.cut()
    line.mend()
    line.to_device.put(b"y", 2 * MS)
    assert line.to_device.next_us == 3 * MS
    slow = Delay(S)
    line.to_host.add(slow)
    line.to_host.put(b"x\0", 0)
    line.unplug()
    line.plug()
    line.to_host.remove(slow)
    line.to_host.put(b"y\0", 5 * MS)
    assert line.to_host.next_us == 7 * MS


def test_what_is_slipped_in_on_a_paced_line_does_not_arrive_in_the_past() -> None:
    simulator, firmware = made()
    simulator.wire.set_device(9_600)
    simulator.advance(S)
    simulator.wire.to_device.slip_in(b"forged " * 10, S)
    assert simulator.next_event_us == S
    simulator.advance(S)
    assert firmware.heard == [(S, b"forged " * 10)]


class Ends(Observer):
    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def entered(self, now_us: int, port: str, data: bytes) -> None:
        self.seen.append(("entered", now_us))

    def received(self, now_us: int, port: str, data: bytes) -> None:
        self.seen.append(("received", now_us))

    def sent(self, now_us: int, port: str, data: bytes) -> None:
        self.seen.append(("sent", now_us))

    def left(self, now_us: int, port: str, data: bytes) -> None:
        self.seen.append(("left", now_us))


@pytest.mark.parametrize("late_us", [0, 20 * MS])
def test_observers_see_both_ends_of_the_line_at_their_own_times(late_us: int) -> None:
    simulator, _ = made()
    ends = Ends()
    simulator.observers.append(ends)
    for way in (simulator.wire.to_device, simulator.wire.to_host):
        way.vices = (Delay(late_us),) if late_us else ()
    simulator.receive(b"x\0", 0)
    simulator.advance(S)
    assert ends.seen == [
        ("entered", 0),
        ("received", late_us),
        ("sent", late_us),
        ("left", 2 * late_us),
    ]


def test_a_processor_that_does_not_run_hears_nothing_and_the_line_goes_on() -> None:
    simulator, firmware = made()
    simulator.wire.to_device.vices = (Delay(20 * MS),)
    simulator.receive(b"x\0", 0)
    simulator.set_power(False, 10 * MS)
    simulator.advance(50 * MS)
    assert firmware.heard == []
    assert simulator.wire.next_us == NEVER


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda simulator: pickle.loads(pickle.dumps(simulator))])  # noqa: S301
def test_a_copied_simulator_has_a_line_of_its_own_with_everything_under_way(twin_of: object) -> None:
    simulator, _ = made()
    simulator.wire.set_device(19_200)
    simulator.wire.to_device.vices = (Delay(20 * MS, 10 * MS).only(probability=0.5, seed=3),)
    for number in range(5):
        simulator.receive(bytes([65 + number]) * 20 + b"\0", number * 3 * MS)
    assert callable(twin_of)
    twin = twin_of(simulator)
    for one in (simulator, twin):
        one.receive(b"more\0", 40 * MS)
    ours, its = came(simulator, S), came(twin, S)
    assert ours == its
    assert sum(len(data) for _, data in ours) == 5 * 21 + 5
    assert ours[-1][0] > 60 * MS


def test_each_way_knows_its_opposite() -> None:
    line = Line()
    assert line.opposite(line.to_device) is line.to_host
    assert line.opposite(line.to_host) is line.to_device
    assert isinstance(line.to_host, Way)
