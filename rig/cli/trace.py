"""`picolase trace`: from each hazard and requirement to its modules, its tests, and what became of them."""

from __future__ import annotations

from pathlib import Path

import click

from controller.cli.app import console, json_option, print_json
from controller.cli.exits import CommandFailed, Exit
from rig.code_hash import ROOT
from rig.trace import Line, Trace, make_trace, plain
from rig.trace_page import csv_text, html_text
from rig.trace_results import DEFAULT, load_results
from rig.trace_tables import FOLDER, TraceError

_SHOWN_AT_MOST = 60  # characters of a hazard or requirement in a line of the table


@click.command()
@click.argument("numbers", nargs=-1, metavar="[REQ-011 HZ-005 ...]")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Results of the tests [default: run/trace-results.json in the source tree].",
)
@click.option("--static", is_flag=True, help="Look at no results, only at who names what.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write one page with all of it.",
)
@click.option(
    "--csv",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a table for a spreadsheet.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say one line, and what is wrong.")
@json_option
def trace(
    *,
    numbers: tuple[str, ...],
    results: Path | None,
    static: bool,
    html: Path | None,
    csv: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Follow each hazard to the requirements that control it, their modules, the tests, and the last results.

    `make test` leaves the results, and the page in run/traceability.html. Results count for the code they
    are of, and only what ran is said to have run. With numbers: only these, with the names of their tests.
    Needs the source tree, and no daemon.

    Status 1, with the list: a requirement or hazard without a test that passed, a test that failed, tests
    that did not run, one that names what there is not, a module that is not there, results of other code.
    Status 7: tables or results cannot be read.

    \b
    Example:  picolase trace --html trace.html
              picolase trace HZ-005 REQ-013
    """
    if static and results is not None:
        raise click.UsageError("--static looks at no results: give it or --results, not both.")
    if not ((ROOT / FOLDER).is_dir() and (ROOT / "tests").is_dir()):
        raise CommandFailed(
            Exit.BAD_INPUT, f"{ROOT} is not the source tree: run this in a clone, not an installation."
        )
    try:
        made = make_trace(ROOT, None if static else load_results(results or ROOT / DEFAULT))
    except TraceError as error:
        raise CommandFailed(Exit.BAD_INPUT, "The trace cannot be made.", error.lines) from error
    chosen = _chosen(made, numbers)
    for path, text in ((html, html_text), (csv, csv_text)):
        if path is not None:
            _write(path, text(made))
    if as_json:
        told = plain(made)
        for key in ("hazards", "requirements"):
            told[key] = [row for row in told[key] if row["id"] in chosen]
        print_json(told)
    elif numbers:
        for number in chosen:
            _tell(made, made.lines[number])
    elif not quiet:
        _table(made)
    if made.problems:
        raise CommandFailed(
            Exit.FAILED, f"{made.summary()}.", [f"{p.about}: {p.text}" for p in made.problems]
        )
    if not as_json:
        click.echo(f"{made.summary()}.")


def _chosen(made: Trace, numbers: tuple[str, ...]) -> list[str]:
    wanted = [number.upper() for number in numbers]
    if unknown := [number for number in wanted if number not in made.lines]:
        raise CommandFailed(
            Exit.USAGE, f"There is no {', '.join(unknown)} in docs/safety; `picolase trace` lists all."
        )
    return list(dict.fromkeys(wanted)) or list(made.lines)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(
            Exit.BAD_INPUT, f"{path}: {error.strerror}; give a file that can be written"
        ) from error


def _table(made: Trace) -> None:
    from rich.table import Table  # noqa: PLC0415 # --help does without

    out = console()
    tables = made.tables
    shown = Table("hazard", "what may happen", "controlled by", "tests", "last", box=None, pad_edge=False)
    for hazard in tables.hazards.values():
        line = made.lines[hazard.id]
        shown.add_row(
            hazard.id, _short(hazard.hazard), " ".join(hazard.requirements), str(len(line.tests)), line.last
        )
    out.print(shown)
    shown = Table("requirement", "what is required", "met by", "tests", "last", box=None, pad_edge=False)
    for row in tables.requirements.values():
        line = made.lines[row.id]
        shown.add_row(row.id, _short(row.requirement), row.met_by, str(len(line.tests)), line.last)
    out.print(shown)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_AT_MOST else f"{text[: _SHOWN_AT_MOST - 3]}..."


def _tell(made: Trace, line: Line) -> None:
    tables, number = made.tables, line.row.id
    if (hazard := tables.hazards.get(number)) is not None:
        click.echo(f"{number} {hazard.hazard}: {hazard.cause} -> {hazard.effect}")
        click.echo(f"  control: {hazard.control} (severity {hazard.severity_1_5} of 5)")
        click.echo(f"  provoked by: {hazard.fault_injection_test}")
        click.echo(f"  requirements: {' '.join(hazard.requirements)}")
        modules = tables.modules_of(number)
    else:
        row = tables.requirements[number]
        click.echo(f"{number} {row.requirement}\n  shown when: {row.acceptance_criterion}")
        click.echo(f"  clause: {row.clause} ({row.wording})")
        click.echo(f"  hazards: {' '.join(tables.hazards_of(number)) or 'none'}")
        modules = row.modules
    if line.row.note:
        click.echo(f"  note: {line.row.note}")
    click.echo(f"  modules: {' '.join(modules)}")
    for test in line.tests:
        click.echo(f"  {test.last}: {test.test}")
    click.echo()
