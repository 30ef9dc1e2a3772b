"""The project's own modules, recompiled so that every operator of theirs takes values that are not known.

Theory of operation. Python lets a value answer for `+` and `<`, but not for `and`, `or`, `not`, `is`, `in`
and the choice between two expressions: these ask for a truth value at once, and the run would split at each.
`Lift` puts a call in the place of each of them, and leaves everything else of the source as it is; with
values that are known the calls do what the operators do. A module is read from its file each time it is
loaded, so what is proven is proven of the text that is shipped; `edits` are defects sown into that text.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import z3

from tests.shown.paths import Splits, effect, look
from tests.shown.symbolic import Bits, Flag, Number, Unknown, bits, merged, possible_of, truth

ROOMS: Final = ("sim_device.firmware", "safety")
"""What is recompiled; what these import from elsewhere (the declarations of the wire) stays as it is."""

Operand = Callable[[], Any]


def both(*operands: Operand) -> Any:
    """`and`."""
    return _joined(operands, stops_at=False)


def either(*operands: Operand) -> Any:
    """`or`."""
    return _joined(operands, stops_at=True)


def _joined(operands: tuple[Operand, ...], *, stops_at: bool) -> Any:
    value = operands[0]()
    if len(operands) == 1:
        return value
    rest = operands[1:]
    if not isinstance(value, Unknown):
        return value if bool(value) is stops_at else _joined(rest, stops_at=stops_at)
    try:
        where = z3.Not(truth(value)) if stops_at else truth(value)
        other = look(lambda: _joined(rest, stops_at=stops_at), where)
    except Splits:
        return value if bool(value) is stops_at else _joined(rest, stops_at=stops_at)
    if not isinstance(other, bool | Unknown):
        return value if bool(value) is stops_at else other
    joined = z3.Or if stops_at else z3.And
    return Flag(joined(truth(value), truth(other)))


def negated(value: Any) -> Any:
    """`not`."""
    return Flag(z3.Not(truth(value))) if isinstance(value, Unknown) else not value


def chosen(condition: Any, one: Operand, other: Operand) -> Any:
    """`one if condition else other`."""
    if not isinstance(condition, Unknown):
        return one() if condition else other()
    try:
        holds = truth(condition)
        return merged(holds, look(one, holds), look(other, z3.Not(holds)))
    except Splits:
        return one() if bool(condition) else other()


def same(one: Any, other: Any) -> Any:
    """`is`."""
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return False if one is None or other is None else one == other
    return one is other


def equal(one: Any, other: Any) -> Any:
    """`==`, of tuples too."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and both(lambda: True, *(_later(equal, *pair) for pair in pairs))
    return one == other


def within(value: Any, container: Any) -> Any:
    """`in`."""
    if isinstance(value, Unknown) and isinstance(container, tuple | list | frozenset | set):
        return either(lambda: False, *(_later(equal, value, item) for item in container))
    return value in container


def _later(act: Callable[..., Any], *arguments: Any) -> Operand:
    return lambda: act(*arguments)


def as_truth(value: Any = False) -> Any:
    """`bool`."""
    return Flag(truth(value)) if isinstance(value, Unknown) else bool(value)


def as_number(*value: Any) -> Any:
    """`int`."""
    if value and isinstance(value[0], Flag):
        return Number(z3.If(value[0].term, 1, 0))
    return value[0] if value and isinstance(value[0], Number) else int(*value)


def least(*values: Any, **more: Any) -> Any:
    """`min`."""
    return _best(lambda new, old: new < old, min, values, more)


def most(*values: Any, **more: Any) -> Any:
    """`max`."""
    return _best(lambda new, old: new > old, max, values, more)


def _best(better: Callable[[Any, Any], Any], builtin: Any, values: tuple[Any, ...], more: Any) -> Any:
    items = list(values[0] if len(values) == 1 else values)
    if not any(isinstance(item, Unknown) for item in items):
        return builtin(items, **more)
    best = items[0]
    for item in items[1:]:
        best = chosen(better(item, best), _later(lambda x: x, item), _later(lambda x: x, best))
    return best


