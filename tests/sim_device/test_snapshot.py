"""Snapshots: what is restored goes on exactly as what was saved, as often as one likes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rig.laser import warm_laser
from rig.recording import Header, Recorder, Recording
from sim_device.board import Inputs, Memory, Outputs, Step, lines_of
from sim_device.firmware import Reference
from sim_device.hands import Hands
from sim_device.memory import FileMemory, RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.serve import Pump
from sim_device.simulator import Simulator
from sim_device.snapshot import Snapshot


def lived(simulator: Simulator) -> list[object]:
    """What it does in the second after its foot is pressed and its door opened, chance and all."""
    start_us = simulator.now_us
    perform(simulator, "foot", {"to": "press"}, start_us + 1_000)
    simulator.advance(start_us + 300_000)
    perform(simulator, "door", {"to": "open"}, start_us + 300_000)
    simulator.advance(start_us + 1_000_000)
    return [
        simulator.sent(),
        simulator.state,
        simulator.now_us,
        lines_of(simulator.plant.inputs),
        lines_of(simulator.firmware.outputs),
        simulator.memory.read(0, simulator.memory.size),
    ]


def test_what_is_restored_goes_on_as_what_was_saved() -> None:
    simulator = warm_laser(2)
    simulator.sent()
    snapshot = Snapshot(simulator)
    first = lived(simulator)
    for _ in range(2):
        assert lived(snapshot.restored(RamMemory(simulator.memory.size))) == first


def test_a_snapshot_is_not_moved_by_what_the_simulator_does_afterwards() -> None:
    simulator = warm_laser(2)
    snapshot = Snapshot(simulator)
    before = (simulator.now_us, simulator.memory.read(0, simulator.memory.size))
    lived(simulator)
    again = snapshot.restored(RamMemory(simulator.memory.size))
    assert (again.now_us, again.memory.read(0, again.memory.size)) == before


def test_a_memory_in_a_file_is_put_back_into_the_same_file(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "nonvolatile.bin")
    simulator = Simulator(Reference(), Plant(1, Contacts(key_on=True)), memory)
    simulator.advance(100_000)
    snapshot = Snapshot(simulator)
    image = memory.read(0, memory.size)
    simulator.reset(200_000)
    simulator.advance(300_000)
    assert memory.read(0, memory.size) != image  # it counted its boots
    restored = snapshot.restored(memory)
    assert restored.memory is memory
    assert (tmp_path / "nonvolatile.bin").read_bytes() == image
    restored.reset(200_000)
    restored.advance(300_000)
    assert (tmp_path / "nonvolatile.bin").read_bytes() != image
    memory.close()


def test_who_only_watches_stays_behind() -> None:
    simulator = warm_laser(2)
    recorder = Recorder(simulator, Recording(Header()))
    snapshot = Snapshot(simulator)
    assert simulator.observers == [recorder]
    assert snapshot.restored(RamMemory(simulator.memory.size)).observers == []


def test_a_memory_of_another_size_is_refused_and_left_alone() -> None:
    small = RamMemory(128)
    with pytest.raises(ValueError, match="128 bytes, the snapshot's has"):
        Snapshot(warm_laser(2)).restored(small)
    assert small.read(0, 128) == bytes(128)


@pytest.mark.parametrize("kind", ["ram", "file"])
@pytest.mark.parametrize("failed_then", [False, True])
def test_a_failing_memory_is_put_back_as_it_was_then(tmp_path: Path, kind: str, failed_then: bool) -> None:
    memory = RamMemory() if kind == "ram" else FileMemory(tmp_path / "nonvolatile.bin")
    simulator = Simulator(Reference(), Plant(1, Contacts(key_on=True)), memory)
    simulator.advance(100_000)
    hands = Hands.on(simulator)
    if failed_then:
        hands.inject("memory-fails")
        simulator.reset(simulator.now_us)
        hands.step(100_000)
    image, refused = memory.image(), memory.flaws.refused
    assert (refused > 0) is failed_then
    hands.snapshot("then")
    if failed_then:
        hands.clear()
    else:
        hands.inject("memory-fails")
    hands.step(100_000)
    hands.restore("then")
    assert hands.simulator.memory is memory
    assert (memory.image(), memory.flaws.failing, memory.flaws.refused) == (image, failed_then, refused)
    assert [one["active"] for one in hands.injections()] == [True] * failed_then
    hands.clear()
    assert not memory.flaws.failing
    if isinstance(memory, FileMemory):
        memory.close()


class Scribe:
    """A firmware that writes the time into its memory every millisecond."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self._memory: Memory = RamMemory()

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        self.outputs = Outputs()
        self._memory = memory

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        self.outputs.watchdog_kicks += 1
        self._memory.write(0, now_us.to_bytes(8, "little"))
        return Step(b"", b"", now_us + 1_000)


async def test_the_former_laser_writes_nothing_into_a_restored_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock_s = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock_s)
    pump = Pump(Simulator(Scribe(), Plant(1), RamMemory()))
    hands = Hands(pump)
    then_us = hands.snapshot("then")
    image = hands.simulator.memory.read(0, 8)
    restored = Snapshot.restored

    def slowly(snapshot: Snapshot, memory: RamMemory) -> Simulator:
        nonlocal clock_s
        simulator = restored(snapshot, memory)
        clock_s += 0.04  # a copy takes its time
        return simulator

    monkeypatch.setattr(Snapshot, "restored", slowly)
    assert hands.restore("then") == then_us
    assert hands.simulator.memory.read(0, 8) == image
    clock_s += 0.01
    assert hands.state()["now_us"] == then_us + 10_000


def test_a_memory_without_a_back_door_is_refused() -> None:
    class Plain:
        size = 64 * 1024

        def read(self, offset: int, length: int) -> bytes:
            return bytes(length)

        def write(self, offset: int, data: bytes) -> None:
            pass

    with pytest.raises(TypeError, match="a Plain has no back door"):
        Snapshot(Simulator(Reference(), Plant(1, Contacts()), Plain()))
