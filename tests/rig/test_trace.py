"""The trace: the tables, who names what, and every way in which a line cannot be followed to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.code_hash import ROOT
from rig.trace import NO_RESULT, Trace, make_trace, plain
from rig.trace_marks import read_marks
from rig.trace_results import NOT_RUN, Results, Run, code_of_tests, load_results, results_to_go_on, verdict
from rig.trace_tables import WORDINGS, TraceError, read_tables
from tests.rig.traced import HAZARD, OTHER, REQUIREMENT, make_tree

pytestmark = pytest.mark.shows("REQ-040")

RUN = Run(("-q",), "2026-11-22T10:00:00+00:00", "2026-11-22T10:01:00+00:00", "abc", 1, 0, 0)
GOOD = """
import pytest
@pytest.mark.shows("REQ-001", "HZ-001")
def test_one(): pass
@pytest.mark.shows("REQ-002")
@pytest.mark.parametrize("number", [1, 2])
def test_two(number): pass
def test_three(): pass
"""
ONE, TWO = "tests/test_it.py::test_one", "tests/test_it.py::test_two"
SHOWN = {
    ONE: ("REQ-001", "HZ-001"),
    f"{TWO}[1]": ("REQ-002",),
    f"{TWO}[2]": ("REQ-002",),
    "tests/test_it.py::test_three": (),
}
PASSED = dict.fromkeys(SHOWN, "passed")


def results(root: Path, **outcomes: str) -> Results:
    """Results in which every case passed, but for those of these test functions; "" leaves a test out."""
    made = Results(code_of_tests(root))
    told = {case: outcomes.get(case.partition("::")[2].partition("[")[0], "passed") for case in SHOWN}
    made.add(RUN, SHOWN, {case: outcome for case, outcome in told.items() if outcome})
    return made


def problems(trace: Trace) -> list[tuple[str, str]]:
    return [(problem.code, problem.about) for problem in trace.problems]


# -- the project's own tables and tests


def test_the_tables_hold_every_requirement_and_hazard() -> None:
    tables = read_tables(ROOT)
    assert list(tables.requirements) == [f"REQ-{number:03}" for number in range(1, 52)]
    assert list(tables.hazards) == [f"HZ-{number:03}" for number in range(1, 47)]
    assert {row.wording for row in tables.requirements.values()} == set(WORDINGS)


def test_every_requirement_but_those_of_the_paperwork_controls_a_hazard() -> None:
    tables = read_tables(ROOT)
    assert {one for one in tables.requirements if not tables.hazards_of(one)} == {"REQ-039", "REQ-040"}


def test_every_module_of_the_tables_is_there_and_every_mark_can_be_read() -> None:
    wrong = {"no_module", "unknown", "lost"}
    assert [problem for problem in make_trace(ROOT, None).problems if problem.code in wrong] == []


# -- the tables


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "REQ-1"}, "not of the form REQ-001"),
        ({"id": "HZ-001"}, "not of the form REQ-001"),
        ({"wording": "known"}, "wording: 'known' is none of published, partly published, to be confirmed"),
        ({"met_by": ""}, "met_by: '' is none of host, device, both"),
        ({"modules": " "}, "modules: empty"),
        ({"id": "REQ-001"}, "REQ-001 stands there twice"),
    ],
)
def test_a_wrong_requirement_is_told_with_its_row(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    make_tree(tmp_path, requirements=(REQUIREMENT, OTHER | changes))
    with pytest.raises(TraceError) as told:
        read_tables(tmp_path)
    assert any(line.startswith("requirements.csv: row 3") and said in line for line in told.value.lines)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"severity_1_5": "6"}, "severity_1_5: 6 is none of 1, 2, 3, 4, 5"),
        ({"severity_1_5": "much"}, "invalid literal"),
        ({"requirements": ""}, "HZ-001: no requirement controls it"),
        ({"requirements": "REQ-001 REQ-009"}, "HZ-001: there is no REQ-009"),
        ({"id": "HZ-0001"}, "not of the form HZ-001"),
    ],
)
def test_a_wrong_hazard_is_told(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    make_tree(tmp_path, hazards=(HAZARD | changes,))
    with pytest.raises(TraceError, match=said):
        read_tables(tmp_path)


def test_a_missing_table_a_missing_column_and_a_cell_too_many_are_told(tmp_path: Path) -> None:
    make_tree(tmp_path, hazards=({key: value for key, value in HAZARD.items() if key != "wording"},))
    table = tmp_path / "docs" / "safety" / "requirements.csv"
    table.write_text(table.read_text().rstrip("\n") + ",one more\n")
    with pytest.raises(TraceError) as told:
        read_tables(tmp_path)
    assert [line.partition(":")[0] for line in told.value.lines] == ["requirements.csv", "hazards.csv"]
    table.unlink()
    with pytest.raises(TraceError, match="cannot be read"):
        read_tables(tmp_path)


# -- the marks


FORMS = """
from typing import Any
import pytest
from pytest import mark
pytestmark = [pytest.mark.slow, pytest.mark.shows("HZ-001")]
LATER: Any = pytest.mark.shows("REQ-007")
CASES = [pytest.param(1, marks=pytest.mark.shows("REQ-001")), pytest.param(2, marks=(LATER,)), 3]
@pytest.mark.shows("REQ-002", *("REQ-003", *["REQ-002"]))
async def test_decorated(): pass
@pytest.mark.parametrize("case", CASES)
def test_by_name(case): pass
@pytest.mark.parametrize("case", [pytest.param(1, marks=[mark.shows("REQ-004")]), 2])
def test_by_case(case): pass
@mark.shows("REQ-005")
class TestGroup:
    pytestmark = pytest.mark.shows("REQ-006")
    def test_inside(self): pass
    @LATER
    def test_named(self): pass
    def helper(self): pass
