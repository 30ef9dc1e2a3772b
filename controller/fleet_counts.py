"""The counts of a fleet: how many lasers there are, how they are, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from controller.fleet import Fleet, Row


def counts(fleet: Fleet, rows: Sequence[Row]) -> dict[str, Any]:
    """Of the lasers in `rows`, and of the messages that told of them, as JSON knows them."""
    return {
        "lasers": len(rows),
        "live": sum(row.live for row in rows),
        "with_alarms": sum(bool(row.alarms or row.faults) for row in rows),
        "states": dict(sorted(Counter(row.state for row in rows if row.live).items())),
        "messages": fleet.taken,
        "unreadable": fleet.unreadable,
        "repeated": fleet.repeated,
        "crowded_out": fleet.crowded_out,
    }
