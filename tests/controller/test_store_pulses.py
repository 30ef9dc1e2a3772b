"""Pulses: each exactly once, never changed, with its audit entry, message and progress."""

import json
import math
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.store import DeviceRecord, PulseConflict, PulseRecord, RecordRefused, SessionState, Store
from tests.controller.pulse_records import NOW, PULSE, SERIAL, new_store

PLAN: dict[str, object] = {"preset": "T001", "pulses": 100}
SHA = "ab" * 32


def changed(name: str, value: Any) -> PulseRecord:
    return replace(PULSE, **{name: value})


HOST_SIDE = {"session_id", "wall_time", "mono_us", "fluence_j_cm2"}


def open_session(store: Store, session_id: str = "s1", planned: int = 100) -> None:
    store.open_session(
        session_id,
        device_serial=SERIAL,
        operator="ann",
        plan=PLAN,
        plan_sha256=SHA,
        planned_pulses=planned,
        now_us=0,
    )


def test_a_pulse_comes_back_as_it_was_recorded(store: Store) -> None:
    assert store.record_pulses([PULSE]) == 1
    assert store.pulse(SERIAL, 1) == PULSE
    assert store.pulses(SERIAL) == [PULSE]
    assert store.pulse(SERIAL, 2) is None


finite = st.floats(min_value=0, max_value=1e6)
int64 = st.integers(-(2**63), 2**63 - 1)
pulse_records = st.builds(
    PulseRecord,
    device_serial=st.just(SERIAL),
    pulse_number=st.integers(1, 2**63 - 1),
    device_boot=int64,
    permit_id=int64,
    series=int64,
    device_time_us=int64,
    set_energy_mj=finite | st.integers(0, 200),
    monitor_a_mj=st.none() | finite,
    monitor_b_mj=st.none() | finite | st.just(-0.0),
    pulse_width_ps=st.none() | finite,
    wavelength_nm=st.sampled_from([532, 755, 1064]),
    mode_width_ps=st.sampled_from([550, 650, 750]),
    spot_mm=finite,
    handpiece=st.text(st.characters(exclude_categories=["Cs"])),
    flags=st.frozensets(st.sampled_from(["double", "width", "early", "unknown"])),
    aperture=st.booleans(),
    unknown=st.booleans(),
    fluence_j_cm2=finite,
    session_id=st.none(),
    wall_time=st.datetimes(
        datetime(2, 1, 1),  # noqa: DTZ001  # the strategy wants naive bounds
        datetime(9998, 1, 1),  # noqa: DTZ001
        timezones=st.just(timezone(timedelta(hours=5))),
    ),
    mono_us=st.integers(0, 2**63 - 1),
)


@given(pulse_records)
def test_any_pulse_comes_back_is_recognised_and_agrees_with_the_audit(pulse: PulseRecord) -> None:
    with new_store() as store:
        assert store.record_pulses([pulse]) == 1
        assert store.pulse(SERIAL, pulse.pulse_number) == pulse
        assert store.record_pulses([pulse]) == 0
        assert store.check() == []


@pytest.mark.shows("REQ-025", "HZ-020")
@pytest.mark.parametrize("number", [1, 0xFF, 0x100, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32, 2**63 - 1])
def test_the_counter_is_64_bits_wide(store: Store, number: int) -> None:
    store.record_pulses([replace(PULSE, pulse_number=number)])
    assert store.highest_pulse(SERIAL) == number


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**64])
def test_a_pulse_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(RecordRefused, match=r"PulseRecord\.pulse_number is"):
        replace(PULSE, pulse_number=number)


REALS = [
    "set_energy_mj", "monitor_a_mj", "monitor_b_mj", "pulse_width_ps", "spot_mm", "fluence_j_cm2"
]  # fmt: skip


