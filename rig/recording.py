"""Recordings: one file with everything that reached a simulated laser and everything it did.

Format 1, JSON Lines in UTF-8. The first line is the header, each other line an event `[time_us, kind, body]`,
and the last one has the SHA-256 of all lines before it, so that a damaged or cut file is never taken for a
whole one. Bytes are in hexadecimal. What a host, a hand or a rig does is input; all else follows from it.

Kinds: >wire, <wire, >console, <console (bytes to and from the device, by port), act (from outside), agenda
(what a scenario had planned), fault (it came or went), lines (of the board), pulse (light), boot.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TextIO, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from protocols.interface import INTERFACE_HASH
from protocols.messages import Handpiece, Spot, Wavelength
from rig.code_hash import code_hash
from sim_device import firmwares
from sim_device.board import Inputs, Memory, Outputs, lines_of
from sim_device.doors import Observer
from sim_device.memory import RamMemory
from sim_device.plant import Contacts
from sim_device.plant.contacts import LINES
from sim_device.plant.truth import TruePulse
from sim_device.simulator import Simulator

FORMAT: Final = 1
END: Final = "end"
_BYTES: Final = re.compile(r"([0-9a-f]{2})*")

_FAULTS: Final = frozenset({"fault-begins", "fault-ends"})  # by their triggers: nobody does it

_MEASURES: Final = {"zoom_um": get_args(Spot)[1], "wavelength_nm": get_args(Wavelength)[1]}
"""What the wire can carry of the contacts that are no switches."""

INPUTS: Final = frozenset({">wire", ">console", "act"})


class RecordingError(Exception):
    """A file that is no whole recording of this format; names file and line and what is wrong."""

    def __init__(self, file: object, line: int | None, text: str) -> None:
        super().__init__(f"{file}: {text}" if line is None else f"{file}:{line}: {text}")


class Header(BaseModel):
    """What was recorded, and all that is needed to make the same device again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    picolase_recording: Literal[1] = FORMAT
    version: str = Field(default_factory=lambda: version("picolase"))
    code: str = Field(default_factory=code_hash)
    """`rig.code_hash`: within one version code may change; empty when the recording does not tell."""
    interface: str = f"{INTERFACE_HASH:016x}"
    python: str = Field(default_factory=platform.python_version)
    machine: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    kind: Literal["simulator", "capture"] = "simulator"
    start: Literal["cold", "warm", "told"] = "cold"
    """How the laser stood; "told": of a capture, by its first Status (`rig.likeness.start_of`)."""
    seed: int = 1
    serial: str = ""
    firmware: str = firmwares.DEFAULT
    """Which one ran, by its name in `sim_device.firmwares`; a capture's is not known."""
    baud: int = 0
    contacts: dict[str, Any] = {}
    """Where the contacts stood at the start, by the names of `sim_device.plant.Contacts`."""
    memory: str = ""
    """The non-volatile memory before the first boot: zlib, base64; empty for one that was never written."""
    scenario: str = ""
    """Name of the scenario that ran, for people: what it did is among the acts."""
    start_us: int = 0

    @field_validator("contacts")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        _check_contacts(given)
        return given

    @field_validator("memory")
    @classmethod
    def _whole(cls, given: str) -> str:
        unpacked(given, RamMemory())
        return given


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `time_us` of the device's own time."""

    time_us: int
    kind: str
    body: Any

    @property
    def is_input(self) -> bool:
        """It came from outside; a replay does it again, as it puts on the agenda what was there."""
        return self.kind in INPUTS


@dataclass(slots=True)
class Recording:
    """A header and its events in order of time; `end_us` is when the recording ended."""

    header: Header
    events: list[Event] = field(default_factory=list)
    end_us: int = 0

    def put(self, event: Event) -> None:
        """Add an event."""
        self.events.append(event)

    def close(self, end_us: int) -> None:
        """The recording ends."""
        self.end_us = end_us


