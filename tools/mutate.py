"""Mutation testing of safety/ and protocols/: `python -m tools.mutate [MODULE...] [--jobs N] [--sample N]`.

Theory of operation. One run of the tests under coverage tells which test enters which line (`Map`). Each
mutant is then given to the tests that enter its line, the quickest first, until one fails. A change inside
a function is made in a process that has collected all tests already: it forks, the child's function gets
the changed code. A change outside, or in a function that runs while modules are imported, needs a process
that imported nothing of the project: its child imports the changed module. No file of the tree is written
but the results, one line for each mutant, so that a run that was ended goes on where it stood; a result
holds as long as the function or table that was changed is the same.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import json
import os
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.mutants import Mutant, mutants_of
from tools.mutation_map import ROOMS, Map, load_plugins
from tools.mutation_runs import ALIVE, Bench, Outcome, Report, judge_inside, judge_outside

Judge = Callable[[Bench, list[Mutant], Report], None]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "mutation"
TESTS = ("tests/safety", "tests/protocols")
# What decides on light comes first, then the record, the plan, the limits; the rest by name.
FIRST = (
    *("supervisor", "gate", "permits", "judgement", "freshness", "latches", "sequence", "known", "course"),
    *("limits", "audit", "checkpoints", "plan", "presets", "exposure"),
)


def main(arguments: list[str] | None = None) -> int:
    """Judge the mutants that were not judged yet; exit status 1 if any survived."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate")
    parser.add_argument(
        "modules", nargs="*", help="safety/gate.py ...; all of safety/ and protocols/ if none"
    )
    parser.add_argument("--kind", choices=["all", "inside", "outside"], default="all", help="of functions")
    parser.add_argument("--sample", type=int, help="only so many of the mutants, drawn by --seed")
    parser.add_argument("--seed", default="picolase", help="of the sample")
    parser.add_argument("--again", action="store_true", help="judge those anew that survived")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="files or folders with the tests")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the map and the results")
    options = parser.parse_args(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    # Every child imports the tests: compiled once, whatever the environment says, and out of the tree's way.
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(options.results.resolve() / "compiled")
    load_plugins()
    tests = Map.of(options.results / "map.json", options.tests, ROOT)
    trees: dict[str, ast.Module] = {}
    wanted: list[Mutant] = []
    for module in options.modules or modules():
        trees[module], mutants = mutants_in(module)
        wanted += mutants
    if options.sample is not None and options.sample < len(wanted):
        numbers = random.Random(options.seed).sample(range(len(wanted)), options.sample)  # noqa: S311
        wanted = [wanted[number] for number in sorted(numbers)]
    known = results_of(wanted, options.results)
    todo = [
        mutant
        for mutant in wanted
        if mutant.key not in known or (options.again and known[mutant.key]["status"] in ALIVE)
    ]
    inside = [mutant for mutant in todo if tests.is_swappable(mutant) and options.kind != "outside"]
    outside = [mutant for mutant in todo if not tests.is_swappable(mutant) and options.kind != "inside"]
    bench = Bench(ROOT, trees, tests, options.tests, options.results / "tmp")
    for judge, mutants in ((judge_inside, inside), (judge_outside, outside)):
        _in_processes(options.jobs, judge, mutants, bench, options.results)
    known = results_of(wanted, options.results)
    print(f"{len(known)} of {len(wanted)} judged: {dict(Counter(one['status'] for one in known.values()))}")
    survivors = [mutant for mutant in wanted if known.get(mutant.key, {}).get("status") in ALIVE]
    for mutant in survivors:
        print(f"{mutant.module}:{mutant.line}: {mutant.key.partition(':')[2]}")
    return 1 if survivors else 0


def modules() -> list[str]:
    """All modules, in the order in which they are judged."""

    def rank(module: str) -> tuple[bool, int, str]:
        places = [at for at, first in enumerate(FIRST) if Path(module).stem.startswith(first)]
        return module.startswith("protocols"), min(places, default=len(FIRST)), module

    found = (path.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).glob("*.py"))
    return sorted((module for module in found if not module.endswith("__init__.py")), key=rank)


def mutants_in(module: str) -> tuple[ast.Module, list[Mutant]]:
    """The tree and the mutants of one module."""
    imported = importlib.import_module(module.removesuffix(".py").replace("/", "."))
    return mutants_of(module, (ROOT / module).read_text(encoding="utf-8"), vars(imported))


def results_of(mutants: list[Mutant], folder: Path) -> dict[str, dict[str, Any]]:
    """The newest result of each mutant, by its key, as far as the text that was changed is still the same."""
    wanted = {mutant.key: mutant.fingerprint for mutant in mutants}
    known: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("results*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            result = json.loads(line)
            key = result["key"]
            if wanted.get(key) == result["fingerprint"] and known.get(key, result)["at"] <= result["at"]:
                known[key] = result
    return known


def _in_processes(jobs: int, judge: Judge, mutants: list[Mutant], bench: Bench, results: Path) -> None:
    children = []
    for job in range(jobs):
        child = os.fork()
        if not child:
            own = dataclasses.replace(bench, own=results / f"tmp-{judge.__name__}{job}")
            try:
                _work(judge, mutants[job::jobs], own, results / f"results-{judge.__name__}{job}.jsonl")
            except BaseException:  # noqa: BLE001 - told, and the whole run fails
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        raise SystemExit("a process that judged mutants failed")


def _work(judge: Judge, mutants: list[Mutant], bench: Bench, results: Path) -> None:
    with results.open("a", encoding="utf-8") as file:

        def report(outcome: Outcome) -> None:
            mutant = outcome.mutant
            result = {
                "key": mutant.key,
                "module": mutant.module,
                "line": mutant.line,
                "fingerprint": mutant.fingerprint,
                "status": outcome.status,
                "by": outcome.by,
                "seconds": round(outcome.seconds, 2),
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }
            print(json.dumps(result), file=file, flush=True)

        _forget_imports()
        judge(bench, mutants, report)


def _forget_imports() -> None:
    """As if nothing of the project, nor its tests, had been imported."""
    rooms = {*ROOMS, *(path.name for path in ROOT.iterdir() if path.is_dir())} - {"tools"}
    for name in [name for name in sys.modules if name.partition(".")[0] in rooms]:
        del sys.modules[name]


if __name__ == "__main__":
    sys.exit(main())
