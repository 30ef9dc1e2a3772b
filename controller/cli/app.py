"""What every command shares: the configuration, the daemon's client, printing, and which errors mean what."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from controller.client import ApiRefusal, Client, Endpoint
    from controller.config import Config

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

CONFIG_VARIABLE = "PICOLASE_CONFIG"
TOKEN_VARIABLE = "PICOLASE_TOKEN"  # noqa: S105  # the name of the variable, not a token

NO_TERMINAL_WIDTH = 200  # [C] Wide enough for our tables: what goes into a file or a pipe must not be cut.


@dataclass
class App:
    """The state of one invocation, made by `picolase` and handed to its commands."""

    config_path: Path | None = None

    @functools.cached_property
    def config(self) -> Config:
        """The configuration: --config, else PICOLASE_CONFIG, else the usual places. Raises TomlError."""
        from controller.config import DEFAULT_PATHS, load_config

        return load_config(*((self.config_path,) if self.config_path is not None else DEFAULT_PATHS))

    @property
    def endpoint(self) -> Endpoint:
        """Where the daemon of this configuration listens."""
        from controller.client import Endpoint

        api = self.config.api
        return Endpoint(api.socket, api.host, api.port)

    @property
    def as_option(self) -> str:
        """The --config option to print in a command for the user, with a blank after it, or nothing."""
        return "" if self.config_path is None else f"--config {self.config_path} "

    def client(self) -> Client:
        """A client of the daemon, as the operator who logged in, if one did."""
        from controller.cli import tokens
        from controller.client import Client

        token = os.environ.get(TOKEN_VARIABLE) or tokens.load(self.endpoint)
        return Client(self.endpoint, token)

    def ask(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do one thing with the daemon and return its answer."""

        async def once() -> T:
            async with self.client() as client:
                return await work(client)

        return asyncio.run(once())


def _set_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(App).config_path = value


def config_option(command: F) -> F:
    """Give a command (or the group) the option --config."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_set_config,
        metavar="PATH",
        help=f"Configuration file [env: {CONFIG_VARIABLE}; default: ./picolase.toml, then the usual places].",
    )(command)


def json_option(command: F) -> F:
    """Give a command the option --json: JSON alone on standard output."""
    return click.option("as_json", "--json", is_flag=True, help="Print JSON instead of text.")(command)


pass_app = click.make_pass_decorator(App, ensure=True)


def now_us() -> int:
    """Monotonic time in microseconds: a command is where real time enters."""
    return time.monotonic_ns() // 1000


def wall_clock() -> datetime:
    """The time of day, for the same reason."""
    return datetime.now(UTC)


def actor() -> str:
    """Who changes the records from this machine's command line, for the audit."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without an entry
        return f"cli:{os.getuid()}"


def console(*, stderr: bool = False) -> Console:
    """A terminal for tables; wide where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else NO_TERMINAL_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def table(title: str, columns: Iterable[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table with plain text in its cells, whatever a file from elsewhere had in it."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        made.add_row(*("" if cell is None else escape(printable(str(cell))) for cell in row))
    return made


def printable(text: str) -> str:
    """The text with all that could command a terminal written out."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str))


def note(text: str) -> None:
    """A message for the person at the terminal, beside the data: on standard error."""
    click.echo(text, err=True)


def sentence(reason: Mapping[str, Any]) -> str:
    """A reason or a problem of the daemon in one line: what, value, allowed, what to do."""
    if "field" in reason:
        value = "" if reason.get("value") is None else f" = {reason['value']!r}"
        allowed = f" (allowed: {reason['allowed']})" if reason.get("allowed") else ""
        source = f" [{reason['source']}]" if reason.get("source") else ""
        return f"{reason['field']}{value}: {reason.get('action', '')}{allowed}{source}"
    action = f": {reason['action']}" if reason.get("action") else ""
    return f"{reason.get('text', reason.get('code', 'no reason given'))}{action}"


_BY_OUTCOME = {
    "done": Exit.DONE,
    "refused": Exit.REFUSED,
    "failed": Exit.FAILED,
    "uncertain": Exit.UNCERTAIN,
}


def report(answer: Mapping[str, Any], done: str, *, as_json: bool) -> None:
    """Print the outcome of a command of the laser, and end it accordingly."""
    if as_json:
        print_json(answer)
    # An outcome that this version does not know is no success.
    exit_ = _BY_OUTCOME.get(str(answer.get("outcome")), Exit.UNCERTAIN)
    if exit_ is Exit.DONE:
        note(done)
        return
    text = str(answer.get("text") or answer.get("outcome") or "no outcome was told")
    if exit_ is Exit.UNCERTAIN:
        text += ". Nothing is armed until this is settled: run `picolase resolve`"
    reasons = [sentence(reason) for reason in answer.get("reasons") or ()]
    raise CommandFailed(exit_, f"{text[:1].upper()}{text[1:]}.", reasons)


def failure(error: Exception, app: App) -> CommandFailed:
    """The exit and the message for an error that commands are expected to meet; raises any other again."""
    from controller.client import ApiRefusal, NoAnswer, NotReachable, NotUnderstood
    from controller.listening import ListenError
    from controller.operators import OperatorRefused
    from controller.store import StoreError
    from controller.tomlfile import TomlError
    from hal.errors import LaserError

    match error:
        case CommandFailed():
            return error
        case NotReachable():
            return CommandFailed(
                Exit.NOT_REACHABLE, f"{error}. Start it with `picolase {app.as_option}run`, then try again."
            )
        case NoAnswer():
            return CommandFailed(
                Exit.UNCERTAIN, f"{error}. Look at `picolase status`; `picolase stop` stops the laser."
            )
        case NotUnderstood():
            return CommandFailed(
                Exit.FAILED, f"{error}. Check [api] in the configuration and the version of the daemon."
            )
        case ApiRefusal():
            return _refusal(error)
        case TomlError():
            return CommandFailed(Exit.BAD_INPUT, f"{error.file}: cannot be used.", str(error).splitlines())
        case StoreError():
            return CommandFailed(Exit.FAILED, f"The records: {error}.")
        case ListenError() | LaserError():
            return CommandFailed(Exit.FAILED, f"{error}.")
        case OperatorRefused():
            return CommandFailed(Exit.REFUSED, "The operator was not changed.", error.problems)
    raise error


_LOG_IN = {"login.not_logged_in", "login.idle"}


def _refusal(error: ApiRefusal) -> CommandFailed:
    details = [sentence(item) for item in (*error.reasons, *error.problems)]
    if error.status in {401, 403}:
        # Whoever is logged in and may not do this is told by the daemon who may.
        hint = " Log in with `picolase login NAME`." if error.code in _LOG_IN else ""
        return CommandFailed(Exit.NOT_ALLOWED, f"{error.text}.{hint}", details)
    return CommandFailed(Exit.FAILED if error.server_failed else Exit.REFUSED, f"{error.text}.", details)
