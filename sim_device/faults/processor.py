"""Faults of the processor: reset, hang, clock, supply, and its non-volatile memory."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, PrivateAttr

from sim_device.board import Outputs
from sim_device.faults.fault import Fault
from sim_device.faults.knobs import CLOCK, CountedKnob, Knob
from sim_device.firmware.memory import NonVolatile
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


class ClockDrifts(Knob):
    """The processor's clock runs fast or slow."""

    name: ClassVar = "clock-drifts"
    hazards: ClassVar = ("HZ-037",)
    knob: ClassVar = CLOCK
    ppm: int = Field(10_000, ge=-500_000, le=1_000_000, description="Fast by so many ppm; negative: slow.")

    def value(self, healthy: Any) -> Any:
        """Another rate."""
        return self.ppm

    def situation(self, simulator: Simulator, outputs: Outputs) -> Hashable:
        """It is off."""
        return True


class PowerCut(Fault):
    """The device's supply is cut, and comes back when the fault ends."""

    name: ClassVar = "power-cut"
    hazards: ClassVar = ("HZ-003", "HZ-024")
    _cut: bool = PrivateAttr(False)

    def begin(self, simulator: Simulator) -> None:
        """Cut it, unless it is off already."""
        self._cut = simulator.plant.powered
        self._fired += self._cut
        simulator.set_power(False, simulator.now_us)

    def end(self, simulator: Simulator) -> None:
        """Return what was cut."""
        if self._cut:
            simulator.set_power(True, simulator.now_us)


class MemoryCorrupted(Fault):
    """Bits of the non-volatile memory are flipped; the firmware notices when it reads them next."""

    name: ClassVar = "memory-corrupted"
    hazards: ClassVar = ("HZ-020", "HZ-014")
    lasting: ClassVar = False
    area: Literal["books", "calibration", "history", "ring"] = Field("books", description="What is hit.")
    bits: int = Field(64, ge=1, le=10_000, description="How many bits, anywhere in the area.")
    _chance: random.Random = PrivateAttr(default_factory=lambda: random.Random(1))

    def seed(self, key: str) -> None:
        """Which bits."""
        self._chance.seed(key)

    def begin(self, simulator: Simulator) -> None:
        """Flip them."""
        offset, size = AREAS[self.area]
        data = bytearray(simulator.memory.read(offset, size))
        for place in self._chance.sample(range(8 * size), min(self.bits, 8 * size)):
            data[place // 8] ^= 1 << place % 8
        simulator.memory.write(offset, bytes(data))
        self._fired += 1


class MemoryFails(CountedKnob):
    """The non-volatile memory takes no more writes."""

    name: ClassVar = "memory-fails"
    hazards: ClassVar = ("HZ-020", "HZ-025")
    knob: ClassVar = "memory.failing"

    def count(self, simulator: Simulator) -> int:
        """Writes that it refused."""
        return int(getattr(simulator.memory, "refused", 0))


class CountersNearTheirEnd(Fault):
    """The counters in non-volatile memory stand just below where 32 bits end; it shows at the next start."""

    name: ClassVar = "counters-near-their-end"
    hazards: ClassVar = ("HZ-020",)
    lasting: ClassVar = False
    remaining: int = Field(1, ge=0, le=1000, description="How many more boots and trips fit into 32 bits.")

    def begin(self, simulator: Simulator) -> None:
        """Write them, as the firmware itself would; it takes them over when it starts."""
        stored = NonVolatile(simulator.memory)
        stored.books.boots = stored.books.trips = _U32 - 1 - self.remaining
        stored.save_books()
        self._fired += 1
