"""`picolase campaign`: many whole-stack runs with random faults and people, on all cores or a cluster."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from controller.cli.app import json_option, note, print_json
from controller.cli.exits import CommandFailed, Exit
from rig.cli.firmware import firmware_option, needed

if TYPE_CHECKING:
    from rig.campaign import Totals
    from rig.results import Results
    from rig.script import Script
    from rig.workers import Workers

TITLE: Final = "picolase campaign"
SEEDS: Final = 100
TELL_S: Final = 5.0  # [C] how often the progress is told
SHRUNK_MAX: Final = 5  # [C] violations that are shrunk; the rest can be asked for by their seeds
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS, show_default=True, help="How many runs.")
@click.option(
    "--first-seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed."
)
@click.option(
    "--workers", default="auto", show_default=True, metavar="N|auto", help="Processes; auto: one a core."
)
@click.option("--scenario", type=click.Path(path_type=Path), help="What is run (default: a treatment, 60 s).")
@firmware_option("Firmware of the lasers")
@click.option("--calm", is_flag=True, help="Add no random faults and events to the scenario's own.")
@click.option("--dask", metavar="tcp://HOST:PORT", help="Let this Dask cluster do the runs.")
@click.option(
    "--shard", default="1/1", show_default=True, metavar="i/n", help="Only every n-th seed, from the i-th."
)
@click.option(
    "--out", type=_FOLDER, default=Path("campaign"), show_default=True, help="Where results are kept."
)
@click.option(
    "--merge", type=_FOLDER, multiple=True, metavar="DIR", help="Run nothing: add up these into --out."
)
@click.option("--code", metavar="HASH", help="With --merge: only results of this code.")
@click.option("--no-shrink", is_flag=True, help="Do not look for the least schedule that still fails.")
@json_option
def campaign(
    *,
    seeds: int,
    first_seed: int,
    workers: str,
    scenario: Path | None,
    firmware: str,
    calm: bool,
    dask: str | None,
    shard: str,
    out: Path,
    merge: tuple[Path, ...],
    code: str | None,
    no_shrink: bool,
    as_json: bool,
) -> None:
    """Run a scenario under many seeds, with random faults and people in each, and check every promise.

    Results are kept in --out by scenario, faults, seed, firmware and code: what is there is not run again,
    shards and other machines' results add up with --merge if they are of the same code. The first violation
    of each promise is shrunk to the least that still fails, and written as a scenario that `picolase
    simulate` replays. Ends with 1 when a promise was broken, or when a fault that was expected never fired.
    """
    if code is not None and not merge:
        raise click.UsageError("--code chooses among the results that --merge adds up: give --merge too.")
    from rig import campaign as campaigns  # noqa: PLC0415 # so that --help does not load the whole stack
    from rig.report import MissingError, ReportError, write, write_page  # noqa: PLC0415 # as above
    from rig.results import CampaignError, Results  # noqa: PLC0415 # as above
    from rig.workers import WorkersError  # noqa: PLC0415 # as above

    try:
        share = campaigns.Shard.parse(shard)
        script = _script(scenario)
        results = Results(out, f"{share.part}of{share.parts}")
        if merge:
            before = len(results)
            keys = results.merge(merge, code)
            note(f"{len(results) - before} results are new")
        else:
            jobs = campaigns.jobs_of(
                script, share.seeds(first_seed, seeds), chaos=not calm, firmware=firmware
            )
            planned = len(range(first_seed + share.part - 1, first_seed + seeds, share.parts))
            progress = _Progress(planned, there={result["key"] for result in results})
            with needed(firmware), _workers(workers, dask) as hands, results.alone():
                keys = campaigns.run(jobs, results, hands, on_result=progress.add)
        ours = [results[key] for key in keys]
        sums = campaigns.totals(ours)
        files = write(out, ours, TITLE)
        try:
            files.append(write_page(out, ours, TITLE))
        except MissingError as error:
            note(f"no page: {error}")
    except (CampaignError, WorkersError, ReportError) as error:
        raise CommandFailed(Exit.BAD_INPUT, f"{error}.") from error
    except KeyboardInterrupt:
        note(f"what was done is kept in {out}: the same command goes on from there")
        raise
    if not no_shrink:
        with needed():
            files += _shrink(results, keys, out / "violations")
    if as_json:
        from rig.report import as_json as told  # noqa: PLC0415 # as above

        print_json(told(ours, sums))
    else:
        _tell(sums)
    for file in files:
        note(f"written: {file}")
    if not sums.good:
        raise CommandFailed(
            Exit.FAILED,
            f"{sums.violations} violations; {sums.idle_faults} faults that were expected never fired.",
        )


def _script(file: Path | None) -> Script:
    from rig.results import CampaignError  # noqa: PLC0415 # as above
    from rig.scenario import read_scenario  # noqa: PLC0415 # as above
    from rig.script import Script  # noqa: PLC0415 # as above
    from rig.stack import PLAN  # noqa: PLC0415 # as above

    if file is None:
        return Script(
            name="a treatment, and anything that can happen", duration_s=60.0, plan=PLAN, operator="random"
        )
    loaded = read_scenario(file)
    if not loaded.hosted:
        raise CampaignError(f"{file}: has no part for the host: add a table [host] with the plan")
    return loaded.script


def _workers(count: str, dask: str | None) -> Workers:
    from rig.workers import Dask, Processes, WorkersError, cores  # noqa: PLC0415 # as above

    if dask is not None:
        return Dask(dask)
    if count != "auto" and not count.isdecimal():
        raise WorkersError(f"--workers {count!r}: give a number, or auto for one a core")
    return Processes(cores() if count == "auto" else int(count))


class _Progress:
    """Tells how far it is, now and then, on standard error."""

    def __init__(self, planned: int, there: Container[str]) -> None:
        self._planned = planned
        self._there = there
        self._done = self._found = self._violations = 0
        self._simulated_s = 0.0
        self._began_s = self._told_s = time.monotonic()

    def add(self, result: Mapping[str, Any]) -> None:
        """One more."""
        self._done += 1
        self._violations += len(result["violations"])
        if result["key"] in self._there:
            self._found += 1
        else:
            self._simulated_s += result["simulated_s"]
        for one in result["violations"]:
            note(f"VIOLATION of {one['invariant']}, seed {result['seed']}: {one['text']}")
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_S or self._done == self._planned:
            self._told_s = now_s
            words = f"{self._done} of {self._planned} runs"
            if self._found:
                words += f" ({self._found} were there)"
            words += f", {self._violations} violations"
            if self._done > self._found:
                words += f", {self._simulated_s / max(1e-9, now_s - self._began_s):.0f} simulated s per s"
            note(words)


def _shrink(results: Results, keys: list[str], folder: Path) -> list[Path]:
    """The first of each kind of violation, shrunk and written; this code can shrink only its own."""
    from rig.code_hash import code_hash  # noqa: PLC0415 # as above
    from rig.violation import shrink_and_write  # noqa: PLC0415 # as above

    files: list[Path] = []
    seen: set[str] = set()
    for key in keys:
        result = results[key]
        for violation in result["violations"]:
            if violation["invariant"] in seen or len(seen) >= SHRUNK_MAX or not result["trace_sha256"]:
                continue
            if result["code"] != code_hash():
                note(f"not shrunk: these are results of code {result['code']}, and this is {code_hash()}")
                return files
            seen.add(violation["invariant"])
            note(f"shrinking {violation['invariant']}, seed {result['seed']} ...")
            files.append(shrink_and_write(result, violation["invariant"], folder))
    return files


def _tell(sums: Totals) -> None:
    figures = "code", "seeds", "simulated_s", "wall_s", "turn_ms_max", "pulses", "violations", "faults_fired"
    for name in figures:
        value = getattr(sums, name)
        click.echo(f"{name:<14} {value:.1f}" if isinstance(value, float) else f"{name:<14} {value}")
    for name, count in sorted(sums.invariants.items()):
        click.echo(f"  {name}: broken {count} times")
    for name, count in sorted(sums.excused.items()):
        click.echo(f"  {name}: excused in {count} runs")
