"""Home Assistant's discovery: one retained document that says which sensors a laser's topics hold.

It is made from the declarations of the topics and only reads: sensors and binary sensors, nothing that
commands. What is left at the broker is remembered in the store, so that it is cleared once the option is off
or its place has changed. [P] The form is that of Home Assistant's device discovery (since late 2024).
"""

import json
import logging
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from typing import Final, TypeVar, cast

from controller.config import MqttConfig
from controller.mqtt_link import Outgoing
from controller.store.errors import StoreError
from controller.store.store import Store
from controller.store.writer import StoreWriter
from protocols.payloads import Payload, period_ms
from protocols.states import State
from protocols.topics import (
    PULSE,
    STATE,
    STATUS,
    TELEMETRY,
    UNITS,
    FieldType,
    Topic,
    TopicField,
    TopicTree,
)

T = TypeVar("T")
Component = dict[str, object]

STATE_EXPIRES_S: Final = 15  # [D] three refreshes of the state topic
QOS: Final = 0  # a broker that forbids the topic says so of QoS 1 only, and would end the connection for it
TEXT_MAX: Final = 255  # [P] Home Assistant keeps no longer state

# [P] Units as Home Assistant spells them, with the class of sensor where it knows one for that unit.
HA_UNITS: Final[dict[str, tuple[str, str | None]]] = {
    "degC": ("°C", "temperature"),
    "V": ("V", "voltage"),
    "mA": ("mA", "current"),
    "l/min": ("L/min", "volume_flow_rate"),
    "mm": ("mm", "distance"),
    "Hz": ("Hz", "frequency"),
    "s": ("s", "duration"),
    "ms": ("ms", "duration"),
    "J/cm2": ("J/cm²", None),
}
COUNTERS: Final = frozenset(
    {"pulse_number", "lamp_shots", "frames_rejected", "skipped_pulses", "samples_dropped"}
)
BOOKKEEPING: Final = frozenset(  # there for those who look, switched off at first
    {
        *("state_code", "audit_index", "audit_hash", "device_boot", "device_sample", "device_time_s"),
        *("fault_instance", "reports_waiting", "frames_rejected", "samples_dropped", "permit_id", "series"),
        *("device_serial", "session_id", "late_s", "leave", "beam"),
    }
)

_log = logging.getLogger(__name__)
_MARK: Final = "discovery "
"""Before a topic's name in the store: a document may stand there."""


def discovery_topic(config: MqttConfig) -> str:
    """Where the document stands."""
    return f"{config.home_assistant_prefix}/device/{_identity(config)}/config"


def discovery(config: MqttConfig, about: Payload | None) -> dict[str, object]:
    """The document; `about` is the payload of that topic, None while no laser was identified."""
    tree = TopicTree(config.site, config.device_id, config.prefix)
    identity = _identity(config)
    known = {
        "model": about and about.get("model"),
        "serial_number": about and about.get("serial"),
        "sw_version": about and about.get("firmware_version"),
    }
    return {
        "device": {
            "identifiers": [identity],
            "name": f"Laser {config.device_id}",
            **{key: value for key, value in known.items() if value},
        },
        "origin": {"name": "picolase", "sw_version": version("picolase")},
        "availability_topic": tree.name(STATUS),
        "availability_template": "{{ 'online' if value_json.online else 'offline' }}",
        "qos": 1,
        "components": {
            name: component | {"unique_id": f"{identity}_{name}", "state_topic": tree.name(topic)}
            for topic, expires_s in _topics(config)
            for name, component in _components(topic, expires_s)
        },
    }


def _identity(config: MqttConfig) -> str:
    return f"picolase_{config.site}_{config.device_id}"  # neither id has an underscore: no two read the same


def _topics(config: MqttConfig) -> tuple[tuple[Topic, int | None], ...]:
    # The newest pulse does not expire; its time says how old it is.
    return (
        (STATE, STATE_EXPIRES_S),
        (TELEMETRY, math.ceil(3 * period_ms(config.telemetry_hz) / 1000)),
        (PULSE, None),
    )


def _components(topic: Topic, expires_s: int | None) -> Iterator[tuple[str, Component]]:
    expiry: Component = {} if expires_s is None else {"expire_after": expires_s}
    yield (
        f"{topic.suffix}_ts",
        {
            "platform": "sensor",
            "name": f"{topic.suffix} time".capitalize(),
            "device_class": "timestamp",
            "value_template": "{{ value_json.ts }}",
            "entity_category": "diagnostic",
        }
        | expiry,
    )
    for field in topic.fields:
        made = _flag(field) if field.type is FieldType.FLAG else _sensor(field)
        quiet = _QUIET if field.name in BOOKKEEPING else {}
        yield f"{topic.suffix}_{field.name}", {"name": _words(topic, field)} | made | expiry | quiet
    if topic is STATE:
        yield (
            "state_sim",
            {
                "platform": "binary_sensor",
                "name": "Simulated",
                "entity_category": "diagnostic",
                "value_template": "{{ value_json.sim }}",
            }
            | _TRUE_IS_ON
            | expiry,
        )


