"""Treatment plans: checking one, carrying it out, going on after a trip, giving up."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import (
    App,
    config_option,
    console,
    json_option,
    note,
    now_us,
    pass_app,
    print_json,
    report,
)
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group
from controller.cli.plan_answer import checked, fires, in_words, show
from controller.cli.plan_confirm import ask_course, confirm, confirm_options
from controller.cli.plan_new import new
from controller.cli.second import ask_two, second_options
from controller.cli.signals import run_interruptible

if TYPE_CHECKING:
    from controller.course import Course
    from controller.store import SessionRecord


@click.group(cls=Group)
def plan() -> None:
    """Make a treatment plan, check it and carry it out."""


plan.add_command(new)


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
@pass_app
def check(app: App, file: Path, as_json: bool) -> None:
    """Check whether the laser may carry out the plan in FILE. Changes nothing, needs no daemon.

    With --json: `ok`, `refusals` (code, field, value, allowed, source, action), `summary`, and
    `checked_against`: "laser" for the one that is connected, "device_class" where there is none to ask.

    Status 7: the file is wrong in itself. Status 3: the laser or its limits stand against it.

    \b
    Example:  picolase plan check plans/tattoo-forearm.toml
    """
    _, answer = checked(app, file, as_json=as_json, alone=True)
    show(answer, as_json=as_json)


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@confirm_options
@second_options
@config_option
@json_option
@pass_app
def run(
    app: App,
    file: Path,
    *,
    eyewear_nm: int | None,
    confirmed: tuple[str, ...],
    all_confirmed: bool,
    course: tuple[str, ...],
    service: bool,
    arm_now: bool,
    second_name: str | None,
    second_stdin: bool,
    as_json: bool,
) -> None:
    """Carry out the plan in FILE: check, confirm, arm, and watch until it is done.

    A service plan (light on no person) has confirmations of its own and needs the service role; one that
    fires without the footswitch needs a second person, too.
    Switches the aiming beam on before it arms. The footswitch is the operator's: press it for each series,
    release it between. Ctrl-C stops the laser. Ends with status 0 only when every pulse was given.

    \b
    Example:  picolase plan run plans/tattoo-forearm.toml
              picolase plan run FILE --confirm-eyewear 755 --confirm-checklist --arm
    """
    text, answer = checked(app, file, as_json=as_json)
    summary = answer["summary"]
    console(stderr=True).print(in_words(summary), markup=False)
    serves = summary.get("service") is True
    worn_nm, items = confirm(
        int(summary["wavelength_nm"]),
        eyewear_nm,
        confirmed,
        all_confirmed=all_confirmed,
        service=service,
        serves=serves,
        seen=str(answer.get("interlocks_seen") or ""),
    )
    session = ask_course(
        lambda course: ask_two(
            app,
            second_name,
            second_stdin,
            lambda client, second: client.open_session(
                text, str(file), worn_nm, checklist=items, service=serves, course=course, second=second
            ),
        ),
        course,
    )
    _carry_out(app, session, arm_now=arm_now, as_json=as_json)


@plan.command()
@confirm_options
@second_options
@config_option
@json_option
@pass_app
def resume(
    app: App,
    *,
    eyewear_nm: int | None,
    confirmed: tuple[str, ...],
    all_confirmed: bool,
    course: tuple[str, ...],
    service: bool,
    arm_now: bool,
    second_name: str | None,
    second_stdin: bool,
    as_json: bool,
) -> None:
    """Go on with what remains of the interrupted session.

    Pulses of unknown fate count as given. Acknowledge the trip first: `picolase ack`.
    """
    status = app.ask(lambda client: client.status())
    record = _tell_unfinished(app, str((status.get("device") or {}).get("serial")))
    # Where the records are out of reach, what was confirmed says which it is, and the daemon judges it.
    serves = service if record is None else record.plan.get("indication") == "service"
    laser_nm = (status.get("laser") or {}).get("wavelength_nm")
    worn_nm, items = confirm(
        laser_nm,
        eyewear_nm,
        confirmed,
        all_confirmed=all_confirmed,
        service=service,
        serves=serves,
        seen=str((status.get("proof_tests") or {}).get("words") or ""),
    )
    resumed = ask_course(
        lambda course: ask_two(
            app,
            second_name,
            second_stdin,
            lambda client, second: client.resume_session(
                worn_nm, checklist=items, service=serves, course=course, second=second
            ),
        ),
        course,
    )
    _carry_out(app, resumed, arm_now=arm_now, as_json=as_json)


@plan.command()
@second_options
@config_option
@json_option
@pass_app
def abandon(app: App, *, second_name: str | None, second_stdin: bool, as_json: bool) -> None:
    """Give up the unfinished session for good; what was given stays recorded.

    Somebody else's session is given up only with a second person.
    """
    answer = ask_two(app, second_name, second_stdin, lambda client, second: client.abandon_session(second))
    if as_json:
        print_json(answer)
    note(f"Abandoned after {answer.get('delivered')} of {answer.get('planned')} pulses.")


def _carry_out(app: App, session: Mapping[str, Any], *, arm_now: bool, as_json: bool) -> None:
    """Arm, show the session until it is over, and end with its verdict."""
    for effect in session.get("taken_back") or ():
        note(f"After an earlier session, and not to be counted: {effect.get('text')}.")
    if not arm_now:
        if not sys.stdin.isatty():
            raise CommandFailed(
                Exit.FAILED,
                "The session is open and not armed: there is no terminal to ask. "
                "Arm it with `picolase arm`, or give --arm.",
            )
        if not click.confirm(f"Arm now (READY: {fires(session)})", err=True):
            raise CommandFailed(
                Exit.FAILED,
                "The session is open and not armed. `picolase arm` arms it, `picolase plan abandon` ends it.",
            )
    done, text, why, told = run_interruptible(_treat(app, session, to_stderr=as_json))
    if as_json:
        print_json(told)
    if not done:
        raise CommandFailed(
            Exit.FAILED,
            f"{text}. Look at `picolase status`; then `picolase ack` and `picolase plan resume`.",
            why,
        )
    note(f"{text}.")


def _tell_unfinished(app: App, serial: str) -> SessionRecord | None:
    """Say what remains, from the records: the daemon tells only of the session that it has in hand."""
    from controller.store import Reader, StoreError

    try:
        with Reader.open(app.config.store.path) as reader:
            record = reader.resumable_session(serial)
    except StoreError:
        return None  # the daemon may be on another machine; it will say what it resumed
    if record is not None:
        note(
            f"{record.plan.get('name')}: {record.delivered_pulses} of {record.planned_pulses} pulses given "
            f"({record.unknown_pulses} of them unknown), {record.remaining_pulses} remain."
        )
    return record


def _settle(app: App, course: Course) -> None:
    """Take the session's end from the records, where this machine has them."""
    from controller.store import Reader, StoreError

    try:
        with Reader.open(app.config.store.path) as reader:
            course.settle(reader.session(course.session_id))
    except StoreError as error:
        note(f"The records could not be asked how the session ended: {error}.")


