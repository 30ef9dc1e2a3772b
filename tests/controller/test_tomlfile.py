"""TOML files against a strict model: what is said about each kind of mistake."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, field_validator

from controller.tomlfile import Lines, Problem, Table, TomlError, parse, read


class Inner(Table):
    """A table of the file."""

    depth_mm: float = Field(gt=0, le=20)
    count: int = Field(3, ge=1, le=9)
    colour: Literal["red", "blue"] = "red"
    word: str = Field("ab", pattern="^[a-z]{2}$")

    @field_validator("count")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("must be odd")
        return value


class Whole(Table):
    """The file."""

    on: bool = False
    inner: Inner


def problem(text: str) -> Problem:
    with pytest.raises(TomlError) as error:
        parse(text, Path("f.toml"), Whole)
    assert len(error.value.problems) == 1, error.value.problems
    assert error.value.file == "f.toml"
    return error.value.problems[0]


def inner(line: str) -> str:
    return f"[inner]\ndepth_mm = 2.0\n{line}\n"


def test_a_good_file_is_read_and_cannot_be_changed_afterwards() -> None:
    whole = parse(inner("count = 5"), Path("f.toml"), Whole)
    assert (whole.on, whole.inner.depth_mm, whole.inner.count) == (False, 2.0, 5)
    with pytest.raises(ValueError, match="frozen"):
        whole.on = True  # type: ignore[misc]  # that is what is tested


@pytest.mark.parametrize(
    ("text", "path", "value", "allowed", "action"),
    [
        (inner("count = 10"), "inner.count", 10, "a whole number from 1 to 9", "change it"),
        (inner("count = 4"), "inner.count", 4, "a whole number from 1 to 9", "must be odd"),
        (inner('count = "3"'), "inner.count", "3", "a whole number from 1 to 9", "change it"),
        (inner("count = 3.0"), "inner.count", 3.0, "a whole number from 1 to 9", "change it"),
        (inner('colour = "green"'), "inner.colour", "green", '"red" or "blue"', "change it"),
        (inner('word = "abc"'), "inner.word", "abc", "text matching [a-z]{2}", "change it"),
        ("[inner]\ndepth_mm = 0", "inner.depth_mm", 0, "a number above 0 to 20", "change it"),
        ("[inner]\ndepth_mm = nan", "inner.depth_mm", None, "a number above 0 to 20", "change it"),
        ("[inner]\n", "inner.depth_mm", None, "a number above 0 to 20", "is missing; set it"),
        ("on = 1\n" + inner(""), "on", 1, "true or false", "change it"),
        ("on = true", "inner", None, "", "is missing; add a table [inner]"),
        ("inner = 3", "inner", 3, "a table", "write it as a table, [inner]"),
        (inner("cuont = 3"), "inner.cuont", 3, "", "unknown key; did you mean count?"),
        (inner("on = true"), "inner.on", True, "", "unknown key; remove it (depth_mm, count, colour, word)"),
        ("count = 3\n" + inner(""), "count", 3, "", "unknown section; count belongs to [inner]"),
        (inner("") + "[other]\nx = 1", "other", None, "", "unknown section; remove it (on, inner)"),
    ],
)
def test_each_mistake_names_path_value_range_and_what_to_do(
    text: str, path: str, value: object, allowed: str, action: str
) -> None:
    found = problem(text)
    assert (found.path, found.allowed, found.action) == (path, allowed, action)
    if value is not None:
        assert found.value == value
        assert repr(value) in str(found)
    assert path in str(found)


def test_all_mistakes_are_told_at_once_in_one_message() -> None:
    with pytest.raises(TomlError) as error:
        parse('on = "yes"\n[inner]\ncount = 99\ncolour = 1\n', Path("f.toml"), Whole)
    assert {found.path for found in error.value.problems} == {
        "on",
        "inner.depth_mm",
        "inner.count",
        "inner.colour",
    }
    lines = {found.path: found.line for found in error.value.problems}
    assert lines == {"on": 1, "inner.depth_mm": 2, "inner.count": 3, "inner.colour": 4}
    assert [told.partition(": ")[0] for told in str(error.value).splitlines()] == [
        f"f.toml:{line}" for line in (1, 2, 3, 4)
    ]


def test_what_is_not_toml_says_where() -> None:
    found = problem("on = true\n= 3")
    assert "line 2" in found.action
    assert found.line == 2
    assert problem('on = true\n\ninner = "').line == 3


LINED = """# a comment
first = 1
text = '''
second = 2
[not.a.table]
'''
list = [
  1,  # [[event]]
  2,
]

[table]
a.b = 1
"quoted key" = 2
inline = { x = 1, y = { z = 2 } }

[[event]]
do = "door"
[event.more]
deep = 1
[[event]]
  do = "key"
[[event.part]]
n = 1
[[event.part]]
n = 2
[table.below]
k = 1
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("first",), 2),
        (("text",), 3),
        (("list",), 7),
        (("list", 1), 7),
        (("table",), 12),
        (("table", "a"), 13),
        (("table", "a", "b"), 13),
        (("table", "quoted key"), 14),
        (("table", "inline", "y", "z"), 15),
        (("event", 0), 17),
        (("event", 0, "do"), 18),
        (("event", 0, "more", "deep"), 20),
        (("event", 1), 21),
        (("event", 1, "do"), 22),
        (("event", 1, "part", 0, "n"), 24),
        (("event", 1, "part", 1, "n"), 26),
        (("table", "below", "k"), 28),
        (("table", "missing"), 12),
        (("event", 1, "missing"), 21),
        (("second",), None),
        (("not", "a"), None),
        ((), None),
    ],
)
def test_every_key_is_found_on_its_line(path: tuple[str | int, ...], line: int | None) -> None:
    assert Lines(LINED).of(path) == line


def test_a_table_left_out_may_stand_for_its_defaults() -> None:
    class Lenient(Table):
        inner: Inner = Field(default_factory=lambda: Inner(depth_mm=1.0))

    with pytest.raises(TomlError, match="depth_mm"):
        parse("", Path("f"), Lenient, optional_tables=True)
    assert parse("", Path("f"), Lenient).inner.depth_mm == 1.0


@pytest.mark.parametrize("what", ["missing", "folder", "latin-1"])
def test_a_file_that_cannot_be_read_is_told_in_the_same_form(tmp_path: Path, what: str) -> None:
    path = tmp_path / "f.toml"
    if what == "folder":
        path.mkdir()
    elif what == "latin-1":
        path.write_bytes("name = 'Jérôme'".encode("latin-1"))
    words = {
        "missing": r"f.toml: file: there is no such file: look at its name, and where it is looked for$",
        "folder": r"f.toml: file: cannot be read \[Is a directory\]$",
        "latin-1": r"f.toml: file: cannot be read as UTF-8 text \['utf-8' codec can't decode",
    }
    with pytest.raises(TomlError, match=words[what]):
        read(path)


def test_a_file_that_can_be_read_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("é = 1", "utf-8")
    assert read(tmp_path / "f.toml") == "é = 1"
