"""The reference firmware as a machine that can be enumerated: its state as a class, what can happen to it.

The firmware runs whole but for two things that tell and decide nothing: bytes become messages without a
link (tests/protocols have that), and nothing is told unasked. The laser around it follows its outputs at
once; what does not follow, and every wire that is not as it should be, is a flaw. At most so many flaws are
there at once as is asked for. A microsecond goes by with every step, and no more: each time that the firmware
waits for is over by itself, whenever it likes: in every order, also in those that no clock could bring about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from protocols.device_link import Asked, Heard, SessionOpened
from protocols.messages import Beam, Heartbeat, Intent, Message, Stop
from protocols.requests import (
    Acknowledge,
    Arm,
    Calibrate,
    CommitSetpoint,
    Grant,
    Reply,
    SetAiming,
    Standby,
    Trigger,
)
from protocols.states import ARMED, State
from sim_device.firmware import limits
from tests.sim_device.bench import SETPOINT, at
from tests.sim_device.firmware_around import Facts, NoLink, Pages
from tests.sim_device.firmware_flaws import FLAWS
from tests.sim_device.firmware_laser import FollowedLaser
from tests.sim_device.firmware_waits import LIGHT, LONGER, WAITS
from tests.space import Frozen, freeze, thaw

LONG_US: Final = 10_000_000_000  # more than any wait


class FirmwareSpace(FollowedLaser):
    """One firmware, the laser around it, and at most `flaws_max` of these flaws at once."""

    def __init__(
        self, flaws: tuple[str, ...] = (), flaws_max: int = 1, *, without: frozenset[str] = frozenset()
    ) -> None:
        bench = at("set")
        self.flaws, self.flaws_max = flaws, flaws_max
        self.fw, self.inputs, self.now_us = bench.firmware, bench.inputs, bench.now_us
        self.memory = Pages(bytes(bench.memory.data))
        self.fw.device.memory._memory = self.memory
        self.link = NoLink()
        self.facts = Facts()
        self._plug()
        self.fw._boot_us -= LONG_US  # then every wait has a time before it that it can have begun at
        self.fw.device.aiming_since_us += LONG_US
        self._acts: dict[str, Callable[[], None]] = {
            name: act for name, act in self._all_acts() if name not in without
        }
        self.act("heartbeat")
        self._start = self.save()

    def starts(self) -> list[tuple[str, Any]]:
        return [("STANDBY, set", self._start)]

    # -- what can happen

    def acts(self) -> Iterator[str]:
        return (name for name in self._acts if self._offered(name))

    def act(self, name: str) -> None:
        self._acts[name]()
        self.rest()

    def _offered(self, name: str) -> bool:
        device, facts = self.fw.device, self.facts
        kind, _, what = name.partition(": ")
        match kind:
            case "flaw":
                alive = device.host.alive(self.device_us)
                return alive and what not in facts.flaws and len(facts.flaws) < self.flaws_max
            case "mended":
                return what in facts.flaws
            case "over":
                return self._waits(what)
            case "light":
                return facts.light_uj > 0
            case "again":
                return facts.permit is not None and device.state in _PERMITS
            case "press":
                return not facts.pedal and device.state in _PRESSED
            case "idle heartbeats":
                return device.armed
            case "power":
                return not facts.pedal  # what a press before it began is forgotten with it
            case "release":
                return facts.pedal
            case "heartbeat":
                return not device.host.alive(self.device_us)
            case _:
                return True

    def _all_acts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "arm", self._arm
        yield "grant", self._grant
        yield "again", lambda: self.ask(self.facts.permit)
        yield "stop", lambda: self.hear(Stop(self.now_us & 0xFFFF_FFFF))
        yield "standby", lambda: self.ask(Standby())
        yield "acknowledge", lambda: self.ask(Acknowledge(max(1, self.fw.device.faults.instance)))
        yield "calibrate", lambda: self.ask(Calibrate())
        yield "set", self._set
        yield "heartbeat", self._beat
        yield "idle heartbeats", self._beat_idle
        yield "connect", self._connect
        yield "press", partial(self._foot, True)
        yield "release", partial(self._foot, False)
        yield "power", self._power
        for kind in LIGHT:
            yield f"light: {kind}", partial(self._light, kind)
        for wait in WAITS:
            yield f"over: {wait}", partial(self._over, wait)
        for flaw in self.flaws:
            yield f"flaw: {flaw}", partial(self._flaw, flaw)
            yield f"mended: {flaw}", partial(self._mend, flaw)

    # -- the host

    def ask(self, request: Any) -> Any:
        self.link.coming.append(Asked(request))
        self.step(received=True)
        return self.link.answers.pop()

    def hear(self, message: Message) -> None:
        self.link.coming.append(Heard(message))
        self.step(received=True)

    def _arm(self) -> None:
        device = self.fw.device
        self.ask(Arm(device.setpoints.hash, device.stop_epoch, Beam.APERTURE))

    def _grant(self) -> None:
        device = self.fw.device
        setpoint = device.setpoints.committed
        internal = "strap" in self.facts.flaws
        request = Grant(
            self.facts.permits + 1,
            device.boot_number,
            max(1, device.host.session),
            device.arm_epoch,
            device.stop_epoch,
            2,
            device.beam,
            Trigger.INTERNAL if internal else Trigger.FOOT,
            setpoint.wavelength_nm,
            setpoint.mode_width_ps,
            setpoint.rep_rate_mhz,
            setpoint.handpiece,
            setpoint.spot_um,
            device.setpoints.hash,
            self.device_us + 100_000_000,
        )
        reply = self.ask(request)
        assert isinstance(reply, Reply)
        if not reply.reasons:
            self.change(permit=request, permits=self.facts.permits + 1, pressed_since=False, given=0)

    def _set(self) -> None:
        if not self.ask(SETPOINT).reasons:
            self.ask(CommitSetpoint(self.fw.device.setpoints.staged_hash))
        self.ask(SetAiming(True))

    def _beat(self, intent: Intent | None = None) -> None:
        device = self.fw.device
        truth = Intent.IDLE
        if device.armed:
            truth = Intent.PERMIT if device.permit.held else Intent.ARMED
        self.hear(Heartbeat(device.host.challenge(device.now_us), truth if intent is None else intent))

    def _beat_idle(self) -> None:
        for _ in range(limits.INTENT_STRIKES):
            self._beat(Intent.IDLE)

    def _connect(self) -> None:
        self.change(sessions=self.facts.sessions % 2 + 1)
        self.link.coming.append(SessionOpened(self.facts.sessions, same_interface=True))
        self.step(received=True)
        self.fw._reporter._live = False

    # -- the people

    def _foot(self, down: bool) -> None:
        self.change(pedal=down)
        self.inputs.foot_a_closed = self.inputs.foot_b_closed = down
        for flaw in self.facts.flaws:
            FLAWS[flaw].hold(self.inputs)
        self.step()

    def _power(self) -> None:
        """Power goes and comes back: memory and wires stay, all else begins anew."""
        self.change(light_uj=0, permit=None, given=0)
        self.inputs.hv_mv, self.inputs.charge_done = 0, False
        self.fw.boot(self.now_us - LONG_US, self.memory, watchdog_reset=False)
        self._plug()
        self.step()
        self._connect()

    def _plug(self) -> None:
        self.fw._comms._link = self.link  # type: ignore[assignment] # in the link's place
        self.fw._reporter._live = False

    # -- the laser

    def _flaw(self, name: str) -> None:
        self.change(flaws=tuple(sorted((*self.facts.flaws, name))))
        FLAWS[name].happen(self)
        self.step()

    def _mend(self, name: str) -> None:
        self.change(flaws=tuple(flaw for flaw in self.facts.flaws if flaw != name))
        FLAWS[name].mend(self)
        self.step()

    def _light(self, kind: str) -> None:
        percent, count = LIGHT[kind]
        energy_uj, width_ps = self.facts.light_uj * percent // 100, self.facts.width_ps
        self.change(light_uj=0)
        if count:
            self.shine(energy_uj, width_ps, count)
        self.step()
        if kind not in {"good", "none"} and self.fw.device.pulser.shot is not None:
            self._over("judgement")  # at once, so that nothing has to be kept of how the light was

    # -- time

    def _waits(self, what: str) -> bool:
        if self.fw.device.pulser.shot is not None and what in LONGER:
            return False  # it cannot have begun before the shot, which is judged within 2 ms
        return WAITS[what][0](self.fw.device)

    def _over(self, what: str) -> None:
        if what == "pulse":
            self.change(rested=True)
        device = self.fw.device
        if what in LONGER:
            self.change(rested=True)
            device.pulser._earliest_us = min(device.pulser._earliest_us, device.now_us)
        WAITS[what][1](device)
        self.step()
        while what == "act" and device.state is State.SELF_TEST and self._waits(what):
            self.rest()
            WAITS[what][1](device)
            self.step()

    # -- saved, restored, and abstracted

    def _script_at(self) -> int:
        device = self.fw.device
        if device.state is State.ARMING:
            return device.arming._script._next
        return device.self_test._script._next if device.state is State.SELF_TEST else 0

    def save(self) -> Any:
        device = self.fw.device
        parts = [part for part in vars(device).values() if type(part).__module__.startswith(_FIRMWARE)]
        memory = device.memory
        parts += [memory.books, memory.calibration, memory._books_slots, memory._calibration_slots]
        parts += [device.self_test._script, device.arming._script, self.fw._lines, self.fw._comms]
        if device.pulser.shot is not None:
            parts.append(device.pulser.shot)
        frozen: Frozen = freeze([self.fw, device, *parts, self.inputs, self.fw.outputs])
        sums = [tuple(one) for one in device.calibrator._sums]
        return frozen, sums, self.memory.pages, self.memory.broken, self.now_us, self.facts

    def restore(self, saved: Any) -> None:
        frozen, sums, self.memory.pages, self.memory.broken, self.now_us, self.facts = saved
        thaw(frozen)
        self.fw.device.calibrator._sums = [list(one) for one in sums]

    def key(self) -> Any:
        device, inputs, facts, out = self.fw.device, self.inputs, self.facts, self.fw.outputs
        foot, shot, pulser = device.foot, device.pulser.shot, device.pulser
        calibrator, cooling, monitor = device.calibrator, device.cooling, device.shutter
        now_us = device.now_us
        waits = frozenset(name for name in WAITS if self._waits(name))
        return (
            (device.state, facts.flaws, facts.light_uj > 0, waits, device.aiming_on, device.self_test.passed),
            (
                facts.pedal,
                inputs.foot_a_closed,
                inputs.foot_b_closed,
                foot.pressed,
                foot.fresh,
                foot.disagrees,
                foot.down and foot._down_since_us > foot._consumed_us,
            ),
            device.host.alive(now_us),
            (device.permit.held, device.permit.pulses_left, device.permit.internal, facts.pressed_since),
            (facts.rested, device.permit.held and min(facts.given, 3)),
            device.state in _PERMITS and facts.permit is not None,
            (device.setpoints.hash > 0, device.setpoints.staged_hash > 0),
            self._script_at(),
            (monitor.position, monitor._command_open, monitor._arrived),
            (
                out.gate_enable,
                out.hv_enable,
                out.dump_hold,
                out.shutter_open,
                out.comparator_reset,
                out.pump_on,
            ),
            (inputs.charge_done, inputs.hv_mv > 0, inputs.comparator_tripped),
            shot
            and (
                inputs.monitor_b_uj > 0,
                shot.seen,
                shot.comparator,
                shot.withdrawn,
                shot.order.expected.calibration,
            ),
            (pulser._first, pulser._skips_running, device.emission._drifts_running),
            (calibrator.valid, device.memory.calibration.valid),
            device.state is State.CALIBRATING
            and (calibrator._shots, calibrator._port_begun, calibrator._left_port),
            (cooling.flow_low, cooling.warm),
            device.faults.latched > 0 and (device.faults.needs_service, device.faults.from_earlier_boot),
            (device.causes_present(), device.memory.broken, device.memory.room > 0),
        )


_FIRMWARE: Final = "sim_device.firmware"
_PERMITS: Final = frozenset({State.READY, State.EMITTING})
_PRESSED: Final = ARMED | {
    State.SELF_TEST,
    State.STANDBY,
}  # what a press begins elsewhere, it begins here too
