"""Which test enters which line of safety/ and protocols/, and how long each test takes."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, Phase, settings

from tools.mutants import Mutant

ROOMS = ("safety", "protocols")
# It fails with every change of a declaration, by comparing it with a document made from it: that shows that
# something was changed, not that it was wrong. (The frozen hash of the interface is a contract, and counts.)
CHANGE_DETECTOR = "tests/protocols/test_documents.py::test_the_documents_in_the_repository_are_current"
_PROFILE = "mutation"
# Looking for all plugins that are installed takes three times as long as a mutant's tests.
_PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")
_QUIET = "ignore::pytest.PytestAssertRewriteWarning"  # this process imported the plugins before pytest did


def load_plugins() -> None:
    """Have this process, and every child of it, use our pytest plugins and look for no other."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in _PLUGINS:
        importlib.import_module(name)


def pytest_arguments(tests: Iterable[str], folder: Path) -> list[str]:
    """What every run of tests is called with here; `folder` is for the tests' own files."""
    # The first example that fails is enough: nobody reads the smallest one.
    settings.register_profile(
        _PROFILE,
        max_examples=60,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    # What only a slow test notices (the enumeration of the state space) counts as not noticed.
    options = ["-m", "not slow", f"--hypothesis-profile={_PROFILE}", f"--basetemp={folder}"]
    plugins = [argument for name in ("no:cacheprovider", *_PLUGINS) for argument in ("-p", name)]
    return ["-q", "-s", *plugins, "-W", _QUIET, *options, f"--deselect={CHANGE_DETECTOR}", *tests]


@dataclass(frozen=True)
class Map:
    """The tests by number in the order of `tests`; a set of tests is a whole number, one bit for each."""

    tests: list[str]  # node ids
    seconds: list[float]  # of the processor, while being traced
    entered: dict[str, dict[int, int]]  # module -> line -> tests
    imported: dict[str, set[int]]  # lines that ran before any test

    @classmethod
    def of(cls, path: Path, tests: list[str], root: Path) -> Map:
        """The map kept at `path`; made anew, in a process of its own, if code or tests changed."""
        of = _fingerprint(tests, root)
        told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if told.get("of") != of:
            child = os.fork()
            if not child:
                os._exit(_trace(path, tests, root, of))
            if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
                raise SystemExit("the unchanged code fails its tests: mutants would prove nothing")
            told = json.loads(path.read_text(encoding="utf-8"))
        entered = {
            module: {int(line): int(bits, 16) for line, bits in lines.items()}
            for module, lines in told["entered"].items()
        }
        imported = {module: set(lines) for module, lines in told["imported"].items()}
        return cls(told["tests"], told["seconds"], entered, imported)

    def is_swappable(self, mutant: Mutant) -> bool:
        """Whether only tests run the changed function, so that it can be changed after all imports."""
        inside = mutant.function_lines
        return inside is not None and self.imported.get(mutant.module, set()).isdisjoint(inside[1:])

    def tests_of(self, mutant: Mutant, root: Path) -> list[str]:
        """The tests that enter its line, or use what it defines or makes at import; the quickest first."""
        lines = self.entered.get(mutant.module, {})
        bits = 0
        if mutant.function_lines is not None:
            bits = _union(lines, mutant.lines) or _union(lines, mutant.function_lines)
        if not bits or not self.is_swappable(mutant):
            for name in _made_of(mutant.names, root):
                for file, used in _uses(root).get(name, {}).items():
                    bits |= _union(self.entered.get(file, {}), used)
                    bits |= self._of_file(file)
        numbers = [number for number in range(len(self.tests)) if bits >> number & 1]
        return [self.tests[number] for number in sorted(numbers, key=self.seconds.__getitem__)]

    def _of_file(self, file: str) -> int:
        return sum(1 << number for number, test in enumerate(self.tests) if test.startswith(f"{file}::"))

    def seconds_of(self, test: str) -> float:
        """How long this test took; 0 for one whose name is another with the changed code."""
        return self._seconds.get(test, 0.0)

    @functools.cached_property
    def _seconds(self) -> dict[str, float]:
        return dict(zip(self.tests, self.seconds, strict=True))


def _union(lines: dict[int, int], wanted: Iterable[int]) -> int:
    bits = 0
    for line in wanted:
        bits |= lines.get(line, 0)
    return bits


@functools.cache
def _uses(root: Path) -> dict[str, dict[str, set[int]]]:
    """name -> module or file of tests -> the lines that use it."""
    uses: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    folders = (root / parent / room for parent in ("", "tests") for room in ROOMS)
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        for name, line in _names(ast.parse(path.read_text(encoding="utf-8"))):
            uses[name][path.relative_to(root).as_posix()].add(line)
    return uses


def _made_of(names: Iterable[str], root: Path) -> set[str]:
    """These names, and those of all tables and classes that are made with them, and so on."""
    reached, new = set[str](), set(names)
    while new:
        reached |= new
        new = {made for name in new for made in _parts(root).get(name, ())} - reached
    return reached


@functools.cache
def _parts(root: Path) -> dict[str, set[str]]:
    """name -> what is defined with it outside of functions."""
    made: dict[str, set[str]] = defaultdict(set)
    for path in (path for room in ROOMS for path in sorted((root / room).glob("*.py"))):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                parts: list[ast.AST] = [statement]
                defined = {name for name, _ in _names(statement, ast.Store)}
            elif isinstance(statement, ast.FunctionDef):  # tables may be made by calling it
                parts, defined = [statement], {statement.name}
            elif isinstance(statement, ast.ClassDef):
                fields = [part for part in statement.body if isinstance(part, ast.Assign | ast.AnnAssign)]
                defined, parts = {statement.name}, [*statement.bases, *fields]
            else:
                continue
            for name in (name for part in parts for name, _ in _names(part)):
                made[name] |= defined - {name}
    return made


def _names(tree: ast.AST, how: type[ast.expr_context] = ast.Load) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, how):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno


