"""The contract of the MQTT topics as documents: AsyncAPI 3, JSON Schemas, and a page for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from protocols.fields import COUNT_MAX
from protocols.topics import (
    ID_RULE,
    SCHEMA,
    STAMP_FIELDS,
    STOP,
    TOPICS,
    Form,
    Topic,
    TopicField,
    TopicTree,
)
from tools.page import page, table

PREFIX: Final = TopicTree("site", "device").prefix
SUB_IDS: Final = {"alarm": "alarm", "reply": "client"}
"""Topics with one level more, and what that level is called."""

_TS: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"
_ID: Final = "^[a-z0-9-]{1,64}$"
_BINDING: Final = "0.2.0"  # of the MQTT bindings: the version that has MQTT 5


def documents() -> dict[str, str]:
    """Every document of the contract by its name under docs/."""
    return {
        "asyncapi.json": _json(asyncapi()),
        **{f"schemas/mqtt/{name}.json": _json(_alone(name, body)) for name, body in schemas().items()},
        "mqtt-topics.md": topics_page(),
    }


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 7) of every kind of message by its name: `pulse`, `status-birth`."""
    made = {_message_name(topic, form): _schema(topic, form) for topic, form in _messages()}
    return made | {"cmd-stop": _stop_schema()}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document: the daemon's own view, it sends all but `cmd/stop`."""
    named = [(_message_name(topic, form), topic, form) for topic, form in _messages()]
    messages = {name: _message(name, topic, form) for name, topic, form in named}
    messages["cmd-stop"] = _message("cmd-stop", STOP, None)
    channels = {_channel_name(topic): _channel(topic) for topic in (*TOPICS.values(), STOP)}
    operations = {f"send-{_channel_name(topic)}": _operation("send", topic) for topic in TOPICS.values()}
    operations["receive-cmd-stop"] = _operation("receive", STOP) | {
        "summary": "Off by default (mqtt.allow_stop). It can only stop; a retained message is refused.",
        "reply": {
            "channel": {"$ref": "#/channels/reply"},
            "messages": [{"$ref": "#/channels/reply/messages/reply"}],
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "picolase: MQTT topics of a picosecond laser",
            "version": SCHEMA,
            "description": "Written from protocols/topics.py. Changes within 1.x only add topics and fields: "
            "readers must pass over fields that they do not know. The prefix of the addresses, "
            f"`{PREFIX}`, can be configured. Nothing here can arm or fire; the one command only stops, "
            "is off by default, and is not the safety function.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            name: {
                "host": "{host}:" + port,
                "protocol": protocol,
                "protocolVersion": "5.0 or 3.1.1",
                "description": words,
                "variables": {"host": {"description": "the broker of the site", "default": "localhost"}},
            }
            for name, protocol, port, words in (
                ("plain", "mqtt", "1883", "on the same machine, or in a network of its own"),
                ("tls", "secure-mqtt", "8883", "TLS; client certificates or user and password"),
            )
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas()},
    }


def topics_page() -> str:
    """The topics and their fields as a page."""
    rows = [
        (
            f"[`{_path(topic)}`](#{_channel_name(topic)})",
            "to the laser" if topic is STOP else "from the laser",
            *(topic.qos, "yes" if topic.retain else "no"),
            "never" if topic.expiry_s is None else f"{topic.expiry_s} s",
            topic.meaning,
        )
        for topic in (*TOPICS.values(), STOP)
    ]
    return page(
        "The MQTT topics",
        f"Version {SCHEMA} of the payloads, below `{PREFIX}/{{site}}/{{device}}/`. What it means to a reader "
        "stands in [mqtt.md](mqtt.md); for programs there are [asyncapi.json](asyncapi.json) and a JSON "
        "Schema of each message in [schemas/mqtt](schemas/mqtt).",
        table(("topic", "direction", "QoS", "retained", "expires (MQTT 5)", "what"), rows),
        "## In every message",
        "Except in those of `status` and `cmd/stop`, whose fields stand with them.",
        _field_table(STAMP_FIELDS),
        *(part for topic in (*TOPICS.values(), STOP) for part in _topic_part(topic)),
    )


# -- schemas


def _messages() -> Iterator[tuple[Topic, Form | None]]:
    for topic in TOPICS.values():
        for form in topic.forms or (None,):
            yield topic, form


def _message_name(topic: Topic, form: Form | None) -> str:
    return f"{_channel_name(topic)}-{form.name}" if form else _channel_name(topic)


def _schema(topic: Topic, form: Form | None) -> dict[str, Any]:
    """Every field that is declared must be there; others may come in later versions."""
    known = {field.name: field for field in (*STAMP_FIELDS, *topic.fields)}
    names = form.fields if form else tuple(known)
    fixed: Mapping[str, str | bool] = dict(form.fixed) if form else {}
    return {
        "title": _message_name(topic, form),
        "description": form.meaning if form else topic.meaning,
        "type": "object",
        "required": list(names),
        "properties": {
            name: _property(known[name]) | ({"const": fixed[name]} if name in fixed else {}) for name in names
        },
    }


