"""Operators: made, listed and barred on the machine itself, in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import (
    App,
    actor,
    config_option,
    console,
    json_option,
    note,
    now_us,
    pass_app,
    print_json,
    table,
    wall_clock,
)
from controller.cli.group import Group
from controller.cli.login import password_stdin_option, read_password

if TYPE_CHECKING:
    from controller.store import OperatorRecord, Store

ROLES = ("viewer", "operator", "service", "administrator")
WAVELENGTH_NM = click.IntRange(400, 1400)
"""[D] The range of the exposure limits: for no other wavelength is anything known here."""

TRAINING_DAYS = 365
"""[C] Training is renewed each year unless a date is given."""


@click.group(cls=Group)
def user() -> None:
    """Add, list and bar the people who may log in. Works on this machine only, with or without the daemon."""


@user.command()
@click.argument("name")
@click.option(
    "--role", type=click.Choice(ROLES), default="operator", show_default=True, help="What they may do."
)
@click.option(
    "--trained",
    type=WAVELENGTH_NM,
    multiple=True,
    metavar="NM",
    help="Wavelength they are trained for; repeatable.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day the training ends (UTC).  [default: in a year]",
)
@password_stdin_option
@config_option
@pass_app
def add(
    app: App, name: str, *, role: str, trained: tuple[int, ...], until: datetime | None, from_stdin: bool
) -> None:
    """Add operator NAME; asks for a password.

    \b
    At install:  picolase user add ada --role administrator
    Then:        picolase user add anna --role operator --trained 755
    """
    from controller.operators import add_operator
    from controller.store import Role

    password = read_password(from_stdin=from_stdin, confirm=True)
    with _store(app) as store, store.transaction():
        add_operator(store, name, Role(role), password, actor=actor(), now_us=now_us())
        _train(store, name, trained, until)
        _say_what_lacks(store)
    note(f"Added {role} {name}.")


@user.command()
@click.argument("name")
@click.argument("wavelength_nm", type=WAVELENGTH_NM)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="Day the training ends (UTC).  [default: in a year]"
)
@config_option
@pass_app
def train(app: App, name: str, wavelength_nm: int, until: datetime | None) -> None:
    """Record that NAME is trained for a wavelength, in nm. The newest record of it stands."""
    with _store(app) as store:
        _train(store, name, (wavelength_nm,), until)
    note(f"Recorded: {name} is trained for {wavelength_nm} nm.")


@user.command()
@click.argument("name")
@password_stdin_option
@config_option
@pass_app
def password(app: App, name: str, from_stdin: bool) -> None:
    """Give NAME a new password."""
    from controller.operators import change_password

    new = read_password(from_stdin=from_stdin, confirm=True)
    with _store(app) as store:
        change_password(store, name, new, actor=actor(), now_us=now_us())
    note(f"Changed the password of {name}.")


@user.command()
@click.argument("name")
@config_option
@pass_app
def disable(app: App, name: str) -> None:
    """Bar NAME from logging in. The name stays in the records and is not given again.

    Whoever is logged in by that name is logged out within a second, and what they armed is stopped.
    """
    with _store(app) as store:
        store.deactivate_operator(name, actor=actor(), now_us=now_us())
        _say_what_lacks(store)
    note(f"{name} can no longer log in.")


# The first name of `disable`, for scripts that use it.
user.add_command(
    click.Command(
        "remove", disable.context_settings, disable.callback, disable.params, disable.help, hidden=True
    )
)


@user.command()
@click.argument("name")
@config_option
@pass_app
def enable(app: App, name: str) -> None:
    """Let NAME log in again, after `picolase user disable`."""
    with _store(app) as store:
        store.reactivate_operator(name, actor=actor(), now_us=now_us())
    note(f"{name} can log in again.")


@user.command()
@click.argument("name")
@config_option
@pass_app
def unlock(app: App, name: str) -> None:
    """End NAME's lock-out after too many wrong passwords. Without this it ends after five minutes."""
    with _store(app) as store:
        store.unlock_operator(name, actor=actor(), now_us=now_us())
    note(f"{name} is not locked out.")


@user.command("list")
@config_option
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List the operators, their roles and trainings."""
    from controller.store import Reader

    today = wall_clock()
    with Reader.open(app.config.store.path) as reader:
        rows = [_row(operator, today) for operator in reader.operators()]
    if as_json:
        print_json(rows)
    elif rows:
        endings = [one["text"] for row in rows for one in row.pop("ending") if row["active"]]
        shown = [row | {"trained": _trained(row["trained"])} for row in rows]
        console().print(table("", shown[0], [list(row.values()) for row in shown]))
        for text in endings:
            note(f"{text}.")
    else:
        note("There are no operators yet: `picolase user add NAME` makes one.")


def _trained(until: Mapping[str, str]) -> str:
    return ", ".join(f"{nm} nm until {date}" for nm, date in until.items())


def _row(operator: OperatorRecord, today: datetime) -> dict[str, Any]:
    from controller.operators import FAILURES_ALLOWED
    from controller.training import ending

    trained = {str(nm): until.date().isoformat() for nm, until in sorted(operator.training.items())}
    return {
        "name": operator.name,
        "role": operator.role.value,
        "active": operator.active,
        "locked_out": operator.failed_logins >= FAILURES_ALLOWED,
        "trained": trained,
        "ending": ending(operator, today),
        "created": operator.created.isoformat(),
    }


def _say_what_lacks(store: Store) -> None:
    from controller.training import people_report

    for text in people_report(store.operators(), wall_clock())["lacking"]:
        note(f"Note: {text}.")


def _store(app: App) -> Store:
    from controller.store import Store

    return Store.open(app.config.store.path, wall_clock=wall_clock, exclusive=False)


def _train(store: Store, name: str, wavelengths_nm: tuple[int, ...], until: datetime | None) -> None:
    now = wall_clock()
    expires = until.replace(tzinfo=now.tzinfo) if until is not None else now + timedelta(days=TRAINING_DAYS)
    for wavelength_nm in wavelengths_nm:
        store.record_training(name, wavelength_nm, expires, actor=actor(), now_us=now_us())
        if expires <= now:
            note(f"Note: {name}'s training for {wavelength_nm} nm is over since {expires:%Y-%m-%d}.")
