"""Waveforms: board lines, frames on the wire and true light of a recording as a VCD file, for GTKWave."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, TextIO

from vcd import VCDWriter
from vcd.writer import Variable

from protocols.frame import Decoder, Frame
from protocols.messages import Status
from rig.recording import Event, Recording
from sim_device.board import Inputs, Outputs

_SCOPES: Final = {"in": ("inputs", Inputs), "out": ("outputs", Outputs)}
_LINES: Final = frozenset((side, line.name) for side, (_, board) in _SCOPES.items() for line in fields(board))
_LIGHT: Final = ("energy_uj", "transmitted_uj", "width_ps")
_INT_BITS: Final = 64  # the widest counter of the board


def write_vcd(recording: Recording, out: TextIO) -> None:
    """Write a recording as waveforms, one unit of their time axis a microsecond of the device's time.

    Raises ValueError, with nothing written, for lines and pulses that this version does not know.
    """
    _check(recording)
    start_us = recording.header.start_us
    with VCDWriter(out, "1 us", date="", version="picolase", init_timestamp=start_us) as writer:
        waves = _Waves(writer)
        for event in recording.events:
            waves.show(event)
        writer.close(recording.end_us)


def _check(recording: Recording) -> None:
    for number, event in enumerate(recording.events, start=2):  # the header's line is the first
        match event:
            case Event(kind="lines", body=body):
                given = [(side, name) for side, levels in body.items() for name in levels]
                strange = [f"{side}.{name}" for side, name in given if (side, name) not in _LINES]
            case Event(kind="pulse", body=body):
                strange = [name for name in _LIGHT if not isinstance(body.get(name), int | float)]
            case _:
                continue
        if strange:
            words = f"{event.kind} with {', '.join(strange)}, not as this version knows it"
            raise ValueError(f"line {number} has {words}")


class _Waves:
    """The variables of the file, and what each event does to them."""

    def __init__(self, writer: VCDWriter) -> None:
        self._writer = writer
        self._lines: dict[tuple[str, str], Variable[Any]] = {}
        for side, (scope, board) in _SCOPES.items():
            for line in fields(board):
                kind, size = ("wire", 1) if line.type == "bool" else ("integer", _INT_BITS)
                self._lines[side, line.name] = writer.register_var(scope, line.name, kind, size=size)
        self._state = writer.register_var("device", "state", "string", init="")
        self._frames = {
            ">wire": (Decoder(), writer.register_var("wire", "to_device", "string", init="")),
            "<wire": (Decoder(), writer.register_var("wire", "to_host", "string", init="")),
        }
        self._boot = writer.register_var("device", "boot", "event")
        self._pulse = writer.register_var("truth", "pulse", "event")
        self._light = {name: writer.register_var("truth", name, "real", init=0.0) for name in _LIGHT}

    def show(self, event: Event) -> None:
        """Draw one event."""
        change, time_us, body = self._writer.change, event.time_us, event.body
        match event.kind:
            case "lines":
                for side, levels in body.items():
                    for name, level in levels.items():
                        change(self._lines[side, name], time_us, level)
            case "pulse":
                change(self._pulse, time_us, True)
                for name, variable in self._light.items():
                    change(variable, time_us, body[name])
            case "boot":
                change(self._boot, time_us, True)
            case ">wire" | "<wire":
                self._show_frames(event)
            case _:
                pass

    def _show_frames(self, event: Event) -> None:
        decoder, variable = self._frames[event.kind]
        for found in decoder.feed(bytes.fromhex(event.body)):
            if not isinstance(found, Frame):
                self._writer.change(variable, event.time_us, "(no frame)")
                continue
            self._writer.change(variable, event.time_us, type(found.message).__name__)
            if isinstance(found.message, Status):
                self._writer.change(self._state, event.time_us, found.message.state.name)
