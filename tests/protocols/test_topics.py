"""The table of topics and the payloads they carry."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.faults import FAULTS, Fault
from protocols.fields import Bool, Choice, FieldError, Int, SetOf
from protocols.interlocks import Interlock
from protocols.messages import Handpiece, Message, Status, Telemetry, layout
from protocols.payloads import (
    HostFacts,
    Payload,
    Quality,
    Stamp,
    about_payload,
    alarm_payload,
    birth_payload,
    encode,
    event_payload,
    fault_alarms,
    goodbye_payload,
    pulse_payload,
    reply_payload,
    state_payload,
    telemetry_payload,
    will_payload,
)
from protocols.refusals import Refusal
from protocols.topics import (
    FAULT_ALARM_IDS,
    STAMP_FIELDS,
    STOP,
    TOPICS,
    FieldType,
    TopicField,
    TopicTree,
    alarm_id,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123, tzinfo=UTC)
STAMP = Stamp(NOON, 7_000_001, "b00t", sim=False)
HOST = HostFacts(link_up=True)
M = TypeVar("M", bound=Message)


def made(message: type[M], **given_values: Any) -> M:
    """A message with the least values that are legal, and those given."""
    values: dict[str, Any] = {}
    for name, kind in layout(message).fields:
        if isinstance(kind, Int):
            values[name] = kind.low
        elif isinstance(kind, Choice):
            values[name] = next(iter(kind.type))
        else:
            values[name] = (
                frozenset() if isinstance(kind, SetOf) else False if isinstance(kind, Bool) else "x"
            )
    return message(**(values | given_values))


def test_the_table_delivers_as_the_conventions_say() -> None:
    # Topic, QoS, retained: TELEMETRY.md's table, said again.
    assert {(t.suffix, t.qos, t.retain) for t in TOPICS.values()} == {
        ("status", 1, True),
        ("about", 1, True),
        ("state", 1, True),
        ("telemetry", 0, False),
        ("pulse", 1, False),
        ("event", 1, False),
        ("alarm", 1, True),
        ("reply", 1, False),
    }
    assert (STOP.suffix, STOP.qos, STOP.retain) == ("cmd/stop", 1, False)
    assert {suffix: t.expiry_s for suffix, t in TOPICS.items() if t.expiry_s} == {
        "telemetry": 30,
        "reply": 60,
    }
    assert all(suffix == topic.suffix for suffix, topic in TOPICS.items())


# Schema 1: dashboards and the records of others read these fields by name and type. One once given stays.
GIVEN = {
    "status": {"boolean": "online", "string": "reason schema"},
    "about": {
        "boolean": "simulated",
        "number": "spot_min_mm spot_max_mm permit_pulses_max permit_max_s reports_max ready_delay_s"
        " energy_step_mj energy_min_mj energy_max_mj period_ms",
        "string": "serial model firmware_version build_id modes rep_rates_hz schema software_version"
        " clock_source units",
    },
    "state": {
        "boolean": "link_up gate_inhibited hv_inhibited indicator_on aiming_on docked calibrated"
        " ilk_estop ilk_key ilk_mains ilk_remote ilk_door ilk_cover ilk_articulated_arm ilk_handpiece"
        " ilk_coolant_level ilk_coolant_flow ilk_heater_thermostat ilk_charger_temperature",
        "number": "state_code audit_index device_boot fault_instance spot_mm wavelength_nm",
        "string": "state host_latches first_cause proof_tests_due audit_hash beam leave first_fault faults"
        " faults_present blocks handpiece foot shutter",
    },
    "telemetry": {
        "boolean": "simmer_on heater_on",
        "number": "device_boot device_time_s pulse_number permit_pulses_left reports_waiting device_sample"
        " hv_v coolant_c flow_l_min indicator_ma aiming_mw lamp_shots frames_rejected skipped_pulses"
        " pulses_planned pulses_delivered samples_dropped",
    },
    "pulse": {
        "boolean": "aperture unknown",
        "number": "pulse_number device_boot device_time_s permit_id set_energy_mj monitor_a_mj monitor_b_mj"
        " pulse_width_ps mode_width_ps wavelength_nm spot_mm series fluence_j_cm2 late_s",
        "string": "flags handpiece device_serial session_id",
    },
    "event": {
        "number": "event_id permit_id pulse_number late_s",
        "string": "kind severity text code fault state session_id",
    },
    "alarm": {"boolean": "first present service", "number": "fault_instance", "string": "text cause action"},
}
GIVEN_STAMP = {"boolean": "sim", "number": "mono_ns seq", "string": "ts boot q"}


def given_fields(row: dict[str, str]) -> set[tuple[str, str]]:
    return {(name, type_) for type_, names in row.items() for name in names.split()}


def test_what_a_topic_once_gave_it_gives_as_long_as_the_schema_begins_with_1() -> None:
    assert birth_payload("b00t", NOON)["schema"] == "1.0"
    assert {(field.name, field.type.value) for field in STAMP_FIELDS} >= given_fields(GIVEN_STAMP)
    for suffix, row in GIVEN.items():
        given_now = {(field.name, field.type.value) for field in TOPICS[suffix].fields}
        assert given_now >= given_fields(row), suffix


def test_no_topic_declares_a_field_twice_or_without_a_meaning() -> None:
    for topic in TOPICS.values():
        names = [field.name for field in (*STAMP_FIELDS, *topic.fields)]
        assert len(names) == len(set(names)), topic.suffix
        assert all(field.meaning for field in topic.fields)


def test_field_names_end_in_the_units_of_the_user() -> None:
    for topic in TOPICS.values():
        for field in topic.fields:
            assert not field.name.endswith(("_uj", "_us", "_mv", "_um", "_mhz", "_mc", "_ua", "_uw")), field
    units = {field.name: field.unit for topic in TOPICS.values() for field in topic.fields}
    assert units["set_energy_mj"] == "mJ"
    assert units["pulse_width_ps"] == "ps"
    assert units["coolant_c"] == "degC"
    assert units["hv_v"] == "V"
    assert units["flow_l_min"] == "l/min"
    assert units["fluence_j_cm2"] == "J/cm2"
    assert units["spot_mm"] == "mm"
    assert units["device_time_s"] == "s"
    assert units["rep_rates_hz"] == ""  # a list in words
    assert units["lamp_shots"] == ""


UNIT_ENDINGS = {
    **{"_j_cm2": "J/cm2", "_l_min": "l/min", "_mj": "mJ", "_ps": "ps", "_nm": "nm", "_mm": "mm", "_hz": "Hz"},
    **{"_ma": "mA", "_mw": "mW", "_ms": "ms", "_ns": "ns", "_c": "degC", "_s": "s", "_v": "V", "_shots": ""},
}


def test_units_are_told_by_the_ending_of_a_name_and_which_ones_in_about() -> None:
    for ending, unit in UNIT_ENDINGS.items():
        assert TopicField(f"some{ending}", FieldType.NUMBER, "").unit == unit
        assert TopicField(f"some{ending}", FieldType.TEXT, "").unit == ""
    about = about_payload({}, STAMP, telemetry_hz=1.0, software_version="0", clock_source="ntp")
    told = dict(pair.split("=") for pair in str(about["units"]).split(","))
    assert told == {ending: unit for ending, unit in UNIT_ENDINGS.items() if unit}


def sample_payloads() -> list[tuple[str, Payload]]:
    status = made(Status, faults=frozenset({Fault.DOOR, Fault.ESTOP}), first_fault=Fault.DOOR)
    words = {"text": "a", "cause": "b", "action": "c", "first": True, "present": True}
    return [
        ("state", state_payload(status, HOST, STAMP)),
        ("state", state_payload(None, HOST, STAMP)),
        ("telemetry", telemetry_payload(status, made(Telemetry), HOST, STAMP)),
        ("telemetry", telemetry_payload(None, None, HOST, STAMP)),
        ("pulse", pulse_payload({"pulse_number": 1}, STAMP)),
        ("event", event_payload({"id": 1, "text": "x"}, STAMP)),
        ("alarm", alarm_payload(STAMP, **words)),  # type: ignore[arg-type]  # a plain dict of both kinds
        (
            "about",
            about_payload({}, STAMP, telemetry_hz=1.0, software_version="0", clock_source="ntp"),
        ),
        (
            "reply",
            reply_payload(
                STAMP, id="s-1", outcome="done", text="x", confirmed=True, level="STOP", took_ms=4.5
            ),
        ),
        ("reply", reply_payload(STAMP, id=None, outcome="refused", text="retained")),
        ("status", birth_payload("b00t", NOON)),
        ("status", will_payload("b00t")),
        ("status", goodbye_payload("b00t", NOON)),
    ]


@pytest.mark.parametrize(("suffix", "payload"), sample_payloads())
def test_a_payload_is_flat_declared_and_of_the_declared_types(suffix: str, payload: Payload) -> None:
    declared = {field.name: field.type for field in (*STAMP_FIELDS, *TOPICS[suffix].fields)}
    assert json.loads(encode(payload)) == dict(payload)
    types = {FieldType.NUMBER: int | float, FieldType.TEXT: str, FieldType.FLAG: bool}
    for name, value in payload.items():
        assert value is None or isinstance(value, types[declared[name]]), name
        assert declared[name] is FieldType.FLAG or not isinstance(value, bool), name


@pytest.mark.parametrize("payload", [payload for suffix, payload in sample_payloads() if suffix != "status"])
def test_every_payload_says_when_by_whom_and_how_surely(payload: Payload) -> None:
    assert payload["ts"] == "2026-03-01T12:00:00.000123Z"
    assert payload["mono_ns"] == 7_000_001_000
    assert payload["boot"] == "b00t"
    assert (payload["q"], payload["sim"]) == ("good", False)


def test_a_time_is_told_in_utc_with_microseconds_even_when_they_are_none() -> None:
    east = datetime(2026, 3, 1, 2, 0, tzinfo=timezone(timedelta(hours=5)))
    assert birth_payload("b", east)["ts"] == "2026-02-28T21:00:00.000000Z"
    with pytest.raises(FieldError, match="wall_time"):
        birth_payload("b", datetime(2026, 3, 1))  # noqa: DTZ001  # what is refused


@pytest.mark.parametrize("quality", Quality)
@pytest.mark.parametrize("sim", [True, False, None])
def test_a_good_value_of_a_simulated_laser_is_marked_and_a_bad_one_stays_bad(
    quality: Quality, sim: bool | None
) -> None:
    q = Stamp(NOON, 0, "b", sim, quality).fields()["q"]
    assert q == ("sim" if sim and quality.value == "good" else quality.value)


def test_birth_will_and_goodbye_are_told_apart() -> None:
    assert birth_payload("b", NOON) == {
        "online": True,
        "boot": "b",
        "ts": "2026-03-01T12:00:00.000123Z",
        "schema": "1.0",
    }
    assert will_payload("b") == {"online": False, "reason": "lost", "boot": "b"}
    assert goodbye_payload("b", NOON)["reason"] == "clean"
    assert goodbye_payload("b", NOON)["online"] is False


@pytest.mark.parametrize("open_one", Interlock)
def test_exactly_the_open_interlock_is_false(open_one: Interlock) -> None:
    payload = state_payload(made(Status, open_interlocks=frozenset({open_one})), HOST, STAMP)
    contacts = {name: value for name, value in payload.items() if name.startswith("ilk_")}
    assert contacts == {f"ilk_{ilk.name.lower()}": ilk != open_one for ilk in Interlock}


def test_without_a_status_nothing_is_claimed_about_the_laser() -> None:
    payload = state_payload(None, HostFacts(False, ("start_up", "stale"), "link lost"), STAMP)
    assert payload["state"] == "unknown"
    assert {value for name, value in payload.items() if name.startswith("ilk_")} == {None}
    assert payload["gate_inhibited"] is None
    assert payload["link_up"] is False
    assert payload["host_latches"] == "start_up,stale"
    assert payload["first_cause"] == "link lost"


def test_the_wire_is_told_in_the_units_of_the_user() -> None:
    status = made(
        Status,
        boot=9,
        device_time_us=1_500_000,
        spot_um=3_500,
        handpiece=Handpiece.ZOOM,
        blocks=frozenset({Refusal.FOOT_HELD, Refusal.KEY_OFF}),
    )
    telemetry = made(Telemetry, hv_mv=1_234_500, coolant_mc=-1_250, flow_ml_min=2_500, sample=4)
    state = state_payload(status, HOST, STAMP)
    assert (state["spot_mm"], state["handpiece"], state["blocks"]) == (3.5, "zoom", "key_off,foot_held")
    sample = telemetry_payload(status, telemetry, HostFacts(True, (), "", 60, 21), STAMP)
    assert (sample["hv_v"], sample["coolant_c"], sample["flow_l_min"]) == (1234.5, -1.25, 2.5)
    assert (sample["device_boot"], sample["boot"], sample["device_sample"]) == (9, "b00t", 4)
    assert (sample["device_time_s"], sample["pulses_planned"], sample["pulses_delivered"]) == (1.5, 60, 21)


def test_a_pulse_tells_what_was_recorded_and_nothing_else() -> None:
    record = {
        "device_serial": "PL-1",
        "pulse_number": 2**63 - 1,
        "device_boot": 3,
        "device_time_us": 2_000_001,
        "set_energy_mj": 173.0,
        "monitor_a_mj": None,
        "monitor_b_mj": math.nan,
        "spot_mm": 3.5,
        "flags": "energy_drift,width",
        "aperture": 1,
        "unknown": 0,
        "session_id": "s1",
        "operator": "Jane Roe",
        "subject": "patient 7",
        "plan": {"name": "tattoo"},
        "wall_time": "2026-03-01T12:00:00Z",
        "mono_us": 5,
    }
    payload = pulse_payload(record, STAMP)
    assert payload["pulse_number"] == 9_223_372_036_854_775_807
    assert payload["device_time_s"] == 2.000001
    assert (payload["set_energy_mj"], payload["spot_mm"]) == (173.0, 3.5)
    assert (payload["monitor_a_mj"], payload["monitor_b_mj"]) == (None, None)
    assert (payload["aperture"], payload["unknown"], payload["flags"]) == (True, False, "energy_drift,width")
    for secret in ("Jane", "patient", "tattoo"):
        assert secret not in encode(payload).decode()
    assert "operator" not in payload


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in TOPICS["event"].fields]) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(max_size=3)),
    )
)
def test_any_event_body_makes_a_flat_payload_that_json_can_carry(body: dict[str, object]) -> None:
    payload = event_payload(body, STAMP)
    assert payload.keys() == {
        *("ts", "mono_ns", "boot", "q", "sim"),
        *(field.name for field in TOPICS["event"].fields),
    }
    assert json.loads(encode(payload)) == payload


def test_about_tells_the_period_that_can_be_kept_and_refuses_names_it_does_not_know() -> None:
    def about(hz: float, **device: object) -> Payload:
        return about_payload(device, STAMP, telemetry_hz=hz, software_version="1", clock_source="ntp")

    assert about(1.0)["period_ms"] == 1000
    assert about(0.1)["period_ms"] == 10_000
    assert about(10.0)["period_ms"] == 1000  # the laser itself gives one sample a second
    assert about(1.0, serial="PL-1", spot_min_um=2000)["spot_min_mm"] == 2.0
    assert "_mj=mJ" in str(about(1.0)["units"])
    with pytest.raises(FieldError, match="subject"):
        about(1.0, subject="x")


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
def test_every_fault_has_an_alarm_in_the_words_of_the_table(fault: Fault) -> None:
    status = made(
        Status,
        faults=frozenset({fault}),
        faults_present=frozenset({fault}),
        first_fault=fault,
        fault_instance=5,
    )
    ((name, payload),) = fault_alarms(status, STAMP).items()
    assert name == fault.name.lower().replace("_", "-")
    assert name in FAULT_ALARM_IDS
    TopicTree("s", "d").name(TOPICS["alarm"], name)  # is a legal topic
    assert (payload["text"], payload["action"]) == (FAULTS[fault].text, FAULTS[fault].action)
    assert (payload["first"], payload["present"], payload["fault_instance"]) == (True, True, 5)
    assert payload["service"] is FAULTS[fault].service


def test_a_later_fault_whose_cause_is_gone_is_neither_first_nor_present() -> None:
    status = made(Status, faults=frozenset({Fault.DOOR, Fault.ESTOP}), first_fault=Fault.ESTOP)
    alarm = fault_alarms(status, STAMP)[alarm_id(Fault.DOOR)]
    assert (alarm["first"], alarm["present"]) == (False, False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_does_not_go_on_the_wire(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"pulse_energy_mj": value})


def test_topics_are_named_by_site_device_and_alarm() -> None:
    tree = TopicTree("room-1", "laser-2")
    assert tree.name(TOPICS["state"]) == "laser/v1/room-1/laser-2/state"
    assert tree.name(TOPICS["alarm"], "door") == "laser/v1/room-1/laser-2/alarm/door"
    assert TopicTree("a", "b", "x/y").name(TOPICS["status"]) == "x/y/a/b/status"


@pytest.mark.parametrize("wrong", ["", "A", "a/b", "a+", "#", "a b", "ä", "a_b", "x" * 65, "a\n"])
def test_an_id_that_could_be_another_topic_is_refused(wrong: str) -> None:
    with pytest.raises(FieldError, match=r"^site = "):
        TopicTree(wrong, "d")
    with pytest.raises(FieldError, match=r"^device = "):
        TopicTree("s", wrong)
    if wrong:
        with pytest.raises(FieldError, match=r"^alarm id = "):
            TopicTree("s", "d").name(TOPICS["alarm"], wrong)


@pytest.mark.parametrize("wrong", ["", "/a", "a/", "a//b", "a/+", "#", "$SYS", "a b", "a\n"])
def test_a_prefix_that_no_topic_can_have_is_refused(wrong: str) -> None:
    with pytest.raises(FieldError, match=r"^prefix = "):
        TopicTree("s", "d", wrong)
