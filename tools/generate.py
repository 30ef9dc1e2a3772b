"""The documents that are made from the declarations: `python -m tools.generate [--check]`.

Writes docs/interface.md, docs/states.md, docs/faults.md, docs/fault-injection.md,
docs/safety/traceability.md, docs/metrics.md with the Grafana dashboard, and the contract of the MQTT topics
(docs/mqtt-topics.md, docs/asyncapi.json, docs/schemas/mqtt/). With --check it writes nothing, names every
document that is out of date and exits 1.
"""

from __future__ import annotations

import argparse
import ast
import enum
import functools
import inspect
import io
import struct
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from protocols import frame, messages, scpi, scpi_line, states, timing
from protocols.faults import FAULTS, Fault
from protocols.fields import U32_MAX, Bool, Choice, FieldKind, Int, SetOf
from protocols.interface import INTERFACE_HASH, MESSAGES, PROTOCOL_VERSION
from protocols.interlocks import INTERLOCKS
from protocols.messages import Message, layout
from protocols.refusals import REFUSALS
from protocols.requests import Trigger
from protocols.states import TRANSITIONS, Event, State
from rig.code_hash import ROOT
from rig.trace import make_trace
from rig.trace_page import hazard_rows, links, requirement_rows
from sim_device.faults import LIMITS, NOT_THE_DEVICES, faults_of
from sim_device.faults.describe import Described, describe, describe_trigger
from tools import c_header, dashboard, metrics_docs, mqtt_docs
from tools.page import page, table

DOCS = Path(__file__).parents[1] / "docs"
CELL_MAX = 200  # characters; the names of the board's lines are more
TYPE_NAMES = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "i": "i32"}
ENUMERATIONS = [
    *(states.State, messages.Handpiece, messages.Beam, messages.Intent, messages.Foot, messages.Shutter),
    *(messages.PulseFlag, messages.Leave, messages.NakReason, messages.Result, Trigger),
]


def main() -> int:
    """Write the documents and the C side of the declarations, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if anything is out of date"
    )
    checking = parser.parse_args().check
    stale = {name: text for name, text in documents().items() if not _is_current(DOCS / name, text)}
    for name, text in stale.items():
        if checking:
            print(f"docs/{name} is out of date: run `make docs` and commit the result", file=sys.stderr)
        else:
            (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / name).write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")
    written = (c_header.write(checking=checking), dashboard.write(checking=checking))
    return max(*written, int(checking and bool(stale)))


def documents() -> dict[str, str]:
    """Every generated document by its name under docs/."""
    return {
        "interface.md": interface(),
        "states.md": state_diagram(),
        "faults.md": faults(),
        "fault-injection.md": fault_injection(),
        "safety/traceability.md": traceability(),
        **mqtt_docs.documents(),
        **metrics_docs.documents(),
    }


_LINK: Final = f"""## Link

On the line each frame is COBS-encoded and ended by a zero byte. A host sends a zero byte before its first
frame, so that what stood on the line is no part of it; a run of more than {frame.ENCODED_MAX} bytes without
one is none.

- **Session.** Connect goes out in session 0 with a fresh nonce. The header of its Connected has the session,
  in which all that follows travels; a frame of another is refused. The same Connect again is answered again,
  one with another nonce opens another session.
- **Requests** are numbered from 1 in each session. The next one is sent when the answer, which has the
  request's number, is there. The latest number again is answered from memory and not done again, a number
  too high is refused: the Nak tells the one that is due.
- **Out of band** each side counts from 1 in each session; what is not later than the latest is not heard.
  Stop is heard in any session, with any number.
