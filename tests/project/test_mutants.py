"""The mutation tester itself: which mutants it makes, and that it tells the killed from the surviving."""

import ast
import enum
import json
from pathlib import Path
from typing import Any

import pytest

from tools import mutation_report
from tools.mutants import Mutant, mutants_of


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def changed(source: str) -> set[str]:
    """The text of every mutant of `source`."""
    tree, mutants = mutants_of("room/module.py", source, {"Colour": Colour})
    texts = set()
    for mutant in mutants:
        before = getattr(mutant.slot.parent, mutant.slot.field)
        setattr(mutant.slot.parent, mutant.slot.field, mutant.slot.holding(mutant.new))
        texts.add(ast.unparse(ast.fix_missing_locations(tree)).removeprefix("def f(a, b):\n    "))
        setattr(mutant.slot.parent, mutant.slot.field, before)
    assert ast.unparse(tree) == ast.unparse(ast.parse(source)), "the tree is as it was"
    return texts


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("return a < b", {"pass", "return a <= b", "return a >= b"}),
        ("return a and b", {"pass", "return a or b", "return a", "return b"}),
        ("return not a", {"pass", "return a"}),
        ("return a + 1", {"pass", "return a - 1", "return a + 2", "return a + 0"}),
        ("return 2.0 * a", {"pass", "return 2.0 / a", "return 2.04 * a"}),
        ("return a if b else 0", {"pass", "return a", "return 0", "return a if b else 1"}),
        ("return Colour.RED", {"pass", "return Colour.GREEN"}),
        ("return min(a, b)", {"pass", "return max(a, b)"}),
        ("return a(b=b)", {"pass", "return a()"}),
        ("return 'code'", {"pass", "return 'codeX'"}),
        ("return 'words for people'", {"pass"}),
        ("return f'{a + 1} words'", {"pass"}),
        ("raise ValueError(a)", {"pass"}),
        ("a.left = b", {"pass"}),
        ("a = b", set()),
        ("return None", set()),
    ],
)
def test_a_statement_is_changed_in_every_way_that_a_test_should_notice(body: str, wanted: set[str]) -> None:
    assert changed(f"def f(a, b):\n    {body}") == wanted


def test_a_condition_is_also_made_constant() -> None:
    texts = changed("def f(a, b):\n    if a:\n        b()\n")
    assert texts == {"if True:\n        b()", "if False:\n        b()", "if a:\n        pass"}


def test_rows_constants_and_members_of_a_table_are_changed() -> None:
    texts = changed("TABLE = {Colour.RED: 5, Colour.GREEN: 'prose of it'}\nSET = frozenset({1, 2})\n")
    assert "TABLE = {Colour.GREEN: 'prose of it'}\nSET = frozenset({1, 2})" in texts
    assert "TABLE = {Colour.RED: 6, Colour.GREEN: 'prose of it'}\nSET = frozenset({1, 2})" in texts
    assert "TABLE = {Colour.GREEN: 5, Colour.GREEN: 'prose of it'}\nSET = frozenset({1, 2})" in texts
    assert "TABLE = {Colour.RED: 5, Colour.GREEN: 'prose of it'}\nSET = frozenset({1})" in texts
    assert len(texts) == 2 + 2 + 2 + 2 + 4  # rows, members, 5, members of the set, its numbers


def test_every_mutant_has_a_name_of_its_own_that_does_not_hang_on_its_line() -> None:
    source = "def f(a):\n    return a + 1 + 1\n"
    names = [mutant.key for mutant in mutants_of("room/module.py", source, {})[1]]
    assert len(set(names)) == len(names)
    assert [mutant.key for mutant in mutants_of("room/module.py", "\n\n" + source, {})[1]] == names


def test_what_is_done_at_import_is_told_from_what_a_function_does() -> None:
    mutants: list[Mutant] = mutants_of("m.py", "LIMIT = 5\ndef f(a=6):\n    return 7\n", {})[1]
    where = {mutant.key.partition("`")[2][0]: mutant for mutant in mutants if "->" in mutant.key}
    assert where["5"].function_lines is None
    assert where["5"].names == ("LIMIT",)
    assert where["6"].function_lines is None
    assert where["7"].function_lines is not None


FIGURES: list[dict[str, Any]] = [
    {"module": "safety/a.py", "mutants": 10, "judged": 10, "killed": 8, "on": "2026-11-23"}
    | {"survivors": ["safety/a.py:f: `x` -> `y`", "safety/a.py:g: `x` -> `y`"]},
    {
        "module": "protocols/b.py",
        "mutants": 10,
        "judged": 4,
        "killed": 4,
        "on": "2026-11-23",
        "survivors": [],
    },
]


def test_the_page_tells_survivors_by_name_and_what_was_not_judged() -> None:
    page = mutation_report.page(FIGURES, {"equivalent": {"safety/a.py:f:": "the same in words"}})
    assert "| **both** | 20 | 14 | 12 | 85.7 % | 2 |" in page
    assert "Not, or not wholly, judged yet: `protocols/b.py` (4 of 10)." in page
    named, unnamed = page.split("### Not judged by anybody yet (1)")
    assert "The same in words.\n\n- safety/a.py:f: `x` -> `y`" in named
    assert "- safety/a.py:g: `x` -> `y`" in unnamed


def test_the_page_in_the_repository_is_the_one_of_its_figures_and_reasons() -> None:
    assert mutation_report.main(["--check"]) == 0


def test_every_reason_is_some_survivors() -> None:
    survivors = [
        key
        for row in json.loads(mutation_report.FIGURES.read_text(encoding="utf-8"))
        for key in row["survivors"]
    ]
    said = mutation_report.reasons()
    assert set(said) <= set(mutation_report.KINDS)
    starts = [start for kind in said.values() for start in kind]
    assert [start for start in starts if not any(key.startswith(start) for key in survivors)] == []
    assert Path(mutation_report.PAGE).parent.name == "safety"
