"""What became of the tests that show something: one file that the runs of one state of the code add up in."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from rig.code_hash import PACKAGES, dependencies, hash_of
from rig.trace_tables import TraceError

DEFAULT: Final = Path("run") / "trace-results.json"
VERSION: Final = 1

NOT_RUN: Final = "not run"
OUTCOMES: Final = ("failed", NOT_RUN, "passed", "skipped")
"""As they decide: one case that failed makes a test that failed, a skip decides nothing."""

_HASHED: Final = (*PACKAGES, "tests", "tools", "plans", "scenarios", "docs/reference")
"""What the tests' outcomes hang on. Not docs/safety: the trace itself reads its tables anew each time."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of pytest that added its part."""

    arguments: tuple[str, ...]
    began: str
    ended: str
    commit: str
    passed: int
    failed: int
    skipped: int


@dataclass(slots=True)
class Results:
    """`tests`: of each case (a test function with its parameters) the outcome and what it shows.

    Cases that show nothing are kept while they fail. `code` is the hash of all that the outcomes hang on:
    runs are only added up while it stays the same.
    """

    code: str
    runs: list[Run] = field(default_factory=list)
    tests: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, run: Run, collected: Mapping[str, tuple[str, ...]], outcomes: Mapping[str, str]) -> None:
        """Add a run. `collected`: what each collected case shows; `outcomes`: of the cases that ran.

        What was collected and did not run keeps its earlier outcome, or stands as not run.
        """
        self.runs.append(run)
        for case, shown in collected.items():
            if shown:
                before = self.tests.get(case, (NOT_RUN, ()))[0]
                self.tests[case] = (outcomes.get(case, before), shown)
        for case, outcome in outcomes.items():
            if not collected.get(case):
                self.tests.pop(case, None)
                if outcome == "failed":
                    self.tests[case] = (outcome, ())

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        told = {
            "version": VERSION,
            "code": self.code,
            "runs": [asdict(run) for run in self.runs],
            "tests": {
                case: {"outcome": outcome, "shows": list(shown)}
                for case, (outcome, shown) in sorted(self.tests.items())
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}")
        half.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        half.replace(path)


def load_results(path: Path) -> Results:
    """Read a file of results; raises TraceError when there is none or it cannot be used."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["version"] != VERSION:
            raise ValueError(f"it is of version {told['version']!r}, this program reads {VERSION}")
        runs = [Run(**(run | {"arguments": tuple(run["arguments"])})) for run in told["runs"]]
        tests = {case: (str(one["outcome"]), tuple(one["shows"])) for case, one in told["tests"].items()}
        code = str(told["code"])
    except FileNotFoundError:
        raise TraceError([f"{path}: there are no results yet; `make test` writes them"]) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TraceError([f"{path}: not results of tests: {error}; `make test` writes them anew"]) from error
    if wrong := sorted({outcome for outcome, _ in tests.values()} - set(OUTCOMES)):
        raise TraceError([f"{path}: unknown outcome {wrong[0]!r}; `make test` writes it anew"])
    return Results(code, runs, tests)


def results_to_go_on(path: Path, code: str) -> Results:
    """The results in `path` if they are of this code; otherwise none yet."""
    try:
        found = load_results(path)
    except TraceError:
        return Results(code)
    return found if found.code == code else Results(code)


def code_of_tests(root: Path) -> str:
    """The hash of all that a test's outcome hangs on."""
    return hash_of(root, _HASHED, platform.python_version(), dependencies())


def commit_of(root: Path) -> str:
    """The commit of a working tree, with `-dirty` when it was changed since; "unknown" outside of git."""
    command = ["git", "-c", "safe.directory=*", "describe", "--always", "--abbrev=40", "--dirty"]
    command += ["--exclude=*"]  # the commit's own name, never one that is told from a tag
    try:
        run = subprocess.run(  # noqa: S603 # no word of it comes from outside
            command, cwd=root, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run.stdout.strip() or "unknown"


def file_of(case: str) -> str:
    """The file of a case or a test function."""
    return case.partition("::")[0]


def function_of(case: str) -> str:
    """The test function of a case: its name without parameters."""
    return case.partition("[")[0]


def verdict(outcomes: Iterable[str]) -> str:
    """What comes of these outcomes together; not run when there is none."""
    return min(outcomes, key=OUTCOMES.index, default=NOT_RUN)
