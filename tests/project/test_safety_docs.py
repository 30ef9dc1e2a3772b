"""The documents of docs/safety: found, whole, true to the code; and the links of all documents."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from controller.api import BODY_MAX
from controller.cli.exits import Exit
from controller.cli.main import main
from controller.console import WATCHERS_MAX
from protocols.faults import FAULTS, Fault
from protocols.messages import PulseFlag
from protocols.refusals import REFUSALS, Refusal
from protocols.timing import MS, PERMIT_LIFE_US
from safety.latches import LATCHES, LatchId
from safety.reasons import HOST_REASONS, HostReason

ROOT: Final = Path(__file__).parents[2]
SAFETY: Final = ROOT / "docs" / "safety"
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "firmware").rglob("*.md")]
)
GUIDES: Final = ("operators-guide.md", "service-guide.md")
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)|!\[[^\]]*\]\(([^()\s]+)\)")
TEST_FILE: Final = re.compile(r"`([a-z_]+/test_[a-z0-9_]+\.py)`")
ELSEWHERE: Final = ("http://", "https://", "mailto:")


def text(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    found = [first or second for first, second in LINK.findall(text(page))]
    return [link for link in found if not link.startswith(ELSEWHERE)]


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have, as the usual renderers make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(next(one for n in range(100) if (one := f"{name}-{n}" if n else name) not in found))
    return found


def broken(page: Path) -> Iterator[str]:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{link}: there is no such heading"


def rows(page: Path) -> dict[str, list[str]]:
    """The rows of all tables of a page by what stands first in them, in backquotes."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text(page).splitlines()]
    return {one[0].strip("`"): one[1:] for one in cells if one[0].startswith("`")}


# -- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_broken_link_and_a_broken_anchor_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One `two` (three)\n\n# Twice\n\n# Twice\n")
    page = tmp_path / "a.md"
    page.write_text(
        "[1](b.md#one-two-three) [2](b.md#twice-1) [3](c.md) [4](b.md#four) ![5](d.svg) [6](#no)\n"
    )
    assert [one.partition(":")[0] for one in broken(page)] == ["c.md", "b.md#four", "d.svg", "#no"]


def test_every_page_of_safety_is_in_its_index_and_the_index_in_the_readme() -> None:
    indexed = {link.partition("#")[0] for link in links(SAFETY / "README.md")}
    pages = {path.name for kind in ("*.md", "*.csv") for path in SAFETY.glob(kind)}
    assert pages - {"README.md"} <= indexed
    assert "docs/safety/" in links(ROOT / "README.md")


# -- what to do


def test_the_hosts_messages_stand_there_word_for_word() -> None:
    told = rows(SAFETY / "messages.md")
    assert told.keys() == {one.value for one in LatchId} | {f"host.{one.value}" for one in HostReason}
    for latch, row in LATCHES.items():
        assert told[latch.value] == [row.text, row.action, "yes" if row.stops_always else ""]
    for reason, refusal in HOST_REASONS.items():
        assert told[f"host.{reason.value}"] == [refusal.text, refusal.action]


@pytest.mark.shows("REQ-041", "HZ-022")
def test_the_operators_guide_says_what_to_do_about_every_latch() -> None:
    told = rows(SAFETY / "operators-guide.md")
    for latch in LatchId:
        meaning, action = told[latch.value]
        assert meaning
        assert action


@pytest.mark.shows("REQ-041", "HZ-022")
def test_the_table_that_the_operators_guide_links_says_what_to_do_about_every_fault_and_refusal() -> None:
    assert "../faults.md#faults" in links(SAFETY / "operators-guide.md")
    assert "messages.md#reasons" in links(SAFETY / "operators-guide.md")
    page = text(ROOT / "docs" / "faults.md")
    for fault in Fault:
        if fault is not Fault.NONE:
            assert f"| `{fault.name}` | {FAULTS[fault].text} | " in page
            assert f" | {FAULTS[fault].action} | " in page
    for refusal in Refusal:
        assert f"| `{refusal.name}` | {REFUSALS[refusal].text} | {REFUSALS[refusal].action} |" in page


