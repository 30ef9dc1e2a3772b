"""Passwords and tokens: not where `ps` shows them, in no log, no record and no message to the laser."""

import logging
from collections.abc import Iterator

import click
import httpx
import pytest

from controller.cli.main import main
from controller.store import Role
from protocols.fields import Text
from protocols.interface import MESSAGES
from protocols.messages import Sender, layout
from rig.stack import Stack
from tests.controller.asking import CONFIRMED, PLAN_BODY, logged_in

VIRTUAL_TIME = True
SECRET = ("password", "token", "secret", "key")
PUBLIC = {"keys"}  # public keys, to verify by


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            if found := command.get_command(context, part):
                yield from commands(found, f"{name} {part}")
    else:
        yield name, command


def test_no_command_takes_a_secret_as_an_argument_where_everybody_can_read_it() -> None:
    known = list(commands(main, "picolase"))
    assert len(known) > 40
    takes = [
        f"{name} {parameter.opts[0]}"
        for name, command in known
        for parameter in command.params
        if any(word in str(parameter.name) or word in parameter.opts[0] for word in SECRET)
        and parameter.name not in PUBLIC
        and not (isinstance(parameter, click.Option) and parameter.is_flag)
    ]
    assert [one for one in takes if "--key-on" not in one] == []


async def test_neither_password_nor_token_comes_into_log_or_records(
    stack: Stack, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await stack.settled()
    headers = await logged_in(stack, Role.SERVICE)
    for body in (
        {"name": "anna", "password": "hunter2-wrong"},
        {"name": "nobody", "password": "hunter2-unknown"},
        {"name": "hunter2-as-a-name", "password": "x" * 300},
    ):
        assert (await http.post("/login", json=body)).status_code >= 400
    second = {"second": {"name": "sven", "password": "hunter2-second"}}
    plan = PLAN_BODY | CONFIRMED | second
    for path, given in (("/sessions", plan), ("/resolve", second), ("/sessions/abandon", second)):
        await http.post(path, json=given, headers=headers)
        await http.post(path, json=given, headers={"Authorization": "Bearer hunter2-token"})
    tables = [
        str(row[0])
        for row in stack.reader._rows("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if row[0] != "operator"  # holds the hashes
    ]
    dump = (f"SELECT * FROM {table}" for table in tables)  # noqa: S608  # names of our own
    kept = "\n".join(str(tuple(row)) for query in dump for row in stack.reader._rows(query))
    assert "login.failed" in kept
    token = headers["Authorization"].partition(" ")[2]
    assert len(token) > 10
    for place, text in (("log", caplog.text), ("records", kept)):
        assert "hunter2" not in text, place
        assert token not in text, place


def test_nothing_but_numbers_goes_to_the_laser() -> None:
    """So neither a name nor a pseudonym nor a password can be on its line."""
    from_the_host = [message for message in MESSAGES if message.sender is Sender.HOST]
    assert from_the_host
    for message in from_the_host:
        assert not [name for name, kind in layout(message).fields if isinstance(kind, Text)], message
