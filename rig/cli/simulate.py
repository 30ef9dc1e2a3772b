"""`picolase simulate`: one whole-stack run of a scenario, in virtual time, from a seed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import json_option, note, print_json
from controller.cli.exits import CommandFailed, Exit
from rig.cli.firmware import firmware_option, needed

if TYPE_CHECKING:
    from rig.simulate import Result


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all chance (default: the scenario's own).")
@click.option("--record", type=click.Path(path_type=Path), help="Record the laser's side into this new file.")
@firmware_option()
@json_option
def simulate(scenario: Path, seed: int | None, record: Path | None, firmware: str, as_json: bool) -> None:
    """Run daemon, line, firmware and plant through SCENARIO in virtual time, and judge by the plant's truth.

    The same seed gives the same bytes: `trace_sha256` sums up the line's traffic, the light and the records.
    Ends with 1 when a promise was broken, or when a fault that was expected never fired.
    """
    from rig.cli.recorder import recorded  # noqa: PLC0415 # as below
    from rig.scenario import read_scenario  # noqa: PLC0415 # so that --help does not load the whole stack
    from rig.simulate import simulate as run  # noqa: PLC0415 # as above

    loaded = read_scenario(scenario)
    if not loaded.hosted:
        raise CommandFailed(
            Exit.BAD_INPUT,
            f"{scenario}: has no part for the host (a table [host] with the plan): "
            f"run it with `picolase sim --scenario {scenario}`.",
        )
    seed = loaded.seed if seed is None else seed
    head = {"start": loaded.script.start, "seed": seed, "firmware": firmware, "scenario": loaded.script.name}
    with needed(firmware), recorded(record, **head) as attach:
        result = run(loaded.script, seed, firmware=firmware, clock=time.perf_counter, attach=attach)
    if as_json:
        print_json(told(result))
    else:
        _tell(result)
    if result.violations:
        raise CommandFailed(
            Exit.FAILED, f"{len(result.violations)} promises were broken; seed {result.seed} shows it again."
        )
    if result.idle_faults:
        raise CommandFailed(
            Exit.FAILED,
            f"{', '.join(result.idle_faults)} never fired: this run has shown nothing of it. "
            "Let it come when it matters, or write expected = false.",
        )


def told(result: Result) -> dict[str, Any]:
    """A result as JSON tells it: `violations` is how many, `violation_list` which."""
    data = result.as_dict()
    return data | {"violations": len(result.violations), "violation_list": data["violations"]}


def _tell(result: Result) -> None:
    rate = result.simulated_s / result.wall_s if result.wall_s else 0.0
    rows: list[tuple[str, object]] = [
        ("scenario", result.scenario),
        ("seed", result.seed),
        ("firmware", result.firmware),
        ("trace_sha256", result.trace_sha256),
        ("simulated_s", f"{result.simulated_s:.1f}"),
        ("wall_s", f"{result.wall_s:.2f} ({rate:.0f} simulated s per s)"),
        ("turn_ms_max", f"{result.turn_ms_max:.1f}"),
        ("pulses_true", result.pulses_true),
        ("pulses_recorded", result.pulses_recorded),
        ("violations", len(result.violations)),
        ("faults_fired", result.faults_fired),
    ]
    for name, value in rows:
        click.echo(f"{name:<16} {value}")
    for fault in result.faults:
        click.echo(f"  {fault['name']}: came {fault['begun']} times, fired {fault['fired']} times")
    for name, reason in result.excused.items():
        click.echo(f"  {name} was broken, which is excused by {reason}")
    for violation in result.violations:
        note(f"VIOLATION of {violation.invariant} at {violation.at_us / 1e6:.6f} s: {violation.text}")
