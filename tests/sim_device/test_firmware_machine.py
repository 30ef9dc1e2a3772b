"""Random people, rooms and lines around the device alone, against an oracle written from docs/states.md.

The oracle knows no firmware: it keeps what people did and when, says in which states the laser may be, and
asks of every lamp trigger whether permit, fresh press, host and contacts allowed it at that microsecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocols.messages import PulseFlag, Result
from protocols.requests import Acknowledge, SetAiming, Standby
from protocols.states import ARMED, State
from sim_device.firmware import core
from sim_device.firmware.comms import Comms
from sim_device.firmware.device import Device
from sim_device.firmware.footswitch import Footswitch
from sim_device.firmware.host import Host
from sim_device.firmware.pulser import Order, Pulser
from tests.sim_device.bench import MS, SETPOINT, Bench, S, at

pytestmark = pytest.mark.shows("REQ-001", "REQ-002", "REQ-003", "REQ-005", "REQ-008")

CONTACTS = ("door_closed", "remote_closed", "arm_connected")  # these latch while armed, and refuse elsewhere
ALWAYS = ("estop_a_closed", "cover_b_closed", "mains_ok")  # these latch wherever the key is on
FOOT_STABLE_US = 5 * MS
READY_AFTER_US = (2 * S, 4 * S)  # REQ-002
SILENT_US = (100 * MS, 250 * MS)  # alive for at least, and no longer than (REQ-032)
HELD_US = 12 * S  # a foot that is held for so long after an arming began ends it
PERIOD_US = 100 * MS
START_UP = frozenset({State.SELF_TEST, State.WARM_UP, State.CALIBRATING, State.STANDBY})


class Seen(Bench):
    """A bench whose machine looks at every trigger."""

    machine: FirmwareMachine | None = None

    def step(self, received: bytes = b"") -> None:
        count = len(self.triggers)
        super().step(received)
        if self.machine is not None and len(self.triggers) > count:
            self.machine.light()


class FirmwareMachine(RuleBasedStateMachine):
    """What people did, and where the laser may be by that."""

    def __init__(self) -> None:
        super().__init__()
        bench = at("set")
        bench.__class__ = Seen
        assert isinstance(bench, Seen)
        self.bench, bench.machine = bench, self
        self.state = State.STANDBY
        self.set, self.latched = True, False
        self.armed_at_us = 0
        self.silent_since_us: int | None = None
        self.left, self.permit_ends_us, self.permits = 0, 0, 0
        self.granted_at_us = 0
        self.pressed_at_us: int | None = None
        self.fresh = False  # the press began after the permit was granted
        self.fired_at_us = -S

    # -- what is asked of the laser

    def light(self) -> None:
        bench, now_us = self.bench, self.bench.now_us
        if PulseFlag.CALIBRATION in bench.firmware.device.memory.report(len(bench.triggers)).flags:
            assert not bench.inputs.shutter_open_switch, "calibration light leaves the aperture"
            return
        assert self.left > 0, "light without a permit"
        assert now_us < self.permit_ends_us, "light after the permit's end"
        assert self.pressed_at_us is not None, "light without the foot"
        assert self.fresh, "light by a press that is older than the permit"
        assert now_us - self.pressed_at_us >= FOOT_STABLE_US, "light by a press that was not stable"
        assert now_us - self.fired_at_us >= PERIOD_US, "light too early after light"
        assert self.state is not State.FAULT, "light in FAULT"
        closed = all(getattr(bench.inputs, name) for name in (*CONTACTS, *ALWAYS, "key_on"))
        assert closed, "light with an open contact"
        silent = self.silent_since_us is not None and now_us - self.silent_since_us > SILENT_US[1]
        assert not silent, "light without a host"
        self.left -= 1
        self.fired_at_us = now_us

    def may_be(self) -> frozenset[State]:
        """Where it may be, from where it was and what has gone by since."""
        bench, now_us, state = self.bench, self.bench.now_us, self.state
        if not bench.inputs.key_on:
            return frozenset({State.OFF})
        if self.latched:
            return frozenset({State.FAULT})
        if state in START_UP - {State.STANDBY}:
            return START_UP
        if state not in ARMED:
            return frozenset({state})
        also: set[State] = set()
        if self.silent_since_us is not None and now_us - self.silent_since_us > SILENT_US[0]:
            if now_us - self.silent_since_us > SILENT_US[1]:
                return frozenset({State.FAULT})
            also.add(State.FAULT)
        if state is State.ARMING:
            return frozenset(also | self._arming(now_us - self.armed_at_us))
        permit = self.left > 0 and now_us < self.permit_ends_us
        if self.pressed_at_us is not None and self.fresh and (permit or state is State.EMITTING):
            lasts_us = now_us - self.pressed_at_us
            if lasts_us < FOOT_STABLE_US:
                return frozenset(also | {State.READY})
            return frozenset(also | ({State.EMITTING} if permit else {State.EMITTING, State.READY}))
        return frozenset(also | {State.READY})

    def _arming(self, since_us: int) -> set[State]:
        if since_us < READY_AFTER_US[0]:
            return {State.ARMING}
        if self.pressed_at_us is None:
            return {State.ARMING, State.READY} if since_us < READY_AFTER_US[1] else {State.READY}
        return {State.ARMING, State.READY} if since_us < HELD_US else {State.STANDBY, State.READY}

    @invariant()
    def it_is_where_it_may_be(self) -> None:
        """Of what it may be it is one, and what follows from that one is expected from here on."""
        now = self.bench.state
        assert now in self.may_be(), f"{now.name}, not {', '.join(one.name for one in self.may_be())}"
        if now is State.FAULT:
            self.latched = True
        if now not in ARMED:
            self.left = 0
        if now is State.READY and (self.state is State.ARMING or self.left == 0):
            self.fresh = False
        self.state = now

    @invariant()
    def nothing_is_driven_where_it_may_not_be(self) -> None:
        lit = self.state in {State.EMITTING, State.CALIBRATING, State.ARMING}
        out = self.bench.outputs
        assert lit or not (out.gate_enable or out.shutter_open)
        assert self.state in {State.READY, State.EMITTING, State.CALIBRATING} or not out.dump_hold
        assert bool(self.bench.firmware.device.permit.held) <= (self.state in {State.READY, State.EMITTING})

    # -- people

    @initialize(steps=st.integers(0, 6))
    def begins(self, steps: int) -> None:
        self.goes_on(steps)

    @rule(us=st.sampled_from([MS, 4_999, 5_001, 20 * MS, 60 * MS, 130 * MS, 400 * MS, 2_100 * MS, 4 * S]))
    def time_passes(self, us: int) -> None:
        """In pieces, so that no state is passed unseen."""
        end_us = self.bench.now_us + us
        while self.bench.now_us < end_us:
            self.bench.run(min(10 * MS, end_us - self.bench.now_us))
            self.it_is_where_it_may_be()

    @rule()
    def arms(self) -> None:
        inputs, foot = self.bench.inputs, self.pressed_at_us is not None
        alive = self.silent_since_us is None
        good = all(getattr(inputs, name) for name in (*CONTACTS, *ALWAYS, "key_on"))
        done = self.bench.ask(self.bench.arm_request()).result is Result.DONE
        expected = self.state is State.STANDBY and self.set and good and not foot and not self.latched
        assert done <= expected, "it armed against what refuses"
        if expected and alive and self.bench.inputs.aiming_uw and self.bench.now_us - self.up_since_us > S:
            assert done, "it did not arm although nothing refuses"
        if done:
            self.state, self.armed_at_us, self.left = State.ARMING, self.bench.now_us, 0

    up_since_us = 0  # since when session and host are as they are

    @rule(pulses=st.integers(1, 3), lasts_us=st.sampled_from([150 * MS, 100 * S]))
    def grants(self, pulses: int, lasts_us: int) -> None:
        self.permits += 1
        ends_us = self.bench.now_us - self.bench.boot_us + lasts_us
        request = self.bench.grant_request(pulses, self.permits, ends_us=ends_us)
        done = self.bench.ask(request).result is Result.DONE
        held = self.left > 0 and self.bench.now_us < self.permit_ends_us
        foot = self.pressed_at_us is not None
        assert done <= (self.state is State.READY and not foot and not held), "a grant against what refuses"
        if done:
            self.left, self.permit_ends_us, self.fresh = pulses, self.bench.now_us + lasts_us, False
            self.granted_at_us = self.bench.now_us

    @precondition(lambda self: self.pressed_at_us is None)
    @rule()
    def presses(self) -> None:
        self.pressed_at_us = self.bench.now_us
        # At the very microsecond of the grant it is not after it.
        self.fresh = self.left > 0 and self.state is State.READY and self.bench.now_us > self.granted_at_us
        self.bench.press()

    @precondition(lambda self: self.pressed_at_us is not None)
    @rule(contact=st.sampled_from(["foot_a_closed", "foot_b_closed"]))
    def releases(self, contact: str) -> None:
        """One contact opens first: that is a release at once."""
        self.pressed_at_us, self.fresh = None, False
        self.bench.set(**{contact: False})
        if self.state is State.EMITTING:
            self.state = State.READY
        gated = self.bench.outputs.gate_enable
        assert not gated or self.state in {State.ARMING, State.CALIBRATING}, "the gate outlives the foot"
        self.bench.release()

    @rule()
    def asks_for_standby(self) -> None:
        if self.bench.ask(Standby()).result is Result.DONE and self.state in ARMED | {State.CALIBRATING}:
            self.state, self.left = State.STANDBY, 0

    @rule()
    def stops(self) -> None:
        self.bench.stop(self.bench.now_us & 0xFFFF_FFFF)
        self.left = 0
        if self.state in ARMED | {State.CALIBRATING}:
            self.state = State.STANDBY

    @rule()
    def acknowledges(self) -> None:
        device = self.bench.firmware.device
        reply = self.bench.ask(Acknowledge(max(1, device.faults.instance)))
        if reply.result is not Result.DONE:
            return
        assert self.state is State.FAULT, "acknowledged where there is nothing"
        assert all(getattr(self.bench.inputs, name) for name in ALWAYS), "acknowledged with its cause there"
        self.latched = False
        self.state = self.bench.state
        assert self.state in START_UP, "an acknowledgement arms"

    @precondition(lambda self: not self.set and self.state is State.STANDBY and self.bench.session)
    @rule()
    def sets(self) -> None:
        self.bench.commit(SETPOINT)
        self.bench.ask(SetAiming(True))
        self.set, self.up_since_us = True, self.bench.now_us

    @rule(steps=st.integers(1, 5))
    def goes_on(self, steps: int) -> None:
        """What people do next who want to treat, whatever has come between."""
        for _ in range(steps):
            match self.state:
                case State.FAULT:
                    self.mends()
                    self.acknowledges()
                case State.OFF:
                    self.mends()
                case State.STANDBY if not self.set:
                    self.sets()
                case State.STANDBY:
                    if self.pressed_at_us is not None:
                        self.releases("foot_a_closed")
                    self.mends()
                    self.time_passes(1_100 * MS)
                    self.arms()
                    self.time_passes(2_100 * MS)
                case State.READY if self.pressed_at_us is not None:
                    self.releases("foot_b_closed")
                case State.READY if not self.left:
                    self.grants(3, 100 * S)
                    self.time_passes(MS)
                case State.READY:
                    self.presses()
                    self.time_passes(3 * MS)  # not stable yet
                    self.time_passes(60 * MS)
                case State.EMITTING | State.ARMING:
                    self.time_passes(130 * MS)
                case _:
                    self.warms_up()
            self.it_is_where_it_may_be()

    def mends(self) -> None:
        for name in (*CONTACTS, *ALWAYS):
            self.a_contact_moves(name, True)
        if not self.bench.inputs.key_on:
            self.turns_the_key(True)
        if not self.bench.session:
            self.connects_anew()
        if not self.bench.host_alive:
            self.the_host_falls_silent_or_speaks(True)
        self.time_passes(120 * MS)

    # -- room and line

    @rule(name=st.sampled_from([*CONTACTS, *ALWAYS]), closed=st.sampled_from([True, True, False]))
    def a_contact_moves(self, name: str, closed: bool) -> None:
        trips = not closed and (name in ALWAYS or self.state in ARMED) and self.state is not State.OFF
        self.latched |= trips
        self.bench.set(**{name: closed})

    @rule(on=st.booleans())
    def turns_the_key(self, on: bool) -> None:
        was_on = self.bench.inputs.key_on
        self.bench.set(key_on=on)
        if not on:
            self.left = 0
        elif not was_on:
            self.latched |= not all(getattr(self.bench.inputs, name) for name in ALWAYS)
            self.state = State.FAULT if self.latched else State.SELF_TEST

    @rule(alive=st.booleans())
    def the_host_falls_silent_or_speaks(self, alive: bool) -> None:
        self.bench.host_alive = alive
        if alive:
            self.silent_since_us = None
            self.up_since_us = self.bench.now_us
        elif self.silent_since_us is None:
            self.silent_since_us = self.bench.now_us

    @rule()
    def connects_anew(self) -> None:
        self.bench.connect()
        self.left, self.up_since_us = 0, self.bench.now_us
        if self.state in ARMED:
            self.state = State.STANDBY

    @precondition(lambda self: self.state is not State.STANDBY)
    @rule()
    def power_goes_and_comes(self) -> None:
        for _, _, name, level in sorted(self.bench._coming):  # what moves comes to its end without power
            if name not in {"flash", "bytes"}:
                setattr(self.bench.inputs, name, level)
        self.bench.boot()
        self.bench.connect()
        self.bench.run(MS)
        self.left, self.set, self.up_since_us = 0, False, self.bench.now_us
        inputs = self.bench.inputs
        self.latched |= inputs.key_on and not all(getattr(inputs, name) for name in ALWAYS)
        self.state = State.FAULT if self.latched else State.SELF_TEST

    def warms_up(self) -> None:
        """A good minute, of which all but the last seconds are taken as gone by."""
        if self.pressed_at_us is not None:
            self.releases("foot_a_closed")
        self.mends()
        if self.bench.state is State.SELF_TEST:
            self.bench.almost_warm()
            self.it_is_where_it_may_be()
        for _ in range(6):
            self.bench.run(S)
            self.it_is_where_it_may_be()


TestFirmwareMachine = FirmwareMachine.TestCase
TestFirmwareMachine.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=25)


# -- the oracle finds what is broken

UPDATE, FIRE = Footswitch.update, Pulser._fire


def _hasty(self: Footswitch, now_us: int, a_closed: bool, b_closed: bool) -> None:
    UPDATE(self, now_us, a_closed, b_closed)
    if self.down and not self._stable:
        self._stable, self.press, self.began_us = True, self.press + 1, self._down_since_us


def _unspent(self: Pulser, device: Device, order: Order) -> None:
    FIRE(self, device, order)
    device.permit.pulses_left = max(1, device.permit.pulses_left)


DEFECTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a silent host is alive": (Host, "alive", lambda *_: True),
    "a stop stops nothing": (Comms, "stop", lambda *_, **__: None),
    "open contacts trip nothing": (core, "faults_of", lambda *_, **__: ()),
    "presses need not be stable": (Footswitch, "update", _hasty),
    "pulses are not counted off the permit": (Pulser, "_fire", _unspent),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_seeded_defect_is_found_by_the_oracle(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at("set")
    monkeypatch.setattr(*DEFECTS[defect])
    found = settings(max_examples=60, stateful_step_count=25, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(FirmwareMachine, settings=found)
