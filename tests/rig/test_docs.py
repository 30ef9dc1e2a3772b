"""What the documents for rigs tell people to type: the commands are there, the examples do what they say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from controller.cli.main import main
from rig.laser import cold_laser
from rig.scenario import Staged, parse_scenario

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *(f"docs/{name}.md" for name in ("simulator", "campaigns", "plans", "console")))


def blocks(page: str, language: str = "[a-z]*") -> list[str]:
    """The blocks of code of a page in this language, or in any."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page):
            yield from ((page, line) for line in block.splitlines() if line.startswith("picolase "))


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_is_one_and_has_these_options(page: str, line: str) -> None:
    words = [word for word in shlex.split(line, comments=True)[1:] if word != "..."]
    if ">" in words:
        del words[words.index(">") :]
    command: click.Command | None = main
    context = click.Context(main)
    name = "picolase"
    while isinstance(command, click.Group):
        name = words.pop(0)
        command = command.get_command(context, name)
    assert command is not None, f"{page}: there is no {name}"
    command.make_context(name, words)  # UsageError for what it does not take


def test_the_example_of_a_scenario_shows_what_it_says() -> None:
    (text,) = blocks("docs/simulator.md", "toml")
    scenario = parse_scenario(text, ROOT / "docs" / "example.toml")
    laser = cold_laser(scenario.seed)
    staged = Staged(scenario.device_script, laser, scenario.seed)
    laser.advance(staged.ends_us)
    reports = staged.injector.reports()
    assert reports
    assert not any(report.idle for report in reports)
    assert staged.declined == []


def test_the_example_in_python_runs() -> None:
    (text,) = blocks("docs/simulator.md", "python")
    exec(text, {})  # noqa: S102 # it stands in our own document
