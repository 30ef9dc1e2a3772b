"""People for tests that need no database."""

from collections.abc import Mapping
from datetime import UTC, datetime

from controller.store import OperatorRecord, Role


def person(
    name: str,
    role: Role = Role.OPERATOR,
    *,
    active: bool = True,
    training: Mapping[int, datetime] | None = None,
) -> OperatorRecord:
    """An operator as the store would tell of them."""
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return OperatorRecord(name, role, "hash", active, 0, created, training or {})
