"""The second person, at the terminal: asked for when the daemon says that an act needs one."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from controller.cli.app import App, note
from controller.cli.login import read_password

if TYPE_CHECKING:
    from controller.client import Client
    from controller.second import Second

T = TypeVar("T")


def second_options(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options that name the second person."""
    for option in (
        click.option(
            "--second",
            "second_name",
            metavar="NAME",
            help="Second person, of the service role or above, for what needs two; asks for their password.",
        ),
        click.option(
            "second_stdin",
            "--second-password-stdin",
            is_flag=True,
            help="Read the second person's password from standard input, one line.",
        ),
    ):
        command = option(command)
    return command


def ask_two(
    app: App,
    second_name: str | None,
    second_stdin: bool,
    work: Callable[[Client, Second | None], Awaitable[T]],
) -> T:
    """Do one thing with the daemon; where it asks for a second person, so does this, at a terminal."""
    from controller.client import ApiRefusal

    second = None if second_name is None else _second(second_name, second_stdin)
    try:
        return app.ask(lambda client: work(client, second))
    except ApiRefusal as refusal:
        if refusal.code != "second.needed" or not sys.stdin.isatty():
            raise
        note(f"{refusal.text}.")
    second = _second(click.prompt("Second person, name", err=True), from_stdin=False)
    return app.ask(lambda client: work(client, second))


def _second(name: str, from_stdin: bool) -> Second:
    from controller.second import Second

    return Second(name, read_password(from_stdin=from_stdin, prompt=f"Password of {name}"))
