"""Fields at, inside and outside their ranges; any bytes; user units."""

import enum
import math
import struct
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.fields import (
    COUNT_MAX,
    USER_UNITS,
    Bool,
    Choice,
    FieldError,
    FieldKind,
    Int,
    SetOf,
    Text,
    from_user,
    members_of,
    to_user,
)
from protocols.interface import MESSAGES
from protocols.layout import REMEMBERED_MAX, _Remembered
from protocols.messages import Foot, Message, PulseFlag, PulseReport, Status, Telemetry, layout
from protocols.requests import Identity
from protocols.states import State
from tests.protocols.test_golden import GOLDEN

EXAMPLE = {type(message): message for message, *_ in GOLDEN}
CODE_RANGES = {
    "B": (0, 255),
    "H": (0, 65_535),
    "I": (0, 4_294_967_295),
    "Q": (0, 18_446_744_073_709_551_615),
    "i": (-2_147_483_648, 2_147_483_647),
}
BITS = {"I": 32, "Q": 64}
FIELDS = [(message, name, kind) for message in MESSAGES for name, kind in layout(message).fields]
IDS = [f"{message.__name__}.{name}" for message, name, _ in FIELDS]
PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E))


class Other(enum.IntEnum):
    """Not the enumeration of any field, though its numbers would fit."""

    ZERO = 0
    ONE = 1


def values(kind: FieldKind) -> st.SearchStrategy[Any]:
    """Everything that a field of this kind may hold."""
    match kind:
        case Int():
            return st.integers(kind.low, kind.high) | st.sampled_from([kind.low, kind.high])
        case Choice():
            return st.sampled_from(list(kind.type))
        case SetOf():
            return st.frozensets(st.sampled_from(list(kind.type)))
        case Bool():
            return st.booleans()
        case Text():
            words = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=kind.size)
            return words.map(str.strip)


def messages() -> st.SearchStrategy[Message]:
    return st.one_of(
        [
            st.builds(message, **{name: values(kind) for name, kind in layout(message).fields})
            for message in MESSAGES
        ]
    )


def wrong(kind: FieldKind) -> list[Any]:
    """Values just outside, and of every wrong type."""
    strange: list[Any] = [None, 1.0, math.nan, math.inf, "1", b"1", [1], Other.ONE, State.OFF, frozenset({1})]
    match kind:
        case Int():
            return [*strange, kind.low - 1, kind.high + 1, True, False]
        case Choice():
            others = [value for value in strange if not isinstance(value, kind.type)]
            return [*others, 0, 1, True, "OFF"]
        case SetOf():
            return [*strange, set(), frozenset({Other.ONE}), next(iter(kind.type)), True]
        case Bool():
            return [*strange, 0, 1]
        case Text():
            texts = ["x" * (kind.size + 1), " x", "x ", "é", "a\0b", "a\nb", "\x7f"]
            return [value for value in strange if value != "1"] + texts


@given(messages())
def test_every_message_survives_the_wire(message: Message) -> None:
    payload = message.encode()
    assert type(message).decode(payload) == message
    assert len(payload) == layout(type(message)).packer.size <= 250


@pytest.mark.parametrize(("message", "name", "kind"), FIELDS, ids=IDS)
def test_a_field_takes_its_range_and_refuses_everything_beyond(
    message: type[Message], name: str, kind: FieldKind
) -> None:
    example = EXAMPLE[message]
    for value in wrong(kind):
        with pytest.raises(FieldError) as refused:
            replace(example, **{name: value})  # type: ignore[type-var]  # every message is a dataclass
        assert refused.value.field == name
        assert refused.value.value is value
        assert name in str(refused.value)
        assert repr(value) in str(refused.value)
        assert refused.value.allowed in str(refused.value)
    edges: list[Any] = []
    if isinstance(kind, Int):
        edges = [kind.low, kind.high]
    elif isinstance(kind, Choice):
        edges = list(kind.type)
    elif isinstance(kind, SetOf):
        edges = [frozenset(), frozenset(kind.type)]
    elif isinstance(kind, Text):
        edges = ["", "x" * kind.size]
    else:
        edges = [True, False]
    for value in edges:
        changed = replace(example, **{name: value})  # type: ignore[type-var]  # every message is a dataclass
        assert getattr(message.decode(changed.encode()), name) == value


@pytest.mark.parametrize(("message", "name", "kind"), FIELDS, ids=IDS)
def test_a_kind_fits_the_bytes_it_is_packed_in(message: type[Message], name: str, kind: FieldKind) -> None:
    match kind:
        case Int():
            low, high = CODE_RANGES[kind.code]
            assert low <= kind.low <= kind.high <= high
        case Choice():
            assert kind.code == "B"
            assert all(0 <= member <= 255 for member in kind.type)
        case SetOf():
            assert all(0 <= member < BITS[kind.code] for member in kind.type)
        case Bool():
            assert kind.code == "B"
        case Text():
            assert kind.code == f"{kind.size}s"
    assert any(field.name == name for field in fields(message))  # type: ignore[arg-type]  # a dataclass