class _Tracer:
    """A pytest plugin that tells coverage which test runs, and takes the time of each."""

    def __init__(self, tracer: coverage.Coverage) -> None:
        self._tracer = tracer
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._tracer.switch_context(item.nodeid)
        began_s = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began_s
            self._tracer.switch_context("")


def _fingerprint(tests: list[str], root: Path) -> str:
    """Of the names of the tests and the text of everything that they may run."""
    digest = hashlib.sha256("\n".join(tests).encode())
    for path in (path for room in (*ROOMS, "tests") for path in sorted((root / room).rglob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _trace(path: Path, tests: list[str], root: Path, of: str) -> int:
    tracer = coverage.Coverage(data_file=None, source=list(ROOMS), config_file=False)
    plugin = _Tracer(tracer)
    tracer.start()
    failed = pytest.main([*pytest_arguments(tests, path.parent / "tmp"), "-x"], plugins=[plugin])
    tracer.stop()
    if failed:
        return 1
    numbers = {name: number for number, name in enumerate(plugin.seconds)}
    entered: dict[str, dict[int, str]] = {}
    imported: dict[str, list[int]] = {}
    data = tracer.get_data()
    for file in data.measured_files():
        module = Path(file).relative_to(root).as_posix()
        by_line = data.contexts_by_lineno(file)
        imported[module] = [line for line, contexts in by_line.items() if "" in contexts]
        entered[module] = {
            line: f"{sum(1 << numbers[name] for name in contexts if name):x}"
            for line, contexts in by_line.items()
        }
    told = {
        "of": of,
        "tests": list(numbers),
        "seconds": list(plugin.seconds.values()),
        "entered": entered,
        "imported": imported,
    }
    path.write_text(json.dumps(told), encoding="utf-8")
    return 0
