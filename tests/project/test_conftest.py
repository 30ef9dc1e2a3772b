"""The rules in tests/conftest.py, each tried on a small run of its own, with its control case."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TIDY = """
import asyncio
async def test_tidy():
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
"""
LEAKY = """
import asyncio
tasks = []
async def test_leaky():
    tasks.append(asyncio.create_task(asyncio.sleep(3600), name="forgotten"))
"""
FIXTURE_OWNS_A_TASK = """
import asyncio, pytest
@pytest.fixture
async def server():
    task = asyncio.create_task(asyncio.sleep(3600))
    yield
    task.cancel()
async def test_with_a_server(server):
    await asyncio.sleep(0)
"""
# Skipped on purpose, in the small run only.
SKIPPED = """
import pytest
def test_that_runs(): pass
@pytest.mark.skip(reason="no such machine")
def test_skipped(): pass
"""


def run_pytest(folder: Path, test: str, *arguments: str, no_skip: bool = False) -> tuple[int, str]:
    """Run one test file under a copy of the project's conftest; return the exit status and the output."""
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (folder / "test_it.py").write_text(test)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PICOLASE"))
    }
    if no_skip:
        environment["PICOLASE_NO_SKIP"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("test", [TIDY, FIXTURE_OWNS_A_TASK])
def test_a_test_that_ends_its_tasks_passes(tmp_path: Path, test: str) -> None:
    status, output = run_pytest(tmp_path, test)
    assert status == pytest.ExitCode.OK, output


def test_a_test_that_leaves_a_task_fails_and_names_it(tmp_path: Path) -> None:
    status, output = run_pytest(tmp_path, LEAKY)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "left asyncio tasks pending: forgotten" in output


@pytest.mark.parametrize("arguments", [(), ("-n", "1")], ids=["one process", "xdist"])
@pytest.mark.parametrize("no_skip", [False, True])
def test_a_skip_fails_the_run_only_where_nothing_may_be_skipped(
    tmp_path: Path, arguments: tuple[str, ...], no_skip: bool
) -> None:
    status, output = run_pytest(tmp_path, SKIPPED, *arguments, no_skip=no_skip)
    assert status == (pytest.ExitCode.TESTS_FAILED if no_skip else pytest.ExitCode.OK), output
    assert ("1 skipped while PICOLASE_NO_SKIP is set" in output) == no_skip


def test_in_ci_nothing_may_be_skipped() -> None:
    gate = (CONFTEST.parents[1] / ".ci" / "run").read_text()
    before, _, _ = gate.partition("\nmake test\n")
    assert before != gate
    assert "\nexport PICOLASE_NO_SKIP=1\n" in before
