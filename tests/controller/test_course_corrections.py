"""Corrections of adverse effects on record: only ever added, whole or not at all, proved by the audit."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.store import DeviceRecord, RecordRefused, SessionState, Store, schema
from controller.store.courses import Finding
from safety.courses import Correction, Effect, EffectKind, Mistake
from tests.controller.stored import SERIAL, START, Clock, audited, now, pulse

BEGAN = START.date()
DAY = timedelta(days=1)
MILD = Finding(EffectKind.CRUSTING, 1)


def session(store: Store, session_id: str, subject: str, clock: Clock | None = None) -> None:
    """A session that gave one pulse."""
    store.open_session(
        session_id,
        device_serial=SERIAL,
        operator="ann",
        plan={"subject": subject, "indication": "tattoo"},
        plan_sha256="0" * 64,
        planned_pulses=1,
        now_us=0,
    )
    number = (store.highest_pulse(SERIAL) or 0) + 1
    store.record_pulse(replace(pulse(number, session_id), wall_time=clock() if clock else START))
    store.move_session(session_id, SessionState.DONE, actor="daemon", now_us=0)


def scar(store: Store, session_id: str = "s-1", **days: object) -> Effect:
    return store.record_effect(session_id, EffectKind.SCARRING, 3, actor="anna", now_us=1, **days)  # type: ignore[arg-type]  # days


def correct(store: Store, number: int, mistake: Mistake, instead: Finding | None = None) -> Effect:
    return store.correct_effect(number, mistake, instead=instead, actor="bert", now_us=2)


@pytest.fixture
def two(store: Store, clock: Clock) -> Store:
    """Two subjects with a session each, the second a week later; ten days after the first."""
    session(store, "s-1", "P-7", clock)
    clock.now += 7 * DAY
    session(store, "s-2", "P-8", clock)
    clock.now += 3 * DAY
    return store


def test_an_effect_that_was_not_there_is_taken_back_and_stays_on_record(two: Store, clock: Clock) -> None:
    made = scar(two)
    clock.now += DAY
    back = correct(two, made.id, Mistake.NOT_THERE)
    assert back == replace(made, correction=Correction(Mistake.NOT_THERE, "bert", clock.now))
    assert two.effects("p-7") == two.session_effects("s-1") == [back]
    told = {"effect": made.id, "id": "s-1", "instead": None, "reason": "not_there"}
    assert audited(two)[-1] == ("effect.correct", "bert", told)
    assert [kind for kind, _, _ in audited(two)].count("effect.record") == 1
    assert two.check() == []


def test_what_was_recorded_wrongly_is_replaced_by_what_it_was_in_one_step(two: Store, clock: Clock) -> None:
    made = scar(two, onset=BEGAN + DAY)
    clock.now += DAY
    old = correct(two, made.id, Mistake.RECORDED_WRONGLY, MILD)
    before, new = two.effects("P-7")
    assert before == old == replace(
        made, correction=Correction(Mistake.RECORDED_WRONGLY, "bert", clock.now, new.id)
    )  # fmt: skip
    assert new == Effect(
        made.id + 1, "s-1", EffectKind.CRUSTING, 1, BEGAN + DAY, clock.now, "bert", corrects=made.id
    )
    assert [(kind, body) for kind, _, body in audited(two)[-2:]] == [
        (
            "effect.record",
            {"effect": 2, "id": "s-1", "kind": "crusting", "severity": 1, "onset": str(BEGAN + DAY)},
        ),
        ("effect.correct", {"effect": 1, "id": "s-1", "instead": 2, "reason": "recorded_wrongly"}),
    ]
    assert two.check() == []


def test_an_effect_of_the_wrong_subject_goes_to_the_right_one(two: Store) -> None:
    made = scar(two, "s-2")
    correct(two, made.id, Mistake.RECORDED_WRONGLY, Finding(EffectKind.SCARRING, 3, session_id="s-1"))
    (wrong,), (right,) = two.effects("P-8"), two.effects("P-7")
    assert (wrong.stands, right.stands, right.corrects) == (False, True, wrong.id)


def test_an_effect_does_not_go_to_a_session_after_it_was_seen_unless_told_when(two: Store) -> None:
    made = scar(two, onset=BEGAN + DAY)
    with pytest.raises(RecordRefused, match=f"onset is {BEGAN + DAY}; allowed: {BEGAN + 7 * DAY}"):
        correct(two, made.id, Mistake.RECORDED_WRONGLY, replace(MILD, session_id="s-2"))
    assert two.effects("P-8") == []
    assert two.effects("P-7") == [made]
    told = replace(MILD, session_id="s-2", onset=BEGAN + 8 * DAY)
    correct(two, made.id, Mistake.RECORDED_WRONGLY, told)
    assert [one.onset for one in two.effects("P-8")] == [BEGAN + 8 * DAY]


def test_a_mistaken_resolution_is_corrected_by_telling_the_effect_anew(two: Store) -> None:
    made = scar(two, onset=BEGAN, resolved=BEGAN + DAY)
    same = Finding(EffectKind.SCARRING, 3)
    correct(two, made.id, Mistake.RECORDED_WRONGLY, same)
    assert [(one.stands, one.resolved) for one in two.effects("P-7")] == [
        (False, BEGAN + DAY),
        (True, None),
    ]
    later = replace(same, resolved=BEGAN + 2 * DAY)
    correct(two, 2, Mistake.RECORDED_WRONGLY, later)
    assert two.effect(3).resolved == BEGAN + 2 * DAY
    assert two.effect(3).resolved_by == "bert"
    assert two.check() == []


def test_of_two_that_are_one_only_one_can_be_taken_back(two: Store) -> None:
    first, second = scar(two), scar(two, resolved=BEGAN + 10 * DAY)
    scar(two, "s-2")
    two.record_effect("s-1", EffectKind.PAIN, 3, actor="anna", now_us=1)
    assert not correct(two, second.id, Mistake.RECORDED_TWICE).stands
    with pytest.raises(RecordRefused, match="no other scarring of session 's-1' stands"):
        correct(two, first.id, Mistake.RECORDED_TWICE)
    assert two.effect(first.id).stands


REFUSED: dict[str, tuple[Mistake, Finding | None, str]] = {
    "nothing told anew": (Mistake.RECORDED_WRONGLY, None, "does not fit"),
    "told anew for nothing": (Mistake.NOT_THERE, MILD, "does not fit"),
    "told anew though it was twice": (Mistake.RECORDED_TWICE, MILD, "does not fit"),
    "no other": (Mistake.RECORDED_TWICE, None, "no other scarring"),
    "the same again": (
        Mistake.RECORDED_WRONGLY,
        Finding(EffectKind.SCARRING, 3, "s-1", BEGAN, BEGAN + DAY),
        "just like that",
    ),
    "the same, left out": (
        Mistake.RECORDED_WRONGLY,
        Finding(EffectKind.SCARRING, 3, resolved=BEGAN + DAY),
        "just like that",
    ),
    "no such grade": (Mistake.RECORDED_WRONGLY, Finding(EffectKind.SCARRING, 4), "allowed: 1 to 3"),
    "before its session": (Mistake.RECORDED_WRONGLY, replace(MILD, onset=BEGAN - DAY), "onset"),
    "gone before it came": (Mistake.RECORDED_WRONGLY, replace(MILD, resolved=BEGAN - DAY), "resolution"),
    "no such session": (Mistake.RECORDED_WRONGLY, replace(MILD, session_id="none"), "no session 'none'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_correction_that_does_not_fit_changes_nothing(two: Store, case: str) -> None:
    mistake, instead, words = REFUSED[case]
    made = scar(two, onset=BEGAN, resolved=BEGAN + DAY)
    entries = audited(two)
    with pytest.raises(RecordRefused, match=words):
        correct(two, made.id, mistake, instead)
    assert two.effects("P-7") == [made]
    assert audited(two) == entries


def test_each_single_thing_that_differs_is_a_reason_to_tell_it_anew(two: Store) -> None:
    made = scar(two, onset=BEGAN + 8 * DAY, resolved=BEGAN + 9 * DAY)
    same = Finding(EffectKind.SCARRING, 3, "s-1", BEGAN + 8 * DAY, BEGAN + 9 * DAY)
    assert same.says_as(made)
    for other in (
        replace(same, kind=EffectKind.OEDEMA),
        replace(same, severity=2),
        replace(same, session_id="s-2"),
        replace(same, onset=BEGAN + 7 * DAY),
        replace(same, resolved=BEGAN + 10 * DAY),
        replace(same, resolved=None),
    ):
        assert not other.says_as(made)
        old = correct(two, made.id, Mistake.RECORDED_WRONGLY, other)
        assert old.correction is not None
        assert old.correction.instead is not None
        back = correct(two, old.correction.instead, Mistake.RECORDED_WRONGLY, same)
        assert back.correction is not None
        assert back.correction.instead is not None
        made = two.effect(back.correction.instead)
    assert two.check() == []


def test_what_was_taken_back_is_neither_resolved_nor_taken_back_again(two: Store) -> None:
    made = scar(two)
    back = correct(two, made.id, Mistake.NOT_THERE)
    entries = audited(two)
    for mistake, instead in ((Mistake.NOT_THERE, None), (Mistake.RECORDED_WRONGLY, MILD)):
        with pytest.raises(RecordRefused, match="was taken back by bert"):
            correct(two, made.id, mistake, instead)
    with pytest.raises(RecordRefused, match="was taken back by bert"):
        two.resolve_effect(made.id, actor="x", now_us=1)
    with pytest.raises(RecordRefused, match="no adverse effect number 99"):
        correct(two, 99, Mistake.NOT_THERE)
    assert two.effects("P-7") == [back]
    assert audited(two) == entries


def damaged(kept: Store) -> None:
    """Two effects, the first of which stands corrected by the second."""
    kept.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
    session(kept, "s-1", "P-7")
    made = scar(kept)
    correct(kept, made.id, Mistake.RECORDED_WRONGLY, MILD)


def test_sqlite_itself_refuses_to_change_or_remove_a_correction(kept: Store, path: Path) -> None:
    damaged(kept)
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("PRAGMA foreign_keys = ON")
        for sql, words in {
            "DELETE FROM effect_correction": "is never removed",
            "UPDATE effect_correction SET actor = 'nobody'": "is never changed",
            "INSERT INTO effect_correction VALUES (2, 'not_there', 1, 'x', 'x')": "CHECK",
            "INSERT INTO effect_correction VALUES (2, 'not_there', 9, 'x', 'x')": "FOREIGN KEY",
            "INSERT INTO effect_correction VALUES (1, 'not_there', NULL, 'x', 'x')": "UNIQUE",
        }.items():
            with pytest.raises(sqlite3.IntegrityError, match=words):
                shell.execute(sql)


@pytest.mark.parametrize(
    ("trigger", "sql"),
    [
        ("effect_correction_is_never_removed", "DELETE FROM effect_correction"),
        ("effect_correction_is_never_changed", "UPDATE effect_correction SET actor = 'anna'"),
        ("effect_correction_is_never_changed", "UPDATE effect_correction SET reason = 'not_there'"),
        ("effect_correction_is_never_changed", "UPDATE effect_correction SET replaced_by = NULL"),
        ("audit_is_never_changed", "UPDATE audit SET body = 'x' WHERE kind = 'effect.correct'"),
    ],
)
def test_a_correction_that_was_made_or_changed_behind_our_back_is_told(
    kept: Store, path: Path, trigger: str, sql: str
) -> None:
    damaged(kept)
    assert kept.check() == []
    with closing(sqlite3.connect(path)) as shell:
        shell.execute(f"DROP TRIGGER {trigger}")
        assert shell.execute(sql).rowcount == 1
        shell.commit()
    assert any(fault.startswith("courses: effect.correct of number 1") for fault in kept.check())


def test_a_correction_that_nobody_made_is_told(kept: Store, path: Path) -> None:
    damaged(kept)
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("INSERT INTO effect_correction VALUES (2, 'not_there', NULL, 'bert', '2026')")
        shell.commit()
    assert "courses: effect.correct of number 2: the record and the audit differ" in kept.check()


def test_effects_of_an_older_database_stand_and_can_be_corrected(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("controller.store.database.MIGRATIONS", schema.MIGRATIONS[:4])
        with Store.open(path, wall_clock=now) as old:
            old.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
            session(old, "s-1", "P-7")
    with closing(sqlite3.connect(path)) as shell:  # what the version before did
        shell.execute(
            "INSERT INTO adverse_effect (session_id, kind, severity, onset, actor, recorded) "
            "VALUES ('s-1', 'scarring', 2, '2026-03-04', 'cli:root', '2026-03-04T00:00:00.000000Z')"
        )
        shell.commit()
    with Store.open(path, wall_clock=now) as store:
        (effect,) = store.effects("P-7")
        assert (effect.stands, effect.recorded_by, effect.corrects) == (True, "cli:root", None)
        correct(store, effect.id, Mistake.RECORDED_WRONGLY, MILD)
        assert [one.stands for one in store.effects("P-7")] == [False, True]
