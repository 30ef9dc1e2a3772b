"""Commands to the laser: arm, standby, ack, calibrate, aiming, resolve. Each needs a login."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json, report, sentence
from controller.cli.exits import CommandFailed, Exit
from controller.cli.second import ask_two, second_options

if TYPE_CHECKING:
    from controller.client import Answer, Client

STATUSES_TO_BEGIN = 8
"""[C] Two seconds of the laser's own statuses: what has not begun by then has ended, or never will begin."""


@click.command()
@config_option
@json_option
@pass_app
def arm(app: App, as_json: bool) -> None:
    """Arm the laser for the open session: STANDBY -> ARMING -> READY.

    Takes two to three seconds, in which the laser proves its shutter, stop channels and monitors. The
    footswitch must be released. Wear the eyewear for the session's wavelength before you arm.
    """
    report(app.ask(lambda client: client.arm()), "Armed: the footswitch fires.", as_json=as_json)


@click.command()
@config_option
@json_option
@pass_app
def standby(app: App, as_json: bool) -> None:
    """Bring the laser to STANDBY. To stop in a hurry use `picolase stop`."""
    report(app.ask(lambda client: client.standby()), "The laser is in standby.", as_json=as_json)


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Do not wait for the port: undocked, check a stored calibration again whose check a stop cut short.",
)
@config_option
@json_option
@pass_app
def calibrate(app: App, check: bool, as_json: bool) -> None:
    """Calibrate the energy monitors against the meter in the calibration port.

    At a terminal it waits until the handpiece is in the port, elsewhere it must be there already. The laser
    fires about thirty pulses into it; this waits for the end and tells whether the calibration holds.
    """
    if not check and not as_json and at_terminal():
        app.ask(_docked)
    note("Calibrating: the laser fires into the calibration port, or onto the closed shutter.")
    answer, laser = app.ask(_calibrate)
    if laser is None:
        report(answer, "Calibrating.", as_json=as_json)
        return
    if as_json:
        print_json(answer | {"calibrated": laser.get("calibrated"), "state": laser.get("state")})
    if laser.get("calibrated") is not True:
        raise CommandFailed(
            Exit.FAILED,
            f"The calibration is not valid; the laser is in {laser.get('state')}. See `picolase status` and "
            "`picolase log`, clean the port's window, dock the handpiece and calibrate again.",
        )
    note("Calibrated. Take the handpiece out of the port.")


def at_terminal() -> bool:
    """Whether somebody is there to be asked for something."""
    return sys.stdin.isatty()


async def _docked(client: Client) -> None:
    """Wait until the handpiece is in the calibration port."""
    told = False
    async with contextlib.aclosing(client.watch()) as messages:
        async for message in messages:
            laser = message.get("laser") or {}
            if message.get("kind") != "status" or laser.get("docked") is not False:
                if laser:
                    return
                continue
            if not told:
                told = True
                note("Put the handpiece into the calibration port: waiting for it; Ctrl-C gives up.")


async def _calibrate(client: Client) -> tuple[Answer, Mapping[str, Any] | None]:
    """The answer, and the laser's state once the calibration has ended; None when it did not begin."""
    answer = await client.calibrate()
    if answer.get("outcome") != "done":
        return answer, None
    begun = False
    statuses = 0
    async with contextlib.aclosing(client.watch()) as messages:
        async for message in messages:
            if message.get("kind") != "status":
                continue
            laser = message.get("laser") or {}
            statuses += 1
            if laser.get("state") == "calibrating":
                begun = True
            elif begun or statuses > STATUSES_TO_BEGIN:
                return answer, laser
    raise AssertionError("the stream ends by an error only")


@click.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@config_option
@json_option
@pass_app
def aiming(app: App, state: str, as_json: bool) -> None:
    """Switch the aiming beam on or off."""
    report(
        app.ask(lambda client: client.aiming(on=state == "on")),
        f"The aiming beam is {state}.",
        as_json=as_json,
    )


@click.command()
@config_option
@json_option
@pass_app
def ack(app: App, as_json: bool) -> None:
    """Acknowledge all trips that are latched, after you have read them.

    A trip whose cause is still there stays latched, and the answer says why. Acknowledging never arms.
    """
    from controller.picture import latch_line

    latches = (app.ask(lambda client: client.status()).get("supervisor") or {}).get("latches") or []
    if not latches:
        if as_json:
            print_json({"cleared": [], "kept": [], "outcome": "done"})
        note("Nothing is latched.")
        return
    for latch in latches:
        note(f"acknowledging {latch_line(latch)}")
    named = [{"name": latch["name"], "instance": latch["instance"]} for latch in latches]
    answer = app.ask(lambda client: client.acknowledge(named))
    kept = answer.get("kept") or []
    if kept and answer.get("outcome") in {None, "done"}:  # what was kept was refused
        answer = answer | {"outcome": "refused"}
    reasons = [
        {"text": f"{item.get('name')} stays latched: {sentence(reason)}"}
        for item in kept
        for reason in item.get("reasons") or [{"text": "no reason given"}]
    ]
    report(answer | {"reasons": reasons} if reasons else answer, "Acknowledged.", as_json=as_json)


@click.command()
@second_options
@config_option
@json_option
@pass_app
def resolve(app: App, *, second_name: str | None, second_stdin: bool, as_json: bool) -> None:
    """Settle what is uncertain by the laser's own counters, so that it can be armed again.

    Pulses that the laser has forgotten and nobody recorded are given up only with a second person.
    """
    answer = ask_two(app, second_name, second_stdin, lambda client, second: client.resolve(second))
    if as_json:
        print_json(answer)
    given_up = answer.get("given_up_pulses", 0)
    if given_up:
        plural = "s" * (given_up > 1)
        note(f"given up: {given_up} pulse{plural} that the laser has forgotten, and that have no record")
    for item in answer.get("settled") or ():
        note(f"settled: {_item(item)}")
    if left := answer.get("open") or ():
        raise CommandFailed(
            Exit.UNCERTAIN,
            "Not everything could be settled. Connect the laser and run this again; nothing arms until then.",
            [_item(item) for item in left],
        )
    note("All is settled." if given_up or answer.get("settled") else "Nothing is uncertain.")


def _item(item: object) -> str:
    if isinstance(item, dict):
        return " ".join(str(item[key]) for key in ("kind", "id", "text") if item.get(key))
    return str(item)
