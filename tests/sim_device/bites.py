"""What a fault of the catalogue does to a laser: bites are registered here, one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.states import State
from sim_device.faults import Injection
from tests.sim_device.desk import MS, Desk, S

Bite = Callable[[Desk, Injection], None]

GATED_US = 10 * MS  # DESIGN, "A stop": trigger inhibit
CLOSED_US = 50 * MS  # the same: shutter closed
RELEASED_US = 20 * MS  # the same: foot released to last pulse

BITES: dict[str, tuple[str, dict[str, Any], Bite]] = {}


def bites(fault: str, stage: str, **parameters: Any) -> Callable[[Bite], Bite]:
    """The decorated function has a desk at this stage on which this fault has just begun."""

    def register(bite: Bite) -> Bite:
        assert fault not in BITES
        BITES[fault] = (stage, parameters, bite)
        return bite

    return register


def trips(fault: str, stage: str, expected: Fault, within_us: int = S, **parameters: Any) -> None:
    """The commonest bite: the firmware latches `expected` as the first cause, and it is dark."""

    @bites(fault, stage, **parameters)
    def bite(desk: Desk, _: Injection) -> None:
        desk.until(State.FAULT, within_us)
        assert desk.fault is expected
        dark_from_us = desk.simulator.now_us + GATED_US
        desk.run(2 * S)
        assert desk.light_after(dark_from_us) == []


def leaves(desk: Desk, why: Leave) -> None:
    """The laser falls back to STANDBY for this reason, within a second."""
    desk.until(State.STANDBY, S)
    assert desk.device.leave is why


def refuses_to_arm(desk: Desk, why: Refusal) -> None:
    desk.run(S)
    assert why in desk.refusals(desk.arm_request())
    assert desk.state is State.STANDBY


def latched(desk: Desk) -> set[int]:
    bits = desk.device.faults.latched
    return {bit for bit in range(64) if bits >> bit & 1}


def fails_its_proof(desk: Desk, _: Injection) -> None:
    desk.arm()
    desk.until(State.FAULT, 3 * S)
    assert desk.fault is Fault.MONITOR_FAILED
