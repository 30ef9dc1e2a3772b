"""The demo: one command that shows the whole of it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.app import console, json_option, note, now_us, print_json, wall_clock
from controller.cli.exits import CommandFailed, Exit
from controller.cli.signals import run_interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from controller.demo_found import Around
    from controller.stage import Places
    from controller.summary import Summary

PLAN = Path("plans/tattoo-forearm.toml")
SPEED_MAX = 1000  # what the simulator allows


@click.command()
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    default=PLAN,
    show_default=True,
    help="The treatment plan to carry out.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all chance in the laser.")
@click.option(
    "--speed",
    type=click.IntRange(1, SPEED_MAX),
    default=60,
    show_default=True,
    help="How many times as fast self-test and warm-up run; nothing is left out.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("run"),
    show_default=True,
    help="Where the demo's own folder is made.",
)
@click.option("--stay", is_flag=True, help="Leave everything running after the plan, until Ctrl-C.")
@json_option
def demo(  # noqa: PLR0917  # click gives them by name
    plan: Path, seed: int, speed: int, folder: Path, stay: bool, as_json: bool
) -> None:
    """Carry out a whole treatment with a simulated laser, on this machine only.

    Starts the simulated laser on a pseudo-terminal, an MQTT broker on the loopback interface and the
    daemon, each as its own process; brings the laser up, arms it, presses the simulated footswitch, and
    shows it live. Then compares what the device fired, what light there truly was, what was recorded and
    what was published.

    Takes less than a minute, needs no hardware and asks nothing. Ends with status 0 only if all counts agree.
    With --stay it does not end then: it prints where broker and page are and who may log in, and Ctrl-C is
    its ordinary end, in order and with the same status.
    """
    options = (plan, seed, speed, folder)
    summary, places = run_interruptible(_run(*options, stay=stay, as_json=as_json))
    if not stay:
        _tell(console(), summary, places, {}, as_json=as_json)
    if summary.problems:
        raise CommandFailed(Exit.FAILED, "The demo is not as it must be.", summary.problems)
    left = "stopped" if stay else "left in standby"
    note(f"All counts agree; the laser was {left}; every process has ended.")


async def _run(
    plan: Path, seed: int, speed: int, folder: Path, *, stay: bool, as_json: bool
) -> tuple[Summary, Places]:
    import secrets

    from controller import tomlfile
    from controller.client import ClientError
    from controller.demo import Demo, DemoFailed, DemoOptions
    from controller.live import View
    from controller.picture import Picture
    from controller.plans import parse_plan
    from controller.processes import ChildEnded
    from controller.stage import StageError, make_places
    from controller.witnesses import WitnessError

    file = _find(plan)
    options = DemoOptions(folder, file, parse_plan(tomlfile.read(file), file), seed, speed)
    view = View(console(stderr=as_json), Picture(now_us()), now_us)
    password = secrets.token_urlsafe(24)
    try:
        with make_places(folder, wall_clock()) as places:
            running = Demo(options, places, view, wall_clock=wall_clock, now_us=now_us, password=password)

            def tell(summary: Summary, around: Around) -> None:
                _tell(view.console, summary, places, asdict(around), as_json=as_json)

            async with view.shown():
                return await running.run(tell if stay else None), places
    except ChildEnded as error:
        text = f"{error}. The demo was ended with it, and all its processes."
        raise CommandFailed(Exit.FAILED, text, error.log_tail()) from error
    except DemoFailed as error:
        text = f"The demo failed: {error}. Its logs are in the newest folder of {folder}."
        raise CommandFailed(Exit.FAILED, text, error.details) from error
    except (ClientError, StageError, WitnessError, TimeoutError) as error:
        raise CommandFailed(Exit.FAILED, f"The demo failed: {error}.") from error


def _find(plan: Path) -> Path:
    """The plan; the one that comes with picolase is found from anywhere in a checkout."""
    beside_us = Path(__file__).parents[2] / PLAN
    return beside_us if plan == PLAN and not plan.exists() and beside_us.exists() else plan


def _tell(
    screen: Console, summary: Summary, places: Places, around: dict[str, str | None], *, as_json: bool
) -> None:
    """Print what came of the plan, and where to look; `around` is what runs on."""
    if as_json:
        print_json(summary.plain() | {"folder": str(places.folder.absolute())} | around)
    else:
        screen.print(summary.table())
        for line in (*summary.lines(), *(f"{name}: {value or 'none'}" for name, value in around.items())):
            screen.print(line, markup=False, soft_wrap=True)
    note(f"\nRecords, logs and configuration: {places.folder}")
    note("Look at them:")
    running = ("status", "watch", f"login {around['operator']}", "fleet") if around else ()
    for command in (*running, "pulses -n 20", "log", "audit verify", "db check"):
        note(f"  {sys.argv[0]} --config {places.config} {command}")
