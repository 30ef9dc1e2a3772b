"""Mutants of one module: every small change of its code, rows and constants that a test should notice.

Changed are: comparisons (their bound and their sense), `and`/`or` and each of their operands, `not`,
conditions (always or never true), arithmetic and set operators, whole numbers by one either way, other
numbers by 2 %, truth values, names in strings, members of enumerations (the next one instead), rows of
tables, members of sets and keyword arguments (left out), statements that act (left out), min/max, any/all,
break/continue, kinds of wire fields. Not changed are: prose (a string with a blank in it; units and
meanings of wire fields), annotations of functions, decorators, imports, `strict=` of zip. The first is no
behaviour, the others are mypy's and ruff's.
"""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any, TypeVar

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any"}
_FIELD_KINDS = {"u8": "u16", "u16": "u32", "u32": "u64", "u64": "u32", "i32": "u32"}
_WORDED = frozenset(
    {*_FIELD_KINDS, "_u32", "_count", "Bool", "Choice", "SetOf", "Text"}
)  # their strings are prose
_FLOAT_FACTOR = 1.02  # more than rounding, less than any margin
_WORDS_MAX = 80  # of the code that a key quotes
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Slot:
    """Where a node hangs in the tree."""

    parent: ast.AST
    field: str
    index: int | None = None

    @property
    def node(self) -> Any:
        there = getattr(self.parent, self.field)
        return there if self.index is None else there[self.index]

    def holding(self, node: ast.AST) -> object:
        """What the parent's field is to be, so that `node` hangs here."""
        if self.index is None:
            return node
        there = getattr(self.parent, self.field)
        return [*there[: self.index], node, *there[self.index + 1 :]]


@dataclass(frozen=True)
class _Place:
    """Where the walk is."""

    scope: tuple[str, ...] = ()
    function: range | None = None  # lines of the outermost one
    lines: range = range(0)
    names: tuple[str, ...] = ()
    prose: bool = False  # the strings here are words
    last: bool = False  # after this statement the function ends
    text: str = ""  # of the outermost function, or of the statement outside of functions


@dataclass(frozen=True)
class Mutant:
    """One change of one module."""

    key: str  # module, scope, old and new text: the same while the code is, wherever the line stands
    module: str  # "safety/gate.py"
    line: int
    lines: range  # of the part of the statement that was changed
    function_lines: (
        range | None
    )  # of the outermost function around it; None: done when the module is imported
    names: tuple[str, ...]  # what the statement of the module's or class's body, or the function, is called
    fingerprint: str  # of the function or statement outside of functions that was changed
    slot: _Slot
    new: ast.AST

    def code(self, tree: ast.Module) -> CodeType:
        """The module's code with this change; `tree` is the one that the mutant was made from."""
        parent, field = self.slot.parent, self.slot.field
        old = getattr(parent, field)
        setattr(parent, field, self.slot.holding(self.new))
        try:
            return compile(ast.fix_missing_locations(tree), self.module, "exec", dont_inherit=True)
        finally:
            setattr(parent, field, old)


def mutants_of(module: str, source: str, namespace: Mapping[str, object]) -> tuple[ast.Module, list[Mutant]]:
    """The tree of `source` and its mutants in the order of the text; `namespace` is the imported module's."""
    tree = ast.parse(source)
    walk = _Walk(module, namespace)
    walk.body(tree, "body", _Place())
    return tree, walk.found


