"""The trace's plug-in, on small runs of pytest: what it keeps of a run, and which marks it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.trace_marks import read_marks
from rig.trace_results import NOT_RUN, Results, load_results
from tests.rig.traced import make_tree

pytestmark = pytest.mark.shows("REQ-040")

EVERY_OUTCOME = """
import os, pytest
@pytest.fixture
def broken(): raise RuntimeError
@pytest.fixture
def breaks():
    yield
    raise RuntimeError
@pytest.mark.shows("REQ-001")
def test_passes(): pass
@pytest.mark.shows("REQ-001")
def test_fails(): assert False
@pytest.mark.shows("REQ-001")
def test_is_broken_before(broken): pass
@pytest.mark.shows("REQ-001")
def test_is_broken_after(breaks): pass
@pytest.mark.shows("REQ-001")
@pytest.mark.skip
def test_is_skipped(): pass
@pytest.mark.shows("REQ-001")
@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(): assert False
@pytest.mark.parametrize("case", [pytest.param(1, marks=pytest.mark.shows("REQ-002")), 2])
def test_of_cases(case): pass
@pytest.mark.shows("HZ-001")
class TestGroup:
    @pytest.mark.shows("REQ-002", "HZ-001")
    def test_in_it(self): pass
def test_shows_nothing(): pass
def test_shows_nothing_and_fails(): assert False
"""
EXPECTED = {
    "test_passes": ("passed", ("REQ-001",)),
    "test_fails": ("failed", ("REQ-001",)),
    "test_is_broken_before": ("failed", ("REQ-001",)),
    "test_is_broken_after": ("failed", ("REQ-001",)),
    "test_is_skipped": ("skipped", ("REQ-001",)),
    "test_is_expected_to_fail": ("skipped", ("REQ-001",)),
    "test_of_cases[1]": ("passed", ("REQ-002",)),
    "TestGroup::test_in_it": ("passed", ("HZ-001", "REQ-002")),
    "test_shows_nothing_and_fails": ("failed", ()),
}
CRASH = """
import os, pytest
@pytest.mark.shows("REQ-001")
def test_kills_its_worker(): os._exit(1)
@pytest.mark.shows("HZ-001")
def test_lives(): pass
"""


def run_pytest(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run pytest on a tree with the plug-in and nothing else of ours; the results go to results.json."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # importing all that is installed takes seconds
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "rig.trace_plugin", "-p", "no:cacheprovider"]
    command += ["-p", "xdist"] if "-n" in arguments else []
    command += ["--strict-markers", "--trace-results", "results.json", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def kept(folder: Path) -> Results:
    return load_results(folder / "results.json")


def by_name(results: Results) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        case.partition("::")[2]: (outcome, tuple(sorted(shown)))
        for case, (outcome, shown) in results.tests.items()
    }


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_what_became_of_every_test_that_shows_something_is_kept(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    make_tree(tmp_path, EVERY_OUTCOME)
    status, output = run_pytest(tmp_path, *arguments)
    assert status == pytest.ExitCode.TESTS_FAILED, output
    results = kept(tmp_path)
    assert by_name(results) == EXPECTED
    [run] = results.runs
    assert (run.passed, run.failed, run.skipped) == (5, 4, 2)
    assert run.arguments[-len(arguments) or len(run.arguments) :] == arguments
    assert run.began <= run.ended
    assert run.commit == "unknown"  # no repository
    told_by_source = read_marks(tmp_path).shows
    for case, (_, shown) in results.tests.items():
        assert set(shown) <= set(told_by_source.get(case.partition("[")[0], ()))


def test_a_test_that_kills_its_worker_has_failed_and_the_others_are_kept(tmp_path: Path) -> None:
    make_tree(tmp_path, CRASH)
    status, output = run_pytest(tmp_path, "-n", "2")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    assert by_name(kept(tmp_path)) == {
        "test_kills_its_worker": ("failed", ("REQ-001",)),
        "test_lives": ("passed", ("HZ-001",)),
    }


def test_a_part_of_the_tests_does_not_pretend_to_be_all_and_parts_add_up(tmp_path: Path) -> None:
    make_tree(tmp_path, EVERY_OUTCOME)
    for arguments in (("-k", "passes"), ("tests/test_it.py::test_passes",)):
        status, output = run_pytest(tmp_path, *arguments)
        assert status == pytest.ExitCode.OK, output
        told = by_name(kept(tmp_path))
        assert told.pop("test_passes") == ("passed", ("REQ-001",))
        assert {outcome for outcome, _ in told.values()} == {NOT_RUN}
        assert len(told) == len(EXPECTED) - 2  # all that show something, but the one that ran
    run_pytest(tmp_path, "tests/test_it.py::TestGroup")
    told = by_name(kept(tmp_path))
    assert {name for name, (outcome, _) in told.items() if outcome == "passed"} == {
        "test_passes",
        "TestGroup::test_in_it",
    }
    assert len(kept(tmp_path).runs) == 3
    make_tree(tmp_path, EVERY_OUTCOME + "\n")
    run_pytest(tmp_path, "-k", "cases")
    assert len(kept(tmp_path).runs) == 1
    assert by_name(kept(tmp_path))["test_passes"] == (NOT_RUN, ("REQ-001",))


WRONG = """
import pytest
@pytest.mark.shows("REQ-001", "REQ-052")
def test_unknown(): pass
@pytest.mark.shows(1)
def test_number(): pass
@pytest.mark.shows()
def test_empty(): pass
def test_plain(): pass
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_a_mark_that_names_what_there_is_not_fails_the_collection(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    make_tree(tmp_path, WRONG)
    status, output = run_pytest(tmp_path, *arguments)
    assert status in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED}, output
    for name, mark in (("unknown", "shows('REQ-052')"), ("number", "shows(1)"), ("empty", "shows()")):
        assert f"tests/test_it.py::test_{name}: {mark}: there is no such number" in output
    assert "Traceback" not in output


def test_without_tables_only_a_mark_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path, "def test_it(): pass\n")
    (tmp_path / "docs" / "safety" / "hazards.csv").unlink()
    assert run_pytest(tmp_path)[0] == pytest.ExitCode.OK
    make_tree(tmp_path, EVERY_OUTCOME)
    (tmp_path / "docs" / "safety" / "hazards.csv").unlink()
    status, output = run_pytest(tmp_path)
    assert status == pytest.ExitCode.INTERRUPTED
    assert "hazards.csv: cannot be read" in output


def test_nothing_is_written_where_nothing_ran(tmp_path: Path) -> None:
    make_tree(tmp_path, EVERY_OUTCOME)
    assert run_pytest(tmp_path, "--collect-only")[0] == pytest.ExitCode.OK
    assert not (tmp_path / "results.json").exists()
