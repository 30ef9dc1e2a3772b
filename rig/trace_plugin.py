"""The trace as a pytest plug-in: refuses marks that name nothing, and keeps what became of the tests marked.

`-p rig.trace_plugin` brings the marker `shows` and the option `--trace-results FILE`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from rig.trace_marks import MARK
from rig.trace_results import Run, code_of_tests, commit_of, results_to_go_on, verdict
from rig.trace_tables import FOLDER, TraceError, read_tables

MARKER: Final = f"{MARK}(*ids): numbers of the requirements and hazards in docs/safety that the test shows"
_HANDED_OVER: Final = "picolase_trace"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file of results."""
    parser.getgroup("trace", "tests that show requirements and hazards").addoption(
        "--trace-results",
        type=Path,
        metavar="FILE",
        help="add what became of the tests to FILE; it begins anew when the code has changed",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Bring the marker and begin to watch."""
    config.addinivalue_line("markers", MARKER)
    config.pluginmanager.register(Watch(config), "picolase-trace")


class Watch:
    """What is collected and what becomes of it; xdist's workers collect, and hand it over in the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._path: Path | None = config.getoption("trace_results")
        self._arguments = config.invocation_params.args
        self._began = datetime.now(UTC)
        self._collected: dict[str, tuple[str, ...]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Take down what the tests of a file or class show; a mark that names nothing fails the file."""
        report = yield
        if not report.passed:
            return report
        wrong: list[str] = []
        for item in report.result:
            if isinstance(item, pytest.Item):
                try:
                    self._collected[item.nodeid] = self._shown_by(item)
                except TraceError as error:
                    wrong += error.lines
        if wrong:
            report.outcome = "failed"
            report.longrepr = "\n".join(dict.fromkeys(wrong))
            report.result = []
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what came of set-up, test and tear-down together."""
        if report.when == "call" or not report.passed:
            before = self._outcomes.get(report.nodeid, report.outcome)
            self._outcomes[report.nodeid] = verdict((before, report.outcome))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of xdist collected; one that crashed has nothing to hand over."""
        collected = getattr(node, "workeroutput", {}).get(_HANDED_OVER, {})
        self._collected |= {case: tuple(shown) for case, shown in collected.items()}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file, or hand over to who writes it."""
        if self._path is None or session.config.getoption("collectonly"):
            return
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_HANDED_OVER] = {case: list(shown) for case, shown in self._collected.items() if shown}
        else:
            results = results_to_go_on(self._path, code_of_tests(self._root))
            results.add(self._run(), self._collected, self._outcomes)
            results.save(self._path)

    def _run(self) -> Run:
        number = Counter(self._outcomes.values())
        return Run(
            arguments=tuple(map(str, self._arguments)),
            began=self._began.isoformat(timespec="seconds"),
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=commit_of(self._root),
            passed=number["passed"],
            failed=number["failed"],
            skipped=number["skipped"],
        )

    def _shown_by(self, item: pytest.Item) -> tuple[str, ...]:
        """What an item shows, in order; raises TraceError for what there is not."""
        named = [number for mark in item.iter_markers(MARK) for number in mark.args or (None,)]
        wrong = [one for one in named if one not in self._known]
        if wrong:
            name = item.nodeid.partition("[")[0]
            raise TraceError(
                f"{name}: {MARK}({'' if one is None else repr(one)}): there is no such number; "
                f"those of {FOLDER.as_posix()}/requirements.csv and hazards.csv may stand here"
                for one in wrong
            )
        return tuple(dict.fromkeys(named))

    @functools.cached_property
    def _known(self) -> frozenset[object]:
        return frozenset(read_tables(self._root).ids)
