"""The host's end of the link alone: sessions, the order of requests, what ends it, stops."""

import struct

import pytest

from protocols import host_link as hl
from protocols.frame import Frame, ParseError, decode, encode
from protocols.host_link import HostLink, LinkFailure, LinkState
from protocols.interface import INTERFACE_HASH
from protocols.messages import AckPulses, Connect, Connected, Heartbeat, Intent, Nak, NakReason, Stop, Stopped
from protocols.requests import ReadCounters, ReadFault, ReadSetpoint, Standby
from tests.protocols.ends import COUNTERS, DONE, SESSION, from_device, host_up, sent
from tests.protocols.test_frames import sealed
from tests.protocols.wires import MS, SECOND
from tests.still_laser import status


def test_a_new_link_has_nothing_due_and_says_nothing() -> None:
    link = HostLink(1)
    assert (link.state, link.session, link.next_deadline(), link.outgoing()) == (LinkState.IDLE, 0, None, b"")
    assert link.tick(10**12) == []
    assert (link.bytes_seen, link.frames_seen) == (0, 0)


def test_connect_is_repeated_with_doubled_patience_and_leading_delimiters() -> None:
    link = HostLink(3)
    link.open(1_000)
    times, events = [], list[hl.LinkEvent]()
    while (due_us := link.next_deadline()) is not None:
        times.append(due_us)
        data = link.outgoing()
        assert data[:1] == b"\0"
        assert decode(data[1:-1]) == Frame(0, 0, Connect(3, INTERFACE_HASH))
        assert link.tick(due_us - 1) == []
        assert link.outgoing() == b""
        events = link.tick(due_us)
    assert times == [1_000 + ms * MS for ms in (200, 600, 1_400, 2_200, 3_000)]
    assert events == [hl.Failed(LinkFailure.NO_ANSWER)]
    assert link.state is LinkState.FAILED


def test_patience_with_a_slow_connect_does_not_outlast_it() -> None:
    link = HostLink(9)
    link.open(0)
    link.tick(200 * MS)
    link.tick(600 * MS)
    assert link.receive(from_device(Connected(9, 4, 1)), 700 * MS) == [hl.Up(SESSION, 4, 1)]
    link.request(Standby(), 700 * MS)
    assert link.next_deadline() == (700 + 200) * MS


def test_only_the_answer_to_this_very_connect_opens_the_session() -> None:
    link = HostLink(3)
    assert link.receive(from_device(Connected(3, 1, 1)), 0) == []  # not opened yet
    link.open(0)
    assert link.receive(from_device(Connected(4, 1, 1)), 0) == []
    assert link.receive(from_device(status(), 1), 0) == []
    assert link.receive(from_device(status(), 1, session=0), 0) == []
    assert link.receive(from_device(Nak(NakReason.CRC, 1, 0)), 0) == []
    assert link.receive(from_device(Connected(3, 1, 77)), 0) == [hl.Up(SESSION, 1, 77)]
    assert link.receive(from_device(Connected(3, 1, 77), session=8), 0) == []
    assert link.session == SESSION


@pytest.mark.parametrize("state", [LinkState.IDLE, LinkState.CONNECTING, LinkState.FAILED])
def test_nothing_is_asked_or_said_unless_the_link_is_up(state: LinkState) -> None:
    link = HostLink(1)
    if state is not LinkState.IDLE:
        link.open(0)
        link.outgoing()
    if state is LinkState.FAILED:
        link.receive(from_device(Nak(NakReason.VERSION, 0, 2)), 0)
    assert link.state is state
    with pytest.raises(hl.LinkClosedError, match=state.name):
        link.request(ReadCounters(), 0)
    link.send(AckPulses(1))
    assert link.outgoing() == b""


def test_one_request_is_on_the_wire_and_sixteen_may_wait() -> None:
    link = host_up()
    numbers = [link.request(ReadFault(index), 0) for index in range(17)]
    assert numbers == list(range(1, 18))
    assert [frame.seq for frame in sent(link)] == [1]
    with pytest.raises(hl.QueueFullError, match="16 requests wait already"):
        link.request(ReadFault(99), 0)
    link.receive(
        from_device(COUNTERS, 1), 0
    )  # a wrong answer ends it all, and every request is accounted for
    assert link.state is LinkState.FAILED


