"""Looking at the laser: one picture (`status`) or a live one (`watch`). Neither needs a login."""

import contextlib
import sys

import click

from controller.cli.app import App, config_option, console, json_option, now_us, pass_app, print_json
from controller.cli.signals import run_interruptible


@click.command()
@config_option
@json_option
@pass_app
def status(app: App, as_json: bool) -> None:
    """Show the laser's state, interlocks, session and what stands against arming."""
    answer = app.ask(lambda client: client.status())
    if as_json:
        print_json(answer)
        return
    from controller.live import draw
    from controller.picture import Picture

    picture = Picture(now_us())
    picture.apply({"kind": "status", **answer}, now_us())
    console().print(draw(picture, now_us()))
    people = answer.get("people") or {}
    for text in (*people.get("lacking", ()), *(one.get("text") for one in people.get("training", ()))):
        console().print(f"people: {text}", style="yellow", markup=False)


@click.command()
@click.option(
    "--plain", is_flag=True, help="Lines instead of a drawing; the default where there is no terminal."
)
@config_option
@json_option
@pass_app
def watch(app: App, plain: bool, as_json: bool) -> None:
    """Show the laser live, until Ctrl-C. Watching never touches the laser.

    With --json, one JSON object a line: each status, pulse and event as it comes.
    """
    from rich.console import Console

    from controller.live import View, follow
    from controller.picture import Picture

    screen = Console(file=sys.stdout, force_terminal=False, highlight=False) if plain else console()

    async def show() -> None:
        view = View(screen, Picture(now_us()), now_us)
        async with app.client() as client, view.shown():
            await follow(view, client.watch, lambda _: False, patient=True)

    async def tell() -> None:
        async with app.client() as client, contextlib.aclosing(client.watch()) as messages:
            async for message in messages:
                print_json(message)

    run_interruptible(tell() if as_json else show())
