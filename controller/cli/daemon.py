"""Running the daemon in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from controller.cli.app import App, config_option, pass_app, wall_clock
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.config import Config


@click.command()
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input ends, as a parent's death.")
@config_option
@pass_app
def run(app: App, until_stdin_closes: bool) -> None:
    """Run the daemon: it holds the port of the laser, supervises, records and publishes.

    Stays in the foreground and logs to standard error, or where [log] says. Ctrl-C or SIGTERM stops the
    laser, writes what is left, and ends it with status 0.
    """
    from controller.logs import configure_logs, in_background

    config = app.config
    log = config.log
    try:
        configure_logs(log.format, log.level, wall_clock=wall_clock, file=log.file)
    except OSError as error:
        raise CommandFailed(
            Exit.BAD_INPUT,
            f"log.file = {log.file} cannot be opened [{error.strerror}]. Correct it, or make it writable.",
        ) from error
    with in_background():
        asked = asyncio.run(_serve(config, until_stdin_closes=until_stdin_closes))
    if not asked:
        raise CommandFailed(
            Exit.FAILED, "A part of the daemon failed, so it stopped the laser and ended; see its log."
        )


async def _serve(config: Config, *, until_stdin_closes: bool) -> bool:
    """Run the daemon until it is asked to end; returns whether it was asked."""
    from controller.audit_keys import AuditKeys
    from controller.daemon import Daemon
    from controller.store import Store

    store = Store.open(config.store.path, wall_clock=wall_clock)
    try:
        signer = AuditKeys(config.store.path).signer
        signer(store)  # a key that cannot be used is told before the laser is touched
        daemon = Daemon(config, store, wall_clock=wall_clock, signer=signer)
    except BaseException:
        store.close()
        raise
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, daemon.end)
    if until_stdin_closes:
        _at_end_of_stdin(loop, daemon.end)
    return await daemon.run()


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Call `end` once whoever holds the other end of standard input is gone."""
    stdin = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(stdin, 4096):
            loop.remove_reader(stdin)
            end()

    try:
        loop.add_reader(stdin, readable)
    except OSError as error:  # a file, or /dev/null: neither ever tells that somebody is gone
        raise CommandFailed(
            Exit.USAGE, "--until-stdin-closes needs a pipe or a terminal as standard input."
        ) from error
