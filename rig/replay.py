"""Replaying: the same device made again, given the same inputs at the same microseconds, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protocols.interface import INTERFACE_HASH
from rig.laser import warm_laser
from rig.recording import Event, Header, Recorder, Recording, RecordingError, first_difference, unpacked
from sim_device.firmware import Reference
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part: the event's index, and what each has there (None: it ended before)."""

    index: int
    one: Event | None
    other: Event | None


def made_again(header: Header) -> Simulator:
    """The device of a recording as it was when the recording began; ValueError when it cannot be made."""
    if header.start == "warm":
        simulator = warm_laser(header.seed)
    else:
        memory = RamMemory()
        unpacked(header.memory, memory)
        plant = Plant(header.seed, Contacts(**header.contacts))  # type: ignore[arg-type]  # checked when used
        simulator = Simulator(Reference(serial=header.serial), plant, memory)
    return simulator


def replay(recording: Recording) -> Recording:
    """Do all inputs of a recording again, and record what comes of it."""
    simulator = made_again(recording.header)
    again = Recording(recording.header)
    recorder = Recorder(simulator, again)
    for event in recording.events:
        if event.is_input:
            do(simulator, event)
    simulator.advance(recording.end_us)
    recorder.close()
    return again


def do(simulator: Simulator, event: Event) -> None:
    """Do one input at its time."""
    match event.kind:
        case ">wire":
            simulator.receive(bytes.fromhex(event.body), event.time_us)
        case ">console":
            simulator.receive_console(bytes.fromhex(event.body), event.time_us)
        case _:
            perform(simulator, event.body["name"], event.body["fields"], event.time_us)


def compare(one: Recording, other: Recording) -> Difference | None:
    """The first difference of two runs, header apart; None when they are the same bit for bit."""
    index = first_difference(one.events, other.events)
    if index is None:
        return None
    return Difference(index, _at(one, index), _at(other, index))


def check_version(path: Path, header: Header) -> None:
    """Raise RecordingError when this picolase need not behave like the one that made the recording."""
    mine = Header()
    if header.interface != mine.interface:
        text = f"was made with the interface {header.interface}, this picolase has {INTERFACE_HASH:016x}"
        raise RecordingError(path, 1, f"{text}: replay it with picolase {header.version}")
    if header.version != mine.version:
        text = (
            f"was made with picolase {header.version}, this is {mine.version}: give --any-version to try it"
        )
        raise RecordingError(path, 1, text)


def _at(recording: Recording, index: int) -> Event | None:
    return recording.events[index] if index < len(recording.events) else None
