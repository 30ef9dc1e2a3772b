"""Scenario files with values of the wrong kind, or too late, each told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.tomlfile import TomlError, read
from rig.scenario import parse_scenario, read_scenario

HERE = Path("scenarios/here.toml")
HEAD = 'format = 1\nname = "x"\nduration_s = 10.0\n'
STUCK = '[[fault]]\nname = "shutter-stuck"\n'


def event(lines: str) -> str:
    return HEAD + "[[event]]\nat_s = 1\n" + lines


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            event('do = "spot"\nspot_mm = "3"\n'),
            7,
            "event.0.spot_mm = '3': change it (allowed: a number from 2",
        ),
        (event('do = "spot"\nspot_mm = true\n'), 7, "event.0.spot_mm = True: change it"),
        (event('do = "host-port"\nbaud = "9600"\n'), 7, "event.0.baud = '9600': change it"),
        (event('do = "host-port"\nbaud = true\n'), 7, "event.0.baud = True: change it"),
        (event('do = "host-port"\nbaud = 9600.0\n'), 7, "event.0.baud = 9600.0: change it"),
        (
            event('do = "wavelength"\nwavelength_nm = "755"\n'),
            7,
            "event.0.wavelength_nm = '755': change it (allowed: 0 or 532 or 755 or 1064)",
        ),
        (
            HEAD + STUCK + "at_s = 4\nafter_s = 7\n",
            7,
            "fault.0.after_s = 7.0: it would come after the end: give at most 6",
        ),
        (
            HEAD + STUCK + 'on = "boot"\nafter_s = 11\n',
            7,
            "fault.0.after_s = 11.0: it would come after the end: give at most 10",
        ),
        (HEAD + STUCK + "at_s = 11\nafter_s = 1\n", 6, "fault.0.at_s = 11.0: comes after the end"),
        ("\ufeff" + HEAD, 1, "begins with a byte order mark"),
    ],
)
def test_each_is_told_with_its_line_and_what_to_do(text: str, line: int, words: str) -> None:
    with pytest.raises(TomlError) as refused:
        parse_scenario(text, HERE)
    (told,) = str(refused.value).splitlines()
    assert told.startswith(f"{HERE}:{line}: ")
    assert words in told


def test_what_comes_with_the_end_is_in_time() -> None:
    script = parse_scenario(HEAD + STUCK + "at_s = 4\nafter_s = 6\n", HERE).script
    assert [fault["after_s"] for fault in script.faults] == [6]


def test_a_whole_number_is_a_number_where_one_is_asked_for() -> None:
    (one,) = parse_scenario(event('do = "spot"\nspot_mm = 3\n'), HERE).script.events
    assert one.fields == {"spot_mm": 3}


def test_a_plan_whose_name_no_file_can_have_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(HEAD + '[host]\nplan = "a\\u0000b"\n')
    with pytest.raises(TomlError, match=r"x\.toml:5: host\.plan = .*: is no name of a file"):
        read_scenario(file)
    with pytest.raises(TomlError, match="is no name of a file"):
        read(Path("a\0b"))