class _Walk:
    def __init__(self, module: str, namespace: Mapping[str, object]) -> None:
        self.module = module
        self.namespace = namespace
        self.found: list[Mutant] = []
        self._seen: Counter[str] = Counter()

    def add(self, slot: _Slot, new: ast.AST, place: _Place, words: str) -> None:
        old = slot.node
        if not hasattr(new, "lineno"):
            ast.copy_location(new, old if hasattr(old, "lineno") else slot.parent)
        key = f"{self.module}:{'.'.join(place.scope or place.names or ('module',))}: {words}"
        self._seen[key] += 1
        if self._seen[key] > 1:
            key += f" #{self._seen[key]}"
        line = getattr(old, "lineno", getattr(slot.parent, "lineno", 0))
        where = (line, place.lines, place.function, place.names)
        self.found.append(Mutant(key, self.module, *where, _hash(place.text), slot, new))

    # -- statements

    def body(self, owner: ast.AST, field: str, place: _Place) -> None:
        for index, node in enumerate(getattr(owner, field)):
            if not (_is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom)):
                last = isinstance(owner, _FUNCTIONS) and node is owner.body[-1]
                text = place.text if place.function is not None else ast.unparse(node)
                self.statement(_Slot(owner, field, index), node, replace(place, last=last, text=text))

    def statement(self, slot: _Slot, node: ast.stmt, place: _Place) -> None:
        if isinstance(node, _FUNCTIONS):
            self.function(node, place)
        elif isinstance(node, ast.ClassDef):
            scope, names = (*place.scope, node.name), (*place.names, node.name)
            self.body(node, "body", replace(place, scope=scope, names=names))
        else:
            here = replace(place, lines=_header(node))
            if place.function is None:
                here = replace(here, names=(*here.names, *_defined(node)))
            self.whole_statement(slot, node, here)
            self.parts(node, place, here)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: _Place) -> None:
        span = place.function or range(node.lineno, (node.end_lineno or node.lineno) + 1)
        inner = replace(place, scope=(*place.scope, node.name))
        defaults = replace(
            inner, lines=range(node.lineno, node.body[0].lineno), names=(*place.names, node.name)
        )
        self.children(node.args, "defaults", defaults)
        self.children(node.args, "kw_defaults", defaults)
        self.body(node, "body", replace(defaults, function=span))

    def whole_statement(self, slot: _Slot, node: ast.stmt, here: _Place) -> None:
        if here.function is not None and _acts(node) and not (here.last and _is_return_of_none(node)):
            self.add(slot, ast.Pass(), here, f"without {_words(node)}")
        if isinstance(node, ast.Break):
            self.add(slot, ast.Continue(), here, "continue for break")
        elif isinstance(node, ast.Continue):
            self.add(slot, ast.Break(), here, "break for continue")
        if isinstance(node, ast.AugAssign):
            self.operator(node, here)
        if isinstance(node, ast.If | ast.While):
            # A loop that never ended would only be ended by the clock.
            for always in (True, False) if isinstance(node, ast.If) else (False,):
                constant = ast.Constant(always)
                self.add(_Slot(node, "test"), constant, here, f"if {_change(node.test, constant)}")

    def parts(self, node: ast.stmt, place: _Place, here: _Place) -> None:
        for name, value in ast.iter_fields(node):
            if name in {"body", "orelse", "finalbody"}:
                self.body(node, name, place)
            elif name in {"handlers", "cases"}:
                for part in value:
                    self.body(part, "body", place)
            elif name == "annotation":
                # A wire field's kind stands there; elsewhere annotations are words for mypy.
                if place.function is None and any(isinstance(part, ast.Call) for part in ast.walk(value)):
                    self.expression(_Slot(node, name), here)
            elif not (name == "targets" or (name == "target" and not isinstance(value, ast.Subscript))):
                self.children(node, name, here)

    # -- expressions

    def children(self, parent: ast.AST, field: str, place: _Place) -> None:
        value = getattr(parent, field)
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    self.expression(_Slot(parent, field, index), place)
        elif isinstance(value, ast.AST):
            self.expression(_Slot(parent, field), place)

    def expression(self, slot: _Slot, place: _Place) -> None:
        node = slot.node
        if isinstance(node, ast.JoinedStr):
            if not any(isinstance(part, ast.Constant) and " " in str(part.value) for part in node.values):
                self.descend(node, place)
            return
        for new, context in self.replacements(slot, place):
            self.add(slot, new, place, f"{_change(node, new)}{context}")
        if isinstance(node, ast.BinOp):
            self.operator(node, place)
        self.without(slot, place)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _WORDED:
            place = replace(place, prose=True)
        self.descend(node, place)

    def descend(self, node: ast.AST, place: _Place) -> None:
        if isinstance(node, ast.Call):
            self.children(node, "func", place)
            self.children(node, "args", place)
            for keyword in node.keywords:
                if keyword.arg != "strict":
                    self.children(keyword, "value", place)
            return
        for name, _ in ast.iter_fields(node):
            if name not in {"ctx", "op", "ops", "annotation"}:
                self.children(node, name, place)

    def replacements(self, slot: _Slot, place: _Place) -> Iterator[tuple[ast.AST, str]]:
        """What may stand there instead, and where a key is to say that it stood."""
        node, context = slot.node, f" in `{_words(slot.parent)}`"
        if isinstance(node, ast.UnaryOp):
            yield node.operand, context
        elif isinstance(node, ast.Constant):
            for value in _other_values(node.value, prose=place.prose):
                yield ast.Constant(value), context
        elif isinstance(node, ast.Name | ast.Attribute):
            other = self.other_name(node, slot)
            if other is not None:
                yield other, context
        else:
            yield from ((new, "") for new in _other_logic(node))

    def other_name(self, node: ast.Name | ast.Attribute, slot: _Slot) -> ast.AST | None:
        if isinstance(node, ast.Name):
            other = _OTHER_NAME.get(node.id) or (_FIELD_KINDS.get(node.id) if slot.field == "func" else None)
            return ast.Name(other, ast.Load()) if other and isinstance(node.ctx, ast.Load) else None
        enumeration = self.namespace.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if not (isinstance(enumeration, enum.EnumMeta) and node.attr in enumeration.__members__):
            return None
        members = list(enumeration.__members__)
        following = members[(members.index(node.attr) + 1) % len(members)]
        return None if following == node.attr else ast.Attribute(node.value, following, ast.Load())

    def operator(self, node: ast.BinOp | ast.AugAssign, place: _Place) -> None:
        left = node.left if isinstance(node, ast.BinOp) else None
        if isinstance(left, ast.JoinedStr) or isinstance(getattr(left, "value", None), str):
            return  # text joined to text
        other = _COMPUTED[type(node.op)]()
        self.add(_Slot(node, "op"), other, place, f"{_change(node.op, other)} in `{_words(node)}`")

    def without(self, slot: _Slot, place: _Place) -> None:
        """Each row of a table, member of a set and keyword argument left out."""
        node = slot.node
        if isinstance(node, ast.Call):
            for at, keyword in enumerate(node.keywords):
                if keyword.arg not in {None, "strict"} and place.function is not None:
                    call = ast.Call(node.func, node.args, _less(node.keywords, at))
                    self.add(slot, call, place, f"without {_words(keyword)}")
        elif isinstance(node, ast.Dict):
            for at, key in enumerate(node.keys):
                rest = ast.Dict(_less(node.keys, at), _less(node.values, at))
                self.add(slot, rest, place, f"without {_words(key) if key else '**'}")
        elif _is_table(node, slot, place):
            for at, item in enumerate(node.elts):
                self.add(slot, _of_items(node, _less(node.elts, at)), place, f"without {_words(item)}")


