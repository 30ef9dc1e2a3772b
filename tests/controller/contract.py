"""The published contract of the MQTT topics, held against what is really published."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

from jsonschema import Draft7Validator

from tools import mqtt_docs

REAL = {"pulse", "event", "status"}
"""Topics whose payloads are real in every test; state and samples are often made up."""


@cache
def validators() -> dict[str, Draft7Validator]:
    """One for each kind of message; what readers pass over, a field that nobody declared, is wrong here."""
    made = {}
    for name, schema in mqtt_docs.schemas().items():
        Draft7Validator.check_schema(schema)
        made[name] = Draft7Validator(schema | {"additionalProperties": False})
    return made


def kind_of(suffix: str, payload: dict[str, Any]) -> str:
    """Which kind of message it must be, by what stands in `docs/mqtt-topics.md`."""
    topic = suffix.partition("/")[0]
    if topic == "status":
        return f"status-{'birth' if payload['online'] else payload['reason']}"
    return topic


def breaches(suffix: str, payload: dict[str, Any]) -> list[str]:
    """What is wrong with a message published under that suffix."""
    errors = validators()[kind_of(suffix, payload)].iter_errors(payload)
    return [f"{suffix}: {'.'.join(map(str, error.absolute_path))} {error.message}" for error in errors]


def read(payload: bytes) -> dict[str, Any]:
    """The payload; raises ValueError for what JSON does not know and nested things."""

    def refuse(word: str) -> float:
        raise ValueError(word)

    told = json.loads(payload, parse_constant=refuse)
    assert isinstance(told, dict)
    assert not [name for name, value in told.items() if isinstance(value, dict | list)], "not flat"
    assert not [v for v in told.values() if isinstance(v, float) and not math.isfinite(v)]
    return told
