"""Audit, commands, events, calibrations, incidents, outbox: what is kept, and what is refused."""

import math
from collections.abc import Callable
from datetime import timedelta

import pytest

from controller.store import (
    CalibrationPoint,
    CalibrationRecord,
    CommandOutcome,
    DeviceRecord,
    EventKind,
    RecordRefused,
    Severity,
    Store,
)
from safety.audit import BreakKind, Head
from tests.controller.stored import SERIAL, START, Clock, audited, pulse

# --- audit


@pytest.mark.shows("REQ-042", "REQ-049")
def test_the_audit_keeps_both_clocks_and_proves_itself(store: Store, clock: Clock) -> None:
    first = store.append_audit("key.on", "ann", {"n": 1}, now_us=10)
    clock.now -= timedelta(hours=1)  # A step of the wall clock back.
    second = store.append_audit("key.off", "ann", {}, now_us=20)
    assert (first.wall_time, first.mono_us) == ("2026-03-04T05:06:07.000000Z", 10)
    assert (second.wall_time, second.mono_us) == ("2026-03-04T04:06:07.000000Z", 20)
    assert list(store.audit_entries()) == [first, second]
    assert list(store.audit_entries(first=1)) == [second]
    assert store.audit_head() == Head(1, second.hash)
    assert store.verify_audit(Head(0, first.hash)) == []


@pytest.mark.shows("REQ-042")
def test_the_audit_can_only_grow_at_its_end(store: Store) -> None:
    for number in range(3):
        store.append_audit("k", "a", {"n": number}, now_us=number)
    before = list(store.audit_entries())
    rest = "prev_hash, wall_time, mono_us, kind, actor, body, hash FROM audit"
    for sql in (
        "UPDATE audit SET body = '{}' WHERE idx = 1",
        "DELETE FROM audit WHERE idx = 2",
        "DELETE FROM audit",
        f"INSERT OR REPLACE INTO audit SELECT idx, {rest}",
        f"INSERT INTO audit SELECT 7, {rest} WHERE idx = 0",
        f"REPLACE INTO audit SELECT -1, {rest} WHERE idx = 0",
        f"INSERT INTO audit SELECT NULL, {rest} WHERE idx = 0",
    ):
        with pytest.raises(RecordRefused, match="audit"):
            store._run(sql)
    assert list(store.audit_entries()) == before


def test_a_change_behind_the_triggers_back_is_found(store: Store) -> None:
    for number in range(5):
        store.append_audit("k", "a", {"n": number}, now_us=number)
    head = store.audit_head()
    for trigger in ("audit_is_never_changed", "audit_is_never_removed"):
        store._run(f"DROP TRIGGER {trigger}")
    store._run("UPDATE audit SET actor = 'eve' WHERE idx = 2")
    assert [(found.kind, found.index) for found in store.verify_audit(head)] == [(BreakKind.ALTERED, 2)]
    store._run("UPDATE audit SET actor = 'a' WHERE idx = 2")
    store._run("DELETE FROM audit WHERE idx = 4")
    assert store.verify_audit() == []
    assert [found.kind for found in store.verify_audit(head)] == [BreakKind.CUT_OFF]


def test_a_body_that_means_nothing_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.append_audit("k", "a", {"x": math.nan}, now_us=0)
    with pytest.raises(RecordRefused, match="cannot be stored"):
        store.append_audit("k", "\ud800", {}, now_us=0)
    with pytest.raises(RecordRefused, match="cannot be stored"):
        store.append_audit("k", "a", {}, now_us=2**63)
    assert store.audit_head() is None


# --- transactions


def test_a_group_of_operations_is_one_step(store: Store) -> None:
    def group() -> None:
        with store.transaction():
            store.append_audit("k", "a", {}, now_us=0)
            store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        group()
    assert store.audit_head() is None
    assert store.open_commands() == []


def test_a_part_that_fails_undoes_only_itself(store: Store) -> None:
    def part() -> None:
        with store.transaction():
            store.append_audit("lost", "a", {}, now_us=0)
            with store.transaction():
                store.append_audit("lost too", "a", {}, now_us=0)
            raise RuntimeError("no")

    with store.transaction():
        store.append_audit("first", "a", {}, now_us=0)
        with pytest.raises(RecordRefused):
            store.settle_command("none", "how", actor="ann", now_us=0)
        with pytest.raises(RuntimeError, match="no"):
            part()
        store.append_audit("second", "a", {}, now_us=0)
    assert [kind for kind, *_ in audited(store)] == ["first", "second"]
    assert store.verify_audit() == []


