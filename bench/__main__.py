"""`python -m bench`: measure everything in one run, print the table, keep it in bench/results/latest.json."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Final

import click

from bench.figures import Group, machine, show, write

RESULTS: Final = Path(__file__).parent / "results"
# Modules of this package.
MEASUREMENTS: Final = (
    "codec",
    "requests",
    "stop",
    "simulation",
    "lasers",
    "mqtt",
    "live",
    "fleet",
    "store",
    "start",
)


@click.command()
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown.")
@click.option("--only", type=click.Choice(MEASUREMENTS), multiple=True, help="Measure only this.")
def main(*, markdown: bool, only: tuple[str, ...]) -> None:
    """Measure; nothing is judged here, whatever comes out."""
    about = machine()
    groups = []
    RESULTS.mkdir(exist_ok=True)
    for name in only or MEASUREMENTS:
        click.echo(f"measuring: {name}", err=True)
        with tempfile.TemporaryDirectory(dir=RESULTS) as folder:  # a real disk, as the working copy's is
            groups.append(_measure(name, Path(folder)))
    show(groups, about, markdown=markdown)
    if not only:
        write(RESULTS / "latest.json", groups, about)


def _measure(name: str, folder: Path) -> Group:
    """What `bench.<name>` measures; left out, with a line, where what it measures cannot be imported."""
    try:
        module = importlib.import_module(f"bench.{name}")
    except ImportError as error:
        return Group(name, notes=[f"left out: {error}"])
    measured: Group = module.measure(folder)
    return measured


if __name__ == "__main__":
    main()