- **Nak** is sent for the first frame that was not taken, and not again until one was. It has the number 0, as
  Connect and Connected have."""


def interface() -> str:
    """The wire as a document."""
    return page(
        "The interface",
        f"Protocol version {PROTOCOL_VERSION}, interface hash `{INTERFACE_HASH:#018x}`: the first 8 bytes, "
        "little-endian, of the SHA-256 over the messages below (opcodes, field names, types, ranges and "
        "codes; not the words). Both ends compare it on connecting; a mismatch refuses to arm. Integers are "
        "little-endian, in base units; times are microseconds since the device's boot.",
        "## Frame",
        _text_of(frame),
        table(
            ("offset", "size", "what"),
            [
                (0, 1, f"version, {PROTOCOL_VERSION}"),
                (1, 1, "opcode"),
                (2, 1, "length of the payload in bytes"),
                (3, 4, "session, the nonce from Connected; 0 before"),
                (7, 4, "sequence number"),
                (11, "length", f"payload, at most {messages.PAYLOAD_MAX} bytes"),
                ("11 + length", 4, "CRC-32 over everything before it"),
            ],
        ),
        _LINK,
        "## Messages",
        table(
            ("opcode", "message", "sender", "channel", "effect", "answer", "bytes", "meaning"),
            [_message_row(message) for message in MESSAGES],
        ),
        "A channel tells how a message travels, an effect what repeating it would do:",
        _members(messages.Channel),
        _members(messages.Effect),
        *(part for message in MESSAGES if layout(message).fields for part in _message(message)),
        "## Enumerations",
        *(part for numbered in ENUMERATIONS for part in (f"### {numbered.__name__}", _members(numbered))),
        "Faults, interlocks and refusals stand in [faults.md](faults.md).",
        "## Times and limits",
        table(("name", "value", "reason"), _timing_rows()),
        *_console(),
    )


def state_diagram() -> str:
    """The state table as a diagram and as tables."""
    total = [event for event in Event if all(event in row for row in TRANSITIONS.values())]
    to_one = [event for event in total if len({row[event] for row in TRANSITIONS.values()}) == 1]
    edges: dict[tuple[State, State], list[str]] = {}
    for state, row in TRANSITIONS.items():
        for event, following in row.items():
            if event not in to_one and following is not state:
                edges.setdefault((state, following), []).append(event.name)
    lines = [
        f"    {state.name} --> {after.name}: {', '.join(names)}" for (state, after), names in edges.items()
    ]
    lines += [f"    ANY --> {TRANSITIONS[State.OFF][event].name}: {event.name}" for event in to_one]
    return page(
        "States",
        "The firmware is the truth, the host mirrors it. An event that is not in the table below is refused, "
        "and nothing changes. The diagram leaves out the events that leave a state as it is.",
        "\n".join(["```mermaid", "stateDiagram-v2", '    state "any state" as ANY', *lines, "```"]),
        _members(State),
        _members(Event),
        "## The table",
        table(
            ("state", *(event.name for event in Event)),
            [
                (
                    state.name,
                    *(after.name if (after := row.get(event)) is not None else "" for event in Event),
                )
                for state, row in TRANSITIONS.items()
            ],
        ),
    )


def faults() -> str:
    """Faults, interlocks and refusals as an operator and a service engineer read them."""
    return page(
        "Faults, interlocks and refusals",
        "A fault latches and is left only by an acknowledge that names its instance, once the cause is gone; "
        "those marked *service* an operator cannot acknowledge. A refusal clears by itself. The code is also "
        "the bit in a set on the wire. The last column names the bit of the public fault words of flash-lamp "
        "lasers that the fault follows.",
        "## Faults",
        table(
            ("code", "fault", "what happened", "because", "what to do", "", "pattern"),
            [
                (f.value, f"`{f.name}`", r.text, r.cause, r.action, "service" if r.service else "", r.quantel)
                for f, r in sorted(FAULTS.items())
            ],
        ),
        f"Code {Fault.NONE.value}, `{Fault.NONE.name}`, stands for no fault.",
        "## Interlocks",
        "In the order in which the first cause is judged.",
        table(
            ("bit", "interlock", "closed when", "latches", "when"),
            [
                (
                    *(interlock.value, f"`{interlock.name}`", row.meaning),
                    f"`{row.fault.name}`" if row.fault else "nothing: it moves the states by itself",
                    "always" if row.latches_always else "in ARMING, READY, EMITTING; else it refuses",
                )
                for interlock, row in INTERLOCKS.items()
            ],
        ),
        "## Refusals",
        table(
            ("bit", "refusal", "what is in the way", "what to do"),
            [(refusal.value, f"`{refusal.name}`", row.text, row.action) for refusal, row in REFUSALS.items()],
        ),
        "## On demand",
        "What a simulated laser can be made to have: [fault-injection.md](fault-injection.md).",
    )


def fault_injection() -> str:
    """What can go wrong in the simulator on demand."""
    known = describe()
    head = ("fault", "what it is", "parameters", "hazards")
    return page(
        "Faults on demand",
        "What a simulated laser can have, by name. `picolase faults` lists it, a scenario file "
        "(`picolase sim --scenario FILE`, `picolase simulate FILE`) puts it on a time line, and "
        '`sim_device.faults.inject(simulator, "shutter-stuck", at_s=12.0, for_s=5.0)` does it in process. '
        "Each fault counts how often it really fired: how often it changed something that would have been "
        "different without it. A run whose expected fault never fired fails.",
        "## When a fault comes",
        "Exactly one of `at_s` and `on` in a scenario; in process neither means now.",
        table(
            ("field", "allowed", "meaning"),
            [(f"`{field.name}`", field.allowed, field.meaning) for field in describe_trigger()],
        ),
        *(
            part
            for group in dict.fromkeys(fault.group for fault in known)
            for part in (
                f"## {group}",
                table(head, [_fault_row(fault) for fault in known if fault.group == group]),
            )
        ),
        "## Where the device tells less than one would wish",
        *(f"**`{name}`.** {words}" for name, words in LIMITS.items()),
        "## Hazards",
        "The rows of [hazards.csv](safety/hazards.csv), each with what puts it on trial. A row that no "
        "device can have names what covers it instead.",
        table(
            ("hazard", "put on trial by"),
            [
                (hazard, ", ".join(f"`{name}`" for name in faults_of(hazard)) or NOT_THE_DEVICES[hazard])
                for hazard in sorted({*NOT_THE_DEVICES, *(one for fault in known for one in fault.hazards)})
            ],
        ),
    )


def traceability() -> str:
    """From each hazard and requirement to the files of the tests that name it, as their source has it."""
    trace = make_trace(ROOT, None)
    return page(
        "Traceability",
        "From each hazard of [hazards.csv](hazards.csv) to the requirements that control it, from each of "
        "[requirements.csv](requirements.csv) to the modules that meet it, and from both to the tests that "
        'show it: those that carry its number, `@pytest.mark.shows("REQ-011", "HZ-005")`. '
        "`picolase trace` adds what became of them in the last run, test by test, and fails where a line "
        "cannot be followed to one that passed; it is the last step of `make test`. The wording of a "
        "standard that nobody here could read is *to be confirmed*. Not listed here, because they compute "
        f"their numbers: tests of {links(trace.computed) or 'none'}.",
        "## Hazards",
        table(
            ("hazard", "severity, 1 to 5", "what may happen", "controlled by", "shown in"), hazard_rows(trace)
        ),
        "## Requirements",
        table(
            ("requirement", "what is required", "wording", "met by", "in", "shown in"),
            requirement_rows(trace),
        ),
    )


def _allowed(fault: Described, allowed: str) -> str:
    """What is allowed, in a cell of a table."""
    return allowed if len(allowed) <= CELL_MAX else f"one that `picolase faults {fault.name}` lists"


def _fault_row(fault: Described) -> tuple[str, ...]:
    parameters = "<br>".join(
        f"`{one.short}`: {_allowed(fault, one.allowed)}. {one.meaning}" for one in fault.parameters
    )
    at_once = "" if fault.lasting else " Happens at once."
    return f"`{fault.name}`", fault.meaning + at_once, parameters, " ".join(fault.hazards)


# -- parts of the interface


def _message_row(message: type[Message]) -> tuple[object, ...]:
    name = (
        f"[{message.__name__}](#{message.__name__.lower()})" if layout(message).fields else message.__name__
    )
    return (
        *(f"{message.opcode:#04x}", name, message.sender.value, message.channel.value),
        message.effect.value if message.effect else "",
        message.answer.__name__ if message.answer else "",
        layout(message).packer.size,
        _text_of(message),
    )


def _message(message: type[Message]) -> Iterator[str]:
    yield f"### {message.__name__}"
    yield f"{message.opcode:#04x}, sent by the {message.sender.value}. {_text_of(message)}"
    rows, offset = [], 0
    for name, kind in layout(message).fields:
        rows.append((offset, f"`{name}`", *_kind(kind), kind.meaning))
        offset += struct.calcsize("<" + kind.code)
    yield table(("offset", "field", "type", "unit", "range", "meaning"), rows)


def _kind(kind: FieldKind) -> tuple[str, str, str]:
    """Type, unit and range of a field."""
    match kind:
        case Int():
            return TYPE_NAMES[kind.code], kind.unit, f"{kind.low} to {_power_or_number(kind.high)}"
        case Choice():
            return TYPE_NAMES[kind.code], "", f"one of {kind.type.__name__}"
        case SetOf():
            return TYPE_NAMES[kind.code], "", f"bits of {kind.type.__name__}"
        case Bool():
            return "u8", "", "0 or 1"
        case _:
            return f"char[{kind.size}]", "", "printable ASCII, padded with zeros"


def _power_or_number(number: int) -> str:
    """Large limits read better as powers of two."""
    bits = number.bit_length()
    return f"2^{bits} - 1" if number == 2**bits - 1 and number >= U32_MAX >> 1 else f"{number:,}"


def _timing_rows() -> Iterator[tuple[object, ...]]:
    reasons = _comments(timing)
    for name, value in vars(timing).items():
        if name.isupper() and name not in {"MS", "SECOND"}:
            is_time = name.endswith("_US")
            yield f"`{name}`", f"{value / timing.MS:g} ms" if is_time else value, reasons.get(name, "")


def _console() -> Iterator[str]:
    yield "## Console"
    yield (
        "SCPI and IEEE 488.2 lines on the second port, for people and PyVISA: ASCII, ended by LF or CR LF, "
        f"at most {scpi.LINE_MAX} characters, no echo. Capitals are the short form, brackets may be left "
        "out, case does not matter, `;` separates commands. A query is always answered; what is not known "
        f"with `{scpi.NOT_KNOWN}`. A setting is carried out in STANDBY while no host holds the laser. "
        "Nothing here arms or permits; `ABORt` stops in every state. The first error in a line ends it."
    )
    rows = []
    for node in scpi.TREE:
        given = ", ".join(f"<{parameter.name}>" for parameter in node.parameters)
        forms = [f"`{node.header}?`"] if node.query else []
        forms += [f"`{node.header} {given}".rstrip() + "`"] if node.action else []
        suffixes = "; ".join(" ".join(filter(None, p.units)) for p in node.parameters if len(p.units) > 1)
        rows.append((" ".join(forms), node.unit, suffixes, node.meaning))
    yield table(("header", "unit", "suffixes", "meaning"), rows)
    yield table(("error", "words"), [(code, words) for code, words in scpi_line.ERRORS.items()])


# -- helpers


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _members(numbered: type[enum.Enum]) -> str:
    """Members of an enumeration with the comment that stands beside each."""
    comments = _comments(sys.modules[numbered.__module__])
    rows = [
        (member.value, f"`{member.name}`", comments.get(f"{numbered.__name__}.{member.name}", ""))
        for member in numbered
    ]
    return table(("code", numbered.__name__, "meaning"), rows)


def _text_of(thing: type | ModuleType) -> str:
    """The docstring; of a module, what stands after its first line."""
    text = inspect.getdoc(thing) or ""
    return " ".join((text.partition("\n")[2] if isinstance(thing, ModuleType) else text).split())


@functools.cache
def _comments(module: ModuleType) -> dict[str, str]:
    """The comment on the lines of each assignment: `NAME` of the module, `Class.NAME` of its classes."""
    source = inspect.getsource(module)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    by_line = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for owner in ast.walk(ast.parse(source)):
        prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
        for statement in owner.body if isinstance(owner, ast.Module | ast.ClassDef) else []:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
                    found[prefix + name] = " ".join(by_line[line] for line in lines if line in by_line)
    return found


if __name__ == "__main__":
    sys.exit(main())
