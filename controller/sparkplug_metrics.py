"""The laser's Sparkplug metrics: the fields of the topics with names and aliases, and their newest values.

A metric is named `topic/field` after `protocols.topics`, so that nothing is told here that is not declared
there. Aliases count up in the declared order; a birth certificate says which is which.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.mqtt_rows import stamp_of
from controller.sparkplug_payload import DataType, Metric, SparkplugQuality, fits
from protocols.payloads import Payload, Quality, Scalar, pulse_payload
from protocols.topics import ABOUT, PULSE, STAMP_FIELDS, STATE, TELEMETRY, FieldType, Topic, TopicField

TOLD: Final = (ABOUT, STATE, TELEMETRY, PULSE)
"""Topics of which there are metrics. Events and alarms travel by the outbox and the retained topics only."""

STAMPED: Final = tuple(field for field in STAMP_FIELDS if field.name in {"sim", "q", "boot"})
NOT_HERE: Final = frozenset({"late_s", "units"})  # of the outbox, and of the topics' field names
LATE_S: Final = 5.0  # [C] older than any queue on the way: such a pulse is history, not the newest

_QUALITIES: Final = {
    Quality.GOOD.value: SparkplugQuality.GOOD,
    Quality.SIM.value: SparkplugQuality.GOOD,
    Quality.STALE.value: SparkplugQuality.STALE,
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric of the laser."""

    name: str
    alias: int
    datatype: DataType
    field: TopicField

    @property
    def properties(self) -> Mapping[str, str | bool]:
        """What a birth certificate says beside the value; the keys are those hosts know (Ignition's)."""
        unit = {"engUnit": self.field.unit} if self.field.unit else {}
        return {**unit, "documentation": self.field.meaning, "readOnly": True}


def _datatype(field: TopicField) -> DataType:
    """Numbers without a unit are counts and identities: whole and never negative."""
    if field.type is FieldType.NUMBER:
        return DataType.DOUBLE if field.unit else DataType.UINT64
    return DataType.BOOLEAN if field.type is FieldType.FLAG else DataType.STRING


def _declare(topics: Iterable[Topic]) -> dict[str, tuple[Declared, ...]]:
    catalogue: dict[str, tuple[Declared, ...]] = {}
    alias = 0
    for topic in topics:
        fields = [one for one in (*topic.fields, *STAMPED) if one.name not in NOT_HERE]
        catalogue[topic.suffix] = tuple(
            Declared(f"{topic.suffix}/{one.name}", alias + number, _datatype(one), one)
            for number, one in enumerate(fields, start=1)
        )
        alias += len(fields)
    return catalogue


CATALOGUE: Final = _declare(TOLD)
"""All metrics of the laser by the topic they come from."""


@dataclass(frozen=True, slots=True)
class _Known:
    value: Scalar
    quality: SparkplugQuality
    timestamp_ms: int


class Image:
    """The newest value, quality and time of each metric; `told` ones are not repeated until they change."""

    def __init__(self, now: datetime) -> None:
        self._since_ms = milliseconds(now)
        self._known: dict[int, _Known] = {}
        self._told: dict[int, tuple[Scalar, SparkplugQuality]] = {}

    def take(self, topic: Topic, payload: Payload) -> None:
        """Keep what a payload says."""
        quality = _QUALITIES.get(str(payload.get("q")), SparkplugQuality.BAD)
        at_ms = milliseconds(datetime.fromisoformat(str(payload["ts"])))
        for one in CATALOGUE[topic.suffix]:
            value = payload.get(one.field.name)
            sure = fits(one.datatype, value)
            self._known[one.alias] = _Known(
                value if sure else None, quality if sure else SparkplugQuality.BAD, at_ms
            )

    def birth(self) -> list[Metric]:
        """Every metric with its name; one that nobody told yet is null, and bad."""
        unknown = _Known(None, SparkplugQuality.BAD, self._since_ms)
        return [
            self._metric(one, self._known.get(one.alias, unknown), birth=True)
            for declared in CATALOGUE.values()
            for one in declared
        ]

    def data(self, topic: Topic) -> list[Metric]:
        """What of a topic has changed since it was told."""
        return self._data(topic, whole=False, late_ms=0)

    def pulse(self, now: datetime) -> list[Metric]:
        """The newest pulse whole; as history if it was told after an outage, not as it happened."""
        return self._data(PULSE, whole=True, late_ms=milliseconds(now) - round(LATE_S * 1000))

    def _data(self, topic: Topic, *, whole: bool, late_ms: int) -> list[Metric]:
        changed = []
        for one in CATALOGUE[topic.suffix]:
            known = self._known.get(one.alias)
            if known is None or not (whole or self._told.get(one.alias) != (known.value, known.quality)):
                continue
            changed.append(self._metric(one, known, birth=False, historical=known.timestamp_ms < late_ms))
        return changed

    def _metric(self, one: Declared, known: _Known, *, birth: bool, historical: bool = False) -> Metric:
        before = self._told.get(one.alias)
        self._told[one.alias] = (known.value, known.quality)
        # [P] told when it is not good; and when it has become so, lest a host keep the old one
        good = known.quality is SparkplugQuality.GOOD and (before is None or before[1] is known.quality)
        return Metric(
            one.datatype,
            known.value,
            known.timestamp_ms,
            name=one.name if birth else None,
            alias=one.alias,
            quality=None if good and not birth else known.quality,
            historical=historical,
            properties=one.properties if birth else {},
        )


def pulse_of(record: Mapping[str, object], *, boot: str, simulated: bool | None) -> Payload:
    """The payload of a recorded pulse, as on its topic; raises KeyError, ValueError for no record."""
    return pulse_payload(record, stamp_of(record, boot, simulated))


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, UTC; never negative, whatever the clock says."""
    return max(0, round(moment.timestamp() * 1000))
