"""The grammar of the console: one line of SCPI text into the commands of a tree, or into what is wrong."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

EXPONENT_MAX: Final = 18  # [C] nothing here is larger; keeps 1E999999999 from becoming an integer
ABOUT_MAX: Final = 255  # [P] SCPI-99 vol. 2, 21.8.1: an error's words have at most 255 characters

ERRORS: Final[dict[int, str]] = {  # [P] SCPI-99 vol. 2, 21.8
    0: "No error",
    -101: "Invalid character",
    -102: "Syntax error",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -123: "Exponent too large",
    -131: "Invalid suffix",
    -221: "Settings conflict",
    -222: "Data out of range",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
}

_UNIT: Final = re.compile(r"(\*[A-Z]+|:?[A-Z]\w*(?::[A-Z]\w*)*)(\?)?(?: +(.*))?", re.ASCII | re.IGNORECASE)
_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d+)?) *([A-Z]*)", re.ASCII | re.IGNORECASE)


class ConsoleError(Exception):
    """What goes into the error queue: a number of `ERRORS`, and what it is about."""

    def __init__(self, code: int, about: str = "") -> None:
        super().__init__(code, about)  # its arguments and no others: a copy is made of them
        self.code = code
        self.about = about

    def __str__(self) -> str:
        words = f"{ERRORS[self.code]};{self.about}" if self.about else ERRORS[self.code]
        return '{},"{}"'.format(self.code, words.replace('"', "'")[:ABOUT_MAX])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a command: what it is, and how many base units each suffix stands for."""

    name: str
    high: int  # in base units; the least is 0
    units: dict[str, int]  # by suffix in capitals; "" is what a bare number means
    words: dict[str, int] = field(default_factory=dict)  # words that stand for a number

    def parse(self, text: str) -> int:
        """The number in base units; raises ConsoleError for what is malformed, out of range or too fine."""
        if text.upper() in self.words:
            return self.words[text.upper()]
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ConsoleError(-104, f"{text} is no number")
        suffix = match[2].upper()
        if suffix not in self.units:
            known = " or ".join(unit for unit in self.units if unit) or "no suffix"
            raise ConsoleError(-131, f"{match[2]}: give {self.name} with {known}")
        try:
            number = Decimal(match[1])
        except InvalidOperation:  # an exponent that no number has
            raise ConsoleError(-123, text) from None
        if abs(number.adjusted()) > EXPONENT_MAX:
            raise ConsoleError(-123, text)
        scaled = number * self.units[suffix]
        if not 0 <= scaled <= self.high or scaled != int(scaled):
            most = Decimal(self.high) / self.units[""]
            raise ConsoleError(-222, f"{self.name} = {text}: give 0 to {most:f}, no finer than one base unit")
        return int(scaled)


@dataclass(frozen=True, slots=True)
class Node:
    """One header of a tree: what its query answers and what its command does.

    Capitals of a mnemonic are its short form; one in brackets may be left out. `query` and `action` are
    called with the console and the laser, `action` also with the parsed parameters.
    """

    header: str
    meaning: str
    query: Callable[..., str] | None = None
    action: Callable[..., None] | None = None
    parameters: tuple[Parameter, ...] = ()
    unit: str = ""  # of what the query answers and of a bare number
    always: bool = False  # its command is carried out even behind an error in its line

    def spellings(self) -> Iterable[tuple[str, ...]]:
        """Every allowed spelling, in capitals, mnemonic by mnemonic."""
        choices = []
        for mnemonic in re.findall(r"\[?:?([*\w]+)(\]?)", self.header):
            short = "".join(c for c in mnemonic[0] if not c.islower())
            choices.append(({short, mnemonic[0].upper()}, bool(mnemonic[1])))
        options = [[*((form,) for form in forms), *([()] if optional else [])] for forms, optional in choices]
        return (tuple(itertools.chain(*parts)) for parts in itertools.product(*options))


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a line: call `run` with the console and the laser; it may raise ConsoleError."""

    text: str
    run: Callable[[Any, Any], str | None]
    ends_line: bool = False
    always: bool = False  # carried out even behind an error in its line: a stop


def failing(text: str, error: ConsoleError, *, ends_line: bool = False) -> Command:
    """A command that could not be understood: running it raises `error`."""

    def run(_console: object, _laser: object) -> None:
        raise error

    return Command(text, run, ends_line)


class Grammar:
    """Reads lines by a tree."""

    def __init__(self, tree: Iterable[Node]) -> None:
        self._nodes = {spelling: node for node in tree for spelling in node.spellings()}

    def parse(self, line: bytes) -> list[Command]:
        """The commands of `line` in order; to run one that is not understood raises what is wrong."""
        text = line.decode("latin-1").replace("\t", " ").strip(" \r")
        commands: list[Command] = []
        path: tuple[str, ...] = ()
        for unit in filter(None, map(str.strip, text.split(";"))):
            try:
                command, path = self._understand(unit, path)
            except ConsoleError as error:
                command, path = failing(unit, error), ()
            commands.append(command)
        if commands:
            commands[-1] = replace(commands[-1], ends_line=True)
        return commands

    def _understand(self, unit: str, path: tuple[str, ...]) -> tuple[Command, tuple[str, ...]]:
        """One command, and the path that the next one in the line starts from; raises ConsoleError."""
        if not (unit.isascii() and unit.isprintable()):
            raise ConsoleError(-101, ascii(unit))
        match = _UNIT.fullmatch(unit)
        if match is None:
            raise ConsoleError(-102, unit)
        header = match[1].upper()
        if header.startswith("*"):
            names = (header,)
        else:
            # [P] SCPI-99 vol. 1, 6.2.4: without a leading colon the header goes on where the last one was
            names = (() if header.startswith(":") else path) + tuple(header.removeprefix(":").split(":"))
            path = names[:-1]
        node = self._nodes.get(names)
        texts = [text.strip() for text in match[3].split(",")] if match[3] else []
        if node is not None and match[2] and node.query:
            _check_count(unit, len(texts), 0)
            return Command(unit, node.query), path
        if node is not None and not match[2] and node.action:
            _check_count(unit, len(texts), len(node.parameters))
            numbers = tuple(p.parse(text) for p, text in zip(node.parameters, texts, strict=True))
            return Command(unit, _applied(node.action, numbers), always=node.always), path
        raise ConsoleError(-113, unit)


def _check_count(unit: str, given: int, wanted: int) -> None:
    if given != wanted:
        raise ConsoleError(-108 if given > wanted else -109, f"{unit} takes {wanted} parameters")


def _applied(action: Callable[..., None], numbers: tuple[int, ...]) -> Callable[[Any, Any], None]:
    return lambda console, laser: action(console, laser, *numbers)
