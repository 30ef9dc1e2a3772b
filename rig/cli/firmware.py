"""`--firmware`: which firmware the laser of a command runs, and what is said when it cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from controller.cli.exits import CommandFailed, Exit
from sim_device import firmwares
from sim_device.errors import SetupError

VARIABLE: Final = "PICOLASE_FIRMWARE"

F = TypeVar("F", bound=Callable[..., Any])


def firmware_option(of: str = "Firmware of the laser") -> Callable[[F], F]:
    """The option; what it gives is a name of `firmwares.make`."""
    return click.option(
        "--firmware",
        type=click.Choice(firmwares.NAMES),
        default=firmwares.DEFAULT,
        show_default=True,
        envvar=VARIABLE,
        show_envvar=True,
        help=f"{of}: the reference in Python, or the C core, compiled on first use (native).",
    )


@contextmanager
def needed(*names: str) -> Iterator[None]:
    """What is done within needs firmwares, these at least: CommandFailed when one cannot be had.

    The C core is built on entering, once, before many processes need it.
    """
    try:
        for name in names:
            firmwares.make(name, "")
        yield
    except SetupError as error:
        raise CommandFailed(Exit.FAILED, f"{error}.") from error
