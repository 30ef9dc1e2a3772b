"""Who writes what in the firmware, and who calls whom: read from its source, as a compiler would.

A theorem about one function is a theorem about the firmware only if no other function does the same. So the
registers of permission have named writers, and the doors to light named callers.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import sim_device.firmware

_SOURCES = Path(sim_device.firmware.__file__).parent


@functools.cache
def functions() -> list[tuple[str, ast.FunctionDef]]:
    """Every function of the firmware, as `module.Class.function` or `module.function`."""
    return list(_functions())


def _functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted(_SOURCES.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                yield f"{path.stem}.{node.name}", node
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        yield f"{path.stem}.{node.name}.{inner.name}", inner


@functools.cache
def written() -> dict[str, set[str]]:
    """The functions that write each attribute; an attribute goes by what it is an attribute of, too."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, function in functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                owner = ast.unparse(node.value).rpartition(".")[2]
                found[node.attr].add(name)
                found[f"{owner}.{node.attr}"].add(name)
    return found


@functools.cache
def called() -> dict[str, set[str]]:
    """The functions that call each name, or each method by its name; `go` also with what it is given."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, function in functions():
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            what = ast.unparse(node.func).rpartition(".")[2]
            found[what].add(name)
            if what in {"go", "setattr"} and node.args:
                for event in _members(node.args[0]):
                    found[f"{what}({event})"].add(name)
    return found


@functools.cache
def named() -> dict[str, set[str]]:
    """The functions that name each attribute or variable, whether they call it or hand it on."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, function in functions():
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute):
                found[node.attr].add(name)
            elif isinstance(node, ast.Name):
                found[node.id].add(name)
    return found


def _members(argument: ast.expr) -> list[str]:
    """Every member that an argument may be."""
    return [ast.unparse(node) for node in ast.walk(argument) if isinstance(node, ast.Attribute)]
