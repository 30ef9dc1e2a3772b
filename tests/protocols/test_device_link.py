"""The device's end of the link alone: sessions, repetitions, rejected frames."""

import pytest

from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.frame import Frame, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import AckPulses, Connect, Connected, Heartbeat, Intent, Nak, NakReason, Stop, Stopped
from protocols.requests import Acknowledge, Standby
from tests.protocols.ends import DONE, sent
from tests.still_laser import status


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


@pytest.mark.shows("REQ-033", "HZ-036")
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


def test_numbers_before_and_behind_a_request_that_is_being_carried_out_are_told_apart_from_it() -> None:
    link, session = device_up()
    first, second, third = (encode(Frame(session, seq, Acknowledge(seq))) for seq in (1, 2, 3))
    link.receive(first)
    link.answer(DONE)
    link.outgoing()
    assert link.receive(second + first + third) == [Asked(Acknowledge(2))]
    assert sent(link) == [Frame(session, 1, DONE), Frame(session, 0, Nak(NakReason.SEQUENCE, 2, 0))]


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


@pytest.mark.shows("REQ-033")
def test_a_gap_in_the_requests_is_rejected_once_with_the_number_expected() -> None:
    link, session = device_up()
    for _ in range(3):
        assert link.receive(encode(Frame(session, 2, Standby()))) == []
    assert sent(link) == [Frame(session, 0, Nak(NakReason.SEQUENCE, 1, 0))]
    assert link.frames_rejected == 3


@pytest.mark.shows("REQ-033", "HZ-036")
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


@pytest.mark.shows("REQ-033", "HZ-036")
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