@pytest.mark.parametrize("name", REALS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(RecordRefused, match=f"PulseRecord.{name} is"):
        changed(name, value)


@pytest.mark.parametrize("name", ["device_boot", "permit_id", "series", "device_time_us", "mono_us"])
def test_a_whole_number_beyond_64_bits_is_refused_by_name(name: str) -> None:
    with pytest.raises(RecordRefused, match=f"PulseRecord.{name} is"):
        changed(name, 2**63)


ODD = (
    None, True, False, "", "x", math.nan, math.inf, -math.inf, 1.5, -0.0,
    0, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1,
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [field.name for field in fields(PulseRecord) if field.name not in {"pulse_number", "flags", "wall_time"}],
)
def test_whatever_a_field_should_hold_nothing_is_refused_but_what_means_nothing(name: str) -> None:
    for value in ODD:
        if isinstance(value, str):
            right = value == "x" or name == "handpiece"
        elif value is None or isinstance(value, bool):
            right = True
        else:
            right = math.isfinite(value) and (isinstance(value, float) or -(2**63) <= value < 2**63)
        if right:
            assert getattr(changed(name, value), name) is value
        else:
            with pytest.raises(RecordRefused, match=f"PulseRecord.{name} is"):
                changed(name, value)


def test_a_flag_that_could_not_be_told_from_two_is_refused() -> None:
    with pytest.raises(RecordRefused, match="flags"):
        replace(PULSE, flags=frozenset({"a,b"}))


def test_the_same_report_again_changes_nothing(store: Store) -> None:
    open_session(store)
    pulse = replace(PULSE, session_id="s1")
    store.record_pulses([pulse])
    before = (store.session("s1"), store.audit_head(), store.outbox_depth())
    later = replace(
        pulse, wall_time=NOW + timedelta(seconds=9), mono_us=1, session_id=None, fluence_j_cm2=9.9
    )
    assert store.record_pulses([pulse, later]) == 0
    assert (store.session("s1"), store.audit_head(), store.outbox_depth()) == before
    assert store.pulse(SERIAL, 1) == pulse


OTHER = {
    "device_boot": 8,
    "permit_id": 43,
    "series": 4,
    "device_time_us": 123_456_790,
    "set_energy_mj": 180.0,
    "monitor_a_mj": None,
    "monitor_b_mj": 198.000001,
    "pulse_width_ps": 750.0,
    "wavelength_nm": 532,
    "mode_width_ps": 650,
    "spot_mm": 8.0,
    "handpiece": "fixed",
    "flags": frozenset[str](),
    "aperture": False,
    "unknown": True,
    "rep_rate_hz": 10.0,
    "lamp_v": 1101.0,
    "coolant_c": 59.5,
}


@pytest.mark.parametrize("name", [field.name for field in fields(PulseRecord)])
def test_another_report_under_the_same_number_is_a_conflict_in_every_field(store: Store, name: str) -> None:
    if name in HOST_SIDE | {"device_serial", "pulse_number"}:
        assert name not in OTHER
        return
    store.record_pulses([PULSE])
    before = store.audit_head()
    with pytest.raises(PulseConflict) as caught:
        store.record_pulses([replace(PULSE, pulse_number=2), changed(name, OTHER[name])])
    assert caught.value.differing == {name: (getattr(PULSE, name), OTHER[name])}
    assert (caught.value.device_serial, caught.value.pulse_number) == (SERIAL, 1)
    assert store.pulses(SERIAL) == [PULSE]  # The other pulse of the same call was undone too.
    assert store.audit_head() == before


def test_each_device_counts_for_itself(store: Store) -> None:
    store.save_device(DeviceRecord("PL-0002", "PL-200", "1.0", True, {}, 0))
    other = replace(PULSE, device_serial="PL-0002", set_energy_mj=100.0)
    assert store.record_pulses([PULSE, other]) == 2
    assert store.count_pulses(SERIAL) == store.count_pulses("PL-0002") == 1


def test_a_pulse_is_there_for_its_own_device_and_number_alone(store: Store) -> None:
    store.record_pulse(PULSE)
    numbers = range(PULSE.pulse_number + 2)
    assert [store.has_pulse(SERIAL, number) for number in numbers] == [False, True, False]
    assert not store.has_pulse("PL-0002", PULSE.pulse_number)


def test_a_pulse_of_an_unknown_device_or_session_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(RecordRefused, match="save the device"):
        store.record_pulses([PULSE, replace(PULSE, device_serial="nobody")])
    with pytest.raises(RecordRefused, match="open the session"):
        store.record_pulses([replace(PULSE, session_id="none")])
    assert store.count_pulses(SERIAL) == 0
    assert store.audit_head() is None
    assert store.outbox_depth() == 0


def test_a_pulse_of_one_device_is_not_counted_in_a_session_of_another(store: Store) -> None:
    store.save_device(DeviceRecord("PL-0002", "PL-200", "1.0", True, {}, 0))
    open_session(store)
    with pytest.raises(RecordRefused, match="not one of device PL-0002"):
        store.record_pulses([replace(PULSE, device_serial="PL-0002", session_id="s1")])
    assert store.count_pulses("PL-0002") == store.session("s1").delivered_pulses == 0


def test_a_recorded_pulse_can_be_neither_changed_nor_removed(store: Store) -> None:
    store.record_pulses([PULSE])
    for sql in ("UPDATE pulse SET set_energy_mj = 1", "DELETE FROM pulse"):
        with pytest.raises(RecordRefused, match="never"):
            store._run(sql)
    assert store.pulses(SERIAL) == [PULSE]


def test_a_sessions_progress_is_the_sum_of_its_pulses(store: Store) -> None:
    open_session(store)
    in_session = replace(PULSE, session_id="s1")
    store.record_pulses(
        [
            in_session,
            replace(in_session, pulse_number=2, monitor_b_mj=None),  # Counts as it was set.
            replace(in_session, pulse_number=3, aperture=False),  # Into the closed shutter: no dose.
            replace(in_session, pulse_number=4, unknown=True, monitor_a_mj=None, monitor_b_mj=None),
            replace(in_session, pulse_number=5, unknown=True, aperture=False, monitor_a_mj=210.0),
            replace(PULSE, pulse_number=6),  # Not of this session.
        ]
    )
    session = store.session("s1")
    assert (session.delivered_pulses, session.unknown_pulses, session.remaining_pulses) == (4, 2, 96)
    assert session.energy_mj == pytest.approx(198.0 + 200.0 + 200.0 + 210.0)
    assert session.dose_j_cm2 == pytest.approx(4 * 0.7)
    assert [pulse.pulse_number for pulse in store.session_pulses("s1")] == [1, 2, 3, 4, 5]


def test_a_late_report_still_counts_for_a_session_that_has_ended(store: Store) -> None:
    open_session(store, planned=1)
    store.move_session("s1", SessionState.INTERRUPTED, actor="system", now_us=1)
    store.record_pulses([replace(PULSE, session_id="s1")])
    assert store.session("s1").delivered_pulses == 1
    assert store.session("s1").remaining_pulses == 0


@pytest.mark.shows("REQ-042")
def test_every_pulse_has_one_audit_entry_and_one_message_with_its_values(store: Store) -> None:
    store.record_pulses([PULSE, replace(PULSE, pulse_number=2)])
    store.record_pulses([replace(PULSE, pulse_number=2), replace(PULSE, pulse_number=3)])
    entries = [entry for entry in store.audit_entries() if entry.kind == "pulse"]
    messages = store.outbox_next(10)
    assert [json.loads(entry.body)["pulse_number"] for entry in entries] == [1, 2, 3]
    assert [(m.topic, m.seq, m.payload["pulse_number"]) for m in messages] == [
        ("pulse", 1, 1),
        ("pulse", 2, 2),
        ("pulse", 3, 3),
    ]
    assert entries[0].actor == f"device:{SERIAL}"
    assert messages[0].payload == json.loads(entries[0].body)
    assert messages[0].payload["set_energy_mj"] == 200.0
    assert messages[0].payload["wall_time"] == "2026-03-04T05:06:07.000089Z"
    assert messages[0].payload["flags"] == "first"
    # Flat, so that dashboards can plot it.
    assert not any(isinstance(value, dict | list) for value in messages[0].payload.values())


def test_pulses_changed_removed_or_slipped_in_behind_the_programs_back_are_found(store: Store) -> None:
    store.record_pulses([replace(PULSE, pulse_number=number) for number in (1, 2, 3)])
    assert store.check() == []
    store._run("DROP TRIGGER pulse_is_never_changed")
    store._run("DROP TRIGGER pulse_is_never_removed")
    store._run("UPDATE pulse SET set_energy_mj = 100.0 WHERE pulse_number = 2")
    assert store.verify_pulses() == ["pulse 2 of device PL-0001 is recorded otherwise than in the audit"]
    store._run("UPDATE pulse SET set_energy_mj = 200.0 WHERE pulse_number = 2")
    assert store.verify_pulses() == []
    store._run("DELETE FROM pulse WHERE pulse_number = 3")
    assert store.verify_pulses() == ["pulse 3 of device PL-0001 is in the audit but has no record"]
    columns = ", ".join(field.name for field in fields(PulseRecord))
    values = columns.replace("pulse_number", "9")
    store._run(f"INSERT INTO pulse ({columns}) SELECT {values} FROM pulse WHERE pulse_number = 1")  # noqa: S608
    assert store.verify_pulses()[-1] == "1 pulses have a record but no entry in the audit"
    store._run("DELETE FROM pulse WHERE pulse_number = 9")
    last = max(store.audit_entries(), key=lambda entry: entry.index)
    store.append_audit("pulse", "eve", json.loads(last.body) | {"pulse_number": 1}, now_us=0)
    assert store.verify_pulses()[-1] == "1 entries of the audit are about a pulse it has told of before"


def test_a_long_record_is_read_page_by_page(store: Store) -> None:
    store.record_pulses([replace(PULSE, pulse_number=number) for number in range(1, 26)])
    pages: list[int] = []
    after = 0
    while page := store.pulses(SERIAL, after=after, limit=10):
        pages += [pulse.pulse_number for pulse in page]
        after = page[-1].pulse_number
    assert pages == list(range(1, 26))
