"""Sessions in the store: their steps, their plan, what can be resumed."""

from datetime import timedelta

import pytest

from controller.store import RecordRefused, SessionState, Store
from tests.controller.stored import SERIAL, START, Clock, audited, opened, pulse

ALLOWED_STEPS = {
    ("open", "interrupted"),
    ("open", "done"),
    ("open", "abandoned"),
    ("interrupted", "open"),
    ("interrupted", "done"),
    ("interrupted", "abandoned"),
}


@pytest.mark.parametrize("before", SessionState)
@pytest.mark.parametrize("after", SessionState)
def test_a_session_moves_only_along_its_steps(
    store: Store, before: SessionState, after: SessionState
) -> None:
    opened(store, "s1")
    if before is not SessionState.OPEN:
        store.move_session("s1", before, actor="ann", now_us=1)
    if (before.value, after.value) in ALLOWED_STEPS:
        session = store.move_session("s1", after, actor="ann", now_us=2)
        assert session == store.session("s1")
        assert session.state is after
        assert (session.ended is not None) == (after.value in ("done", "abandoned"))
        assert audited(store)[-1][0] == f"session.{after.value}"
    else:
        with pytest.raises(RecordRefused, match="cannot become"):
            store.move_session("s1", after, actor="ann", now_us=2)
        assert store.session("s1").state is before


def test_a_session_keeps_its_plan(store: Store) -> None:
    opened(store, "s1")
    session = store.session("s1")
    assert (session.plan, session.plan_sha256) == ({"preset": "T001"}, "0" * 64)
    assert (session.operator, session.device_serial, session.planned_pulses) == ("ann", SERIAL, 10)
    assert (session.started, session.ended) == (START, None)
    assert store.sessions() == [session]


def test_a_device_has_one_open_session_at_most(store: Store) -> None:
    opened(store, "s1")
    with pytest.raises(RecordRefused, match="'s1' of device PL-0001 is still open"):
        opened(store, "s2")
    store.move_session("s1", SessionState.INTERRUPTED, actor="ann", now_us=1)
    opened(store, "s2")
    with pytest.raises(RecordRefused):
        store.move_session("s1", SessionState.OPEN, actor="ann", now_us=2)
    assert store.session("s1").state is SessionState.INTERRUPTED


@pytest.mark.parametrize(("planned", "sha"), [(0, "0" * 64), (-1, "0" * 64), (10, "short")])
def test_a_session_without_a_meaning_is_refused(store: Store, planned: int, sha: str) -> None:
    with pytest.raises(RecordRefused):
        store.open_session(
            "s1",
            device_serial=SERIAL,
            operator="a",
            plan={},
            plan_sha256=sha,
            planned_pulses=planned,
            now_us=0,
        )
    assert store.sessions() == []
    assert store.audit_head() is None


def test_what_can_be_resumed_is_the_newest_unfinished_session(store: Store, clock: Clock) -> None:
    def resumable() -> str | None:
        session = store.resumable_session(SERIAL)
        return None if session is None else session.id

    assert resumable() is None
    opened(store, "s1")
    assert resumable() == "s1"  # Found open after a crash.
    store.move_session("s1", SessionState.INTERRUPTED, actor="ann", now_us=1)
    clock.now -= timedelta(days=1)  # "Newest" means recorded last, whatever the wall clock says.
    opened(store, "s2", planned=1)
    store.move_session("s2", SessionState.INTERRUPTED, actor="ann", now_us=1)
    assert resumable() == "s2"
    store.record_pulses([pulse(1, session_id="s2")])
    assert resumable() == "s1"  # Nothing is left of s2.
    store.move_session("s1", SessionState.ABANDONED, actor="ann", now_us=1)
    assert resumable() is None
    with pytest.raises(RecordRefused, match="s9"):
        store.session("s9")


def test_an_interrupted_session_is_done_once_its_last_pulse_is_on_record(store: Store) -> None:
    """The trip may be recorded before the report of the last pulse, which was on its way."""
    opened(store, "s1", planned=2)
    store.record_pulses([pulse(1, "s1")])
    store.move_session("s1", SessionState.INTERRUPTED, actor="daemon", now_us=1)
    store.record_pulses([pulse(2, "s1")])
    session = store.session("s1")
    assert (session.state, session.delivered_pulses) == (SessionState.DONE, 2)
    assert session.ended is not None
    assert [kind for kind, _, _ in audited(store)][-2:] == ["pulse", "session.done"]
    assert audited(store)[-1][1:] == (
        "daemon",
        {"id": "s1", "from": "interrupted", "delivered_pulses": 2, "unknown_pulses": 0},
    )
    assert store.check() == []


@pytest.mark.parametrize("state", [SessionState.OPEN, SessionState.ABANDONED])
def test_the_last_pulse_moves_no_other_session(store: Store, state: SessionState) -> None:
    opened(store, "s1", planned=1)
    if state is not SessionState.OPEN:
        store.move_session("s1", state, actor="ann", now_us=1)
    store.record_pulses([pulse(1, "s1")])
    assert store.session("s1").state is state


def test_an_interrupted_session_with_pulses_left_stays_to_be_resumed(store: Store) -> None:
    opened(store, "s1", planned=3)
    store.move_session("s1", SessionState.INTERRUPTED, actor="daemon", now_us=1)
    store.record_pulses([pulse(1, "s1"), pulse(2, "s1")])
    assert store.session("s1").state is SessionState.INTERRUPTED
    resumable = store.resumable_session(SERIAL)
    assert resumable is not None
    assert resumable.id == "s1"
