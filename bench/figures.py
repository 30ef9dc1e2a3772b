"""A figure: one quantity, measured several times in one run, and the table of all of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from rich.console import Console
from rich.table import Table

HEADINGS: Final = ("figure", "median", "least", "most", "unit", "goal")


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in each repeat; `goal` as DESIGN has it, empty where it has none."""

    name: str
    unit: str
    values: tuple[float, ...]
    goal: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        numbers = (statistics.median(self.values), min(self.values), max(self.values))
        return (self.name, *map(_short, numbers), self.unit, self.goal)


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one measurement; `notes` say what was left out and why."""

    title: str
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    began_s = perf_counter()
    work()
    return perf_counter() - began_s


def worked(work: Callable[[], object]) -> float:
    """Seconds of processor time that `work` takes: what else runs on the machine does not count."""
    began_s = process_time()
    work()
    return process_time() - began_s


def worked_by(pid: int) -> float:
    """Seconds of processor time that a process has used so far, where the system tells."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Iterable[float], percent: int) -> float:
    """The value that so many per cent of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load_before": f"{os.getloadavg()[0]:.1f}",
    }


def show(groups: Sequence[Group], about: dict[str, str], *, markdown: bool) -> None:
    """Print everything, for people or as Markdown."""
    if markdown:
        _print_markdown(groups, about)
        return
    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in about.items()))
    for group in groups:
        table = Table(*HEADINGS, title=group.title, title_justify="left")
        for figure in group.figures:
            table.add_row(*figure.cells)
        console.print(table) if group.figures else console.print(group.title)
        for note in group.notes:
            console.print(f"  {note}", markup=False, highlight=False)


def write(path: Path, groups: Sequence[Group], about: dict[str, str]) -> None:
    """Write everything measured to `path`."""
    told: dict[str, Any] = {"machine": about, "groups": {}}
    for group in groups:
        figures = {
            figure.name: {"unit": figure.unit, "goal": figure.goal, "values": list(figure.values)}
            for figure in group.figures
        }
        told["groups"][group.title] = {"figures": figures, "notes": list(group.notes)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _print_markdown(groups: Sequence[Group], about: dict[str, str]) -> None:
    out = sys.stdout.write
    out(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    for group in groups:
        out(f"\n### {group.title}\n\n")
        if group.figures:
            out(f"| {' | '.join(HEADINGS)} |\n|{' --- |' * len(HEADINGS)}\n")
        for figure in group.figures:
            out(f"| {' | '.join(figure.cells)} |\n")
        for note in group.notes:
            out(f"\n    {note}")
        out("\n" if group.notes else "")


def _short(number: float) -> str:
    """Three digits that count."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004


def _processor() -> str:
    """The processor's model, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")
