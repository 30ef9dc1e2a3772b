"""The console's tree as C: nodes, spellings, parameters, fields and words."""

from __future__ import annotations

import enum
import functools
import re
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from protocols import refusals, scpi, scpi_line
from protocols.fields import Choice, SetOf
from protocols.messages import Message, layout
from protocols.requests import Setpoint
from protocols.states import State
from tools.c_text import allowed, bits_of, placed, power_of, quoted, snake, truth

_STRUCTURES: Final = """\
/* A field as the console tells it: a name, names of a set, or a number with so many decimals. */
struct console_field {
    uint8_t opcode;
    uint8_t offset;
    uint8_t width;
    uint8_t kind; /* enum field_kind */
    uint8_t digits;
    uint8_t names_count;
    const char *const *names; /* 0: it is a number */
};
struct console_unit {
    const char *suffix;
    int32_t digits; /* the power of ten that it stands for */
};
struct console_parameter {
    const char *name;
    const char *most;  /* what the greatest value is called */
    const char *known; /* the suffixes, in words */
    int64_t high;
    struct console_unit units[4];
    struct console_unit words[2]; /* words that stand for a number, here in `digits` */
};
#define PARAMETERS_MAX 3
struct console_node {
    uint8_t query;
    uint8_t action;
    uint8_t parameters;
    bool always;
    struct console_field field;
    const struct console_parameter *parameter[PARAMETERS_MAX];
};
struct console_spelling {
    const char *header;
    uint8_t node;
};
struct console_error {
    int32_t code;
    const char *words;
};
""".splitlines()


def declarations() -> Iterator[str]:
    """What the header says of the tree."""
    yield "/* -- the console's tree */"
    yield f"#define LINE_MAX {scpi.LINE_MAX}U"
    yield f"#define ERRORS_MAX {scpi.ERRORS_MAX}U"
    yield f"#define ABOUT_MAX {scpi_line.ABOUT_MAX}U"
    yield f"#define EXPONENT_MAX {scpi_line.EXPONENT_MAX}"
    yield f'#define SCPI_VERSION "{scpi.SCPI_VERSION}"'
    yield f'#define NOT_KNOWN "{scpi.NOT_KNOWN}"'
    for name in ("OPERATION_COMPLETE", "POWER_ON", "ERRORS_WAIT", "MESSAGE_AVAILABLE", "EVENT_SUMMARY"):
        yield f"#define {name} {getattr(scpi, name):#04x}U"
    yield f"#define MASTER_SUMMARY {scpi.MASTER_SUMMARY:#04x}U"
    yield f"#define RANGE_REFUSALS UINT64_C({bits_of(scpi._RANGES):#x})"  # noqa: SLF001 - the tree's own
    yield "enum console_query {"
    yield "    QUERY_NONE,"
    yield "    QUERY_FIELD,"
    yield from (f"    QUERY_{name}," for name in _queries().values())
    yield "};"
    yield "enum console_action {"
    yield "    ACTION_NONE,"
    yield "    ACTION_CHANGE,"
    yield from (f"    ACTION_{name}," for name in _actions().values())
    yield "};"
    yield from _STRUCTURES
    yield f"#define NODES_COUNT {len(scpi.TREE)}U"
    yield "extern const struct console_node NODES[NODES_COUNT];"
    yield f"#define SPELLINGS_COUNT {len(_spellings())}U"
    yield "extern const struct console_spelling SPELLINGS[SPELLINGS_COUNT];"
    yield f"#define CONSOLE_ERRORS_COUNT {len(scpi_line.ERRORS)}U"
    yield "extern const struct console_error CONSOLE_ERRORS[CONSOLE_ERRORS_COUNT];"
    yield "extern const char *const REFUSAL_TEXTS[REFUSAL_COUNT];"
    yield "extern const char *const STATE_NAMES[STATE_COUNT];"
    yield ""


def tables() -> Iterator[str]:
    """The tree itself."""
    yield "const char *const REFUSAL_TEXTS[REFUSAL_COUNT] = {"
    yield from (f"    {quoted(refusals.REFUSALS[one].text)}," for one in refusals.Refusal)
    yield "};"
    for one in _named_enumerations():
        names = {member.value: member.name for member in one}
        name = snake(one.__name__).upper()
        storage = "" if one is State else "static "
        yield f"{storage}const char *const {name}_NAMES[{name}_COUNT] = {{"
        yield "    " + ", ".join(quoted(names.get(number, "")) for number in range(max(names) + 1)) + ","
        yield "};"
    parameters = {id(p): p for node in scpi.TREE for p in node.parameters}
    for parameter in parameters.values():
        yield from _parameter(parameter)
    yield "const struct console_node NODES[NODES_COUNT] = {"
    yield from (f"    {_node(node)}, /* {node.header} */" for node in scpi.TREE)
    yield "};"
    yield "const struct console_spelling SPELLINGS[SPELLINGS_COUNT] = {"
    yield from (f"    {{{quoted(spelling)}, {index}}}," for spelling, index in _spellings())
    yield "};"
    yield "const struct console_error CONSOLE_ERRORS[CONSOLE_ERRORS_COUNT] = {"
    yield from (f"    {{{code}, {quoted(words)}}}," for code, words in scpi_line.ERRORS.items())
    yield "};"