def _other_logic(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for other in _COMPARED[type(op)]:
                ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
                yield ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for at in range(len(node.values)):
            rest = _less(node.values, at)
            yield ast.BoolOp(node.op, rest) if len(rest) > 1 else rest[0]
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.comprehension):
        for at in range(len(node.ifs)):
            yield ast.comprehension(node.target, node.iter, _less(node.ifs, at), node.is_async)


def _other_values(value: object, *, prose: bool) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
        if value:
            yield value - 1
    elif isinstance(value, float):
        yield value * _FLOAT_FACTOR if value else 1.0
    elif isinstance(value, bytes):
        yield value + b"\1"
    elif isinstance(value, str) and not prose and " " not in value:
        yield value + "X"


@functools.lru_cache(maxsize=4)
def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _less(items: list[_T], at: int) -> list[_T]:
    return [*items[:at], *items[at + 1 :]]


def _is_table(node: ast.AST, slot: _Slot, place: _Place) -> bool:
    if isinstance(slot.parent, ast.Subscript):
        return False
    if isinstance(node, ast.Tuple) and place.function is not None:
        return False  # a record: its reader knows its length
    return isinstance(node, ast.Set) or (
        isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load)
    )


def _of_items(node: ast.AST, items: list[ast.expr]) -> ast.AST:
    if isinstance(node, ast.Set) and items:
        return ast.Set(items)
    return ast.List(items, ast.Load()) if isinstance(node, ast.List) else ast.Tuple(items, ast.Load())


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _acts(node: ast.stmt) -> bool:
    """Whether the function goes on without this statement, and something is not done."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Attribute | ast.Subscript) and node.value is not None
    return isinstance(node, ast.Expr | ast.AugAssign | ast.Delete | ast.Return | ast.Raise)


def _is_return_of_none(node: ast.stmt) -> bool:
    return isinstance(node, ast.Return) and (node.value is None or _words(node.value) == "None")


def _defined(node: ast.stmt) -> tuple[str, ...]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", ast.Pass())]
    return tuple(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


def _header(node: ast.stmt) -> range:
    """The lines of a statement without the statements in it."""
    inner = getattr(node, "body", None) or getattr(node, "cases", None)
    if not inner:
        return range(node.lineno, (node.end_lineno or node.lineno) + 1)
    first = inner[0] if isinstance(inner[0], ast.stmt) else inner[0].pattern
    return range(node.lineno, max(node.lineno + 1, first.lineno))


def _change(old: ast.AST, new: ast.AST) -> str:
    return f"`{_words(old)}` -> `{_words(new)}`"


def _words(node: ast.AST) -> str:
    if isinstance(node, ast.cmpop | ast.operator | ast.boolop | ast.unaryop):
        return type(node).__name__
    text = " ".join(ast.unparse(node).split()).replace("`", "'")
    return text if len(text) <= _WORDS_MAX else text[: _WORDS_MAX - 3] + "..."
