"""TOML files checked against a strict model: every problem at once, each with path, value and what to do."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]
"""Where something stands in a file: keys, and the numbers of array elements from 0."""

NESTING_MAX: Final = 32  # [C] files here need four; what is deeper is there to wear the reader out
SIZE_MAX: Final = (
    1_000_000  # [C] characters: a hundred times the longest plan; a device can be read without end
)
SHOWN_MAX: Final = 200  # [C] of a value that is wrong, as far as anybody reads it
INTEGER_END: Final = 2**63  # [P] TOML 1.0: 64 bits with the sign; Python reads any, and cannot write all
PROBLEMS_MAX: Final = 100  # [C] more than anybody mends at once; finding words for each takes time

# Strings and comments, and outside of them what gives a text its structure. What has no end goes on to the
# end of its line or of the text, so that no text takes more time than its length.
_TOKEN: Final = re.compile(
    r"""
      "{3} (?: [^"\\] | \\. | "(?!"") )*+ (?: "{3,5} )?
    | '{3} (?: [^'] | '(?!'') )*+ (?: '{3,5} )?
    | " (?: [^"\\\n] | \\[^\n] )*+ "?
    | ' [^'\n]*+ '?
    | \# [^\n]*+
    | [][{}=,.\n]
    """,
    re.VERBOSE | re.DOTALL,
)


class Table(BaseModel):
    """A table of a file: nothing is converted, nothing unknown is accepted, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the key by its dotted path, its value, what would be allowed, what to do."""

    path: str
    value: object
    allowed: str
    action: str
    line: int | None = None  # where it stands in the file, from 1; None: nowhere

    def __str__(self) -> str:
        shown = repr(self.value)
        if len(shown) > SHOWN_MAX:
            shown = f"{shown[:SHOWN_MAX]}..."
        value = "" if self.value is None else f" = {shown}"
        return f"{self.path}{value}: {self.action}" + (f" (allowed: {self.allowed})" if self.allowed else "")

    @property
    def plain_value(self) -> object:
        """The value as JSON can tell it: a date, NaN or infinity as text."""
        try:
            json.dumps(self.value, allow_nan=False)
        except (TypeError, ValueError):
            return str(self.value)
        return self.value


class TomlError(Exception):
    """A file that cannot be used; `problems` is all that is wrong with it."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{place(file, problem)}: {problem}" for problem in problems))
        self.file = file
        self.problems = problems


def place(file: str, problem: Problem) -> str:
    """File and line, as editors understand it."""
    return file if problem.line is None else f"{file}:{problem.line}"


def read(path: Path) -> str:
    """The text of the file at `path`; raises TomlError when there is none, or it cannot be read as UTF-8."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            words = "there is no such file: look at its name, and where it is looked for"
        elif isinstance(error, OSError):
            words = f"cannot be read [{error.strerror}]"
        elif isinstance(error, UnicodeDecodeError):
            words = f"cannot be read as UTF-8 text [{error}]"
        else:  # a name with a zero byte
            words = f"is no name of a file [{error}]"
        raise TomlError(str(path), [Problem("file", None, "", words)]) from error
    if len(text) > SIZE_MAX:
        words = f"is larger than {SIZE_MAX // 1_000_000} MB: no file here is"
        raise TomlError(str(path), [Problem("file", None, "", words)])
    return text


def parse(text: str, path: Path, model: type[M], *, optional_tables: bool = False) -> M:
    """The values in `text`, as if it stood in the file at `path`; raises TomlError with every problem.

    With `optional_tables` a table that is left out is checked as an empty one, so that its defaults are
    placed relative to the file like those of one that is written.
    """
    values = load(text, path)
    if optional_tables:
        values = {name: {} for name in model.model_fields} | values
    try:
        return model.model_validate(values, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise TomlError(str(path), problems_of(error, model, Lines(text))) from error


def load(text: str, path: Path) -> dict[str, Any]:
    """The tables in `text` as they stand; raises TomlError for what is not TOML, or nested without end."""
    if (line := _too_deep(text)) is not None:
        words = f"has keys or lists of more than {NESTING_MAX} levels: no file here needs as many"
        raise TomlError(str(path), [Problem("file", None, "", words, line)])
    if text.startswith("\ufeff"):
        words = "begins with a byte order mark, which no editor shows: save it as UTF-8 without one"
        raise TomlError(str(path), [Problem("file", None, "", words, 1)])
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = (
            int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        )  # otherwise it says "end of document"
        raise TomlError(str(path), [Problem("file", None, "", f"is not TOML: {error}", line)]) from error
    except ValueError as error:  # a number of more digits than Python reads
        words = "has a number of more than 64 bits: give a smaller one"
        raise TomlError(str(path), [Problem("file", None, "", words)]) from error
    if large := list(_too_large(values, ())):
        lines = Lines(text)
        words = "is a number of more than 64 bits: give a smaller one"
        problems = [Problem(".".join(map(str, at)), None, "", words, lines.of(at)) for at in large]
        raise TomlError(str(path), problems[:PROBLEMS_MAX])
    return values


def problems_of(
    error: ValidationError, model: type[BaseModel], lines: Lines, within: Place = ()
) -> list[Problem]:
    """What `error` found in a table that stands at `within`, in words for the person who writes the file.

    Of more than `PROBLEMS_MAX` the first ones.
    """
    schema = model.model_json_schema()
    problems = []
    for found in error.errors(include_url=False)[:PROBLEMS_MAX]:
        problem = _problem(found, schema, within)
        problems.append(replace(problem, line=lines.of((*within, *found["loc"]))))
    return problems


class Lines:
    """On which line of a TOML text each key, table and array element begins."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        self._elements: dict[Place, int] = {}  # number of the latest element of each array of tables
        table: Place = ()
        for line, statement in _statements(text):
            values = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                table = self._header(values)
                self._lines[table] = line
            else:
                self._note(values, table, line)

    def of(self, path: Sequence[str | int]) -> int | None:
        """The line of what stands at `path`, or of the innermost table around it; None: of none."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(tuple(path[:length]))) is not None:
                return line
        return None

    def _header(self, values: dict[str, Any]) -> Place:
        """Where the table of this header stands."""
        path: Place = ()
        node: Any = values
        while node:
            ((key, node),) = node.items()
            path += (key,)
            if isinstance(node, list):
                self._elements[path] = self._elements.get(path, -1) + 1
                node = node[0]
            if path in self._elements:
                path += (self._elements[path],)
        return path

    def _note(self, values: dict[str, Any], within: Place, line: int) -> None:
        for key, value in values.items():
            path = (*within, key)
            self._lines.setdefault(path, line)
            if isinstance(value, dict):
                self._note(value, path, line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each assignment of a text that is TOML, with the line on which it begins."""
    begun, line, depth = 0, 1, 0
    for token in _TOKEN.finditer(text + "\n"):
        depth += _DEEPER.get(token[0], 0)
        if token[0] == "\n" and not depth:  # in a list over several lines, and in a string, it is no end
            statement = text[begun : token.end()]
            if statement.strip() and not statement.lstrip().startswith("#"):
                yield line, statement
            begun, line = token.end(), line + statement.count("\n")