def test_the_next_request_leaves_when_the_answer_is_in() -> None:
    link = host_up()
    link.request(Standby(), 0)
    link.request(ReadCounters(), 0)
    assert [frame.message for frame in sent(link)] == [Standby()]
    assert link.receive(from_device(DONE, 1), 5) == [hl.Answered(1, Standby(), DONE)]
    assert [(frame.session, frame.seq, frame.message) for frame in sent(link)] == [
        (SESSION, 2, ReadCounters())
    ]


@pytest.mark.shows("REQ-033", "HZ-036")
def test_a_late_second_answer_and_one_from_another_session_are_ignored() -> None:
    link = host_up()
    link.request(Standby(), 0)
    assert link.receive(from_device(DONE, 1, session=4), 1) == []
    assert link.receive(from_device(DONE, 1), 1) == [hl.Answered(1, Standby(), DONE)]
    assert link.receive(from_device(DONE, 1), 2) == []
    link.request(Standby(), 3)
    assert link.receive(from_device(DONE, 1), 4) == []
    assert link.receive(from_device(DONE, 3), 4) == []


def test_an_answer_of_the_wrong_kind_ends_the_link() -> None:
    link = host_up()
    link.request(ReadSetpoint(), 0)
    link.request(ReadFault(1), 0)
    assert link.receive(from_device(COUNTERS, 1), 1) == [
        hl.Abandoned(1, ReadSetpoint(), sent=True),
        hl.Abandoned(2, ReadFault(1), sent=False),
        hl.Failed(LinkFailure.DESYNCHRONISED, 0x85),
    ]


@pytest.mark.shows("REQ-033")
def test_a_nak_for_the_session_counts_only_from_a_device_in_another_session() -> None:
    link = host_up()
    assert link.receive(from_device(Nak(NakReason.SESSION, 1, 0)), 1) == []  # about a frame of somebody else
    assert link.receive(from_device(Nak(NakReason.SESSION, 1, 0), session=0), 1) == [
        hl.Failed(LinkFailure.SESSION)
    ]
    assert link.receive(from_device(Nak(NakReason.VERSION, 1, 0), session=0), 1) == []  # failed once only


def test_another_protocol_version_is_told_while_connecting_from_either_side() -> None:
    body = struct.pack("<BBBII", 3, 0x02, 16, SESSION, 0) + Connected(9, 4, 1).encode()
    wire = sealed(body) + b"\0"
    link = HostLink(9)
    link.open(0)
    *_, error, failed = link.receive(wire, 0)
    assert isinstance(error, ParseError)
    assert error.detail == 3
    assert failed == hl.Failed(LinkFailure.VERSION, 3)
    other = host_up()
    assert [type(event) for event in other.receive(wire, 0)] == [ParseError]
    assert other.state is LinkState.UP
    third = HostLink(9)
    third.open(0)
    assert third.receive(from_device(Nak(NakReason.VERSION, 0, 7)), 0) == [hl.Failed(LinkFailure.VERSION, 7)]


def test_a_link_that_was_given_up_hears_nothing_more() -> None:
    link = host_up()
    link.receive(from_device(Nak(NakReason.SESSION, 1, 0), session=0), 0)
    assert link.state is LinkState.FAILED
    assert link.receive(from_device(status(), 1), 1) == []
    assert link.next_deadline() is None


def test_the_hosts_own_words_coming_back_are_called_an_echo() -> None:
    link = host_up()
    (event,) = link.receive(encode(Frame(SESSION, 1, Heartbeat(1, Intent.IDLE))), 0)
    assert isinstance(event, ParseError)
    assert str(event) == "echo: Heartbeat is the host's own"
    assert event.detail == 0x11


def test_bytes_and_frames_are_counted() -> None:
    link = host_up()
    bytes_before, frames_before = link.bytes_seen, link.frames_seen
    wire = from_device(status(), 1)
    link.receive(wire + b"\x05\x05\0", 0)
    assert (link.bytes_seen - bytes_before, link.frames_seen - frames_before) == (len(wire) + 3, 1)


