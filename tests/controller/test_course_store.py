"""Courses on record: which days count, effects that only grow in number, and databases from before."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from controller.store import DeviceRecord, RecordRefused, SessionState, Store, schema
from safety.courses import EffectKind, Sitting, severities
from tests.controller.stored import SERIAL, START, Clock, audited, now, opened, pulse

BEGAN = START.date()
DAY = timedelta(days=1)


def session(
    store: Store, session_id: str, subject: str | None = "P-7", indication: str = "tattoo", planned: int = 1
) -> None:
    store.open_session(
        session_id,
        device_serial=SERIAL,
        operator="ann",
        plan={"subject": subject, "indication": indication},
        plan_sha256="0" * 64,
        planned_pulses=planned,
        now_us=0,
    )


def light(store: Store, clock: Clock, session_id: str) -> None:
    """One pulse of the session, now."""
    number = (store.highest_pulse(SERIAL) or 0) + 1
    store.record_pulse(replace(pulse(number, session_id), wall_time=clock()))


def move(store: Store, session_id: str, state: SessionState) -> None:
    store.move_session(session_id, state, actor="daemon", now_us=0)


def treated(store: Store, clock: Clock, session_id: str = "s-1", subject: str | None = "P-7") -> None:
    session(store, session_id, subject)
    light(store, clock, session_id)
    move(store, session_id, SessionState.DONE)


def test_sessions_that_gave_light_are_sittings_in_their_order_and_no_others(
    store: Store, clock: Clock
) -> None:
    treated(store, clock, "s-1")
    session(store, "dark")  # opened, and never fired
    move(store, "dark", SessionState.ABANDONED)
    treated(store, clock, "other", "P-8")
    treated(store, clock, "nobody", None)
    clock.now += 42 * DAY
    session(store, "s-2", "p-7")  # in other letters, the same subject
    light(store, clock, "s-2")
    assert store.subjects() == ["P-7", "P-8"]
    assert store.sittings("P-7") == store.sittings("p-7") == [
        Sitting("s-1", "tattoo", BEGAN, 1, "ann"),
        Sitting("s-2", "tattoo", BEGAN + 42 * DAY, 1, "ann"),
    ]  # fmt: skip
    assert store.sittings("P-9") == []


@pytest.mark.parametrize("steps_h", [(0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1), (-1, 2, -1), (2, -1, -1)])
def test_of_the_times_of_a_session_the_latest_counts_whichever_way_the_clock_goes(
    store: Store, clock: Clock, steps_h: tuple[int, int, int]
) -> None:
    """It begins at 23:30; the clock is set between beginning, pulse and end."""
    clock.now = START.replace(hour=23, minute=30)
    seen = []
    acts: tuple[Callable[[], None], ...] = (
        lambda: session(store, "s-1"),
        lambda: light(store, clock, "s-1"),
        lambda: move(store, "s-1", SessionState.DONE),
    )
    for step_h, do in zip(steps_h, acts, strict=True):
        clock.now += timedelta(hours=step_h)
        seen.append(clock.now)
        do()
    (sitting,) = store.sittings("P-7")
    assert sitting.day == max(seen).date()
    assert store.newest_session_at_work() == max(seen)


def test_a_session_given_up_weeks_after_its_light_counts_from_its_light(store: Store, clock: Clock) -> None:
    session(store, "s-1", planned=2)
    light(store, clock, "s-1")
    move(store, "s-1", SessionState.INTERRUPTED)
    clock.now += 30 * DAY
    move(store, "s-1", SessionState.ABANDONED)
    (sitting,) = store.sittings("P-7")
    assert sitting.day == BEGAN


def test_the_newest_session_is_the_last_on_record_of_whichever_subject(store: Store, clock: Clock) -> None:
    assert store.newest_session_at_work() is None
    treated(store, clock, "s-1")
    clock.now -= DAY  # the clock was wrong, and was put right
    treated(store, clock, "s-2", "P-8")
    assert store.newest_session_at_work() == START - DAY


# -- adverse effects


@pytest.mark.parametrize("kind", EffectKind)
def test_an_effect_is_recorded_with_who_and_when_and_audited(
    store: Store, clock: Clock, kind: EffectKind
) -> None:
    treated(store, clock)
    clock.now += 3 * DAY
    for severity in severities(kind):
        made = store.record_effect("s-1", kind, severity, onset=BEGAN + DAY, actor="cli:ann", now_us=5)
        assert (made.kind, made.severity, made.onset) == (kind, severity, BEGAN + DAY)
        assert (made.recorded, made.recorded_by, made.resolved) == (clock.now, "cli:ann", None)
        told = {"effect": made.id, "id": "s-1", "kind": kind.value, "severity": severity}
        assert audited(store)[-1] == ("effect.record", "cli:ann", told | {"onset": str(BEGAN + DAY)})
    count = len(severities(kind))
    assert [one.id for one in store.effects("p-7")] == list(range(1, count + 1))
    assert store.session_effects("s-1") == store.effects("P-7")
    for severity in (min(severities(kind)) - 1, max(severities(kind)) + 1):
        with pytest.raises(RecordRefused, match=r"allowed: \d+ to \d+"):
            store.record_effect("s-1", kind, severity, actor="x", now_us=5)
    assert len(store.effects("P-7")) == count
    assert store.check() == []


def test_an_effect_is_resolved_once_and_the_record_of_it_stays(store: Store, clock: Clock) -> None:
    treated(store, clock)
    made = store.record_effect("s-1", EffectKind.ERYTHEMA, 1, actor="ann", now_us=0)
    assert made.onset == BEGAN, "today, when no day is told"
    clock.now += 2 * DAY
    gone = store.resolve_effect(made.id, actor="bert", now_us=1)
    assert (gone.resolved, gone.resolved_by) == (BEGAN + 2 * DAY, "bert")
    assert (gone.onset, gone.recorded_by) == (made.onset, "ann")
    told = {"effect": made.id, "id": "s-1", "resolved": str(BEGAN + 2 * DAY)}
    assert audited(store)[-1] == ("effect.resolve", "bert", told)
    with pytest.raises(RecordRefused, match=f"resolved on {BEGAN + 2 * DAY}"):
        store.resolve_effect(made.id, actor="bert", now_us=1)
    with pytest.raises(RecordRefused, match="no adverse effect number 99"):
        store.resolve_effect(99, actor="bert", now_us=1)
    assert store.effects("P-7") == [gone]


@pytest.mark.parametrize(("after", "allowed"), [(-1, False), (0, True), (5, True), (6, False)])
def test_an_effect_is_seen_between_its_session_and_today(
    store: Store, clock: Clock, after: int, allowed: bool
) -> None:
    treated(store, clock)
    clock.now += 5 * DAY
    day = BEGAN + after * DAY
    if allowed:
        assert store.record_effect("s-1", EffectKind.PAIN, 3, onset=day, actor="x", now_us=0).onset == day
        return
    entries = len(audited(store))
    with pytest.raises(RecordRefused, match=f"allowed: {BEGAN} to {BEGAN + 5 * DAY}"):
        store.record_effect("s-1", EffectKind.PAIN, 3, onset=day, actor="x", now_us=0)
    made = store.record_effect("s-1", EffectKind.PAIN, 3, onset=BEGAN, actor="x", now_us=0)
    with pytest.raises(RecordRefused, match=f"allowed: {BEGAN} to {BEGAN + 5 * DAY}"):
        store.resolve_effect(made.id, on=day, actor="x", now_us=0)
    assert store.effects("P-7") == [made]
    assert len(audited(store)) == entries + 1


def test_a_clock_behind_the_session_itself_takes_the_day_of_the_session(store: Store, clock: Clock) -> None:
    treated(store, clock)
    clock.now -= 10 * DAY
    assert store.record_effect("s-1", EffectKind.PAIN, 3, actor="x", now_us=0).onset == BEGAN


def test_only_a_session_that_gave_light_to_a_person_has_adverse_effects(store: Store, clock: Clock) -> None:
    session(store, "dark")
    move(store, "dark", SessionState.ABANDONED)
    session(store, "service", None, "service")
    light(store, clock, "service")
    for session_id in ("dark", "service"):
        with pytest.raises(RecordRefused, match="no light to a person"):
            store.record_effect(session_id, EffectKind.PAIN, 3, actor="x", now_us=0)
    with pytest.raises(RecordRefused, match="no session 'none'"):
        store.record_effect("none", EffectKind.PAIN, 3, actor="x", now_us=0)


def test_sqlite_itself_refuses_to_change_or_remove_an_effect_or_its_end(kept: Store, path: Path) -> None:
    kept.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
    session(kept, "s-1")
    kept.record_pulse(pulse(1, "s-1"))
    made = kept.record_effect("s-1", EffectKind.SCARRING, 2, actor="x", now_us=0)
    kept.resolve_effect(made.id, actor="x", now_us=0)
    with closing(sqlite3.connect(path)) as shell:
        for sql in (
            "DELETE FROM adverse_effect",
            "UPDATE adverse_effect SET actor = 'nobody'",
            "DELETE FROM effect_resolution",
            "UPDATE effect_resolution SET actor = 'nobody'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="is never"):
                shell.execute(sql)


@pytest.mark.parametrize(
    ("trigger", "sql", "what"),
    [
        ("audit_is_never_changed", "UPDATE audit SET body = 'x' WHERE kind = 'effect.record'", "number ?"),
        ("audit_is_never_changed", "UPDATE audit SET body = '7' WHERE kind = 'effect.resolve'", "number ?"),
        (
            "adverse_effect_is_never_changed",
            "UPDATE adverse_effect SET severity = 1",
            "effect.record of number 1",
        ),
        (
            "adverse_effect_is_never_changed",
            "UPDATE adverse_effect SET session_id = 's-2'",
            "effect.record of number 1",
        ),
        (
            "effect_resolution_is_never_removed",
            "DELETE FROM effect_resolution",
            "effect.resolve of number 1",
        ),
        (
            "effect_resolution_is_never_changed",
            "UPDATE effect_resolution SET resolved = '2030-01-01'",
            "effect.resolve of number 1",
        ),
    ],
)
def test_an_effect_that_was_changed_behind_our_back_is_told(
    kept: Store, path: Path, trigger: str, sql: str, what: str
) -> None:
    kept.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
    for number, session_id in enumerate(("s-1", "s-2"), 1):
        session(kept, session_id)
        kept.record_pulse(pulse(number, session_id))
        move(kept, session_id, SessionState.DONE)
    made = kept.record_effect("s-1", EffectKind.SCARRING, 2, actor="x", now_us=0)
    kept.resolve_effect(made.id, actor="x", now_us=0)
    assert kept.check() == []
    with closing(sqlite3.connect(path)) as shell:
        shell.execute(f"DROP TRIGGER {trigger}")
        assert shell.execute(sql).rowcount == 1
        shell.commit()
    faults = kept.check()
    assert faults
    assert all(fault.startswith(("courses: ", "audit: ")) for fault in faults)
    assert any(what in fault for fault in faults)


def test_what_was_confirmed_is_recorded_with_the_opening_or_not_at_all(store: Store) -> None:
    opened(store, "s-1")
    assert [kind for kind, _, _ in audited(store)] == ["session.open"]
    move(store, "s-1", SessionState.DONE)
    confirmed = {"eyewear_nm": 755, "items": {"room": "door closed"}, "course": {}}
    store.open_session(
        "s-2",
        device_serial=SERIAL,
        operator="bert",
        plan={},
        plan_sha256="0" * 64,
        planned_pulses=1,
        confirmed=confirmed,
        now_us=3,
    )
    assert audited(store)[-1] == ("session.confirmed", "bert", {"id": "s-2"} | confirmed)
    entries = audited(store)
    with pytest.raises(RecordRefused, match="still open"):
        store.open_session(
            "s-3",
            device_serial=SERIAL,
            operator="bert",
            plan={},
            plan_sha256="0" * 64,
            planned_pulses=1,
            confirmed=confirmed,
            now_us=3,
        )
    assert audited(store) == entries


# -- a database from before there were courses


def test_sessions_of_an_older_database_get_their_subject_and_indication(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = {
        "named": '{"indication":"tattoo","subject":"p-7"}',
        "unnamed": '{"indication":"melasma","subject":null}',
        "older": '{"preset":"T001"}',
        "odd": '{"indication":7,"subject":{"a":1}}',
    }
    with monkeypatch.context() as before:
        before.setattr("controller.store.database.MIGRATIONS", schema.MIGRATIONS[:3])
        Store.open(path, wall_clock=now).close()
    with closing(sqlite3.connect(path)) as shell:
        shell.execute(
            "INSERT INTO device (serial, model, firmware, simulated, identity, baseline_pulse, first_seen, "
            "last_seen) VALUES (?, 'm', 'f', 1, '{}', 0, 'x', 'x')",
            (SERIAL,),
        )
        shell.executemany(
            "INSERT INTO treatment_session (id, device_serial, operator, plan, plan_sha256, state, "
            "planned_pulses, delivered_pulses, started) "
            "VALUES (?, ?, 'ann', ?, ?, 'done', 9, 9, '2026-03-04T05:06:07.000000Z')",
            [(name, SERIAL, text, "0" * 64) for name, text in plans.items()],
        )
        shell.commit()
    with Store.open(path, wall_clock=now) as store:
        assert [one.session_id for one in store.sittings("P-7")] == ["named"]
        assert store.sittings("P-7")[0].day == date(2026, 3, 4)
        assert {one.id for one in store.sessions()} == set(plans)
        assert dict(store.session("named").plan) == {"indication": "tattoo", "subject": "p-7"}
