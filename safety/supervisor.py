"""The supervisor: the host's second line, one pure state machine over everything it is told.

Theory of operation. Every method takes the time and returns the reactions its caller must carry out before
anything else. Nothing is decided in advance: `refusals` and `heartbeat` compute permission anew from what is
known at that microsecond. A trip latches; it is taken off by `acknowledge`, which names its instance, is
refused while the cause is there or the laser may be armed, and arms nothing. The device is the first line:
where it acts by itself, the supervisor only follows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from protocols.messages import (
    Heartbeat,
    Message,
    PulseFlag,
    PulseReport,
    Result,
    Status,
    Stop,
    Telemetry,
)
from protocols.refusals import Reason
from protocols.requests import Arm, CommitSetpoint, Counters, Grant, Reply, Setpoint, Standby
from protocols.states import ARMED, State
from safety import gate
from safety.freshness import Consequence, Input, Quality, not_good
from safety.gate import LinkFacts, LoadedPlan
from safety.judgement import impossible, judge
from safety.known import Known
from safety.latches import LATCHES, Latch, LatchId
from safety.limits import DeviceLimits
from safety.plan import PlanRefusal, TreatmentPlan
from safety.plan_check import check_plan
from safety.reactions import LatchCleared, LatchSet, Note, Reaction, StopNow, SupervisorView
from safety.reasons import HostReason, reason

LOOP_LAG_MAX_US: Final = 100_000  # [C] two heartbeats; the permit lives for four
_STATUS, _TICK, _LOOP = Input.STATUS, Input.TICK, Input.LOOP  # looked up with every message or beat
_GOOD, _TRIPS, _UNKNOWN = Quality.GOOD, Consequence.TRIPS, PulseFlag.UNKNOWN
_NAMES: Final = {state: state.name for state in State}
_NO_LIGHT: Final = frozenset({PulseFlag.SKIPPED, PulseFlag.MISSING})


class Supervisor:
    """One laser's supervisor; `max_age_us` and `loop_lag_max_us` come from the configuration."""

    def __init__(
        self,
        now_us: int,
        *,
        max_age_us: Mapping[Input, int] | None = None,
        loop_lag_max_us: int = LOOP_LAG_MAX_US,
    ) -> None:
        self._loop_lag_max_us = loop_lag_max_us
        self._last_link: LinkFacts | None = None
        self._plans_loaded = 0
        self._latched_instance = 0  # the device's fault that DEVICE_FAULT mirrors
        self._known = Known(max_age_us or {}, now_us)
        self._known.latches.set(LatchId.START_UP, "nothing is known of the laser yet", now_us)

    # -- the link

    def link_up(self, facts: LinkFacts, now_us: int) -> list[Reaction]:
        """A session was opened and the device identified; anything known before is void."""
        before, reactions = self._last_link, list[Reaction]()
        self._known.link = self._last_link = facts
        self._known.forget_device(now_us)
        if before is None:
            reactions.append(Note("link_up", f"connected to {facts.serial}"))
        else:
            reactions += self._trip(LatchId.RECONNECTED, f"connected to {facts.serial} again", now_us)
            if before.serial != facts.serial:
                self._known.forget_books()
            elif before.boot != facts.boot:
                text = f"its start {facts.boot} followed on {before.boot}"
                reactions += self._trip(LatchId.DEVICE_RESTARTED, text, now_us)
        self._known.sequence.begin(facts.recorded_to, now_us)
        return reactions

    def link_down(self, text: str, now_us: int) -> list[Reaction]:
        """The session is gone."""
        self._known.link = None
        self._known.forget_device(now_us)
        return [Note("link_down", text)]

    def observe(self, message: Message, now_us: int) -> list[Reaction]:
        """Take a message of the device's, an answer included, before anybody else does."""
        link = self._known.link
        if link is None:
            return []  # nobody was identified: whatever it says is not trusted
        if isinstance(message, Status):
            return self._status(message, link, now_us)
        if isinstance(message, Telemetry):
            return self._telemetry(message, now_us)
        if isinstance(message, PulseReport):
            return self._pulse(message, now_us)
        if isinstance(message, Counters):
            return self._counters(message, now_us)
        if isinstance(message, Setpoint):
            self._known.setpoint = message
        return []

    # -- the daemon itself

    def tick(self, now_us: int) -> list[Reaction]:
        """Look at what is due; to be called every heartbeat period or more often."""
        known = self._known
        reactions: list[Reaction] = []
        if known.freshness.qualities(now_us)[_TICK] is not _GOOD and known.armed:
            age_us = known.freshness.view(_TICK, now_us).age_us
            if age_us is not None:
                reactions += self._trip(LatchId.LOOP_LAG, f"{age_us} us between two ticks", now_us)
        known.freshness.note(_TICK, now_us)
        if known.link is None:
            return reactions
        stale = not_good(known.freshness.qualities(now_us), _TRIPS)
        if stale and known.armed:
            text = ", ".join(which.value for which in stale)
            reactions += self._trip(LatchId.STALE, f"{text} was not fresh", now_us)
        if known.sequence.overdue(now_us):
            text = f"the report after pulse {known.sequence.reported_to} does not come"
            reactions += self._trip(LatchId.COUNTER_GAP, text, now_us)
        return reactions

    def loop_lag(self, lag_us: float, now_us: int) -> list[Reaction]:
        """Take the measured lag of the event loop."""
        ok = 0 <= lag_us <= self._loop_lag_max_us  # NaN fails
        self._known.freshness.note(_LOOP, now_us, ok=ok, text=f"{lag_us} us")
        if ok or not self._known.armed:
            return []
        return self._trip(LatchId.LOOP_LAG, f"the event loop lagged {lag_us} us", now_us)

    def task_ended(self, name: str, now_us: int) -> list[Reaction]:
        """A task of the daemon's ended that should run."""
        self._known.ended_tasks.add(name)
        self._known.note_tasks(now_us)
        return self._trip(LatchId.TASK_ENDED, name, now_us)

    def store_state(self, ok: bool, text: str, now_us: int) -> list[Reaction]:
        """Whether the record can be written."""
        self._known.freshness.note(Input.STORE, now_us, ok=ok, text=text)
        return [] if ok else self._trip(LatchId.STORE_FAILED, text, now_us)

    def calibration_state(self, ok: bool, text: str, now_us: int) -> list[Reaction]:
        """Whether the energy calibration in force is known to be young enough (REQ-017)."""
        self._known.freshness.note(Input.CALIBRATION, now_us, ok=ok, text=text)
        return []

    def operator_present(
        self, name: str | None, now_us: int, *, may_treat: bool = False, may_serve: bool = False
    ) -> list[Reaction]:
        """Who is logged in, None for nobody, and whether they may treat with this laser, and serve it."""
        ok = bool(name) and may_treat
        self._known.freshness.note(Input.OPERATOR, now_us, ok=ok, text=name or "nobody")
        self._known.may_serve = ok and may_serve
        plan = self._known.plan
        serves = plan is not None and plan.plan.service
        if not self._known.armed or (ok and (may_serve or not serves)):
            return []
        return self._permission_lost(reason(HostReason.SERVICE if ok else HostReason.OPERATOR), now_us)

    # -- commands

    def load_plan(
        self, plan: TreatmentPlan, device: DeviceLimits, done: int, now_us: int
    ) -> tuple[PlanRefusal, ...]:
        """Check the plan and make it the one that permits are held against; `done` pulses were given before.

        With refusals nothing changes. Raises ValueError for an impossible `done`.
        """
        refused = check_plan(plan, device)
        if refused:
            return refused
        if not 0 <= done <= plan.pulses:
            raise ValueError(f"done = {done} is not allowed: give 0 to {plan.pulses}, the pulses of the plan")
        self.drop_plan(now_us)
        self._plans_loaded += 1
        self._known.plan = LoadedPlan(plan, plan.setpoint(), self._plans_loaded, done, device.permit_max_us)
        return ()

    def drop_plan(self, now_us: int) -> None:
        """No plan is carried out any more; a permit for it is not heartbeaten further."""
        self._known.plan = None
        self._known.leave(now_us)

    def requested(self, message: Message, now_us: int) -> None:
        """This message passed the gate and leaves now; a repetition or mere word changes nothing."""
        if message.effect is None or message == self._known.in_flight:
            return
        if isinstance(message, Arm | Grant):
            self._known.in_flight = message
        if isinstance(message, Arm) and self._known.device is not None:
            self._known.books.arm_requested(self._known.device.arm_epoch)
        elif isinstance(message, Grant) and self._known.plan is not None:
            energy_uj = self._known.plan.setpoint.pulse_energy_uj
            self._known.books.grant_requested(message, energy_uj, self._known.plan.number)
        elif isinstance(message, CommitSetpoint):
            self._known.setpoint = None  # until it is read back
        elif isinstance(message, Standby | Stop):
            self._known.leave(now_us)

    def answered(self, message: Message, reply: Reply | None) -> None:
        """The outcome of an Arm or Grant; None when it is certain that the device never saw it."""
        self._known.in_flight = None
        done = reply is not None and reply.result is Result.DONE
        if isinstance(message, Arm):
            self._known.books.arm_answered(done=done, epoch=reply.epoch if reply else 0)
        elif isinstance(message, Grant):
            self._known.books.grant_answered(message.permit_id, done=done)

    def recall_permit(self, permit_id: int, pulses: int) -> None:
        """Book a permit from the record of an earlier process, whose pulses may still be reported."""
        self._known.books.recall(permit_id, pulses)

    def uncertain(self, command_id: str, text: str, now_us: int) -> list[Reaction]:
        """The outcome of this command is unknown: answered by a stop, and latched until settled."""
        self._known.uncertain[command_id] = text
        return self._trip(LatchId.UNCERTAIN, f"{command_id}: {text}", now_us)

    def settled(self, command_id: str) -> None:
        """The device's own books told what became of the command."""
        self._known.uncertain.pop(command_id, None)

    def pulses_settled(self, pulse_number: int, now_us: int) -> None:
        """A person settled the count: every pulse up to this one is accounted for in the record."""
        self._known.sequence.settle(pulse_number, now_us)
        self._known.unknown_pulses = {
            number for number in self._known.unknown_pulses if number > pulse_number
        }

    def stop_requested(self, by: str, now_us: int) -> list[Reaction]:
        """Somebody wants it stopped: never refused, and no fault; permission is lost, nothing latches."""
        self._known.leave(now_us)
        asked = Reason("host.stop", f"stop asked for by {by}", "arm again when it is safe")
        return [StopNow(asked), Note("stop", asked.text)]

    def acknowledge(self, instances: Collection[int], now_us: int) -> tuple[Reason, ...]:
        """Take off the latches of these instances; with any reason against it, none is taken off."""
        latches, unknown = self._known.latches.find(instances)
        reasons = [reason(HostReason.OTHER_LATCH, f"instance {instance}") for instance in unknown]
        if not self._known.disarmed(now_us):
            reasons.append(reason(HostReason.STILL_ARMED))
        for latch in latches:
            cause = self._known.cause(latch.id, now_us)
            if cause:
                reasons.append(reason(HostReason.CAUSE_PRESENT, f"{latch.id.value}: {cause}"))
        if not reasons:
            for latch in latches:
                self._known.latches.clear(latch.id)
        return tuple(reasons)

    # -- permission

    def refusals(self, message: Message, now_us: int) -> tuple[Reason, ...]:
        """Every reason why this message may not leave now; a stop and a read always may."""
        return gate.refusals(message, self._known.situation(now_us))

    def granting_refused(self, now_us: int) -> tuple[Reason, ...]:
        """Every reason why the next series of the plan may not be granted now."""
        return gate.granting_refused(self._known.situation(now_us))

    def cause_present(self, latch: Latch, now_us: int) -> bool:
        """Whether the cause of a latch is still there, so that acknowledging it would be refused."""
        return bool(self._known.cause(latch.id, now_us))

    def heartbeat(self, now_us: int) -> Heartbeat | None:
        """The heartbeat that is due, or None: withheld, so that the device's own watchdog acts."""
        if self._known.device is None or gate.withheld(self._known.situation(now_us)):
            return None
        return Heartbeat(self._known.device.challenge, self._known.books.intent)

    @property
    def latches(self) -> tuple[Latch, ...]:
        """The standing latches, in the order in which they tripped."""
        return self._known.latches.standing()

    @property
    def link(self) -> LinkFacts | None:
        """What is known of the connected laser; None without one."""
        return self._known.link

    def quality(self, which: Input, now_us: int) -> Quality:
        """What one input is worth now."""
        return self._known.freshness.qualities(now_us)[which]

    def view(self, now_us: int) -> SupervisorView:
        """Everything there is to show."""
        return self._known.view(now_us)

    # -- what the device says

    def _status(self, status: Status, link: LinkFacts, now_us: int) -> list[Reaction]:
        if status.boot != link.boot:
            text = f"start {status.boot} speaks in a session of start {link.boot}"
            return self._trip(LatchId.DEVICE_RESTARTED, text, now_us)
        known = self._known
        before = known.device
        if before is not None and status.device_time_us < before.device_time_us:
            return self._trip(LatchId.BAD_INPUT, "the device's clock went back", now_us)
        known.device = status
        known.freshness.note(_STATUS, now_us, text=_NAMES[status.state])
        reactions = self._device_fault(status, now_us)
        problem = known.sequence.told(status.pulse_number, now_us)
        if problem:
            reactions += self._trip(LatchId.COUNTER_GAP, problem, now_us)
        if before is not None and status.stop_epoch != before.stop_epoch:
            reactions.append(Note("stopped", f"stop epoch {status.stop_epoch}"))
            known.leave(now_us)
        light, state, left, permit = known.books.mirror(status, now_us)
        if light:
            reactions += self._trip(LatchId.UNPERMITTED_LIGHT, light, now_us)
        if state:
            reactions += self._trip(LatchId.UNEXPECTED_STATE, state, now_us)
        if left:
            known.in_flight = None
            reactions.append(Note("disarmed", f"{status.state.name} ({status.leave.name.lower()})"))
        if permit is not None:
            text = f"permit {permit.permit_id}: {permit.counted} of {permit.pulses} pulses reported so far"
            reactions.append(Note("permit_ended", text))
        if status.state in ARMED:
            for why in gate.lost_while_armed(status, known.plan):
                reactions += self._permission_lost(why, now_us)
        return reactions

    def _device_fault(self, status: Status, now_us: int) -> list[Reaction]:
        reactions: list[Reaction] = []
        fault = gate.has_fault(status)
        if not fault or status.fault_instance != self._latched_instance:
            for latch in self._known.latches.standing():
                if latch.id is LatchId.DEVICE_FAULT:
                    self._known.latches.clear(latch.id)
                    reactions.append(LatchCleared(latch))
        if fault:
            self._latched_instance = status.fault_instance
            text = f"{status.first_fault.name.lower()}, instance {status.fault_instance}"
            reactions += self._trip(LatchId.DEVICE_FAULT, text, now_us)
        return reactions

    def _telemetry(self, telemetry: Telemetry, now_us: int) -> list[Reaction]:
        text = impossible(telemetry)
        self._known.freshness.note(Input.TELEMETRY, now_us, ok=not text, text=text)
        return self._trip(LatchId.BAD_INPUT, text, now_us) if text and self._known.armed else []

    def _pulse(self, report: PulseReport, now_us: int) -> list[Reaction]:
        reactions: list[Reaction] = []
        taken = self._known.sequence.take(report, now_us)
        if taken.problem:
            reactions += self._trip(LatchId.COUNTER_GAP, taken.problem, now_us)
        if not taken.new:
            return reactions
        number = report.pulse_number
        self._known.pulses_seen += 1
        unpermitted, differs, permit = self._known.books.pulse(report)
        if unpermitted:
            reactions += self._trip(LatchId.UNPERMITTED_LIGHT, f"pulse {number}: {unpermitted}", now_us)
        judgement = judge(report)
        if judgement.findings or differs:
            text = "; ".join(filter(None, (differs, judgement.text)))
            reactions += self._trip(LatchId.PULSE_JUDGEMENT, f"pulse {number}: {text}", now_us)
        if _UNKNOWN in report.flags:
            self._known.unknown_pulses.add(number)
            reactions += self._trip(LatchId.UNCERTAIN, f"pulse {number} was not measured", now_us)
        if self._known.plan is None or permit is None or report.flags & _NO_LIGHT:
            return reactions
        if permit.plan_number == self._known.plan.number:
            self._known.plan = self._known.plan._replace(done=self._known.plan.done + 1)
        else:
            self.drop_plan(now_us)
            text = "a pulse of an earlier plan came in: load the plan again with what was done"
            reactions.append(Note("plan_dropped", text))
        return reactions

    def _counters(self, counters: Counters, now_us: int) -> list[Reaction]:
        problem = self._known.sequence.counters(counters, now_us)
        if problem:
            return self._trip(LatchId.COUNTER_GAP, problem, now_us)
        if not self._known.sequence.behind:  # every number is reported: what was unknown is counted as given
            self._known.unknown_pulses.clear()
        return []

    # -- latches

    def _trip(self, which: LatchId, cause: str, now_us: int) -> list[Reaction]:
        reactions: list[Reaction] = []
        latch = self._known.latches.set(which, cause, now_us)
        if latch is not None:
            reactions.append(LatchSet(latch))
        if LATCHES[which].stops_always or self._known.armed:
            reactions.insert(0, StopNow(reason(HostReason.LATCHED, f"{LATCHES[which].text}: {cause}")))
        self._known.leave(now_us)
        return reactions

    def _permission_lost(self, why: Reason, now_us: int) -> list[Reaction]:
        self._known.leave(now_us)
        return [StopNow(why)]
