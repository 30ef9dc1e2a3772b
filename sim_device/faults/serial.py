"""Faults of the serial line: `sim_device.vices` with parameters, on either way or both."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr, field_validator

from protocols.interface import MESSAGES
from protocols.messages import Message
from sim_device.faults.fault import Fault, remove
from sim_device.faults.knobs import Knob
from sim_device.knobs import CUT, UNPLUGGED
from sim_device.line import Way
from sim_device.simulator import Simulator
from sim_device.vices import (
    ALWAYS,
    Delay,
    Drop,
    Echo,
    Glue,
    Half,
    LampNoise,
    Mismatch,
    Noise,
    Overtake,
    Repeat,
    Split,
    Vice,
)

_MESSAGES: dict[str, type[Message]] = {message.__name__: message for message in MESSAGES}


class Serial(Fault, ABC):
    """Puts a vice on the line while it lasts; counts the frames that it really changed."""

    direction: Literal["to_device", "to_host", "both"] = Field("both", description="Which way it acts on.")
    message: str | None = Field(None, description="Only frames with this message; any bytes, if not set.")
    share: float = Field(1.0, gt=0, le=1, allow_inf_nan=False, description="Of these frames.")
    count: int | None = Field(
        None, ge=1, le=1_000_000_000, description="At most so many frames each way; all, if not set."
    )
    _vices: list[tuple[Way, Vice]] = PrivateAttr(default_factory=list)
    _seed: int = PrivateAttr(1)
    _ended: int = PrivateAttr(0)  # what vices that are gone fired

    @field_validator("message")
    @classmethod
    def _is_message(cls, name: str | None) -> str | None:
        if name is not None and name not in _MESSAGES:
            raise ValueError(f"is no message: give one of {', '.join(_MESSAGES)}")
        return name

    @property
    def fired(self) -> int:
        """Frames that it really changed."""
        return self._ended + sum(vice.fired for _, vice in self._vices)

    def seed(self, key: str) -> None:
        """Which frames."""
        self._seed = random.Random(key).getrandbits(63)

    @abstractmethod
    def vice(self, way: Way) -> Vice:
        """What goes wrong on this way."""

    def begin(self, simulator: Simulator) -> None:
        """Put it there."""
        only = () if self.message is None else (_MESSAGES[self.message],)
        times = ALWAYS if self.count is None else self.count
        for way in self._ways(simulator):
            vice = self.vice(way)
            vice.only(*only, times=times, probability=self.share, seed=self._seed + len(self._vices))
            way.add(vice)
            self._vices.append((way, vice))

    def end(self, simulator: Simulator) -> None:
        """Take it away."""
        for way, vice in self._vices:
            way.remove(vice)
            self._ended += vice.fired
        self._vices.clear()

    def _ways(self, simulator: Simulator) -> Iterator[Way]:
        if self.direction != "to_host":
            yield simulator.wire.to_device
        if self.direction != "to_device":
            yield simulator.wire.to_host


class LineDrops(Serial):
    """Frames are lost."""

    name: ClassVar = "line-drops"
    hazards: ClassVar = ("HZ-034", "HZ-033")

    def vice(self, way: Way) -> Vice:
        """Loss."""
        return Drop()


class LineDelays(Serial):
    """Frames come late, and what follows waits behind them."""

    name: ClassVar = "line-delays"
    hazards: ClassVar = ("HZ-002", "HZ-035")
    delay_ms: float = Field(500.0, gt=0, le=600_000, allow_inf_nan=False, description="How late, in ms.")
    jitter_ms: float = Field(0.0, ge=0, le=600_000, allow_inf_nan=False, description="At random more, in ms.")

    def vice(self, way: Way) -> Vice:
        """Delay."""
        return Delay(_us(self.delay_ms), _us(self.jitter_ms))


class LineReorders(Serial):
    """Frames are held back while later ones pass."""

    name: ClassVar = "line-reorders"
    hazards: ClassVar = ("HZ-019", "HZ-036")
    held_ms: float = Field(100.0, gt=0, le=600_000, allow_inf_nan=False, description="How long, in ms.")

    def vice(self, way: Way) -> Vice:
        """Overtaking."""
        return Overtake(_us(self.held_ms))


class LineRepeats(Serial):
    """Frames arrive again: replayed from a buffer, however long after."""

    name: ClassVar = "line-repeats"
    hazards: ClassVar = ("HZ-036",)
    after_ms: float = Field(
        1000.0, ge=0, le=600_000, allow_inf_nan=False, description="How much later, in ms."
    )
    copies: int = Field(1, ge=1, le=1000, description="How many more of each frame.")

    def vice(self, way: Way) -> Vice:
        """Repetition."""
        return Repeat(_us(self.after_ms), self.copies)


class LineSplits(Serial):
    """Frames arrive in pieces."""

    name: ClassVar = "line-splits"
    hazards: ClassVar = ("HZ-033",)
    piece_bytes: int = Field(1, ge=1, le=300, description="Bytes of a piece.")
    gap_ms: float = Field(1.0, ge=0, le=60_000, allow_inf_nan=False, description="Between pieces, in ms.")

    def vice(self, way: Way) -> Vice:
        """Pieces."""
        return Split(self.piece_bytes, _us(self.gap_ms))


class LineGlues(Serial):
    """Frames are held and arrive together, as a USB adapter's latency timer does it."""

    name: ClassVar = "line-glues"
    hazards: ClassVar = ("HZ-033",)
    period_ms: float = Field(16.0, gt=0, le=60_000, allow_inf_nan=False, description="Of deliveries, in ms.")

    def vice(self, way: Way) -> Vice:
        """Glue."""
        return Glue(max(1, _us(self.period_ms)))


