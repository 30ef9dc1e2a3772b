"""Wires with vices between the two real link ends, on virtual time and with seeded chance."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.frame import Decoder, Frame
from protocols.host_link import (
    Abandoned,
    Answered,
    Failed,
    HostLink,
    LinkEvent,
    LinkState,
    Received,
    StopConfirmed,
)
from protocols.messages import (
    Heartbeat,
    Intent,
    Message,
    Nak,
    Result,
    Stop,
    Stopped,
)
from protocols.requests import Acknowledge, Answer, Counters, ReadCounters, Reply, Request
from tests.still_laser import status

MS = 1_000
SECOND = 1_000_000
TURNS_AT_ONE_INSTANT = 1_000  # a link that needs more than these without time passing is stuck


@dataclass(frozen=True)
class Vice:
    """What one direction of a wire does to the chunks put on it; probabilities are per chunk."""

    name: str = "honest"
    loss: float = 0.0
    byte_loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    overtaking: float = 0.0
    delay_us: tuple[int, int] = (1 * MS, 1 * MS)
    pieces: int = 0  # 0: as written; n: cut into pieces of at most n bytes
    glue_us: int = 0  # deliver only at multiples of this time, everything together
    dead_from_us: int | None = None
    echo: bool = False


VICES = (
    Vice(),
    Vice("one byte at a time", pieces=1),
    Vice("split anywhere", pieces=7),
    Vice("glued", glue_us=40 * MS),
    Vice("loses a chunk in four", loss=0.25),
    Vice("loses bytes", byte_loss=0.1),
    Vice("doubles", duplication=0.5),
    Vice("corrupts", corruption=0.2),
    Vice("slow", delay_us=(1 * MS, 350 * MS)),
    Vice("re-orders", overtaking=0.4, delay_us=(1 * MS, 120 * MS)),
    Vice("half-open after 700 ms", dead_from_us=700 * MS),
    Vice("dead", dead_from_us=0),
    Vice("echoes", echo=True),
    Vice(
        "all at once",
        loss=0.1,
        byte_loss=0.05,
        duplication=0.2,
        corruption=0.1,
        overtaking=0.2,
        delay_us=(1 * MS, 60 * MS),
        pieces=11,
        echo=True,
    ),
)
HONEST = VICES[0]


class Wire:
    """One direction: chunks go in with the time, come out later, as the vice has it."""

    def __init__(self, vice: Vice, chance: random.Random) -> None:
        self.vice = vice
        self._chance = chance
        self._on_the_way: list[tuple[int, int, bytes]] = []
        self._order = 0
        self._last_us = 0

    def put(self, data: bytes, now_us: int) -> None:
        """Take one chunk as its sender wrote it."""
        vice, chance = self.vice, self._chance
        if not data or chance.random() < vice.loss:
            return
        if vice.dead_from_us is not None and now_us >= vice.dead_from_us:
            return
        copies = 2 if chance.random() < vice.duplication else 1
        for _ in range(copies):
            self._put_copy(data, now_us)

    def due_us(self) -> int | None:
        """When the next piece arrives."""
        return self._on_the_way[0][0] if self._on_the_way else None

    def arrived(self, now_us: int) -> list[bytes]:
        """Pieces that arrive by now, in order; one piece when the wire glues."""
        pieces = []
        while self._on_the_way and self._on_the_way[0][0] <= now_us:
            pieces.append(heapq.heappop(self._on_the_way)[2])
        return [b"".join(pieces)] if self.vice.glue_us and pieces else pieces

    def _put_copy(self, data: bytes, now_us: int) -> None:
        vice, chance = self.vice, self._chance
        if chance.random() < vice.byte_loss:
            gap = chance.randrange(len(data))
            data = data[:gap] + data[gap + 1 :]
        if data and chance.random() < vice.corruption:
            place = chance.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        at_us = now_us + chance.randint(*vice.delay_us)
        if chance.random() >= vice.overtaking:
            at_us = max(at_us, self._last_us)  # a cable keeps the order
        if vice.glue_us:
            at_us = -(-at_us // vice.glue_us) * vice.glue_us
        self._last_us = max(self._last_us, at_us)
        step = vice.pieces or max(len(data), 1)
        for start in range(0, len(data), step):
            self._order += 1
            heapq.heappush(self._on_the_way, (at_us, self._order, data[start : start + step]))


@dataclass
class Device:
    """A small firmware on the device's end: acts on each request, tells its status, confirms stops."""

    boot: int = 1
    answer_after_us: int = 2 * MS
    shutter_closes_after_us: int = 30 * MS
    link: DeviceLink = field(init=False)
    sessions: list[int] = field(default_factory=list)
    acted_on: list[tuple[int, Request]] = field(default_factory=list)  # (session, request) in order
    heard: list[Message] = field(default_factory=list)
    naks: int = 0
    frames_came: int = 0  # whole ones, whatever the link made of them
    _watch: Decoder = field(default_factory=Decoder)
    _ear: Decoder = field(default_factory=Decoder)
    _answers: list[tuple[int, Answer]] = field(default_factory=list)
    _status_us: int = 0
    _stop: int = 0
    _shut_us: int | None = None

    def __post_init__(self) -> None:
        self.link = DeviceLink(self.boot)

    @property
    def stops(self) -> set[int]:
        """Identities of the stops that were heard."""
        return {message.stop_id for message in self.heard if isinstance(message, Stop)}

    def receive(self, data: bytes, now_us: int) -> None:
        """Act on what came."""
        self.frames_came += sum(isinstance(found, Frame) for found in self._ear.feed(data))
        for event in self.link.receive(data):
            match event:
                case SessionOpened(session=session):
                    self.sessions.append(session)
                    self._answers.clear()
                case Asked(request=ReadCounters()):  # changes nothing
                    self._answers.append((now_us + self.answer_after_us, Counters(0, 0, 0, 0, 0, 0)))
                case Asked(request=request):
                    self.acted_on.append((self.link.session, request))
                    number = request.fault_instance if isinstance(request, Acknowledge) else 0
                    answer = Reply(Result.DONE, frozenset(), number)
                    self._answers.append((now_us + self.answer_after_us, answer))
                case Heard(message=message):
                    self.heard.append(message)
                    if isinstance(message, Stop):
                        self._take_stop(message, now_us)

    def due_us(self) -> int:
        """When `tick` has something to do."""
        times = [self._status_us, *(at_us for at_us, _ in self._answers)]
        return min([*times, self._shut_us] if self._shut_us is not None else times)

    def tick(self, now_us: int) -> None:
        """Do what is due."""
        for at_us, answer in self._answers:
            if at_us <= now_us:
                self.link.answer(answer)
        self._answers = [(at_us, answer) for at_us, answer in self._answers if at_us > now_us]
        if self._status_us <= now_us:
            self._status_us = now_us + 100 * MS
            self.link.send(status(device_time_us=now_us))
        if self._shut_us is not None and self._shut_us <= now_us:
            self._shut_us = None
            self._say_stopped(now_us)

    def outgoing(self) -> bytes:
        """What the link wants on the wire; the NAKs in it are counted by an observer of its own."""
        data = self.link.outgoing()
        self.naks += sum(isinstance(f, Frame) and isinstance(f.message, Nak) for f in self._watch.feed(data))
        return data

    def _take_stop(self, stop: Stop, now_us: int) -> None:
        if stop.stop_id != self._stop:
            self._stop = stop.stop_id
            self._shut_us = now_us + self.shutter_closes_after_us
        self._say_stopped(now_us)

    def _say_stopped(self, now_us: int) -> None:
        shut = self._shut_us is None
        self.link.send(Stopped(self._stop, 1, now_us, True, True, True, shut))


