"""What tests put on record, and the clocks that date it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from controller.store import EventKind, PulseRecord, Severity, Store

ROOT = Path(__file__).parents[2]
SERIAL = "PL-0001"
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def now() -> datetime:
    """A clock that stands."""
    return datetime(2026, 3, 4, tzinfo=UTC)


def fill(store: Store, count: int = 3) -> None:
    for number in range(count):
        store.record_event(EventKind.STATE, Severity.INFO, "x" * 500, {"n": number}, actor="x", now_us=number)


@dataclass
class Clock:
    """A clock that a test moves."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now


def audited(store: Store) -> list[tuple[str, str, dict[str, object]]]:
    return [(entry.kind, entry.actor, json.loads(entry.body)) for entry in store.audit_entries()]


def opened(store: Store, session_id: str, planned: int = 10) -> None:
    store.open_session(
        session_id,
        device_serial=SERIAL,
        operator="ann",
        plan={"preset": "T001"},
        plan_sha256="0" * 64,
        planned_pulses=planned,
        now_us=0,
    )


def pulse(number: int, session_id: str | None = None) -> PulseRecord:
    return PulseRecord(
        SERIAL, number, 1, 1, 1, 0, 200.0, 200.0, 200.0, 750.0, 755, 750, 6.0, "zoom", frozenset(),
        True, False, 0.7, session_id, START, 0,
    )  # fmt: skip
