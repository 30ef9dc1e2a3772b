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
    table,
)
from controller.cli.exits import CommandFailed, Exit
from controller.cli.signals import run_interruptible

if TYPE_CHECKING:
    from controller.client import Answer
    from controller.course import Course
    from controller.store import SessionRecord

CHECKLIST = (
    "everybody in the room wears eyewear for this wavelength, the patient's eyes are shielded",
    "door closed, sign lit, nothing that reflects or burns in the beam's way",
    "skin type, tan, medicines and contraindications were asked for; a test spot was judged where needed",
    "handpiece and spot are the planned ones, and the site was marked",
)
"""What the operator confirms before each session. [C] After the usual checklists for class 4 lasers."""


def confirm_options(command: click.decorators.FC) -> click.decorators.FC:
    """Give a command the options that answer its questions."""
    for option in (
        click.option(
            "--confirm-eyewear",
            "eyewear_nm",
            type=int,
            metavar="NM",
            help="Eyewear for this wavelength is worn.",
        ),
        click.option(
            "--confirm-checklist",
            "checklist",
            is_flag=True,
            help="The checklist was gone through, all of it.",
        ),
        click.option(
            "--confirm-service",
            "service",
            is_flag=True,
            help="Service plan: beam into a dump or power meter, nobody in its way, room controlled.",
        ),
        click.option("--arm", "arm_now", is_flag=True, help="Arm without asking."),
    ):
        command = option(command)
    return command


@click.group()
def plan() -> None:
    """Check a treatment plan and carry it out."""


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
@pass_app
def check(app: App, file: Path, as_json: bool) -> None:
    """Check whether the laser may carry out the plan in FILE. Changes nothing.

    Status 7: the file is wrong in itself. Status 3: the laser or its limits stand against it.

    \b
    Example:  picolase plan check plans/tattoo-forearm.toml
    """
    _, answer = _checked(app, file, as_json=as_json)
    if as_json:
        print_json(answer)
    else:
        console().print(_in_words(answer["summary"]), markup=False)
    note("The plan can be carried out.")


@plan.command()
@click.argument("file", type=click.Path(path_type=Path))
@confirm_options
@config_option
@json_option
@pass_app
def run(
    app: App,
    file: Path,
    *,
    eyewear_nm: int | None,
    checklist: bool,
    service: bool,
    arm_now: bool,
    as_json: bool,
) -> None:
    """Carry out the plan in FILE: check, confirm, arm, and watch until it is done.

    A service plan (light on no person) has confirmations of its own and needs the service role.
    Switches the aiming beam on before it arms. The footswitch is the operator's: press it for each series,
    release it between. Ctrl-C stops the laser. Ends with status 0 only when every pulse was given.

    \b
    Example:  picolase plan run plans/tattoo-forearm.toml
              picolase plan run FILE --confirm-eyewear 755 --confirm-checklist --arm
    """
    text, answer = _checked(app, file, as_json=as_json)
    summary = answer["summary"]
    console(stderr=True).print(_in_words(summary), markup=False)
    serves = summary.get("service") is True
    worn_nm = _confirm(int(summary["wavelength_nm"]), eyewear_nm, service if serves else checklist, serves)
    session = app.ask(
        lambda client: client.open_session(text, str(file), worn_nm, checklist=not serves, service=serves)
    )
    _carry_out(app, session, arm_now=arm_now, as_json=as_json)


@plan.command()
@confirm_options
@config_option
@json_option
@pass_app
def resume(
    app: App, *, eyewear_nm: int | None, checklist: bool, service: bool, arm_now: bool, as_json: bool
) -> None:
    """Go on with what remains of the interrupted session.

    Pulses of unknown fate count as given. Acknowledge the trip first: `picolase ack`.
    """
    status = app.ask(lambda client: client.status())
    record = _tell_unfinished(app, str((status.get("device") or {}).get("serial")))
    # Where the records are out of reach, what was confirmed says which it is, and the daemon judges it.
    serves = service if record is None else record.plan.get("indication") == "service"
    laser_nm = (status.get("laser") or {}).get("wavelength_nm")
    worn_nm = _confirm(laser_nm, eyewear_nm, service if serves else checklist, serves)
    resumed = app.ask(lambda client: client.resume_session(worn_nm, checklist=not serves, service=serves))
    _carry_out(app, resumed, arm_now=arm_now, as_json=as_json)


@plan.command()
@config_option
@json_option
@pass_app
def abandon(app: App, as_json: bool) -> None:
    """Give up the unfinished session for good; what was given stays recorded."""
    answer = app.ask(lambda client: client.abandon_session())
    if as_json:
        print_json(answer)
    note(f"Abandoned after {answer.get('delivered')} of {answer.get('planned')} pulses.")


