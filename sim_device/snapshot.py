"""Snapshots: the whole state of a simulated laser, non-volatile memory and faults at work included."""

from __future__ import annotations

import copy

from sim_device.memory import DeviceMemory, RamMemory, behind
from sim_device.simulator import Simulator


class Snapshot:
    """One simulator as it was; it can be restored any number of times.

    Chance is state like everything else: what is restored twice goes on twice in the same way. Observers that
    only watch (`Observer.watches_only`: recordings) stay with the simulator they watch.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.now_us = simulator.now_us
        memory = behind(simulator.memory)
        self._memory = RamMemory(memory.size)
        self._memory.put(memory.image())
        self._saved = _copied(simulator, memory, self._memory)

    def restored(self, memory: DeviceMemory) -> Simulator:
        """A simulator in this state, whose memory is `memory`: it is overwritten, whatever its flaws are.

        Raises ValueError when the memory has another size, OSError when its file cannot be written.
        """
        if memory.size != self._memory.size:
            raise ValueError(f"the memory has {memory.size} bytes, the snapshot's has {self._memory.size}")
        memory.put(self._memory.image())
        return _copied(self._saved, self._memory, memory)


def _copied(simulator: Simulator, old: DeviceMemory, new: DeviceMemory) -> Simulator:
    """A copy with `new` in the place of the memory `old`, wherever it is known, and flawed alike."""
    everybody = simulator.observers
    simulator.observers = [observer for observer in everybody if not observer.watches_only]
    try:
        twin, new.flaws = copy.deepcopy((simulator, old.flaws), {id(old): new})
    finally:
        simulator.observers = everybody
    return twin
