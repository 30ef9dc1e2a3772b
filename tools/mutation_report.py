"""docs/safety/mutation.md, from what mutation testing found: `python -m tools.mutation_report [RESULTS]`.

With RESULTS, a folder that `tools.mutate` filled, docs/safety/mutation.json is written first: the figures
of each module and the names of the survivors. The page is made of that file and of
docs/safety/mutation.toml, in which a person says of each survivor why it may live; the page says which ones
nobody has judged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tools.mutants import Mutant
from tools.mutate import ROOT, modules, mutants_in, results_of
from tools.mutation_runs import ALIVE

SAFETY = ROOT / "docs" / "safety"
FIGURES = SAFETY / "mutation.json"
REASONS = SAFETY / "mutation.toml"
PAGE = SAFETY / "mutation.md"
GOAL_PERCENT = 95.0
KINDS = {
    "equivalent": "Equivalent: the changed code does the same",
    "harmless": "Harmless: it does something else, in a matter that no requirement speaks of",
}
HEAD = """# Mutation testing

<!-- Written by `python -m tools.mutation_report` from mutation.json and mutation.toml. Do not edit. -->

Each mutant is one small change of a module of `safety/` or `protocols/`: a bound moved by one, a condition
turned round, left out or made constant, a row of a table dropped, a member of an enumeration swapped, a
statement left out. The tests of the two rooms that enter the changed line are then run; if one fails, the
mutant is killed. What is changed and what is not says `tools/mutants.py`; how it is run and why not with
mutmut, [decision 0019](../decisions/{decision}).

    make mutation                                                # what was not judged yet, for hours
    python -m tools.mutate safety/gate.py --jobs 2               # one module
    python -m tools.mutation_report build/mutation               # writes this page

Not counted as a killer: the test that compares the generated documents with the declarations, since it
fails with every change whether it is wrong or not. Counted: the frozen hash of the wire's interface, which
is a contract. Tests marked `slow` (the enumeration of the state space) are left out as well, and Hypothesis
tries 60 examples, always the same.
"""


def main(arguments: list[str] | None = None) -> int:
    """Write or check; exit status 1 if the page is out of date, or a survivor has no reason to live."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation_report")
    parser.add_argument("results", nargs="?", type=Path, help="folder that tools.mutate filled")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the page is out of date"
    )
    options = parser.parse_args(arguments)
    if options.results is not None:
        FIGURES.write_text(json.dumps(figures(options.results), indent=1) + "\n", encoding="utf-8")
    told, said = json.loads(FIGURES.read_text(encoding="utf-8")), reasons()
    text = page(told, said)
    if options.check:
        current = PAGE.read_text(encoding="utf-8") == text
        if not current:
            print(f"{PAGE.name} is out of date: run `python -m tools.mutation_report`", file=sys.stderr)
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    unjudged = [key for row in told for key in row["survivors"] if not why(key, said)[0]]
    print(f"{PAGE.name}: {len(unjudged)} survivors for which nobody has said why they may live")
    return 1 if unjudged else 0


def figures(results: Path) -> list[dict[str, Any]]:
    """Of each module: how many mutants there are, what became of those that were judged, who survived."""
    return [_figures(module, mutants_in(module)[1], results) for module in modules()]


def _figures(module: str, mutants: list[Mutant], folder: Path) -> dict[str, Any]:
    results = results_of(mutants, folder).values()
    told = Counter(result["status"] for result in results)
    return {
        "module": module,
        "mutants": len(mutants),
        "judged": len(results),
        "killed": told["killed"] + told["timeout"],
        "by_the_clock": told["timeout"],
        "on": max((result["at"][:10] for result in results), default=""),
        "survivors": sorted(result["key"] for result in results if result["status"] in ALIVE),
    }


def reasons() -> dict[str, dict[str, str]]:
    """kind -> how a survivor's key begins -> why it may live."""
    said: dict[str, dict[str, str]] = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    return said


def why(key: str, said: dict[str, dict[str, str]]) -> tuple[str, str]:
    """Kind and reason of this survivor; empty where nobody gave one."""
    found = [(kind, start) for kind, starts in said.items() for start in starts if key.startswith(start)]
    if not found:
        return "", ""
    kind, start = max(found, key=lambda one: len(one[1]))
    return kind, said[kind][start]


def page(modules_: list[dict[str, Any]], said: dict[str, dict[str, str]]) -> str:
    """The text of the page."""
    decision = next((ROOT / "docs" / "decisions").glob("0019-*.md")).name
    lines = [HEAD.format(decision=decision), "## Figures\n"]
    lines += ["| module | mutants | judged | killed | of those judged | survivors | on |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for room in ("safety", "protocols"):
        rows = [row for row in modules_ if row["module"].startswith(room) and row["mutants"]]
        lines += [_row(f"`{row['module']}`", [row]) for row in rows]
        lines += [_row(f"**{room}/**", rows)]
    lines += [_row("**both**", [row for row in modules_ if row["mutants"]]), ""]
    rest = [row for row in modules_ if row["judged"] < row["mutants"]]
    if rest:
        names = ", ".join(f"`{row['module']}` ({row['judged']} of {row['mutants']})" for row in rest)
        lines += [f"Not, or not wholly, judged yet: {names}.\n"]
    lines += ["## Survivors\n"]
    survivors = [key for row in modules_ for key in row["survivors"]]
    judged = {key: why(key, said) for key in survivors}
    lines += ["Grouped by the reason for which they may live; a name begins with module and scope.\n"]
    for kind, title in KINDS.items():
        groups: dict[str, list[str]] = defaultdict(list)
        for key, (its_kind, reason) in judged.items():
            if its_kind == kind:
                groups[reason].append(key)
        lines += [f"### {title} ({sum(map(len, groups.values()))})\n"]
        for reason, keys in groups.items():
            lines += [f"{reason[0].upper()}{reason[1:]}.\n", *(f"- {key}" for key in keys), ""]
    left = [key for key, (kind, _) in judged.items() if not kind]
    lines += [f"### Not judged by anybody yet ({len(left)})\n", *(f"- {key}" for key in left)]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, rows: list[dict[str, Any]]) -> str:
    mutants, judged, killed = (sum(row[what] for row in rows) for what in ("mutants", "judged", "killed"))
    share = f"{100 * killed / judged:.1f} %" if judged else ""
    on = max(row["on"] for row in rows)
    return f"| {name} | {mutants:,} | {judged:,} | {killed:,} | {share} | {judged - killed} | {on} |"


if __name__ == "__main__":
    sys.exit(main())