async def _treat(
    app: App, session: Mapping[str, Any], *, to_stderr: bool
) -> tuple[bool, str, list[str], dict[str, Any]]:
    """Arm and watch; whatever ends this before the session is over, stops the laser."""
    from controller.client import ClientError
    from controller.course import Course
    from controller.live import View, follow
    from controller.picture import Picture

    course = Course(str(session.get("id")))
    view = View(console(stderr=to_stderr), Picture(now_us()), now_us)
    async with app.client() as client:
        try:
            async with view.shown():
                laser = (await client.status()).get("laser") or {}
                if not session.get("rehearsal") and not laser.get("aiming_on"):
                    view.note("switching the aiming beam on: without it nothing is armed")
                    report(await client.aiming(on=True), "The aiming beam is on.", as_json=False)
                view.note("arming: two to three seconds; keep the footswitch released")
                report(await client.arm(), "Armed.", as_json=False)
                view.note(f"{fires(session)}. Ctrl-C stops the laser")
                await follow(
                    view, client.watch, lambda picture: course.over(picture, now_us()), patient=False
                )
        except BaseException:
            try:
                async with asyncio.timeout(5):
                    stopped = (await client.stop()).get("confirmed") is True
            except (ClientError, TimeoutError):
                stopped = False
            with contextlib.suppress(OSError):  # the terminal itself may be gone
                note("STOP confirmed." if stopped else "STOP NOT CONFIRMED: use the hardware stop")
            raise
    _settle(app, course)
    text, why = course.ending(view.picture)
    return course.done, text, why, dict(course.session)
