"""Runs of code on values that are not known, one for each way through it.

Theory of operation. Where the code must know a truth value, the run splits: `explore` runs the code once for
each way, with what that way assumes added to the solver, and never follows a way that nothing satisfies. So
the paths that come out cover every value that the unknowns can have, each exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import z3

PATHS_MAX: Final = 20_000
"""A proof that needs more is asked the wrong way."""


class Splits(Exception):
    """Raised while an operand is only looked at: it would split the run, or change something."""


class Impossible(Exception):
    """Raised where nothing satisfies what is assumed: this run does not count."""


@dataclass
class Path:
    """One way through the code: what it assumes, and what it gave."""

    conditions: list[Any]
    result: Any


class Run:
    """The run that is under way."""

    def __init__(self, solver: z3.Solver, prefix: list[bool]) -> None:
        self.solver = solver
        self.prefix = prefix
        self.taken: list[bool] = []
        self.other_ways: list[list[bool]] = []
        self.conditions: list[Any] = []
        self.looking = 0

    def assume(self, term: Any) -> None:
        """From here on only values with this."""
        self.conditions.append(term)
        self.solver.add(term)

    def decide(self, term: Any) -> bool:
        """Which way the run goes."""
        term = z3.simplify(term)
        if z3.is_true(term) or z3.is_false(term):
            return bool(z3.is_true(term))
        if self.looking:
            return self._forced(term)
        at = len(self.taken)
        if at < len(self.prefix):
            way = self.prefix[at]
        else:
            way = self.solver.check(term) != z3.unsat
            if way and self.solver.check(z3.Not(term)) != z3.unsat:
                self.other_ways.append([*self.taken, False])
        self.taken.append(way)
        self.assume(term if way else z3.Not(term))
        return way

    def _forced(self, term: Any) -> bool:
        """The way that what is assumed already leaves; none is taken here."""
        if self.solver.check(term) == z3.unsat:
            return False
        if self.solver.check(z3.Not(term)) == z3.unsat:
            return True
        raise Splits


_runs: list[Run] = []


def run() -> Run:
    """The run under way."""
    return _runs[-1]


def explore(act: Callable[[], Any]) -> list[Path]:
    """Every path of `act`, which is called once for each and must begin with the same unknowns each time."""
    solver = z3.Solver()
    paths: list[Path] = []
    waiting: list[list[bool]] = [[]]
    while waiting:
        this = Run(solver, waiting.pop())
        solver.push()
        _runs.append(this)
        try:
            paths.append(Path(this.conditions, act()))
        except Impossible:
            pass
        finally:
            _runs.pop()
            solver.pop()
        waiting += this.other_ways
        if len(paths) > PATHS_MAX:
            raise RuntimeError(f"more than {PATHS_MAX} paths")
    return paths


def look(operand: Callable[[], Any], where: Any) -> Any:
    """The operand where that holds, had without splitting the run; raises Splits if that is not possible."""
    this = run()
    this.looking += 1
    this.solver.push()
    this.solver.add(where)
    try:
        return operand()
    finally:
        this.solver.pop()
        this.looking -= 1


def effect() -> None:
    """Something is changed here: not while an operand is only looked at."""
    if _runs and run().looking:
        raise Splits
