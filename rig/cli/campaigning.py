"""What `picolase campaign` does: runs or merges, reports, and shrinks what broke a promise."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from controller.cli.app import note, print_json
from controller.cli.exits import CommandFailed, Exit
from rig.campaign import Shard, jobs_of, run
from rig.cli.firmware import needed
from rig.code_hash import code_hash
from rig.report import MissingError, ReportError, as_json, write, write_page
from rig.result import Kept
from rig.results import CampaignError, Results
from rig.scenario import read_scenario
from rig.script import Script
from rig.stack import PLAN
from rig.totals import Totals, totals
from rig.violation import shrink_and_write
from rig.workers import Dask, Processes, Workers, WorkersError, cores

TITLE: Final = "picolase campaign"
TELL_S: Final = 5.0  # [C] how often the progress is told
SHRUNK_MAX: Final = 5  # [C] violations that are shrunk; the rest can be asked for by their seeds


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """The options of the command."""

    seeds: int
    first_seed: int
    workers: str
    scenario: Path | None
    firmware: str
    calm: bool
    dask: str | None
    shard: str
    out: Path
    merge: tuple[Path, ...]
    code: str | None
    no_shrink: bool
    as_json: bool


def carry_out(given: Given) -> None:
    """All of it; CommandFailed when it cannot be, or when a promise was broken."""
    out = given.out
    try:
        results, keys, workers_lost = _merged(given) if given.merge else _run(given)
        ours = [results[key] for key in keys]
        sums = totals(ours)
        sums.workers_lost = workers_lost
        files = write(out, ours, sums, TITLE)
        try:
            files.append(write_page(out, ours, sums, TITLE))
        except MissingError as error:
            note(f"no page: {error}")
    except (CampaignError, WorkersError, ReportError) as error:
        raise CommandFailed(Exit.BAD_INPUT, f"{error}.") from error
    except KeyboardInterrupt:
        note(f"what was done is kept in {out}: the same command goes on from there")
        raise
    if not given.no_shrink:
        with needed():
            files += _shrink(ours, out / "violations")
    if given.as_json:
        print_json(as_json(ours, sums))
    else:
        _tell(sums)
    for file in files:
        note(f"written: {file}")
    if not sums.good:
        raise CommandFailed(
            Exit.FAILED,
            f"{sums.violations} violations; {sums.idle_faults} faults that were expected never fired.",
        )


def _merged(given: Given) -> tuple[Results, list[str], int]:
    """What adds up, without running anything."""
    share = Shard.parse(given.shard)
    results = Results(given.out, share.name)
    before = len(results)
    keys = results.merge(given.merge, given.code)
    note(f"{len(results) - before} results are new")
    return results, keys, 0


def _run(given: Given) -> tuple[Results, list[str], int]:
    """Results with those that were missing, the keys of what was asked for, and how many workers it cost."""
    share = Shard.parse(given.shard)
    script = _script(given.scenario)
    results = Results(given.out, share.name)
    seeds = share.seeds(given.first_seed, given.seeds)
    jobs = jobs_of(script, seeds, chaos=not given.calm, firmware=given.firmware)
    with needed(given.firmware), _workers(given.workers, given.dask) as workers, results.alone():
        progress = _Progress(len(seeds), {result.key for result in results}, workers)
        keys = run(jobs, results, workers, on_result=progress.add)
    return results, keys, workers.workers_lost


def _script(file: Path | None) -> Script:
    if file is None:
        return Script(
            name="a treatment, and anything that can happen", duration_s=60.0, plan=PLAN, operator="random"
        )
    loaded = read_scenario(file)
    if not loaded.hosted:
        raise CampaignError(f"{file}: has no part for the host: add a table [host] with the plan")
    return loaded.script


def _workers(count: str, dask: str | None) -> Workers:
    if dask is not None:
        return Dask(dask)
    if count != "auto" and not count.isdecimal():
        raise WorkersError(f"--workers {count!r}: give a number, or auto for one a core")
    return Processes(cores() if count == "auto" else int(count))


class _Progress:
    """Tells how far it is, now and then, on standard error."""

    def __init__(self, planned: int, there: Container[str], workers: Workers) -> None:
        self._planned = planned
        self._there = there
        self._workers = workers
        self._done = self._found = self._violations = 0
        self._simulated_s = 0.0
        self._began_s = self._told_s = time.monotonic()

    def add(self, result: Kept) -> None:
        """One more."""
        self._done += 1
        self._violations += len(result.violations)
        if result.key in self._there:
            self._found += 1
        else:
            self._simulated_s += result.simulated_s
        for one in result.violations:
            note(f"VIOLATION of {one.invariant}, seed {result.seed}: {one.text}")
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_S or self._done == self._planned:
            self._told_s = now_s
            note(self._words(now_s))

    def _words(self, now_s: float) -> str:
        words = f"{self._done} of {self._planned} runs"
        if self._found:
            words += f" ({self._found} were there)"
        words += f", {self._violations} violations"
        if lost := self._workers.workers_lost:
            words += f", {lost} worker{'s' if lost > 1 else ''} lost and replaced"
        if self._done > self._found:
            words += f", {self._simulated_s / max(1e-9, now_s - self._began_s):.0f} simulated s per s"
        return words


def _shrink(results: list[Kept], folder: Path) -> list[Path]:
    """The first of each kind of violation, shrunk and written; this code can shrink only its own."""
    files: list[Path] = []
    seen: set[str] = set()
    for result in results:
        for violation in result.violations:
            name = violation.invariant
            if name in seen or len(seen) >= SHRUNK_MAX or not result.trace_sha256:
                continue
            if result.code != code_hash():
                note(f"not shrunk: these are results of code {result.code}, and this is {code_hash()}")
                return files
            seen.add(name)
            note(f"shrinking {name}, seed {result.seed} ...")
            files.append(shrink_and_write(result, name, folder))
    return files


def _tell(sums: Totals) -> None:
    figures = (
        "code", "seeds", "simulated_s", "wall_s", "turn_ms_max", "pulses", "violations", "faults_fired",
        "workers_lost",
    )  # fmt: skip
    for name in figures:
        value = getattr(sums, name)
        click.echo(f"{name:<14} {value:.1f}" if isinstance(value, float) else f"{name:<14} {value}")
    for name, count in sorted(sums.invariants.items()):
        click.echo(f"  {name}: broken {count} times")
    for name, count in sorted(sums.excused.items()):
        click.echo(f"  {name}: excused in {count} runs")