def _checked(app: App, file: Path, *, as_json: bool) -> tuple[str, Answer]:
    """The plan's text and the daemon's answer; raises for a wrong file (7) and for refusals (3)."""
    from controller import tomlfile
    from controller.plans import parse_plan

    text = tomlfile.read(file)
    parse_plan(text, file)  # what is wrong with the file itself needs no daemon to be told
    answer = app.ask(lambda client: client.check_plan(text, str(file)))
    refusals = answer.get("refusals") or ()
    if answer.get("ok") is True and not refusals:
        return text, answer
    if as_json:
        print_json(answer)
    else:
        columns = ("field", "value", "allowed", "action", "source")
        rows = [[refusal.get(column) for column in columns] for refusal in refusals]
        console().print(table(f"{file} is refused", columns, rows))
    raise CommandFailed(
        Exit.REFUSED, f"{file}: refused for {len(refusals)} reason(s), all shown above. Nothing was done."
    )


def _in_words(summary: Mapping[str, Any]) -> str:
    from safety.fluence import fluence_j_cm2

    # What the plan states was checked against energy and spot; where it states nothing, they say it.
    stated = summary.get("fluence_j_cm2")
    fluence = stated or fluence_j_cm2(summary["pulse_energy_mj"], summary["spot_mm"])

    def number(key: str, form: str = "g") -> str:
        value = summary.get(key)
        return format(value, form) if isinstance(value, int | float) else "?"

    series = ", ".join(map(str, summary.get("series") or ()))
    whom = f"{summary.get('indication')}, skin type {summary.get('skin_type')}"
    if summary.get("service"):
        whom = "SERVICE: light on no person"
    rehearsal = "REHEARSAL: the shutter stays closed.\n" if summary.get("rehearsal") else ""
    rehearsal += f"INTERNAL TRIGGER: {_fires(summary)}.\n" if summary.get("trigger") == "internal" else ""
    return (
        f"{summary.get('name')} ({whom})\n"
        f"{rehearsal}"
        f"  {number('wavelength_nm')} nm, {number('mode_width_ps')} ps mode, "
        f"{summary.get('handpiece')} handpiece at {number('spot_mm')} mm\n"
        f"  {number('pulse_energy_mj')} mJ a pulse = {fluence:.2f} J/cm2, "
        f"{number('rep_rate_hz')} Hz\n"
        f"  {number('planned_pulses')} pulses: {number('passes')} pass(es) in series of {series}; "
        f"about {number('duration_s', '.0f')} s of pulses"
    )


def _fires(told: Mapping[str, Any]) -> str:
    """What makes light once a laser that carries out this plan or session is READY."""
    if told.get("trigger") == "internal":
        return "the laser fires by itself, without a foot"
    return "the footswitch fires; release it after each series"


def _confirm(wavelength_nm: int | None, eyewear_nm: int | None, confirmed: bool, serves: bool) -> int:
    """The wavelength the eyewear is for, once it and the list that applies are confirmed; raises."""
    from controller.session import SERVICE_CONDITIONS

    interactive = sys.stdin.isatty()
    option, items = (
        ("--confirm-service", SERVICE_CONDITIONS) if serves else ("--confirm-checklist", CHECKLIST)
    )
    if (eyewear_nm is None or not confirmed) and not interactive:
        raise CommandFailed(
            Exit.REFUSED,
            "Eyewear and checklist are not confirmed, and there is no terminal to ask. Nothing was done. "
            f"Give --confirm-eyewear {wavelength_nm or 'NM'} {option} once both are true.",
        )
    if eyewear_nm is None:
        eyewear_nm = click.prompt(
            "For which wavelength, in nm, is the eyewear everybody wears", type=int, err=True
        )
    if wavelength_nm is not None and eyewear_nm != wavelength_nm:
        raise CommandFailed(
            Exit.REFUSED,
            f"The eyewear is for {eyewear_nm} nm, the laser emits {wavelength_nm} nm. Nothing was done. "
            "Put on the right eyewear, then start again.",
        )
    if not confirmed:
        note("Service, on no person:" if serves else "Checklist:")
        for item in items:
            note(f"  - {item}")
        if not click.confirm("All of it is so", err=True):
            raise CommandFailed(Exit.REFUSED, "The checklist is not confirmed. Nothing was done.")
    return eyewear_nm


def _carry_out(app: App, session: Mapping[str, Any], *, arm_now: bool, as_json: bool) -> None:
    """Arm, show the session until it is over, and end with its verdict."""
    if not arm_now:
        if not sys.stdin.isatty():
            raise CommandFailed(
                Exit.FAILED,
                "The session is open and not armed: there is no terminal to ask. "
                "Arm it with `picolase arm`, or give --arm.",
            )
        if not click.confirm(f"Arm now (READY: {_fires(session)})", err=True):
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
                view.note(f"{_fires(session)}. Ctrl-C stops the laser")
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
