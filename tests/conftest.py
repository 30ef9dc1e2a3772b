"""What holds for every test: bounded chance, no task left behind, and (in CI) nothing skipped."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

# Deadlines are off: a slow shared core is no defect, and pytest-timeout ends what hangs.
# "ci" is derandomised: the same commit gives the same verdict everywhere. "soak" looks for new examples.
settings.register_profile("ci", max_examples=60, derandomize=True, deadline=None, print_blob=True)
settings.register_profile(
    "soak", max_examples=10_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")  # `--hypothesis-profile=soak` comes later and wins

NO_SKIP = "PICOLASE_NO_SKIP"

# A task that was just told to end, or whose peer just closed, needs some turns of the loop, and no time.
TURNS_TO_END = 10


@pytest.fixture(autouse=True)
def tasks_end_with_their_test(request: pytest.FixtureRequest) -> None:
    """Fail each async test that leaves asyncio tasks pending once its own fixtures are torn down.

    Autouse, so set up before the test's other fixtures and torn down after them.
    """
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("no_task_is_left")


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Compare the running loop's tasks before and after."""
    before = asyncio.all_tasks()
    yield
    before.add(cast("asyncio.Task[object]", asyncio.current_task()))  # each half of a fixture is its own task
    for _ in range(TURNS_TO_END):
        if not asyncio.all_tasks() - before:
            return
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()})" for task in left))
    assert not left, f"the test left asyncio tasks pending: {names}"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if anything was skipped while PICOLASE_NO_SKIP is set: CI has all that a test needs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get(NO_SKIP):  # an xdist worker has no reporter
        return
    if skipped := reporter.stats.get("skipped"):
        reporter.write_line("")
        reporter.write_line(f"{len(skipped)} skipped while {NO_SKIP} is set: the run fails", red=True)
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