class Writer:
    """Writes a recording to a text file as it happens; what a killed process leaves has no end line."""

    def __init__(self, header: Header, out: TextIO) -> None:
        self._out = out
        self._sum = hashlib.sha256()
        self._line(header.model_dump())

    def put(self, event: Event) -> None:
        """Add an event."""
        self._line([event.time_us, event.kind, event.body])

    def close(self, end_us: int) -> None:
        """Write the end line; the file itself stays open."""
        self._line([end_us, END, self._sum.hexdigest()])
        self._out.flush()

    def _line(self, value: object) -> None:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
        self._sum.update(text.encode())
        self._out.write(text)


class Recorder(Observer):
    """Puts all that happens to one simulator into a recording or a writer, from its making to `close`."""

    watches_only = True

    def __init__(self, simulator: Simulator, into: Recording | Writer) -> None:
        self._simulator = simulator
        self._into = into
        self._lines: dict[str, dict[str, int | bool]] = {"in": {}, "out": {}}
        simulator.observers.append(self)

    def close(self) -> None:
        """End the recording now."""
        self._simulator.observers.remove(self)
        self._into.close(self._simulator.now_us)

    def entered(self, now_us: int, port: str, data: bytes) -> None:
        """The host wrote bytes."""
        self._put(now_us, f">{port}", data.hex())

    def left(self, now_us: int, port: str, data: bytes) -> None:
        """Bytes came out at the host's end."""
        self._put(now_us, f"<{port}", data.hex())

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """Board lines may have changed."""
        self._put_lines(now_us, {"in": inputs, "out": outputs})

    def rewired(self, now_us: int, outputs: Outputs) -> None:
        """Those to the plant may have."""
        self._put_lines(now_us, {"out": outputs})

    def _put_lines(self, now_us: int, sides: Mapping[str, Inputs | Outputs]) -> None:
        changed = {}
        for side, board in sides.items():
            now, before = lines_of(board), self._lines[side]
            if differences := {name: level for name, level in now.items() if before.get(name) != level}:
                changed[side] = differences
                self._lines[side] = now
        if changed:
            self._put(now_us, "lines", changed)

    def pulsed(self, pulse: TruePulse) -> None:
        """Light."""
        plain = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in pulse._asdict().items()
        }
        self._put(pulse.time_us, "pulse", plain)

    def acted(self, now_us: int, name: str, fields: dict[str, object]) -> None:
        """A hand from outside or by a scenario's agenda; or a fault came or went."""
        kind = "fault" if name in _FAULTS else "agenda" if self._simulator.on_agenda else "act"
        self._put(now_us, kind, {"name": name, "fields": dict(fields)})

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        """The processor starts."""
        self._put(now_us, "boot", {"watchdog_reset": watchdog_reset})

    def _put(self, now_us: int, kind: str, body: Any) -> None:
        self._into.put(Event(now_us, kind, body))


def header_of(simulator: Simulator, *, start: Literal["cold", "warm"], seed: int, **more: Any) -> Header:
    """The header of a recording that begins now; a cold laser has just been made, with the memory given."""
    return Header(
        start=start,
        seed=seed,
        contacts=asdict(simulator.plant.contacts),
        baud=simulator.wire.device_baud,
        start_us=simulator.now_us,
        **more,
    )


def packed(image: bytes) -> str:
    """The bytes of a memory as a header holds them."""
    return base64.b64encode(zlib.compress(image)).decode() if image.strip(b"\0") else ""


def unpacked(text: str, memory: Memory) -> None:
    """Put what a header holds into a memory; ValueError when it does not fit."""
    if text:
        try:
            # No more than could fit: a few bytes can say that there are gigabytes.
            image = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), memory.size + 1)
        except zlib.error as error:
            raise ValueError(f"the memory in it is damaged: {error}") from error
        if len(image) != memory.size:
            raise ValueError(f"the memory in it has {len(image)} bytes, a device has {memory.size}")
        memory.write(0, image)


