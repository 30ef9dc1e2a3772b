"""The command `picolase`: its list of commands, and how any of them ends."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import CONFIG_VARIABLE, App, config_option, failure
from controller.cli.exits import MEANINGS, CommandFailed, Exit
from controller.cli.group import Group

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PLUGINS = "picolase.commands"
"""Entry-point group: click commands of other rooms that join this one."""

DEBUG_VARIABLE = "PICOLASE_DEBUG"

COMMANDS = {
    # In the order of use; name -> module and attribute in this package.
    "demo": ("demo", "demo"),
    "run": ("daemon", "run"),
    "ports": ("ports", "ports"),
    "config": ("config", "config"),
    "user": ("user", "user"),
    "login": ("login", "login"),
    "logout": ("login", "logout"),
    "status": ("status", "status"),
    "watch": ("status", "watch"),
    "plan": ("plan", "plan"),
    "course": ("course", "course"),
    "arm": ("laser", "arm"),
    "standby": ("laser", "standby"),
    "stop": ("stop", "stop"),
    "ack": ("laser", "ack"),
    "calibrate": ("laser", "calibrate"),
    "aiming": ("laser", "aiming"),
    "resolve": ("laser", "resolve"),
    "log": ("records", "log"),
    "pulses": ("records", "pulses"),
    "report": ("report", "report"),
    "incident": ("incident", "incident"),
    "db": ("db", "db"),
    "fleet": ("fleet", "fleet"),
    "mqtt": ("mqtt", "mqtt"),
    "audit": ("audit", "audit"),
    "exposure": ("exposure", "exposure"),
    "fluence": ("fluence", "fluence"),
}

PLUGIN_HELP = {
    "sim": "Run a simulated laser, or many, on pseudo-terminals or TCP ports.",
    "faults": "List the faults that a simulated laser can have.",
    "simulate": "Run daemon, line, firmware and laser through a scenario in virtual time.",
    "campaign": "Run many seeds of whole-stack scenarios with random faults.",
    "replay": "Do everything in a recording again and compare.",
    "diff": "Compare two recordings and show where they part.",
    "vcd": "Draw a recording as waveforms (VCD).",
    "capture": "Record what passes at the port of a laser.",
    "trace": "Follow each hazard and requirement to the tests that show it.",
}
"""Stands in the list of commands, so that listing need not load the whole simulator."""

EPILOG = "\b\nExit status:\n" + "\n".join(f"  {exit_.value:>3}  {words}" for exit_, words in MEANINGS.items())


class Picolase(Group):
    """The group of all commands; each is imported when it is asked for, and none ends with a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of use."""
        return [*COMMANDS, *sorted(entry.name for entry in _plugins() if entry.name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name in COMMANDS:
            module, attribute = COMMANDS[cmd_name]
            found = getattr(importlib.import_module(f"controller.cli.{module}"), attribute)
            return found if isinstance(found, click.Command) else None
        for entry in _plugins():
            if entry.name == cmd_name:
                return _load(entry)
        return None

    def in_short(self, ctx: click.Context, name: str) -> str:
        """What a command does; no plugin is loaded whose help is known here."""
        return PLUGIN_HELP.get(name) or super().in_short(ctx, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every error ends in a message and the exit status that belongs to it."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            _end(CommandFailed(Exit.INTERRUPTED, "Interrupted."))
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click prints these itself
        except Exception as error:  # noqa: BLE001  # the top of the program: never a traceback for a user
            try:
                _end(failure(error, ctx.ensure_object(App)))
            except Exception as unexpected:  # noqa: BLE001  # as above
                if os.environ.get(DEBUG_VARIABLE):
                    traceback.print_exception(unexpected)
                _end(
                    CommandFailed(
                        Exit.FAILED,
                        f"This should not happen: {type(error).__name__}: {error}. Please report it "
                        f"with what you did; {DEBUG_VARIABLE}=1 shows where it comes from.",
                    )
                )


def _end(failed: CommandFailed) -> None:
    click.echo(f"picolase: {failed}", err=True)
    sys.exit(failed.exit)


def _plugins() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # takes as long as half a stop

    return list(entry_points(group=PLUGINS))


def _load(entry: EntryPoint) -> click.Command | None:
    """The command behind an entry point; one that cannot be loaded says so when it is called."""
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        why = f"`{entry.name}` cannot be loaded from {entry.value}: {error}. Install picolase again."

        @click.command(entry.name, short_help="(cannot be loaded)")
        def broken() -> None:
            raise CommandFailed(Exit.FAILED, why)

        return broken
    return found if isinstance(found, click.Command) else None


@click.group(
    cls=Picolase,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "obj": None},
)
@click.version_option(package_name="picolase", message="picolase %(version)s")
@config_option
@click.pass_context
def main(ctx: click.Context) -> None:
    """Control a picosecond medical laser (755 nm, 500-750 ps, class 4), or a simulated one.

    \b
    See it work, without any hardware:     picolase demo
    Use it:                                picolase config example > picolase.toml
                                           picolase user add NAME
                                           picolase run          (in its own terminal)
                                           picolase login NAME
                                           picolase plan run plans/tattoo-forearm.toml
    Stop the laser, at any time:           picolase stop

    Not a certified medical device. The safety function is the hardware stop on the console, not the one here.
    """
    app = ctx.ensure_object(App)
    if app.config_path is None and (path := os.environ.get(CONFIG_VARIABLE)):
        app.config_path = Path(path)
