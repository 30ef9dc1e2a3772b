"""What is kept of people, for how long anything is kept, and in which time."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from controller.store import Pruned, RecordRefused, Role, Store, moment, rfc3339
from tests.controller.stored import SERIAL, START, Clock, audited, opened, pulse

# --- retention


def test_retention_removes_old_events_incidents_and_messages_and_nothing_else(
    store: Store, clock: Clock
) -> None:
    def fill(prefix: str) -> None:
        for number in range(1500):
            store._run(
                "INSERT INTO event (wall_time, mono_us, kind, severity, actor, text, body) "
                "VALUES (?, 0, 'link', 'info', 'x', ?, '{}')",
                (rfc3339(clock.now), f"{prefix}{number}"),
            )
        for number in range(30):
            store.save_incident(f"{prefix}{number}", "x", {}, now_us=0)
        store.outbox_put("event", {})

    with store.transaction():
        fill("old")
        opened(store, "s1")
        store.record_pulses([pulse(1, "s1")])
        store.begin_command("c1", "arm", {}, actor="ann", now_us=0)
        store.insert_operator("ann", Role.OPERATOR, "hash", actor="x", now_us=0)
    clock.now += timedelta(days=100)
    before = len(audited(store))
    assert store.prune(timedelta(days=101), now_us=1) == Pruned(0, 0, 0)
    assert len(audited(store)) == before
    # The newest stay whatever their age: a clock set far ahead must not empty the journal.
    assert store.prune(timedelta(days=99), now_us=1) == Pruned(events=500, incidents=10, outbox=2)
    with store.transaction():
        fill("new")
    assert store.prune(timedelta(days=99), now_us=1) == Pruned(events=1000, incidents=20, outbox=0)
    assert len(store.events(limit=10_000)) == 1500
    assert len(store.incidents(limit=10_000)) == 30
    assert store.outbox_depth() == 1
    assert audited(store)[-1][0] == "retention"
    assert store.count_pulses(SERIAL) == len(store.sessions()) == len(store.open_commands()) == 1
    assert store.operator("ann") is not None
    assert store.check() == []


# --- people


def test_people_are_kept_with_their_training_and_every_change_is_audited_without_the_hash(
    store: Store, clock: Clock
) -> None:
    later = START + timedelta(days=365)
    store.insert_operator("ann", Role.OPERATOR, "secret-1", actor="root", now_us=0)
    store.record_training("ann", 755, START, actor="root", now_us=1)
    store.record_training("ann", 755, later, actor="root", now_us=1)
    store.update_password("ann", "secret-2", actor="ann", now_us=2)
    store.note_login("ann", accepted=False, failed_logins=3, now_us=3)
    ann = store.operator("ann")
    assert ann is not None
    assert (ann.role, ann.password_hash, ann.active, ann.failed_logins) == (
        Role.OPERATOR,
        "secret-2",
        True,
        3,
    )
    assert ann.training == {755: later}
    assert [ann.trained(755, at) for at in (START, later - timedelta(microseconds=1), later)] == [
        True,
        True,
        False,
    ]
    assert not ann.trained(532, START)
    store.deactivate_operator("ann", actor="root", now_us=4)
    assert [(person.name, person.active) for person in store.operators()] == [("ann", False)]
    assert [kind for kind, *_ in audited(store)] == [
        "operator.add",
        "operator.training",
        "operator.training",
        "operator.password",
        "login.failed",
        "operator.deactivate",
    ]
    assert "secret" not in json.dumps(audited(store))
    assert "secret" not in repr(ann)


def test_a_name_is_given_once_and_must_be_known(store: Store) -> None:
    store.insert_operator("ann", Role.OPERATOR, "h", actor="root", now_us=0)
    store.deactivate_operator("ann", actor="root", now_us=0)
    with pytest.raises(RecordRefused, match="already"):
        store.insert_operator("ann", Role.VIEWER, "h", actor="root", now_us=0)
    uses: list[Callable[[], None]] = [
        lambda: store.update_password("bob", "h", actor="x", now_us=0),
        lambda: store.deactivate_operator("bob", actor="x", now_us=0),
        lambda: store.record_training("bob", 755, START, actor="x", now_us=0),
    ]
    for use in uses:
        with pytest.raises(RecordRefused, match="bob"):
            use()


def test_each_role_covers_itself_and_those_below() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.SERVICE, Role.ADMINISTRATOR]
    for high, role in enumerate(order):
        for low, other in enumerate(order):
            assert role.covers(other) == (high >= low)


# --- times


def test_times_are_stored_in_utc_and_need_a_zone() -> None:
    east = datetime.fromisoformat("2026-01-01T01:30:00.000001+02:00")
    assert rfc3339(east) == "2025-12-31T23:30:00.000001Z"
    assert moment(rfc3339(east)) == east
    with pytest.raises(RecordRefused, match="time zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001  # the point of the test
