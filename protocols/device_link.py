"""The device's end of the reliable link, as a pure state machine.

Theory of operation. `receive` turns bytes into what the firmware must act on: a new session, a request that
was not seen before, an out-of-band message. A request whose sequence number was answered already is answered
again from memory and not acted on twice. A rejected frame gets one NAK, and no further one until a good frame
came through, so that noise cannot start a storm of them.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from protocols.frame import Decoder, Frame, ParseError, encode
from protocols.interface import INTERFACE_HASH
from protocols.messages import Connect, Connected, Message, Nak, NakReason, Sender, Stop, Stopped
from protocols.requests import Answer, Request

_HOST: Final = Sender.HOST
_NONCE: Final = struct.Struct("<III")


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A host connected; every permit of the session before is void."""

    session: int
    same_interface: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to carry out now; give its answer to `DeviceLink.answer` before anything else is received."""

    request: Request


@dataclass(frozen=True, slots=True)
class Heard:
    """An out-of-band message of the live session, or a Stop of any."""

    message: Message


DeviceEvent = SessionOpened | Asked | Heard


class DeviceLink:
    """Serves one host at a time; lives as long as the firmware runs."""

    def __init__(self, boot: int, interface_hash: int = INTERFACE_HASH) -> None:
        self.frames_rejected = 0
        self._boot = boot
        self._interface_hash = interface_hash
        self._decoder = Decoder()
        self._connects = 0
        self._host_nonce = 0
        self._nak_sent = False
        self._begin(0)  # nobody connected since boot

    def _begin(self, session: int) -> None:
        """A session, of which nothing was said yet; nothing of the one before may follow."""
        self.session = session
        self._expected_seq = 1
        self._asking = False
        self._last_answer = b""
        self._heard_seq = 0
        self._free_seq = 1
        self._out = bytearray()

    def receive(self, data: bytes) -> list[DeviceEvent]:
        """Take bytes from the wire; carry the events out in their order."""
        events: list[DeviceEvent] = []
        for found in self._decoder.feed(data):
            if isinstance(found, ParseError):
                self._reject(found.reason, found.detail)
            elif found.message.sender is _HOST:
                events += self._take(found)
            # a device's message is an echo of our own: nothing to answer
        return events

    def answer(self, message: Answer) -> None:
        """Send the answer to the request just asked, and keep it for repetitions.

        Dropped when a new session was opened since: nobody waits for it any more.
        """
        if not self._asking:
            return
        self._asking = False
        self._last_answer = encode(Frame(self.session, self._expected_seq, message))
        self._expected_seq += 1
        self._out += self._last_answer

    def send(self, message: Message) -> None:
        """Send an out-of-band message; dropped while no session is open, except the answer to a Stop."""
        if self.session or isinstance(message, Stopped):
            self._out += encode(Frame(self.session, self._free_seq, message))
            self._free_seq += 1

    def outgoing(self) -> bytes:
        """Bytes to put on the wire, handed out once."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _take(self, frame: Frame) -> list[DeviceEvent]:
        message = frame.message
        if isinstance(message, Stop):  # in any session, of any sequence
            self._nak_sent = False
            return [Heard(message)]
        if isinstance(message, Connect):
            return self._take_connect(message)
        if not self.session or frame.session != self.session:
            self._reject(NakReason.SESSION)
            return []
        if isinstance(message, Request):
            return self._take_request(frame.seq, message)
        if frame.seq <= self._heard_seq:
            return []  # a repetition, or overtaken: stale words keep nothing alive
        self._nak_sent = False
        self._heard_seq = frame.seq
        return [Heard(message)]

    def _take_request(self, seq: int, request: Request) -> list[DeviceEvent]:
        if seq > self._expected_seq:
            self._reject(NakReason.SEQUENCE)
        elif seq == self._expected_seq - 1:
            self._out += self._last_answer
        elif seq == self._expected_seq and not self._asking:
            self._nak_sent = False
            self._asking = True
            return [Asked(request)]
        # Else doubled on the way, in the same run of bytes as the first, or answered long ago: the host no
        # longer waits for it.
        return []

    def _take_connect(self, connect: Connect) -> list[DeviceEvent]:
        events: list[DeviceEvent] = []
        if connect.host_nonce != self._host_nonce:
            self._connects += 1
            self._host_nonce = connect.host_nonce
            self._begin(self._fresh_session(connect.host_nonce))
            events.append(SessionOpened(self.session, connect.interface_hash == self._interface_hash))
        self._nak_sent = False
        answer = Connected(connect.host_nonce, self._boot, self._interface_hash)
        self._out += encode(Frame(self.session, 0, answer))
        return events

    def _fresh_session(self, host_nonce: int) -> int:
        """Never the one before and never 0; needs no source of chance: the host's nonce is fresh."""
        nonce = zlib.crc32(_NONCE.pack(self._boot, self._connects, host_nonce))
        while nonce in (0, self.session):
            nonce = zlib.crc32(_NONCE.pack(self._boot, self._connects, nonce))
        return nonce

    def _reject(self, reason: NakReason, detail: int = 0) -> None:
        self.frames_rejected += 1
        if not self._nak_sent:
            self._nak_sent = True
            self._out += encode(Frame(self.session, 0, Nak(reason, self._expected_seq, detail)))
