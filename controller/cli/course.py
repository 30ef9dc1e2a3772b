"""Courses of treatment: who had how many sessions, when the next is due, and the adverse effects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import (
    App,
    config_option,
    console,
    json_option,
    note,
    pass_app,
    print_json,
    table,
)
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group
from safety.courses import GRADES, PAIN_MOST, EffectKind, Mistake

if TYPE_CHECKING:
    from controller.subjects import SubjectRecord

_DAY = click.DateTime(["%Y-%m-%d"])


def _severity(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Pain 0 to 10; of everything else a grade or its number. Which kind may have which, the records say."""
    if value is None:
        return None
    if value in GRADES:
        return GRADES.index(value) + 1
    if value.isascii() and value.isdigit():
        return int(value)
    allowed = f"{', '.join(GRADES)}, or a number (pain: 0 to {PAIN_MOST})"
    raise click.BadParameter(f"{value!r} is none of {allowed}.", context, parameter)


@click.group(cls=Group)
def course() -> None:
    """Follow the courses of subjects, and record adverse effects.

    A subject is the pseudonym of its plans. Looking needs no daemon; recording is somebody's word, and needs
    the daemon and a login.
    """


@course.command("list")
@config_option
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List all courses: sessions done and planned, last and earliest next day, effects not resolved."""
    from controller.store import Reader
    from controller.subjects import SubjectRecord, plain_course

    with Reader.open(app.config.store.path) as reader:
        records = {subject: SubjectRecord.read(reader, subject) for subject in reader.subjects()}
    rows = [
        {"subject": subject} | plain_course(one) | _counts(record)
        for subject, record in records.items()
        for one in record.courses
    ]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("subject", "course", "sessions", "last", "next from", "effects", "not resolved")
        cells = [(row["subject"], *_cells(row), row["effects"], row["effects_unresolved"]) for row in rows]
        console().print(table("", columns, cells))
    else:
        note("No session of a named subject gave light yet: a plan names one in `subject`.")


@course.command()
@click.argument("subject")
@config_option
@json_option
@pass_app
def show(app: App, subject: str, as_json: bool) -> None:
    """Show everything about SUBJECT: courses, their sessions, and all adverse effects."""
    from controller.store import Reader
    from controller.subjects import SubjectRecord

    with Reader.open(app.config.store.path) as reader:
        if subject.upper() not in reader.subjects():
            raise CommandFailed(
                Exit.FAILED, f"No session names the subject {subject!r}: `picolase course list` lists them."
            )
        record = SubjectRecord.read(reader, subject)
    told = record.plain(subject)
    if as_json:
        print_json(told)
        return
    out = console()
    for one in told["courses"]:
        done, last, due = _cells(one)[1:]
        title = f"{one['indication']}: {done} sessions, last on {last}, next from {due}"
        rows = [[sitting[key] for key in ("id", "day", "pulses", "operator")] for sitting in one["sessions"]]
        out.print(table(title, ("session", "day", "pulses", "operator"), rows))
    if record.effects:
        columns = ("no.", "effect", "severity", "since", "resolved", "session", "recorded by", "remark")
        keys = ("id", "kind", "severity_text", "onset", "resolved", "session", "recorded_by")
        rows = [
            [*("-" if one[key] is None else one[key] for key in keys), effect.remark]
            for one, effect in zip(told["effects"], record.effects, strict=True)
        ]
        out.print(table("adverse effects", columns, rows))
    else:
        note("No adverse effect is on record.")


_SEVERITY_HELP = f"Pain: 0 to {PAIN_MOST}. All others: {', '.join(GRADES)}."
_KINDS = click.Choice([kind.value for kind in EffectKind])


@course.command()
@click.argument("session")
@click.option("--kind", required=True, type=_KINDS, help="What it is.")
@click.option("--severity", required=True, callback=_severity, metavar="GRADE", help=_SEVERITY_HELP)
@click.option("--onset", type=_DAY, help="Day on which it was seen first (UTC).  [default: today]")
@click.option("--resolved", type=_DAY, help="Day on which it had gone (UTC), if it has.")
@config_option
@json_option
@pass_app
def effect(
    app: App,
    session: str,
    *,
    kind: str,
    severity: int,
    onset: datetime | None,
    resolved: datetime | None,
    as_json: bool,
) -> None:
    """Record an adverse effect of SESSION. It is kept for good, and shown before the subject's next session.

    \b
    Example:  picolase course effect SESSION --kind blistering --severity moderate --onset 2026-10-02
    """
    found = _found(kind, severity, onset, resolved) | {"session": session}
    made = app.ask(lambda client: client.record_effect(found))
    if as_json:
        print_json(made)
    _tell(made)


@course.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option("--on", "day", type=_DAY, help="Day on which it had gone (UTC).  [default: today]")
@config_option
@json_option
@pass_app
def resolve(app: App, number: int, day: datetime | None, as_json: bool) -> None:
    """Record that the adverse effect NUMBER has gone. What was recorded of it stays."""
    made = app.ask(lambda client: client.resolve_effect(number, _iso(day)))
    if as_json:
        print_json(made)
    _tell(made)


@course.command()
@click.argument("number", type=click.IntRange(min=1))
@click.option(
    "--reason",
    required=True,
    type=click.Choice([mistake.value for mistake in Mistake]),
    help="Why; one that was recorded_wrongly, and no other, is told anew by the options below.",
)
@click.option("--kind", type=_KINDS, help="What it really is.")
@click.option("--severity", callback=_severity, metavar="GRADE", help=_SEVERITY_HELP)
@click.option("--onset", type=_DAY, help="Day on which it was seen first (UTC).  [default: the one recorded]")
@click.option("--resolved", type=_DAY, help="Day on which it had gone (UTC).  [default: it has not]")
@click.option("--session", help="The session that it is of.  [default: the one recorded]")
@config_option
@json_option
@pass_app
def correct(
    app: App,
    number: int,
    *,
    reason: str,
    kind: str | None,
    severity: int | None,
    onset: datetime | None,
    resolved: datetime | None,
    session: str | None,
    as_json: bool,
) -> None:
    """Take the adverse effect NUMBER back, which was recorded by mistake, or tell what it really is.

    Both the mistake and the correction stay on record. What was taken back is marked as such wherever it is
    shown, and needs no confirmation any more.

    \b
    Examples:  picolase course correct 3 --reason recorded_twice
               picolase course correct 3 --reason recorded_wrongly --kind crusting --severity mild
    """
    told = any(one is not None for one in (kind, severity, onset, resolved, session))
    if told is not (reason == Mistake.RECORDED_WRONGLY.value) or (
        told and (kind is None or severity is None)
    ):
        raise click.UsageError(
            f"--reason {Mistake.RECORDED_WRONGLY.value} needs --kind and --severity of what it really is; "
            "no other reason takes any of it."
        )
    instead = None
    if kind is not None and severity is not None:
        instead = _found(kind, severity, onset, resolved) | ({} if session is None else {"session": session})
    made = app.ask(lambda client: client.correct_effect(number, reason, instead))
    if as_json:
        print_json(made)
    note(f"Number {made.get('id')}: {made.get('text')}.")
    if made.get("recorded"):
        _tell(made["recorded"])


def _found(
    kind: str, severity: int, onset: datetime | None, resolved: datetime | None
) -> dict[str, str | int | None]:
    return {"kind": kind, "severity": severity, "onset": _iso(onset), "resolved": _iso(resolved)}


def _tell(made: Mapping[str, Any]) -> None:
    note(f"Recorded as number {made.get('id')}: {made.get('text')}.")
    if made.get("subject") is None:
        note("The session names no subject, so this is shown in its report, and before no other session.")


def _counts(record: SubjectRecord) -> dict[str, int]:
    """Of what was not taken back."""
    standing = [one for one in record.effects if one.stands]
    unresolved = sum(one.resolved is None for one in standing)
    return {"effects": len(standing), "effects_unresolved": unresolved}


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    planned = "?" if row["sessions_planned"] is None else row["sessions_planned"]
    done = f"{row['sessions_done']} of {planned}"
    return row["indication"], done, row["last_session"] or "-", row["earliest_next"] or "-"


def _iso(day: datetime | None) -> str | None:
    return None if day is None else day.date().isoformat()
