"""The host's end of the reliable link, as a pure state machine.

Theory of operation. Bytes and time go in (`receive`, `tick`), bytes and events come out (`outgoing`, the
returned lists); nothing here waits. A session is opened by Connect/Connected with a fresh nonce on either
side. Requests are stop-and-wait: one is on the wire, the others queue; a lost answer is answered by sending
the same bytes again, which the device recognises by the sequence number. After five tries, a dead line or a
NAK that cannot be mended the link is FAILED, and only a new link object leaves that state. STOP overtakes:
it drops what is queued and is repeated until the device confirms it. A request that was dropped behind the
link's back, from the buffer of a port or driver, leaves a gap in the numbers, which the device tells by its
next NAK. A reading fills the gap, and its answer is nobody's: no other request may have that number, since
the dropped one's bytes might come late after all and be taken for it.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Final

from protocols import timing
from protocols.frame import DELIMITER, Decoder, Frame, ParseError, encode
from protocols.frozen import quick
from protocols.interface import INTERFACE_HASH
from protocols.messages import Channel, Connect, Connected, Message, Nak, NakReason, Sender, Stop, Stopped
from protocols.requests import ReadCounters, Request

_ANSWER: Final = Channel.ANSWER
_DEVICE: Final = Sender.DEVICE
_MENDABLE: Final = frozenset({NakReason.CRC, NakReason.LENGTH, NakReason.ENCODING, NakReason.SEQUENCE})


class LinkState(enum.Enum):
    """Where the link is; each state can only move down this list."""

    IDLE = "not opened yet"
    CONNECTING = "Connect sent, no answer yet"
    UP = "session open"
    FAILED = "given up: only a new link helps"


_UP: Final = LinkState.UP  # looked at with every frame


class LinkFailure(enum.Enum):
    """Why the link was given up."""

    NO_ANSWER = "the device did not answer"
    SILENT = "the device fell silent"
    SESSION = "the device does not know the session: it restarted or serves another host"
    DESYNCHRONISED = "host and device disagree about the next request"
    VERSION = "the device speaks another protocol version"
    REJECTED = "the device could not read a frame: interfaces differ"
    STOP_UNCONFIRMED = "a stop was not confirmed in time"


@dataclass(frozen=True, slots=True)
class Up:
    """The session is open."""

    session: int
    boot: int
    interface_hash: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request."""

    seq: int
    request: Request
    answer: Message


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A request that will get no answer; `sent` tells whether the device may have acted on it."""

    seq: int
    request: Request
    sent: bool


@quick
@dataclass(frozen=True, slots=True)
class Received:
    """An out-of-band message; `lost` counts the ones missing before it."""

    message: Message
    lost: int


@dataclass(frozen=True, slots=True)
class StopConfirmed:
    """The device confirmed the stop, this long after it was first sent."""

    stopped: Stopped
    took_us: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The link is given up; `detail` is the offending version or opcode where there is one."""

    why: LinkFailure
    detail: int = 0


LinkEvent = Up | Answered | Abandoned | Received | StopConfirmed | Failed | ParseError


class LinkClosedError(Exception):
    """A request was made on a link that is not UP."""


class QueueFullError(Exception):
    """More requests wait than the link keeps."""


@dataclass(slots=True)
class _Pending:
    seq: int
    request: Request
    encoded: bytes
    sent_us: int  # first
    resend_us: int = 0
    tries: int = 0
    fills_gap: bool = False  # nobody asked it


@dataclass(slots=True)
class _Stopping:
    stop: Stop
    began_us: int
    repeat_us: int


