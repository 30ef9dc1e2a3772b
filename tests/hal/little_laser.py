"""A small device for these tests: the real device end of the link, and a laser that obeys."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

from hal.hooks import Hooks
from hal.memory_port import memory_pair
from protocols import requests as wire
from protocols.device_link import Asked, DeviceLink, Heard, SessionOpened
from protocols.faults import Fault
from protocols.interface import INTERFACE_HASH
from protocols.messages import (
    Handpiece,
    Heartbeat,
    Message,
    Result,
    Stop,
    Stopped,
)
from protocols.refusals import Reason, Refusal
from protocols.requests import Reply, Setpoint
from protocols.states import State

DONE = Reply(Result.DONE, frozenset(), 0)
NONE_COMMITTED = Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)
MODES = (
    wire.Mode(0, 755, 750, 10_000, 200_000),
    wire.Mode(1, 755, 650, 10_000, 180_000),
    wire.Mode(2, 755, 550, 10_000, 165_000),
)


class End(Protocol):
    on_bytes: Callable[[bytes], None]

    def write(self, data: bytes) -> None: ...


class LittleLaser:
    """Answers every request; each vice is a switch."""

    def __init__(
        self, end: End, *, serial: str = "PL755-0001", boot: int = 1, interface_hash: int = INTERFACE_HASH
    ) -> None:
        self.end = end
        self.serial = serial
        self.boot = boot
        self.link = DeviceLink(boot, interface_hash)
        self.interface_hash = interface_hash
        self.mute = False  # answers are lost on the way
        self.silent_on: set[type[Message]] = set()  # takes these requests and never answers
        self.confirms_from = 1  # which Stop is the first one it can confirm
        self.refuses: dict[type[Message], frozenset[Refusal]] = {}
        self.asked: list[wire.Request] = []
        self.on_asked: Callable[[wire.Request], object] = lambda _: None
        self.heard: list[Message] = []
        self.stops: list[Stop] = []
        self.sessions = 0
        self.staged: Setpoint | None = None
        self.committed = NONE_COMMITTED
        self.arm_epoch = 0
        self.history: list[wire.FaultRecord] = []
        self.received = bytearray()
        self.sent = bytearray()
        end.on_bytes = self.take

    def take(self, data: bytes) -> None:
        self.received += data
        # One byte at a time, so that a request is always answered before the next thing is received.
        for byte in data:
            for event in self.link.receive(bytes([byte])):
                match event:
                    case SessionOpened():
                        self.sessions += 1
                    case Asked(request):
                        self.asked.append(request)
                        self.on_asked(request)
                        if type(request) not in self.silent_on:
                            self.link.answer(self.answer(request))
                    case Heard(Stop() as stop):
                        self.stops.append(stop)
                        self.tell_stopped(stop)
                    case Heard(message):
                        self.heard.append(message)
        self.flush()

    def tell(self, message: Message) -> None:
        self.link.send(message)
        self.flush()

    def flush(self) -> None:
        data = self.link.outgoing()
        if data and not self.mute:
            self.sent += data
            self.end.write(data)

    def tell_stopped(self, stop: Stop) -> None:
        confirmed = len(self.stops) >= self.confirms_from
        self.link.send(Stopped(stop.stop_id, 1, 0, True, True, True, confirmed))

    def answer(self, request: wire.Request) -> wire.Answer:
        if refused := self.refuses.get(type(request)):
            return Reply(Result.REFUSED, refused, 0)
        return self.carry_out(request) if request.answer is Reply else self.read(request)

    def read(self, request: wire.Request) -> wire.Answer:
        match request:
            case wire.ReadIdentity():
                return wire.Identity(
                    "PL755", self.serial, "1.0", "test", self.interface_hash, self.boot, True
                )
            case wire.ReadCapabilities():
                return wire.Capabilities(
                    1000, 2500, 5000, 10_000, 3, 2000, 6000, 1000, 120_000_000, 256, 2_000_000, 100
                )
            case wire.ReadMode(index):
                return MODES[min(index, len(MODES) - 1)]
            case wire.ReadSetpoint():
                return self.committed
            case wire.ReadCounters():
                return wire.Counters(7, 5, 2, 100, self.boot, 1)
            case wire.ReadFault(index):
                none = wire.FaultRecord(index, Fault.NONE, 0, 0, 0, State.OFF, frozenset(), 0)
                return self.history[index] if index < len(self.history) else none
            case wire.ReadCalibration():
                return wire.Calibration(True, 1, 5, 90, 1_000_000, 1_010_000, 20_000, 30)
        raise AssertionError(request)

    def carry_out(self, request: wire.Request) -> Reply:
        match request:
            case wire.StageSetpoint():
                self.staged = Setpoint.decode(request.encode())
            case wire.CommitSetpoint(setpoint_hash):
                if self.staged is None or self.staged.hash != setpoint_hash:
                    return Reply(Result.REFUSED, frozenset({Refusal.SETPOINT_DIFFERS}), 0)
                self.committed = self.staged
            case wire.Arm():
                self.arm_epoch += 1
                return Reply(Result.DONE, frozenset(), self.arm_epoch)
        return DONE


class Witness:
    """Hooks that note everything; `reasons` is what the gate says to all it is asked."""

    def __init__(self) -> None:
        self.judged: list[Message] = []
        self.seen: list[tuple[Message, int]] = []
        self.downs: list[Exception] = []
        self.reasons: dict[type[Message], tuple[Reason, ...]] = {}
        numbers = count(1001)
        self.hooks = Hooks(
            gate=self.gate,
            on_message=lambda message, at_us: self.seen.append((message, at_us)),
            on_down=self.downs.append,
            nonce=lambda: next(numbers),
        )

    def gate(self, message: Message) -> tuple[Reason, ...]:
        self.judged.append(message)
        return self.reasons.get(type(message), ())


@contextmanager
def memory_line(name: str = "laser") -> Iterator[Any]:
    """The device's end of `memory://<name>`, pulled at the end."""
    end = memory_pair(name)
    try:
        yield end
    finally:
        end.close()


async def turns(number: int = 10) -> None:
    """Let what is ready run; takes no time."""
    for _ in range(number):
        await asyncio.sleep(0)


__all__ = ["DONE", "Heartbeat", "LittleLaser", "Witness", "memory_line", "turns"]
