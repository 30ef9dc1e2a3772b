"""Targets of the link: its device's end, its host's end, and the two with a bad line between them."""

from __future__ import annotations

from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.frame import Decoder, Frame, ParseError, encode
from protocols.host_link import (
    Abandoned,
    Answered,
    Failed,
    HostLink,
    LinkClosedError,
    LinkEvent,
    LinkFailure,
    LinkState,
    QueueFullError,
    Received,
    StopConfirmed,
    Up,
)
from protocols.interface import MESSAGES
from protocols.messages import Connect, Connected, Sender, Stop, Stopped
from protocols.requests import Answer, ReadCounters, ReadIdentity, ReadSetpoint, Request, SetAiming, Standby
from tests.fuzz.given import Given
from tests.fuzz.target import Target
from tests.fuzz.wire import DEVICE_KINDS, HOST_KINDS, wire_of
from tests.protocols.test_golden import GOLDEN


def sent_by_device(data: bytes, session: int) -> list[Frame]:
    """What a device sent: whole frames of its own, nothing else."""
    found = Decoder().feed(data)
    assert not data or data[-1] == 0
    frames: list[Frame] = []
    for one in found:
        assert isinstance(one, Frame), one
        assert one.message.sender is Sender.DEVICE
        frames.append(one)
    assert all(frame.session in (session, 0) for frame in frames[-1:])
    return frames


def device_link(data: bytes) -> None:
    """The device's end takes anything, acts on each request once, and answers in whole frames."""
    given = Given(data)
    link, witness = DeviceLink(boot=given.number(1, 3)), Decoder()
    done = naks = 0
    session = 0
    for _ in range(64):
        if not given:
            break
        wire = wire_of(given, link.session, done + 1, HOST_KINDS)
        before, asked = link.session, 0
        heard = [one for one in witness.feed(wire) if isinstance(one, Frame)]
        due = [one for one in heard if isinstance(one.message, Request) and one.seq == done + 1]
        for event in link.receive(wire):
            match event:
                case SessionOpened():
                    assert event.session == link.session not in (0, session)
                    session, done = event.session, 0
                case Asked(request):
                    done, asked = done + 1, asked + 1
                    assert asked <= len(due) or session != before, "acted on without being asked"
                    assert session
                    link.answer(answer_to(request))
                case Heard(message):
                    assert isinstance(message, Stop) or link.session
                    if isinstance(message, Stop):
                        link.send(Stopped(message.stop_id, 0, 0, *(True,) * 4))
        out = link.outgoing()
        assert len(out) <= 40 * len(wire) + 600
        naks += sum(frame.message.opcode == 0x03 for frame in sent_by_device(out, link.session))
        assert session in (link.session, before)
    assert naks <= link.frames_rejected


def answer_to(request: Request) -> Answer:
    """Any legal answer of the class that the request declares."""
    kind = type(request).answer
    found = next(message for message, *_ in GOLDEN if type(message) is kind)
    assert isinstance(found, Answer)
    return found


ASKED: tuple[Request, ...] = (ReadCounters(), ReadSetpoint(), ReadIdentity(), SetAiming(True), Standby())


