"""Seeded defects: one broken behaviour each, that the invariants must find. None is in the code they patch.

A defect is either a patch of the firmware's or the daemon's behaviour, or something wrong at the board that
no scenario declares. Each names the promise that it breaks and the scene in which that shows.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

import safety.audit
from controller import recorder as recorder_module
from controller import treatment as treatment_module
from controller.commands import Commands
from controller.daemon import Daemon
from controller.recorder import Event, Recorder
from controller.session import Tally
from controller.store import EventKind, PulseRecord, audit_log
from controller.treatment import Treatment
from protocols import states
from protocols.refusals import Refusal
from protocols.requests import Trigger
from protocols.states import State
from rig.script import Happening, Script
from rig.stack import plan_text
from safety.latches import LatchId
from safety.supervisor import Supervisor
from sim_device.board import Inputs, Outputs
from sim_device.faults import Injector
from sim_device.firmware import limits, pulser, refuse
from sim_device.firmware.comms import Comms
from sim_device.firmware.core import Reference
from sim_device.firmware.host import Host
from sim_device.firmware.judge import Verdict
from sim_device.firmware.permit import Permit
from sim_device.firmware.pulser import Order, Pulser
from sim_device.plant import watchdog
from sim_device.simulator import Disturbance, Simulator

Patch = Callable[[pytest.MonkeyPatch], None]
Attach = Callable[[Simulator], None]

SEEDS = 2
"""A defect is found within so many seeds."""

PLAN = plan_text(series=[15, 15, 15])  # 5 Hz: light from some 3 s on


def scene(name: str, duration_s: float, *events: Happening) -> Script:
    """A steady operator, and this."""
    return Script(name, duration_s, PLAN, events=events)


def at(at_s: float, do: str, **fields: Any) -> Happening:
    return Happening(at_s, do, fields)


SERIES = scene("series", 10.0)
STOP = scene("stop", 8.0, at(4.5, "stop"))
DOOR = scene("door", 12.0, at(4.5, "door", to="open"), at(5.5, "door", to="close"))
DOOR_HELD = scene("door held", 12.0, at(4.5, "door", to="open"), at(11.0, "door", to="close"))
ESTOP = scene("emergency stop", 12.0, at(4.5, "estop", to="press"), at(10.5, "estop", to="release"))
FOOT = scene("foot", 8.0, at(4.5, "foot", to="release"), at(5.5, "foot", to="press"))
CUT = scene("cut line", 12.0, at(4.5, "cable", to="cut"), at(6.5, "cable", to="mend"))
SPOT = scene("spot", 8.0, at(4.5, "spot", spot_mm=2.5), at(6.5, "spot", spot_mm=3.5))
STUCK_LATER = replace(DOOR, name="shutter sticks later", faults=(
    {"name": "shutter-stuck", "at_s": 11.9, "expected": False},))  # fmt: skip
BRIDGED_LATER = replace(DOOR, name="door bridged later", faults=(
    {"name": "interlock-bridged", "contact": "door", "at_s": 11.9, "expected": False},))  # fmt: skip
HANGS_LATER = replace(STOP, name="hangs later", faults=(
    {"name": "processor-hangs", "at_s": 7.9, "expected": False},))  # fmt: skip
HANGS = {"name": "processor-hangs", "at_s": 4.5}
HUNG_ESTOP = scene("emergency stop of a hung processor", 12.0, at(4.501, "estop", to="press"),
                   at(8.0, "estop", to="release"))  # fmt: skip
HUNG_ESTOP = replace(HUNG_ESTOP, faults=(HANGS,))
HUNG_FOOT = scene("foot lifted of a hung processor", 9.0, at(4.501, "foot", to="release"))
HUNG_FOOT = replace(HUNG_FOOT, faults=(HANGS,))
HUNG_DOOR = replace(DOOR, name="door opened of a hung processor", faults=({**HANGS, "at_s": 4.499},))
NOBODY = Script("nobody acknowledges", 9.0, PLAN, operator="none", events=(
    at(1.0, "acknowledge"), at(2.0, "open"), at(3.0, "arm-laser"),
    at(7.0, "door", to="open"), at(8.0, "door", to="close"),
))  # fmt: skip
ASKED = scene("asked too often", 12.0, at(4.0, "arm-laser"), at(4.2, "arm-laser"), *DOOR.events)
RESTART = scene("daemon started anew", 16.0, at(4.5, "kill-daemon"), at(6.0, "start-daemon"))
TWICE = scene("two trips", 22.0, at(4.5, "door", to="open"), at(4.7, "door", to="close"),
              at(8.7, "door", to="open"), at(20.0, "door", to="close"))  # fmt: skip
CALIBRATION = Script("calibration", 8.0, PLAN, operator="none", events=(
    at(2.0, "acknowledge"), at(3.0, "dock"), at(3.5, "calibrate"), at(7.0, "undock"),
))  # fmt: skip

SCENES = (
    SERIES, STOP, DOOR, DOOR_HELD, ESTOP, FOOT, CUT, SPOT, CALIBRATION, STUCK_LATER, BRIDGED_LATER,
    HANGS_LATER, HUNG_ESTOP, HUNG_FOOT, HUNG_DOOR, NOBODY, ASKED, RESTART, TWICE,
)  # fmt: skip


@dataclass(frozen=True)
class Defect:
    name: str
    breaks: str  # the promise
    scene: Script
    patch: Patch | None = None
    attach: Attach | None = None


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


def daemon_arms(patch: pytest.MonkeyPatch) -> None:
    opened = Treatment.open

    async def open_and_arm(self: Treatment, operator: str, *given: Any, **named: Any) -> Any:
        session = await opened(self, operator, *given, **named)
        await self.arm(operator)
        return session

    patch.setattr(Treatment, "open", open_and_arm)


def early_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    pulse = Recorder.pulse

    def at_once(self: Recorder, report: Any, now_us: int) -> None:
        pulse(self, report, now_us)
        if self._acknowledge is not None:
            self._acknowledge(report.pulse_number)

    patch.setattr(Recorder, "pulse", at_once)


def late_writing(patch: pytest.MonkeyPatch) -> None:
    carry_out = Commands.carry_out

    async def acting_first(
        self: Commands, kind: str, actor: str, body: Any, act: Any, *, command_id: str = ""
    ) -> Any:
        if kind != "grant" or self.laser is None:
            return await carry_out(self, kind, actor, body, act, command_id=command_id)
        outcome = await act(self.laser)

        async def acted(_: Any) -> Any:
            return outcome

        return await carry_out(self, kind, actor, body, acted, command_id=command_id)

    patch.setattr(Commands, "carry_out", acting_first)


def lossy_recorder(patch: pytest.MonkeyPatch) -> None:
    write = recorder_module._write

    def losing(store: Any, records: list[Any]) -> Any:
        return write(store, [one for one in records if isinstance(one, Event) or one.pulse_number % 7])

    patch.setattr(recorder_module, "_write", losing)


def flattering_record(patch: pytest.MonkeyPatch) -> None:
    record_of = recorder_module.record_of

    def flattering(*given: Any) -> PulseRecord:
        record = record_of(*given)
        return replace(record, monitor_b_mj=record.monitor_b_mj and record.monitor_b_mj * 0.6)

    patch.setattr(recorder_module, "record_of", flattering)


def overdose(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(treatment_module, "_tally", lambda store, session_id, rehearsal: Tally(rehearsal))


def doctored_audit(patch: pytest.MonkeyPatch) -> None:
    append = safety.audit.append

    def doctoring(*given: Any, **named: Any) -> Any:
        entry = append(*given, **named)
        return replace(entry, body=entry.body.replace("}", ',"more":1}')) if entry.index == 20 else entry

    patch.setattr(audit_log, "append", doctoring)


def host_forgets(patch: pytest.MonkeyPatch) -> None:
    tick = Supervisor.tick

    def forgetting(self: Supervisor, now_us: int) -> Any:
        if self._known.link is not None and LatchId.RECONNECTED in self._known.latches:
            self._known.latches.clear(LatchId.RECONNECTED)
        return tick(self, now_us)

    patch.setattr(Supervisor, "tick", forgetting)


def starts_unnoticed(patch: pytest.MonkeyPatch) -> None:
    tick = Supervisor.tick

    def forgetting(self: Supervisor, now_us: int) -> Any:
        self._known.latches.clear(LatchId.START_UP)
        return tick(self, now_us)

    patch.setattr(Supervisor, "tick", forgetting)


def resumes_armed(patch: pytest.MonkeyPatch) -> None:
    resume = Treatment.resume

    async def resume_and_arm(self: Treatment, operator: str, *given: Any, **named: Any) -> Any:
        session = await resume(self, operator, *given, **named)
        await self.arm(operator)
        return session

    patch.setattr(Treatment, "resume", resume_and_arm)


def recorded_as(**changes: Any) -> Patch:
    """Every record says this."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        record_of = recorder_module.record_of
        patch.setattr(recorder_module, "record_of", lambda *given: replace(record_of(*given), **changes))

    return patched


