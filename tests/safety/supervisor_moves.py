"""What can happen to a supervisor, step by step, each with what it must lead to at once.

The oracle is `Facts`. Private parts of the supervisor are looked at only to make messages that hit or miss
what it expects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from protocols.messages import Intent, PulseFlag, Result, Status, Stop
from protocols.requests import Arm, CommitSetpoint, Grant, Reply, Standby
from protocols.states import ARMED, State
from safety.freshness import FRESHNESS, Input
from safety.gate import LinkFacts
from safety.latches import LatchId
from safety.reactions import Note
from safety.sequence import GAP_MAX_US
from tests.safety.desk import LINK
from tests.safety.laser import ARM, COUNTERS, DEVICE, GRANT, SETPOINT, STATUS, TELEMETRY, report
from tests.safety.supervisor_facts import NOT_OURS, PLANS, SPOT_UM, WHOLE, Facts, Told, faulty, stops


class Moves(Told):
    """What people, device, link, clock and daemon can do."""

    # -- what people ask for

    def arm_message(self) -> Arm:
        return replace(ARM, stop_epoch=self.facts.last.stop_epoch if self.facts.last else 0)

    def grant_message(self) -> Grant:
        last = self.facts.last or STATUS
        return replace(
            GRANT,
            permit_id=max(900, *self.sup._known.books._permits, 0) + 1,
            pulses=1,
            boot=self.facts.boot,
            session=LINK.session,
            arm_epoch=last.arm_epoch,
            stop_epoch=last.stop_epoch,
        )

    def arm(self) -> None:
        if self.facts.asked is None:
            self._arm_with(self.arm_message())

    def _arm_with(self, message: Arm) -> None:
        if not self.sup.refusals(message, self.now_us):
            self.sup.requested(message, self.now_us)
            epoch = self.facts.last.arm_epoch if self.facts.last else 0
            self.change(asked=message, meant=Intent.ARMED, granted=0, leaving=False, from_epoch=epoch)

    def grant(self) -> None:
        message = self.grant_message()
        if self.facts.asked is None and not self.sup.refusals(message, self.now_us):
            self.sup.requested(message, self.now_us)
            self.change(asked=message, granted=message.permit_id)
            used = replace(message, pulses=2)
            assert self.sup.refusals(used, self.now_us), "one number for two permits"

    def repeat(self) -> None:
        """The link repeats what has no answer; an Arm that was given up meanwhile counts as a new one."""
        message = self.facts.asked
        if isinstance(message, Arm) and self.facts.meant is Intent.IDLE:
            self._arm_with(message)
        elif message is not None and not self.sup.refusals(message, self.now_us):
            assert self.facts.meant is not Intent.IDLE, "a Grant is repeated after it was given up"
            self.sup.requested(message, self.now_us)

    def answer(self, result: Result | None) -> None:
        message, last = self.facts.asked, self.facts.last
        assert message is not None
        done = result is Result.DONE
        epoch = last.arm_epoch if last else 0
        arming = self.sup._known.books._arming
        if isinstance(message, Arm):
            epoch = (arming.base_epoch if arming else epoch) + done
            if not done and self.facts.meant is not Intent.IDLE:
                self.change(meant=Intent.IDLE)  # it never was armed: there is nothing to follow
        elif self.facts.granted == message.permit_id:
            if done:
                self.change(meant=Intent.PERMIT)
            else:
                self.change(granted=0, meant=min(self.facts.meant, Intent.ARMED))
        self.change(asked=None)
        self.sup.answered(message, None if result is None else Reply(result, frozenset(), epoch))

    def answered(self, request: Callable[[], None]) -> None:
        """A request that is carried out and answered at once."""
        request()
        if self.facts.asked is not None:
            self.answer(Result.DONE)

    def answer_lost(self) -> None:
        self.change(asked=None, uncertain=True)
        reactions = self.take(self.sup.uncertain("cmd", "lost", self.now_us))
        assert stops(reactions), "an uncertain outcome is not stopped"

    def settle(self) -> None:
        self.sup.settled("cmd")
        self.change(uncertain=False)

    def stop(self) -> None:
        reactions = self.take(self.sup.stop_requested("ada", self.now_us))
        assert stops(reactions), "a stop was asked for and none leaves"
        self.sup.requested(Stop(1), self.now_us)

    def standby(self) -> None:
        refused = self.sup.refusals(Standby(), self.now_us)
        assert bool(refused) is not self.facts.linked, "standby is refused to a connected laser"
        if not refused:
            self.sup.requested(Standby(), self.now_us)
            self.idle()

    def acknowledge(self) -> None:
        standing, facts, last = self.sup.latches, self.facts, self.facts.last
        if self.sup.acknowledge([latch.instance for latch in standing], self.now_us):
            assert self.sup.latches == standing, "an acknowledgement was taken in part"
            return
        self.change(latched=frozenset[LatchId]())
        if not standing:
            return
        assert facts.linked, "acknowledged without a laser"
        assert last is not None, "acknowledged without a word of the laser's"
        assert Input.STATUS in facts.good, "acknowledged while the laser's state was not known"
        assert last.state not in ARMED, "acknowledged while the laser was armed"
        assert facts.meant is Intent.IDLE, "acknowledged while this host meant it to be armed"
        for which, gone in {
            LatchId.UNCERTAIN: not facts.uncertain,
            LatchId.DEVICE_FAULT: not faulty(last),
            LatchId.UNEXPECTED_STATE: not last.permit_id,
            LatchId.TASK_ENDED: Input.TASKS in facts.good,
            LatchId.STORE_FAILED: Input.STORE in facts.good,
            LatchId.LOOP_LAG: Input.LOOP in facts.good,
            LatchId.BAD_INPUT: Input.TELEMETRY in facts.good,
        }.items():
            assert gone or which not in facts.latched, (
                f"{which.value} was acknowledged with its cause present"
            )

    # -- what the device says

    def tell(self, state: State, held: str, epoch: str, *, ahead: int = 0, **changes: Any) -> None:
        """A Status in this state, holding that permit, by such an arming; `ahead`: of the counter known."""
        known, facts = self.sup._known, self.facts
        books, before = known.books, facts.last or STATUS
        arming = books._arming
        base = arming.base_epoch if arming else before.arm_epoch
        permit = {"open": books.open, "closing": books._closing}.get(held)
        counted = max(known.sequence._told, known.sequence.reported_to or 0)
        levels = WHOLE | {
            "state": state,
            "boot": facts.boot,
            "permit_id": permit.permit_id if permit else NOT_OURS if held == "other" else 0,
            "arm_epoch": base + {"base": 0, "ours": int(arming is not None), "other": 7}[epoch],
            "pulse_number": counted + ahead,
        }
        changes["stop_epoch"] = before.stop_epoch + changes.get("stop_epoch", 0)
        told = replace(before, **levels | changes)
        reactions = self.take(self.sup.observe(told, self.now_us))
        if not facts.linked:
            assert not reactions, "a laser that nobody identified was listened to"
        elif told.boot != facts.boot:
            assert LatchId.DEVICE_RESTARTED in self.facts.latched, "another start spoke, and nothing latched"
        elif facts.last is not None and told.device_time_us < before.device_time_us:
            assert LatchId.BAD_INPUT in self.facts.latched, (
                "the device's clock went back, and nothing latched"
            )
        else:
            if ahead < 0:
                assert LatchId.COUNTER_GAP in self.facts.latched, "the counter went back, and nothing latched"
            self._told(told, facts, stops(reactions))

    def _told(self, told: Status, before: Facts, stopped: bool) -> None:
        """A Status was taken: what it must lead to, by what was asked for alone."""
        self.change(last=told, good=self.facts.good | {Input.STATUS})
        held, latched = told.permit_id, self.facts.latched
        ours = bool(held) and held == before.granted
        going = before.leaving and held in (0, before.left)
        if held and not ours and not going:
            assert LatchId.UNEXPECTED_STATE in latched, "a permit of nobody's is not latched"
            assert stopped, "a permit of nobody's is not stopped"
        if told.state is State.EMITTING and not ours and not (held and going):
            assert LatchId.UNPERMITTED_LIGHT in latched, "light that nobody permitted is not latched"
            assert stopped, "light that nobody permitted is not stopped"
        if told.state in ARMED and before.meant is Intent.IDLE and not before.leaving:
            assert LatchId.UNEXPECTED_STATE in latched, "armed by nobody, and not latched"
            assert stopped, "armed by nobody, and not stopped"
        if told.state in ARMED and (told.open_interlocks or not told.calibrated or told.spot_um != SPOT_UM):
            assert stopped or before.plan == "", "what ends permission does not stop an armed laser"
        if faulty(told):
            assert LatchId.DEVICE_FAULT in latched, "the device's fault is not latched here"
        if before.last is not None and told.stop_epoch != before.last.stop_epoch:
            self.idle()
        waits = isinstance(before.asked, Arm) and told.arm_epoch == before.from_epoch
        if told.state not in ARMED and not waits:
            self.idle()
        elif ours and self.facts.meant is not Intent.IDLE:
            self.change(meant=Intent.PERMIT)
        elif self.facts.meant is Intent.PERMIT:
            self.change(meant=Intent.ARMED, granted=0, left=before.granted)

    def setpoint(self, what: str) -> None:
        """Read back, another than the plan's read back, or one is being committed."""
        if what == "":
            self.sup.requested(CommitSetpoint(SETPOINT.hash), self.now_us)
        else:
            self.sup.observe(SETPOINT if what == "read" else replace(SETPOINT, spot_um=4_000), self.now_us)
        if what == "" or self.facts.linked:
            self.change(setpoint=what)

    def telemetry(self, *, possible: bool = True) -> None:
        armed = self._may_be_armed()
        told = TELEMETRY if possible else replace(TELEMETRY, coolant_mc=-50_000)
        reactions = self.take(self.sup.observe(told, self.now_us))
        if self.facts.linked:
            self._quality(Input.TELEMETRY, possible)
            assert possible or not armed or stops(reactions), (
                "an impossible value does not stop an armed laser"
            )

    def counters(self) -> None:
        sequence = self.sup._known.sequence
        at = max(sequence._told, sequence.reported_to or 0)
        self.take(
            self.sup.observe(replace(COUNTERS, pulse_number=at, acknowledged=min(100, at)), self.now_us)
        )
        self.change(counters=self.facts.counters or self.facts.linked)

    def read_all(self) -> None:
        self.telemetry()
        self.counters()
        self.setpoint("read")

    # -- the pulses

    def pulse(self, whose: str, *, ahead: int = 1, **changes: Any) -> None:
        known = self.sup._known
        permit = {"open": known.books.open, "closing": known.books._closing}.get(whose)
        permit_id = permit.permit_id if permit else {"no": 0}.get(whose, NOT_OURS)
        number = (known.sequence.reported_to or 0) + ahead
        told = report(**{"pulse_number": number, "permit_id": permit_id} | changes)
        reactions = self.take(self.sup.observe(told, self.now_us))
        if any(isinstance(one, Note) and one.event == "plan_dropped" for one in reactions):
            self.change(plan="")
        flags = told.flags
        if permit is None and PulseFlag.SKIPPED not in flags:
            assert LatchId.UNPERMITTED_LIGHT in self.facts.latched, "a pulse that nobody permitted"
            assert stops(reactions), "a pulse that nobody permitted does not stop"
        if PulseFlag.UNKNOWN in flags:
            assert LatchId.UNCERTAIN in self.facts.latched, "a pulse that was not measured"
        if PulseFlag.DOUBLE in flags or told.monitor_a_uj > told.set_energy_uj:
            assert LatchId.PULSE_JUDGEMENT in self.facts.latched, "a pulse that was not as it was set"
            assert stops(reactions), "a pulse that was not as it was set does not stop"

    def overdue(self) -> None:
        """The patience with what is behind is over."""
        sequence = self.sup._known.sequence
        if sequence._waiting_since_us is not None:
            sequence._waiting_since_us = self.now_us - GAP_MAX_US - 1
            self.take(self.sup.tick(self.now_us))
            assert LatchId.COUNTER_GAP in self.facts.latched, "a report that does not come is not latched"

    def settle_count(self) -> None:
        sequence = self.sup._known.sequence
        self.sup.pulses_settled(max(sequence._told, sequence.reported_to or 0), self.now_us)
        self.change(counters=True)

    # -- the link

    def link_down(self) -> None:
        self.take(self.sup.link_down("silent", self.now_us))
        self.idle()
        self.change(linked=False, last=None, setpoint="", asked=None)
        self.change(good=self.facts.good - {Input.STATUS, Input.TELEMETRY})

    def link_up(self, **changes: Any) -> None:
        facts = self.facts
        levels: dict[str, Any] = {"serial": facts.serial, "boot": facts.boot, "recorded_to": 100} | changes
        link: LinkFacts = replace(LINK, **levels)
        self.take(self.sup.link_up(link, self.now_us))
        self.idle()
        if facts.linked_before:
            assert LatchId.RECONNECTED in self.facts.latched, "a reconnection is no trip"
        if facts.linked_before and link.serial == facts.serial and link.boot != facts.boot:
            assert LatchId.DEVICE_RESTARTED in self.facts.latched, "a restart is no trip"
        other = facts.linked_before and link.serial != facts.serial
        self.change(serial=link.serial, boot=link.boot, linked=True, linked_before=True)
        self.change(matches=link.interface_matches, counters=link.recorded_to is not None)
        self.change(plan="" if other else facts.plan, leaving=self.facts.leaving and not other)
        self.change(last=None, setpoint="", asked=None, left=0 if other else self.facts.left)
        self.change(good=self.facts.good - {Input.STATUS, Input.TELEMETRY})

    # -- time, and the daemon itself

    def age(self, which: Input) -> None:
        """This input's newest reading is older than it may be; everything else is as it was."""
        freshness, most_us = self.sup._known.freshness, FRESHNESS[which].max_age_us
        assert most_us is not None
        at_us, ok, text = freshness._readings.get(which, (0, False, ""))
        if ok:
            freshness._readings[which] = (min(at_us, self.now_us - most_us - 1), ok, text)
            freshness._to_us = freshness._from_us - 1  # what was judged was judged by the age before
            self.change(good=self.facts.good - {which})

    def grace_over(self) -> None:
        """The device has had its time to follow."""
        books = self.sup._known.books
        if books._grace_until_us is not None:
            books._grace_until_us = self.now_us - 1
        self.change(leaving=False)

    def tick(self) -> None:
        armed, good = self._may_be_armed(), self.facts.good
        reactions = self.take(self.sup.tick(self.now_us))
        late = not good >= {Input.TICK, Input.STATUS}
        assert not (armed and late) or stops(reactions), "what is not fresh does not stop an armed laser"
        self._quality(Input.TICK, True)

    def lag(self, lag_us: float) -> None:
        armed = self._may_be_armed()
        reactions = self.take(self.sup.loop_lag(lag_us, self.now_us))
        good = 0 <= lag_us <= 100_000
        assert good or not armed or stops(reactions), "a loop that lags does not stop an armed laser"
        self._quality(Input.LOOP, good)

    def task_ends(self) -> None:
        self._trips_if_armed(lambda: self.sup.task_ended("mqtt", self.now_us), LatchId.TASK_ENDED)
        self._quality(Input.TASKS, False)

    def store(self, *, ok: bool) -> None:
        if ok:
            self.take(self.sup.store_state(True, "written", self.now_us))
        else:
            self._trips_if_armed(
                lambda: self.sup.store_state(False, "disk full", self.now_us), LatchId.STORE_FAILED
            )
        self._quality(Input.STORE, ok)

    def calibration(self, *, ok: bool) -> None:
        self.take(self.sup.calibration_state(ok, "its date", self.now_us))
        self._quality(Input.CALIBRATION, ok)

    def operator(self, *, treats: bool, serves: bool) -> None:
        armed, name = self._may_be_armed(), "ada" if treats else None
        reactions = self.take(
            self.sup.operator_present(name, self.now_us, may_treat=treats, may_serve=serves)
        )
        enough = treats and (serves or self.facts.plan != "service")
        assert enough or not armed or stops(reactions), "an armed laser goes on without its operator"
        self.change(treats=treats, serves=serves)
        self._quality(Input.OPERATOR, treats)

    def load(self, name: str) -> None:
        assert self.sup.load_plan(PLANS[name], DEVICE, 0, self.now_us) == ()
        self.idle()
        self.change(plan=name)

    def drop(self) -> None:
        self.sup.drop_plan(self.now_us)
        self.idle()
        self.change(plan="")

    def _trips_if_armed(self, event: Any, which: LatchId) -> None:
        armed = self._may_be_armed()
        reactions = self.take(event())
        assert which in self.facts.latched, f"{which.value} is not latched"
        assert not armed or stops(reactions), f"{which.value} does not stop an armed laser"

    def _quality(self, which: Input, good: bool) -> None:
        self.change(good=self.facts.good | {which} if good else self.facts.good - {which})

    def _may_be_armed(self) -> bool:
        last = self.facts.last
        return self.facts.meant is not Intent.IDLE or (last is not None and last.state in ARMED)