@pytest.mark.parametrize(
    ("message", "name", "kind"),
    [f for f in FIELDS if f[2].unit],
    ids=[i for f, i in zip(FIELDS, IDS, strict=True) if f[2].unit],
)
def test_the_unit_is_in_the_name(message: type[Message], name: str, kind: FieldKind) -> None:
    suffix = {"ml/min": "_ml_min"}.get(kind.unit, "_" + kind.unit.lower())
    assert name.endswith(suffix)


@given(st.sampled_from(MESSAGES), st.data())
def test_any_bytes_of_the_right_length_are_a_message_or_a_value_error(
    message: type[Message], data: st.DataObject
) -> None:
    size = layout(message).packer.size
    payload = data.draw(st.binary(min_size=size, max_size=size))
    try:
        decoded = message.decode(payload)
    except ValueError:
        return
    assert message.decode(decoded.encode()) == decoded


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_a_payload_of_another_length_is_refused(message: type[Message]) -> None:
    payload = EXAMPLE[message].encode()
    wrong_lengths = [payload + b"\0", b"", payload[:-1]] if payload else [b"\0"]
    for other in wrong_lengths:
        with pytest.raises(
            ValueError, match=f"{message.__name__} has {len(payload)} bytes, not {len(other)}"
        ):
            message.decode(other)


@pytest.mark.parametrize(("message", "name", "kind"), FIELDS, ids=IDS)
def test_raw_numbers_outside_a_fields_range_do_not_decode(
    message: type[Message], name: str, kind: FieldKind
) -> None:
    """Patched into the payload at the field's offset, which is added up here."""
    offset = 0
    for other, other_kind in layout(message).fields:
        if other == name:
            break
        offset += struct.calcsize("<" + other_kind.code)
    payload = bytearray(EXAMPLE[message].encode())
    raws: list[Any] = []
    match kind:
        case Int():
            low, high = CODE_RANGES[kind.code]
            raws = [raw for raw in (low, kind.low - 1, kind.high + 1, high) if low <= raw <= high]
            raws = [raw for raw in raws if not kind.low <= raw <= kind.high]
        case Choice():
            raws = [raw for raw in range(256) if raw not in {member.value for member in kind.type}]
        case SetOf():
            used = {member.value for member in kind.type}
            raws = [1 << bit for bit in range(BITS[kind.code]) if bit not in used]
        case Bool():
            raws = list(range(2, 256))
        case Text():
            raws = [*(b"a\0" + bytes([byte]) for byte in range(1, 256)), b" a", b"a ", b"\xe9", b"\n"]
    for raw in raws:
        struct.pack_into("<" + kind.code, payload, offset, raw)
        with pytest.raises(ValueError):  # noqa: PT011  # the frame's decoder turns it into the parse error
            message.decode(bytes(payload))


@pytest.mark.parametrize("code", CODE_RANGES)
def test_a_range_that_ends_just_inside_of_its_bytes_is_held_too(code: str) -> None:
    least, most = CODE_RANGES[code]
    for low, high, beyond in ((least, most - 1, most), (least + 1, most, least)):

        @dataclass(frozen=True, slots=True)
        class Narrow(Message):
            opcode: ClassVar = 0xEE
            value: Annotated[int, Int(code, "", low, high, "as narrow as that")]

        for value in (low, high):
            assert Narrow.decode(struct.pack("<" + code, value)) == Narrow(value)
        with pytest.raises(FieldError, match=f"value = {beyond} is not allowed"):
            Narrow.decode(struct.pack("<" + code, beyond))


def test_a_set_is_told_from_its_bits() -> None:
    assert members_of(Foot, 0b101) == {Foot.RELEASED, Foot.DISAGREES}
    with pytest.raises(ValueError, match="bits 0x8 name no Foot"):
        members_of(Foot, 8)


USER_VALUES = [
    ("pulse_energy_uj", 173_000, "pulse_energy_mj", 173.0),
    ("rep_rate_mhz", 2_500, "rep_rate_hz", 2.5),
    ("spot_um", 3_500, "spot_mm", 3.5),
    ("hv_mv", 1_250_000, "hv_v", 1250.0),
    ("coolant_mc", -1_500, "coolant_c", -1.5),
    ("device_time_us", 1_500_000, "device_time_s", 1.5),
    ("indicator_ua", 20_500, "indicator_ma", 20.5),
    ("aiming_uw", 900, "aiming_mw", 0.9),
    ("flow_ml_min", 4_000, "flow_l_min", 4.0),
    ("gain_a_ppm", 1_001_000, "gain_a_ratio", 1.001),
]


@pytest.mark.parametrize(("name", "value", "user_name", "user_value"), USER_VALUES)
def test_user_units_by_the_suffix_of_the_name(
    name: str, value: int, user_name: str, user_value: float
) -> None:
    assert to_user(name, value) == (user_name, user_value)
    assert from_user(user_name, user_value) == (name, value)