def load(path: Path) -> Recording:
    """The recording in a file; raises RecordingError for anything that is not a whole one."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise RecordingError(path, None, f"cannot be read: {error.strerror}") from error
    if not lines:
        raise RecordingError(path, 1, "is empty: a recording begins with its header")
    recording = Recording(_header(path, lines[0]))
    total, last_us = hashlib.sha256(lines[0]), recording.header.start_us
    for number, line in enumerate(lines[1:], start=2):
        event = _event(path, number, line)
        if event.time_us < last_us:
            raise RecordingError(path, number, f"time goes back from {last_us} to {event.time_us} us")
        last_us = event.time_us
        if event.kind == END:
            _check_end(path, number, len(lines), event, total.hexdigest())
            recording.end_us = event.time_us
            return recording
        total.update(line)
        recording.put(event)
    raise RecordingError(path, len(lines), "has no end line: the recorder was killed, or the file was cut")


def _header(path: Path, line: bytes) -> Header:
    value = _json(path, 1, line)
    found = value.get("picolase_recording") if isinstance(value, dict) else None
    if found is None:
        raise RecordingError(path, 1, "is no recording of picolase: its first line is no header")
    if found != FORMAT:
        raise RecordingError(
            path, 1, f"has format {found!r}, this version reads {FORMAT}: use the picolase that made it"
        )
    try:
        return Header.model_validate({"code": "", **value})
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        made, mine = value.get("version"), version("picolase")
        if made != mine:
            text = (
                f"was made with picolase {made}, and this is {mine}, which cannot read its header: {details}"
            )
            raise RecordingError(path, 1, text) from error
        raise RecordingError(path, 1, f"the header is damaged: {details}") from error


def _event(path: Path, number: int, line: bytes) -> Event:
    match _json(path, number, line):
        case [int(time_us), str(kind), body] if _fits(kind, body):
            return Event(time_us, kind, body)
        case other:
            raise RecordingError(path, number, f"is no event: {json.dumps(other)[:80]}")


def _fits(kind: str, body: object) -> bool:
    """Whether a line of this kind may have this body; another version's may tell less or more in a table."""
    match kind, body:
        case ((">wire" | "<wire" | ">console" | "<console"), str(text)):
            return _BYTES.fullmatch(text) is not None
        case (("act" | "agenda"), {"name": str(name), "fields": dict(given)}):
            return _can_be_done(name, given)
        case "fault", {"name": str(), "fields": dict()}:
            return True
        case "lines", dict(sides):
            return all(isinstance(levels, dict) and _are_levels(levels) for levels in sides.values())
        case (("pulse" | "boot"), dict()):
            return True
        case _:
            return kind == END


def _can_be_done(name: str, given: dict[str, Any]) -> bool:
    """Whether a replay can do this act; one of people is refused then as it was when it was recorded."""
    match name, given:
        case "contacts", _:
            try:
                _check_contacts(given)
            except ValueError:
                return False
            return True
        case ("injector", {"seed": int(), **more}) | ("clear", {"number": int(), **more}):
            return not more
        case "inject", {"name": str()}:
            return True
        case _:
            return name not in {"injector", "clear", "inject"}


def _are_levels(given: dict[str, Any]) -> bool:
    return all(isinstance(level, int) for level in given.values())


def _check_contacts(given: Mapping[str, Any]) -> None:
    """Raise ValueError for a contact that this version does not know, or that cannot stand so."""
    if strange := sorted(given.keys() - {contact.name for contact in fields(Contacts)}):
        raise ValueError(f"this version knows no contact {', '.join(strange)}")
    for name, value in given.items():
        if name == "handpiece":
            Handpiece(value)
        elif name in _MEASURES:
            _MEASURES[name].check(name, value)
        elif name == "forced":
            if not isinstance(value, dict) or not all(
                line in LINES and isinstance(conducts, bool) for line, conducts in value.items()
            ):
                raise ValueError(f"forced = {value!r}: give contacts, and whether each conducts")
        elif not isinstance(value, bool):
            raise ValueError(f"{name} = {value!r}: give true or false")


def _check_end(path: Path, number: int, lines: int, end: Event, total: str) -> None:
    if number != lines:
        raise RecordingError(path, number + 1, "there are lines after the end")
    if end.body != total:
        raise RecordingError(path, number, "the sum does not match: the file was altered or is damaged")


def _json(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordingError(path, number, f"is damaged: {error}") from error
