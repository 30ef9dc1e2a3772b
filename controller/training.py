"""Training: until when it holds, by a time of day that no step of the clock turns back, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from controller.store import OperatorRecord, Role

NOTICE: Final = timedelta(days=30)
"""[C] A month to find a date for the next training; the time is the project's own, no standard names one."""

NO_ADMINISTRATOR: Final = (
    "there is no administrator: `picolase user add NAME --role administrator` on this machine makes one"
)
NOBODY: Final = "there is nobody who could arm: `picolase user add NAME` on this machine makes an operator"


class Today:
    """The time of day for what ends on a date.

    Never slower than the monotonic clock since it was made: a wall clock that is put back lengthens nothing.
    One that is put forward ends things early, until it is put right again.
    """

    def __init__(self, wall_clock: Callable[[], datetime], now_us: Callable[[], int]) -> None:
        self._wall_clock = wall_clock
        self._now_us = now_us
        self._began = wall_clock()
        self._began_us = now_us()

    def __call__(self) -> datetime:
        """What it is now at the least."""
        passed = timedelta(microseconds=self._now_us() - self._began_us)
        return max(self._wall_clock(), self._began + passed)


def ending(operator: OperatorRecord, today: datetime) -> list[dict[str, Any]]:
    """The trainings that have ended or end within `NOTICE`, by wavelength, as the API tells them."""
    found = []
    for wavelength_nm, expires in sorted(operator.training.items()):
        left = expires - today
        if left > NOTICE:
            continue
        held = left > timedelta(0)
        when = f"ends on {expires:%Y-%m-%d}, in {left.days} days" if held else f"ended on {expires:%Y-%m-%d}"
        found.append(
            {
                "name": operator.name,
                "wavelength_nm": wavelength_nm,
                "expires": expires.isoformat(),
                "days_left": max(0, left.days),
                "expired": not held,
                "text": f"{operator.name}'s training for {wavelength_nm} nm {when}",
            }
        )
    return found


def people_report(people: Iterable[OperatorRecord], today: datetime) -> dict[str, Any]:
    """How many there are, what they lack, and whose training ends: `people` of the status."""
    active = [operator for operator in people if operator.active]
    able = sum(operator.role.covers(Role.OPERATOR) for operator in active)
    administrators = sum(operator.role is Role.ADMINISTRATOR for operator in active)
    lacking = ([] if able else [NOBODY]) + ([] if administrators else [NO_ADMINISTRATOR])
    return {
        "operators": able,
        "administrators": administrators,
        "lacking": lacking,
        "training": [one for operator in active for one in ending(operator, today)],
    }
