"""`picolase sim`: the command line of the simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import click

from sim_device.errors import SetupError

DEFAULT_PTY: Final = Path("run/laser0")
SPEED_MAX: Final = 1000  # [C] beyond it a core is busy with the warm-up alone
PORT_MAX: Final = 65_535


def _address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, separator, port = value.rpartition(":")
    if not (separator and host and port.isascii() and port.isdigit() and int(port) <= PORT_MAX):
        raise click.BadParameter(
            f"{value!r} is no address: give HOST:PORT with a port from 0 (any) to {PORT_MAX}"
        )
    return host.strip("[]"), int(port)


def _console(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Path | tuple[str, int] | None:
    if value is None:
        return None
    if value.startswith("tcp://"):
        return _address(context, parameter, value.removeprefix("tcp://"))
    path = value.removeprefix("pty:")
    if not path or "://" in path:
        raise click.BadParameter(f"{value!r} is no place for a console: give PATH or tcp://HOST:PORT")
    return Path(path)


_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--pty", type=_PATH, help="Serve a pseudo-terminal behind this link (default: run/laser0).")
@click.option("--tcp", callback=_address, metavar="HOST:PORT", help="Serve TCP, one client at a time.")
@click.option(
    "--console",
    callback=_console,
    metavar="PATH|tcp://HOST:PORT",
    help="Serve the text console (SCPI) on a second pseudo-terminal, or on TCP to one client at a time.",
)
@click.option("--control", type=_PATH, help="Unix socket for operator actions and ground truth (HTTP).")
@click.option("--state", type=_PATH, help="Directory that keeps the device's memory over a restart.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all chance in the plant.")
@click.option("--serial", default="PL755-0001", show_default=True, help="Serial number of the device.")
@click.option(
    "--warm-up-speed",
    type=click.IntRange(1, SPEED_MAX),
    default=1,
    show_default=True,
    help="Run device time this many times as fast during self-test and warm-up; nothing is left out.",
)
@click.option("--key-on", is_flag=True, help="Start with the key turned on.")
@click.option(
    "--docked/--undocked", default=True, show_default=True, help="Handpiece in the calibration port."
)
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input ends.")
def sim(**given: Any) -> None:
    """Run one simulated laser until it is interrupted.

    Without --pty and --tcp it serves a pseudo-terminal at run/laser0.
    """
    from sim_device.process import Options, run  # noqa: PLC0415 # so that --help does not load a web server

    if given["pty"] is None and given["tcp"] is None:
        given["pty"] = DEFAULT_PTY
    try:
        asyncio.run(run(Options(**given)))
    except SetupError as error:
        raise click.ClickException(str(error)) from error
