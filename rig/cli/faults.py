"""`picolase faults`: every fault the simulator can have, with its parameters and the hazards it serves."""

from __future__ import annotations

import difflib
from typing import Any

import click

from controller.cli.app import console, json_option, print_json
from controller.cli.exits import CommandFailed, Exit
from sim_device.faults.describe import Described, describe, describe_trigger


@click.command()
@click.argument("name", required=False)
@json_option
def faults(name: str | None, as_json: bool) -> None:
    """List the faults of the simulator, or tell all about the one called NAME.

    A scenario puts them on a time line: picolase sim --scenario FILE.
    """
    known = describe()
    if name is not None:
        known = [one for one in known if one.name == name] or _unknown(name, known)
    if as_json:
        shown: Any = [one.as_dict() for one in known]
        trigger = [one.as_dict() for one in describe_trigger()]
        print_json(
            shown[0] | {"trigger": trigger} if name is not None else {"faults": shown, "trigger": trigger}
        )
    elif name is not None:
        _tell(known[0])
    else:
        _list(known)


def _unknown(name: str, known: list[Described]) -> list[Described]:
    near = difflib.get_close_matches(name, [one.name for one in known], n=1)
    hint = f"Did you mean {near[0]}?" if near else "`picolase faults` lists them all."
    raise CommandFailed(Exit.BAD_INPUT, f"There is no fault {name!r}. {hint}")


def _list(known: list[Described]) -> None:
    from rich.table import Table  # noqa: PLC0415 # --help does without

    group = None
    out = console()
    table: Table | None = None
    for one in known:
        if one.group != group:
            if table is not None:
                out.print(table)
            group = one.group
            table = Table("fault", "what it is", "parameters", "hazards", box=None, pad_edge=False)
            out.print(f"\n{group}", style="bold")
        if table is not None:
            parameters = "\n".join(parameter.short for parameter in one.parameters)
            table.add_row(one.name, one.meaning, parameters, " ".join(one.hazards))
    if table is not None:
        out.print(table)
    click.echo("\n`picolase faults NAME` tells a fault's parameters and when it may come.")


def _tell(one: Described) -> None:
    click.echo(f"{one.name}: {one.meaning}")
    click.echo(f"Hazards: {', '.join(one.hazards)}. {'It lasts.' if one.lasting else 'It happens at once.'}")
    for title, parameters in (("Parameters", one.parameters), ("When it comes", describe_trigger())):
        if parameters:
            click.echo(f"\n{title}:")
        for parameter in parameters:
            click.echo(f"  {parameter.short}\n      {parameter.meaning} Allowed: {parameter.allowed}.")
    click.echo(f'\nIn a scenario:\n\n[[fault]]\nname = "{one.name}"\nat_s = 10.0')
    for parameter in one.parameters:
        if parameter.required or parameter.default is not None:
            click.echo(f"{parameter.name} = {parameter.example}")
