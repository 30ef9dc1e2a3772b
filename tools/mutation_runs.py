"""How a mutant is given to its tests: in a forked child, so that the next one finds everything as it was."""

from __future__ import annotations

import ast
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

import pytest

from tools.mutants import Mutant
from tools.mutation_map import ROOMS, Map, pytest_arguments

# [C] A test that takes this much longer than it did hangs: the changed code goes round in circles.
_SLOWER: Final = 8.0
_SLACK_S: Final = 4.0
_MEMORY_MAX: Final = 4 << 30
_WALL_MAX_S: Final = 900.0
_FILES_FIRST: Final = 3


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    status: str  # "killed", "timeout" (killed: it hangs), "survived", "untested" (no test enters its line)
    by: str = ""  # the test that failed first
    seconds: float = 0.0


ALIVE = frozenset({"survived", "untested"})
Report = Callable[[Outcome], None]


@dataclass(frozen=True)
class Bench:
    """What mutants are judged with."""

    root: Path
    trees: Mapping[str, ast.Module]
    tests: Map
    folders: list[str]  # with the tests
    own: Path  # for the tests' own files


def judge_inside(bench: Bench, mutants: list[Mutant], report: Report) -> None:
    """Judge changes of functions that only tests run."""
    if mutants and pytest.main(
        pytest_arguments(bench.folders, bench.own), plugins=[_Warm(bench, mutants, report)]
    ):
        raise SystemExit("the tests could not be collected")


def judge_outside(bench: Bench, mutants: list[Mutant], report: Report) -> None:
    """Judge changes of what is done when modules are imported; nothing of the project may be imported yet."""
    gc.freeze()
    killers: dict[str, Counter[str]] = {mutant.module: Counter() for mutant in mutants}
    for mutant in mutants:
        killed = killers[mutant.module]  # what killed most of its module's mutants so far goes first
        may_notice = bench.tests.tests_of(mutant, bench.root) or bench.tests.tests
        wanted = [test for test, _ in killed.most_common()]
        wanted += [test for test in may_notice if test not in killed]
        score = Counter(_file(test) for test in wanted)
        deaths = Counter[str]()
        for test, times in killed.items():
            deaths[_file(test)] += times
        files = sorted(score, key=lambda file: (-deaths[file], -score[file]))
        outcome = Outcome(mutant, "untested")
        for some in (files[:1], files[1:_FILES_FIRST], files[_FILES_FIRST:]):
            if some and outcome.status in ALIVE:
                outcome = _judged_fresh(bench, mutant, some, wanted)
        if "::" in outcome.by:
            killed[outcome.by] += 1
        report(outcome)


class _Judge:
    """A pytest plugin in the child: the first failure is the verdict, and a test that hangs is one too."""

    def __init__(self, out: int, seconds_of: Callable[[str], float], wanted: Sequence[str] = ()) -> None:
        self._out = out
        self._seconds_of = seconds_of
        self._order = {test: number for number, test in enumerate(wanted)}
        self._test = ""
        signal.signal(signal.SIGVTALRM, self._hangs)

    def verdict(self, status: str, by: str) -> None:
        os.write(self._out, f"{status}\n{by}".encode())
        os._exit(0)

    def _hangs(self, *_: object) -> None:
        self.verdict("timeout", self._test)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order:  # by their functions: the changed code may have changed what stands in brackets
            functions = {_function(test) for test in self._order}
            items[:] = [item for item in items if _function(item.nodeid) in functions]
        items.sort(key=lambda item: (self._order.get(item.nodeid, 0), self._seconds_of(item.nodeid)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.verdict("killed", report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid
        signal.setitimer(signal.ITIMER_VIRTUAL, _SLACK_S + _SLOWER * self._seconds_of(nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.verdict("killed", report.nodeid)


def _in_child(mutant: Mutant, run: Callable[[int], None]) -> Outcome:
    """Fork, let the child run, and take its verdict."""
    began_s = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
        try:
            run(writing)
        except BaseException as died:  # noqa: BLE001 - whatever it dies of, it is not alive
            os.write(writing, f"killed\n{type(died).__name__}".encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], _WALL_MAX_S)
    told = os.read(reading, 1 << 16).decode() if ready else "timeout\n"
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    status, _, by = (told or "killed\nthe process died").partition("\n")
    return Outcome(mutant, status, by, time.monotonic() - began_s)


class _Warm:
    """A pytest plugin that has the tests collected, and then judges mutants instead of running them."""

    def __init__(self, bench: Bench, mutants: list[Mutant], report: Report) -> None:
        self._bench = bench
        self._mutants = mutants
        self._report = report
        self._functions: list[FunctionType] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        self._functions = [
            thing
            for thing in gc.get_objects()
            if isinstance(thing, FunctionType) and (thing.__module__ or "").partition(".")[0] in ROOMS
        ]
        gc.freeze()
        for mutant in self._mutants:
            wanted = [items[test] for test in self._bench.tests.tests_of(mutant, self._bench.root)]
            run = functools.partial(self._judge, mutant, wanted)
            self._report(_in_child(mutant, run) if wanted else Outcome(mutant, "untested"))
        return True

    def _judge(self, mutant: Mutant, items: list[pytest.Item], out: int) -> None:
        tree = self._bench.trees[mutant.module]
        self._swap(compile(tree, mutant.module, "exec", dont_inherit=True), mutant.code(tree))
        judge = _Judge(out, self._bench.tests.seconds_of)
        items[0].config.pluginmanager.register(judge)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        judge.verdict("survived", "")

    def _swap(self, old: CodeType, new: CodeType) -> None:
        changed = [pair for pair in _pairs(old, new) if pair[0] != pair[1]]
        done = 0
        for function in self._functions:
            for was, is_now in changed:
                if function.__code__ == was:
                    function.__code__ = is_now
                    done += 1
        if changed and not done:
            raise RuntimeError("nobody has the function that was changed")


def _pairs(old: CodeType, new: CodeType) -> Iterable[tuple[CodeType, CodeType]]:
    yield old, new
    inner = ([one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new))
    for was, is_now in zip(*inner, strict=False):
        yield from _pairs(was, is_now)


class _Changed(importlib.abc.MetaPathFinder):
    """Finds one module, with other code than its file's."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name = name
        self._loader = _Loader(name, str(path))
        self._loader.code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._loader.path, loader=self._loader)


class _Loader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


def _file(test: str) -> str:
    return test.partition("::")[0]


def _function(test: str) -> str:
    return test.partition("[")[0]


def _judged_fresh(bench: Bench, mutant: Mutant, files: list[str], wanted: list[str]) -> Outcome:
    def run(out: int) -> None:
        name = mutant.module.removesuffix(".py").replace("/", ".")
        changed = _Changed(name, bench.root / mutant.module, mutant.code(bench.trees[mutant.module]))
        sys.meta_path.insert(0, changed)
        judge = _Judge(out, bench.tests.seconds_of, wanted)
        code = pytest.main([*pytest_arguments(files, bench.own), "-x"], plugins=[judge])
        passed = code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
        judge.verdict("survived" if passed else "killed", "" if passed else f"pytest: {code}")

    return _in_child(mutant, run)
