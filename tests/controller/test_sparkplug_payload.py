"""Sparkplug payloads: golden bytes by hand, and whatever bytes anybody may send."""

import importlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sparkplug_payload import (
    DataType,
    Metric,
    NotSparkplug,
    SparkplugQuality,
    decode_command,
    encode_payload,
    fits,
)
from tests.controller.sparkplug_host import command, decoded

pytest.importorskip("google.protobuf", reason="no protobuf: pip install 'picolase[sparkplug]'")


def test_a_payload_is_these_bytes() -> None:
    metric = Metric(DataType.UINT64, 3, 2, name="bdSeq")
    # timestamp 1 = 1; metric 2 {name 1, timestamp 3 = 2, datatype 4 = 8, long_value 11 = 3}; seq 3 = 0
    body = bytes([0x0A, 5]) + b"bdSeq" + bytes([0x18, 2, 0x20, 8, 0x58, 3])
    bare = bytes([0x08, 1, 0x12, len(body)]) + body
    assert encode_payload(1, [metric], None) == bare
    assert encode_payload(1, [metric], 0) == bare + bytes([0x18, 0])  # zero is told, not left out


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT32, -7),
        (DataType.UINT64, 2**64 - 1),
        (DataType.UINT64, 0),
        (DataType.DOUBLE, -1.25),
        (DataType.DOUBLE, 3),
        (DataType.BOOLEAN, False),
        (DataType.STRING, ""),
        (DataType.STRING, "µm, °C"),
        *((datatype, None) for datatype in DataType),
    ],
)
def test_every_value_is_read_back_as_it_was(datatype: DataType, value: Any) -> None:
    quality = SparkplugQuality.STALE
    metric = Metric(datatype, value, 9, alias=2**40, quality=quality, historical=True, properties={"a": "b"})
    (told,) = decoded(encode_payload(1, [metric], 255))["metrics"]
    assert (told["alias"], told["timestamp"], told["datatype"]) == (2**40, 9, datatype)
    assert told["is_historical"] == 1
    assert told["properties"] == {"Quality": (3, 500), "a": (12, b"b")}
    assert told["value"] == (value % 2**32 if datatype is DataType.INT32 and value is not None else value)


ANYTHING = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters())),
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, -(2**31) - 1, "\ud800", "\udfff x"]),
)


@given(st.sampled_from(DataType), ANYTHING)
def test_a_value_that_is_not_of_its_type_is_refused(datatype: DataType, value: Any) -> None:
    rules = {
        DataType.INT32: type(value) is int and -(2**31) <= value < 2**31,
        DataType.UINT64: type(value) is int and 0 <= value < 2**64,
        DataType.DOUBLE: type(value) in {int, float} and -1e308 < value < 1e308,
        DataType.BOOLEAN: type(value) is bool,
        DataType.STRING: type(value) is str and value == value.encode(errors="ignore").decode(),
    }
    allowed = value is None or rules[datatype]
    metric = Metric(datatype, value, 1, name="x")
    assert fits(datatype, value) is allowed
    if allowed:
        encode_payload(1, [metric], 0)
    else:
        with pytest.raises(ValueError, match="metric x"):
            encode_payload(1, [metric], 0)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_the_parse_error(data: bytes) -> None:
    try:
        asked = decode_command(data)
    except NotSparkplug:
        return
    assert all(isinstance(one.name, str) for one in asked)


@given(st.binary(max_size=60), st.integers(0, 40))
def test_a_command_that_was_damaged_asks_for_something_else_or_is_no_command(noise: bytes, at: int) -> None:
    whole = command("Node Control/Rebirth")
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    try:
        decode_command(damaged)
    except NotSparkplug:
        assert damaged != whole


def test_a_command_of_any_type_is_understood() -> None:
    def asked(field: bytes) -> object:
        metric = b"\x0a\x01x" + field
        (one,) = decode_command(b"\x12" + bytes([len(metric)]) + metric)
        return one.name, one.value

    assert asked(b"\x70\x01") == ("x", True)
    assert asked(b"\x50\x05") == ("x", 5)
    assert asked(b"\x58\x05") == ("x", 5)
    assert asked(b"\x7a\x02hi") == ("x", "hi")
    assert asked(b"\x38\x01") == ("x", None)  # null
    assert asked(b"\x8a\x01\x00") == ("x", None)  # a data set
    assert decode_command(b"") == []


def test_the_library_is_imported_only_when_it_is_needed() -> None:
    import subprocess
    import sys

    code = "import sys, controller.daemon; print('google.protobuf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert importlib.util.find_spec("google.protobuf") is not None
