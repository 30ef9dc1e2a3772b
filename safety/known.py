"""Everything the supervisor knows, and what follows from it without any event."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.messages import Beam, Intent, Message, Status
from protocols.requests import Arm, Setpoint
from protocols.states import ARMED
from safety import gate
from safety.freshness import Freshness, Input, Quality
from safety.gate import LinkFacts, LoadedPlan, Situation
from safety.latches import Latches, LatchId
from safety.permits import PermitBooks
from safety.reactions import PermitView, SupervisorView
from safety.sequence import PulseSequence


class Known:
    """The data of one supervisor; only it writes them."""

    def __init__(self, max_age_us: Mapping[Input, int], now_us: int) -> None:
        self.freshness = Freshness(max_age_us)
        self.latches = Latches()
        self.books = PermitBooks()
        self.sequence = PulseSequence()
        self.link: LinkFacts | None = None
        self.device: Status | None = None
        self.setpoint: Setpoint | None = None
        self.plan: LoadedPlan | None = None
        self.in_flight: Message | None = None
        self.ended_tasks: set[str] = set()
        self.uncertain: dict[str, str] = {}
        self.unknown_pulses: set[int] = set()
        self.pulses_seen = 0
        self.may_serve = False
        self.note_tasks(now_us)

    def cause(self, which: LatchId, now_us: int) -> str:
        """Why this latch's cause is not gone, in words; empty when it is."""
        device = self.device
        bad = {name for name, seen in self.freshness.qualities(now_us).items() if seen is not Quality.GOOD}
        open_ends = [*self.uncertain, *(f"pulse {number}" for number in sorted(self.unknown_pulses))]
        overdue = self.sequence.overdue(now_us)
        # The others are over as soon as the laser is known to be disarmed, which every acknowledgement needs.
        present: dict[LatchId, tuple[bool, str]] = {
            LatchId.DEVICE_FAULT: (
                device is not None and gate.has_fault(device),
                "acknowledge it at the device",
            ),
            LatchId.UNCERTAIN: (bool(open_ends), ", ".join(open_ends)),
            LatchId.UNEXPECTED_STATE: (device is not None and bool(device.permit_id), "it holds a permit"),
            LatchId.COUNTER_GAP: (
                bool(self.sequence.broken) or overdue,
                self.sequence.broken or "reports are missing",
            ),
            LatchId.BAD_INPUT: (Input.TELEMETRY in bad, "the measured values are not good"),
            LatchId.LOOP_LAG: (Input.LOOP in bad, "the event loop lags or is not measured"),
            LatchId.TASK_ENDED: (
                Input.TASKS in bad,
                ", ".join(sorted(self.ended_tasks)) or "not known to run",
            ),
            LatchId.STORE_FAILED: (Input.STORE in bad, "it still cannot be written"),
        }
        there, text = present.get(which, (False, ""))
        return text if there else ""

    @property
    def armed(self) -> bool:
        """The laser was last seen armed, or this host means it to be."""
        seen = self.device is not None and self.device.state in ARMED
        return seen or self.books.intent is not Intent.IDLE

    def disarmed(self, now_us: int) -> bool:
        """The laser is known, by a fresh Status, not to be armed."""
        fresh = self.freshness.qualities(now_us)[Input.STATUS] is Quality.GOOD
        return self.link is not None and fresh and not self.armed

    def leave(self, now_us: int) -> None:
        """Give up arming and permit; an Arm or Grant on its way must not be repeated either."""
        self.in_flight = None
        self.books.leave(now_us)

    def forget_device(self, now_us: int) -> None:
        """The session is another, or none: nothing that the device said holds any more."""
        self.device = self.setpoint = None
        self.freshness.forget(Input.STATUS)
        self.freshness.forget(Input.TELEMETRY)
        self.leave(now_us)

    def forget_books(self) -> None:
        """Another device: neither its plan nor its permits nor its count are those of the one before."""
        self.plan, self.books, self.sequence = None, PermitBooks(), PulseSequence()

    def note_tasks(self, now_us: int) -> None:
        """Bring the input up to date with the set of ended tasks."""
        ended = ", ".join(sorted(self.ended_tasks))
        self.freshness.note(Input.TASKS, now_us, ok=not ended, text=ended or "all run")

    def situation(self, now_us: int) -> Situation:
        """What the gate looks at, at this microsecond."""
        books, sequence = self.books, self.sequence
        intent, arm_epoch, permit_open = books.standing()
        return Situation(  # by position: names would cost half as much again, for every message
            self.link,
            self.freshness.qualities(now_us),
            self.device,
            self.setpoint,
            self.plan,
            self.latches.standing(),
            tuple(self.uncertain),
            intent,
            arm_epoch,
            permit_open,
            books.used,
            self.in_flight,
            sequence.reported_to,
            sequence.behind,
            self.may_serve,
            self.freshness.why_bad,
        )

    def view(self, now_us: int) -> SupervisorView:
        """Everything there is to show."""
        situation, link, device, permit = self.situation(now_us), self.link, self.device, self.books.open
        plan = self.plan
        arm = Arm(
            setpoint_hash=device.setpoint_hash if device else 0,
            stop_epoch=device.stop_epoch if device else 0,
            beam=plan.plan.beam if plan else Beam.APERTURE,
        )
        return SupervisorView(
            now_us=now_us,
            serial=link.serial if link else None,
            boot=link.boot if link else None,
            session=link.session if link else None,
            state=device.state if device else None,
            intent=self.books.intent,
            latches=situation.latches,
            arming_refused=gate.refusals(arm, situation),
            heartbeat_withheld=tuple(gate.withheld(situation)),
            inputs={which.value: self.freshness.view(which, now_us) for which in Input},
            permit=PermitView(permit.permit_id, permit.pulses, permit.counted, permit.granted)
            if permit
            else None,
            plan=plan.plan.name if plan else None,
            plan_done=plan.done if plan else 0,
            plan_pulses=plan.plan.pulses if plan else 0,
            uncertain=situation.uncertain,
            reported_to=self.sequence.reported_to,
            pulses_seen=self.pulses_seen,
        )