class HostLink:
    """One session's worth of link; make a new one for every connection."""

    def __init__(self, host_nonce: int, interface_hash: int = INTERFACE_HASH) -> None:
        self.state = LinkState.IDLE
        self.session = 0
        self.bytes_seen = 0
        self.frames_seen = 0
        self._connect = Connect(host_nonce, interface_hash)
        self._decoder = Decoder()
        self._out = bytearray()
        self._queue: deque[_Pending] = deque()
        self._pending: _Pending | None = None
        self._stopping: _Stopping | None = None
        self._next_seq = 1
        self._next_free_seq = 1
        self._last_free_seq = 0
        self._answered_seq = 0
        self._timeout_us = timing.ANSWER_FIRST_US
        self._connect_due_us = 0
        self._connect_tries = 0
        self._heard_us = 0

    # -- what the caller does

    def open(self, now_us: int) -> None:
        """Begin the session."""
        self.state = LinkState.CONNECTING
        self._send_connect(now_us)

    def request(self, message: Request, now_us: int) -> int:
        """Queue a request and return its sequence number; raises LinkClosedError or QueueFullError."""
        if self.state is not LinkState.UP:
            raise LinkClosedError(f"the link is {self.state.name}: {self.state.value}")
        if len(self._queue) >= timing.REQUESTS_QUEUED_MAX:
            raise QueueFullError(f"{len(self._queue)} requests wait already")
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        self._queue.append(self._numbered(seq, message, now_us))
        self._send_next(now_us)
        return seq

    def send(self, message: Message) -> None:
        """Send an out-of-band message (Heartbeat, AckPulses); silently dropped unless the link is UP."""
        if self.state is _UP:
            self._out += encode(Frame(self.session, self._take_free_seq(), message))

    def stop(self, stop_id: int, now_us: int) -> list[LinkEvent]:
        """Drop everything queued and send STOP until it is confirmed; works in every state.

        `stop_id` must be fresh, so that no answer to an older stop can confirm this one. Its outcome is
        always told: StopConfirmed, or Failed(STOP_UNCONFIRMED) 500 ms after the first unconfirmed stop.
        """
        if self._pending and self._pending.tries == 1 and self._pending.encoded in self._out:
            self._pending.tries = 0  # it never left
            self._queue.appendleft(self._pending)
            self._pending = None
        # What never left leaves no gap: the device expects the first of these.
        self._next_seq = next((waiting.seq for waiting in self._queue if not waiting.tries), self._next_seq)
        events = self._abandon_all()
        self._out.clear()
        began_us = self._stopping.began_us if self._stopping else now_us
        self._stopping = _Stopping(Stop(stop_id), began_us, now_us)
        self._send_stop(self._stopping, now_us)
        return events

    def outgoing(self) -> bytes:
        """Bytes to put on the wire, handed out once."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_deadline(self) -> int | None:
        """When `tick` must be called at the latest; None when nothing is due."""
        due_us: int | None = None
        if self.state is _UP:
            due_us = self._heard_us + timing.LINK_SILENT_US
            if self._pending and self._pending.resend_us < due_us:
                due_us = self._pending.resend_us
        elif self.state is LinkState.CONNECTING:
            due_us = self._connect_due_us
        if self._stopping:
            stop_us = min(self._stopping.repeat_us, self._stopping.began_us + timing.STOP_UNCONFIRMED_US)
            due_us = stop_us if due_us is None else min(due_us, stop_us)
        return due_us

    def tick(self, now_us: int) -> list[LinkEvent]:
        """Act on what is due."""
        events: list[LinkEvent] = []
        if self._stopping:
            if now_us >= self._stopping.began_us + timing.STOP_UNCONFIRMED_US:
                self._stopping = None
                why = LinkFailure.STOP_UNCONFIRMED
                events += self._fail(why) or [Failed(why)]  # also when the link's own end was told before
            elif now_us >= self._stopping.repeat_us:
                self._send_stop(self._stopping, now_us)
        if self.state is LinkState.CONNECTING and now_us >= self._connect_due_us:
            if self._connect_tries >= timing.TRIES_MAX:
                return events + self._fail(LinkFailure.NO_ANSWER)
            self._timeout_us = min(2 * self._timeout_us, timing.ANSWER_MAX_US)
            self._send_connect(now_us)
        if self.state is LinkState.UP:
            if now_us >= self._heard_us + timing.LINK_SILENT_US:
                return events + self._fail(LinkFailure.SILENT)
            if self._pending and now_us >= self._pending.resend_us:
                self._timeout_us = min(2 * self._timeout_us, timing.ANSWER_MAX_US)
                events += self._resend(self._pending, now_us)
        return events

    def receive(self, data: bytes, now_us: int) -> list[LinkEvent]:
        """Take bytes from the wire."""
        self.bytes_seen += len(data)
        events: list[LinkEvent] = []
        for found in self._decoder.feed(data):
            if isinstance(found, ParseError):
                events.append(found)
                if found.reason is NakReason.VERSION and self.state is LinkState.CONNECTING:
                    events += self._fail(LinkFailure.VERSION, found.detail)
            else:
                self.frames_seen += 1
                events += self._take(found, now_us)
        return events

    # -- frames

    def _take(self, frame: Frame, now_us: int) -> list[LinkEvent]:
        message = frame.message
        if message.sender is not _DEVICE:
            text = f"echo: {type(message).__name__} is the host's own"
            return [ParseError(NakReason.OPCODE, text, message.opcode)]
        if isinstance(message, Connected):
            return self._take_connected(frame, message, now_us)
        if isinstance(message, Nak):
            return self._take_nak(frame, message, now_us)
        ours = self.state is _UP and frame.session == self.session
        if message.channel is _ANSWER:
            return self._take_answer(frame, now_us) if ours else []
        lost = frame.seq - self._last_free_seq - 1
        news = ours and lost >= 0  # else late, repeated or replayed: older than what is known
        if news:
            self._heard_us = now_us
            self._last_free_seq = frame.seq
        stopping = self._stopping
        if isinstance(message, Stopped) and stopping and message.stop_id == stopping.stop.stop_id:
            if message.confirmed:  # in any session: a stop must end although the link is not up
                self._stopping = None
                return [StopConfirmed(message, now_us - stopping.began_us)]
            return [Received(message, max(lost, 0) if ours else 0)]
        return [Received(message, lost)] if news else []

    def _take_connected(self, frame: Frame, message: Connected, now_us: int) -> list[LinkEvent]:
        if self.state is not LinkState.CONNECTING or message.host_nonce != self._connect.host_nonce:
            return []  # a repeated answer, or one to somebody else
        self.state = LinkState.UP
        self.session = frame.session
        self._heard_us = now_us
        self._timeout_us = timing.ANSWER_FIRST_US
        return [Up(frame.session, message.boot, message.interface_hash)]

    def _take_answer(self, frame: Frame, now_us: int) -> list[LinkEvent]:
        pending = self._pending
        if pending is None or frame.seq != pending.seq:
            return []  # the answer to a repetition that was answered already
        if type(frame.message) is not pending.request.answer:
            return self._fail(LinkFailure.DESYNCHRONISED, frame.message.opcode)
        self._heard_us = now_us
        if pending.tries == 1:  # a repeated request does not tell which copy was answered
            measured = now_us - pending.sent_us
            smoothed = 7 * self._timeout_us // 8 + measured // 2
            self._timeout_us = max(timing.ANSWER_MIN_US, min(smoothed, timing.ANSWER_MAX_US))
        self._pending = None
        self._answered_seq = frame.seq
        self._send_next(now_us)
        if pending.fills_gap:
            return []
        return [Answered(pending.seq, pending.request, frame.message)]

    def _take_nak(self, frame: Frame, nak: Nak, now_us: int) -> list[LinkEvent]:
        if nak.reason is NakReason.VERSION:
            return self._fail(LinkFailure.VERSION, nak.detail)
        if self.state is not LinkState.UP:
            return []
        if nak.reason is NakReason.SESSION:
            # Carries session 0 after a restart, or the other host's: either way ours is gone.
            return self._fail(LinkFailure.SESSION) if frame.session != self.session else []
        if frame.session != self.session:
            return []
        if nak.reason not in _MENDABLE:
            return self._fail(LinkFailure.REJECTED, nak.detail)
        pending = self._pending
        if pending is None or nak.expected_seq > pending.seq:
            return []  # what it complains of was answered or taken meanwhile
        if nak.expected_seq <= self._answered_seq:
            return self._fail(LinkFailure.DESYNCHRONISED)
        if nak.expected_seq < pending.seq:
            self._queue.appendleft(pending)
            self._pending = self._numbered(nak.expected_seq, ReadCounters(), now_us)
            self._pending.fills_gap = True
            self._put(self._pending, now_us)
            return []
        return self._resend(pending, now_us)

    # -- sending

    def _send_connect(self, now_us: int) -> None:
        self._connect_tries += 1
        self._connect_due_us = now_us + self._timeout_us
        # The delimiters end whatever half frame stands in the device's receiver.
        self._out += DELIMITER + encode(Frame(0, 0, self._connect))

    def _send_stop(self, stopping: _Stopping, now_us: int) -> None:
        stopping.repeat_us = now_us + timing.STOP_REPEAT_US
        self._out += DELIMITER + encode(Frame(self.session, self._take_free_seq(), stopping.stop))

    def _send_next(self, now_us: int) -> None:
        if self._pending is None and self._queue:
            self._pending = self._queue.popleft()
            self._pending.sent_us = now_us
            self._put(self._pending, now_us)

    def _numbered(self, seq: int, request: Request, now_us: int) -> _Pending:
        return _Pending(seq, request, encode(Frame(self.session, seq, request)), now_us)

    def _put(self, pending: _Pending, now_us: int) -> None:
        pending.tries += 1
        pending.resend_us = now_us + self._timeout_us
        self._out += pending.encoded

    def _resend(self, pending: _Pending, now_us: int) -> list[LinkEvent]:
        if pending.tries >= timing.TRIES_MAX:
            return self._fail(LinkFailure.NO_ANSWER)
        self._put(pending, now_us)
        return []

    def _take_free_seq(self) -> int:
        seq, self._next_free_seq = self._next_free_seq, self._next_free_seq + 1
        return seq

    def _abandon_all(self) -> list[LinkEvent]:
        left = [self._pending, *self._queue] if self._pending else self._queue
        events: list[LinkEvent] = [
            Abandoned(one.seq, one.request, sent=one.tries > 0) for one in left if not one.fills_gap
        ]
        self._pending = None
        self._queue.clear()
        return events

    def _fail(self, why: LinkFailure, detail: int = 0) -> list[LinkEvent]:
        if self.state is LinkState.FAILED:
            return []
        self.state = LinkState.FAILED
        return [*self._abandon_all(), Failed(why, detail)]
