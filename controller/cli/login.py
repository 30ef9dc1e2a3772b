"""Logging in and out at the daemon."""

import sys

import click

from controller.cli import tokens
from controller.cli.app import App, config_option, json_option, note, pass_app, print_json
from controller.cli.exits import CommandFailed, Exit


def read_password(*, from_stdin: bool, confirm: bool = False, prompt: str = "Password") -> str:
    """The password: one line of standard input, or typed without being shown."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    try:
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise CommandFailed(
            Exit.USAGE, "There is no terminal to ask for a password. Give it on standard input: see --help."
        ) from None


password_stdin_option = click.option(
    "from_stdin", "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)


@click.command()
@click.argument("name")
@password_stdin_option
@config_option
@json_option
@pass_app
def login(app: App, name: str, from_stdin: bool, as_json: bool) -> None:
    """Log in as operator NAME. Made by `picolase user add NAME`.

    The login is kept in a file that only you can read, until it is idle for too long or you log out.
    """
    password = read_password(from_stdin=from_stdin)
    answer = app.ask(lambda client: client.login(name, password))
    tokens.save(app.endpoint, answer["token"])
    if as_json:
        print_json({key: answer[key] for key in answer if key != "token"})
    idle = answer.get("idle_lock_s")
    locks = f"; locked after {idle / 60:.0f} min without use" if isinstance(idle, int | float) else ""
    note(f"Logged in as {answer.get('name', name)} ({answer.get('role', 'role unknown')}){locks}.")
    for training in answer.get("training") or ():
        note(f"{training.get('text')}.")


@click.command()
@config_option
@pass_app
def logout(app: App) -> None:
    """Log out: the daemon and this machine forget the login."""
    try:
        app.ask(lambda client: client.logout())
    finally:
        tokens.save(app.endpoint, None)
    note("Logged out.")