def test_every_user_unit_is_pinned() -> None:
    assert {suffix for name, *_ in USER_VALUES for suffix in USER_UNITS if name.endswith(suffix)} == set(
        USER_UNITS
    )


def test_what_has_no_user_unit_stays_as_it_is() -> None:
    assert to_user("pulse_width_ps", 750) == ("pulse_width_ps", 750)
    assert from_user("pulse_width_ps", 750.4) == ("pulse_width_ps", 750)
    assert to_user("state", State.OFF) == ("state", State.OFF)
    assert to_user("name_us", True) == ("name_us", True)


@pytest.mark.parametrize("name", ["pulse_energy_mj", "pulse_width_ps"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_no_base_unit_is_made_of_what_is_no_number(name: str, value: float) -> None:
    with pytest.raises(FieldError, match=name):
        from_user(name, value)


@given(st.sampled_from(USER_VALUES), st.integers(-(10**12), 10**12))
def test_user_units_and_back_is_the_same_number(row: tuple[str, int, str, float], value: int) -> None:
    assert from_user(*to_user(row[0], value)) == (row[0], value)


@pytest.mark.shows("REQ-025")
def test_large_counts_are_not_rounded() -> None:
    assert from_user("pulses", COUNT_MAX) == ("pulses", COUNT_MAX)


def test_units_of_telemetry_are_convertible() -> None:
    """Every field of a slow value reads in the user's units."""
    named = dict(to_user(name, 1) for name, kind in layout(Telemetry).fields if kind.unit)
    assert set(named) == {"device_time_s", "hv_v", "coolant_c", "flow_l_min", "indicator_ma", "aiming_mw"}


def told(make: Any) -> tuple[Any, str]:
    """What came of it: the message, or the words of the error."""
    try:
        return make(), ""
    except ValueError as error:
        return None, f"{type(error).__name__}: {error}"


@given(st.sampled_from(MESSAGES), st.data())
def test_the_quick_way_takes_and_refuses_what_the_kinds_do_in_the_same_words(
    message: type[Message], data: st.DataObject
) -> None:
    """The kinds are asked here one by one, in declared order."""
    shape = layout(message)
    sound = data.draw(st.builds(message, **{name: values(kind) for name, kind in shape.fields}))
    payload = bytearray(sound.encode())
    for place in data.draw(st.lists(st.integers(0, max(len(payload) - 1, 0)), max_size=3)) if payload else ():
        payload[place] = data.draw(st.integers(0, 255))

    def asked_one_by_one() -> Message:
        raws = struct.unpack("<" + "".join(kind.code for _, kind in shape.fields), payload)
        told_raw = zip(shape.fields, raws, strict=True)
        taken = [raw if isinstance(kind, Int) else kind.unpack(raw) for (_, kind), raw in told_raw]
        for (name, kind), value in zip(shape.fields, taken, strict=True):
            kind.check(name, value)
        return message(*taken)

    assert told(lambda: message.decode(bytes(payload))) == told(asked_one_by_one)


@given(st.sampled_from(FIELDS), st.data())
def test_values_of_any_type_are_taken_exactly_where_the_kind_takes_them(
    field: tuple[type[Message], str, FieldKind], data: st.DataObject
) -> None:
    message, name, kind = field
    value = data.draw(values(kind) | st.sampled_from(wrong(kind)) | st.integers(-(2**70), 2**70) | st.text())
    made = told(lambda: replace(EXAMPLE[message], **{name: value}))  # type: ignore[type-var]  # a dataclass
    assert made[1] == told(lambda: kind.check(name, value))[1]


class Words(str):
    """A str of a kind that the quick look does not know, and a kind takes."""


def test_what_the_quick_look_does_not_know_is_left_to_the_kinds() -> None:
    class Set(frozenset[Any]):
        pass

    status = EXAMPLE[Status]
    assert isinstance(status, Status)
    assert replace(status, blocks=Set(status.blocks)).blocks == status.blocks
    assert replace(status, blocks=Set(status.blocks)).encode() == status.encode()
    identity = EXAMPLE[Identity]
    assert isinstance(identity, Identity)
    assert replace(identity, serial=Words(identity.serial)).encode() == identity.encode()


def test_sets_without_end_are_not_remembered_without_end() -> None:
    remembered = _Remembered(hex)
    assert [remembered[number] for number in range(REMEMBERED_MAX + 5)][-1] == hex(REMEMBERED_MAX + 4)
    assert len(remembered) == REMEMBERED_MAX


def test_every_set_of_flags_comes_through() -> None:
    report = EXAMPLE[PulseReport]
    assert isinstance(report, PulseReport)
    for bits in range(2 ** len(PulseFlag)):
        changed = replace(report, flags=frozenset(flag for flag in PulseFlag if bits >> flag & 1))
        assert PulseReport.decode(changed.encode()) == changed
