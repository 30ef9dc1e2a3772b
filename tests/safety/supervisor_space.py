"""The supervisor as a machine that can be enumerated: its state as a class, what can happen, what must hold.

What may happen is grouped into families. Every family has the protocol of arming and granting; what is of
another family stays good, which gives permission its best chance: what is not good only ever takes away
(`test_what_is_not_good_only_ever_takes_away`). Time stands still, and each age that the supervisor knows
passes its limit by itself, whenever it likes: whatever a clock could bring about is among it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import Intent, PulseFlag, Result, Status, Stop
from protocols.refusals import Refusal
from protocols.requests import ReadCounters
from protocols.states import State
from safety.freshness import FRESHNESS, Consequence, Input, Quality
from safety.gate import has_fault
from safety.latches import LatchId
from safety.permits import LEAVE_US
from tests.safety.desk import Desk
from tests.safety.laser import DEVICE, SETPOINT
from tests.safety.supervisor_facts import PLANS, SPOT_UM, Facts
from tests.safety.supervisor_moves import Moves
from tests.space import Frozen, freeze, thaw

FAMILIES = ("protocol", "link", "time", "record", "people", "device", "pulses")
MEMORYLESS = frozenset(  # these latches have no cause that could stay: they are alike, one stands for any
    {
        LatchId.START_UP,
        LatchId.RECONNECTED,
        LatchId.DEVICE_RESTARTED,
        LatchId.STALE,
        LatchId.UNPERMITTED_LIGHT,
        LatchId.PULSE_JUDGEMENT,
    }
)
NEEDED = frozenset(w for w, row in FRESHNESS.items() if Consequence.WITHHOLDS in row.consequences)
HONEST: tuple[tuple[State, str, str], ...] = (  # what a device in order tells, and one thing that it must not
    (State.STANDBY, "", "base"),
    (State.STANDBY, "", "ours"),
    (State.READY, "", "ours"),
    (State.READY, "open", "ours"),
    (State.EMITTING, "open", "ours"),
    (State.EMITTING, "other", "ours"),
)
ANYTHING: tuple[tuple[State, str, str], ...] = (
    *((State.STANDBY, held, epoch) for held in ("", "open", "other") for epoch in ("base", "ours")),
    (State.OFF, "", "base"),
    *((State.ARMING, "", epoch) for epoch in ("base", "ours", "other")),
    *(
        (state, held, epoch)
        for state in (State.READY, State.EMITTING)
        for held in ("", "open", "closing", "other")
        for epoch in ("base", "ours", "other")
    ),
)
FLAWS: dict[str, dict[str, Any]] = {
    "door open": {"open_interlocks": frozenset({Interlock.DOOR})},
    "blocked": {"blocks": frozenset({Refusal.FOOT_HELD})},
    "uncalibrated": {"calibrated": False},
    "other spot": {"spot_um": 4_000},
    "other set-point": {"setpoint_hash": 1},
    "stopped": {"stop_epoch": 1},
    "fault": {"first_fault": Fault.DOOR, "fault_instance": 3, "state": State.FAULT},
    "another fault": {"first_fault": Fault.ESTOP, "fault_instance": 4, "state": State.FAULT},
    "fault, state not": {"faults": frozenset({Fault.DOOR})},
}
Acts = dict[str, Callable[[], None]]
_FACTS = 9  # its place in the key


class SupervisorSpace(Moves):
    """One supervisor, and what may happen to it besides the protocol: one family, or several."""

    def __init__(self, *families: str) -> None:
        desk = Desk().in_standby()
        self.families = families
        self.sup, self.now_us, self.facts = desk.supervisor, desk.now_us, Facts(last=desk.last)
        if "pulses" in families:
            self.load("series")
        self._acts = self._protocol()
        for family in families:
            self._acts |= self._family(family)
        self.armable: set[Any] = set()  # the classes in which an Arm may leave
        self._good = self.save()

    def starts(self) -> list[tuple[str, Any]]:
        """All good in STANDBY; where the link is the matter, a process that has just begun as well."""
        if "link" not in self.families:
            return [("all good in STANDBY", self._good)]
        desk = Desk()
        desk.daemon()
        self.sup = desk.supervisor
        assert self.sup.load_plan(PLANS["plain"], DEVICE, 0, self.now_us) == ()
        known = frozenset(Input) - {Input.STATUS, Input.TELEMETRY}
        self.facts = Facts(linked=False, linked_before=False, good=known, setpoint="", counters=False)
        self.change(latched=frozenset({LatchId.START_UP}))
        return [("all good in STANDBY", self._good), ("a process that just began", self.save())]

    # -- what can happen

    def acts(self) -> Iterator[str]:
        books, behind = self.sup._known.books, self.sup._known.sequence.behind
        absent = {
            "answer": self.facts.asked is None,
            "open permit": books.open is None,
            "closing permit": books._closing is None,
            "ahead": behind,
            "before": behind,
        }
        left_out = [word for word, is_absent in absent.items() if is_absent]
        return (name for name in self._acts if not any(word in name for word in left_out))

    def act(self, name: str) -> None:
        self._acts[name]()

    def _family(self, family: str) -> Acts:
        match family:
            case "protocol":
                return self._answers()
            case "link":
                return self._link()
            case "time":
                return self._time()
            case "record":
                return self._record()
            case "people":
                return self._people()
            case "device":
                return self._device()
            case _:
                return self._pulses()

    def _protocol(self) -> Acts:
        told = HONEST
        if self.families == ("protocol",):
            told = ANYTHING
        elif self.families == ("pulses",):
            told = HONEST[1:4]
        acts: Acts = {
            f"{state.name}, {held or 'no'} permit, {epoch}": partial(self.tell, state, held, epoch)
            for state, held, epoch in told
        }
        return acts | {
            "arm": self.arm,
            "grant": self.grant,
            "answer: done": partial(self.answer, Result.DONE),
            "stop": self.stop,
            "acknowledge": self.acknowledge,
            "the device had its time to follow": self.grace_over,
        }

    def _answers(self) -> Acts:
        return {
            "repeat": self.repeat,
            "answer: refused": partial(self.answer, Result.REFUSED),
            "answer: it never left": partial(self.answer, None),
            "answer: lost": self.answer_lost,
            "settle": self.settle,
            "ask for standby": self.standby,
        }

    def _link(self) -> Acts:
        return {
            "link down": self.link_down,
            "link up": self.link_up,
            "link up, another interface": partial(self.link_up, interface_matches=False),
            "link up, restarted": lambda: self.link_up(boot=self.facts.boot ^ 1),
            "link up, another laser": lambda: self.link_up(serial=self.facts.serial[::-1], recorded_to=None),
            "Status of another start": partial(self.tell, State.READY, "", "ours", boot=99),
            "Status of an earlier time": partial(self.tell, State.STANDBY, "", "base", device_time_us=1),
            "read all": self.read_all,
            "load": partial(self.load, "plain"),
        }

    def _time(self) -> Acts:
        return {
            "Status ages": partial(self.age, Input.STATUS),
            "tick ages": partial(self.age, Input.TICK),
            "loop ages": partial(self.age, Input.LOOP),
            "tick": self.tick,
            "loop in time": partial(self.lag, 100_000),
            "loop late": partial(self.lag, 100_001),
            "loop before its time": partial(self.lag, -1),
            "loop not a number": partial(self.lag, float("nan")),
        }

    def _record(self) -> Acts:
        return {
            "store good": partial(self.store, ok=True),
            "store bad": partial(self.store, ok=False),
            "a task ends": self.task_ends,
            "telemetry": self.telemetry,
            "telemetry impossible": partial(self.telemetry, possible=False),
            "telemetry ages": partial(self.age, Input.TELEMETRY),
        }

    def _people(self) -> Acts:
        return {
            "nobody": partial(self.operator, treats=False, serves=False),
            "operator": partial(self.operator, treats=True, serves=False),
            "service": partial(self.operator, treats=True, serves=True),
            "calibration young": partial(self.calibration, ok=True),
            "calibration old": partial(self.calibration, ok=False),
            "load": partial(self.load, "plain"),
            "load for service": partial(self.load, "service"),
            "drop": self.drop,
        }

    def _device(self) -> Acts:
        acts: Acts = {}
        for flaw, changes in FLAWS.items():
            for state, held in ((State.STANDBY, ""), (State.EMITTING, "open")):
                told: dict[str, Any] = {"state": state, "held": held, "epoch": "ours"} | changes
                acts[f"{state.name}, {held or 'no'} permit, {flaw}"] = partial(self.tell, **told)
        return acts | {
            "read the set-point": partial(self.setpoint, "read"),
            "read another set-point": partial(self.setpoint, "other"),
            "commit": partial(self.setpoint, ""),
        }

    def _pulses(self) -> Acts:
        def flagged(flag: PulseFlag) -> Callable[[], None]:
            return partial(self.pulse, "open", flags=frozenset({flag}))

        return {
            "arm": partial(self.answered, self.arm),
            "grant": partial(self.answered, self.grant),
            "pulse, open permit": partial(self.pulse, "open"),
            "pulse, closing permit": partial(self.pulse, "closing"),
            "pulse, no permit": partial(self.pulse, "no"),
            "pulse, other permit": partial(self.pulse, "other"),
            "pulse unknown, open permit": flagged(PulseFlag.UNKNOWN),
            "pulse skipped, open permit": flagged(PulseFlag.SKIPPED),
            "pulse double, open permit": flagged(PulseFlag.DOUBLE),
            "pulse too strong, open permit": partial(self.pulse, "open", monitor_a_uj=250_000),
            "pulse too late, open permit": partial(self.pulse, "open", device_time_us=60_020_001),
            "pulse before the one before it, open permit": partial(self.pulse, "open", ahead=2),
            "counter ahead: behind": partial(self.tell, State.STANDBY, "", "ours", ahead=1),
            "counter back": partial(self.tell, State.STANDBY, "", "ours", ahead=-1),
            "the report does not come": self.overdue,
            "counters": self.counters,
            "settle the count": self.settle_count,
            "load": partial(self.load, "series"),
        }

    # -- what always holds

    def check(self) -> None:
        sup, facts, now_us = self.sup, self.facts, self.now_us
        intent, latched = sup._known.books.intent, {latch.id for latch in sup.latches}
        assert intent <= facts.meant, f"{intent.name} came up without anybody's asking"
        assert latched == facts.latched, f"the latches are not those of the ledger: {latched ^ facts.latched}"
        assert not (latched and intent is not Intent.IDLE), "permission beside a latch"
        assert not sup.refusals(Stop(1), now_us), "a stop may not leave"
        assert not sup.refusals(ReadCounters(), now_us), "a read may not leave"
        beat = sup.heartbeat(now_us)
        known = (
            facts.linked and facts.matches and facts.last is not None and not latched and not facts.uncertain
        )
        alive = known and facts.good >= NEEDED
        assert (beat is not None) is alive, "a heartbeat leaves, or is withheld, against what is known"
        assert beat is None or (beat.intent is intent and beat.challenge == facts.last.challenge)  # type: ignore[union-attr] # alive
        arm, grant = self.may(State.STANDBY), self.may(State.READY)
        self.armable |= {self.key()} if arm else set()
        if sup._known.in_flight is None:
            told = sup.refusals(self.arm_message(), now_us)
            assert bool(told) is not arm, "Arm, against what is known"
            assert bool(sup.refusals(self.grant_message(), now_us)) is not grant, (
                "Grant, against what is known"
            )
            assert all(why.text and why.action for why in told), "a refusal does not say what to do"

    def may(self, state: State) -> bool:
        """Whether a first Arm (STANDBY) or Grant (READY) may leave, by the facts alone."""
        facts, last = self.facts, self.facts.last
        assert bool(facts.plan) is (self.sup._known.plan is not None), (
            "the plan is not the one that was loaded"
        )
        plan_done = facts.plan == "series" and self.sup.view(self.now_us).plan_done >= 2
        return (
            facts.linked
            and facts.matches
            and last is not None
            and facts.good == frozenset(Input)
            and facts.treats
            and bool(facts.plan)
            and not plan_done
            and (facts.serves or facts.plan != "service")
            and facts.setpoint == "read"
            and facts.counters
            and not facts.uncertain
            and not facts.latched
            and last.state is state
            and not (last.open_interlocks or last.blocks or has_fault(last))
            and last.calibrated
            and last.spot_um == SPOT_UM
            and last.setpoint_hash == SETPOINT.hash
            and not self.sup._known.sequence.behind
            and (facts.meant is Intent.IDLE if state is State.STANDBY else self._armed_by_answer())
            and not facts.granted
        )

    def _armed_by_answer(self) -> bool:
        facts, last = self.facts, self.facts.last
        ours = last is not None and last.arm_epoch == facts.from_epoch + 1
        return ours and self.sup._known.books.standing()[1] is not None and facts.meant is Intent.ARMED

    @staticmethod
    def has_to_end(key: Any) -> bool:
        """Whether arming again needs more than an operator: a restart of the daemon."""
        good: frozenset[Input] = key[_FACTS][0]
        return Input.TASKS not in good

    def key_after_waiting(self, for_us: int) -> Any:
        """The class after `now_us` went on by so much, with the facts that this makes."""
        for which, row in FRESHNESS.items():
            if row.max_age_us is not None and for_us > row.max_age_us:
                self.change(good=self.facts.good - {which})
        if for_us > LEAVE_US:
            self.change(leaving=False)
        return self.key()

    # -- saved, restored, and abstracted

    def save(self) -> tuple[Any, Frozen, Facts]:
        known = self.sup._known
        books = known.books
        things = [self.sup, known, known.freshness, known.latches, books, known.sequence]
        things += [*books._permits.values(), *([books._arming] if books._arming else [])]
        return self.sup, freeze(things), self.facts

    def restore(self, saved: tuple[Any, Frozen, Facts]) -> None:
        self.sup, frozen, self.facts = saved
        thaw(frozen)

    def key(self) -> Any:
        known, facts = self.sup._known, self.facts
        books, sequence, arming = known.books, known.sequence, known.books._arming
        reached = sequence.reported_to
        return (
            tuple(seen is Quality.GOOD for seen in known.freshness.qualities(self.now_us).values()),
            frozenset("memoryless" if one.id in MEMORYLESS else one.id for one in known.latches.standing()),
            (facts.linked, facts.linked_before, facts.matches, facts.setpoint, facts.plan),
            self._device_class(known.device),
            arming and (arming.epoch is None),
            self._permit_class(books.open),
            books._grace_until_us is not None and books._grace_until_us >= self.now_us,
            self._permit_class(books._closing),
            (type(known.in_flight), type(facts.asked), known.in_flight == facts.asked),
            (facts.good, facts.latched - MEMORYLESS, facts.uncertain),
            (known.may_serve, facts.treats, facts.meant, bool(facts.granted), facts.leaving),
            known.plan and min(known.plan.done, PLANS["series"].pulses),
            (bool(known.uncertain), bool(known.unknown_pulses), bool(sequence.broken)),
            (
                reached is None,
                sequence.behind and sequence._told - (reached or 0),
                sequence.overdue(self.now_us),
            ),
            frozenset(number - (reached or 0) for number in sequence._recent if number > (reached or 0)),
        )

    def _permit_class(self, permit: Any) -> Any:
        if permit is None or ("pulses" not in self.families and permit is self.sup._known.books._closing):
            return permit is not None
        now = self.sup._known.plan
        mine = (permit.permit_id == self.facts.granted, permit.permit_id == self.facts.left)
        of_plan = now is not None and permit.plan_number == now.number
        return (
            permit.granted,
            permit.refused,
            min(permit.counted, 2),
            permit.ended_us is not None,
            of_plan,
            mine,
        )

    def _device_class(self, device: Status | None) -> Any:
        if device is None:
            return None
        arming, permits = self.sup._known.books._arming, self.sup._known.books
        held = [0, *(permit and permit.permit_id for permit in (permits.open, permits._closing))]
        return (
            device.state,
            held.index(device.permit_id) if device.permit_id in held else -1,
            arming and (min(device.arm_epoch - arming.base_epoch, 2), device.arm_epoch == arming.epoch),
            bool(device.open_interlocks),
            has_fault(device),
            device.fault_instance == self.sup._latched_instance,
            bool(device.blocks),
            device.calibrated,
            device.setpoint_hash == SETPOINT.hash,
            device.spot_um,
            device.device_time_us > 1,
        )