# --- commands


def test_a_command_is_open_until_its_outcome_is_known(store: Store) -> None:
    store.begin_command("c1", "grant", {"pulses": 5}, actor="ann", now_us=7)
    (opened,) = store.open_commands()
    assert (opened.id, opened.kind, opened.actor, opened.body) == ("c1", "grant", "ann", {"pulses": 5})
    assert (opened.begun, opened.begun_mono_us, opened.outcome) == (START, 7, None)
    store.end_command("c1", CommandOutcome.DONE, "permit 42", now_us=8)
    assert store.open_commands() == []
    assert (store.command("c1").outcome, store.command("c1").detail) == (CommandOutcome.DONE, "permit 42")
    assert audited(store) == [
        ("command.begin", "ann", {"id": "c1", "command": "grant", "body": {"pulses": 5}}),
        ("command.end", "ann", {"id": "c1", "command": "grant", "outcome": "done", "detail": "permit 42"}),
    ]


@pytest.mark.parametrize("outcome", [None, *CommandOutcome])
def test_only_what_is_in_doubt_stays_open_and_can_be_settled(
    store: Store, outcome: CommandOutcome | None
) -> None:
    store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
    if outcome is not None:
        store.end_command("c1", outcome, now_us=1)
    in_doubt = outcome in (None, CommandOutcome.UNCERTAIN)
    assert [command.id for command in store.open_commands()] == (["c1"] if in_doubt else [])
    assert store.command("c1").unresolved == in_doubt
    if not in_doubt:
        with pytest.raises(RecordRefused, match="not in doubt"):
            store.settle_command("c1", "counter says so", actor="ann", now_us=2)
        return
    store.settle_command("c1", "device counter unchanged", actor="ann", now_us=2)
    assert store.open_commands() == []
    settled = store.command("c1")
    assert (settled.settled_how, settled.settled_by, settled.settled) == (
        "device counter unchanged",
        "ann",
        START,
    )
    assert settled.outcome == outcome
    with pytest.raises(RecordRefused, match="not in doubt"):
        store.settle_command("c1", "again", actor="ann", now_us=3)


def test_an_outcome_is_not_rewritten(store: Store) -> None:
    store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
    store.end_command("c1", CommandOutcome.UNCERTAIN, now_us=1)
    with pytest.raises(RecordRefused, match="uncertain"):
        store.end_command("c1", CommandOutcome.DONE, now_us=2)
    store.begin_command("c2", "arm", {}, actor="ann", now_us=3)
    store.settle_command("c2", "by hand", actor="ann", now_us=4)
    with pytest.raises(RecordRefused, match="by hand"):
        store.end_command("c2", CommandOutcome.DONE, now_us=5)
    assert store.command("c1").outcome is CommandOutcome.UNCERTAIN
    assert len(audited(store)) == 4


def test_a_command_id_is_used_once_and_must_be_known(store: Store) -> None:
    store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
    with pytest.raises(RecordRefused):
        store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
    uses: list[Callable[[], None]] = [
        lambda: store.end_command("c9", CommandOutcome.DONE, now_us=0),
        lambda: store.settle_command("c9", "x", actor="ann", now_us=0),
    ]
    for use in uses:
        with pytest.raises(RecordRefused, match="c9"):
            use()


# --- events, calibrations, incidents


@pytest.mark.parametrize("kind", EventKind)
def test_an_event_is_kept_published_and_audited_where_required(store: Store, kind: EventKind) -> None:
    event_id = store.record_event(kind, Severity.ERROR, "door open", {"ilk_door": False}, actor="x", now_us=5)
    (event,) = store.events()
    assert (event.id, event.kind, event.text) == (event_id, kind, "door open")
    assert event.severity is Severity.ERROR
    assert (event.wall_time, event.mono_us, event.actor, event.body) == (START, 5, "x", {"ilk_door": False})
    (message,) = store.outbox_next(10)
    assert message.topic == "event"
    assert message.payload["text"] == "door open"
    assert message.payload["ilk_door"] is False
    assert bool(audited(store)) == (kind.value in ("state", "fault", "refusal", "set_point", "stop"))


