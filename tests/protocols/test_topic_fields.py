"""The ranges, words and forms that the table of topics declares, said again from wire and payloads."""

from collections.abc import Callable

import pytest

from protocols.faults import Fault
from protocols.messages import Handpiece, Status
from protocols.payloads import birth_payload, goodbye_payload, state_payload, will_payload
from protocols.states import State
from protocols.topics import (
    FAULT_ALARM_IDS,
    STAMP_FIELDS,
    STOP,
    TOPICS,
    FieldType,
    TopicField,
    alarm_id,
    is_id,
)
from tests.protocols.test_topics import HOST, NOON, STAMP, made


def test_ranges_and_words_are_those_of_the_wire_in_the_units_of_the_user() -> None:
    fields = {(t.suffix, f.name): f for t in TOPICS.values() for f in t.fields}
    ranges = {name: (f.low, f.high, f.whole) for name, f in fields.items() if f.low is not None}
    assert ranges["pulse", "set_energy_mj"] == (0, 500, False)
    assert ranges["pulse", "monitor_a_mj"] == (0, 5_000, False)
    assert ranges["pulse", "pulse_width_ps"] == (0, 2**32 - 1, True)
    assert ranges["telemetry", "coolant_c"] == (-50, 150, False)
    assert ranges["state", "device_boot"] == (1, 2**32 - 1, True)
    assert ranges["state", "state_code"] == (0, max(state.value for state in State), True)
    assert ranges["about", "energy_max_mj"] == (0, 500, False)
    assert ranges["event", "event_id"] == (0, 2**63 - 1, True)
    assert fields["state", "state"].values == (*(state.name.lower() for state in State), "unknown")
    assert not fields["state", "state"].nullable
    assert fields["pulse", "handpiece"].values == tuple(h.name.lower() for h in Handpiece)
    assert (fields["state", "faults"].several, fields["state", "first_fault"].several) == (True, False)
    assert set(fields["state", "faults"].values) == {fault.name.lower() for fault in Fault}
    assert fields["reply", "outcome"].values == ("done", "uncertain", "refused")
    whole = {f.name for f in STAMP_FIELDS if f.whole}
    assert whole == {"mono_ns", "seq"}
    assert {f.name for f in STAMP_FIELDS if f.nullable} == {"sim"}
    assert {f.values for f in STAMP_FIELDS if f.name == "q"} == {("good", "stale", "sim", "bad")}


def by_topic(wanted: Callable[[TopicField], bool]) -> dict[str, set[str]]:
    topics = (*TOPICS.values(), STOP)
    return {t.suffix: names for t in topics if (names := {f.name for f in t.fields if wanted(f)})}


def test_what_is_never_null_and_what_holds_several_names() -> None:
    assert by_topic(lambda field: not field.nullable) == {
        "status": {"online", "reason", "schema"},
        "about": {"schema"},
        "state": {"state"},
        "pulse": {"late_s"},
        "event": {"late_s"},
        "reply": {"outcome", "confirmed", "text"},
    }
    assert by_topic(lambda field: field.several) == {
        "state": {"faults", "faults_present", "blocks"},
        "pulse": {"flags"},
    }


def test_the_daemons_own_numbers_begin_at_nought_and_its_own_words_are_told() -> None:
    own = by_topic(lambda field: (field.low, field.high, field.whole) == (0, 2**63 - 1, True))
    assert own == {
        "state": {"audit_index"},
        "telemetry": {"pulse_number", "lamp_shots", "pulses_planned", "pulses_delivered", "samples_dropped"},
        "pulse": {"pulse_number", "series"},
        "event": {"event_id", "permit_id", "pulse_number"},
        "alarm": {"fault_instance"},
    }
    assert by_topic(lambda field: (field.low, field.high, field.whole) == (0, None, False)) == {
        "about": {"period_ms"},
        "pulse": {"fluence_j_cm2", "late_s"},
        "event": {"late_s"},
        "reply": {"took_ms"},
    }
    fields = {(t.suffix, f.name): f for t in TOPICS.values() for f in t.fields}
    assert fields["status", "reason"].values == ("lost", "clean")
    assert fields["event", "severity"].values == ("info", "warning", "error")
    assert fields["event", "kind"].values == (
        *("state", "fault", "refusal", "set_point", "stop", "session", "link", "system"),
    )


def test_the_forms_of_status_are_what_is_published_as_birth_will_and_goodbye() -> None:
    published = {
        "birth": birth_payload("b", NOON),
        "lost": will_payload("b"),
        "clean": goodbye_payload("b", NOON),
    }
    assert {form.name: dict(form.fixed) for form in TOPICS["status"].forms} == {
        "birth": {"online": True},
        "lost": {"online": False, "reason": "lost"},
        "clean": {"online": False, "reason": "clean"},
    }
    for form in TOPICS["status"].forms:
        numbered = {*published[form.name]} | ({"seq"} if form.name != "lost" else set())
        assert set(form.fields) == numbered, form.name
        assert all(published[form.name][name] == value for name, value in form.fixed)
    assert [topic.suffix for topic in TOPICS.values() if topic.forms] == ["status"]


@pytest.mark.parametrize(
    ("value", "fits"),
    [("a", True), ("a-1", True), ("x" * 64, True)]
    + [(wrong, False) for wrong in ("", "x" * 65, "A", "a/b", "a+", "#", "a b", "a\n", "ä")],
)
def test_a_level_of_a_topic_has_few_characters(value: str, fits: bool) -> None:
    assert is_id(value) is fits


def test_a_stop_may_have_an_id_and_a_client_and_nothing_else() -> None:
    assert [(field.name, field.type, field.nullable) for field in STOP.fields] == [
        ("id", FieldType.TEXT, True),
        ("client", FieldType.TEXT, True),
    ]


def test_every_fault_has_an_alarm_and_no_fault_has_none() -> None:
    assert set(FAULT_ALARM_IDS) == {alarm_id(fault) for fault in Fault if fault is not Fault.NONE}


@pytest.mark.parametrize("state", State)
def test_a_state_has_its_word_and_its_number(state: State) -> None:
    payload = state_payload(made(Status, state=state), HOST, STAMP)
    assert (payload["state"], payload["state_code"]) == (state.name.lower(), state.value)
