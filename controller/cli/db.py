"""The database: backup, schema, soundness."""

from pathlib import Path

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json, wall_clock
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group


@click.group(cls=Group)
def db() -> None:
    """Back up, update and check the database of records."""


@db.command()
@click.argument("destination", type=click.Path(path_type=Path))
@config_option
@pass_app
def backup(app: App, destination: Path) -> None:
    """Copy the database to the new file DESTINATION and check the copy. The daemon may run on."""
    from controller.store import Reader

    with Reader.open(app.config.store.path) as reader:
        reader.backup(destination)
        head = reader.audit_head()
    note(f"Backed up and checked: {destination}.")
    if head is not None:
        note(f"Keep this with it, to prove later that nothing was cut off: --head {head.index}:{head.hash}")


@db.command()
@config_option
@pass_app
def migrate(app: App) -> None:
    """Bring the database to the schema of this version; the daemon also does so at its start."""
    from controller.store import Store

    with Store.open(app.config.store.path, wall_clock=wall_clock, exclusive=False):
        pass
    note(f"{app.config.store.path} has the schema of this version.")


@db.command("check")
@config_option
@json_option
@pass_app
def check_db(app: App, as_json: bool) -> None:
    """Check the file, its references, the audit chain, and every pulse against the audit."""
    from controller.store import Reader

    with Reader.open(app.config.store.path) as reader:
        faults = reader.check()
    if as_json:
        print_json({"sound": not faults, "faults": faults})
    if faults:
        raise CommandFailed(
            Exit.FAILED,
            f"{app.config.store.path} is not sound: keep a copy, restore the last backup, find out why.",
            faults,
        )
    note(f"{app.config.store.path} is sound.")
