"""The report of a session: compared with the database, and the page read as a browser does."""

import asyncio
import json
import re
import shutil
import sqlite3
import statistics
import sys
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.audit_keys import AuditKeys
from controller.cli import report as cli_report
from controller.cli.main import main
from controller.store import Reader, SessionRecord
from rig.stack import Stack, plan_text
from rig.virtual_time import VirtualTimeLoop

NAME = "Tattoo <left> & forearm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session on record: interrupted by the door after some pulses, taken up again, given in full."""
    made = tmp_path_factory.mktemp("report")
    (made / "picolase.toml").write_text('[device]\nurl = "/dev/ttyUSB0"\n')

    async def session() -> None:
        async with Stack(folder=made, signer=AuditKeys(made / "picolase.db").signer) as stack:
            await stack.prepare(plan_text(name=json.dumps(NAME), series="[12, 8]"))
            await stack.arm()
            await stack.fire(5)
            stack.laser.act("door", to="open")
            await asyncio.sleep(4)
            stack.release()
            stack.laser.act("door", to="close")
            await asyncio.sleep(1)
            await stack.resume()
            await stack.arm()
            await stack.give_all()

    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(session())
    finally:
        loop.close()
    return made


def picolase(folder: Path, *arguments: str) -> Result:
    return CliRunner(env={"PICOLASE_CONFIG": str(folder / "picolase.toml")}).invoke(main, arguments)


def session_of(folder: Path) -> SessionRecord:
    with Reader.open(folder / "picolase.db") as reader:
        return reader.sessions()[0]