class LineFallsSilent(Serial):
    """Half a frame arrives, and then nothing any more."""

    name: ClassVar = "line-falls-silent"
    hazards: ClassVar = ("HZ-034", "HZ-035")

    def vice(self, way: Way) -> Vice:
        """Half a frame, then silence."""
        return Half()


class LineEchoes(Serial):
    """Frames come back to their sender too, as by a bridge between the two wires."""

    name: ClassVar = "line-echoes"
    hazards: ClassVar = ("HZ-033", "HZ-036")

    def vice(self, way: Way) -> Vice:
        """Echo."""
        return Echo()


class LineNoise(Serial):
    """Noise on the line flips bits."""

    name: ClassVar = "line-noise"
    hazards: ClassVar = ("HZ-033",)
    byte_probability: float = Field(
        0.001, gt=0, le=1, allow_inf_nan=False, description="Of each byte's being hit."
    )
    burst_bytes: int = Field(1, ge=1, le=300, description="Bytes that are hit in a row.")

    def vice(self, way: Way) -> Vice:
        """Noise."""
        return Noise(self.byte_probability, self.burst_bytes)


class LineGarbled(Serial):
    """The two ends run at different rates: what is read has little to do with what was sent."""

    name: ClassVar = "line-garbled"
    hazards: ClassVar = ("HZ-033",)
    sent_baud: int = Field(115_200, ge=300, le=4_000_000, description="Rate of the sender, in baud.")
    read_baud: int = Field(57_600, ge=300, le=4_000_000, description="Rate of the reader, in baud.")

    def vice(self, way: Way) -> Vice:
        """Mismatch."""
        return Mismatch(self.sent_baud, self.read_baud)


class LampNoiseOnLine(Serial):
    """The lamp's discharge flips bits in what is on the line when it is triggered, or while it rings."""

    name: ClassVar = "line-lamp-noise"
    hazards: ClassVar = ("HZ-033",)
    bits: int = Field(1, ge=1, le=100, description="Bits that are flipped in each frame hit.")
    rings_ms: float = Field(2.0, ge=0, le=1000, allow_inf_nan=False, description="How long it rings, in ms.")
    _listening: list[LampNoise] = PrivateAttr(default_factory=list)

    def vice(self, way: Way) -> Vice:
        """Noise of the lamp."""
        noise = LampNoise(way, self.bits, _us(self.rings_ms))
        self._listening.append(noise)
        return noise

    def begin(self, simulator: Simulator) -> None:
        """Put it there, where it hears of the triggers too."""
        super().begin(simulator)
        simulator.observers.extend(self._listening)

    def end(self, simulator: Simulator) -> None:
        """Take it away."""
        super().end(simulator)
        for noise in self._listening:
            remove(simulator.observers, noise)
        self._listening.clear()


class _Silent(Knob):
    """The line is gone: whatever either end says into it counts."""

    def entered(self, now_us: int, port: str, data: bytes) -> None:
        """The host said something."""
        self._fired += self.rules and port == "wire"

    def sent(self, now_us: int, port: str, data: bytes) -> None:
        """The device said something."""
        self._fired += self.rules and port == "wire"


class LineCut(_Silent):
    """The line is cut: nothing passes in either direction, and neither side is told."""

    name: ClassVar = "line-cut"
    hazards: ClassVar = ("HZ-034",)
    knob: ClassVar = CUT


class LineUnplugged(_Silent):
    """The plug is pulled at the host's end: its port is gone, and comes back when the fault ends."""

    name: ClassVar = "line-unplugged"
    hazards: ClassVar = ("HZ-034",)
    knob: ClassVar = UNPLUGGED

    def begin(self, simulator: Simulator) -> None:
        """The port goes: that is a difference by itself."""
        self._fired += simulator.wire.plugged
        super().begin(simulator)


def _us(milliseconds: float) -> int:
    return round(milliseconds * 1000)
