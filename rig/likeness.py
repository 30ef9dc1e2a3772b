"""Whether the simulator answers as a real device did: the requests of a capture, asked again.

A capture holds the bytes of a port, not the laser behind it. So nothing is compared to the bit: each request
is asked again in the session that the simulator opens, with the simulator's own challenges, and its answer
must be the same message, with the same values where two lasers of one kind must have them in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from protocols.frame import Decoder, Frame, encode
from protocols.messages import Channel, Connect, Connected, Heartbeat, Message, Status
from protocols.requests import Capabilities, Grant, Identity, Mode, Reply, Request, Setpoint
from rig.recording import Recording
from sim_device.simulator import Simulator

_IN_COMMON: Final[dict[type[Message], tuple[str, ...]]] = {
    # Times, counters and measured values are each laser's own.
    Reply: ("result", "reasons"),
    Identity: ("model", "interface_hash"),
    Capabilities: tuple(Capabilities.__dataclass_fields__),
    Mode: tuple(Mode.__dataclass_fields__),
    Setpoint: tuple(Setpoint.__dataclass_fields__),
}


@dataclass(frozen=True, slots=True)
class Unlike:
    """A request that the simulator answered in another way than the real device."""

    time_us: int  # of the capture
    request: Message
    real: Message
    simulated: Message | None  # None: not at all


@dataclass(frozen=True, slots=True)
class Likeness:
    """What came of asking again."""

    alike: int
    unlike: tuple[Unlike, ...]
    left_out: int  # grants: a permit names the session, the epochs and the time of the laser it is for


@dataclass(frozen=True, slots=True)
class _Asked:
    time_us: int
    frame: Frame


class _Asker:
    """The host's end of the simulator's line, with what it must know to speak for the captured host."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = 0
        self.challenge = 0
        self.answers: dict[int, Message] = {}  # by sequence number, of this session
        self._decoder = Decoder()
        self._began_us = simulator.now_us

    def ask(self, frame: Frame, time_us: int) -> None:
        """Send one frame of the captured host, `time_us` after the beginning."""
        message = frame.message
        if isinstance(message, Connect):
            self.answers = {}
        elif isinstance(message, Heartbeat):
            message = replace(message, challenge=self.challenge)
        session = 0 if isinstance(message, Connect) else self.session
        self.wait(time_us)
        self.simulator.receive(encode(Frame(session, frame.seq, message)), self._began_us + time_us)
        self._hear()

    def wait(self, time_us: int) -> None:
        """Let time go on, event by event, hearing what comes."""
        until_us = self._began_us + time_us
        while (due_us := min(self.simulator.next_event_us, until_us)) < until_us:
            self.simulator.advance(due_us)
            self._hear()
        self.simulator.advance(until_us)
        self._hear()

    def _hear(self) -> None:
        for found in self._decoder.feed(self.simulator.sent()):
            if not isinstance(found, Frame):
                continue
            if isinstance(found.message, Connected):
                self.session = found.session
                self.answers[found.seq] = found.message
            elif isinstance(found.message, Status):
                self.challenge = found.message.challenge
            elif found.session == self.session and found.message.channel is Channel.ANSWER:
                self.answers.setdefault(found.seq, found.message)


def ask_again(capture: Recording, simulator: Simulator) -> Likeness:
    """Ask a simulator everything that a capture's host asked, at the same distances in time."""
    asker = _Asker(simulator)
    alike, unlike, left_out = 0, [], 0
    for asked, real in _exchanges(capture):
        if isinstance(asked.frame.message, Grant):
            left_out += 1
            continue
        asker.ask(asked.frame, asked.time_us)
        if real is None:
            continue
        simulated = asker.answers.get(asked.frame.seq)
        if _is_alike(real, simulated):
            alike += 1
        else:
            unlike.append(Unlike(asked.time_us, asked.frame.message, real, simulated))
    return Likeness(alike, tuple(unlike), left_out)


def _is_alike(real: Message, simulated: Message | None) -> bool:
    if simulated is None or type(real) is not type(simulated):
        return False
    return all(getattr(real, name) == getattr(simulated, name) for name in _IN_COMMON.get(type(real), ()))


def _exchanges(capture: Recording) -> Iterator[tuple[_Asked, Message | None]]:
    """Every frame of the host with the device's answer; None for a frame that has none."""
    waiting: list[tuple[_Asked, Message | None]] = []
    for time_us, from_host, frame in _frames(capture):
        if from_host:
            waiting.append((_Asked(time_us, frame), None))
            continue
        for index, (asked, answer) in enumerate(waiting):
            if answer is None and _answers(frame, asked.frame):
                waiting[index] = (asked, frame.message)
                break
    yield from waiting


def _answers(frame: Frame, asked: Frame) -> bool:
    if isinstance(asked.message, Connect):
        return isinstance(frame.message, Connected) and frame.message.host_nonce == asked.message.host_nonce
    if not isinstance(asked.message, Request):
        return False
    return type(frame.message) is asked.message.answer and (frame.session, frame.seq) == (
        asked.session,
        asked.seq,
    )


def _frames(capture: Recording) -> Iterator[tuple[int, bool, Frame]]:
    decoders = {">wire": Decoder(), "<wire": Decoder()}
    for event in capture.events:
        if event.kind in decoders:
            for found in decoders[event.kind].feed(bytes.fromhex(event.body)):
                if isinstance(found, Frame):
                    yield event.time_us - capture.header.start_us, event.kind == ">wire", found
