"""Recordings: written, loaded, replayed to the bit, compared, drawn; and every way a file can be bad."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcd.reader import TokenKind, tokenize

from protocols.frame import Frame, encode
from protocols.messages import Connect
from rig.laser import cold_laser
from rig.recording import (
    Event,
    Header,
    Recorder,
    Recording,
    RecordingError,
    header_of,
    load,
    packed,
    unpacked,
)
from rig.replay import check_version, compare, replay
from rig.vcd import write_vcd
from sim_device.memory import RamMemory
from sim_device.operator import perform
from sim_device.simulator import Simulator
from tests.rig.recordings import written

SERIAL = "PL755-0001"


def run(simulator: Simulator) -> None:
    """A life: key on, a host that connects and asks, a door, a power cut, the key off."""
    perform(simulator, "key", {"to": "on"}, 10_000)
    simulator.receive(encode(Frame(0, 0, Connect(7, 0))), 50_000)
    simulator.receive(b"noise\0", 60_000)
    perform(simulator, "door", {"to": "open"}, 200_000)
    perform(simulator, "door", {"to": "close"}, 400_000)
    perform(simulator, "foot", {"to": "press"}, 450_000)
    simulator.receive_console(b"*IDN?\n", 500_000)
    perform(simulator, "power", {"to": "cut"}, 600_000)
    perform(simulator, "power", {"to": "return"}, 700_000)
    perform(simulator, "reset", {}, 900_000)
    simulator.advance(1_500_000)


def recorded(seed: int = 3) -> Recording:
    simulator = cold_laser(seed)
    recording = Recording(header_of(simulator, start="cold", seed=seed, serial=SERIAL))
    recorder = Recorder(simulator, recording)
    run(simulator)
    recorder.close()
    return recording


def kinds(recording: Recording) -> set[str]:
    return {event.kind for event in recording.events}


def test_a_recording_has_all_that_went_in_and_came_out() -> None:
    recording = recorded()
    assert kinds(recording) >= {">wire", "<wire", ">console", "<console", "act", "lines", "boot"}
    assert recording.end_us == 1_500_000
    said = "".join(event.body for event in recording.events if event.kind == "<console")
    assert SERIAL.encode().hex() in said


def test_what_was_on_the_agenda_is_told_from_what_came_from_outside() -> None:
    simulator = cold_laser(3)
    recording = Recording(header_of(simulator, start="cold", seed=3, serial=SERIAL))
    recorder = Recorder(simulator, recording)
    simulator.at(100_000, lambda due: perform(due, "key", {"to": "on"}, due.now_us))
    perform(simulator, "foot", {"to": "press"}, 200_000)
    recorder.close()
    acts = [(one.time_us, one.kind, one.body["name"]) for one in recording.events if "name" in one.body]
    assert acts == [(100_000, "agenda", "key"), (200_000, "act", "foot")]


def test_a_replay_is_the_same_bit_for_bit() -> None:
    recording = recorded()
    assert compare(recording, replay(recording)) is None


def test_a_replay_of_what_was_loaded_from_a_file_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    recording = recorded()
    loaded = load(written(tmp_path / "run.jsonl", recording))
    assert loaded.header == recording.header
    assert compare(recording, loaded) is None
    assert compare(loaded, replay(loaded)) is None


def test_another_seed_differs_where_chance_first_speaks() -> None:
    recording = recorded(3)
    difference = compare(recording, recorded(4))
    assert difference is not None
    assert difference.one is not None
    # the bounce of the key is the first thing in this life that chance decides
    assert difference.one.time_us >= 10_000


@given(st.data())
def test_a_flipped_bit_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "run.jsonl"
    image = bytearray(written(path, _RECORDED).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(image) - 1))
    image[bit // 8] ^= 1 << bit % 8
    path.write_bytes(image)
    with pytest.raises(RecordingError):
        load(path)


@given(st.data())
def test_whatever_is_altered_in_a_recording_is_found_by_comparing(data: st.DataObject) -> None:
    recording = _RECORDED
    index = data.draw(st.integers(0, len(recording.events) - 1))
    event = recording.events[index]
    altered = Recording(recording.header, [*recording.events], recording.end_us)
    altered.events[index] = Event(event.time_us + 1, event.kind, event.body)
    difference = compare(recording, altered)
    assert difference is not None
    assert difference.index == index
    del altered.events[index:]
    difference = compare(recording, altered)
    assert difference is not None
    assert (difference.index, difference.other) == (index, None)


_RECORDED = recorded()


def test_the_non_volatile_memory_goes_into_the_header_and_out_again() -> None:
    before, after = RamMemory(), RamMemory()
    assert packed(bytes(1000)) == ""
    before.write(100, b"counters")
    unpacked(packed(before.read(0, before.size)), after)
    assert after.read(0, after.size) == before.read(0, before.size)
    with pytest.raises(ValueError, match="a device has 128"):
        unpacked(packed(before.read(0, before.size)), RamMemory(128))


def damaged(tmp_path: Path, change: Any) -> Path:
    path = written(tmp_path / "run.jsonl", _RECORDED)
    lines = path.read_text().splitlines(keepends=True)
    change(lines)
    path.write_text("".join(lines))
    return path


def set_line(number: int, text: str) -> Any:
    return lambda lines: lines.__setitem__(number - 1, text + "\n")


def delete_last(lines: list[str]) -> None:
    del lines[-1]


def halve(lines: list[str]) -> None:
    lines[5:] = [lines[5][:4]]


def alter_a_byte(lines: list[str]) -> None:
    index = next(index for index, line in enumerate(lines) if '"lines"' in line)
    lines[index] = lines[index].replace("true", "false", 1)


def append(lines: list[str]) -> None:
    lines.append(lines[-1])


def old_format(lines: list[str]) -> None:
    lines[0] = json.dumps({**json.loads(lines[0]), "picolase_recording": 7}) + "\n"


def later_field(lines: list[str]) -> None:
    lines[0] = json.dumps({**json.loads(lines[0]), "version": "99.0", "colour": "red"}) + "\n"


def strange_contact(lines: list[str]) -> None:
    header = json.loads(lines[0])
    lines[0] = json.dumps(header | {"contacts": header["contacts"] | {"keyy_on": True}}) + "\n"


def torn_memory(lines: list[str]) -> None:
    lines[0] = json.dumps({**json.loads(lines[0]), "memory": "AAAA"}) + "\n"


def unknown_field(lines: list[str]) -> None:
    lines[0] = json.dumps({**json.loads(lines[0]), "colour": "red"}) + "\n"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (lambda lines: lines.clear(), 1, "is empty"),
        (set_line(1, "hello"), 1, "is damaged"),
        (set_line(1, "[1, 2]"), 1, "is no recording of picolase"),
        (old_format, 1, "has format 7, this version reads 1: use the picolase that made it"),
        (unknown_field, 1, "the header is damaged: colour"),
        (later_field, 1, "was made with picolase 99.0, and this is .*: colour"),
        (strange_contact, 1, "the header is damaged: contacts: .*knows no contact keyy_on"),
        (torn_memory, 1, "the header is damaged: memory: .*the memory in it is damaged"),
        (set_line(4, '[1, ">wire", "0g"]'), 4, "is no event"),
        (set_line(4, '[1, ">wire", "012"]'), 4, "is no event"),
        (set_line(4, '[1, "<console", 12]'), 4, "is no event"),
        (set_line(4, '[1, "act", {"name": "foot"}]'), 4, "is no event"),
        (set_line(4, '[1, "agenda", "foot"]'), 4, "is no event"),
        (set_line(4, '[1, "lines", {"in": 3}]'), 4, "is no event"),
        (set_line(4, '[1, "pulse", 7]'), 4, "is no event"),
        (set_line(4, '{"not": "an event"}'), 4, "is no event"),
        (set_line(4, '[1, "sneeze", {}]'), 4, "is no event"),
        (set_line(4, '["soon", "act", {}]'), 4, "is no event"),
        (set_line(4, '[-1, "boot", {}]'), 4, "time goes back"),
        (halve, 6, "is damaged"),
        (delete_last, len(_RECORDED.events) + 1, "has no end line"),
        (alter_a_byte, len(_RECORDED.events) + 2, "the sum does not match"),
        (append, len(_RECORDED.events) + 3, "there are lines after the end"),
    ],
)
def test_a_damaged_recording_is_refused_with_file_and_line(
    tmp_path: Path, change: Any, line: int, says: str
) -> None:
    path = damaged(tmp_path, change)
    with pytest.raises(RecordingError, match=rf"run\.jsonl:{line}: {says}"):
        load(path)


def test_a_missing_recording_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.jsonl: cannot be read: No such file"):
        load(tmp_path / "gone.jsonl")


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (Header(interface="0123456789abcdef"), "interface 0123456789abcdef, this picolase has"),
        (Header(version="99.0"), "made with picolase 99.0, this is .*--any-version"),
    ],
)
def test_a_recording_of_another_version_is_refused(tmp_path: Path, made: Header, says: str) -> None:
    with pytest.raises(RecordingError, match=says):
        check_version(tmp_path / "run.jsonl", made)


def test_a_recording_of_this_version_is_taken(tmp_path: Path) -> None:
    check_version(tmp_path / "run.jsonl", Header())


def test_the_waveforms_hold_every_change_of_every_line() -> None:
    out = io.StringIO()
    write_vcd(_RECORDED, out)
    drawn: list[tuple[int, str, int]] = []
    names, time_us = {}, 0
    scope: list[str] = []
    for token in tokenize(io.BytesIO(out.getvalue().encode())):
        match token.kind:
            case TokenKind.SCOPE:
                scope.append(token.scope.ident)
            case TokenKind.UPSCOPE:
                scope.pop()
            case TokenKind.VAR:
                names[token.var.id_code] = ".".join([*scope, token.var.reference])
            case TokenKind.CHANGE_TIME:
                time_us = token.time_change
            case TokenKind.CHANGE_SCALAR | TokenKind.CHANGE_VECTOR:
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                if str(change.value).isdecimal():
                    drawn.append((time_us, names[change.id_code], int(change.value)))
            case _:
                pass
    expected = {
        (event.time_us, f"{side}puts.{name}", int(level))
        for event in _RECORDED.events
        if event.kind == "lines"
        for side, levels in event.body.items()
        for name, level in levels.items()
        if level >= 0
    }
    assert expected - set(drawn) == set()
    assert "SELF_TEST" in out.getvalue()
