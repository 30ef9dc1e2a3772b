"""A generated page of Markdown: its notice, its title, its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

NOTICE: Final = (
    "<!-- Written by `make docs` from the declarations. "
    "Do not edit: change the declaration and run it again. -->"
)


def page(title: str, *parts: str) -> str:
    """The whole page."""
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table; what a cell holds is escaped."""
    lines = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