def size_of(value: Any) -> Any:
    """`abs`."""
    return chosen(value < 0, lambda: -value, lambda: value)


def any_of(values: Iterable[Any]) -> Any:
    """`any`, which looks at all of them."""
    return either(lambda: False, *(_later(as_truth, value) for value in values))


def all_of(values: Iterable[Any]) -> Any:
    """`all`, which looks at all of them."""
    return both(lambda: True, *(_later(as_truth, value) for value in values))


def sum_of(values: Iterable[Any]) -> Any:
    """`sum`; of masks that share no bit it is their union."""
    total: Any = 0
    taken = 0
    for value in values:
        known = isinstance(total, int) and isinstance(value, int)
        masks = isinstance(value, int) or (isinstance(value, Number) and value.mask is not None)
        if not known and masks and isinstance(total, Bits | int) and not taken & possible_of(value):
            total = Bits(bits(total) | bits(value))
        else:
            total = total + value
        taken = total if known else taken | possible_of(value)
    return total


_CALLS: Final = {
    "sum": sum_of,
    "bool": as_truth,
    "int": as_number,
    "min": least,
    "max": most,
    "abs": size_of,
    "any": any_of,
    "all": all_of,
}
_HELPERS: Final = {
    "_lifted_both": both,
    "_lifted_either": either,
    "_lifted_negated": negated,
    "_lifted_chosen": chosen,
    "_lifted_same": same,
    "_lifted_equal": equal,
    "_lifted_within": within,
    "_lifted_effect": effect,
    **{f"_lifted_{name}": function for name, function in _CALLS.items()},
}
_PLAIN: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


