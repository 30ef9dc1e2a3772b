"""What was recorded: the log of events and the pulses. Both work without the daemon."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import App, config_option, console, json_option, pass_app, print_json, table
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.store import PulseRecord, Reader

PAGE = 1000


@click.command()
@click.option(
    "-n", "count", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest."
)
@config_option
@json_option
@pass_app
def log(app: App, count: int, as_json: bool) -> None:
    """Show the newest events: state changes, faults, refusals, stops. Oldest first."""
    from controller.store import rfc3339

    with _reader(app) as reader:
        events = reader.events(limit=count)[::-1]
    if as_json:
        print_json(
            [
                {
                    "id": event.id,
                    "time": rfc3339(event.wall_time),
                    "kind": event.kind.value,
                    "severity": event.severity.value,
                    "actor": event.actor,
                    "text": event.text,
                    "body": dict(event.body),
                }
                for event in events
            ]
        )
        return
    rows = [
        [rfc3339(event.wall_time), event.severity.value, event.kind.value, event.actor, event.text]
        for event in events
    ]
    console().print(table("", ("time", "severity", "kind", "by", "event"), rows))


@click.command()
@click.option("--session", metavar="ID", help="The pulses of one treatment session.")
@click.option(
    "--device", metavar="SERIAL", help="The laser.  [default: the configured, else the one seen last]"
)
@click.option("-n", "count", type=click.IntRange(1), help="Only the newest so many.  [default: all]")
@click.option("as_csv", "--csv", is_flag=True, help="Print CSV with a header line.")
@config_option
@json_option
@pass_app
def pulses(
    app: App, *, session: str | None, device: str | None, count: int | None, as_csv: bool, as_json: bool
) -> None:
    """Show the recorded pulses, in the order of their numbers.

    \b
    Examples:  picolase pulses -n 20
               picolase pulses --session ID --csv > pulses.csv
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json exclude each other: give one of them")
    with _reader(app) as reader:
        if session is not None:
            reader.session(session)  # says so when there is none
            found: Iterable[PulseRecord] = reader.session_pulses(session)
        else:
            found = _all(reader, device or _serial(app, reader), count)
        rows: Iterable[dict[str, Any]] = map(_plain, found)
        if count is not None:
            rows = list(rows)[-count:]
        if as_csv:
            _write_csv(rows)
        elif as_json:
            print_json(list(rows))
        else:
            _print_table(rows)


def _reader(app: App) -> Reader:
    from controller.store import Reader

    return Reader.open(app.config.store.path)


def _serial(app: App, reader: Reader) -> str:
    """The laser meant when none is named."""
    if app.config.device.expected_serial is not None:
        return app.config.device.expected_serial
    if devices := reader.devices():
        return devices[0]
    raise CommandFailed(Exit.USAGE, "No laser was recorded yet: there are no pulses to show.")


def _all(reader: Reader, serial: str, newest: int | None) -> Iterator[PulseRecord]:
    """The laser's pulses page by page; with `newest` only those with the highest so many numbers."""
    highest = reader.highest_pulse(serial) or 0
    after = 0 if newest is None else max(0, highest - newest)
    while page := reader.pulses(serial, after=after, limit=PAGE):
        yield from page
        after = page[-1].pulse_number


def _plain(pulse: PulseRecord) -> dict[str, Any]:
    from controller.store import rfc3339

    values = {field.name: getattr(pulse, field.name) for field in fields(pulse)}
    return values | {"flags": sorted(pulse.flags), "wall_time": rfc3339(pulse.wall_time)}


def _write_csv(rows: Iterable[dict[str, Any]]) -> None:
    from controller.store import PulseRecord

    names = [field.name for field in fields(PulseRecord)]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"flags": " ".join(row["flags"])})


def _print_table(rows: Iterable[dict[str, Any]]) -> None:
    from controller.picture import shown

    columns = ("number", "time", "set mJ", "A mJ", "B mJ", "width ps", "spot mm", "J/cm2", "verdict")
    lines = [
        [
            text.number,
            row["wall_time"],
            f"{row['set_energy_mj']:.1f}",
            text.energy_a,
            text.energy_b,
            text.width,
            f"{row['spot_mm']:.1f}",
            f"{row['fluence_j_cm2']:.2f}",
            text.verdict,
        ]
        for row in rows
        for text in [shown(row)]
    ]
    console().print(table("", columns, lines))
