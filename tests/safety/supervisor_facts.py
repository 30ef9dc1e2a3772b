"""What is so around a supervisor: the oracle's facts, told by what was done and by what it answered alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from protocols.faults import Fault
from protocols.messages import Handpiece, Intent, Status
from protocols.requests import Arm, Grant
from protocols.states import State
from safety.freshness import Input
from safety.latches import LatchId
from safety.reactions import LatchCleared, LatchSet, Reaction, StopNow
from safety.supervisor import Supervisor
from tests.safety.laser import SETPOINT, plan

NOT_OURS = 555  # a permit of nobody's
SERIAL = "PL755-0001"
SPOT_UM = 3_500
WHOLE: dict[str, Any] = {  # whatever a Status is not told to be
    "open_interlocks": frozenset(),
    "blocks": frozenset(),
    "faults": frozenset(),
    "first_fault": Fault.NONE,
    "fault_instance": 0,
    "calibrated": True,
    "spot_um": SPOT_UM,
    "handpiece": Handpiece.ZOOM,
    "setpoint_hash": SETPOINT.hash,
}
PLANS = {
    "plain": plan(),
    "service": plan(indication="service", skin_type=None, fluence_j_cm2=None),
    "series": plan(series=(1, 1)),
}


class Facts(NamedTuple):  # replaced with every move: a dataclass takes five times as long
    """What is so. `last`, `setpoint` and `counters` are what the present session brought."""

    serial: str = SERIAL
    boot: int = 7
    linked: bool = True
    linked_before: bool = True
    matches: bool = True
    good: frozenset[Input] = frozenset(Input)
    treats: bool = True
    serves: bool = False
    setpoint: str = "read"
    counters: bool = True
    plan: str = "plain"
    uncertain: bool = False
    last: Status | None = None
    latched: frozenset[LatchId] = frozenset()
    asked: Arm | Grant | None = None  # it left, and its answer has not come
    from_epoch: int = 0  # of the device, when the arming that is meant was asked for
    meant: Intent = Intent.IDLE  # what people asked for and the device has not ended: permission at most
    granted: int = 0  # the permit that was asked for in this arming
    left: int = 0  # the one before
    leaving: bool = False  # given up so lately that the device may not have followed yet


class Told:
    """One supervisor at a moment that does not pass, and the facts."""

    sup: Supervisor
    now_us: int
    facts: Facts

    def change(self, **changes: Any) -> None:
        self.facts = self.facts._replace(**changes)

    def idle(self) -> None:
        """Nobody means it to be armed any more."""
        if self.facts.meant is not Intent.IDLE:
            self.change(leaving=True)
        if self.facts.granted:
            self.change(left=self.facts.granted)
        self.change(meant=Intent.IDLE, granted=0)

    def take(self, reactions: list[Reaction]) -> list[Reaction]:
        """The ledger of latches is kept from the reactions alone; a stop and a latch end what was meant."""
        for one in reactions:
            if isinstance(one, LatchSet):
                self.change(latched=self.facts.latched | {one.latch.id})
                self.idle()
            elif isinstance(one, LatchCleared):
                assert one.latch.id is LatchId.DEVICE_FAULT, "a latch went without an acknowledgement"
                self.change(latched=self.facts.latched - {one.latch.id})
            elif isinstance(one, StopNow):
                self.idle()
        return reactions


def stops(reactions: list[Reaction]) -> bool:
    return any(isinstance(one, StopNow) for one in reactions)


def faulty(told: Status) -> bool:
    return bool(told.faults or told.fault_instance) or told.state is State.FAULT
