"""Snapshots: what is restored goes on exactly as what was saved, as often as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.laser import warm_laser
from rig.recording import Header, Recorder, Recording
from sim_device.board import lines_of
from sim_device.firmware import Reference
from sim_device.memory import FileMemory, RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
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
