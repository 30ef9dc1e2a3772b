"""Files made to wear the reader out: refused in words, in a time that grows with their length alone."""

import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller import tomlfile
from controller.plans import PlanFile, parse_plan
from controller.tomlfile import NESTING_MAX, PROBLEMS_MAX, Lines, Problem, Table, TomlError, parse
from rig.stack import PLAN, Stack, plan_text
from tests.controller.asking import told

VIRTUAL_TIME = True


def problems(text: str) -> list[Problem]:
    with pytest.raises(TomlError) as caught:
        parse_plan(text, Path("p.toml"))
    return caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a = " * 50_000,
        "a" + ".a" * 50_000 + " = 1",
        "[a" + ".a" * 50_000 + "]",
    ],
    ids=["lists", "tables", "key", "header"],
)
def test_what_is_nested_without_end_is_refused_at_once(text: str) -> None:
    (problem,) = problems("\n\n" + text)
    assert problem.line == 3
    assert f"more than {NESTING_MAX} levels" in problem.action


def nested(depth: int) -> str:
    return "a = " + "[" * depth + "]" * depth


class Anything(Table):
    """A file of anything."""

    a: Any


def test_nesting_counts_outside_of_strings_and_comments_only() -> None:
    deepest = nested(NESTING_MAX)
    assert parse(deepest, Path("f"), Anything).a
    with pytest.raises(TomlError):
        parse(nested(NESTING_MAX + 1), Path("f"), Anything)
    many = "[.{" * 40
    for text in (
        f'a = "{many}\\"{many}"',
        f"a = '{many}'",
        f'a = """\n{many}""{many}"""""',
        f"a = 1 # {many}",
    ):
        assert parse(text, Path("f"), Anything).a, text
    many_lines = "a = [\n" + "[1.5, 2.5],\n" * 200 + "]\n"
    assert len(parse(many_lines, Path("f"), Anything).a) == 200


@pytest.mark.parametrize(
    "number", ["9" * 5_000, "-" + "9" * 20, str(2**63), "0x" + "f" * 4_400, "0b" + "1" * 64]
)
def test_a_number_of_more_than_64_bits_is_refused_in_words(number: str) -> None:
    (problem,) = problems(plan_text(passes=number))
    assert "more than 64 bits" in problem.action
    assert problem.value is None
    assert len(str(problem)) < 200


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_the_largest_numbers_of_toml_are_read(number: int) -> None:
    assert parse(f"a = {number}", Path("f"), Anything).a == number


def test_of_many_problems_the_first_are_told() -> None:
    found = problems("".join(f"k{n} = 1\n" for n in range(2_000)) + PLAN)
    assert len(found) == PROBLEMS_MAX
    assert found[0].path == "k0"


@pytest.mark.parametrize(
    ("written", "told_as"),
    [
        ("1979-05-27", "1979-05-27"),
        ("07:32:00", "07:32:00"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("[1979-05-27]", "[datetime.date(1979, 5, 27)]"),
        ('"x"', "x"),
        ("true", True),
    ],
)
def test_any_value_of_toml_can_be_told_in_json(written: str, told_as: object) -> None:
    assert [problem.plain_value for problem in problems(plan_text(spot_mm=written))] == [told_as]


async def test_the_daemon_refuses_such_plans_and_goes_on(stack: Stack, http: httpx.AsyncClient) -> None:
    await stack.settled()
    for text in (
        plan_text(spot_mm="nan"),
        plan_text(name="1979-05-27"),
        "a = " + "[" * 9_000,
        "a" + ".a" * 4_000,
    ):
        error = told(await http.post("/plan/check", json={"text": text, "file": "p"}), 422)
        assert error["error"] == "file"
        assert error["problems"]


# -- on which line


def test_a_line_ends_where_toml_says_and_nowhere_else() -> None:
    text = (
        '# a\u2028[x]\u0085y = =\r\nname = """\u2029\n\n"""\r\n[treatment] # c\nlist = [\n  1,\n]\nlast = 1'
    )
    lines = Lines(text)
    places = [("name",), ("treatment",), ("treatment", "list"), ("treatment", "last")]
    assert [lines.of(place) for place in places] == [2, 5, 6, 9]
    assert lines.of(("x",)) is None


def test_each_part_of_a_text_is_read_once_more_for_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    real = tomllib.loads

    def counted(text: str) -> dict[str, Any]:
        nonlocal read
        read += len(text)
        return real(text)

    monkeypatch.setattr(tomllib, "loads", counted)  # which `controller.tomlfile` finds there
    for text in ("a = [\n" + "1,\n" * 3_000 + "]\n", "[[a]]\n" * 1_000, 'a = """\n' + "\n" * 3_000 + '"""\n'):
        read = 0
        Lines(text)
        assert read <= len(text) + 1


def test_the_plan_file_itself_is_far_from_these_bounds() -> None:
    assert len(PlanFile.model_fields) < PROBLEMS_MAX
    assert parse_plan(PLAN, Path("p.toml")).plan.pulses == 60
    assert isinstance(tomllib.loads("a = 1979-05-27")["a"], date)
    assert isinstance(tomllib.loads("a = 07:32:00")["a"], time)


def test_a_file_without_end_is_read_up_to_the_most_that_any_has(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("#" * tomlfile.SIZE_MAX)
    assert len(tomlfile.read(path)) == tomlfile.SIZE_MAX
    path.write_text("#" * (tomlfile.SIZE_MAX + 1))
    for endless in (path, Path("/dev/zero")):
        with pytest.raises(TomlError) as error:
            tomlfile.read(endless)
        (problem,) = error.value.problems
        assert "larger than 1 MB" in problem.action


def test_a_value_without_end_is_shown_by_its_beginning() -> None:
    shown = str(Problem("a", [1] * 10_000, "text", "change it"))
    assert shown.startswith("a = [1, 1, ")
    assert shown.endswith("...: change it (allowed: text)")
    assert len(shown) < 300
