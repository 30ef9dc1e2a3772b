"""`picolase sim`: the command line of the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from rig.cli.firmware import firmware_option
from sim_device.ports import PORT_MAX

DEFAULT_PTY: Final = Path("run/laser0")
SPEED_MAX: Final = 1000  # [C] beyond it a core is busy with the warm-up alone
BAUD_MAX: Final = 4_000_000  # [C] the most that common USB adapters do
LASERS_MAX: Final = 10_000  # [C] ten times what one process is built for; beyond it ports get scarce
SCENARIO_OWNS: Final = {"key_on": "[laser] key", "docked": "[laser] docked", "state": "no memory of before"}


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
@click.option("--seed", type=int, help="Seed of all chance in the plant (default: the scenario's, or 1).")
@firmware_option()
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
@click.option(
    "--baud",
    type=click.IntRange(0, BAUD_MAX),
    default=0,
    show_default=True,
    help="Rate of the device's port: bytes take their time, another rate garbles. 0: no rate at all.",
)
@click.option(
    "--lasers",
    type=click.IntRange(1, LASERS_MAX),
    default=1,
    show_default=True,
    help="Serve so many lasers: serial numbers, paths, ports and seeds are counted up.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    help="Let the faults and acts of this file happen, in real time, and end with it.",
)
@click.option("--device-only", is_flag=True, help="Run the device's part of a scenario for the whole stack.")
@click.option(
    "--stepped",
    is_flag=True,
    help="Let time stand still but for the steps that the control channel asks for; bytes take none.",
)
@click.option("--record", type=_PATH, help="Record all that happens into this new file.")
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input ends.")
@click.pass_context
def sim(
    context: click.Context, /, scenario: Path | None, device_only: bool, record: Path | None, **given: Any
) -> None:
    """Run one simulated laser, or many, until interrupted or until the scenario is over.

    Without --pty and --tcp it serves a pseudo-terminal at run/laser0. With --scenario it tells at the end how
    often each fault really fired, and fails if one that was expected to never did.
    """
    if given["pty"] is None and given["tcp"] is None:
        given["pty"] = DEFAULT_PTY
    _refuse_conflicts(context, given, scenario=scenario, record=record)
    from rig.cli.serving import serve  # noqa: PLC0415 # --help does not load a web server

    serve(given, scenario, device_only=device_only, record=record)


def _refuse_conflicts(
    context: click.Context, given: dict[str, Any], *, scenario: Path | None, record: Path | None
) -> None:
    """What cannot be said together."""
    if given["stepped"] and (given["control"] is None or given["warm_up_speed"] > 1):
        raise click.UsageError("--stepped needs --control, which steps, and no --warm-up-speed")
    if record is not None and given["lasers"] > 1:
        raise click.UsageError("--record is for one laser: leave --lasers out")
    if scenario is None:
        return
    if given["lasers"] > 1:
        raise click.UsageError("--scenario is for one laser: leave --lasers out")
    for name, instead in SCENARIO_OWNS.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = "--" + name.replace("_", "-")
            raise click.UsageError(f"{option} does not go with --scenario, which has {instead}")
