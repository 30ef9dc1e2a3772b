"""Snapshots: the whole state of a simulated laser, non-volatile memory and faults at work included."""

from __future__ import annotations

import copy

from sim_device.board import Memory
from sim_device.memory import RamMemory
from sim_device.simulator import Simulator


class Snapshot:
    """One simulator as it was; it can be restored any number of times.

    Chance is state like everything else: what is restored twice goes on twice in the same way. Observers that
    only watch (`Observer.watches_only`: recordings) stay with the simulator they watch.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.now_us = simulator.now_us
        memory = simulator.memory
        self._memory = RamMemory(memory.size)
        self._memory.write(0, memory.read(0, memory.size))
        self._saved = _copied(simulator, memory, self._memory)

    def restored(self, memory: Memory) -> Simulator:
        """A simulator in this state, whose memory is `memory`: it is overwritten.

        Raises ValueError when the memory has another size, OSError when it cannot be written.
        """
        if memory.size != self._memory.size:
            raise ValueError(f"the memory has {memory.size} bytes, the snapshot's has {self._memory.size}")
        memory.write(0, self._memory.read(0, self._memory.size))
        return _copied(self._saved, self._memory, memory)


def _copied(simulator: Simulator, old: Memory, new: Memory) -> Simulator:
    """A copy with `new` in the place of the memory `old`, wherever it is known."""
    everybody = simulator.observers
    simulator.observers = [observer for observer in everybody if not observer.watches_only]
    try:
        return copy.deepcopy(simulator, {id(old): new})
    finally:
        simulator.observers = everybody
