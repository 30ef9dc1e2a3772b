"""Invariants of the whole stack, checked against the plant's truth after every event."""

from typing import Final

from rig.invariants.books import (
    AcknowledgedAfterDisk,
    AuditHolds,
    BooksBalance,
    EnergyTold,
    WithinPlan,
    WrittenAhead,
)
from rig.invariants.invariant import Invariant, Light, Permit, Violation
from rig.invariants.light import (
    AsGranted,
    FreshPress,
    HostAlive,
    InterlocksClosed,
    LightByPermit,
    LightInItsState,
    OnePulseForOneTrigger,
    PulseJudged,
    WarnedBefore,
)
from rig.invariants.loop import LoopNeverBlocked
from rig.invariants.stops import (
    ChargeGone,
    FootReleased,
    LightWithoutTrigger,
    ShutterClosed,
    TriggerInhibited,
)
from rig.invariants.trips import (
    ArmedByAPerson,
    GuardTrips,
    HostTripsStay,
    ReadyByArm,
    TripsRecorded,
    TripsStay,
)
from rig.invariants.witness import Asked, Witness

INVARIANTS: Final[tuple[type[Invariant], ...]] = (
    LightByPermit,
    LightInItsState,
    FreshPress,
    InterlocksClosed,
    HostAlive,
    WarnedBefore,
    AsGranted,
    PulseJudged,
    OnePulseForOneTrigger,
    TriggerInhibited,
    ShutterClosed,
    FootReleased,
    LightWithoutTrigger,
    ChargeGone,
    ReadyByArm,
    ArmedByAPerson,
    GuardTrips,
    TripsStay,
    TripsRecorded,
    HostTripsStay,
    BooksBalance,
    EnergyTold,
    AcknowledgedAfterDisk,
    WrittenAhead,
    WithinPlan,
    AuditHolds,
    LoopNeverBlocked,
)
"""All of them."""

BY_NAME: Final = {one.name: one for one in INVARIANTS}

__all__ = ["BY_NAME", "INVARIANTS", "Asked", "Invariant", "Light", "Permit", "Violation", "Witness"]