def test_out_of_band_messages_are_numbered_and_old_ones_dropped() -> None:
    link = host_up()
    news = status()
    assert link.receive(from_device(news, 1), 0) == [hl.Received(news, 0)]
    assert link.receive(from_device(news, 4), 0) == [hl.Received(news, 2)]
    assert link.receive(from_device(news, 4), 0) == []
    assert link.receive(from_device(news, 3), 0) == []
    link.send(Heartbeat(1, Intent.IDLE))
    link.send(AckPulses(4))
    assert [(frame.session, frame.seq) for frame in sent(link)] == [(SESSION, 1), (SESSION, 2)]


def test_only_news_keeps_the_line_alive() -> None:
    link = host_up()
    link.receive(from_device(status(), 1), 100)
    assert link.next_deadline() == 100 + SECOND
    link.receive(from_device(status(), 1), 200)
    link.receive(from_device(status(), 5, session=1), 200)
    assert link.next_deadline() == 100 + SECOND
    link.request(Standby(), 300)
    assert link.next_deadline() == 300 + 200 * MS
    link.receive(from_device(DONE, 1), 400)
    assert link.next_deadline() == 400 + SECOND
    assert link.tick(400 + SECOND - 1) == []
    link.request(Standby(), 390 + SECOND)
    assert link.next_deadline() == 400 + SECOND, "silence comes before the repetition"
    assert link.tick(400 + SECOND)[-1] == hl.Failed(LinkFailure.SILENT)


def test_a_stop_goes_first_and_is_repeated_every_50_ms() -> None:
    link = host_up()
    link.send(Heartbeat(1, Intent.IDLE))
    link.request(Standby(), 0)
    assert link.stop(6, 1_000) == [hl.Abandoned(1, Standby(), sent=False)]
    data = link.outgoing()
    assert data[:1] == b"\0"
    assert decode(data[1:-1]).message == Stop(6)
    for repetition in range(1, 10):
        due_us = 1_000 + repetition * 50 * MS
        link.receive(from_device(status(), repetition), due_us - 1)
        assert link.next_deadline() == due_us
        assert link.tick(due_us) == []
        assert [frame.message for frame in sent(link)] == [Stop(6)]
    assert link.tick(1_000 + 500 * MS) == [hl.Failed(LinkFailure.STOP_UNCONFIRMED)]
    assert link.next_deadline() is None


def test_a_request_that_was_said_before_its_repetition_was_dropped_may_have_been_acted_on() -> None:
    link = host_up()
    link.request(Standby(), 0)
    link.outgoing()
    link.tick(200 * MS)  # the repetition has not left yet
    assert link.stop(6, 200 * MS) == [hl.Abandoned(1, Standby(), sent=True)]
    assert link.request(ReadCounters(), 201 * MS) == 2


def test_a_stop_that_waits_puts_nothing_off_and_is_not_said_before_its_time() -> None:
    link = host_up()
    link.stop(6, 990 * MS)
    link.outgoing()
    assert link.next_deadline() == SECOND
    assert link.tick(SECOND) == [hl.Failed(LinkFailure.SILENT)]
    assert link.outgoing() == b""
    assert link.next_deadline() == 1_040 * MS
    assert link.tick(1_040 * MS) == []
    assert [frame.message for frame in sent(link)] == [Stop(6)]


def test_only_an_answer_that_names_the_stop_and_confirms_it_does() -> None:
    link = host_up()
    link.stop(6, 0)
    closing = Stopped(6, 1, 0, True, True, True, False)
    assert link.receive(from_device(closing, 1), 1) == [hl.Received(closing, 0)]
    other = Stopped(5, 1, 0, True, True, True, True)
    assert link.receive(from_device(other, 2), 2) == [hl.Received(other, 0)]
    assert link.receive(from_device(other, 2, session=3), 2) == []
    assert link.receive(from_device(closing, 4), 2) == [hl.Received(closing, 1)]
    assert link.receive(from_device(closing, 3), 2) == [hl.Received(closing, 0)], "overtaken: none is lost"
    assert link.receive(from_device(closing, 9, session=3), 2) == [hl.Received(closing, 0)]
    closed = Stopped(6, 1, 0, True, True, True, True)
    assert link.receive(from_device(closed, 5), 7) == [hl.StopConfirmed(closed, 7)]
    assert link.receive(from_device(closed, 6), 8) == [hl.Received(closed, 0)]
    assert link.tick(60 * MS) == []
    assert link.outgoing()[:1] == b"\0"  # what stop() itself put there; no repetition after it
    assert link.outgoing() == b""
