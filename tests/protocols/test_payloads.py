"""Payloads word for word: each fact stands under its own name, and nothing else is claimed."""

from datetime import UTC, datetime

import pytest

from protocols.fields import FieldError
from protocols.payloads import (
    HostFacts,
    Payload,
    Quality,
    Scalar,
    Stamp,
    about_payload,
    alarm_payload,
    event_payload,
    pulse_payload,
    reply_payload,
    state_payload,
    utc_text,
)

STAMP = Stamp(datetime(2026, 3, 1, 12, tzinfo=UTC), 7, "b00t", sim=True)


def facts(payload: Payload) -> dict[str, Scalar]:
    """What is claimed, without the stamp."""
    return {
        name: value for name, value in payload.items() if value is not None and name not in STAMP.fields()
    }


def test_the_stamp_says_when_where_and_how_surely() -> None:
    assert STAMP.fields() == {
        "ts": "2026-03-01T12:00:00.000000Z",
        "mono_ns": 7_000,
        "boot": "b00t",
        "q": "sim",
        "sim": True,
    }


def test_the_words_of_quality_are_those_that_the_topics_declare() -> None:
    assert [quality.value for quality in Quality] == ["good", "stale", "sim", "bad"]


def test_a_time_without_its_zone_is_refused_by_name() -> None:
    with pytest.raises(FieldError) as refused:
        utc_text(datetime(2026, 3, 1))  # noqa: DTZ001  # what is refused
    assert refused.value.field == "wall_time"


def test_about_has_what_is_known_of_the_laser_and_what_the_daemon_says_of_itself() -> None:
    told = about_payload(
        {"serial": "PL-7", "spot_min_um": 2_000},
        STAMP,
        telemetry_hz=0.5,
        software_version="1.2",
        clock_source="ntp",
    )
    units = told["units"]
    assert facts(told) == {
        "serial": "PL-7",
        "spot_min_mm": 2.0,
        "schema": "1.0",
        "software_version": "1.2",
        "period_ms": 2000.0,
        "clock_source": "ntp",
        "units": units,
    }


def test_about_refuses_a_name_that_the_topic_does_not_declare() -> None:
    with pytest.raises(FieldError, match="colour, shape") as refused:
        about_payload(
            {"shape": 1, "colour": 2}, STAMP, telemetry_hz=1.0, software_version="1", clock_source="ntp"
        )
    assert refused.value.field == "about"


def test_the_state_without_a_laser_is_what_the_daemon_knows() -> None:
    host = HostFacts(
        link_up=False,
        latches=("link_lost", "started"),
        first_cause="link_lost",
        audit_index=12,
        audit_hash="ab12",
        proof_tests_due="door",
    )
    assert facts(state_payload(None, host, STAMP)) == {
        "state": "unknown",
        "link_up": False,
        "host_latches": "link_lost,started",
        "first_cause": "link_lost",
        "audit_index": 12,
        "audit_hash": "ab12",
        "proof_tests_due": "door",
    }


def test_a_daemon_that_knows_nothing_says_nothing() -> None:
    assert facts(state_payload(None, HostFacts(link_up=True), STAMP)) == {
        "state": "unknown",
        "link_up": True,
        "host_latches": "",
        "first_cause": "",
        "proof_tests_due": "",
    }


def test_an_event_keeps_its_facts_and_its_number_gets_a_name_of_its_own() -> None:
    event = {"id": 3, "kind": "stop", "severity": "info", "text": "stopped", "code": "stop", "permit_id": 9}
    assert facts(event_payload(event, STAMP)) == {
        "event_id": 3,
        "kind": "stop",
        "severity": "info",
        "text": "stopped",
        "code": "stop",
        "permit_id": 9,
    }


def test_an_alarm_is_not_for_service_unless_it_says_so() -> None:
    told = {"text": "a", "cause": "b", "action": "c"}
    assert facts(alarm_payload(STAMP, text="a", cause="b", action="c", first=False, present=True)) == {
        **told,
        "first": False,
        "present": True,
        "service": False,
    }
    assert facts(
        alarm_payload(
            STAMP,
            text="a",
            cause="b",
            action="c",
            first=True,
            present=False,
            service=True,
            fault_instance=4,
        )
    ) == {**told, "first": True, "present": False, "service": True, "fault_instance": 4}


def test_a_reply_says_what_became_of_the_stop() -> None:
    assert facts(reply_payload(STAMP, id="s-1", outcome="refused", text="retained")) == {
        "id": "s-1",
        "outcome": "refused",
        "text": "retained",
        "confirmed": False,
    }
    assert facts(
        reply_payload(STAMP, id="s-1", outcome="done", text="x", confirmed=True, level="STOP", took_ms=4.5)
    ) == {
        "id": "s-1",
        "outcome": "done",
        "text": "x",
        "confirmed": True,
        "level": "STOP",
        "took_ms": 4.5,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aperture", 1.0),
        ("aperture", 2),
        ("aperture", "yes"),
        ("pulse_number", True),
        ("pulse_number", "7"),
        ("fluence_j_cm2", float("nan")),
        ("session_id", 5),
        ("session_id", 5.0),
    ],
)
def test_a_value_of_another_type_is_null_rather_than_guessed(name: str, value: object) -> None:
    assert pulse_payload({name: value}, STAMP)[name] is None
