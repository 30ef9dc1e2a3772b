"""Sparkplug B payloads as bytes: the part of the Sparkplug 3.0 message that a laser needs, both ways.

The message is described here by its field numbers ([P] Eclipse Sparkplug 3.0.0, chapter 6), and a protobuf
library does the rest. The library comes with an extra, so it is imported when the first payload is made.
"""

import enum
import functools
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from protocols.payloads import Scalar

# [P] protobuf's numbers of its types
_DOUBLE, _FLOAT, _UINT64, _BOOL, _STRING, _MESSAGE, _UINT32 = 1, 2, 4, 8, 9, 11, 13
_PACKAGE: Final = "picolase.sparkplug"
_FIELDS: Final[dict[str, tuple[tuple[str, int, int | str, bool], ...]]] = {
    # message -> (field, number, type or message, repeated)
    "PropertyValue": (
        ("type", 1, _UINT32, False),
        ("is_null", 2, _BOOL, False),
        ("int_value", 3, _UINT32, False),
        ("long_value", 4, _UINT64, False),
        ("float_value", 5, _FLOAT, False),
        ("double_value", 6, _DOUBLE, False),
        ("boolean_value", 7, _BOOL, False),
        ("string_value", 8, _STRING, False),
    ),
    "PropertySet": (("keys", 1, _STRING, True), ("values", 2, "PropertyValue", True)),
    "Metric": (
        ("name", 1, _STRING, False),
        ("alias", 2, _UINT64, False),
        ("timestamp", 3, _UINT64, False),
        ("datatype", 4, _UINT32, False),
        ("is_historical", 5, _BOOL, False),
        ("is_null", 7, _BOOL, False),
        ("properties", 9, "PropertySet", False),
        ("int_value", 10, _UINT32, False),
        ("long_value", 11, _UINT64, False),
        ("float_value", 12, _FLOAT, False),
        ("double_value", 13, _DOUBLE, False),
        ("boolean_value", 14, _BOOL, False),
        ("string_value", 15, _STRING, False),
    ),
    "Payload": (
        ("timestamp", 1, _UINT64, False),
        ("metrics", 2, "Metric", True),
        ("seq", 3, _UINT64, False),
    ),
}


class DataType(enum.IntEnum):
    """Types of a metric's value that are used here. [P] Sparkplug 3.0.0, 6.4.16."""

    INT32 = 3
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


class SparkplugQuality(enum.IntEnum):
    """Values of the property `Quality`. [P] Sparkplug 3.0.0, 6.4.8."""

    BAD = 0
    GOOD = 192
    STALE = 500


class NotSparkplug(ValueError):
    """Bytes that are no Sparkplug payload."""


class NoProtobuf(ImportError):
    """The protobuf library is not installed."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `name` stands in births, `alias` in data. A `quality` of None is not told."""

    datatype: DataType
    value: Scalar
    timestamp_ms: int
    name: str | None = None
    alias: int | None = None
    quality: SparkplugQuality | None = None
    historical: bool = False
    properties: Mapping[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One metric of a command: its name and what is asked for; None: no number, text or truth."""

    name: str
    value: Scalar


DOUBLE_MAX: Final = 1e308  # [C] what is larger, or infinite, is no measurement
_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # half a character: no UTF-8
_VALUE_FIELDS: Final = {
    DataType.INT32: "int_value",
    DataType.UINT64: "long_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
}
_READ: Final = ("boolean_value", "int_value", "long_value", "float_value", "double_value", "string_value")


def fits(datatype: DataType, value: Scalar) -> bool:
    """Whether the value can stand in a metric of this type; None always can: it is told as null."""
    if value is None:
        return True
    if isinstance(value, bool):
        return datatype is DataType.BOOLEAN
    match datatype:
        case DataType.UINT64:
            return isinstance(value, int) and 0 <= value < 2**64
        case DataType.INT32:
            return isinstance(value, int) and -(2**31) <= value < 2**31
        case DataType.DOUBLE:
            return isinstance(value, int | float) and -DOUBLE_MAX < value < DOUBLE_MAX  # NaN is not
        case DataType.BOOLEAN:
            return False
        case DataType.STRING:
            return isinstance(value, str) and not _SURROGATE.search(value)


def encode_payload(timestamp_ms: int, metrics: Sequence[Metric], seq: int | None) -> bytes:
    """The payload as bytes; a node's death has no `seq`. Raises NoProtobuf, ValueError for a wrong value."""
    payload = _message("Payload")
    payload.timestamp = timestamp_ms
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        _fill(payload.metrics.add(), metric)
    data: bytes = payload.SerializeToString()
    return data


def decode_command(data: bytes) -> list[Asked]:
    """What a command asks for; raises NotSparkplug, NoProtobuf."""
    payload = _message("Payload")
    try:
        payload.ParseFromString(data)
    except _protobuf("message").DecodeError as error:
        raise NotSparkplug(str(error)) from error
    return [
        Asked(one.name, next((getattr(one, name) for name in _READ if one.HasField(name)), None))
        for one in payload.metrics
    ]


def _fill(told: Any, metric: Metric) -> None:
    if not fits(metric.datatype, metric.value):
        raise ValueError(
            f"metric {metric.name or metric.alias}: {metric.value!r} is no {metric.datatype.name}"
        )
    if metric.name is not None:
        told.name = metric.name
    if metric.alias is not None:
        told.alias = metric.alias
    told.timestamp = metric.timestamp_ms
    told.datatype = metric.datatype
    if metric.historical:
        told.is_historical = True
    if metric.quality is not None:
        _property(told, "Quality", DataType.INT32, int(metric.quality))  # [P] its type is Int32
    for key, value in metric.properties.items():
        _property(told, key, DataType.BOOLEAN if isinstance(value, bool) else DataType.STRING, value)
    if metric.value is None:
        told.is_null = True
    elif metric.datatype is DataType.INT32:
        told.int_value = int(metric.value) % 2**32  # [P] two's complement in an unsigned field
    else:
        setattr(told, _VALUE_FIELDS[metric.datatype], metric.value)


def _property(told: Any, key: str, datatype: DataType, value: Scalar) -> None:
    told.properties.keys.append(key)
    one = told.properties.values.add()
    one.type = datatype
    setattr(one, _VALUE_FIELDS[datatype], value)


def _message(name: str) -> Any:
    return _classes()[name]()


def _protobuf(module: str) -> ModuleType:
    try:
        return importlib.import_module(f"google.protobuf.{module}")
    except ImportError as error:
        raise NoProtobuf(
            "Sparkplug needs the protobuf library: pip install 'picolase[sparkplug]', "
            "or remove sparkplug_group_id from [mqtt]"
        ) from error


@functools.cache
def _classes() -> dict[str, Any]:
    """The message classes, made from the field numbers in a pool of their own."""
    descriptors = _protobuf("descriptor_pb2")
    file = descriptors.FileDescriptorProto(name="sparkplug_b", package=_PACKAGE, syntax="proto2")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            one = described.field.add(name=name, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                one.type, one.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                one.type = kind
    pool = _protobuf("descriptor_pool").DescriptorPool()
    pool.Add(file)
    make = _protobuf("message_factory").GetMessageClass
    return {name: make(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _FIELDS}
