"""`picolase campaign`: many whole-stack runs with random faults and people, on all cores or a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from controller.cli.app import json_option
from rig.cli.firmware import firmware_option

SEEDS: Final = 100
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
def campaign(*, merge: tuple[Path, ...], code: str | None, **given: Any) -> None:
    """Run a scenario under many seeds, with random faults and people in each, and check every promise.

    Results are kept in --out by scenario, faults, seed, firmware and code: what is there is not run again,
    shards and other machines' results add up with --merge if they are of the same code. The first violation
    of each promise is shrunk to the least that still fails, and written as a scenario that `picolase
    simulate` replays. Ends with 1 when a promise was broken, or when a fault that was expected never fired.
    """
    if code is not None and not merge:
        raise click.UsageError("--code chooses among the results that --merge adds up: give --merge too.")
    from rig.cli.campaigning import Given, carry_out  # noqa: PLC0415 # --help does not load the whole stack

    carry_out(Given(merge=merge, code=code, **given))
