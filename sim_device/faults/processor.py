"""Faults of the processor: reset, hang, clock, supply, and its non-volatile memory."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import ClassVar, Final, Literal

from pydantic import Field, PrivateAttr

from sim_device.board import Outputs
from sim_device.faults.declare import whole
from sim_device.faults.fault import Fault
from sim_device.faults.knobs import ALWAYS, each, exactly, knob, to, when
from sim_device.firmware.memory import NonVolatile
from sim_device.knobs import CLOCK, SUPPLY, Knobs
from sim_device.memory import Alteration, RamMemory, behind
from sim_device.simulator import Simulator

_U32: Final = 2**32
AREAS: Final = {
    "books": (0, 256),
    "calibration": (256, 768),
    "history": (1024, 1024),
    "ring": (4096, 40_960),
}
"""Offset and bytes of each part of the reference firmware's books (`sim_device.firmware.memory`)."""


class ProcessorReset(Fault):
    """The processor is reset."""

    name: ClassVar = "processor-reset"
    hazards: ClassVar = ("HZ-003", "HZ-024")
    lasting: ClassVar = False

    def begin(self, simulator: Simulator) -> None:
        """Pull its reset line; without power nothing hears it."""
        self._fired += simulator.plant.powered
        simulator.reset(simulator.now_us)


class ProcessorHangs(Fault):
    """The processor stops where it is, and drives what it drives, until its watchdog resets it."""

    name: ClassVar = "processor-hangs"
    hazards: ClassVar = ("HZ-024",)
    lasting: ClassVar = False

    def begin(self, simulator: Simulator) -> None:
        """Stop it; one that does not run cannot hang."""
        self._fired += simulator.running
        simulator.hang(simulator.now_us)


def _unpowered(simulator: Simulator, _outputs: Outputs) -> bool:
    """It would be there but for this fault; under another cut it makes no difference yet."""
    return simulator.plant.powered or Knobs.of(simulator).is_alone(SUPPLY)


# fmt: off
ClockDrifts = knob(
    __name__, "clock-drifts", "The processor's clock runs fast or slow.",
    hazards="HZ-037", at=CLOCK, turned=exactly, shows=ALWAYS,
    ppm=whole(10_000, -500_000, 1_000_000, "Fast by so many ppm; negative: slow."))
PowerCut = knob(
    __name__, "power-cut", "The device's supply is cut, and comes back when the fault ends.",
    hazards="HZ-003 HZ-024", at=SUPPLY, turned=to(False), shows=when(_unpowered))
# fmt: on


class _Altered(Fault, ABC):
    """Memory altered behind the firmware's back; it fires when the firmware reads what was altered."""

    lasting: ClassVar = False
    _alterations: list[Alteration] = PrivateAttr(default_factory=list)

    @property
    def fired(self) -> int:
        """How often the firmware came upon it; what it wrote over first has not fired."""
        return sum(alteration.seen for alteration in self._alterations)

    def begin(self, simulator: Simulator) -> None:
        """Alter it."""
        memory = behind(simulator.memory)
        self._alterations.append(memory.alter(self.altered(memory.image())))

    @abstractmethod
    def altered(self, image: bytes) -> bytes:
        """The memory as it is from now on."""


class MemoryCorrupted(_Altered):
    """Bits of the non-volatile memory are flipped; the firmware notices when it reads them next."""

    name: ClassVar = "memory-corrupted"
    hazards: ClassVar = ("HZ-020", "HZ-014")
    area: Literal["books", "calibration", "history", "ring"] = Field("books", description="What is hit.")
    bits: int = Field(64, ge=1, le=10_000, description="How many bits, anywhere in the area.")
    _chance: random.Random = PrivateAttr(default_factory=lambda: random.Random(1))

    def seed(self, key: str) -> None:
        """Which bits."""
        self._chance.seed(key)

    def altered(self, image: bytes) -> bytes:
        """Bits flipped."""
        offset, size = AREAS[self.area]
        data = bytearray(image)
        for place in self._chance.sample(range(8 * size), min(self.bits, 8 * size)):
            data[offset + place // 8] ^= 1 << place % 8
        return bytes(data)


MemoryFails = knob(
    __name__,
    "memory-fails",
    "The non-volatile memory takes no more writes.",
    hazards="HZ-020 HZ-025",
    at="memory.flaws.failing",
    turned=to(True),
    shows=each(lambda simulator: behind(simulator.memory).flaws.refused),
)


class CountersNearTheirEnd(_Altered):
    """The counters in non-volatile memory stand just below where 32 bits end; it shows at the next start."""

    name: ClassVar = "counters-near-their-end"
    hazards: ClassVar = ("HZ-020",)
    remaining: int = Field(1, ge=0, le=1000, description="How many more boots and trips fit into 32 bits.")

    def altered(self, image: bytes) -> bytes:
        """Written as the firmware itself would; it takes them over when it starts."""
        memory = RamMemory(len(image))
        memory.put(image)
        stored = NonVolatile(memory)
        stored.books.boots = stored.books.trips = _U32 - 1 - self.remaining
        stored.save_books()
        return memory.image()