def _stop_schema() -> dict[str, Any]:
    return {
        "title": "cmd-stop",
        "description": f"{STOP.meaning}; this is what brings a reply",
        "type": "object",
        "properties": {field.name: _property(field) | {"pattern": _ID} for field in STOP.fields},
    }


def _property(field: TopicField) -> dict[str, Any]:
    kind = "integer" if field.whole else field.type.value
    made: dict[str, Any] = {
        "description": field.meaning,
        "type": [kind, "null"] if field.nullable else kind,
    }
    if field.unit:
        made["description"] += f", in {field.unit}"
    if field.name == "ts":
        made |= {"format": "date-time", "pattern": _TS}
    if field.low is not None:
        made["minimum"] = field.low
    if field.high is not None:
        made["maximum"] = field.high
    if field.several:
        one = f"({'|'.join(field.values)})"
        made["pattern"] = f"^({one}(,{one})*)?$"
    elif field.values:
        made["enum"] = [*field.values, None] if field.nullable else list(field.values)
    return made


def _alone(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that stands in a file of its own."""
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": f"urn:picolase:mqtt:{SCHEMA}:{name}"}
    return head | dict(schema)


# -- AsyncAPI


def _channel_name(topic: Topic) -> str:
    return topic.suffix.replace("/", "-")


def _path(topic: Topic) -> str:
    sub_id = SUB_IDS.get(topic.suffix)
    return topic.suffix + (f"/{{{sub_id}}}" if sub_id else "")


def _names_on(topic: Topic) -> list[str]:
    return [_message_name(topic, form) for form in topic.forms or (None,)]


def _channel(topic: Topic) -> dict[str, Any]:
    parameters = {
        "site": {"description": f"where the laser stands: {ID_RULE}", "default": "site"},
        "device": {"description": f"which laser it is: {ID_RULE}", "default": "laser"},
    }
    if topic.suffix in SUB_IDS:
        parameters[SUB_IDS[topic.suffix]] = {"description": ID_RULE}
    return {
        "address": f"{PREFIX}/{{site}}/{{device}}/{_path(topic)}",
        "description": topic.meaning,
        "parameters": parameters,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names_on(topic)},
    }


def _message(name: str, topic: Topic, form: Form | None) -> dict[str, Any]:
    version = {"type": "string", "const": SCHEMA, "description": "user property, where the broker has MQTT 5"}
    # Whoever stops need not say anything, least of all which version it is written in.
    headers = {} if topic is STOP else {"headers": {"type": "object", "properties": {"schema": version}}}
    return {
        "name": name,
        "title": form.meaning if form else topic.meaning,
        "contentType": "application/json",
        **headers,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {
            "mqtt": {
                "payloadFormatIndicator": 1,
                "contentType": "application/json",
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(action: str, topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{_channel_name(topic)}"
    expiry = {} if topic.expiry_s is None else {"messageExpiryInterval": topic.expiry_s}
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _names_on(topic)],
        "bindings": {
            "mqtt": {"qos": topic.qos, "retain": topic.retain, **expiry, "bindingVersion": _BINDING}
        },
    }


# -- the page


def _topic_part(topic: Topic) -> Iterator[str]:
    yield f"## {_channel_name(topic)}"
    yield f"`{PREFIX}/{{site}}/{{device}}/{_path(topic)}`: {topic.meaning}."
    for form in topic.forms:
        fixed = ", ".join(f"`{name}` = `{json.dumps(value)}`" for name, value in form.fixed)
        names = ", ".join(f"`{name}`" for name in form.fields)
        yield f"**{form.name}** ({fixed}): {form.meaning}. Fields: {names}."
    yield _field_table(topic.fields)


def _field_table(fields: tuple[TopicField, ...]) -> str:
    return table(
        ("field", "type", "unit", "allowed", "meaning"),
        [(f"`{f.name}`", _kind(f), f.unit, _allowed(f), f.meaning) for f in fields],
    )


def _kind(field: TopicField) -> str:
    kind = "integer" if field.whole else field.type.value
    return f"{kind} or null" if field.nullable else kind


def _allowed(field: TopicField) -> str:
    if field.values:
        some = "any of, with commas: " if field.several else ""
        return some + ", ".join(f"`{value}`" for value in field.values)
    if field.low is None:
        return ""
    if field.high is None:
        return f"from {field.low:g}"
    return f"{field.low:g} to {'2^63 - 1' if field.high == COUNT_MAX else format(field.high, ',.10g')}"


def _json(thing: object) -> str:
    return json.dumps(thing, indent=2, ensure_ascii=False) + "\n"
