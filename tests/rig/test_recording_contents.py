"""Recordings whose sum is right and whose lines are strange: told by line, nothing begun or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.exits import CommandFailed, Exit
from rig.cli.recordings import diff, replay, vcd
from rig.laser import cold_laser
from rig.recording import Event, Header, Recorder, Recording, RecordingError, header_of, load
from rig.replay import compare
from rig.replay import replay as replayed
from sim_device.hands import Hands
from tests.rig.recordings import written

SERIAL = "PL755-0001"


def recorded() -> Recording:
    """A life with every kind of act that hands can do."""
    simulator = cold_laser(2)
    recording = Recording(header_of(simulator, start="cold", seed=2, serial=SERIAL))
    recorder = Recorder(simulator, recording)
    hands = Hands.on(simulator)
    hands.operate("key", to="on")
    hands.step(100_000)
    hands.clear(hands.inject("foot-held", expected=False))
    hands.inject("shutter-stuck", at_s=0.2)
    hands.step(200_000)
    recorder.close()
    return recording


GOOD = recorded()


def place_of(name: str) -> int:
    return next(
        index for index, one in enumerate(GOOD.events) if one.kind == "act" and one.body["name"] == name
    )


def with_fields(tmp_path: Path, act: str, fields: Any) -> tuple[Path, int]:
    """A file in which this act has these fields, and the act's line."""
    index = place_of(act)
    changed = Recording(GOOD.header, list(GOOD.events), GOOD.end_us)
    time_us = GOOD.events[index].time_us
    changed.events[index] = Event(time_us, "act", {"name": act, "fields": fields})
    return written(tmp_path / "strange.jsonl", changed), index + 2


def with_contacts(tmp_path: Path, contacts: dict[str, Any]) -> Path:
    header = GOOD.header.model_dump()
    header["contacts"] |= contacts
    path = written(tmp_path / "strange.jsonl", GOOD)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps(header) + "\n" + "".join(lines[1:]))
    return path


def test_the_good_one_is_read_and_replayed(tmp_path: Path) -> None:
    found = load(written(tmp_path / "good.jsonl", GOOD))
    assert compare(found, replayed(found)) is None
    assert {one.body["name"] for one in found.events if one.kind == "act"} >= {"injector", "inject", "clear"}


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("clear", {}),
        ("clear", {"number": "0"}),
        ("clear", {"number": None}),
        ("clear", {"number": 0, "more": 1}),
        ("injector", {}),
        ("injector", {"seed": "1"}),
        ("injector", {"seed": 1, "simulator": 2}),
        ("inject", {}),
        ("inject", {"name": 7}),
        ("inject", {"name": None, "expected": True}),
    ],
)
def test_an_act_that_no_replay_can_do_is_told_by_its_line(
    tmp_path: Path, act: str, fields: dict[str, Any]
) -> None:
    path, line = with_fields(tmp_path, act, fields)
    with pytest.raises(RecordingError, match=rf"strange\.jsonl:{line}: is no event"):
        load(path)


@pytest.mark.parametrize(
    "contacts",
    [
        {"docked": "x"},
        {"docked": 1},
        {"handpiece": "ZOOM"},
        {"handpiece": 99},
        {"handpiece": []},
        {"zoom_um": -1},
        {"zoom_um": "3500"},
        {"wavelength_nm": None},
        {"wavelength_nm": True},
        {"wavelength_nm": 10**9},
        {"forced": []},
        {"forced": {"no_such_line": True}},
        {"forced": {"door_closed": 1}},
    ],
)
def test_a_contact_that_cannot_stand_so_is_told_in_the_header_and_in_an_act(
    tmp_path: Path, contacts: dict[str, Any]
) -> None:
    (name,) = contacts
    with pytest.raises(RecordingError, match=r"strange\.jsonl:1: the header is damaged: contacts: "):
        load(with_contacts(tmp_path, contacts))
    path, line = with_fields(tmp_path, "key", {"to": "on"})
    text = path.read_text().replace(
        '{"name":"key","fields":{"to":"on"}}', json.dumps({"name": "contacts", "fields": contacts})
    )
    path.write_text(text)
    with pytest.raises(RecordingError, match=rf"strange\.jsonl:{line}: is no event"):
        load(path)
    with pytest.raises(ValueError, match=name if name != "handpiece" else "Handpiece"):
        Header(contacts=contacts)


def test_every_contact_as_it_may_stand_is_taken() -> None:
    usual = GOOD.header.contacts
    for name, value in usual.items():
        if isinstance(value, bool):
            assert Header(contacts=usual | {name: not value}).contacts[name] is not value
    for handpiece in range(6):
        assert Header(contacts=usual | {"handpiece": handpiece}).contacts["handpiece"] == handpiece
    for more in ({"zoom_um": 2000}, {"wavelength_nm": 0}, {"forced": {"door_closed": True, "key_on": False}}):
        assert Header(contacts=usual | more).contacts.items() >= more.items()


def test_clearing_what_was_never_injected_parts_there_and_is_no_defect(tmp_path: Path) -> None:
    path, line = with_fields(tmp_path, "clear", {"number": 5})
    result = CliRunner().invoke(replay, [str(path), "--json"])
    assert isinstance(result.exception, CommandFailed)
    assert json.loads(result.stdout)["first_difference"]["index"] == line - 2


def test_a_fault_that_this_version_has_not_parts_there_and_is_no_defect(tmp_path: Path) -> None:
    for fields in (
        {"name": "of-tomorrow"},
        {"name": "shutter-stuck", "expected": "x"},
        {"name": "foot-held", "self": 1},
    ):
        path, line = with_fields(tmp_path, "inject", fields)
        result = CliRunner().invoke(replay, [str(path), "--json"])
        assert isinstance(result.exception, CommandFailed), fields
        assert json.loads(result.stdout)["first_difference"]["index"] == line - 2


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("lines", {"in": {"colour": 1}}, "lines with in.colour, not as this version knows it"),
        ("lines", {"side": {"key_on": True}}, "lines with side.key_on"),
        ("pulse", {"energy_uj": 1.0, "width_ps": 700.0}, "pulse with transmitted_uj"),
        ("pulse", {"energy_uj": 1.0, "width_ps": None, "transmitted_uj": 1.0}, "pulse with width_ps"),
    ],
)
def test_what_another_version_knew_is_compared_and_not_drawn(
    tmp_path: Path, kind: str, body: dict[str, Any], says: str
) -> None:
    strange = Recording(GOOD.header, [*GOOD.events, Event(GOOD.end_us, kind, body)], GOOD.end_us)
    path, out = written(tmp_path / "strange.jsonl", strange), tmp_path / "run.vcd"
    assert CliRunner().invoke(diff, [str(path), str(path)]).exit_code == 0
    result = CliRunner().invoke(vcd, [str(path), str(out)])
    assert isinstance(result.exception, CommandFailed)
    assert result.exception.exit is Exit.BAD_INPUT
    assert f"{path}: line {len(GOOD.events) + 2} has {says}" in str(result.exception)
    assert not out.exists()


def test_a_level_that_is_no_number_is_no_event(tmp_path: Path) -> None:
    levels: tuple[object, ...] = ("1", 1.5, None, [])
    for level in levels:
        strange = Recording(GOOD.header, [Event(0, "lines", {"in": {"hv_mv": level}})], GOOD.end_us)
        with pytest.raises(RecordingError, match=r"strange\.jsonl:2: is no event"):
            load(written(tmp_path / "strange.jsonl", strange))
