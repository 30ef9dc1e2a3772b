"""`picolase trace` as a person, a program and `make test` call it; the pages it writes."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import rig.cli.trace
from controller.cli.exits import Exit
from controller.cli.main import main
from rig.trace import make_trace
from rig.trace_page import csv_text, hazard_rows, html_text, requirement_rows
from rig.trace_results import Results, Run, code_of_tests
from tests.rig.traced import HAZARD, OTHER, REQUIREMENT, make_tree

pytestmark = pytest.mark.shows("REQ-040")

TESTS = """
import pytest
@pytest.mark.shows("REQ-001", "HZ-001")
def test_one(): pass
@pytest.mark.shows("REQ-002")
def test_two(): pass
"""
ONE, TWO = "tests/test_it.py::test_one", "tests/test_it.py::test_two"
RUN = Run((), "2026-11-22T10:00:00+00:00", "2026-11-22T10:01:00+00:00", "abc<d", 2, 0, 0)


def saved(root: Path, two: str = "passed") -> Results:
    shown = {ONE: ("REQ-001", "HZ-001"), TWO: ("REQ-002",)}
    made = Results(code_of_tests(root))
    made.add(RUN, shown, {ONE: "passed", TWO: two})
    made.save(root / "run" / "trace-results.json")
    return made


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rig.cli.trace, "ROOT", make_tree(tmp_path / "tree", TESTS))
    return tmp_path / "tree"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["trace", *arguments])


def test_a_whole_trace_is_one_line_and_status_0(tree: Path) -> None:
    saved(tree)
    result = call("--quiet")
    assert (result.exit_code, result.stdout.count("\n"), result.stderr) == (Exit.DONE, 1, "")
    assert result.stdout.startswith("2 requirements, 1 hazards, 2 tests")
    table = call().stdout
    assert "HZ-001" in table
    assert "REQ-002" in table
    assert "passed" in table


def test_what_is_wrong_is_listed_with_status_1(tree: Path) -> None:
    saved(tree, "failed")
    result = call("--quiet")
    assert result.exit_code == Exit.FAILED
    assert f"  - REQ-002: no test of it passed: {TWO} (failed)" in result.stderr
    assert f"  - {TWO}: failed" in result.stderr
    told = call("--json")
    assert told.exit_code == Exit.FAILED
    answer = json.loads(told.stdout)
    assert answer["ok"] is False
    assert [problem["code"] for problem in answer["problems"]] == ["no_pass", "failed"]
    assert answer["results"]["commit"] == "abc<d"


def test_without_results_the_marks_alone_are_looked_at_only_on_demand(tree: Path) -> None:
    result = call()
    assert result.exit_code == Exit.BAD_INPUT
    assert "`make test` writes them" in result.stderr
    assert call("--static").exit_code == Exit.DONE
    make_tree(tree, TESTS, hazards=(HAZARD, HAZARD | {"id": "HZ-002"}))
    assert call("--static").exit_code == Exit.FAILED
    assert call("--static", "--results", "x").exit_code == Exit.USAGE


def test_results_elsewhere_are_taken_by_name(tree: Path, tmp_path: Path) -> None:
    saved(tree)
    (tree / "run" / "trace-results.json").rename(tmp_path / "other.json")
    assert call("--results", str(tmp_path / "other.json"), "-q").exit_code == Exit.DONE
    assert call("--results", str(tmp_path / "none.json")).exit_code == Exit.BAD_INPUT


def test_one_number_is_told_with_its_modules_and_tests(tree: Path) -> None:
    saved(tree)
    told = call("hz-001", "REQ-001").stdout
    assert "HZ-001 light: a relay -> burn" in told
    assert "requirements: REQ-001" in told
    assert "modules: made/module.py" in told
    assert "hazards: HZ-001" in told
    assert told.count(f"passed: {ONE}") == 2
    assert TWO not in told
    only = json.loads(call("REQ-002", "--json").stdout)
    assert (only["hazards"], [row["id"] for row in only["requirements"]]) == ([], ["REQ-002"])
    assert call("REQ-099").exit_code == Exit.USAGE


def test_broken_tables_and_a_tree_without_tests_are_told(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "docs" / "safety" / "hazards.csv").unlink()
    result = call("--static")
    assert result.exit_code == Exit.BAD_INPUT
    assert "hazards.csv: cannot be read" in result.stderr
    monkeypatch.setattr(rig.cli.trace, "ROOT", tmp_path)
    result = call("--static")
    assert result.exit_code == Exit.BAD_INPUT
    assert "not the source tree" in result.stderr


def test_pages_are_written_and_a_place_where_they_cannot_be_is_told(tree: Path, tmp_path: Path) -> None:
    saved(tree)
    page, sheet = tmp_path / "trace.html", tmp_path / "trace.csv"
    assert call("-q", "--html", str(page), "--csv", str(sheet)).exit_code == Exit.DONE
    assert "HZ-001" in page.read_text("utf-8")
    assert sheet.read_text("utf-8").startswith("hazard,")
    result = call("-q", "--html", str(tmp_path / "none" / "trace.html"))
    assert result.exit_code == Exit.BAD_INPUT
    assert "No such file or directory" in result.stderr


class Page(html.parser.HTMLParser):
    """What a browser would see: the text, and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids |= {value for value in [told.get("id")] if value}
        self.links |= {value for value in [told.get("href")] if value}
        assert tag != "b" or "id" not in told

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_text_as_text_and_every_link_leads_somewhere(tree: Path) -> None:
    made = saved(tree, "failed")
    page = Page(html_text(make_trace(tree, made)))
    assert page.links == {"#REQ-001", "#HZ-001"}
    assert {link[1:] for link in page.links} <= page.ids
    assert "a <b>delay</b> | before light" in page.text
    assert "commit abc<d" in page.text
    assert "no test of it passed" in page.text


def test_what_a_row_notes_is_on_the_page_and_in_the_documents(tmp_path: Path) -> None:
    requirement, hazard = REQUIREMENT | {"note": "half of it <only>"}, HAZARD | {"note": "a person looks"}
    trace = make_trace(make_tree(tmp_path, requirements=(requirement, OTHER), hazards=(hazard,)), None)
    page = Page(html_text(trace))
    assert "[some 1.2]. Note: half of it <only>" in page.text
    assert "two channels. Note: a person looks." in page.text
    assert page.text.count("Note:") == 2
    assert [row[2] for row in hazard_rows(trace)] == ["light: burn. Note: a person looks"]
    assert [row[1] for row in requirement_rows(trace)] == [
        "no light in STANDBY. Note: half of it <only>",
        OTHER["requirement"],
    ]


def test_the_sheet_has_a_row_for_each_hazard_and_requirement_and_loses_no_requirement(tree: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(make_trace(tree, saved(tree))))))
    assert [(row["hazard"], row["requirement"]) for row in rows] == [("HZ-001", "REQ-001"), ("", "REQ-002")]
    assert rows[0]["hazard tests"] == rows[0]["tests"] == ONE
    assert rows[0]["modules"] == "made/module.py"
    assert {row["last result"] for row in rows} == {"passed"}


def test_the_rows_of_the_documents_link_to_files_from_their_folder(tree: Path) -> None:
    trace = make_trace(tree, None)
    [hazard] = hazard_rows(trace)
    link = "[tests/test_it.py](../../tests/test_it.py)"
    assert hazard == ("HZ-001", 5, "light: burn", "REQ-001", link)
    first, _ = requirement_rows(trace)
    assert first[-2:] == ("[made/module.py](../../made/module.py)", link)
    assert (tree / "docs" / "safety" / "../../tests/test_it.py").exists()
