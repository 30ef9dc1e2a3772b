"""A host and people that do anything at any time to one laser, and tell the oracle what they did."""

from __future__ import annotations

import copy
from typing import Any

from protocols.host_link import LinkState
from protocols.messages import Beam, PulseFlag, Result, Status
from protocols.requests import Acknowledge, Arm, ReadSetpoint, Reply, Request, SetAiming, Setpoint, Standby
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.firmware import Reference
from sim_device.plant import TruePulse
from tests.safety_case.oracle import Oracle
from tests.safety_case.ward import GUARDS, MS, S, Ward, ward_at

UNLIT = frozenset({PulseFlag.SKIPPED, PulseFlag.MISSING})
PULSES = 7  # of a permit: few, so that it is used up


class Light(Observer):
    """Shows the oracle the indicator and every pulse in its own instant."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        lights = self.actor.simulator.plant.lights
        self.actor.oracle.indicator(lights.indicator.level, now_us)

    def pulsed(self, pulse: TruePulse) -> None:
        self.actor.oracle.judge(pulse)

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        self.actor.oracle.ended("a restart", now_us)


class Actor(Ward):
    """Does each act whatever comes of it."""

    oracle: Oracle
    talks: bool

    @classmethod
    def at(cls, stage: str) -> Actor:
        """One at a stage of a ward; the oracle knows what led there."""
        ward = copy.deepcopy(ward_at(stage))
        ward.__class__ = cls
        assert isinstance(ward, Actor)
        ward.oracle, ward.talks = Oracle(), True
        now_us = ward.now_us
        ward.oracle.answered_us = now_us
        if ward.simulator.plant.lights.indicator.level:
            ward.oracle.lit_us = now_us - 10 * S if stage != "arming" else now_us - 400 * MS
        if stage in {"ready", "emitting"}:
            ward.oracle.granting(1_000, now_us - S)
        if stage == "emitting":
            ward.oracle.foot(True, now_us - 500 * MS)
        ward.simulator.observers.append(Light(ward))
        return ward

    # -- acts

    def do_act(self, act: tuple[Any, ...]) -> None:
        """One act with its fields."""
        name, *fields = act
        getattr(self, f"act_{name}")(*fields)

    def act_foot(self, to: str) -> None:
        self.oracle.foot(to == "press", self.now_us)
        self.act("foot", to=to)

    def act_guard(self, guard: str, opens: bool) -> None:
        if opens:
            self.oracle.opened(guard, self.now_us)
        self.act(guard, **GUARDS[guard][0 if opens else 1])
        if not opens:
            self.oracle.closed(guard)

    def act_key(self, to: str) -> None:
        if to == "off":
            self.oracle.opened("key", self.now_us)
        else:
            self.oracle.closed("key")
        self.act("key", to=to)

    def act_spot(self, spot_mm: float) -> None:
        if round(spot_mm * 1000) != self.simulator.plant.contacts.spot_um:
            self.oracle.ended("another spot", self.now_us)
        if self.simulator.plant.contacts.spot_um:
            self.act("spot", spot_mm=spot_mm)

    def act_dock(self, docked: bool) -> None:
        if docked:
            self.oracle.ended("docked", self.now_us)
        self.act("dock" if docked else "undock")

    def act_power(self, away_ms: int) -> None:
        self.oracle.ended("the power went", self.now_us)
        self.act("power", to="cut")
        self.run(away_ms * MS)
        self.act("power", to="return")

    def act_reset(self) -> None:
        self.oracle.ended("reset", self.now_us)
        self.act("reset")

    def act_talk(self, talks: bool) -> None:
        self.talks = talks

    def act_aim(self) -> None:
        self.ask(SetAiming(True))

    def act_arm(self) -> None:
        if self.status is not None and isinstance(setpoint := self.ask(ReadSetpoint()), Setpoint):
            self.ask(Arm(setpoint.hash, self.status.stop_epoch, Beam.APERTURE))

    def act_grant(self) -> None:
        setpoint = self.ask(ReadSetpoint())
        if self.status is not None and isinstance(setpoint, Setpoint):
            request = self.grant_request(PULSES, setpoint=setpoint)
            self.oracle.granting(PULSES, self.now_us)
            reply = self.ask(request)
            if isinstance(reply, Reply) and reply.result is Result.REFUSED:
                self.oracle.refused()

    def act_standby(self) -> None:
        self.ask(Standby())
        if self.answer is not None:
            self.oracle.ended("standby", self.now_us)

    def act_stop(self) -> None:
        self.link.stop(1, self.now_us)
        self._exchange()
        self.oracle.ended("stop", self.now_us)

    def act_acknowledge(self) -> None:
        if self.status is not None and self.status.fault_instance:
            self.ask(Acknowledge(self.status.fault_instance))

    def act_connect(self) -> None:
        """Another session; what the one before was permitted is void."""
        self.oracle.ended("another session", self.now_us)
        self.connect()

    def act_run(self, for_ms: int) -> None:
        self.run(for_ms * MS)

    # -- within

    def ask(self, request: Request, within_us: int = 500 * MS) -> Any:
        """The answer, if there is one; on a link that is lost a new session instead."""
        if self.link.state is not LinkState.UP:
            self.act_connect()
            return None
        return super().ask(request, within_us)

    def _hear(self, message: object) -> None:
        if isinstance(message, Status):
            self.status = message
            if not self.talks:
                return
            firmware = self.simulator.firmware
            assert isinstance(firmware, Reference)
            self.oracle.answered_us = firmware._boot_us + message.device_time_us
        super()._hear(message)

    def books(self) -> str:
        """What is wrong with the reports, once host and laser have had time; empty: nothing."""
        self.talks = True
        self.act("power", to="return")
        self.release()
        self.run(S)
        self.act_connect()
        self.run(4 * S)
        numbers = sorted(self.reports)
        if numbers != [*range(1, len(numbers) + 1)]:
            return f"numbers with gaps: {numbers}"
        unknown = sum(PulseFlag.UNKNOWN in report.flags for report in self.reports.values())
        unlit = sum(bool(UNLIT & report.flags) for report in self.reports.values())
        lit = len(numbers) - unlit
        true = self.simulator.plant.truth.total
        if lit - unknown <= true <= lit:
            return ""
        return f"{true} pulses, {lit} on record, {unknown} of them unknown"
