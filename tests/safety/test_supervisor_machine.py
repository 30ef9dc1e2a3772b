"""Random walks of device, daemon and people over the supervisor, against invariants stated on their own."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocols.faults import Fault
from protocols.interlocks import Interlock
from protocols.messages import Intent, PulseFlag, Stop
from protocols.requests import ReadCounters, Standby
from protocols.states import ARMED, State
from safety.reactions import LatchSet, StopNow
from tests.safety.desk import Desk
from tests.safety.laser import ARM, COUNTERS, GRANT, SETPOINT, TELEMETRY

pytestmark = pytest.mark.shows("REQ-001", "REQ-037", "HZ-001")

TIMES_US = st.sampled_from([0, 1, 20_000, 50_000, 100_000, 100_001, 300_001, 1_600_000])


class SupervisorMachine(RuleBasedStateMachine):
    """The walk keeps its own model of what is fresh, open and healthy."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.linked = False
        self.status_at_us: int | None = None
        self.tick_at_us: int | None = None
        self.lag_at_us: int | None = None
        self.lag_ok = False
        self.tasks: set[str] = set()
        self.store_ok = False
        self.may_treat = False
        self.open_commands: set[str] = set()
        self.commands = 0
        self.permits = 900

    # -- what happens

    @initialize(good=st.booleans(), mortal=st.booleans())
    def begin(self, good: bool, mortal: bool) -> None:
        self.mortal = mortal  # a task that ended never runs again: histories without one go further
        if good:
            self.desk.in_standby()
            now_us = self.desk.now_us
            self.linked, self.status_at_us, self.tick_at_us, self.lag_at_us = True, now_us, now_us, now_us
            self.lag_ok = self.store_ok = self.may_treat = True

    @rule(us=TIMES_US)
    def time_passes(self, us: int) -> None:
        self.desk.wait(us)

    @rule()
    def ticks(self) -> None:
        self.desk.take(self.desk.supervisor.tick(self.desk.now_us))
        self.tick_at_us = self.desk.now_us

    @rule(lag_us=st.sampled_from([0, 100_000, 100_001, -1, float("nan")]))
    def measures(self, lag_us: float) -> None:
        self.desk.take(self.desk.supervisor.loop_lag(lag_us, self.desk.now_us))
        self.lag_at_us, self.lag_ok = self.desk.now_us, lag_us in {0, 100_000}

    @precondition(lambda self: self.mortal)
    @rule(name=st.sampled_from(["writer", "mqtt"]))
    def task(self, name: str) -> None:
        self.desk.take(self.desk.supervisor.task_ended(name, self.desk.now_us))
        self.tasks.add(name)

    @rule(ok=st.booleans())
    def store(self, ok: bool) -> None:
        self.desk.take(self.desk.supervisor.store_state(ok, "said so", self.desk.now_us))
        self.store_ok = ok

    @rule(name=st.sampled_from([None, "ada"]), may=st.booleans())
    def operator(self, name: str | None, may: bool) -> None:
        reactions = self.desk.supervisor.operator_present(name, self.desk.now_us, may_treat=may)
        self.desk.take(reactions)
        self.may_treat = name is not None and may

    @rule(boot=st.sampled_from([7, 7, 8]))
    def reconnects(self, boot: int) -> None:
        self.desk.take(self.desk.supervisor.link_down("silent", self.desk.now_us))
        view = self.desk.supervisor.view(self.desk.now_us)
        self.desk.connect(boot=boot, recorded_to=max(view.reported_to or 100, 100))
        self.desk.last = replace(self.desk.last, boot=boot, state=State.STANDBY, permit_id=0)
        self.linked, self.status_at_us = True, None

    @rule()
    def cable_is_pulled(self) -> None:
        self.desk.take(self.desk.supervisor.link_down("unplugged", self.desk.now_us))
        self.linked, self.status_at_us = False, None

    @rule(
        state=st.sampled_from([None, None, None, *State]),
        door=st.sampled_from([False, False, False, True]),
        fault=st.sampled_from([False, False, False, True]),
        calibrated=st.sampled_from([True, True, True, False]),
        keeps_permit=st.booleans(),
    )
    def device_speaks(
        self, state: State | None, door: bool, fault: bool, calibrated: bool, keeps_permit: bool
    ) -> None:
        changes = {
            "state": self.desk.last.state if state is None else state,
            "open_interlocks": frozenset({Interlock.DOOR}) if door else frozenset(),
            "first_fault": Fault.DOOR if fault else Fault.NONE,
            "fault_instance": 3 if fault else 0,
            "calibrated": calibrated,
        }
        if not keeps_permit:
            changes["permit_id"] = 0
        self.desk.status(**changes)
        if self.linked:
            self.status_at_us = self.desk.now_us

    @rule()
    def device_tells_all(self) -> None:
        for message in (TELEMETRY, SETPOINT, replace(COUNTERS, pulse_number=self.desk.last.pulse_number)):
            self.desk.observe(message)

    @rule(
        ahead=st.sampled_from([0, 1, 1, 1, 2, 9]),
        permit=st.sampled_from(["ours", "ours", "ours", "none", "other"]),
        energy_uj=st.sampled_from([173_000, 173_000, 250_000]),
        flag=st.sampled_from([None, None, None, PulseFlag.UNKNOWN, PulseFlag.DOUBLE]),
    )
    def device_fires(self, ahead: int, permit: str, energy_uj: int, flag: PulseFlag | None) -> None:
        reactions = self.desk.fire(
            max(1, self.desk.last.pulse_number + ahead),
            permit_id={"ours": self.permits, "none": 0, "other": 5}[permit],
            monitor_a_uj=energy_uj,
            monitor_b_uj=energy_uj,
            flags=frozenset({flag}) if flag else frozenset(),
            boot=self.desk.last.boot,
        )
        if self.linked and ahead == 1 and permit != "ours":
            assert any(isinstance(reaction, StopNow) for reaction in reactions)

    # -- what people and the daemon do

    @rule()
    def arms(self) -> None:
        self.desk.arm()

    @rule(pulses=st.sampled_from([1, 5, 20, 21]))
    def grants(self, pulses: int) -> None:
        self.permits += 1
        self.desk.grant(permit_id=self.permits, pulses=pulses)

    @rule()
    def asks_for_standby(self) -> None:
        self.desk.send(Standby())

    @rule()
    def stops(self) -> None:
        self.desk.take(self.desk.supervisor.stop_requested("ada", self.desk.now_us))
        self.desk.supervisor.requested(Stop(1), self.desk.now_us)

    @rule()
    def loses_an_answer(self) -> None:
        self.commands += 1
        command = f"cmd-{self.commands}"
        reactions = self.desk.take(self.desk.supervisor.uncertain(command, "lost", self.desk.now_us))
        self.open_commands.add(command)
        assert any(isinstance(reaction, StopNow) for reaction in reactions)

    @precondition(lambda self: self.open_commands)
    @rule()
    def settles(self) -> None:
        self.desk.supervisor.settled(self.open_commands.pop())

    @rule()
    def settles_the_count(self) -> None:
        self.desk.supervisor.pulses_settled(self.desk.last.pulse_number, self.desk.now_us)

    @rule()
    def acknowledges(self) -> None:
        before = set(self.desk.latches())
        refused = self.desk.acknowledge_all()
        if refused:
            assert set(self.desk.latches()) == before
            return
        assert not self.desk.latches()
        if before:  # nothing is taken off while its cause is there, or the laser may be armed
            assert self.fresh("status")
            assert self.desk.last.state not in ARMED
            assert not self.open_commands or "uncertain" not in {which.value for which in before}
            assert not self.tasks
            assert self.store_ok or "store_failed" not in {which.value for which in before}
            assert self.desk.supervisor.view(self.desk.now_us).intent is Intent.IDLE

    # -- what always holds

    def fresh(self, which: str) -> bool:
        at_us, most = {
            "status": (self.status_at_us, 300_000),
            "tick": (self.tick_at_us, 100_000),
            "lag": (self.lag_at_us, 500_000),
        }[which]
        return at_us is not None and self.desk.now_us - at_us <= most

    def healthy(self) -> bool:
        return (
            self.linked
            and self.fresh("status")
            and self.fresh("tick")
            and self.fresh("lag")
            and self.lag_ok
            and not self.tasks
            and not self.open_commands
            and not self.desk.latches()
        )

    @invariant()
    def no_heartbeat_leaves_unless_all_is_known_and_good(self) -> None:
        heartbeat = self.desk.supervisor.heartbeat(self.desk.now_us)
        if heartbeat is not None:
            assert self.healthy()
            assert heartbeat.challenge == self.desk.last.challenge

    @invariant()
    def nothing_that_permits_leaves_unless_all_is_known_and_good(self) -> None:
        arm = replace(ARM, stop_epoch=self.desk.last.stop_epoch)
        grant = replace(
            GRANT,
            permit_id=99_999,
            pulses=1,
            boot=self.desk.last.boot,
            arm_epoch=self.desk.last.arm_epoch,
            stop_epoch=self.desk.last.stop_epoch,
        )
        for message, state in ((arm, State.STANDBY), (grant, State.READY)):
            if not self.desk.refused(message):
                assert self.healthy()
                assert self.store_ok
                assert self.may_treat
                assert self.desk.last.state is state
                assert not self.desk.last.open_interlocks
                assert self.desk.last.first_fault is Fault.NONE
                assert self.desk.last.calibrated

    @invariant()
    def stop_and_reads_always_leave(self) -> None:
        assert not self.desk.refused(Stop(1))
        assert not self.desk.refused(ReadCounters())
        assert bool(self.desk.refused(Standby())) == (not self.linked)

    @invariant()
    def a_latch_leaves_no_intent_behind(self) -> None:
        view = self.desk.supervisor.view(self.desk.now_us)
        if view.latches:
            assert view.intent is Intent.IDLE
            assert view.arming_refused
            assert view.heartbeat_withheld

    @invariant()
    def no_more_is_given_than_was_planned_or_it_is_latched(self) -> None:
        view = self.desk.supervisor.view(self.desk.now_us)
        if view.plan is not None and view.plan_done > view.plan_pulses:
            assert any(isinstance(reaction, LatchSet) for reaction in self.desk.reactions)


TestSupervisorMachine = SupervisorMachine.TestCase
TestSupervisorMachine.settings = settings(max_examples=40, stateful_step_count=40)
