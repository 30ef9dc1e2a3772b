"""Replaying: the same device made again, given the same inputs at the same microseconds, and compared."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from protocols.interface import INTERFACE_HASH
from rig.code_hash import code_hash
from rig.laser import warm_laser
from rig.recording import Event, Header, Recorder, Recording, RecordingError, unpacked
from rig.scenario import set_contacts
from sim_device import firmwares
from sim_device.faults import FaultError, Injector
from sim_device.memory import RamMemory
from sim_device.operator import ActionError, perform
from sim_device.plant import Contacts, Plant
from sim_device.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part: the event's index, and what each has there (None: it ended before)."""

    index: int
    one: Event | None
    other: Event | None


def made_again(header: Header, firmware: str = "") -> Simulator:
    """The device of a recording as it was when the recording began; `firmware`: another than its own.

    Raises ValueError when it cannot be made, SetupError when the firmware cannot be had.
    """
    firmware = firmware or header.firmware
    contacts = Contacts(**header.contacts)
    if header.start == "warm":
        simulator = warm_laser(header.seed, firmware)
        if contacts != simulator.plant.contacts:
            simulator.act(partial(set_contacts, header.contacts), simulator.now_us)
    else:
        memory = RamMemory()
        unpacked(header.memory, memory)
        simulator = Simulator(firmwares.make(firmware, header.serial), Plant(header.seed, contacts), memory)
        simulator.wire.set_device(header.baud)
    return simulator


def replay(recording: Recording, firmware: str = "") -> Recording:
    """Do all inputs of a recording again, and record what comes of it; errors are those of `made_again`."""
    simulator = made_again(recording.header, firmware)
    again = Recording(recording.header.model_copy(update={"firmware": firmware or recording.header.firmware}))
    recorder = Recorder(simulator, again)
    inputs = [event for event in recording.events if event.is_input]
    staged = _staged(inputs)
    for event in inputs[:staged]:
        do(simulator, event)
    for event in recording.events:
        if event.kind == "agenda":
            simulator.at(event.time_us, partial(_do_agenda, event))
    for event in inputs[staged:]:
        do(simulator, event)
    simulator.advance(recording.end_us)
    recorder.close()
    return again


def _staged(inputs: list[Event]) -> int:
    """How many inputs came before a scenario put its acts on the agenda: up to the last fault of its own.

    What is due at the same time happens in the order in which it was put there.
    """
    for index, event in enumerate(inputs):
        if event.kind == "act" and event.body["name"] == "injector":
            follow = inputs[index + 1 :]
            own = itertools.takewhile(lambda one: one.kind == "act" and one.body["name"] == "inject", follow)
            return index + 1 + sum(one.time_us == event.time_us for one in own)
    return 0


def do(simulator: Simulator, event: Event) -> None:
    """Do one input at its time; what was refused then is refused again."""
    with contextlib.suppress(ActionError, FaultError):
        match event.kind:
            case ">wire":
                simulator.receive(bytes.fromhex(event.body), event.time_us)
            case ">console":
                simulator.receive_console(bytes.fromhex(event.body), event.time_us)
            case _:
                simulator.advance(event.time_us)
                _act(simulator, event.body["name"], event.body["fields"])


def _act(simulator: Simulator, name: str, fields: dict[str, Any]) -> None:
    """Do what the observers were told of (`Observer.acted`)."""
    match name:
        case "contacts":
            simulator.show_act(name, fields)
            simulator.act(partial(set_contacts, fields), simulator.now_us)
        case "injector":
            Injector.of(simulator, **fields)
        case "inject":
            Injector.of(simulator).inject_stated(fields)
        case "clear":
            injector = Injector.of(simulator)
            if not 0 <= (number := fields["number"]) < len(injector.injections):
                raise FaultError(f"injection = {number} is not known")
            injector.clear(injector.injections[number])
        case _:
            perform(simulator, name, fields, simulator.now_us)


def _do_agenda(event: Event, simulator: Simulator) -> None:
    do(simulator, event)


def compare(one: Recording, other: Recording) -> Difference | None:
    """The first difference of two runs, header apart; None when they are the same bit for bit."""
    index = first_difference(one.events, other.events)
    if index is None:
        return None
    return Difference(index, _at(one, index), _at(other, index))


def first_difference(one: Iterable[Event], other: Iterable[Event]) -> int | None:
    """Index of the first event in which two runs differ; None when they are the same."""
    left, right = list(one), list(other)
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return None if len(left) == len(right) else min(len(left), len(right))


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


def other_code(header: Header) -> str:
    """A sentence when the code that made the recording is not this one, or is not known; empty otherwise.

    Nothing is refused for it: to see what a change of the code changes is what a recording is good for.
    """
    mine = code_hash()
    if header.code == mine:
        return ""
    return f"The recording was made by other code ({header.code or 'not told'}) than this ({mine})."


def _at(recording: Recording, index: int) -> Event | None:
    return recording.events[index] if index < len(recording.events) else None
