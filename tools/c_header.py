"""Writes the C side of the declarations: firmware/include/picolase_interface.h and the tables behind it.

Everything that the reference firmware takes from `protocols/`, the board and its limits, the C core takes
from here: enumerations, messages, states, faults, interlocks, refusals, board lines, times, limits and the
console's tree. Nothing of it is typed a second time.
"""

from __future__ import annotations

import argparse
import enum
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Final

from protocols import frame, messages, refusals, states, timing
from protocols.faults import FAULTS, Fault
from protocols.fields import FieldKind, Text
from protocols.interface import INTERFACE_HASH, MESSAGES
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.layout import CRC, PROTOCOL_VERSION
from protocols.layout import HEADER as FRAME_HEADER
from protocols.messages import Handpiece, Message, PulseReport, Sender, layout
from protocols.requests import FaultRecord, Trigger
from protocols.states import TRANSITIONS, Event, State
from sim_device.board import Inputs, Outputs
from sim_device.firmware import changes, console, limits, memory
from tools import c_console
from tools.c_text import allowed, bits_of, placed, snake, truth

FIRMWARE: Final = Path(__file__).parents[1] / "firmware"
HEADER: Final = "include/picolase_interface.h"
TABLES: Final = "core/interface_tables.c"
NOTICE: Final = "/* Written by `make docs` from the declarations. Do not edit: change the declaration. */"
ENUMERATIONS: Final[tuple[type[enum.IntEnum], ...]] = (
    *(State, Event, Fault, Interlock, refusals.Refusal, messages.Handpiece, messages.Beam, messages.Intent),
    *(messages.Foot, messages.Shutter, messages.PulseFlag, messages.Leave, messages.NakReason),
    *(messages.Result, Trigger),
)
STORED: Final = (PulseReport, FaultRecord)  # of the device's messages those that it reads back from memory
COUNTERS: Final = frozenset({"light_count", "lamp_triggers", "watchdog_kicks"})  # 32 bits that wrap
WIDTHS: Final = {"B": "uint8_t", "H": "uint16_t", "I": "uint32_t", "Q": "uint64_t", "i": "int32_t"}
REFUSED: Final = 0xFF  # in the table of transitions


