"""The tables of the trace: every requirement and hazard of docs/safety, read strictly."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

FOLDER: Final = Path("docs") / "safety"
REQUIREMENTS: Final = "requirements.csv"
HAZARDS: Final = "hazards.csv"

WORDINGS: Final = ("published", "partly published", "to be confirmed")
"""How far anybody could read the wording of the standard that a row stands on."""

MET_BY: Final = ("host", "device", "both")
SEVERITIES: Final = range(1, 6)

_T = TypeVar("_T", "Requirement", "Hazard")


class TraceError(Exception):
    """What the trace stands on cannot be used; one line for each thing that is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row of requirements.csv; `modules` are paths in the repository that meet it."""

    id: str
    topic: str
    requirement: str
    clause: str
    acceptance_criterion: str
    source: str
    wording: str
    met_by: str
    modules: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Hazard:
    """A row of hazards.csv; `requirements` are the numbers of those that control it."""

    id: str
    hazard: str
    cause: str
    effect: str
    control: str
    fault_injection_test: str
    severity_1_5: int
    real_event: str
    source: str
    wording: str
    requirements: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Both tables by number, in the order of the files."""

    requirements: Mapping[str, Requirement]
    hazards: Mapping[str, Hazard]

    @property
    def ids(self) -> frozenset[str]:
        """Every number that a test may name."""
        return frozenset(self.requirements) | frozenset(self.hazards)

    def hazards_of(self, requirement: str) -> tuple[str, ...]:
        """The hazards that this requirement helps to control."""
        return tuple(one.id for one in self.hazards.values() if requirement in one.requirements)

    def modules_of(self, hazard: str) -> tuple[str, ...]:
        """The modules of all requirements that control this hazard, each once."""
        named = self.hazards[hazard].requirements
        return tuple(dict.fromkeys(path for one in named for path in self.requirements[one].modules))


def read_tables(root: Path) -> Tables:
    """Read both tables below `root`; raises TraceError with every row that is wrong."""
    wrong: list[str] = []
    requirements = _read(root / FOLDER / REQUIREMENTS, _requirement, wrong)
    hazards = _read(root / FOLDER / HAZARDS, _hazard, wrong)
    for hazard in hazards.values():
        if not hazard.requirements:
            wrong.append(f"{HAZARDS}: {hazard.id}: no requirement controls it; name one")
        wrong += [
            f"{HAZARDS}: {hazard.id}: there is no {one} in {REQUIREMENTS}"
            for one in hazard.requirements
            if one not in requirements
        ]
    if wrong:
        raise TraceError(wrong)
    return Tables(requirements, hazards)


def _read(path: Path, make: Callable[[dict[str, str]], _T], wrong: list[str]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        wrong.append(f"{path}: cannot be read: {error}")
        return found
    for number, row in enumerate(rows, start=2):
        try:
            made = make(row)
        except (KeyError, TypeError, ValueError) as error:
            wrong.append(f"{path.name}: row {number} ({row.get('id')}): {error}")
            continue
        if made.id in found:
            wrong.append(f"{path.name}: row {number}: {made.id} stands there twice")
        found[made.id] = made
    return found


def _requirement(row: dict[str, str]) -> Requirement:
    made = Requirement(**(_plain(row, "REQ-") | {"modules": _words(row, "modules")}))  # type: ignore[arg-type]  # a row of text
    _among("met_by", made.met_by, MET_BY)
    if not made.modules:
        raise ValueError("modules: empty; name the paths that meet it")
    return made


def _hazard(row: dict[str, str]) -> Hazard:
    severity = int(row["severity_1_5"])
    _among("severity_1_5", severity, SEVERITIES)
    cells = _plain(row, "HZ-") | {"requirements": _words(row, "requirements"), "severity_1_5": severity}
    return Hazard(**cells)  # type: ignore[arg-type]  # as above


def _plain(row: dict[str, str], prefix: str) -> dict[str, object]:
    number = row["id"].removeprefix(prefix)
    if not (row["id"].startswith(prefix) and len(number) == len("001") and number.isdecimal()):
        raise ValueError(f"id: {row['id']!r} is not of the form {prefix}001")
    if None in row or None in row.values():
        raise ValueError("it has more or fewer cells than the table has columns")
    _among("wording", row["wording"], WORDINGS)
    return dict(row)


def _words(row: dict[str, str], column: str) -> tuple[str, ...]:
    return tuple(row[column].split())


def _among(column: str, value: object, allowed: Iterable[object]) -> None:
    if value not in tuple(allowed):
        raise ValueError(f"{column}: {value!r} is none of {', '.join(map(str, allowed))}")