def recorded_late(patch: pytest.MonkeyPatch) -> None:
    flattering_record(patch)
    record_of = recorder_module.record_of

    def later(*given: Any) -> PulseRecord:
        record = record_of(*given)
        return replace(record, device_time_us=record.device_time_us + 1)

    patch.setattr(recorder_module, "record_of", later)


def unrecorded_overdose(patch: pytest.MonkeyPatch) -> None:
    overdose(patch)
    recorded_as(session_id=None)(patch)


def slow_watchdog(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(watchdog, "LONGEST_US", 2_000_000)


def welded_relay(simulator: Simulator) -> None:
    simulator.plant.contacts.estop_relay_welded = True


def dump_relay_sticks(simulator: Simulator) -> None:
    simulator.disturbances.append(Drives(setting(dump_hold=True)))


def dump_sticks_at_the_second_trip(simulator: Simulator) -> None:
    simulator.at(simulator.now_us + 8_690_000, dump_relay_sticks)


def silent_trips(patch: pytest.MonkeyPatch) -> None:
    note = Daemon._note

    def not_noting(self: Daemon, kind: EventKind, *given: Any) -> None:
        if kind is not EventKind.FAULT:
            note(self, kind, *given)

    patch.setattr(Daemon, "_note", not_noting)


def spinning(patch: pytest.MonkeyPatch) -> None:
    finish = Treatment._finish

    async def turning(self: Treatment, session: Any) -> None:
        for _ in range(5_000):
            await asyncio.sleep(0)
        await finish(self, session)

    patch.setattr(Treatment, "_finish", turning)


def blocking(patch: pytest.MonkeyPatch) -> None:
    recorded = Treatment.recorded

    def blocked(self: Treatment, pulse: PulseRecord) -> None:
        recorded(self, pulse)
        asyncio.get_running_loop().jump(0.03)  # type: ignore[attr-defined]  # of the virtual loop

    patch.setattr(Treatment, "recorded", blocked)


blind_to_the_door = wrong(Reads(setting(door_closed=True)))
BLIND_COMPARATOR = Drives(setting(comparator_uj=0))

DEFECTS = (
    Defect("the firmware does not hear STOP", "trigger-inhibited", STOP, stop_ignored),
    Defect("the firmware does not see the door", "interlocks-closed", DOOR, attach=blind_to_the_door),
    Defect("the door trips nothing", "guard-trips", DOOR, attach=blind_to_the_door),
    Defect("a release of the foot is debounced", "fresh-press", FOOT, attach=wrong(LateRelease())),
    Defect("a strap fires under a permit for the foot", "fresh-press", SERIES, any_trigger,
           wrong(Reads(setting(internal_trigger_strap=True)))),
    Defect("a release leaves the gate open", "foot-released", FOOT, attach=wrong(LateRelease())),
    Defect("one heartbeat keeps the permit for ever", "host-alive", CUT, one_heartbeat_for_ever),
    Defect("a permit allows five more", "light-by-permit", SERIES, generous_permit),
    Defect("arming takes 0.7 s", "warned-before", SERIES, short_arming),
    Defect("the indicator stays dark", "warned-before", SERIES,
           attach=wrong(Drives(setting(indicator_on=False), setting(indicator_ua=20_000)))),
    Defect("the rate is too high", "as-granted", SERIES, too_fast),
    Defect("the mode is another one", "as-granted", SERIES,
           attach=wrong(Drives(lambda lines: setattr(lines, "mode_width_ps", lines.mode_width_ps and 650)))),
    Defect("a turned zoom ring is not seen", "as-granted", SPOT, attach=wrong(Reads(setting(spot_um=3_500)))),
    Defect("energy is not judged", "pulse-judged", SERIES, blind_judge,
           both(turned(slope_ratio=1.4), wrong(BLIND_COMPARATOR))),
    Defect("width is not judged", "pulse-judged", SERIES, blind_judge, turned(width_ratio=1.5)),
    Defect("doubles are not seen", "one-pulse-for-one-trigger", SERIES, blind_judge,
           both(turned(pulses_per_trigger=2), wrong(BLIND_COMPARATOR))),
    Defect("the shutter takes 200 ms to close", "shutter-closed", DOOR, attach=slow_blade),
    Defect("the gate stays open for 60 ms", "trigger-inhibited", DOOR, attach=wrong(GateStays())),
    Defect("light without a trigger is not seen", "light-without-trigger", SERIES, blind_to_light, glitch),
    Defect("the capacitor is never dumped", "charge-gone", DOOR_HELD,
           attach=wrong(Drives(setting(dump_hold=True)))),
    Defect("calibration light leaves the aperture", "light-in-its-state",
           replace(CALIBRATION, events=tuple(one for one in CALIBRATION.events if one.do != "dock")),
           attach=wrong(Reads(setting(docked_a_closed=True, docked_b_closed=True)))),
    Defect("a fault goes by itself", "trips-stay", DOOR, forgetful),
    Defect("an acknowledgement leads to READY", "ready-by-arm", DOOR, back_to_ready),
    Defect("the daemon arms by itself", "armed-by-a-person", SERIES, daemon_arms),
    Defect("pulses are acknowledged too soon", "acknowledged-after-disk", SERIES, early_acknowledgement),
    Defect("permits are written down after they left", "written-ahead", SERIES, late_writing),
    Defect("one record in seven is lost", "books-balance", SERIES, lossy_recorder),
    Defect("what the photodiode missed counts as missing", "books-balance", SERIES, only_the_photodiode,
           blind_photodiode),
    Defect("recorded energies are too low", "energy-told", SERIES, flattering_record),
    Defect("a resumed session begins anew", "within-plan", replace(DOOR, duration_s=24.0), overdose),
    Defect("the audit is doctored", "audit-holds", SERIES, doctored_audit),
    Defect("the daemon forgets that the line was lost", "host-trips-stay", CUT, host_forgets),
    Defect("trips are not recorded", "trips-recorded", DOOR, silent_trips),
    Defect("the shutter is slow before it is stuck", "shutter-closed", STUCK_LATER, attach=slow_blade),
    Defect("the door is bridged after it was not seen", "guard-trips", BRIDGED_LATER,
           attach=blind_to_the_door),
    Defect("and light goes on", "interlocks-closed", BRIDGED_LATER, attach=blind_to_the_door),
    Defect("STOP is not heard before the processor hangs", "trigger-inhibited", HANGS_LATER, stop_ignored),
    Defect("the relay of the emergency stop is welded", "shutter-closed", HUNG_ESTOP, attach=welded_relay),
    Defect("the watchdog waits for 2 s, the foot is up", "foot-released", HUNG_FOOT, slow_watchdog),
    Defect("the watchdog waits for 2 s, the door is open", "shutter-closed", HUNG_DOOR, slow_watchdog),
    Defect("the watchdog waits for 2 s, a guard is open", "guard-trips", HUNG_DOOR, slow_watchdog),
    Defect("every record has a flag and no energy", "energy-told", SERIES,
           recorded_as(flags=frozenset({"width"}), monitor_b_mj=0.001)),
    Defect("low energies under another time", "energy-told", SERIES, recorded_late),
    Defect("light astray is not recorded", "books-balance", SERIES, silent_trips, glitch),
    Defect("light into the port is recorded as treatment", "books-balance", CALIBRATION,
           recorded_as(aperture=True)),
    Defect("a resumed session arms by itself", "armed-by-a-person", ASKED, resumes_armed),
    Defect("trips that nobody acknowledges are not recorded", "trips-recorded", NOBODY, silent_trips),
    Defect("the start of a daemon latches nothing", "host-trips-stay", RESTART, starts_unnoticed),
    Defect("the second trip dumps nothing", "charge-gone", TWICE, attach=dump_sticks_at_the_second_trip),
    Defect("an overdose is not recorded", "within-plan", replace(DOOR, duration_s=24.0), unrecorded_overdose),
    Defect("a task spins", "loop-never-blocked", replace(SERIES, duration_s=16.0), spinning),
    Defect("the disk blocks the loop", "loop-never-blocked", SERIES, blocking),
)  # fmt: skip
