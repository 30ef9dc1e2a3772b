"""What tests of the gate start from: situations in which everything is good."""

import dataclasses
from typing import Any, TypeVar

from protocols.messages import Intent, Message
from safety.freshness import Input, Quality
from safety.gate import LinkFacts, LoadedPlan, Situation, refusals
from safety.latches import Latch, LatchId
from tests.safety.laser import SETPOINT, plan, ready, status

T = TypeVar("T")


def replace(thing: T, **changes: Any) -> T:
    """A message or a situation with these fields changed."""
    if isinstance(thing, (Situation, LoadedPlan)):
        return thing._replace(**changes)  # type: ignore[return-value]  # of the same class
    return dataclasses.replace(thing, **changes)  # type: ignore[type-var]  # everything else is a dataclass


LINK = LinkFacts("PL755-0001", 7, 77, interface_matches=True, recorded_to=100)
GOOD = dict.fromkeys(Input, Quality.GOOD)
LATCH = Latch(LatchId.START_UP, 1, 0, "the daemon was started", "acknowledge")
FOREARM = LoadedPlan(plan(), SETPOINT, 1, 0, 120_000_000)
STANDBY = Situation(LINK, GOOD, status(), SETPOINT, FOREARM, reported_to=100)
READY = replace(STANDBY, device=ready(), intent=Intent.ARMED, arm_epoch=12)
INPUT_CODES = {
    Input.STATUS: "status",
    Input.TELEMETRY: "telemetry",
    Input.TICK: "tick",
    Input.LOOP: "loop",
    Input.TASKS: "tasks",
    Input.STORE: "store",
    Input.OPERATOR: "operator",
    Input.CALIBRATION: "calibration",
}


def codes(message: Message, situation: Situation) -> set[str]:
    found = [reason.code for reason in refusals(message, situation)]
    assert all(code.startswith("host.") for code in found)
    return {code.removeprefix("host.") for code in found}


def on_device(situation: Situation, **changes: Any) -> Situation:
    assert situation.device is not None
    return replace(situation, device=replace(situation.device, **changes))
