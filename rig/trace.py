"""The trace: each hazard with the requirements, modules and tests that answer it, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rig.trace_marks import Marks, read_marks
from rig.trace_results import NOT_RUN, OUTCOMES, Results, code_of_tests, file_of, function_of, verdict
from rig.trace_tables import Hazard, Requirement, Tables, TraceError, read_tables

NO_RESULT: Final = "no result"
"""Of a trace made without results: nothing is claimed of any test."""

_NAMED: Final = 3  # tests in a message


@dataclass(frozen=True, slots=True)
class Shown:
    """A test function that names a number, and how often each outcome was among its cases that do."""

    test: str
    cases: Mapping[str, int]

    @property
    def last(self) -> str:
        """The last result, of all its cases together."""
        return verdict(self.cases) if self.cases else NO_RESULT


@dataclass(frozen=True, slots=True)
class Line:
    """A requirement or hazard with the tests that name it."""

    row: Requirement | Hazard
    tests: tuple[Shown, ...]

    @property
    def last(self) -> str:
        """The last result, of all its tests together."""
        results = [test.last for test in self.tests]
        return NO_RESULT if NO_RESULT in results else verdict(results)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `about` is the number, test or path."""

    code: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole matrix. `results` is None for one made from the tests' source alone."""

    tables: Tables
    lines: Mapping[str, Line]
    results: Results | None
    problems: tuple[Problem, ...]
    computed: tuple[str, ...] = ()  # files of tests with numbers that only a run tells

    @property
    def ok(self) -> bool:
        """Whether each line can be followed to a test that passed."""
        return not self.problems

    def summary(self) -> str:
        """One line about all of it."""
        tests = {test.test for line in self.lines.values() for test in line.tests}
        said = f"{len(self.tables.requirements)} requirements, {len(self.tables.hazards)} hazards, "
        said += f"{len(tests)} tests that name them"
        if self.results is None:
            return f"{said}; no results were looked at"
        if self.ok:
            return f"{said}: each has one that passed, none failed"
        return f"{said}: {len(self.problems)} problem{'s' * (len(self.problems) > 1)}"


def make_trace(root: Path, results: Results | None) -> Trace:
    """The trace of the source tree at `root`; raises TraceError when its tables or tests cannot be read.

    Without results only what stands in the tests is looked at: who names what. With results of other code
    than that at `root` the trace has a problem: they say nothing of this code.
    """
    tables = read_tables(root)
    try:
        marks = read_marks(root)
    except (OSError, SyntaxError) as error:
        raise TraceError([f"tests cannot be read: {error}"]) from error
    rows: list[Hazard | Requirement] = [*tables.hazards.values(), *tables.requirements.values()]
    lines = {row.id: Line(row, tuple(_shown(row.id, marks, results))) for row in rows}
    problems = (
        *_of_source(root, tables, marks),
        *_of_lines(lines, results),
        *_of_results(root, marks, results),
    )
    return Trace(tables, lines, results, problems, marks.computed)


def _shown(number: str, marks: Marks, results: Results | None) -> Iterator[Shown]:
    cases: dict[str, Counter[str]] = {test: Counter() for test in marks.tests_of(number)}
    if results is None:
        yield from (Shown(test, {}) for test in cases)
        return
    for case, (outcome, named) in results.tests.items():
        if number in named:
            cases.setdefault(function_of(case), Counter())[outcome] += 1
    for test, counted in sorted(cases.items()):
        yield Shown(test, dict(counted) or {NOT_RUN: 1})


def _of_source(root: Path, tables: Tables, marks: Marks) -> Iterator[Problem]:
    for test, named in marks.shows.items():
        for number in named:
            if number not in tables.ids:
                yield Problem("unknown", test, f"names {number}, which is no requirement and no hazard")
    for line in marks.lost:
        place, _, why = line.partition(": ")
        yield Problem("lost", place, why)
    for requirement in tables.requirements.values():
        for path in requirement.modules:
            if not (root / path).exists():
                yield Problem("no_module", requirement.id, f"{path} is not there")


def _of_lines(lines: Mapping[str, Line], results: Results | None) -> Iterator[Problem]:
    for number, line in lines.items():
        if not line.tests:
            yield Problem("no_test", number, "no test shows it")
        elif results is not None and not any("passed" in test.cases for test in line.tests):
            names = [f"{test.test} ({test.last})" for test in line.tests]
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield Problem("no_pass", number, f"no test of it passed: {', '.join(names[:_NAMED])}{more}")


def _of_results(root: Path, marks: Marks, results: Results | None) -> Iterator[Problem]:
    if results is None:
        return
    if results.code != code_of_tests(root):
        yield Problem(
            "other_code",
            f"results of {results.runs[-1].ended if results.runs else 'no run'}",
            "they are of other code than this; run `make test`",
        )
    ran: dict[str, list[str]] = {test: [] for test in marks.shows}
    for case, (outcome, _) in results.tests.items():
        ran.setdefault(function_of(case), []).append(outcome)
    files = {file_of(case) for case in results.tests}
    for path in marks.computed:
        if path not in files:
            yield Problem("not_run", path, "its tests did not run: these are results of a part")
    left = Counter(file_of(test) for test, outcomes in ran.items() if verdict(outcomes) == NOT_RUN)
    for path, number in left.items():
        yield Problem("not_run", path, f"{number} of its tests did not run: these are results of a part")
    for test, outcomes in ran.items():
        if "failed" in outcomes:
            yield Problem("failed", test, "failed")
    for case, (_, shown) in results.tests.items():
        unlisted = set(shown) - set(marks.shows.get(function_of(case), ()))
        if unlisted and file_of(case) not in marks.computed:
            yield Problem("unlisted", case, f"shows {' '.join(sorted(unlisted))}: its source does not tell")


def plain(trace: Trace) -> dict[str, Any]:
    """The trace as plain values, for JSON."""
    tables, lines = trace.tables, trace.lines
    return {
        "ok": trace.ok,
        "summary": trace.summary(),
        "problems": [{"code": p.code, "about": p.about, "text": p.text} for p in trace.problems],
        "results": None if trace.results is None else _plain_results(trace.results),
        "hazards": [
            {
                "id": row.id,
                "hazard": row.hazard,
                "control": row.control,
                "severity": row.severity_1_5,
                "wording": row.wording,
                "requirements": list(row.requirements),
                "modules": list(tables.modules_of(row.id)),
                "tests": [_plain_test(test) for test in lines[row.id].tests],
                "last": lines[row.id].last,
            }
            for row in tables.hazards.values()
        ],
        "requirements": [
            {
                "id": row.id,
                "requirement": row.requirement,
                "clause": row.clause,
                "acceptance_criterion": row.acceptance_criterion,
                "wording": row.wording,
                "met_by": row.met_by,
                "hazards": list(tables.hazards_of(row.id)),
                "modules": list(row.modules),
                "tests": [_plain_test(test) for test in lines[row.id].tests],
                "last": lines[row.id].last,
            }
            for row in tables.requirements.values()
        ],
    }


def _plain_test(test: Shown) -> dict[str, Any]:
    return {"test": test.test, "last": test.last} | {
        outcome.replace(" ", "_"): test.cases[outcome] for outcome in OUTCOMES if outcome in test.cases
    }


def _plain_results(results: Results) -> dict[str, Any]:
    return {
        "code": results.code,
        "commit": results.runs[-1].commit if results.runs else "unknown",
        "ended": results.runs[-1].ended if results.runs else None,
        "runs": [
            {"arguments": list(run.arguments), "ended": run.ended, "commit": run.commit}
            for run in results.runs
        ],
    }
