"""The black boxes of trips: listed, and explained. Works without the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from controller.cli.app import App, config_option, console, json_option, note, pass_app, print_json, table
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group

if TYPE_CHECKING:
    from controller.incident import Story


@click.group(cls=Group)
def incident() -> None:
    """The black box of each trip: what happened first, and who or what reacted when."""


@incident.command("list")
@click.option(
    "-n", "count", type=click.IntRange(1), default=20, show_default=True, help="How many, the newest."
)
@config_option
@json_option
@pass_app
def list_(app: App, count: int, as_json: bool) -> None:
    """List the newest trips, newest first."""
    from controller.store import Reader, rfc3339

    with Reader.open(app.config.store.path) as reader:
        rows = [
            {"id": kept.id, "time": rfc3339(kept.wall_time), "first_cause": kept.first_cause}
            for kept in reader.incidents(limit=count)
        ]
    if as_json:
        print_json(rows)
    elif rows:
        console().print(table("", rows[0], [list(row.values()) for row in rows]))
    else:
        note("No trip was recorded.")


@incident.command()
@click.argument("incident_id", metavar="[ID]", required=False)
@config_option
@json_option
@pass_app
def show(app: App, incident_id: str | None, as_json: bool) -> None:
    """Explain one black box, the newest if none is named. With --json everything that was kept, too.

    Times are milliseconds from the moment at which the host tripped; those of the laser are by its own clock,
    brought to the host's.
    """
    from controller.incident import explain
    from controller.store import Reader, rfc3339

    with Reader.open(app.config.store.path) as reader:
        newest = reader.incidents(limit=1)
        if incident_id is None and not newest:
            raise CommandFailed(Exit.FAILED, "No trip was recorded.")
        kept = reader.incident(incident_id if incident_id is not None else newest[0].id)
    body = dict(kept.body or {})
    story = explain(body)
    when = rfc3339(kept.wall_time)
    if as_json:
        facts = {"id": kept.id, "time": when, "first_cause": kept.first_cause}
        print_json(facts | {"story": story.plain(), "body": body})
        return
    console().print(f"Incident {kept.id}, kept at {when}: {kept.first_cause}\n", markup=False)
    _print(story)


def _print(story: Story) -> None:
    rows = [
        (
            role.value,
            *(("", "", "not on record") if step is None else (f"{step.ms:+.3f}", step.who, step.text)),
        )
        for role, step in story.summary.items()
    ]
    out = console()
    out.print(table("in short", ("", "ms", "who", "what"), rows))
    steps = [(f"{step.ms:+.3f}", step.who, step.text) for step in story.steps]
    out.print(table("in full", ("ms", "who", "what"), steps))
