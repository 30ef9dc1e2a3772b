"""The database: backup, schema, soundness, and the proof of the audit chain."""

from pathlib import Path

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json, wall_clock
from controller.cli.exits import CommandFailed, Exit

HEAD_FORM = "INDEX:HASH"


@click.group()
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


@click.group()
def audit() -> None:
    """Prove the record of who did what."""


@audit.command()
@click.option(
    "--head", metavar=HEAD_FORM, help="A head kept elsewhere: also proves that nothing was cut off."
)
@config_option
@json_option
@pass_app
def verify(app: App, head: str | None, as_json: bool) -> None:
    """Verify the hash chain of the audit, and print its head to be kept elsewhere."""
    from controller.store import Reader
    from safety.audit import Head

    expected = None
    if head is not None:
        index, _, digest = head.partition(":")
        if not index.isdigit() or not digest:
            raise click.BadParameter(f"{head!r} is not {HEAD_FORM}, as an earlier run printed it")
        expected = Head(int(index), digest)
    with Reader.open(app.config.store.path) as reader:
        breaks = reader.verify_audit(expected)
        now = reader.audit_head()
    shown = "" if now is None else f"{now.index}:{now.hash}"
    if as_json:
        print_json({"whole": not breaks, "breaks": [str(broken) for broken in breaks], "head": shown or None})
    if breaks:
        raise CommandFailed(
            Exit.FAILED,
            "The audit chain is broken: the records were changed from outside, or the disk failed. "
            "Keep a copy and find out why.",
            [str(broken) for broken in breaks],
        )
    note(f"The audit chain is whole. Head: {shown or 'none yet'}")
