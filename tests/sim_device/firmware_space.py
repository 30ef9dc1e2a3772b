"""The reference firmware as a machine that can be enumerated: its state as a class, what can happen to it.

The firmware runs whole but for two things that tell and decide nothing: bytes become messages without a link
(tests/protocols have that), and nothing is told unasked. The laser around it follows its outputs at once; what
does not follow, and every wire that is not as it should be, is a flaw. At most so many flaws are there at once
as is asked for. A microsecond goes by with every step, and no more: each time that the firmware waits for is
over by itself, whenever it likes, and so in every order, also in those that no clock could bring about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from protocols.device_link import Asked, DeviceEvent, Heard, SessionOpened
from protocols.faults import Fault
from protocols.messages import Beam, Handpiece, Heartbeat, Intent, Message, Stop
from protocols.requests import (
    Acknowledge,
    Arm,
    Calibrate,
    CommitSetpoint,
    Grant,
    Reply,
    SetAiming,
    StageSetpoint,
    Standby,
    Trigger,
)
from protocols.states import ARMED, State
from sim_device.firmware import limits
from sim_device.firmware.changes import ALL
from tests.sim_device.bench import SETPOINT, at
from tests.sim_device.firmware_flaws import FLAWS
from tests.sim_device.firmware_waits import LIGHT, LONGER, WAITS
from tests.sim_device.ideal_laser import true_energy_uj
from tests.space import Frozen, freeze, thaw

PAGE: Final = 128
LONG_US: Final = 10_000_000_000  # more than any wait
ROUNDS: Final = 12  # steps within which laser and firmware come to rest


class Pages:
    """Non-volatile memory of which an image costs nothing while nothing is written."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.pages = tuple(data[at : at + PAGE] for at in range(0, len(data), PAGE))
        self.broken = False

    def read(self, offset: int, length: int) -> bytes:
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        return b"".join(self.pages[first : last + 1])[offset % PAGE :][:length]

    def write(self, offset: int, data: bytes) -> None:
        if self.broken:
            raise OSError("broken")
        pages, first = list(self.pages), offset // PAGE
        last = (offset + len(data) - 1) // PAGE
        run = bytearray(b"".join(pages[first : last + 1]))
        run[offset % PAGE : offset % PAGE + len(data)] = data
        for index in range(first, last + 1):
            pages[index] = bytes(run[(index - first) * PAGE :][:PAGE])
        self.pages = tuple(pages)


class NoLink:
    """The place of the link: what is put into it was received, what is answered is kept."""

    frames_rejected = 0

    def __init__(self) -> None:
        self.coming: list[DeviceEvent] = []
        self.answers: list[Any] = []

    def receive(self, _: bytes) -> list[DeviceEvent]:
        coming, self.coming = self.coming, []
        return coming

    def answer(self, message: Any) -> None:
        self.answers.append(message)

    def send(self, _: Message) -> None: ...

    def outgoing(self) -> bytes:
        return b""


class Facts(NamedTuple):
    """What is so around the firmware."""

    flaws: tuple[str, ...] = ()
    light_uj: int = 0  # the lamp was triggered: light of this energy comes, or does not
    width_ps: int = 0
    lit: str = ""  # how the light of the shot on its way was
    rested: bool = True  # a period has gone by since the last trigger
    given: int = 0  # pulses under the newest permit
    permit: Grant | None = None  # the newest that was granted
    pressed_since: bool = False  # the foot came down after it was granted
    sessions: int = 1
    permits: int = 0


