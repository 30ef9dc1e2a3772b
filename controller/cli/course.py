"""Courses of treatment: who had how many sessions, when the next is due, and the adverse effects."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from controller.cli.app import (
    App,
    actor,
    config_option,
    console,
    json_option,
    note,
    now_us,
    pass_app,
    print_json,
    table,
    wall_clock,
)
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group
from safety.courses import GRADES, PAIN_MOST, Effect, EffectKind

if TYPE_CHECKING:
    from controller.course_gate import SubjectRecord
    from controller.store import Store
    from safety.courses import Course

_DAY = click.DateTime(["%Y-%m-%d"])


def _severity(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Pain 0 to 10; of everything else a grade or its number. Which kind may have which, the records say."""
    if value in GRADES:
        return GRADES.index(value) + 1
    if value.isascii() and value.isdigit():
        return int(value)
    allowed = f"{', '.join(GRADES)}, or a number (pain: 0 to {PAIN_MOST})"
    raise click.BadParameter(f"{value!r} is none of {allowed}.", context, parameter)


@click.group(cls=Group)
def course() -> None:
    """Follow the courses of subjects, and record adverse effects. Needs no daemon.

    A subject is the pseudonym of its plans.
    """


@course.command("list")
@config_option
@json_option
@pass_app
def list_(app: App, as_json: bool) -> None:
    """List all courses: sessions done and planned, last and earliest next day, effects not resolved."""
    from controller.course_gate import SubjectRecord
    from controller.store import Reader

    with Reader.open(app.config.store.path) as reader:
        records = {subject: SubjectRecord.read(reader, subject) for subject in reader.subjects()}
    rows = [
        {"subject": subject} | _plain_course(one) | _counts(record)
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
    from controller.course_gate import SubjectRecord
    from controller.store import Reader

    with Reader.open(app.config.store.path) as reader:
        if subject.upper() not in reader.subjects():
            raise CommandFailed(
                Exit.FAILED, f"No session names the subject {subject!r}: `picolase course list` lists them."
            )
        record = SubjectRecord.read(reader, subject)
    told = _plain(subject, record)
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
        columns = ("no.", "effect", "severity", "since", "resolved", "session", "recorded by")
        keys = ("id", "kind", "severity_text", "onset", "resolved", "session", "recorded_by")
        rows = [["-" if one[key] is None else one[key] for key in keys] for one in told["effects"]]
        out.print(table("adverse effects", columns, rows))
    else:
        note("No adverse effect is on record.")


@course.command()
@click.argument("session")
@click.option(
    "--kind", required=True, type=click.Choice([kind.value for kind in EffectKind]), help="What it is."
)
@click.option(
    "--severity",
    required=True,
    callback=_severity,
    metavar="GRADE",
    help=f"Pain: 0 to {PAIN_MOST}. All others: {', '.join(GRADES)}.",
)
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
    with _store(app) as store, store.transaction():
        made = store.record_effect(
            session, EffectKind(kind), severity, onset=_date(onset), actor=actor(), now_us=now_us()
        )
        if resolved is not None:
            made = store.resolve_effect(made.id, on=_date(resolved), actor=actor(), now_us=now_us())
        named = store.session(session).plan.get("subject") is not None
    _tell(made, as_json=as_json)
    if not named:
        note("The session names no subject, so this is shown in its report, and before no other session.")


@course.command()
@click.argument("number", type=int)
@click.option("--on", "day", type=_DAY, help="Day on which it had gone (UTC).  [default: today]")
@config_option
@json_option
@pass_app
def resolve(app: App, number: int, day: datetime | None, as_json: bool) -> None:
    """Record that the adverse effect NUMBER has gone. What was recorded of it stays."""
    with _store(app) as store:
        made = store.resolve_effect(number, on=_date(day), actor=actor(), now_us=now_us())
    _tell(made, as_json=as_json)


def _store(app: App) -> Store:
    from controller.store import Reader, Store

    Reader.open(app.config.store.path).close()  # says so where there are no records: none are begun here
    return Store.open(app.config.store.path, wall_clock=wall_clock, exclusive=False)


def _date(day: datetime | None) -> date | None:
    return None if day is None else day.date()


def _tell(made: Effect, *, as_json: bool) -> None:
    if as_json:
        print_json(made.plain())
    note(f"Recorded as number {made.id}: {made}.")


def _plain(subject: str, record: SubjectRecord) -> dict[str, Any]:
    courses = [
        _plain_course(one)
        | {
            "sessions": [
                {
                    "id": sitting.session_id,
                    "day": sitting.day.isoformat(),
                    "pulses": sitting.pulses,
                    "operator": sitting.operator,
                }
                for sitting in one.sittings
            ]
        }
        for one in record.courses
    ]
    effects = [one.plain() for one in record.effects]
    return {"subject": subject.upper(), "courses": courses, "effects": effects}


def _plain_course(one: Course) -> dict[str, Any]:
    return {
        "indication": one.indication,
        "sessions_done": one.done,
        "sessions_planned": one.planned,
        "last_session": _iso(one.last),
        "earliest_next": _iso(one.earliest),
        "earliest_known": _iso(one.earliest_known),
    }


def _counts(record: SubjectRecord) -> dict[str, int]:
    unresolved = sum(one.resolved is None for one in record.effects)
    return {"effects": len(record.effects), "effects_unresolved": unresolved}


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    planned = "?" if row["sessions_planned"] is None else row["sessions_planned"]
    done = f"{row['sessions_done']} of {planned}"
    return row["indication"], done, row["last_session"] or "-", row["earliest_next"] or "-"


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