def main() -> int:
    """Write the files, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.c_header", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if one is out of date")
    return write(checking=parser.parse_args().check)


def write(*, checking: bool) -> int:
    """Write what is out of date, or say so; returns the exit status."""
    stale = 0
    for name, text in sources().items():
        path = FIRMWARE / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale = 1
        if checking:
            print(f"firmware/{name} is out of date: run `make docs` and commit the result", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote firmware/{name}")
    return stale if checking else 0


def sources() -> dict[str, str]:
    """Every generated file by its name under firmware/."""
    return {HEADER: header(), TABLES: tables()}


def header() -> str:
    """The header: constants, enumerations, structures and how messages are packed."""
    return _file(
        "#ifndef PICOLASE_INTERFACE_H",
        "#define PICOLASE_INTERFACE_H",
        "",
        "#include <stdbool.h>",
        "#include <stdint.h>",
        "",
        '#include "picolase_bytes.h"',
        "",
        "/* -- the interface as a whole */",
        f"#define INTERFACE_HASH UINT64_C({INTERFACE_HASH:#018x})",
        f"#define PROTOCOL_VERSION {PROTOCOL_VERSION}U",
        f"#define HEADER_SIZE {FRAME_HEADER.size}U",
        f"#define CRC_SIZE {CRC.size}U",
        f"#define RAW_MIN {frame.RAW_MIN}U",
        f"#define RAW_MAX {frame.RAW_MAX}U",
        f"#define ENCODED_MAX {frame.ENCODED_MAX}U",
        f"#define SENT_PAYLOAD_MAX {max(_size(m) for m in _sent_by(Sender.DEVICE))}U /* of the device */",
        "",
        "/* -- enumerations */",
        *(line for one in ENUMERATIONS for line in _enumeration(one)),
        "/* -- times of the wire, limits of this laser; times in microseconds */",
        *_limits(timing),
        *_limits(limits),
        *_limits(memory),
        *_limits(console),
        f'#define MODEL "{limits.MODEL}"',
        f'#define FIRMWARE_VERSION "{limits.FIRMWARE_VERSION}"',
        "",
        "struct energy_mode {",
        *(f"    int64_t {field.name};" for field in fields(limits.EnergyMode)),
        "};",
        f"#define MODES_COUNT {len(limits.MODES)}",
        "extern const struct energy_mode MODES[MODES_COUNT];",
        f"#define RATES_COUNT {len(limits.RATES_MHZ)}",
        "extern const uint32_t RATES_MHZ[RATES_COUNT];",
        f"#define LEVELS_COUNT {len(limits.CALIBRATION_LEVELS_MV)}",
        "extern const int64_t CALIBRATION_LEVELS_MV[LEVELS_COUNT];",
        "struct range_um {",
        "    int64_t low;",
        "    int64_t high;",
        "};",
        "extern const struct range_um SPOTS_UM[HANDPIECE_COUNT];",
        f"#define SPOT_MIN_UM {min(low for low, _ in limits.SPOTS_UM.values())}U",
        f"#define SPOT_MAX_UM {max(high for _, high in limits.SPOTS_UM.values())}U",
        "",
        "/* -- states: what follows, or REFUSED_TRANSITION */",
        f"#define REFUSED_TRANSITION {REFUSED:#04x}U",
        "extern const uint8_t TRANSITIONS[STATE_COUNT][EVENT_COUNT];",
        f"#define ARMED_STATES {bits_of(states.ARMED):#x}U",
        "",
        "/* -- faults, interlocks, refusals */",
        f"#define FAULTS_FOR_SERVICE UINT64_C({bits_of(f for f, r in FAULTS.items() if r.service):#x})",
        f"#define INTERLOCKS_LATCHING_ALWAYS {bits_of(_latching_always()):#x}U",
        "extern const uint8_t INTERLOCK_FAULT[INTERLOCK_COUNT]; /* FAULT_NONE: it latches none */",
        "",
        *_board(),
        *_messages(),
        *c_console.declarations(),
        "#endif",
    )


def tables() -> str:
    """The constant tables that the header declares."""
    return _file(
        '#include "picolase_interface.h"',
        "",
        "const struct energy_mode MODES[MODES_COUNT] = {",
        *(f"    {{{', '.join(str(getattr(m, f.name)) for f in fields(m))}}}," for m in limits.MODES),
        "};",
        f"const uint32_t RATES_MHZ[RATES_COUNT] = {{{_list(limits.RATES_MHZ)}}};",
        f"const int64_t CALIBRATION_LEVELS_MV[LEVELS_COUNT] = {{{_list(limits.CALIBRATION_LEVELS_MV)}}};",
        "const struct range_um SPOTS_UM[HANDPIECE_COUNT] = {",
        *(f"    {{{_list(limits.SPOTS_UM.get(one, (1, 0)))}}}," for one in Handpiece),
        "};",
        "",
        "const uint8_t TRANSITIONS[STATE_COUNT][EVENT_COUNT] = {",
        *(
            f"    {{{_list(_following(state, number) for number in range(max(Event) + 1))}}},"
            for state in State
        ),
        "};",
        f"const uint8_t INTERLOCK_FAULT[INTERLOCK_COUNT] = {{{_list(_interlock_faults())}}};",
        "",
        *_message_tables(),
        *c_console.tables(),
    )


# -- parts


def _enumeration(one: type[enum.IntEnum]) -> Iterator[str]:
    numbers = [member.value for member in one]
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise ValueError(f"{one.__name__} has gaps: the wire's check of a range would let them through")
    name = snake(one.__name__)
    yield f"enum {name} {{"
    yield from (f"    {name.upper()}_{member.name} = {member.value}," for member in one)
    yield f"    {name.upper()}_COUNT = {numbers[-1] + 1}"
    yield "};"
    yield ""


def _limits(module: ModuleType) -> Iterator[str]:
    """The integers that a module itself declares."""
    source = Path(str(module.__file__)).read_text("utf-8")
    for name, value in vars(module).items():
        declared = re.search(rf"^{name}: Final", source, re.MULTILINE)
        if not declared or name.startswith("_") or name in {"U32"}:
            continue
        if type(value) is int:
            yield f"#define {name} INT64_C({value})"
        elif name in {"SENSOR_MC", "ARM_COOLANT_MC", "GAIN_PPM"}:
            yield f"#define {name}_LOW INT64_C({value[0]})"
            yield f"#define {name}_HIGH INT64_C({value[1]})"


def _board() -> Iterator[str]:
    yield "/* -- the board's lines, in the order of sim_device/board.py */"
    for side in (Inputs, Outputs):
        yield f"struct {side.__name__.lower()} {{"
        yield from (
            f"    {_line_type(line.name, line.default)} {line.name};{_comment(line.metadata)}"
            for line in fields(side)
        )
        yield "};"
    yield ""
    yield "/* Which part of a step depends on which lines: one bit for each group, as in changes.py. */"
    for name, value in vars(changes).items():
        if name.isupper() and not name.startswith("_") and type(value) is int:
            yield f"#define CHANGED_{name} {value:#06x}U"
    yield "#define INPUT_LINES(X) \\"
    groups = dict(changes.groups())
    names = [line.name for line in fields(Inputs)]
    for name in names:
        yield f"    X({name}, {groups[name]:#06x}U)" + (" \\" if name != names[-1] else "")
    yield "#define OUTPUT_LINES(X) \\"
    names = [line.name for line in fields(Outputs)]
    yield from (f"    X({name})" + (" \\" if name != names[-1] else "") for name in names)
    yield ""


def _messages() -> Iterator[str]:
    yield "/* -- messages: payloads as structures, packed and unpacked field by field */"
    yield "enum opcode {"
    yield from (f"    OPCODE_{snake(m.__name__).upper()} = {m.opcode:#04x}," for m in MESSAGES)
    yield "};"
    yield ""
    yield "enum field_kind { FIELD_UNSIGNED, FIELD_SIGNED, FIELD_SET, FIELD_TEXT };"
    yield "struct field_row {"
    yield "    uint8_t kind;"
    yield "    uint8_t offset;"
    yield "    uint8_t width;"
    yield "    uint64_t low;  /* least value */"
    yield "    uint64_t high; /* greatest value, or every bit a set may have */"
    yield "};"
    yield "enum channel { CHANNEL_LINK, CHANNEL_REQUEST, CHANNEL_ANSWER, CHANNEL_FREE };"
    yield "struct message_row {"
    yield "    uint8_t opcode;"
    yield "    uint8_t size;"
    yield "    uint8_t channel;"
    yield "    bool from_host;"
    yield "    bool reads; /* its effect: it may be repeated freely, because it changes nothing */"
    yield "    uint8_t first_field;"
    yield "    uint8_t fields;"
    yield "};"
    yield f"#define MESSAGES_COUNT {len(MESSAGES)}"
    yield "extern const struct message_row MESSAGES[MESSAGES_COUNT];"
    yield "extern const struct field_row FIELDS[];"
    yield ""
    for message in MESSAGES:
        yield from _message(message)


def _message(message: type[Message]) -> Iterator[str]:
    name = snake(message.__name__)
    yield f"#define {name.upper()}_SIZE {_size(message)}U"
    kinds = layout(message).fields
    if not kinds:
        return
    yield f"struct msg_{name} {{"
    yield from (f"    {_member(field, kind)};" for field, kind in kinds)
    yield "};"
    if message.sender is Sender.DEVICE:
        yield f"static inline void {name}_pack(const struct msg_{name} *from, uint8_t *payload)"
        yield "{"
        yield from (f"    {_pack(field, kind, at)};" for field, kind, at in placed(message))
        yield "}"
    if message.sender is Sender.HOST or message in STORED:
        yield f"static inline void {name}_unpack(struct msg_{name} *to, const uint8_t *payload)"
        yield "{"
        yield from (f"    {_unpack(field, kind, at)};" for field, kind, at in placed(message))
        yield "}"
    yield ""


def _message_tables() -> Iterator[str]:
    yield "const struct field_row FIELDS[] = {"
    first: dict[type[Message], int] = {}
    count = 0
    for message in MESSAGES:
        first[message] = count
        for _, kind, at in placed(message):
            count += 1
            kind_name, low, high = allowed(kind)
            width = struct.calcsize("<" + kind.code)
            yield f"    {{FIELD_{kind_name}, {at}, {width}, UINT64_C({low}), UINT64_C({high})}},"
    yield "};"
    yield "const struct message_row MESSAGES[MESSAGES_COUNT] = {"
    for message in MESSAGES:
        reads = message.effect is messages.Effect.READS
        yield (
            f"    {{{message.opcode:#04x}, {_size(message)}, CHANNEL_{message.channel.name}, "
            f"{truth(message.sender is Sender.HOST)}, {truth(reads)}, "
            f"{first[message]}, {len(layout(message).fields)}}}, /* {message.__name__} */"
        )
    yield "};"
    yield ""


# -- helpers


def _latching_always() -> list[Interlock]:
    return [interlock for interlock, row in INTERLOCKS.items() if row.latches_always]


def _interlock_faults() -> list[int]:
    return [INTERLOCKS[one].fault or Fault.NONE for one in Interlock]


def _sent_by(sender: Sender) -> list[type[Message]]:
    return [message for message in MESSAGES if message.sender is sender]


def _size(message: type[Message]) -> int:
    return layout(message).packer.size


def _member(name: str, kind: FieldKind) -> str:
    return f"char {name}[{kind.size}]" if isinstance(kind, Text) else f"{WIDTHS[kind.code]} {name}"


def _pack(name: str, kind: FieldKind, at: int) -> str:
    if isinstance(kind, Text):
        return f"put_text(payload + {at}, from->{name}, {kind.size})"
    cast = "(uint32_t)" if kind.code == "i" else ""
    return f"put_u{8 * struct.calcsize(kind.code)}(payload + {at}, {cast}from->{name})"


def _unpack(name: str, kind: FieldKind, at: int) -> str:
    cast = "(int32_t)" if kind.code == "i" else ""
    return f"to->{name} = {cast}get_u{8 * struct.calcsize('<' + kind.code)}(payload + {at})"


def _line_type(name: str, default: object) -> str:
    if type(default) is bool:
        return "bool"
    return "uint32_t" if name in COUNTERS else "int32_t"


def _comment(metadata: object) -> str:
    values = dict(metadata)  # type: ignore[call-overload]  # a mapping proxy
    unit = f" [{values['unit']}]" if values["unit"] else ""
    return f" /* {values['meaning']}{unit} */"


def _following(state: State, number: int) -> int:
    row = {int(event): after for event, after in TRANSITIONS[state].items()}
    return int(row.get(number, REFUSED))


def _list(values: Iterable[int]) -> str:
    return ", ".join(str(int(value)) for value in values)


def _file(*lines: str) -> str:
    return "\n".join([NOTICE, *lines]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
