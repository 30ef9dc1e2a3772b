"""The host's end of the link alone: adaptive time-out, repetitions, NAKs and gaps in the numbers."""

import pytest

from protocols import host_link as hl
from protocols.host_link import HostLink, LinkFailure
from protocols.messages import Handpiece, Nak, NakReason, Stopped
from protocols.requests import ReadCounters, ReadSetpoint, Setpoint, Standby
from tests.protocols.ends import COUNTERS, DONE, from_device, host_up, sent
from tests.protocols.wires import MS
from tests.still_laser import status


def ask_and_answer(link: HostLink, asked_us: int, took_us: int) -> None:
    seq = link.request(ReadCounters(), asked_us)
    events = link.receive(from_device(COUNTERS, seq), asked_us + took_us)
    assert events == [hl.Answered(seq, ReadCounters(), COUNTERS)]


def test_the_time_out_follows_what_was_measured() -> None:
    """7/8 of the old one and half of the measured time: settles at four times the measured, within limits."""
    link = host_up()
    now_us, expected_us = 0, 200 * MS
    for took_us in (10 * MS, 10 * MS, 30 * MS, 0, 100 * MS, *[1 * MS] * 30, *[400 * MS] * 40):
        ask_and_answer(link, now_us, took_us)
        now_us += took_us
        expected_us = max(30 * MS, min(800 * MS, 7 * expected_us // 8 + took_us // 2))
        seq = link.request(ReadCounters(), now_us)
        link.receive(from_device(status(), seq), now_us)  # keeps the line alive; not an answer
        assert link.next_deadline() == now_us + expected_us
        link.receive(from_device(COUNTERS, seq), now_us + 1)
        expected_us = max(30 * MS, min(800 * MS, 7 * expected_us // 8))
        now_us += 1


def test_the_time_out_settles_at_four_times_the_measured_within_its_limits() -> None:
    for took_us, settled_us in ((1 * MS, 30 * MS), (20 * MS, 80 * MS), (300 * MS, 800 * MS)):
        link, now_us = host_up(), 0
        for _ in range(100):
            ask_and_answer(link, now_us, took_us)
            now_us += took_us
        link.request(ReadCounters(), now_us)
        link.receive(from_device(status(), 1), now_us)
        deadline = link.next_deadline()
        assert deadline is not None
        assert abs(deadline - now_us - settled_us) < 10


def test_a_request_that_waited_for_another_is_measured_from_when_it_left() -> None:
    link = host_up()
    link.request(ReadCounters(), 0)
    link.request(ReadCounters(), 0)
    link.receive(from_device(COUNTERS, 1), 160 * MS)
    link.receive(from_device(COUNTERS, 2), 168 * MS)
    link.request(ReadCounters(), 168 * MS)
    after_the_first_us = 7 * 200 * MS // 8 + 160 * MS // 2
    assert link.next_deadline() == 168 * MS + 7 * after_the_first_us // 8 + 8 * MS // 2


def test_a_lost_answer_brings_the_same_bytes_again_five_times_in_all() -> None:
    link = host_up()
    link.request(Standby(), 0)
    first = link.outgoing()
    now_us = 0
    for number, wait_ms in enumerate((200, 400, 800, 800), start=1):
        now_us += wait_ms * MS
        link.receive(from_device(status(), number), now_us - 1)  # the device lives
        assert link.next_deadline() == now_us
        assert link.tick(now_us - 1) == []
        assert link.outgoing() == b""
        assert link.tick(now_us) == []
        assert link.outgoing() == first
    link.receive(from_device(status(), 9), now_us)
    assert link.tick(now_us + 800 * MS) == [
        hl.Abandoned(1, Standby(), sent=True),
        hl.Failed(LinkFailure.NO_ANSWER),
    ]


def test_an_answer_to_a_repetition_is_not_measured() -> None:
    link = host_up()
    link.request(Standby(), 0)
    link.tick(200 * MS)
    link.receive(from_device(DONE, 1), 201 * MS)
    link.request(Standby(), 300 * MS)
    assert link.next_deadline() == (300 + 400) * MS  # the doubled one stays until a clean measurement


@pytest.mark.parametrize("reason", [NakReason.CRC, NakReason.LENGTH, NakReason.ENCODING, NakReason.SEQUENCE])
def test_a_nak_that_can_be_mended_repeats_the_request_at_once(reason: NakReason) -> None:
    link = host_up()
    link.request(Standby(), 0)
    first = link.outgoing()
    assert link.receive(from_device(Nak(reason, 1, 0)), 1) == []
    assert link.outgoing() == first
    assert link.receive(from_device(Nak(reason, 2, 0)), 2) == []  # it was taken meanwhile: nothing to mend
    assert link.receive(from_device(Nak(reason, 1, 0), session=3), 2) == []
    assert link.outgoing() == b""
    assert link.receive(from_device(Nak(reason, 0, 0)), 3)[-1] == hl.Failed(LinkFailure.DESYNCHRONISED)


def nak_of(seq: int) -> bytes:
    return from_device(Nak(NakReason.SEQUENCE, seq, 0))


def test_what_a_stop_dropped_behind_the_links_back_is_filled_up_with_a_reading() -> None:
    link = host_up()
    ask_and_answer(link, 0, 1)  # number 1
    link.request(Standby(), 10)
    link.outgoing()  # handed to a port, which drops it
    assert link.stop(5, 20) == [hl.Abandoned(2, Standby(), sent=True)]
    sent(link)
    link.receive(from_device(Stopped(5, 1, 1, True, True, True, True), 1), 30)
    assert link.request(ReadSetpoint(), 40) == 3
    assert [(frame.seq, frame.message) for frame in sent(link)] == [(3, ReadSetpoint())]
    assert link.receive(nak_of(2), 50) == []
    assert [(frame.seq, frame.message) for frame in sent(link)] == [(2, ReadCounters())]
    assert link.receive(nak_of(2), 51) == []  # as it came to the repetition of the other
    assert [(frame.seq, frame.message) for frame in sent(link)] == [(2, ReadCounters())]
    assert link.receive(from_device(COUNTERS, 2), 60) == []  # nobody asked for that
    assert [(frame.seq, frame.message) for frame in sent(link)] == [(3, ReadSetpoint())]
    setpoint = Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)
    assert link.receive(from_device(setpoint, 3), 70) == [hl.Answered(3, ReadSetpoint(), setpoint)]
    ask_and_answer(link, 80, 1)  # number 4


def gap(link: HostLink) -> None:
    """Number 1 was dropped on its way, number 2 asked, the device's NAK came, and the reading left."""
    link.request(Standby(), 0)
    link.outgoing()
    link.stop(5, 0)
    link.receive(from_device(Stopped(5, 1, 1, True, True, True, True), 1), 1)
    link.request(ReadSetpoint(), 2)
    link.outgoing()
    link.receive(nak_of(1), 3)
    assert [(frame.seq, frame.message) for frame in sent(link)] == [(1, ReadCounters())]


def test_a_dropped_request_that_comes_late_after_all_is_not_taken_for_another() -> None:
    link = host_up()
    gap(link)
    assert link.receive(from_device(DONE, 1), 9) == [
        hl.Abandoned(2, ReadSetpoint(), sent=True),
        hl.Failed(LinkFailure.DESYNCHRONISED, DONE.opcode),
    ]


def test_a_stop_while_a_gap_is_filled_gives_no_number_twice() -> None:
    link = host_up()
    gap(link)
    link.request(Standby(), 4)  # number 3, which waits
    assert link.stop(6, 5) == [
        hl.Abandoned(2, ReadSetpoint(), sent=True),
        hl.Abandoned(3, Standby(), sent=False),
    ]
    assert link.request(Standby(), 6) == 3


def test_a_device_that_forgot_what_it_answered_ends_the_link() -> None:
    link = host_up()
    ask_and_answer(link, 0, 1)
    ask_and_answer(link, 2, 1)
    link.request(Standby(), 4)
    assert link.receive(nak_of(2), 5)[-1] == hl.Failed(LinkFailure.DESYNCHRONISED)


def test_a_nak_without_a_request_is_no_matter() -> None:
    link = host_up()
    assert link.receive(from_device(Nak(NakReason.CRC, 1, 0)), 1) == []
    assert link.outgoing() == b""


def test_naks_use_up_tries_too() -> None:
    link = host_up()
    link.request(Standby(), 0)
    for _ in range(4):
        assert link.receive(from_device(Nak(NakReason.CRC, 1, 0)), 1) == []
    assert len(sent(link)) == 5
    assert link.receive(from_device(Nak(NakReason.CRC, 1, 0)), 1)[-1] == hl.Failed(LinkFailure.NO_ANSWER)


@pytest.mark.parametrize("reason", [NakReason.OPCODE, NakReason.FIELD])
def test_a_device_that_cannot_read_us_ends_the_link(reason: NakReason) -> None:
    link = host_up()
    assert link.receive(from_device(Nak(reason, 1, 0x57)), 1) == [hl.Failed(LinkFailure.REJECTED, 0x57)]
