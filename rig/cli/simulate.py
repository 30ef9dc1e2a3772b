"""`picolase simulate`: one whole-stack run of a scenario, in virtual time, from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from controller.cli.app import json_option
from rig.cli.firmware import firmware_option


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all chance (default: the scenario's own).")
@click.option("--record", type=click.Path(path_type=Path), help="Record the laser's side into this new file.")
@firmware_option()
@json_option
def simulate(scenario: Path, **given: Any) -> None:
    """Run daemon, line, firmware and plant through SCENARIO in virtual time, and judge by the plant's truth.

    The same seed gives the same bytes: `trace_sha256` sums up the line's traffic, the light and the records.
    Ends with 1 when a promise was broken, or when a fault that was expected never fired.
    """
    from rig.cli.simulating import play  # noqa: PLC0415 # --help does not load the whole stack

    play(scenario, **given)
