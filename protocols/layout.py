"""How one message lies in its frame, with the functions that check, pack and unpack it.

Theory of operation. Kinds say what a field may hold, one value at a time and in words. A message comes and
goes twenty times a second and more, so its layout writes three functions out of its kinds, as dataclasses do,
each of which looks at all its fields at once. A Heartbeat's are:

    def check(message):
        challenge = message.challenge
        intent = message.intent
        if not (_type(challenge) is _int and 0 <= challenge <= 4294967295 and _type(intent) is _intent_type):
            _refuse((challenge, intent, ))

    def pack(message, _session, _seq):
        return _pack(_head, _session, _seq, message.challenge, message.intent)

    def unpack(raw):
        self = _open()  # filled as `protocols.frozen` says
        try:
            (_session, _seq, self.challenge, intent, ) = _unpack(raw)
            self.intent = _intent_raw[intent]
        except _UNKNOWN:
            return _explain(raw)
        self.__class__ = _cls
        return (_session, _seq, self)

They may only accept what every kind accepts; whatever they do not know goes to the kinds, who refuse in
words. Of a number that comes in, only that part of its range is looked at which its bytes do not ensure.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from protocols.fields import Bool, Choice, FieldKind, Int, SetOf, Text, bits_of
from protocols.frozen import compiled, twin

PROTOCOL_VERSION: Final = 1

HEADER: Final = struct.Struct("<BBBII")  # version, opcode, payload length, session, sequence
HEAD_SIZE: Final = 3  # the first three: the same in all frames of a message
CRC: Final = struct.Struct("<I")
_ENSURED: Final = {
    "B": (0, 2**8 - 1),
    "H": (0, 2**16 - 1),
    "I": (0, 2**32 - 1),
    "Q": (0, 2**64 - 1),
    "i": (-(2**31), 2**31 - 1),
}
REMEMBERED_MAX: Final = 4096  # [C] sets of one field; a laser shows some dozens of them


class Layout:
    """Names and kinds of a message's fields, in declared order.

    `check` raises FieldError unless every field of a message is allowed. `pack` gives header and payload of a
    message, its session and its sequence number. `unpack` gives session, sequence number and message of a
    header that begins with `head`, a payload and a CRC, which is passed over; it raises ValueError for
    anything illegal in the payload, FieldError included.
    """

    def __init__(self, cls: type[Any], fields: tuple[tuple[str, FieldKind], ...]) -> None:
        codes = "".join(kind.code for _, kind in fields)
        self.fields = fields
        self.packer = struct.Struct("<" + codes)
        self.head = bytes((PROTOCOL_VERSION, cls.opcode, self.packer.size))
        self._cls = cls
        known: dict[str, Any] = {
            "_type": type,
            "_int": int,
            "_frozenset": frozenset,
            "_map": map,
            "_head": self.head,
            "_pack": struct.Struct(f"<{HEAD_SIZE}sII{codes}").pack,
            "_unpack": struct.Struct(f"<{HEAD_SIZE}xII{codes}{CRC.size}x").unpack,
            "_UNKNOWN": (LookupError, struct.error),
            "_none": frozenset(),
            "_refuse": self._refuse,
            "_explain": self._explain,
            "_open": twin(cls),
            "_cls": cls,
        }
        for name, kind in fields:
            known |= _helpers(name, kind)
        self.check: Callable[[Any], None] = compiled("check(message)", self._checking(), known)
        self.pack: Callable[[Any, int, int], bytes] = compiled(
            "pack(message, _session, _seq)", self._packing(), known
        )
        self.unpack: Callable[[bytes], tuple[int, int, Any]] = compiled(
            "unpack(raw)", self._unpacking(), known
        )

    def _checking(self) -> list[str]:
        allowed = " and ".join(_allowed(name, kind) for name, kind in self.fields)
        return [
            *(f"{name} = message.{name}" for name, _ in self.fields),
            *([f"if not ({allowed}):", f"    _refuse(({self._all()}))"] if allowed else []),
        ]

    def _packing(self) -> list[str]:
        packed = "".join(f", {_packed(name, kind)}" for name, kind in self.fields)
        return [f"return _pack(_head, _session, _seq{packed})"]

    def _unpacking(self) -> list[str]:
        known = (_known(name, kind) for name, kind in self.fields)
        beyond = " or ".join(filter(None, (_beyond(name, kind) for name, kind in self.fields)))
        raws = "".join(f"{_raw(name, kind)}, " for name, kind in self.fields)
        return [
            "self = _open()",
            "try:",
            f"    (_session, _seq, {raws}) = _unpack(raw)",
            *(f"    {line}" for line in known if line),
            "except _UNKNOWN:",
            "    return _explain(raw)",
            *([f"if {beyond}:", "    return _explain(raw)"] if beyond else []),
            "self.__class__ = _cls",
            "return (_session, _seq, self)",
        ]

    def _all(self) -> str:
        return "".join(f"{name}, " for name, _ in self.fields)

    def _refuse(self, values: tuple[Any, ...]) -> None:
        """Ask the kinds, one by one."""
        for (name, kind), value in zip(self.fields, values, strict=True):
            kind.check(name, value)

    def _explain(self, raw: bytes) -> tuple[int, int, Any]:
        """The message in `raw` after all, or in words why there is none."""
        payload = raw[HEADER.size : -CRC.size]
        if len(payload) != self.packer.size:
            raise ValueError(f"{self._cls.__name__} has {self.packer.size} bytes, not {len(payload)}")
        raws = zip(self.fields, self.packer.unpack(payload), strict=True)
        values = [raw if isinstance(kind, Int) else kind.unpack(raw) for (_, kind), raw in raws]
        _, _, _, session, seq = HEADER.unpack_from(raw)
        return session, seq, self._cls(*values)


def _allowed(name: str, kind: FieldKind) -> str:
    """An expression: the kind surely takes this value."""
    match kind:
        case Int():
            return f"_type({name}) is _int and {kind.low} <= {name} <= {kind.high}"
        case Choice():
            return f"_type({name}) is _{name}_type"
        case SetOf():
            of_type = f"(not {name} or {{*_map(_type, {name})}} == _{name}_types)"
            return f"_type({name}) is _frozenset and {of_type}"
        case Bool():
            return f"({name} is True or {name} is False)"
        case _:
            return "False"  # a Text, and rare: the kind shall look


def _packed(name: str, kind: FieldKind) -> str:
    """An expression: what `struct` packs; it takes bool and IntEnum as their number."""
    match kind:
        case SetOf():
            return f"_{name}_bits[message.{name}] if message.{name} else 0"
        case Text():
            return f"_{name}_text(message.{name})"
        case _:
            return f"message.{name}"


def _raw(name: str, kind: FieldKind) -> str:
    """Where the raw value is kept: a number that needs no second look is the field already."""
    return f"self.{name}" if isinstance(kind, Int) else name


def _known(name: str, kind: FieldKind) -> str:
    """A line: the value that is known by its number; "": a number stays what it is."""
    match kind:
        case Choice() | Bool():
            return f"self.{name} = _{name}_raw[{name}]"
        case SetOf():
            return f"self.{name} = _{name}_raw[{name}] if {name} else _none"
        case _:
            return ""


def _beyond(name: str, kind: FieldKind) -> str:
    """An expression: the raw value may be refused, although its bytes are such a number; "": none is."""
    if not isinstance(kind, Int):
        return "True" if isinstance(kind, Text) else ""
    low, high = _ENSURED[kind.code]
    sides = (
        f"self.{name} < {kind.low}" if kind.low > low else "",
        f"self.{name} > {kind.high}" if kind.high < high else "",
    )
    return " or ".join(filter(None, sides))


def _helpers(name: str, kind: FieldKind) -> dict[str, Any]:
    """What the expressions of this field refer to."""
    match kind:
        case Choice():
            return {
                f"_{name}_type": kind.type,
                f"_{name}_raw": {member.value: member for member in kind.type},
            }
        case SetOf():
            bits, raw = _Remembered(bits_of), _Remembered(kind.unpack)
            return {f"_{name}_types": {kind.type}, f"_{name}_bits": bits, f"_{name}_raw": raw}
        case Bool():
            return {f"_{name}_raw": (False, True)}
        case Text():
            return {f"_{name}_text": kind.pack}
        case _:
            return {}


class _Remembered(dict[Any, Any]):
    """A pure function's values by its argument, so many at most."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, argument: Any) -> Any:
        value = self._function(argument)
        if len(self) < REMEMBERED_MAX:
            self[argument] = value
        return value