class Line:
    """Host link, wires, device, and the clock that jumps from one thing due to the next."""

    def __init__(
        self,
        to_device: Vice = HONEST,
        to_host: Vice = HONEST,
        *,
        seed: int = 0,
        device: Device | None = None,
        host_nonce: int = 7,
        now_us: int = 0,
    ) -> None:
        chance = random.Random(seed)
        self.now_us = now_us
        self.host = HostLink(host_nonce)
        self.device = device or Device()
        self.to_device = Wire(to_device, chance)
        self.to_host = Wire(to_host, chance)
        self.events: list[tuple[int, LinkEvent]] = []
        self.asked: list[Request] = []
        self._heartbeat_us = now_us

    @property
    def answered(self) -> list[Answered]:
        """Answers in the order in which they came."""
        return [event for _, event in self.events if isinstance(event, Answered)]

    @property
    def abandoned(self) -> list[Abandoned]:
        """Requests given up."""
        return [event for _, event in self.events if isinstance(event, Abandoned)]

    @property
    def received(self) -> list[Received]:
        """Out-of-band messages that the host took."""
        return [event for _, event in self.events if isinstance(event, Received)]

    @property
    def failures(self) -> list[Failed]:
        """At most one, unless a stop stayed unconfirmed after the link had failed."""
        return [event for _, event in self.events if isinstance(event, Failed)]

    @property
    def confirmed(self) -> list[StopConfirmed]:
        """Confirmed stops."""
        return [event for _, event in self.events if isinstance(event, StopConfirmed)]

    def open(self) -> None:
        """Connect; returns when the link is UP or FAILED."""
        self.host.open(self.now_us)
        self.run(lambda: self.host.state is not LinkState.CONNECTING)

    def ask(self, request: Request) -> int:
        """Put a request to the host link."""
        self.asked.append(request)
        return self.host.request(request, self.now_us)

    def stop(self, stop_id: int) -> None:
        """Stop through the host link."""
        self._note(self.host.stop(stop_id, self.now_us))

    def run(self, until: Callable[[], bool], limit_us: int = 30 * SECOND) -> bool:
        """Let time pass until something holds; False when it does not within `limit_us`."""
        end_us = self.now_us + limit_us
        turns = 0
        while not until():
            self._flush()
            next_us = min(self._dues())
            turns = 0 if next_us > self.now_us else turns + 1
            assert turns < TURNS_AT_ONE_INSTANT, f"stuck at {self.now_us} us"
            if next_us > end_us:
                self.now_us = end_us
                return False
            self.now_us = max(self.now_us, next_us)
            self._turn()
        return True

    def pass_time(self, duration_us: int) -> None:
        """Let this much time pass."""
        self.run(lambda: False, duration_us)

    def _dues(self) -> list[int]:
        dues = [self.device.due_us(), self._heartbeat_us]
        others = [self.host.next_deadline(), self.to_device.due_us(), self.to_host.due_us()]
        return dues + [due for due in others if due is not None]

    def _turn(self) -> None:
        now_us = self.now_us
        for piece in self.to_device.arrived(now_us):
            self.device.receive(piece, now_us)
        for piece in self.to_host.arrived(now_us):
            self._note(self.host.receive(piece, now_us))
        self.device.tick(now_us)
        self._note(self.host.tick(now_us))
        if self._heartbeat_us <= now_us:
            self._heartbeat_us = now_us + 50 * MS
            self.host.send(Heartbeat(1, Intent.IDLE))
        self._flush()

    def _flush(self) -> None:
        """Each end writes; an echoing wire also returns to the writer what it wrote."""
        from_host, from_device = self.host.outgoing(), self.device.outgoing()
        self.to_device.put(from_host, self.now_us)
        self.to_host.put(from_device, self.now_us)
        if self.to_device.vice.echo:
            self.to_host.put(from_host, self.now_us)
        if self.to_host.vice.echo:
            self.to_device.put(from_device, self.now_us)

    def _note(self, events: list[LinkEvent]) -> None:
        self.events += [(self.now_us, event) for event in events]
