"""The report of one session: on the terminal, as HTML, as PDF. Works without the daemon."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

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
    wall_clock,
)
from controller.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from controller.session_report import SessionReport

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PRINTING_S = 60.0  # [C] a page of a session takes a second or two

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("session", required=False)
@click.option("--html", "html_file", type=_FILE, help="Write the page here.")
@click.option("--pdf", "pdf_file", type=_FILE, help="Print the page here, by chromium.")
@config_option
@json_option
@pass_app
def report(
    app: App, session: str | None, *, html_file: Path | None, pdf_file: Path | None, as_json: bool
) -> None:
    """Report one session, the newest if none is named: plan, confirmations, pulses, what happened, proof.

    \b
    Examples:  picolase report
               picolase report SESSION --html session.html --pdf session.pdf
    """
    from controller.audit_keys import AuditKeys
    from controller.session_report import session_report
    from controller.store import Reader

    with Reader.open(app.config.store.path) as reader:
        if session is None:
            newest = reader.sessions(limit=1)
            if not newest:
                raise CommandFailed(Exit.FAILED, "No session was recorded yet: there is nothing to report.")
            session = newest[0].id
        known = AuditKeys(app.config.store.path).known()
        keys = frozenset([known]) if known and reader.signed else frozenset[str]()
        made = session_report(reader, session, keys)
    if as_json:
        print_json(made.plain())
    if html_file is not None or pdf_file is not None:
        _write(made, html_file, pdf_file)
    elif not as_json:
        _print(made)
    if made.faults:
        raise CommandFailed(
            Exit.FAILED,
            "The records do not agree with their own proof: see `picolase db check`.",
            made.faults[:20],
        )


def _write(made: SessionReport, html_file: Path | None, pdf_file: Path | None) -> None:
    from controller.session_report_page import MissingError, html

    try:
        page = html(made, wall_clock())
    except MissingError as error:
        raise CommandFailed(Exit.FAILED, f"The report cannot be drawn; {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        target = html_file or Path(folder, "session.html")
        try:
            target.write_text(page, encoding="utf-8")
        except OSError as error:
            raise CommandFailed(Exit.FAILED, f"{target} cannot be written [{error.strerror}].") from error
        if html_file is not None:
            note(f"Written: {html_file}")
        if pdf_file is not None:
            _to_pdf(target, pdf_file)
            note(f"Written: {pdf_file}")


def _to_pdf(page: Path, pdf: Path) -> None:
    """Let a browser print the page: nothing that draws text as well is lighter."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise CommandFailed(
            Exit.FAILED,
            f"A PDF needs chromium, and none of {', '.join(BROWSERS)} is installed. Install it, or use "
            "--html and print the page from any browser.",
        )
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--no-sandbox",  # it opens a page of ours that needs nothing from outside, at times as root
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={pdf.absolute()}",
            page.absolute().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PRINTING_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                Exit.FAILED, f"{browser} did not print within {PRINTING_S:.0f} s. Use --html and print that."
            ) from error
    if done.returncode != 0 or not pdf.is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CommandFailed(Exit.FAILED, f"{browser} could not print {pdf}. Try --html.", said[-3:])


def _print(made: SessionReport) -> None:
    from controller.session_report_page import figures
    from controller.store import rfc3339

    session, out = made.session, console()
    out.print(f"Session {session.id}: {session.plan.get('name', '')} ({session.state.value})", markup=False)
    out.print(table("", ("", "", ""), figures(made)))
    for line, one in zip(made.confirmations, made.confirmed, strict=True):
        out.print(line, markup=False)
        for name, words in (*one.items.items(), *one.course.items()):
            out.print(f"  {name}: {words}", markup=False)
    for effect in made.effects:
        out.print(f"adverse effect {effect.id}: {effect}", markup=False)
    rows = [[rfc3339(line.when), line.actor, line.text] for line in made.log]
    out.print(table("what happened", ("time", "by", "what"), rows))
    if made.head is not None:
        out.print(f"Audit head: {made.head.index}:{made.head.hash}", markup=False)