_QUIET: Final[Component] = {"entity_category": "diagnostic", "enabled_by_default": False}
# How a template writes JSON's true and false.
_TRUE_IS_ON: Final[Component] = {"payload_on": "True", "payload_off": "False"}
_FALSE_IS_ON: Final[Component] = {"payload_on": "False", "payload_off": "True"}


def _flag(field: TopicField) -> Component:
    """A null renders as None, which Home Assistant takes as unknown."""
    made: Component = {"platform": "binary_sensor", "value_template": f"{{{{ value_json.{field.name} }}}}"}
    if field.name.startswith("ilk_"):
        return made | {"device_class": "safety"} | _FALSE_IS_ON  # [P] on means unsafe; ours says good
    return made | _TRUE_IS_ON | ({"device_class": "connectivity"} if field.name == "link_up" else {})


def _sensor(field: TopicField) -> Component:
    value = f"value_json.{field.name}"
    if field.type is FieldType.TEXT:
        short = f"{{{{ {value} if {value} is none else {value}[:{TEXT_MAX}] }}}}"
        made: Component = {"platform": "sensor", "value_template": short}
        if field.name == "state":
            options = [state.name.lower() for state in State] + ["unknown"]
            made |= {"device_class": "enum", "options": options}
        return made
    made = {"platform": "sensor", "value_template": f"{{{{ {value} }}}}"}
    if field.unit:
        unit, device_class = HA_UNITS.get(field.unit, (field.unit, None))
        made |= {"unit_of_measurement": unit, "state_class": "measurement"}
        made |= {"device_class": device_class} if device_class else {}
    elif field.name in COUNTERS:
        made |= {"state_class": "total_increasing"}
    return made


def _words(topic: Topic, field: TopicField) -> str:
    """A name for people, told apart from the same field of another topic; without the unit."""
    ending = next((e for e in UNITS if field.unit and field.name.endswith(e)), "")
    words = field.name.removesuffix(ending).replace("_", " ")
    words = re.sub("^ilk ", "interlock ", words)
    if topic is PULSE:
        return f"Pulse: {words.removeprefix('pulse ')}"
    if topic is TELEMETRY and field.name in {one.name for one in STATE.fields}:
        return f"Sample: {words}"
    return words.capitalize()


class HomeAssistant:
    """Keeps the document at the broker as the configuration wants it; never raises for the store."""

    def __init__(self, config: MqttConfig, writer: StoreWriter) -> None:
        self._config = config
        self._writer = writer

    async def keep(
        self,
        about: Payload | None,
        shown: dict[str, object],
        send: Callable[[list[Outgoing]], Awaitable[None]],
    ) -> None:
        """Bring what is missing; `shown` is what this connection has shown. Raises what `send` raises."""
        topic = discovery_topic(self._config)
        if _MARK not in shown:
            shown[_MARK] = await self._clear(topic if self._config.home_assistant else "", send)
        elif cleared := cast("list[str]", shown[_MARK]):  # by now the broker has acknowledged what came after
            shown[_MARK] = []
            for mark in cleared:
                await self._stored(Store.forget_topic, mark)
        if not self._config.home_assistant:
            return
        text = json.dumps(discovery(self._config, about), ensure_ascii=False, separators=(",", ":"))
        if shown.get(topic) == text:
            return
        await self._stored(Store.count_up, _MARK + topic)  # before: a crash between must not forget it
        await send([Outgoing(topic, text.encode(), QOS, True)])
        shown[topic] = text

    async def _clear(self, wanted: str, send: Callable[[list[Outgoing]], Awaitable[None]]) -> list[str]:
        """Take back what an earlier configuration left; returns by which marks."""
        marks = await self._stored(Store.counted_topics, _MARK) or []
        unwanted = [mark for mark in marks if mark != _MARK + wanted]
        if unwanted:
            await send([Outgoing(mark.removeprefix(_MARK), b"", QOS, True) for mark in unwanted])
        return unwanted

    async def _stored(self, work: Callable[[Store, str], T], name: str) -> T | None:
        try:
            return await self._writer.run(work, name)
        except StoreError as error:
            _log.warning("Home Assistant: what stands at the broker cannot be remembered: %s", error)
            return None