@functools.cache
def _queries() -> dict[str, str]:
    """Name of each query that is no reading of a field, by its header."""
    return {node.header: _own_name(node.header) for node in scpi.TREE if node.query and not _reading(node)}


@functools.cache
def _actions() -> dict[str, str]:
    """Name of each action that is no change of one field of the set-point, by its header."""
    return {node.header: _own_name(node.header) for node in scpi.TREE if node.action and not _changed(node)}


def _own_name(header: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"\[.*?\]", "", header).upper()).strip("_")


def _reading(node: scpi_line.Node) -> tuple[type[Message], str] | None:
    query = node.query
    if isinstance(query, functools.partial) and query.func is scpi._read:  # noqa: SLF001 - what the tree holds
        return query.args[0], query.args[1]
    return None


def _changed(node: scpi_line.Node) -> bool:
    reading = _reading(node)
    return bool(node.action and reading and reading[0] is Setpoint)


def _spellings() -> list[tuple[str, int]]:
    """Every spelling with the number of its node, in an order that does not change."""
    return sorted(
        (":".join(spelling), index) for index, node in enumerate(scpi.TREE) for spelling in node.spellings()
    )


def _named_enumerations() -> list[type[enum.IntEnum]]:
    found: dict[type[enum.IntEnum], None] = {State: None}
    for node in scpi.TREE:
        if reading := _reading(node):
            kind = dict(layout(reading[0]).fields)[reading[1]]
            if isinstance(kind, Choice | SetOf):
                found[kind.type] = None
    return list(found)


def _parameter(parameter: scpi_line.Parameter) -> Iterator[str]:
    known = " or ".join(unit for unit in parameter.units if unit) or "no suffix"
    most = f"{Decimal(parameter.high) / parameter.units['']:f}"
    units = [f"{{{quoted(suffix)}, {power_of(factor)}}}" for suffix, factor in parameter.units.items()]
    words = [f"{{{quoted(word)}, {number}}}" for word, number in parameter.words.items()]
    yield f"static const struct console_parameter {_parameter_name(parameter)} = {{"
    yield f"    {quoted(parameter.name)}, {quoted(most)}, {quoted(known)}, {parameter.high},"
    yield f"    {{{', '.join(_padded(units, 4))}}}, {{{', '.join(_padded(words, 2))}}},"
    yield "};"


def _padded(rows: list[str], count: int) -> list[str]:
    if len(rows) > count:
        raise ValueError(f"{rows}: make room for more than {count}")
    return rows + ["{0, 0}"] * (count - len(rows))


def _parameter_name(parameter: scpi_line.Parameter) -> str:
    return f"PARAMETER_{parameter.name.upper()}"


def _node(node: scpi_line.Node) -> str:
    reading = _reading(node)
    query = "FIELD" if reading else _queries().get(node.header, "NONE")
    action = "CHANGE" if _changed(node) else _actions().get(node.header, "NONE")
    parameters = [f"&{_parameter_name(parameter)}" for parameter in node.parameters]
    parameters += ["0"] * (3 - len(parameters))
    field = _console_field(*reading) if reading else "{0, 0, 0, 0, 0, 0, 0}"
    return (
        f"{{QUERY_{query}, ACTION_{action}, {len(node.parameters)}, {truth(node.always)}, {field}, "
        f"{{{', '.join(parameters)}}}}}"
    )


def _console_field(message: type[Message], name: str) -> str:
    kind, at = next((kind, at) for field, kind, at in placed(message) if field == name)
    kind_name, _, _ = allowed(kind)
    names, count = "0", 0
    if isinstance(kind, Choice | SetOf):
        names, count = f"{snake(kind.type.__name__).upper()}_NAMES", max(kind.type) + 1
    width = struct.calcsize("<" + kind.code)
    digits = power_of(scpi._base_units(name))  # noqa: SLF001 - the tree's own rule
    return f"{{{message.opcode:#04x}, {at}, {width}, FIELD_{kind_name}, {digits}, {count}, {names}}}"