class Lift(ast.NodeTransformer):
    """Puts calls in the place of what no value can answer for."""

    def __init__(self) -> None:
        self._assigned: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        before, self._assigned = (
            self._assigned,
            {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)},
        )
        self.generic_visit(node)
        self._assigned = before
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node)):
            return node
        self.generic_visit(node)
        name = "_lifted_both" if isinstance(node.op, ast.And) else "_lifted_either"
        return _call(name, *(_operand(value) for value in node.values))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call("_lifted_negated", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        return _call("_lifted_chosen", node.test, _operand(node.body), _operand(node.orelse))

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node)):
            return node
        self.generic_visit(node)
        sides = [node.left, *node.comparators]  # looked at twice in a chain: none of them has an effect
        links = [_compared(op, sides[at], sides[at + 1]) for at, op in enumerate(node.ops)]
        return links[0] if len(links) == 1 else _call("_lifted_both", *map(_operand, links))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "sum" and _filtered(node.args):
            comprehension = node.args[0]
            assert isinstance(comprehension, ast.GeneratorExp)
            (loop,) = comprehension.generators
            (condition,) = loop.ifs
            loop.ifs = []
            comprehension.elt = ast.IfExp(condition, comprehension.elt, ast.Constant(0))
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            node.func = ast.Name(f"_lifted_{node.func.id}", ast.Load())
        return node

    def visit_If(self, node: ast.If) -> Any:
        """A branch that only gives one local name another value becomes a choice between the two."""
        before = frozenset(self._assigned)
        self.generic_visit(node)
        merging = self._merging(node, before)
        if merging is None:
            return node
        name, one, other = merging
        self._assigned.add(name)
        choice = _call("_lifted_chosen", node.test, _operand(one(node.body)), _operand(other(node.orelse)))
        return ast.Assign([ast.Name(name, ast.Store())], choice)

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        self._assigned |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        return _watched(node, node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        return _watched(node, [node.target])

    def _merging(self, node: ast.If, before: frozenset[str]) -> Any:
        names = {_only_name(node.body), _only_name(node.orelse) if node.orelse else _only_name(node.body)}
        name = names.pop()
        if name is None or names or (not node.orelse and name not in before):
            return None
        for statement in (*node.body, *node.orelse):
            if isinstance(statement, ast.AugAssign) and (
                name not in before or not isinstance(statement.op, ast.BitOr | ast.BitAnd)
            ):
                return None  # a list that is added to is not another list
        return name, lambda body: _value(body, name), lambda body: _value(body, name)


def _only_name(body: list[ast.stmt]) -> str | None:
    if len(body) != 1 or not isinstance(body[0], ast.Assign | ast.AugAssign):
        return None
    statement = body[0]
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _value(body: list[ast.stmt], name: str) -> ast.expr:
    if not body:
        return ast.Name(name, ast.Load())
    (statement,) = body
    if isinstance(statement, ast.AugAssign):
        return ast.BinOp(ast.Name(name, ast.Load()), statement.op, statement.value)
    assert isinstance(statement, ast.Assign)
    return statement.value


def _watched(node: ast.stmt, targets: list[ast.expr]) -> Any:
    changes = any(
        isinstance(inner, ast.Attribute | ast.Subscript) and isinstance(inner.ctx, ast.Store)
        for target in targets
        for inner in ast.walk(target)
    )
    return [ast.Expr(_call("_lifted_effect")), node] if changes else node


def _filtered(arguments: list[ast.expr]) -> bool:
    return bool(
        arguments
        and isinstance(arguments[0], ast.GeneratorExp)
        and len(arguments[0].generators) == 1
        and len(arguments[0].generators[0].ifs) == 1
    )


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _operand(value: ast.expr) -> ast.Lambda:
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(nothing, value)


def _compared(operator: ast.cmpop, left: ast.expr, right: ast.expr) -> ast.expr:
    match operator:
        case ast.Is():
            return _call("_lifted_same", left, right)
        case ast.IsNot():
            return _call("_lifted_negated", _call("_lifted_same", left, right))
        case ast.Eq():
            return _call("_lifted_equal", left, right)
        case ast.NotEq():
            return _call("_lifted_negated", _call("_lifted_equal", left, right))
        case ast.In():
            return _call("_lifted_within", left, right)
        case ast.NotIn():
            return _call("_lifted_negated", _call("_lifted_within", left, right))
    assert isinstance(operator, _PLAIN)
    return ast.Compare(left, [operator], [right])


@functools.lru_cache(maxsize=200)
def _code(source: str, place: str, *, lifting: bool) -> CodeType:
    tree = ast.parse(source)
    return compile(ast.fix_missing_locations(Lift().visit(tree)) if lifting else tree, place, "exec")


Edits = Mapping[str, Iterable[tuple[str, str]]]


class Lifted:
    """One set of recompiled modules; each `Lifted` has modules and classes of its own."""

    def __init__(self, edits: Edits | None = None, *, lifting: bool = True) -> None:
        """`lifting` False: the same modules from the same text, as Python compiles it."""
        self._edits = dict(edits or {})
        self._lifting = lifting
        self._modules: dict[str, ModuleType] = {}

    def module(self, name: str) -> Any:
        """The module of this name; raises AssertionError when an edit does not fit exactly once."""
        if name not in self._modules:
            self._load(name)
        return self._modules[name]

    def _load(self, name: str) -> None:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        module = self._modules[name] = ModuleType(f"lifted.{name}")
        sys.modules[module.__name__] = module  # where dataclasses look for a class's module
        module.__dict__.update(_HELPERS)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        if spec.submodule_search_locations is not None:
            return  # a package gives its modules; what it exports is not what is proven
        source = Path(spec.origin).read_text("utf-8")
        for old, new in self._edits.get(name, ()):
            assert source.count(old) == 1, f"{name}: {source.count(old)} places for {old!r}"
            source = source.replace(old, new)
        exec(_code(source, spec.origin, lifting=self._lifting), module.__dict__)  # noqa: S102 - our own source

    def _import(self, name: str, *more: Any) -> Any:
        wanted = more[2] if len(more) > 2 else ()
        if name not in ROOMS and not name.startswith(tuple(f"{room}." for room in ROOMS)):
            return builtins.__import__(name, *more)
        module = self.module(name)
        for attribute in wanted or ():
            if name in ROOMS and attribute not in vars(module):
                setattr(module, attribute, self.module(f"{name}.{attribute}"))
        return module
