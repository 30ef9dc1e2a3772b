"""Which test names which requirement or hazard, read from the source of the tests without running any."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeGuard

MARK: Final = "shows"
TESTS: Final = "tests"
_CALLS: Final = frozenset({f"pytest.mark.{MARK}", f"mark.{MARK}"})


@dataclass(frozen=True, slots=True)
class Marks:
    """`shows`: what each test function names, by `tests/room/test_x.py::name`, as the files have them.

    `computed`: the files with numbers that are not written out, which only a run tells. `lost`: marks that
    stand on no test, one line each.
    """

    shows: Mapping[str, tuple[str, ...]]
    computed: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def tests_of(self, number: str) -> tuple[str, ...]:
        """The test functions that name this requirement or hazard."""
        return tuple(test for test, named in self.shows.items() if number in named)


def read_marks(root: Path) -> Marks:
    """The marks of all tests below `root`. A file that is no Python raises SyntaxError."""
    shows: dict[str, tuple[str, ...]] = {}
    computed: list[str] = []
    lost: list[str] = []
    for path in sorted((root / TESTS).rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if f"mark.{MARK}" in text:  # parsing all of them would take seconds
            reader = _Reader(path.relative_to(root).as_posix())
            reader.read(ast.parse(text))
            shows |= {test: tuple(dict.fromkeys(named)) for test, named in reader.shows.items() if named}
            computed += [reader.path] if reader.computed else []
            lost += reader.lost
    return Marks(shows, tuple(computed), tuple(lost))


@dataclass
class _Reader:
    """One file. A name that is given marks at the top of the file counts where a decorator uses it."""

    path: str
    shows: dict[str, list[str]] = field(default_factory=dict)
    computed: bool = False
    lost: list[str] = field(default_factory=list)
    _named: dict[str, list[ast.Call]] = field(default_factory=lambda: defaultdict(list))
    _seen: set[ast.Call] = field(default_factory=set)

    def read(self, module: ast.Module) -> None:
        """Fill `shows`, `computed` and `lost`."""
        for statement in module.body:
            for name in _assigned(statement):
                self._named[name] += self._calls(statement)
        everywhere = [each for each in module.body if "pytestmark" in _assigned(each)]
        self._body(module.body, [number for each in everywhere for number in self._ids(each)], "")
        left = [node for node in ast.walk(module) if _is_mark(node) and node not in self._seen]
        self.lost += [f"{self.path}:{node.lineno}: {MARK}() stands on no test" for node in left]

    def _body(self, body: list[ast.stmt], outer: list[str], prefix: str) -> None:
        for statement in body:
            match statement:
                case ast.ClassDef(name=name) if name.startswith("Test"):
                    own = [number for each in statement.decorator_list for number in self._ids(each)]
                    for inner in statement.body:
                        if "pytestmark" in _assigned(inner):
                            own += self._ids(inner)
                    self._body(statement.body, outer + own, f"{prefix}{name}::")
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="TestCase")):
                    # A state machine of Hypothesis: one test, which only the file's own marks can mark.
                    self.shows[f"{self.path}::{prefix}{name}::runTest"] = outer
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test"):
                    own = [number for each in statement.decorator_list for number in self._ids(each)]
                    self.shows[f"{self.path}::{prefix}{name}"] = outer + own

    def _ids(self, node: ast.AST) -> list[str]:
        """What the marks in `node` name, and those of the file's names that it uses."""
        calls = list(self._calls(node))
        self._seen.update(calls)
        return [number for call in calls for number in self._arguments(call)]

    def _calls(self, node: ast.AST) -> Iterator[ast.Call]:
        for part in ast.walk(node):
            if _is_mark(part):
                yield part
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
                yield from self._named.get(part.id, [])

    def _arguments(self, call: ast.Call) -> Iterator[str]:
        for argument in _flat(call.args):
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value
            else:
                self.computed = True


def _flat(arguments: list[ast.expr]) -> Iterator[ast.expr]:
    """The arguments, with those of a tuple or list that is written out behind a star."""
    for argument in arguments:
        match argument:
            case ast.Starred(value=ast.Tuple(elts=parts) | ast.List(elts=parts)):
                yield from _flat(parts)
            case _:
                yield argument


def _is_mark(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in _CALLS


def _assigned(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
