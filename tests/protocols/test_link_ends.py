"""Each end of the link alone: adaptive time-out, NAKs, sequence numbers, limits, to the microsecond."""

import struct

import pytest

from protocols import host_link as hl
from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.frame import Decoder, Frame, ParseError, decode, encode
from protocols.host_link import HostLink, LinkFailure, LinkState
from protocols.interface import INTERFACE_HASH
from protocols.messages import (
    AckPulses,
    Connect,
    Connected,
    Handpiece,
    Heartbeat,
    Intent,
    Message,
    Nak,
    NakReason,
    Result,
    Stop,
    Stopped,
)
from protocols.requests import (
    Acknowledge,
    Counters,
    ReadCounters,
    ReadFault,
    ReadSetpoint,
    Reply,
    Setpoint,
    Standby,
)
from tests.protocols.test_frames import sealed
from tests.protocols.wires import MS, SECOND, status

SESSION = 0x55AA
DONE = Reply(Result.DONE, frozenset(), 0)
COUNTERS = Counters(0, 0, 0, 0, 0, 0)


def from_device(message: Message, seq: int = 0, session: int = SESSION) -> bytes:
    return encode(Frame(session, seq, message))


def sent(link: HostLink | DeviceLink) -> list[Frame]:
    """What the link wants on the wire, as frames."""
    found = Decoder().feed(link.outgoing())
    assert not any(isinstance(item, ParseError) for item in found)
    return [item for item in found if isinstance(item, Frame)]


def host_up(now_us: int = 0) -> HostLink:
    """A host link in session SESSION."""
    link = HostLink(host_nonce=9)
    link.open(now_us)
    assert [frame.message for frame in sent(link)] == [Connect(9, INTERFACE_HASH)]
    events = link.receive(from_device(Connected(9, 4, INTERFACE_HASH)), now_us)
    assert events == [hl.Up(SESSION, 4, INTERFACE_HASH)]
    return link


def ask_and_answer(link: HostLink, asked_us: int, took_us: int) -> None:
    seq = link.request(ReadCounters(), asked_us)
    events = link.receive(from_device(COUNTERS, seq), asked_us + took_us)
    assert events == [hl.Answered(seq, ReadCounters(), COUNTERS)]


# -- the host's end


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
    link.receive(from_device(DONE, 1), 400)
    assert link.next_deadline() == 400 + SECOND
    assert link.tick(400 + SECOND - 1) == []
    assert link.tick(400 + SECOND) == [hl.Failed(LinkFailure.SILENT)]


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


def test_only_an_answer_that_names_the_stop_and_confirms_it_does() -> None:
    link = host_up()
    link.stop(6, 0)
    closing = Stopped(6, 1, 0, True, True, True, False)
    assert link.receive(from_device(closing, 1), 1) == [hl.Received(closing, 0)]
    other = Stopped(5, 1, 0, True, True, True, True)
    assert link.receive(from_device(other, 2), 2) == [hl.Received(other, 0)]
    assert link.receive(from_device(other, 2, session=3), 2) == []
    assert link.receive(from_device(closing, 4), 2) == [hl.Received(closing, 1)]
    assert link.receive(from_device(closing, 9, session=3), 2) == [hl.Received(closing, 0)]
    closed = Stopped(6, 1, 0, True, True, True, True)
    assert link.receive(from_device(closed, 5), 7) == [hl.StopConfirmed(closed, 7)]
    assert link.receive(from_device(closed, 6), 8) == [hl.Received(closed, 0)]
    assert link.tick(60 * MS) == []
    assert link.outgoing()[:1] == b"\0"  # what stop() itself put there; no repetition after it
    assert link.outgoing() == b""


# -- the device's end


def device_up() -> tuple[DeviceLink, int]:
    link = DeviceLink(boot=4)
    (opened,) = link.receive(encode(Frame(0, 0, Connect(9, INTERFACE_HASH))))
    assert isinstance(opened, SessionOpened)
    assert opened == SessionOpened(link.session, True)
    assert sent(link) == [Frame(link.session, 0, Connected(9, 4, INTERFACE_HASH))]
    return link, link.session


def test_a_session_tells_whether_both_ends_have_the_same_interface() -> None:
    link = DeviceLink(1, interface_hash=5)
    assert link.receive(encode(Frame(0, 0, Connect(1, 6)))) == [SessionOpened(link.session, False)]
    assert sent(link)[0].message == Connected(1, 1, 5)


def test_a_repeated_connect_is_answered_again_and_opens_nothing() -> None:
    link, session = device_up()
    link.receive(encode(Frame(session, 1, Standby())))
    link.answer(DONE)
    link.outgoing()
    assert link.receive(encode(Frame(0, 0, Connect(9, INTERFACE_HASH)))) == []
    assert sent(link) == [Frame(session, 0, Connected(9, 4, INTERFACE_HASH))]
    assert link.receive(encode(Frame(session, 2, Standby()))) == [Asked(Standby())]


def test_a_request_is_acted_on_once_and_answered_as_often_as_it_is_asked() -> None:
    link, session = device_up()
    asked = encode(Frame(session, 1, Acknowledge(3)))
    assert link.receive(asked + asked) == [Asked(Acknowledge(3))]
    assert link.receive(asked) == []
    assert sent(link) == []
    link.answer(DONE)
    for _ in range(3):
        assert sent(link) == [Frame(session, 1, DONE)]
        assert link.receive(asked) == []
    assert link.receive(encode(Frame(session, 2, Standby()))) == [Asked(Standby())]
    link.outgoing()
    link.answer(DONE)
    link.outgoing()
    assert link.receive(asked) == []  # older than the last: nobody waits for it
    assert sent(link) == []