class Books:
    """What a host was told of its requests: each gets one outcome, and the link only ever goes down."""

    def __init__(self, link: HostLink) -> None:
        self.link = link
        self.ever: list[Request] = []
        self.asked: list[tuple[int, Request]] = []  # without an outcome yet
        self.answered: list[Answered] = []
        self.ups = 0
        self.failures: list[LinkFailure] = []
        self.confirmed: list[int] = []
        self._states = list(LinkState)
        self._state = link.state

    def ask(self, request: Request, now_us: int) -> None:
        try:
            seq = self.link.request(request, now_us)
        except (LinkClosedError, QueueFullError):
            return
        self.ever.append(request)
        self.asked.append((seq, request))

    def take(self, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Answered() | Abandoned():
                    self.asked.remove((event.seq, event.request))
                    if isinstance(event, Answered):
                        self.answered.append(event)
                        assert type(event.answer) is type(event.request).answer
                case Up():
                    self.ups += 1
                case Failed(why):
                    self.failures.append(why)
                case StopConfirmed():
                    self.confirmed.append(event.stopped.stop_id)
                    assert event.stopped.confirmed
                case Received():
                    assert event.message.sender is Sender.DEVICE
                    assert event.lost >= 0
                case ParseError():
                    pass
        state = self.link.state
        assert self._states.index(state) >= self._states.index(self._state)
        self._state = state
        assert self.ups <= 1
        if state is LinkState.FAILED:
            assert not self.asked, "requests were left without a word"
            assert self.failures


def host_link(data: bytes) -> None:
    """The host's end takes anything, tells each request's outcome once, and every stop's within its time."""
    given = Given(data)
    nonce = given.number(1, 255)
    link, now_us = HostLink(nonce), 0
    books = Books(link)
    link.open(now_us)
    stopping: tuple[int, int, int] | None = None  # id, when it was asked for first, and failures before
    for _ in range(64):
        if not given:
            break
        match given.number(0, 7):
            case 0 | 1 | 2:
                session = link.session or 7
                kinds = DEVICE_KINDS if given.flag() else list(MESSAGES)
                seq = books.asked[0][0] if books.asked and given.flag() else given.number(0, 255)
                books.take(link.receive(wire_of(given, session, seq, kinds), now_us))
            case 3:
                up = encode(Frame(given.number(0, 255), 0, Connected(nonce, 1, 2)))
                books.take(link.receive(up, now_us))
            case 4:
                books.ask(given.pick(ASKED), now_us)
            case 5:
                now_us += given.number(0, 2**20)
                books.take(link.tick(now_us))
                due_us = link.next_deadline()
                assert due_us is None or due_us > now_us, "a timer that never ends"
            case 6:
                stop_id = given.number(1, 255)
                stopping = (stop_id, *(stopping[1:] if stopping else (now_us, len(books.failures))))
                books.take(link.stop(stop_id, now_us))
            case _ if books.asked:
                seq, request = books.asked[0]
                books.take(link.receive(encode(Frame(link.session, seq, answer_to(request))), now_us))
        sent = Decoder().feed(link.outgoing())
        assert all(isinstance(one, Frame) and one.message.sender is Sender.HOST for one in sent)
        if stopping and stopping[0] in books.confirmed:
            stopping = None
        elif stopping and now_us >= stopping[1] + 500_000:
            books.take(link.tick(now_us))
            told = books.failures[stopping[2] :]
            assert LinkFailure.STOP_UNCONFIRMED in told, "a stop was not confirmed, and nobody was told"
            stopping = None
    # Left alone it comes to an end by itself.
    for _ in range(200):
        due_us = link.next_deadline()
        if due_us is None:
            break
        now_us = max(now_us, due_us)
        books.take(link.tick(now_us))
    assert link.state is not LinkState.UP
    assert link.state is LinkState.FAILED


def line(data: bytes) -> None:
    """Over a line that loses, doubles and spoils bytes the device does what was asked once, and in order."""
    given = Given(data)
    host, device, now_us = HostLink(given.number(1, 255)), DeviceLink(1), 0
    books = Books(host)
    carried: list[tuple[Request, Answer]] = []  # by the device, with its answers
    host.open(now_us)
    for _ in range(128):
        if not given:
            break
        act = given.number(0, 7)
        if act in (0, 4):
            now_us += given.number(0, 2**19)
            books.take(host.tick(now_us))
        elif act in (1, 5, 6):
            books.ask(given.pick(ASKED), now_us)
        for event in device.receive(spoilt(host.outgoing(), given if act > 3 else None)):
            if isinstance(event, Asked):
                carried.append((event.request, answer_to(event.request)))
                device.answer(carried[-1][1])
            else:
                assert isinstance(event, SessionOpened)
                assert not carried, "the same host connects once"
        for found in Decoder().feed(device.outgoing()):
            assert isinstance(found, Frame)
            books.take(host.receive(spoilt(encode(found), given if act in (6, 7) else None), now_us))
    assert [request for request, _ in carried] == books.ever[: len(carried)]
    for answered in books.answered:
        assert carried[answered.seq - 1] == (answered.request, answered.answer)


def spoilt(data: bytes, given: Given | None) -> bytes:
    """The bytes as a bad line delivers them."""
    if given is None or not data:
        return data
    how, at = given.number(0, 3), given.number(0, 255) % len(data)
    match how:
        case 0:
            return data[:at]
        case 1:
            return data + data
        case 2:
            return data[at:]
        case _:
            return data[:at] + bytes([data[at] ^ given.number(1, 255)]) + data[at + 1 :]


def _acts_seeds() -> list[bytes]:
    """Programs of acts: what they mean, the target says."""
    forms = [bytes([form, kind]) for form in range(8) for kind in range(len(HOST_KINDS))]
    connect = bytes([4, HOST_KINDS.index(Connect)]) + Connect(5, 6).encode()
    return [
        b"\x01" + connect + b"".join(forms),
        b"\x01" + connect * 3,
        *(b"\x01" + connect + one for one in forms),
    ]


def _host_seeds() -> list[bytes]:
    up, ask, answer, wait, stop = b"\x03\x07", b"\x04\x00", b"\x07", b"\x05\xff\xff\x01", b"\x06\x09"
    return [
        b"\x05" + up + (ask + answer) * 4 + stop + wait * 8,
        b"\x05" + up + ask * 18 + wait * 3 + answer,
        b"\x05" + wait * 9,
        b"\x05" + up + ask + b"".join(bytes([0, 1, 0, 9, 3, kind]) for kind in range(len(DEVICE_KINDS))),
        b"\x05" + stop + wait * 2 + stop + wait * 12,
    ]


def _line_seeds() -> list[bytes]:
    spoilt_ways = [bytes([5, 0, 2, 2, 1] + [act, 2, how, 3] * 8) for how in range(4) for act in (5, 6)]
    calm = b"\x05" + bytes(act for n in range(40) for act in (1, n % 5, 2))
    return [calm, *spoilt_ways, bytes(range(256)) * 2]


TARGETS = (
    Target("device_link", device_link, _acts_seeds, 2_048, ("REQ-033", "HZ-036")),
    Target("host_link", host_link, _host_seeds, 2_048, ("REQ-033",)),
    Target("line", line, _line_seeds, 2_048, ("REQ-033", "HZ-033", "HZ-036")),
)