def test_the_service_guide_names_each_fault_that_an_operator_cannot_acknowledge() -> None:
    page = text(SAFETY / "service-guide.md")
    section = page[page.index("## Faults marked *service*") :].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z_]+)`", section)) == {
        one.name for one, row in FAULTS.items() if row.service
    }


def test_the_operators_guide_explains_each_exit_status_and_each_flag_of_a_pulse() -> None:
    page = text(SAFETY / "operators-guide.md")
    statuses = page[page.index("## What a command's exit status says") :].partition("\n## ")[0]
    assert {int(number) for number in re.findall(r"\b\d+\b", statuses)} == {int(one) for one in Exit}
    flags = page[page.index("## What a pulse's line says") :].lower()
    assert [one.name for one in PulseFlag if one.name.lower().replace("_", " ") not in flags] == []


# -- what is typed


def commands() -> Iterator[tuple[str, str]]:
    for name in GUIDES:
        page = (SAFETY / name).read_text("utf-8")
        typed = re.findall(r"`(picolase [^`\n]+)`", page)
        typed += re.findall(
            r"^ *(picolase .+)$", "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)), re.M
        )
        yield from ((name, line) for line in dict.fromkeys(typed))


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_of_the_guides_is_one_and_has_these_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if ">" in words:
        del words[words.index(">") :]
    command: click.Command | None = main
    context, name = click.Context(main), "picolase"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name == "COMMAND":
            return
        command = command.get_command(context, name)
    assert command is not None, f"{page}: there is no {name}"
    needed = sum(isinstance(one, click.Argument) and one.required for one in command.params)
    if words or not needed:  # a command that is only named needs no arguments
        command.make_context(name, words)  # UsageError for what it does not take


# -- what is claimed


def test_every_test_that_the_threats_name_is_there() -> None:
    named = TEST_FILE.findall(text(SAFETY / "cybersecurity.md"))
    assert len(named) > 50
    assert sorted(name for name in set(named) if not (ROOT / "tests" / name).is_file()) == []


def test_every_threat_has_a_control_with_its_test_or_says_what_is_left() -> None:
    table = [line.strip("|").split("|") for line in text(SAFETY / "cybersecurity.md").splitlines()]
    threats = [
        [cell.strip() for cell in one] for one in table if re.fullmatch(r" [STRIDE]( [STRIDE])* ", one[0])
    ]
    assert {letter for one in threats for letter in one[0].split()} == set("STRIDE")
    for letters, threat, control, shown, left in threats:
        assert threat, letters
        assert bool(control) == bool(shown), threat
        assert control or left, threat


def test_every_requirement_whose_wording_nobody_could_read_is_among_the_clauses() -> None:
    with (SAFETY / "requirements.csv").open(newline="") as file:
        unread = {row["id"] for row in csv.DictReader(file) if row["wording"] != "published"}
    assert unread
    assert unread - set(re.findall(r"REQ-\d{3}", text(SAFETY / "clauses.md"))) == set()


def test_the_bounds_that_the_threats_tell_are_those_of_the_code() -> None:
    page = text(SAFETY / "cybersecurity.md")
    assert f"bodies of at most {BODY_MAX // 1_000} kB" in page
    assert f"{WATCHERS_MAX} watchers" in page
    assert f"ends emission within {PERMIT_LIFE_US // MS} ms" in page


@pytest.mark.parametrize("page", ["clauses.md", "intended-use.md", "software-classes.md", "cybersecurity.md"])
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    rooms = "controller|docs|firmware|hal|plans|protocols|rig|safety|sim_device|tools"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]+\.\w+)`", text(SAFETY / page)))
    named -= {name for name in named if (ROOT / "tests" / name).is_file()}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []
