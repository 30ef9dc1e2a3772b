"""Whether the simulator answers as a real device did: the requests of a capture, asked again.

A capture holds the bytes of a port, not the laser behind it. So nothing is compared to the bit: each request
is asked again in the session that the simulator opens, with the simulator's own challenges, and its answer
must be the same message, with the same values where two lasers of one kind must have them in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from protocols.frame import Decoder, Frame, encode
from protocols.messages import Connect, Connected, Heartbeat, Message, Status
from protocols.requests import Capabilities, Grant, Identity, Mode, Reply, Request, Setpoint
from protocols.states import ARMED, State
from rig.recording import Recording
from sim_device.operator import perform
from sim_device.simulator import Simulator

_IN_COMMON: Final[dict[type[Message], tuple[str, ...]]] = {
    # Times, counters and measured values are each laser's own.
    Reply: ("result", "reasons"),
    Identity: ("model", "interface_hash"),
    Capabilities: tuple(Capabilities.__dataclass_fields__),
    Mode: tuple(Mode.__dataclass_fields__),
    Setpoint: tuple(Setpoint.__dataclass_fields__),
}

_WARM: Final = ARMED | {State.STANDBY, State.CALIBRATING}

FLOWING_US: Final = 1_000_000  # [C] of a warm-up of minutes; in its first half second no coolant flows yet
PATIENCE_US: Final = 1_000_000  # [C] for the last answer, beyond any that the device takes


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


Passed = tuple[int, bool, Frame]
"""When since the beginning, in us; whether from the host; what."""


class _Asker:
    """The host's end of the simulator's line, with what it must know to speak for the captured host."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.passed: list[Passed] = []
        self._session = 0
        self._challenge = 0
        self._numbers: dict[int, int] = {}  # of this session's requests: the captured host's, and ours
        self._decoder = Decoder()
        self._began_us = simulator.now_us

    def ask(self, frame: Frame, time_us: int) -> None:
        """Send one frame of the captured host, `time_us` after the beginning."""
        self.wait(time_us)
        message = frame.message
        if isinstance(message, Heartbeat):
            message = replace(message, challenge=self._challenge)
        said = Frame(self._session, self._number(frame), message)
        if isinstance(message, Connect):
            self._numbers.clear()
            said = replace(said, session=0)
        self.passed.append((time_us, True, said))
        self.simulator.receive(encode(said), self._began_us + time_us)
        self._hear()

    def _number(self, frame: Frame) -> int:
        """The frame's number: a device takes requests in turn only, and some of the captured are left out."""
        if not isinstance(frame.message, Request):
            return frame.seq
        return self._numbers.setdefault(frame.seq, len(self._numbers) + 1)

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
            self.passed.append((self.simulator.now_us - self._began_us, False, found))
            if isinstance(found.message, Connected):
                self._session = found.session
            elif isinstance(found.message, Status):
                self._challenge = found.message.challenge


def ask_again(capture: Recording, simulator: Simulator) -> Likeness:
    """Ask a simulator everything that a capture's host asked, at the same distances in time."""
    every = list(_exchanges(frames_of(capture)))
    kept = [one for one in every if not isinstance(one.frame.message, Grant)]
    asker = _Asker(simulator)
    for one in kept:
        asker.ask(one.frame, one.time_us)
    asker.wait((kept[-1].time_us if kept else 0) + PATIENCE_US)
    alike, unlike = 0, []
    for real, simulated in zip(kept, _exchanges(asker.passed), strict=True):
        if real.answer is None:
            continue
        if _is_alike(real.answer, simulated.answer):
            alike += 1
        else:
            unlike.append(Unlike(real.time_us, real.frame.message, real.answer, simulated.answer))
    return Likeness(alike, tuple(unlike), len(every) - len(kept))


def start_of(capture: Recording) -> Literal["cold", "warm"]:
    """How the captured laser stood at the start: what its first Status tells; cold, if it has none.

    A laser in FAULT may be either; it answers like one that is not warm.
    """
    return "warm" if _first_state(capture) in _WARM else "cold"


def begin_like(capture: Recording, simulator: Simulator) -> None:
    """Let a cold laser's key be on, and its coolant flow, if the capture's first Status tells of it."""
    state = _first_state(capture)
    if state is State.OFF:
        return
    perform(simulator, "key", {"to": "on"}, simulator.now_us)
    while simulator.state is not state and simulator.state in {State.OFF, State.SELF_TEST}:
        simulator.advance(simulator.next_event_us)
    if simulator.state is State.WARM_UP:
        simulator.advance(simulator.now_us + FLOWING_US)


def _first_state(capture: Recording) -> State:
    for _, from_host, frame in frames_of(capture):
        if not from_host and isinstance(frame.message, Status):
            return frame.message.state
    return State.OFF


def _is_alike(real: Message, simulated: Message | None) -> bool:
    if simulated is None or type(real) is not type(simulated):
        return False
    return all(getattr(real, name) == getattr(simulated, name) for name in _IN_COMMON.get(type(real), ()))


@dataclass(slots=True)
class _Exchange:
    """A frame of the host, and the device's answer; None for a frame that has none."""

    time_us: int
    frame: Frame
    answer: Message | None = None


def _exchanges(passed: Iterable[Passed]) -> list[_Exchange]:
    """Every frame of the host with its answer, on a real port and on a simulated one by the same rule.

    An answer belongs to the latest frame that it can answer: numbers come again, and so do lost frames.
    """
    found: list[_Exchange] = []
    for time_us, from_host, frame in passed:
        if from_host:
            found.append(_Exchange(time_us, frame))
            continue
        for asked in reversed(found):
            if asked.answer is None and _answers(frame, asked.frame):
                asked.answer = frame.message
                break
    return found


def _answers(frame: Frame, asked: Frame) -> bool:
    if isinstance(asked.message, Connect):
        return isinstance(frame.message, Connected) and frame.message.host_nonce == asked.message.host_nonce
    if not isinstance(asked.message, Request):
        return False
    return type(frame.message) is asked.message.answer and (frame.session, frame.seq) == (
        asked.session,
        asked.seq,
    )


def frames_of(capture: Recording) -> Iterator[Passed]:
    """Every frame of a capture, in the order in which they were whole."""
    decoders = {">wire": Decoder(), "<wire": Decoder()}
    for event in capture.events:
        if event.kind in decoders:
            for found in decoders[event.kind].feed(bytes.fromhex(event.body)):
                if isinstance(found, Frame):
                    yield event.time_us - capture.header.start_us, event.kind == ">wire", found