def test_an_answer_nobody_asked_for_is_not_sent() -> None:
    link = DeviceLink(1)
    link.answer(DONE)
    assert sent(link) == []
    link, session = device_up()
    link.answer(DONE)
    assert sent(link) == []
    link.receive(encode(Frame(session, 1, Standby())))
    link.receive(encode(Frame(0, 0, Connect(10, INTERFACE_HASH))))
    link.outgoing()
    link.answer(DONE)
    assert sent(link) == []


def test_a_new_session_begins_everything_anew() -> None:
    link, session = device_up()
    beat = Heartbeat(1, Intent.IDLE)
    link.receive(encode(Frame(session, 1, Standby())) + encode(Frame(session, 7, beat)))
    link.answer(DONE)
    link.send(status())  # still unsent when the next host comes: none of it may follow
    link.receive(encode(Frame(0, 0, Connect(10, INTERFACE_HASH))))
    new = link.session
    assert sent(link) == [Frame(new, 0, Connected(10, 4, INTERFACE_HASH))]
    assert link.receive(encode(Frame(new, 0, Standby()))) == []
    assert sent(link) == []
    assert link.receive(encode(Frame(new, 1, Acknowledge(2)))) == [Asked(Acknowledge(2))]
    assert link.receive(encode(Frame(new, 1, beat))) == [Heard(beat)]
    link.send(status())
    assert [frame.seq for frame in sent(link)] == [1]


def test_request_number_zero_is_no_repetition_of_anything() -> None:
    link, session = device_up()
    assert link.receive(encode(Frame(session, 0, Standby()))) == []
    assert sent(link) == []


def test_a_gap_in_the_requests_is_rejected_once_with_the_number_expected() -> None:
    link, session = device_up()
    for _ in range(3):
        assert link.receive(encode(Frame(session, 2, Standby()))) == []
    assert sent(link) == [Frame(session, 0, Nak(NakReason.SEQUENCE, 1, 0))]
    assert link.frames_rejected == 3


@pytest.mark.parametrize("session", [0, 1])
def test_frames_of_no_session_or_another_are_rejected_once(session: int) -> None:
    link = DeviceLink(1)
    if session:
        link, _ = device_up()
    assert link.receive(encode(Frame(session, 1, Standby()))) == []
    assert link.receive(encode(Frame(session, 1, Heartbeat(1, Intent.IDLE)))) == []
    assert [frame.message for frame in sent(link)] == [Nak(NakReason.SESSION, 1, 0)]


@pytest.mark.parametrize(
    "good",
    [
        Frame(0, 5, Stop(1)),
        Frame(0, 0, Connect(9, INTERFACE_HASH)),
        Frame(-1, 1, Heartbeat(1, Intent.IDLE)),
        Frame(-1, 1, Standby()),
    ],
    ids=lambda frame: type(frame.message).__name__,
)
def test_a_good_frame_ends_the_reject_condition(good: Frame) -> None:
    link, session = device_up()
    assert link.receive(b"\x09\0\x09\0") == []
    assert [frame.message for frame in sent(link)] == [Nak(NakReason.ENCODING, 1, 0)]
    link.receive(encode(Frame(session if good.session < 0 else 0, good.seq, good.message)))
    link.outgoing()
    link.receive(b"\x09\0")
    assert len(sent(link)) == 1


def test_stale_words_are_not_heard() -> None:
    link, session = device_up()
    beat = Heartbeat(1, Intent.IDLE)
    assert link.receive(encode(Frame(session, 2, beat))) == [Heard(beat)]
    assert link.receive(encode(Frame(session, 2, beat))) == []
    assert link.receive(encode(Frame(session, 1, beat))) == []
    assert link.receive(encode(Frame(session, 3, AckPulses(1)))) == [Heard(AckPulses(1))]


def test_a_stop_is_heard_in_any_session_and_as_often_as_it_comes() -> None:
    link = DeviceLink(1)
    assert link.receive(encode(Frame(77, 9, Stop(2))) * 2) == [Heard(Stop(2))] * 2
    assert sent(link) == []


def test_the_devices_own_words_coming_back_are_passed_over() -> None:
    link, session = device_up()
    assert link.receive(encode(Frame(session, 1, DONE))) == []
    assert sent(link) == []
    assert link.frames_rejected == 0


def test_before_a_session_only_the_answer_to_a_stop_is_sent() -> None:
    link = DeviceLink(1)
    link.send(status())
    assert sent(link) == []
    stopped = Stopped(1, 1, 1, True, True, True, True)
    link.send(stopped)
    assert sent(link) == [Frame(0, 1, stopped)]
    link, session = device_up()
    link.send(status())
    link.send(status())
    assert [(frame.session, frame.seq) for frame in sent(link)] == [(session, 1), (session, 2)]


def test_a_session_nonce_is_never_zero_nor_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum behind it may be either, once in four thousand million times."""
    sums = iter([0, 5, 5, 0, 6])
    monkeypatch.setattr("protocols.device_link.zlib.crc32", lambda _data: next(sums))
    link = DeviceLink(1)
    assert link._fresh_session(1) == 5
    link.session = 5
    assert link._fresh_session(2) == 6