def test_plain(): pass
TestMachine = Machine.TestCase
"""


def test_every_form_of_a_mark_is_read(tmp_path: Path) -> None:
    marks = read_marks(make_tree(tmp_path, FORMS))
    assert (marks.computed, marks.lost) == ((), ())
    assert {test.partition("::")[2]: shown for test, shown in marks.shows.items()} == {
        "test_decorated": ("HZ-001", "REQ-002", "REQ-003"),
        "test_by_name": ("HZ-001", "REQ-001", "REQ-007"),
        "test_by_case": ("HZ-001", "REQ-004"),
        "TestGroup::test_inside": ("HZ-001", "REQ-005", "REQ-006"),
        "TestGroup::test_named": ("HZ-001", "REQ-005", "REQ-006", "REQ-007"),
        "test_plain": ("HZ-001",),
        "TestMachine::runTest": ("HZ-001",),
    }


@pytest.mark.parametrize(
    "text",
    [
        'import pytest\n@pytest.mark.shows("REQ-001")\ndef helper(): pass\n',
        'import pytest\nUNUSED = pytest.mark.shows("REQ-001")\ndef test_it(): pass\n',
    ],
)
def test_a_mark_that_stands_on_no_test_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    make_tree(tmp_path, text)
    assert read_marks(tmp_path).lost == ("tests/test_it.py:2: shows() stands on no test",)
    assert ("lost", "tests/test_it.py:2") in problems(make_trace(tmp_path, None))


@pytest.mark.parametrize("numbers", ['"REQ-" + "002"', "*NUMBERS"])
def test_numbers_that_are_computed_are_told_by_the_run_alone(tmp_path: Path, numbers: str) -> None:
    make_tree(tmp_path, GOOD.replace('shows("REQ-002")', f"shows({numbers})"))
    marks = read_marks(tmp_path)
    assert marks.computed == ("tests/test_it.py",)
    assert set(marks.shows) == {ONE}
    assert problems(make_trace(tmp_path, None)) == [("no_test", "REQ-002")]
    trace = make_trace(tmp_path, results(tmp_path))
    assert trace.ok
    assert [test.test for test in trace.lines["REQ-002"].tests] == [TWO]
    nothing_ran = Results(code_of_tests(tmp_path))
    assert ("not_run", "tests/test_it.py") in problems(make_trace(tmp_path, nothing_ran))


def test_a_test_file_that_is_no_python_is_told(tmp_path: Path) -> None:
    make_tree(tmp_path, "import pytest\n@pytest.mark.shows('REQ-001'\n")
    with pytest.raises(TraceError, match="tests cannot be read"):
        make_trace(tmp_path, None)


# -- the matrix


def test_a_trace_whose_every_line_ends_in_a_test_that_passed_is_good(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD)
    trace = make_trace(tmp_path, results(tmp_path))
    assert trace.problems == ()
    assert trace.summary() == (
        "2 requirements, 1 hazards, 2 tests that name them: each has one that passed, none failed"
    )
    told = plain(trace)
    assert told["ok"] is True
    [hazard] = told["hazards"]
    assert (hazard["requirements"], hazard["modules"], hazard["last"]) == (
        ["REQ-001"],
        ["made/module.py"],
        "passed",
    )
    first, second = told["requirements"]
    assert first["hazards"] == ["HZ-001"]
    assert second["tests"] == [{"test": TWO, "last": "passed", "passed": 2}]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("failed", {("no_pass", "REQ-002"), ("failed", TWO)}),
        ("skipped", {("no_pass", "REQ-002")}),
        ("", {("no_pass", "REQ-002"), ("not_run", "tests/test_it.py")}),
    ],
)
def test_a_requirement_without_a_test_that_passed_is_a_problem(
    tmp_path: Path, outcome: str, expected: set[tuple[str, str]]
) -> None:
    make_tree(tmp_path, GOOD)
    trace = make_trace(tmp_path, results(tmp_path, test_two=outcome))
    assert set(problems(trace)) == expected
    assert trace.lines["REQ-002"].last == (outcome or NOT_RUN)
    assert trace.lines["REQ-001"].last == "passed"


def test_a_test_that_failed_is_a_problem_whatever_else_passed_and_whatever_it_shows(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD.replace('shows("REQ-002")', 'shows("REQ-001", "REQ-002")'))
    made = results(tmp_path, test_three="failed")
    made.tests[f"{TWO}[2]"] = ("failed", ("REQ-001", "REQ-002"))
    trace = make_trace(tmp_path, made)
    assert set(problems(trace)) == {("failed", TWO), ("failed", "tests/test_it.py::test_three")}
    assert trace.lines["REQ-001"].last == "failed"


def test_what_nobody_shows_is_a_problem(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD, hazards=(HAZARD, HAZARD | {"id": "HZ-002"}))
    assert problems(make_trace(tmp_path, results(tmp_path))) == [("no_test", "HZ-002")]
    assert problems(make_trace(tmp_path, None)) == [("no_test", "HZ-002")]


def test_a_test_that_names_what_there_is_not_is_a_problem(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD + '@pytest.mark.shows("REQ-052")\ndef test_more(): pass\n')
    assert problems(make_trace(tmp_path, None)) == [("unknown", "tests/test_it.py::test_more")]


def test_a_module_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    wrong: dict[str, Any] = REQUIREMENT | {"modules": "made/module.py made/gone.py"}
    make_tree(tmp_path, GOOD, requirements=(wrong, OTHER))
    trace = make_trace(tmp_path, None)
    assert problems(trace) == [("no_module", "REQ-001")]
    assert trace.problems[0].text == "made/gone.py is not there"


def test_results_of_other_code_say_nothing_of_this(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD)
    made = results(tmp_path)
    make_tree(tmp_path, GOOD + "\n")
    [problem] = make_trace(tmp_path, made).problems
    assert problem.code == "other_code"
    assert RUN.ended in problem.about


def test_what_pytest_found_and_the_source_does_not_tell_is_a_problem(tmp_path: Path) -> None:
    make_tree(tmp_path, GOOD)
    made = results(tmp_path)
    made.tests["tests/test_it.py::test_three"] = ("passed", ("REQ-001",))
    assert problems(make_trace(tmp_path, made)) == [("unlisted", "tests/test_it.py::test_three")]


def test_without_results_nothing_is_claimed(tmp_path: Path) -> None:
    trace = make_trace(make_tree(tmp_path, GOOD), None)
    assert trace.ok
    assert {line.last for line in trace.lines.values()} == {NO_RESULT}
    assert trace.summary().endswith("no results were looked at")


# -- the results


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], NOT_RUN),
        (["skipped"], "skipped"),
        (["skipped", "passed"], "passed"),
        (["passed", NOT_RUN], NOT_RUN),
        (["passed", NOT_RUN, "failed", "skipped"], "failed"),
    ],
)
def test_what_comes_of_several_outcomes(outcomes: list[str], expected: str) -> None:
    assert verdict(outcomes) == verdict(reversed(outcomes)) == expected


def test_runs_of_the_same_code_add_up_and_the_last_one_counts(tmp_path: Path) -> None:
    made = Results("code")
    made.add(RUN, SHOWN, {ONE: "failed", "tests/test_it.py::test_three": "failed"})
    assert made.tests[f"{TWO}[1]"] == (NOT_RUN, ("REQ-002",))
    assert made.tests["tests/test_it.py::test_three"] == ("failed", ())
    made.add(RUN, {"tests/test_other.py::test_x": ("HZ-001",)}, {})
    made.add(RUN, SHOWN, {f"{TWO}[1]": "passed"})
    assert made.tests[ONE] == ("failed", ("REQ-001", "HZ-001"))
    made.add(RUN, SHOWN, PASSED)
    assert set(made.tests) == {ONE, f"{TWO}[1]", f"{TWO}[2]", "tests/test_other.py::test_x"}
    assert made.tests["tests/test_other.py::test_x"] == (NOT_RUN, ("HZ-001",))
    assert len(made.runs) == 4
    made.save(tmp_path / "run" / "results.json")
    assert load_results(tmp_path / "run" / "results.json") == made
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["results.json"]
    assert results_to_go_on(tmp_path / "run" / "results.json", "code") == made
    assert results_to_go_on(tmp_path / "run" / "results.json", "other code") == Results("other code")
    assert results_to_go_on(tmp_path / "none.json", "code") == Results("code")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "code": "x", "runs": [{}], "tests": {}}', "\0"],
)
def test_a_file_that_holds_no_results_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(TraceError, match="not results of tests"):
        load_results(path)


def test_an_unknown_outcome_is_told(tmp_path: Path) -> None:
    made = Results("code", [RUN], {ONE: ("fine", ("REQ-001",))})
    made.save(tmp_path / "results.json")
    with pytest.raises(TraceError, match="unknown outcome 'fine'"):
        load_results(tmp_path / "results.json")


def test_without_a_file_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="make test"):
        load_results(tmp_path / "none.json")
