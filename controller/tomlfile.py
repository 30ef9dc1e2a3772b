"""TOML files checked against a strict model: every problem at once, each with path, value and what to do."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

M = TypeVar("M", bound=BaseModel)


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

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {self.value!r}"
        return f"{self.path}{value}: {self.action}" + (f" (allowed: {self.allowed})" if self.allowed else "")


class TomlError(Exception):
    """A file that cannot be used; `problems` is all that is wrong with it."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        super().__init__("\n  ".join([f"{file}:", *map(str, problems)]))
        self.file = file
        self.problems = problems


def read(path: Path) -> str:
    """The text of the file at `path`; raises TomlError when it cannot be read as UTF-8."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("file", None, "", f"cannot be read as UTF-8 text [{error}]")
        raise TomlError(str(path), [problem]) from error


def parse(text: str, path: Path, model: type[M], *, optional_tables: bool = False) -> M:
    """The values in `text`, as if it stood in the file at `path`; raises TomlError with every problem.

    With `optional_tables` a table that is left out is checked as an empty one, so that its defaults are
    placed relative to the file like those of one that is written.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(str(path), [Problem("file", None, "", f"is not TOML: {error}")]) from error
    if optional_tables:
        values = {name: {} for name in model.model_fields} | values
    try:
        return model.model_validate(values, context={"folder": path.absolute().parent})
    except ValidationError as error:
        schema = model.model_json_schema()
        raise TomlError(
            str(path), [_problem(found, schema) for found in error.errors(include_url=False)]
        ) from error


def allowed(declared: Mapping[str, Any]) -> str:
    """The range of one key, in words, from its JSON schema."""
    if "anyOf" in declared:  # Or not set.
        declared = declared["anyOf"][0]
    if "enum" in declared:
        return " or ".join(f'"{value}"' for value in declared["enum"])
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


def _problem(found: Any, schema: Mapping[str, Any]) -> Problem:
    """One finding of pydantic in words for the person who writes the file."""
    location = [str(part) for part in found["loc"]]
    path = ".".join(location)
    tables = tables_of(schema)
    in_table = len(location) > 1 and location[0] in tables
    keys = tables[location[0]]["properties"] if in_table else schema["properties"]
    key = location[1] if in_table else location[0] if location else ""
    is_table = not in_table and key in tables
    declared = None if is_table else keys.get(key)
    bounds = allowed(declared) if declared is not None else ""
    value = None if is_table else found["input"]
    if found["type"] == "extra_forbidden":
        what = "key" if in_table or not tables else "section"
        return Problem(
            path,
            None if isinstance(value, dict) else value,
            "",
            f"unknown {what}; {_hint(key, keys, tables)}",
        )
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
