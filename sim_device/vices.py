"""What goes wrong on a way of the serial line: each vice a class, with a count of how often it really did."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Final, Self

from protocols.frame import Frame
from protocols.messages import Message
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.line import Parcel, Way
from sim_device.uart import misread

ALWAYS: Final = 1 << 62  # more times than any run has frames


class Vice(ABC):
    """A bad habit; `alter` says what it does to a parcel.

    It takes every parcel until `only` narrows that. `fired` counts the parcels that it really changed.
    """

    def __init__(self) -> None:
        self.fired = 0
        self._messages: tuple[type[Message], ...] = ()
        self._times = ALWAYS
        self._probability = 1.0
        self._chance = random.Random(1)

    def only(
        self, *messages: type[Message], times: int = ALWAYS, probability: float = 1.0, seed: int = 1
    ) -> Self:
        """Take only frames with one of these messages, each with this probability, at most so many times."""
        self._messages = messages
        self._times = times
        self._probability = probability
        self._chance.seed(seed)
        return self

    def carry(self, parcel: Parcel) -> Iterable[Parcel]:
        """What passes of `parcel`."""
        if not self._takes(parcel):
            return (parcel,)
        passed = tuple(self.alter(parcel))
        self.fired += passed != (parcel,)
        return passed

    @abstractmethod
    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """What becomes of a parcel that it takes."""

    def _takes(self, parcel: Parcel) -> bool:
        if self.fired >= self._times:
            return False
        if self._messages and not ((frame := parcel.frame) and isinstance(frame.message, self._messages)):
            return False
        return self._probability >= 1 or self._chance.random() < self._probability


class Drop(Vice):
    """Loses it."""

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """Nothing is left."""
        return ()


class Delay(Vice):
    """Delays it by `delay_us`, and at random by up to `jitter_us` more; what follows waits behind it."""

    def __init__(self, delay_us: int, jitter_us: int = 0) -> None:
        super().__init__()
        self._delay_us = delay_us
        self._jitter_us = jitter_us

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, later."""
        late_us = self._delay_us + self._chance.randint(0, self._jitter_us)
        yield parcel._replace(due_us=parcel.due_us + late_us)


class Overtake(Vice):
    """Holds it back for `held_us`, while what comes after it passes."""

    def __init__(self, held_us: int) -> None:
        super().__init__()
        self._held_us = held_us

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, behind later ones."""
        yield parcel._replace(due_us=parcel.due_us + self._held_us, in_order=False)


class Repeat(Vice):
    """Delivers it `copies` times more, each `after_us` later than the one before, whatever came since."""

    def __init__(self, after_us: int = 0, copies: int = 1) -> None:
        super().__init__()
        self._after_us = after_us
        self._copies = copies

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, and its copies."""
        yield parcel
        for number in range(1, self._copies + 1):
            due_us = parcel.due_us + number * self._after_us
            yield parcel._replace(due_us=due_us, in_order=not self._after_us)


class Split(Vice):
    """Delivers it in pieces of `piece_bytes`, `gap_us` apart."""

    def __init__(self, piece_bytes: int = 1, gap_us: int = 1_000) -> None:
        super().__init__()
        self._piece_bytes = piece_bytes
        self._gap_us = gap_us

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """Its pieces."""
        for number, start in enumerate(range(0, len(parcel.data), self._piece_bytes)):
            piece = parcel.data[start : start + self._piece_bytes]
            yield parcel._replace(data=piece, due_us=parcel.due_us + number * self._gap_us)


class Glue(Vice):
    """Delivers only every `period_us`, everything together, as a USB adapter's latency timer does."""

    def __init__(self, period_us: int = 16_000) -> None:  # [P] default of FTDI's adapters
        super().__init__()
        self._period_us = period_us

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, at the next beat."""
        yield parcel._replace(due_us=-(-parcel.due_us // self._period_us) * self._period_us)


class Half(Vice):
    """Delivers the first half of it, and then nothing any more."""

    def __init__(self) -> None:
        super().__init__()
        self._silent = False

    def carry(self, parcel: Parcel) -> Iterable[Parcel]:
        """Everything, half a frame, nothing."""
        if self._silent:
            self.fired += 1
            return ()
        return super().carry(parcel)

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """Its first half."""
        self._silent = True
        yield parcel._replace(data=parcel.data[: len(parcel.data) // 2])


class Echo(Vice):
    """Gives it back to its sender too, as a bridge between the lines does."""

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, and itself again."""
        yield parcel
        yield parcel._replace(back=True)


class Noise(Vice):
    """Flips one bit in a byte with `byte_probability`, and one in each of the `burst_bytes` - 1 after it."""

    def __init__(self, byte_probability: float, burst_bytes: int = 1) -> None:
        super().__init__()
        self._byte_probability = byte_probability
        self._burst_bytes = burst_bytes

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, perhaps not quite the same."""
        data = bytearray(parcel.data)
        hit_until = 0
        for place in range(len(data)):
            if self._chance.random() < self._byte_probability:
                hit_until = place + self._burst_bytes
            if place < hit_until:
                data[place] ^= 1 << self._chance.randrange(8)
        yield parcel._replace(data=bytes(data))


class Mismatch(Vice):
    """Reads at one rate what was sent at another."""

    def __init__(self, sent_baud: int, read_baud: int) -> None:
        super().__init__()
        self._sent_baud = sent_baud
        self._read_baud = read_baud

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """What a UART makes of it."""
        yield parcel._replace(data=misread(parcel.data, self._sent_baud, self._read_baud))


class LampNoise(Vice, Observer):
    """Flips `bits` in whatever is on the wire when the lamp is triggered, or for `rings_us` after (HZ-033).

    It belongs among the simulator's observers too, from which it knows of the triggers. On an unpaced line
    nothing is ever on the wire, so that only what is sent while the lamp rings is hit.
    """

    def __init__(self, way: Way, bits: int = 1, rings_us: int = 2_000) -> None:
        super().__init__()
        self._way = way
        self._bits = bits
        self._rings_us = rings_us
        self._triggers: int | None = None
        self._until_us = -1

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """The lamp may be triggered."""
        self.rewired(now_us, outputs)

    def rewired(self, now_us: int, outputs: Outputs) -> None:
        """Hit what is being transmitted when the lamp is triggered."""
        if self._triggers is not None and outputs.lamp_triggers > self._triggers:
            self._until_us = now_us + self._rings_us
            self.fired += self._way.strike(now_us, self._flipped)
        self._triggers = outputs.lamp_triggers

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """It, hit if it begins while the lamp rings."""
        hit = parcel.sent_us <= self._until_us
        yield parcel._replace(data=self._flipped(parcel.data)) if hit else parcel

    def _flipped(self, data: bytes) -> bytes:
        dirty = bytearray(data)
        for bit in self._chance.sample(range(8 * len(dirty)), min(self._bits, 8 * len(dirty))):
            dirty[bit // 8] ^= 1 << bit % 8
        return bytes(dirty)


class Tap(Vice):
    """Does what a function makes of the bytes and of the frame in them: it gives the pieces that pass."""

    def __init__(self, heard: Callable[[bytes, Frame | None], Iterable[bytes]]) -> None:
        super().__init__()
        self._heard = heard

    def alter(self, parcel: Parcel) -> Iterable[Parcel]:
        """What the function gives."""
        return [parcel._replace(data=piece) for piece in self._heard(parcel.data, parcel.frame)]