class Page(HTMLParser):
    """The text of a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href", "action"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(folder: Path, tmp_path: Path) -> Page:
    file = tmp_path / "s.html"
    result = picolase(folder, "report", "--html", str(file))
    assert result.exit_code == 0, result.output
    return Page(file.read_text("utf-8"))


def test_the_json_holds_the_whole_session(folder: Path) -> None:
    session = session_of(folder)
    told = json.loads(picolase(folder, "report", session.id, "--json").stdout)
    with Reader.open(folder / "picolase.db") as reader:
        pulses = list(reader.session_pulses(session.id))
        entries = list(reader.audit_entries())
    assert [pulse["pulse_number"] for pulse in told["pulses"]] == [pulse.pulse_number for pulse in pulses]
    energies = [pulse.monitor_b_mj for pulse in pulses if pulse.monitor_b_mj is not None]
    assert told["energy_mj"]["mean"] == pytest.approx(statistics.fmean(energies))
    assert told["session"]["delivered_pulses"] == told["session"]["planned_pulses"] == 20
    done = next(entry for entry in entries if entry.kind == "session.done")
    assert told["audit_head"] == f"{done.index}:{done.hash}"
    assert told["faults"] == []
    assert len(told["confirmations"]) == 2, "begun and taken up again"
    assert all("anna confirmed eyewear for 755 nm and the checklist" in one for one in told["confirmations"])
    (incident,) = told["incidents"]
    with Reader.open(folder / "picolase.db") as reader:
        assert reader.incident(incident).first_cause.endswith("door, instance 1")


def test_the_log_tells_set_points_trips_and_steps_in_order_and_no_pulse(folder: Path) -> None:
    log = json.loads(picolase(folder, "report", "--json").stdout)["log"]
    texts = [line["text"] for line in log]
    places = [
        next(place for place, text in enumerate(texts) if words in text)
        for words in (
            "pulse_energy_mj 173.0",
            "The session was opened",
            "arm: beam APERTURE: done",
            "The session was interrupted",
            "kept as an incident",
            "taken up again",
            "The session was done",
        )
    ]
    assert places == sorted(places)
    assert places[-1] == len(log) - 1
    assert [line["index"] for line in log] == sorted(line["index"] for line in log)
    assert not any(line["kind"] == "pulse" for line in log)
    assert any("handpiece zoom" in text for text in texts)
    assert {line["grave"] for line in log if "interrupted" in line["text"]} == {True}


def test_the_page_needs_nothing_from_outside_and_holds_text_as_text(folder: Path, tmp_path: Path) -> None:
    page = page_of(folder, tmp_path)
    assert all(link.startswith("#") for link in page.fetched), page.fetched
    assert "script" not in page.tags
    assert "left" not in page.tags
    assert NAME in page.text
    assert page.tags.count("svg") == 2
    for words in (
        "20 of 20",
        "anna",
        "173.0 mJ",
        "Calibration in force",
        "Audit head",
        "energy, mJ",
        "width, ps",
    ):
        assert words in page.text, words


def test_the_plots_have_a_point_for_each_pulse(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.html"
    picolase(folder, "report", "--html", str(file))
    drawings = re.findall(r"<svg.*?</svg>", file.read_text("utf-8"), re.DOTALL)
    for drawing in drawings:
        # The line of the measured points: as many uses of its marker as pulses, and one in the legend.
        uses = [
            len(re.findall("<use ", group))
            for group in re.findall(r'<g id="line2d_\d+">.*?</g>\s*</g>', drawing, re.DOTALL)
        ]
        assert 20 in uses


def test_the_terminal_has_the_figures_and_the_log(folder: Path) -> None:
    shown = picolase(folder, "report")
    assert shown.exit_code == 0
    for words in ("20 of 20", "The session was interrupted", "Audit head", "anna confirmed"):
        assert words in shown.stdout


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to print with")
@pytest.mark.processes
def test_the_pdf_is_printed(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.pdf"
    result = picolase(folder, "report", "--pdf", str(file))
    assert result.exit_code == 0, result.output
    content = file.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert len(content) > 10_000


def test_without_a_browser_the_message_says_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_report, "BROWSERS", ("no-such-browser",))
    result = picolase(folder, "report", "--pdf", str(tmp_path / "s.pdf"))
    assert result.exit_code == 1
    assert "needs chromium" in result.stderr
    assert "--html" in result.stderr


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_without_what_draws_the_message_says_how_to_get_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    result = picolase(folder, "report", "--html", str(tmp_path / "s.html"))
    assert result.exit_code == 1
    assert "pip install 'picolase[report]'" in result.stderr
    assert picolase(folder, "report").exit_code == 0, "the terminal needs neither"


def test_what_cannot_be_written_or_found_is_told(folder: Path, tmp_path: Path) -> None:
    nowhere = picolase(folder, "report", "--html", str(tmp_path / "nowhere" / "s.html"))
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr
    none = picolase(folder, "report", "no-such-session")
    assert none.exit_code == 1
    assert "no session 'no-such-session'" in none.stderr


@pytest.mark.parametrize(
    ("trigger", "change", "words"),
    [
        (
            "audit_is_never_changed",
            "UPDATE audit SET body = '7' WHERE kind = 'session.done'",
            "does not match",
        ),
        (
            "audit_is_never_changed",
            "UPDATE audit SET body = 'x' WHERE kind = 'command.end'",
            "does not match",
        ),
        (
            "pulse_is_never_changed",
            "UPDATE pulse SET set_energy_mj = 1 WHERE session_id IS NOT NULL",
            "otherwise",
        ),
    ],
)
def test_records_that_were_changed_make_no_quiet_report(
    folder: Path, tmp_path: Path, trigger: str, change: str, words: str
) -> None:
    for file in folder.glob("picolase.*"):  # with the log that SQLite keeps beside it
        shutil.copy(file, tmp_path)
    with closing(sqlite3.connect(tmp_path / "picolase.db")) as shell:
        shell.execute(f"DROP TRIGGER {trigger}")
        assert shell.execute(change).rowcount > 0
        shell.commit()
    page = tmp_path / "s.html"
    result = picolase(tmp_path, "report", "--html", str(page))
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Do not rely on this report" in Page(page.read_text("utf-8")).text


def test_a_database_without_a_session_has_nothing_to_report(tmp_path: Path) -> None:
    from controller.store import Store
    from tests.controller.stored import now

    (tmp_path / "picolase.toml").write_text('[device]\nurl = "/dev/ttyUSB0"\n')
    Store.open(tmp_path / "picolase.db", wall_clock=now).close()
    result = picolase(tmp_path, "report")
    assert result.exit_code == 1
    assert "No session was recorded yet" in result.stderr