_DEEPER: Final = {"[": 1, "{": 1, "]": -1, "}": -1}


def _too_deep(text: str) -> int | None:
    """The line on which lists, tables or the parts of a key are nested too deeply; None: nowhere."""
    depth = parts = 0
    for token in _TOKEN.finditer(text):
        depth += _DEEPER.get(token[0], 0)
        if token[0] == ".":
            parts += 1
        elif token[0] in "[]{}=,\n":
            parts = 0
        if max(depth, parts) > NESTING_MAX:
            return text.count("\n", 0, token.start()) + 1
    return None


def _too_large(value: object, at: Place) -> Iterator[Place]:
    """Where whole numbers stand that have more bits than TOML allows."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _too_large(one, (*at, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _too_large(one, (*at, number))
    elif isinstance(value, int) and not -INTEGER_END <= value < INTEGER_END:
        yield at


def allowed(declared: Mapping[str, Any]) -> str:
    """The range of one key, in words, from its JSON schema."""
    if "anyOf" in declared:  # Or not set.
        declared = declared["anyOf"][0]
    if "enum" in declared:
        return " or ".join(map(json.dumps, declared["enum"]))
    if "const" in declared:
        return str(declared["const"])
    words = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "array": "a list"}
    word = words.get(declared.get("type", ""), "text")
    low = declared.get("minimum", declared.get("exclusiveMinimum"))
    high = declared.get("maximum", declared.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f"{word} {'above' if 'exclusiveMinimum' in declared else 'from'} {low} to {high}"
    if "pattern" in declared:
        return f"text matching {declared['pattern'].removeprefix('^').removesuffix('$')}"
    return "a path" if declared.get("format") == "path" else word


def tables_of(schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The JSON schema of each table of the file."""
    return {
        name: schema["$defs"][reference.rpartition("/")[2]]
        for name, declared in schema["properties"].items()
        if (reference := _reference(declared))
    }


def _reference(declared: Mapping[str, Any]) -> str:
    for candidate in (declared, *declared.get("allOf", ()), *declared.get("anyOf", ())):
        if "$ref" in candidate:
            return str(candidate["$ref"])
    return ""


def _problem(found: Any, schema: Mapping[str, Any], within: Place) -> Problem:
    """One finding of pydantic in words for the person who writes the file."""
    location = [str(part) for part in found["loc"]]
    path = ".".join([*map(str, within), *location])
    tables = tables_of(schema)
    in_table = len(location) > 1 and location[0] in tables
    table = tables[location[0]] if in_table else schema
    key = location[1] if in_table else location[0] if location else ""
    keys = table["properties"]
    is_table = not in_table and key in tables
    declared = None if is_table else keys.get(key)
    bounds = allowed(declared) if declared is not None else ""
    value = None if is_table or isinstance(found["input"], dict) else found["input"]
    if found["type"] == "extra_forbidden":
        what = "key" if in_table or within or not tables else "section"
        return Problem(path, value, "", f"unknown {what}; {_hint(key, keys, tables)}")
    if found["type"] == "missing":
        return Problem(
            path, None, bounds, f"is missing; add a table [{key}]" if is_table else "is missing; set it"
        )
    if found["type"] == "value_error":
        return Problem(path, value, bounds, str(found["ctx"]["error"]))
    if is_table:
        return Problem(path, found["input"], "a table", f"write it as a table, [{key}]")
    said = "" if bounds else f"; {found['msg'][0].lower()}{found['msg'][1:]}"
    return Problem(path, value, bounds, f"change it{said}")


def _hint(key: str, keys: Mapping[str, Any], tables: Mapping[str, Any]) -> str:
    owners = [name for name, table in tables.items() if key in table["properties"]]
    if owners and keys is not tables[owners[0]]["properties"]:
        return f"{key} belongs to [{owners[0]}]"
    near = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean {near[0]}?" if near else f"remove it ({', '.join(keys)})"
