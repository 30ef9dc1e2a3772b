"""The catalogue of Sparkplug metrics: nothing but what the topics declare, each with a number of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.fanout import Kind
from controller.sparkplug_metrics import CATALOGUE, Image, milliseconds
from controller.sparkplug_payload import DataType, SparkplugQuality, fits
from protocols.topics import STATE, TELEMETRY, TOPICS, FieldType
from tests.controller.told import payloads_told

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = [one for declared in CATALOGUE.values() for one in declared]


def payload(q: str = "good", **values: Any) -> dict[str, Any]:
    return {"ts": NOON.isoformat(), "q": q, "sim": False, "boot": "run-1"} | values


def test_every_metric_is_a_declared_field_and_has_a_number_and_a_name_of_its_own() -> None:
    assert set(CATALOGUE) == {"about", "state", "telemetry", "pulse"}
    assert [one.alias for one in ALL] == list(range(1, len(ALL) + 1))
    assert len({one.name for one in ALL}) == len(ALL)
    for suffix, declared in CATALOGUE.items():
        told = {one.field.name for one in declared}
        fields = {one.name for one in TOPICS[suffix].fields}
        assert told - {"sim", "q", "boot"} == fields - {"late_s", "units"}


def test_types_follow_the_declarations() -> None:
    by_name = {one.name: one for one in ALL}
    assert by_name["telemetry/hv_v"].datatype is DataType.DOUBLE
    assert by_name["telemetry/hv_v"].properties == {
        "engUnit": "V",
        "documentation": "capacitor voltage",
        "readOnly": True,
    }
    assert by_name["pulse/pulse_number"].datatype is DataType.UINT64
    assert by_name["state/ilk_door"].datatype is DataType.BOOLEAN
    assert by_name["state/state"].datatype is DataType.STRING
    assert {one.properties["readOnly"] for one in ALL} == {True}
    flags = {one.name for one in ALL if one.field.type is FieldType.FLAG}
    assert flags == {one.name for one in ALL if one.datatype is DataType.BOOLEAN}


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(Kind.ABOUT, "about"), (Kind.STATE, "state"), (Kind.TELEMETRY, "telemetry"), (Kind.PULSE, "pulse")],
)
def test_all_that_a_laser_tells_fits_its_type(kind: Kind, suffix: str) -> None:
    payloads = payloads_told(kind)
    assert payloads
    for told in payloads:
        for one in CATALOGUE[suffix]:
            assert fits(one.datatype, told[one.field.name]), (one.name, told[one.field.name])


def test_only_what_changed_is_told_and_a_birth_tells_all_again() -> None:
    image = Image(NOON)
    assert image.data(STATE) == []
    image.take(TELEMETRY, payload(hv_v=800.0, lamp_shots=3))
    birth = image.birth()
    assert [one.name for one in birth] == [one.name for one in ALL]
    assert {one.timestamp_ms for one in birth} == {milliseconds(NOON)}
    assert image.data(TELEMETRY) == []
    image.take(TELEMETRY, payload(hv_v=801.0, lamp_shots=3))
    (hv,) = image.data(TELEMETRY)
    assert (hv.value, hv.name, hv.quality, dict(hv.properties)) == (801.0, None, None, {})
    assert image.data(TELEMETRY) == []
    assert [one.name for one in image.birth()] == [one.name for one in ALL]


@given(st.lists(st.sampled_from(["good", "sim", "stale", "bad", "odd"]), min_size=1, max_size=8))
def test_quality_is_told_when_it_is_not_good_and_when_it_becomes_so(qualities: list[str]) -> None:
    image = Image(NOON)
    image.take(TELEMETRY, payload(hv_v=0.0))
    image.birth()
    before: SparkplugQuality = SparkplugQuality.GOOD
    for number, q in enumerate(qualities, start=1):
        now = {"good": 192, "sim": 192, "stale": 500}.get(q, 0)
        image.take(TELEMETRY, payload(q, hv_v=float(number)))
        (told,) = [one for one in image.data(TELEMETRY) if one.value == float(number)]
        assert told.quality == (None if now == before == 192 else now)
        before = SparkplugQuality(now)


def test_what_nobody_told_yet_is_null_and_bad() -> None:
    birth = Image(NOON).birth()
    assert {(one.value, one.quality) for one in birth} == {(None, SparkplugQuality.BAD)}
