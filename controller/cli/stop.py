"""The command that stops the laser: it needs no login and never claims what it does not know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.client import Client, Endpoint

TRIES = 3
"""[C] A stop may be repeated freely; a daemon that is starting or swamped may miss the first."""

UNCONFIRMED = "STOP NOT CONFIRMED: use the hardware stop"


@click.command()
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The daemon's socket: needs no configuration.",
)
@config_option
@json_option
@pass_app
def stop(app: App, socket: Path | None, as_json: bool) -> None:
    """Stop the laser now. Needs no login, and only that the daemon can be reached.

    Ends with status 0 only when the laser has confirmed: no permit, not ready, trigger inhibited, shutter
    closed. The red button on the console stops it without any software: use it when in doubt.
    """
    from controller.client import Client, ClientError, Endpoint, NotReachable

    begun = time.monotonic()
    answer: dict[str, Any] = {"confirmed": False, "text": "", "level": None, "took_ms": None}
    exit_, why = Exit.UNCERTAIN, ""
    try:
        endpoint = Endpoint(socket=socket) if socket is not None else _endpoint(app)
        answer |= asyncio.run(_stop(Client(endpoint), TRIES))
        why = str(answer.get("text") or "the laser has not confirmed")
    except NotReachable as error:
        exit_, why = Exit.NOT_REACHABLE, str(error)
    except (ClientError, CommandFailed) as error:
        why = str(error)
    took_ms = round((time.monotonic() - begun) * 1e3)
    if as_json:
        print_json(answer | {"answered_ms": took_ms, "text": why})
    if answer["confirmed"] is not True:
        raise CommandFailed(exit_, f"{UNCONFIRMED}. After {took_ms} ms: {why}.")
    note(
        f"STOP confirmed by the laser {_ms(answer.get('took_ms'))} after it was sent "
        f"(by {answer.get('level')}; {took_ms} ms in all)."
    )


async def _stop(client: Client, tries: int) -> dict[str, Any]:
    """The first confirmed answer, else the last one; raises ClientError when there was none."""
    from controller.client import ClientError

    async with client:
        for _ in range(tries - 1):
            with contextlib.suppress(ClientError):
                answer = await client.stop()
                if answer.get("confirmed") is True:
                    return answer
        return await client.stop()


def _endpoint(app: App) -> Endpoint:
    """Where the daemon listens, even if the rest of the configuration is wrong."""
    from controller.client import Endpoint
    from controller.config import DEFAULT_PATHS
    from controller.tomlfile import TomlError

    try:
        return app.endpoint
    except TomlError:
        candidates = [app.config_path] if app.config_path is not None else DEFAULT_PATHS
    for candidate in candidates:
        path = candidate.expanduser().absolute()
        try:
            api = tomllib.loads(path.read_text("utf-8")).get("api", {})
            if isinstance(api.get("socket"), str):
                return Endpoint(socket=Path(os.path.normpath(path.parent / api["socket"])))
            return Endpoint(
                host=str(api.get("host", "127.0.0.1")), port=int(api.get("port", Endpoint().port))
            )
        except (OSError, ValueError, AttributeError, TypeError, OverflowError, RecursionError):
            continue
    return Endpoint()  # where a daemon listens that was told nothing else


def _ms(value: object) -> str:
    return f"{value:.1f} ms" if isinstance(value, int | float) else "at an unknown time"
