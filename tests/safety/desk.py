"""A supervisor with everything around it in order: what a daemon would do, without a daemon."""

from dataclasses import replace
from typing import Any

from protocols.messages import Message, PulseReport, Status
from protocols.requests import Trigger
from protocols.states import State
from safety.gate import LinkFacts
from safety.latches import LatchId
from safety.reactions import LatchSet, Reaction, StopNow
from safety.supervisor import Supervisor
from tests.safety.laser import (
    ARM,
    COUNTERS,
    DEVICE,
    DONE,
    FOREARM,
    GRANT,
    SETPOINT,
    STATUS,
    TELEMETRY,
    report,
)

LINK = LinkFacts("PL755-0001", 7, 77, interface_matches=True, recorded_to=100)


class Desk:
    """Keeps the time and the device's last Status; every step is one that a daemon takes."""

    def __init__(self) -> None:
        self.now_us = 1_000_000
        self.supervisor = Supervisor(self.now_us)
        self.last: Status = STATUS
        self.reactions: list[Reaction] = []

    def take(self, reactions: list[Reaction]) -> list[Reaction]:
        self.reactions += reactions
        return reactions

    def wait(self, us: int) -> None:
        self.now_us += us

    def observe(self, message: Message) -> list[Reaction]:
        return self.take(self.supervisor.observe(message, self.now_us))

    def status(self, **changes: Any) -> list[Reaction]:
        """The device's next Status, with these fields changed from its last."""
        later = self.last.device_time_us + 1_000
        self.last = replace(self.last, **({"device_time_us": later, "challenge": later & 0xFFFF} | changes))
        return self.observe(self.last)

    def daemon(self) -> None:
        """The daemon's own inputs, all good."""
        self.take(self.supervisor.tick(self.now_us))
        self.take(self.supervisor.loop_lag(500, self.now_us))
        self.take(self.supervisor.store_state(True, "written", self.now_us))
        self.take(self.supervisor.calibration_state(True, "made today", self.now_us))
        self.take(self.supervisor.operator_present("ada", self.now_us, may_treat=True))

    def connect(self, **changes: Any) -> list[Reaction]:
        return self.take(self.supervisor.link_up(replace(LINK, **changes), self.now_us))

    def reconnect(self) -> list[Reaction]:
        """The line was lost and is there again, with the same laser in STANDBY."""
        self.take(self.supervisor.link_down("silent", self.now_us))
        self.last = replace(self.last, state=State.STANDBY, permit_id=0)
        return self.connect(session=78)

    def refresh(self, **changes: Any) -> None:
        """Everything known and good at this moment."""
        self.daemon()
        self.status(**changes)
        self.observe(TELEMETRY)

    def acknowledge_all(self) -> tuple[str, ...]:
        instances = [latch.instance for latch in self.latches().values()]
        return tuple(why.code for why in self.supervisor.acknowledge(instances, self.now_us))

    def in_standby(self) -> "Desk":
        self.connect()
        self.refresh()
        self.observe(COUNTERS)
        self.observe(SETPOINT)
        assert self.supervisor.load_plan(FOREARM, DEVICE, 0, self.now_us) == ()
        assert self.acknowledge_all() == ()
        self.reactions.clear()
        return self

    def in_ready(self) -> "Desk":
        self.in_standby().arm()
        return self

    def with_permit(self) -> "Desk":
        self.in_ready().grant()
        return self

    def emitting(self) -> "Desk":
        self.with_permit()
        self.status(state=State.EMITTING)
        assert self.latches() == {}
        return self

    def send(self, message: Message) -> bool:
        """Through the gate, as the link layer does."""
        if self.refused(message):
            return False
        self.supervisor.requested(message, self.now_us)
        return True

    def arm(self) -> bool:
        message = replace(ARM, stop_epoch=self.last.stop_epoch)
        if not self.send(message):
            return False
        epoch = self.last.arm_epoch + 1
        self.status(state=State.ARMING, arm_epoch=epoch)
        self.supervisor.answered(message, replace(DONE, epoch=epoch))
        self.status(state=State.READY)
        return True

    def grant(self, permit_id: int = 900, pulses: int = 20, trigger: Trigger = Trigger.FOOT) -> bool:
        message = replace(
            GRANT,
            permit_id=permit_id,
            pulses=pulses,
            trigger=trigger,
            arm_epoch=self.last.arm_epoch,
            stop_epoch=self.last.stop_epoch,
        )
        if not self.send(message):
            return False
        self.supervisor.answered(message, DONE)
        self.status(permit_id=permit_id, permit_pulses_left=pulses)
        return True

    def fire(self, number: int, **changes: Any) -> list[Reaction]:
        """The device fires and reports one pulse."""
        self.last = replace(self.last, pulse_number=max(number, self.last.pulse_number))
        pulse: PulseReport = report(
            **({"pulse_number": number, "device_time_us": self.last.device_time_us + 500} | changes)
        )
        return self.observe(pulse)

    def latches(self) -> dict[LatchId, Any]:
        return {latch.id: latch for latch in self.supervisor.view(self.now_us).latches}

    def refused(self, message: Message) -> set[str]:
        return {why.code.removeprefix("host.") for why in self.supervisor.refusals(message, self.now_us)}

    def arm_refused(self) -> set[str]:
        return self.refused(replace(ARM, stop_epoch=self.last.stop_epoch))


def stops(reactions: list[Reaction]) -> bool:
    return any(isinstance(reaction, StopNow) for reaction in reactions)


def latched(reactions: list[Reaction]) -> list[LatchId]:
    return [reaction.latch.id for reaction in reactions if isinstance(reaction, LatchSet)]