def test_events_are_read_newest_first_page_by_page(store: Store) -> None:
    for number in range(5):
        store.record_event(EventKind.LINK, Severity.INFO, str(number), actor="x", now_us=number)
    first = store.events(limit=2)
    second = store.events(limit=2, before_id=first[-1].id)
    assert [event.text for event in first + second] == ["4", "3", "2", "1"]


def calibration(wavelength_nm: int = 755, days: int = 30) -> CalibrationRecord:
    points = (CalibrationPoint(750, 820.0, 101.0, 0.5), CalibrationPoint(650, 1120.0, 199.0, -0.5))
    return CalibrationRecord(SERIAL, wavelength_nm, "ann", points, START, START + timedelta(days=days), 3, 9)


def test_the_newest_calibration_of_each_wavelength_counts(store: Store) -> None:
    assert store.latest_calibration(SERIAL, 755) is None
    for record in (calibration(), calibration(532), calibration(755, 60)):
        store.save_calibration(record, now_us=0)
    assert store.latest_calibration(SERIAL, 755) == calibration(755, 60)
    assert store.latest_calibration(SERIAL, 532) == calibration(532)
    assert store.calibrations(SERIAL) == [calibration(755, 60), calibration(532), calibration()]
    assert [kind for kind, *_ in audited(store)] == ["calibration"] * 3


def test_a_calibration_without_a_meaning_is_refused() -> None:
    with pytest.raises(RecordRefused, match="expires"):
        calibration(days=0)
    with pytest.raises(RecordRefused, match="points"):
        CalibrationRecord(SERIAL, 755, "ann", (), START, START + timedelta(days=1), 3, 9)
    with pytest.raises(RecordRefused, match="residual_percent"):
        CalibrationPoint(750, 1.0, 1.0, math.nan)


def test_the_black_box_of_a_trip_comes_back_whole(store: Store) -> None:
    body = {"frames": ["00ff"] * 5000, "first_cause": "door"}
    store.save_incident("i1", "door", body, now_us=9)
    store.save_incident("i2", "foot", {}, now_us=10)
    assert [(i.id, i.first_cause, i.body) for i in store.incidents()] == [
        ("i2", "foot", None),
        ("i1", "door", None),
    ]
    incident = store.incident("i1")
    assert (incident.body, incident.wall_time, incident.mono_us) == (body, START, 9)
    with pytest.raises(RecordRefused, match="i3"):
        store.incident("i3")
    with pytest.raises(RecordRefused):
        store.save_incident("i1", "other", {}, now_us=11)


# --- outbox


def test_numbers_count_per_topic_and_go_on_after_deletion(store: Store) -> None:
    for topic in ("pulse", "event", "pulse"):
        store.outbox_put(topic, {"t": topic})
    messages = store.outbox_next(10)
    assert [(message.topic, message.seq) for message in messages] == [
        ("pulse", 1),
        ("event", 1),
        ("pulse", 2),
    ]
    store.outbox_done([message.id for message in messages])
    assert store.outbox_depth() == 0
    store.outbox_done([message.id for message in messages])
    store.outbox_put("pulse", {})
    assert [(message.topic, message.seq) for message in store.outbox_next(10)] == [("pulse", 3)]


def test_the_outbox_gives_the_oldest_first_beyond_what_is_in_flight(store: Store) -> None:
    for number in range(5):
        store.outbox_put("pulse", {"n": number})
    first = store.outbox_next(2)
    second = store.outbox_next(2, after_id=first[-1].id)
    assert [message.payload["n"] for message in first + second] == [0, 1, 2, 3]
    store.outbox_done([first[1].id])  # Acknowledged out of order.
    assert [message.payload["n"] for message in store.outbox_next(10)] == [0, 2, 3, 4]
    assert store.outbox_depth() == 4


def test_without_a_broker_nothing_is_kept_for_it(clock: Clock) -> None:
    with Store.in_memory(wall_clock=clock, outbox=False) as store:
        store.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
        store.record_pulses([pulse(1)])
        store.record_event(EventKind.FAULT, Severity.ERROR, "x", actor="x", now_us=0)
        assert store.outbox_depth() == 0
        assert store.count_pulses(SERIAL) == 1