class FirmwareSpace:
    """One firmware, the laser around it, and at most `flaws_max` of these flaws at once."""

    def __init__(self, flaws: tuple[str, ...] = (), flaws_max: int = 1, *, without: frozenset[str] = frozenset()) -> None:
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
                up = not (self.inputs.foot_a_closed or self.inputs.foot_b_closed)
                return up and device.state in _PRESSED
            case "idle heartbeats":
                return device.armed
            case "power":
                return not self.inputs.foot_a_closed  # what a press before it began is forgotten with it
            case "release":
                return self.inputs.foot_a_closed or self.inputs.foot_b_closed
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
        self.inputs.foot_a_closed = down
        self.inputs.foot_b_closed = down
        self.change(pressed_since=down)
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
        self.change(light_uj=0, lit=kind)
        if count:
            self.shine(energy_uj, width_ps, count)
        self.step()

    def shine(self, energy_uj: int, width_ps: int, count: int = 1) -> None:
        """Light in the head; it leaves where the shutter is open."""
        inputs = self.inputs
        passed_uj = energy_uj if inputs.shutter_open_switch else 0
        inputs.light_count += count
        inputs.pulse_width_ps = width_ps
        inputs.monitor_a_uj, inputs.monitor_b_uj = energy_uj + self.now_us % 2, passed_uj
        inputs.port_meter_uj = passed_uj if inputs.docked_a_closed else 0

    def rest(self) -> None:
        """The laser follows the outputs, and the firmware the laser, until nothing changes any more."""
        for _ in range(ROUNDS):
            if not self._follow():
                return
            self.step()
        raise AssertionError("the laser does not come to rest")

    def _follow(self) -> bool:
        inputs, out = self.inputs, self.fw.outputs
        estop = inputs.estop_a_closed and inputs.estop_b_closed
        opened = out.shutter_open and estop
        levels: dict[str, Any] = {
            "gate_inhibited": not out.gate_enable or not estop or inputs.comparator_tripped,
            "hv_inhibited": not out.hv_enable or not estop,
            "shutter_open_switch": opened,
            "shutter_closed_switch": not opened,
            "simmer_on": out.simmer_start,
            "indicator_ua": 20_000 if out.indicator_on else 0,
            "aiming_uw": 1_000 if out.aiming_on else 0,
            "flow_ml_min": 4_000 if out.pump_on else 0,
            "dark_a_uj": 50_000 if out.monitor_test else 0,
            "dark_b_uj": 50_000 if out.monitor_test else 0,
        }
        if out.comparator_reset:
            levels["comparator_tripped"] = False
        if not out.dump_hold:
            levels |= {"hv_mv": 0, "charge_done": False}
        elif out.hv_enable:
            levels |= {"hv_mv": out.hv_set_mv, "charge_done": True}
        for flaw in self.facts.flaws:
            levels |= FLAWS[flaw].levels
        moved = False
        for name, level in levels.items():
            if getattr(inputs, name) != level:
                setattr(inputs, name, level)
                moved = True
        return self._settle() or moved

    def _settle(self) -> bool:
        """What only waits for a good reading to have lasted is over at once."""
        device, now_us, moved = self.fw.device, self.device_us, False
        high_voltage, cooling = device.high_voltage, device.cooling
        if high_voltage._simmer_since_us >= 0 and not high_voltage._simmer_seen and self.inputs.simmer_on:
            high_voltage._simmer_since_us = now_us - limits.SIMMER_SETTLE_US
            moved = True
        if cooling._pump_since_us >= 0 and not cooling.runs:
            cooling._pump_since_us = now_us - limits.PUMP_GRACE_US
            moved = True
        if now_us - self.fw._indicator_since_us < limits.INDICATOR_SETTLE_US and self.fw.outputs.indicator_on:
            self.fw._indicator_since_us = now_us - limits.INDICATOR_SETTLE_US
            moved = True
        return moved

    def step(self, *, received: bool = False) -> None:
        """One step of the firmware, with everything counted as changed; a trigger empties the capacitor."""
        self.now_us += 1
        self.fw._due_us = 0
        outputs = self.fw.outputs
        triggers = outputs.lamp_triggers
        before = self.fw.device.state
        self.fw.step(self.now_us, self.inputs, b"\0" if received else b"", b"")
        fired = outputs.lamp_triggers != triggers
        self.watch(before, fired=fired)
        if fired:
            energy_uj = true_energy_uj(self.inputs.hv_mv, outputs.mode_width_ps)
            self.change(light_uj=energy_uj, width_ps=outputs.mode_width_ps, rested=False, lit="")
            self.change(given=self.facts.given + (self.fw.device.state is State.EMITTING))
            self.inputs.hv_mv, self.inputs.charge_done = 0, False
            self.step()

    def watch(self, before: State, *, fired: bool) -> None:
        """Overridden by who looks at each step."""

    # -- time

    @property
    def device_us(self) -> int:
        return self.now_us - self.fw._boot_us

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

    def change(self, **changes: Any) -> None:
        self.facts = self.facts._replace(**changes)

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
            (inputs.foot_a_closed, inputs.foot_b_closed, foot.pressed, foot.fresh, foot.disagrees, foot.down and foot._down_since_us > foot._consumed_us),
            device.host.alive(now_us),
            (device.permit.held, device.permit.pulses_left, device.permit.internal, facts.pressed_since),
            (facts.rested, device.permit.held and min(facts.given, 3)),
            device.state in _PERMITS and facts.permit is not None,
            (device.setpoints.hash > 0, device.setpoints.staged_hash > 0),
            device.state in _SCRIPTED and (device.arming._script._next, device.self_test._script._next),
            (monitor.position, monitor._command_open, monitor._arrived),
            (out.gate_enable, out.hv_enable, out.dump_hold, out.shutter_open, out.comparator_reset, out.pump_on),
            (inputs.charge_done, inputs.hv_mv > 0, inputs.comparator_tripped),
            shot and (facts.lit, shot.seen, shot.comparator, shot.withdrawn, shot.order.expected.calibration),
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
_PRESSED: Final = ARMED | {State.SELF_TEST, State.STANDBY}  # what a press begins elsewhere, it begins here too
_SCRIPTED: Final = frozenset({State.ARMING, State.SELF_TEST})
