"""Ways in which firmware, board and light can be broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocols import states
from protocols.refusals import Refusal
from protocols.requests import Trigger
from protocols.states import State
from safety.supervisor import Supervisor
from sim_device.board import Inputs, Outputs
from sim_device.doors import Disturbance
from sim_device.faults import Injector
from sim_device.firmware import limits, pulser, refuse
from sim_device.firmware.comms import Comms
from sim_device.firmware.core import Reference
from sim_device.firmware.host import Host
from sim_device.firmware.judge import Verdict
from sim_device.firmware.permit import Permit
from sim_device.firmware.pulser import Order, Pulser
from sim_device.plant import watchdog
from sim_device.simulator import Simulator

Attach = Callable[[Simulator], None]


class Reads(Disturbance):
    """The firmware believes something else."""

    def __init__(self, change: Callable[[Inputs], None]) -> None:
        self._change = change

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        self._change(lines)


class Drives(Disturbance):
    """The firmware drives something else."""

    def __init__(
        self, change: Callable[[Outputs], None], reads: Callable[[Inputs], None] | None = None
    ) -> None:
        self._change, self._reads = change, reads

    def alter_outputs(self, now_us: int, lines: Outputs) -> None:
        self._change(lines)

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        if self._reads is not None:
            self._reads(lines)


def wrong(disturbance: Disturbance) -> Attach:
    return lambda simulator: simulator.disturbances.append(copy.copy(disturbance))


def setting(**values: Any) -> Callable[[Any], None]:
    """Sets these lines."""

    def change(lines: Any) -> None:
        for name, value in values.items():
            setattr(lines, name, value)

    return change


class LateRelease(Disturbance):
    """A release is debounced, for far too long."""

    def __init__(self) -> None:
        self._down_us = -1_000_000

    def alter_inputs(self, now_us: int, lines: Inputs) -> None:
        if lines.foot_a_closed and lines.foot_b_closed:
            self._down_us = now_us
        elif now_us < self._down_us + 500_000:
            lines.foot_a_closed = lines.foot_b_closed = True


class GateStays(Disturbance):
    """Once opened for light the gate is left open for a while."""

    def __init__(self) -> None:
        self._open_us = -1_000_000

    def alter_outputs(self, now_us: int, lines: Outputs) -> None:
        if lines.gate_enable and lines.shutter_open:
            self._open_us = now_us
        lines.gate_enable = lines.gate_enable or now_us < self._open_us + 60_000


def turned(**knobs: Any) -> Attach:
    """Something of the head is wrong."""

    def attach(simulator: Simulator) -> None:
        for name, value in knobs.items():
            setattr(simulator.plant.head, name, value)

    return attach


def both(*attached: Attach) -> Attach:
    def attach(simulator: Simulator) -> None:
        for one in attached:
            one(simulator)

    return attach


def slow_blade(simulator: Simulator) -> None:
    simulator.plant.shutter.close_travel_us = 200_000


def glitch(simulator: Simulator) -> None:
    Injector.of(simulator).inject("spurious-trigger", on="state EMITTING", after_s=1.05)


def stop_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Comms, "stop", lambda self, *, again=False: None)


def one_heartbeat_for_ever(patch: pytest.MonkeyPatch) -> None:
    heard = Host.heard

    def forever(self: Host, *given: Any, **named: Any) -> bool:
        result = heard(self, *given, **named)
        self.alive_until_us = 2**60
        return result

    patch.setattr(Host, "heard", forever)


def generous_permit(patch: pytest.MonkeyPatch) -> None:
    grant = Permit.grant
    patch.setattr(
        Permit,
        "grant",
        lambda self, given, **named: grant(self, replace(given, pulses=given.pulses + 5), **named),
    )


def short_arming(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(limits, "READY_DELAY_US", 700_000)


def too_fast(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Order, "period_us", property(lambda self: 700_000_000 // self.rep_rate_mhz))


def blind_judge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pulser, "judge", lambda expected, readings: Verdict(frozenset(), ()))
    patch.setattr(
        Supervisor, "_pulse", lambda self, report, now_us: (self._known.sequence.take(report, now_us), [])[1]
    )


def blind_to_light(patch: pytest.MonkeyPatch) -> None:
    def counts_only(self: Pulser, device: Any) -> None:
        before, self._seen_light = self._seen_light, device.inputs.light_count
        if self.shot is not None:
            self.shot.seen |= self._seen_light != before

    patch.setattr(Pulser, "watch_light", counts_only)


def only_the_photodiode(patch: pytest.MonkeyPatch) -> None:
    watch_light = Pulser.watch_light

    def believing_it(self: Pulser, device: Any) -> None:
        watch_light(self, device)
        if self.shot is not None:
            self.shot.seen &= self._seen_light != self.shot.light_count

    patch.setattr(Pulser, "watch_light", believing_it)


def any_trigger(patch: pytest.MonkeyPatch) -> None:
    refusals, grant = refuse.grant_refusals, Permit.grant
    patch.setattr(refuse, "grant_refusals", lambda *given: refusals(*given) & ~(1 << Refusal.TRIGGER))
    patch.setattr(Permit, "grant", lambda self, given: grant(self, replace(given, trigger=Trigger.INTERNAL)))


def blind_photodiode(simulator: Simulator) -> None:
    simulator.plant.monitors.photodiode_dead = True


def forgetful(patch: pytest.MonkeyPatch) -> None:
    step = Reference.step

    def forgetting(self: Reference, *given: Any) -> Any:
        result = step(self, *given)
        if self.device.faults.latched and not self.device.causes_present():
            self.device.faults.clear()
            self.device.go(states.Event.CLEARED)
        return result

    patch.setattr(Reference, "step", forgetting)


def back_to_ready(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(states.TRANSITIONS[State.FAULT], states.Event.CLEARED, State.READY)


def slow_watchdog(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watchdog, "LONGEST_US", 2_000_000)


def welded_relay(simulator: Simulator) -> None:
    simulator.plant.contacts.estop_relay_welded = True


def dump_relay_sticks(simulator: Simulator) -> None:
    simulator.disturbances.append(Drives(setting(dump_hold=True)))


def dump_sticks_at_the_second_trip(simulator: Simulator) -> None:
    simulator.at(simulator.now_us + 8_690_000, dump_relay_sticks)


blind_to_the_door = wrong(Reads(setting(door_closed=True)))
BLIND_COMPARATOR = Drives(setting(comparator_uj=2**31 - 1))
