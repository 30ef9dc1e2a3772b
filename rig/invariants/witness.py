"""The witness: what happened, as the plant's truth and the bytes at the firmware's own port tell it.

Theory of operation. It hangs on the simulator as an observer and keeps what the invariants need: the state
that the firmware shows, the permit as the frames on the wire gave and took it, the contacts as they truly
stand, and every flash of light with the trigger that explains it. It was written from the design alone: what
firmware or supervisor believe about permission is not asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from protocols.frame import Decoder, Frame
from protocols.messages import Connected, Heartbeat, Message, Result, Status, Stop
from protocols.requests import Arm, CommitSetpoint, Grant, Reply, Setpoint, StageSetpoint, Standby
from protocols.states import ARMED, State
from rig.invariants.excuses import bridged_by, excuse_of
from rig.invariants.invariant import Invariant, Light, Permit, Violation
from rig.invariants.spells import Spells
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.plant.truth import TruePulse
from sim_device.simulator import Simulator

if TYPE_CHECKING:
    from controller.store import PulseRecord, Reader
    from rig.stack import Stack

INHIBIT_US: Final = 10_000  # DESIGN, "A stop": firmware to trigger inhibit
SHUTTER_US: Final = 50_000  # DESIGN, "A stop": shutter closed
FOOT_US: Final = 20_000  # DESIGN, "A stop": foot released to last pulse
SILENT_US: Final = 250_000  # DESIGN, "A stop": host silent to no emission

CHALLENGES_KEPT: Final = 64  # [C] 3 s of them at the armed rate: an answer to an older one proves nothing
OPENED: Final = " is not so any more"
"""Ends the words for a contact that opened, among the causes of a stop."""

TRIPPED: Final = "the laser tripped"
"""The cause of a stop that is a trip."""

REPEATED_MAX: Final = 5  # [C] violations of one kind that are told in full; what follows is the same again


def _no_run() -> str:
    return ""


@dataclass(slots=True)
class Acknowledged:
    """Latches that people acknowledged, each in the run of the daemon in which they did."""

    run: Callable[[], str] = _no_run  # the daemon's, now; whoever runs it sets this
    _latches: set[tuple[str, str, int]] = field(default_factory=set)

    def update(self, latches: Iterable[tuple[str, int]]) -> None:
        """Note these, by name and instance."""
        run = self.run()
        self._latches.update((run, name, instance) for name, instance in latches)

    def has(self, run: str, name: str, instance: int | None = None) -> bool:
        """Whether this latch, or any instance of it, was acknowledged in this run."""
        if instance is not None:
            return (run, name, instance) in self._latches
        return any((run, name) == one[:2] for one in self._latches)


@dataclass(slots=True)
class Asked:
    """What people asked of the daemon; whoever plays them notes it before asking."""

    arms: int = 0
    acknowledged: Acknowledged = field(default_factory=Acknowledged)


class Witness(Observer):
    """Observes one laser for its invariants; `violations` is what came of it.

    `reader` is the record of the daemon, None without one. `spells` are the faults that came; while one takes
    a contact from the firmware's sight, nothing can be promised of that contact.
    """

    def __init__(
        self,
        simulator: Simulator,
        invariants: Iterable[type[Invariant]],
        *,
        reader: Reader | None = None,
        serial: str = "",
    ) -> None:
        self.simulator = simulator
        self.reader = reader
        self.serial = serial
        self.asked = Asked()
        self.settled = True  # whoever runs the daemon says whether it had its chance to settle its books
        self.violations: list[Violation] = []
        self.excused: dict[str, str] = {}  # why, by the promise that was broken with good reason
        self.spells = Spells()
        self.state = simulator.state
        self.session = 0
        self.permit: Permit | None = None
        self._opened = simulator.plant.contacts.open_names()
        self.open_since: dict[str, int] = dict.fromkeys(self._opened, 0)
        self.seen_since = dict(self.open_since)  # since when the firmware could see it
        self._bridged = frozenset[str]()  # contacts that it cannot see
        self._bridged_before = self._bridged
        self.foot_down = simulator.plant.foot.pressed
        self.pressed_us = self.released_us = -1
        self.strap = simulator.plant.contacts.internal_trigger_strap
        self.unstrapped_us = -1
        self.alive_from_us = -SILENT_US  # when the latest challenge that was answered had been issued
        self.status: Status | None = None
        self.status_us = 0
        self.trigger = 0
        self.trigger_us = 0
        self.indicator_us: int | None = None  # since when it is driven
        self.arming_us = 0
        self.joined_us = simulator.now_us
        self._trigger_state: State | None = None
        self.counted_before: int | None = None  # the device's pulse counter when the witness came
        self._firmware_triggers = simulator.firmware.outputs.lamp_triggers
        self._line_triggers: int | None = None  # on the wire to the lamp: a glitch counts there too
        self._glitch = False
        self._records: list[PulseRecord] | None = None
        self._challenges: OrderedDict[int, int] = OrderedDict()
        self._requests: dict[int, Message] = {}  # of this session, by sequence number, not answered yet
        self._granted: set[int] = set()
        self._energies: dict[int, int] = {}  # by hash of the set-point
        self._from_host, self._from_device = Decoder(), Decoder()
        self.invariants = [one(self) for one in invariants]
        self._light, self._heard, self._told = map(self._overriding, ("light", "heard", "told"))
        self._moved, self._stopped, self._driven = map(self._overriding, ("moved", "stopped", "driven"))
        self._released, self._booted = map(self._overriding, ("released", "booted"))
        simulator.observers.append(self)

    def attach(self, stack: Stack) -> None:
        """Let the invariants know the stack around the laser."""
        self.asked.acknowledged.run = lambda: stack.daemon.boot
        for one in self.invariants:
            one.attach(stack)

    @property
    def now_us(self) -> int:
        """The simulator's time."""
        return self.simulator.now_us

    def report(self, violation: Violation) -> None:
        """Take a violation: it is excused by a fault at work, or it stands."""
        reason = excuse_of(violation, self.spells.all)
        if reason:
            self.excused[violation.invariant] = reason
        elif sum(one.invariant == violation.invariant for one in self.violations) < REPEATED_MAX:
            self.violations.append(violation)

    def device_time_us(self, now_us: int) -> int | None:
        """The device's own time, by its latest Status."""
        return None if self.status is None else self.status.device_time_us + now_us - self.status_us

    def records(self) -> Sequence[PulseRecord]:
        """What is recorded of this run's pulses; read once, so ask when the run is over."""
        if self._records is None:
            reader, after = self.reader, self.counted_before
            found: list[PulseRecord] = []
            while (
                reader is not None and after is not None and (page := reader.pulses(self.serial, after=after))
            ):
                found += page
                after = page[-1].pulse_number
            self._records = found
        return self._records

    def end(self) -> None:
        """The run is over: the last judgements."""
        for one in self.invariants:
            one.ended()

    # -- what the simulator shows

    def pulsed(self, pulse: TruePulse) -> None:
        """Light; what was before the witness came is shown to it first, and is not its matter."""
        if pulse.time_us < self.joined_us:
            return
        if pulse.triggered and not self._glitch:
            light = Light(pulse, self.trigger, self.trigger_us, self._trigger_state, self.permit)
        else:
            light = Light(pulse, 0, pulse.time_us, self.state, self.permit)
        for one in self._light:
            one.light(light)

    def received(self, now_us: int, port: str, data: bytes) -> None:
        """Bytes for the firmware."""
        if port == "wire":
            for frame in self._from_host.feed(data):
                if isinstance(frame, Frame):
                    self._hear(now_us, frame)

    def sent(self, now_us: int, port: str, data: bytes) -> None:
        """Bytes of the firmware's."""
        if port == "wire":
            for frame in self._from_device.feed(data):
                if isinstance(frame, Frame):
                    self._tell(now_us, frame)

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """A step of the firmware."""
        self._look_at_people(now_us)
        state = self.simulator.state
        if state is not self.state:
            before, self.state = self.state, state
            self._note_state(now_us, before, state)
        self.rewired(now_us, outputs)

    def rewired(self, now_us: int, outputs: Outputs) -> None:
        """What arrives at the plant."""
        if outputs.indicator_on is not (self.indicator_us is not None):
            self.indicator_us = now_us if outputs.indicator_on else None
        if outputs.lamp_triggers != self._line_triggers:
            self._note_trigger(now_us, self.state, outputs.lamp_triggers)
        for one in self._driven:
            one.driven(now_us, outputs)

    def acted(self, now_us: int, name: str, fields: dict[str, object]) -> None:
        """Somebody is about to do something; without a processor no step shows what came of it."""
        if self.spells.take(now_us, name, fields):
            self._bridged = bridged_by(self.spells.active())
        if not self.simulator.running:
            self.simulator.at(now_us + 1, self._look_again)

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        """The processor starts."""
        del watchdog_reset
        self._void(now_us, "the processor started anew")
        self._firmware_triggers, self._line_triggers = 0, None
        self.session = 0
        self.status = None
        self._from_host, self._from_device = Decoder(), Decoder()
        before, self.state = self.state, None
        for one in self._booted:
            one.booted(now_us)
        if before is not None:
            self._note_state(now_us, before, None)

    # -- within

    def _overriding(self, method: str) -> list[Invariant]:
        base = getattr(Invariant, method)
        return [one for one in self.invariants if getattr(type(one), method) is not base]

    def _look_again(self, simulator: Simulator) -> None:
        self._look_at_people(simulator.now_us)

    def _look_at_people(self, now_us: int) -> None:
        plant = self.simulator.plant
        if plant.foot.pressed is not self.foot_down:
            self.foot_down = plant.foot.pressed
            if self.foot_down:
                self.pressed_us = now_us
            else:
                self.released_us = now_us
                for one in self._released:
                    one.released(now_us)
        if plant.contacts.internal_trigger_strap is not self.strap:
            self.strap = not self.strap
            self.unstrapped_us = -1 if self.strap else now_us
        opened = plant.contacts.open_names()
        if opened != self._opened or self._bridged != self._bridged_before:
            self._note_contacts(now_us, opened)

    def _note_contacts(self, now_us: int, opened: tuple[str, ...]) -> None:
        """Contacts opened, closed, or came into the firmware's sight or out of it."""
        self._opened, self._bridged_before = opened, self._bridged
        for name in set(self.open_since) - set(opened):
            del self.open_since[name]
            self.seen_since.pop(name, None)
        for name in opened:
            self.open_since.setdefault(name, now_us)
            if name in self._bridged:
                self.seen_since.pop(name, None)
            elif name not in self.seen_since:
                self.seen_since[name] = now_us
                self._stop(now_us, f"{name}{OPENED}")

    def _note_state(self, now_us: int, before: State | None, after: State | None) -> None:
        if after not in ARMED:
            self._void(now_us, f"the laser went to {after.name if after is not None else 'its start'}")
        elif before not in ARMED:
            self.arming_us = now_us
        for one in self._moved:
            one.moved(now_us, before, after)
        if after is State.FAULT:
            self._stop(now_us, TRIPPED)

    def _note_trigger(self, now_us: int, state: State | None, on_the_line: int) -> None:
        """The firmware triggered the lamp, or a glitch on the wire did."""
        before, self._line_triggers = self._line_triggers, on_the_line
        ordered = self.simulator.firmware.outputs.lamp_triggers
        if ordered != self._firmware_triggers:
            self._firmware_triggers = ordered
            self._glitch = False
            self.trigger += 1
            self.trigger_us, self._trigger_state = now_us, state
            if self.permit is not None and state in ARMED:
                self.permit.used += 1
        elif before is not None:
            self._glitch = True

    def _stop(self, now_us: int, cause: str) -> None:
        for one in self._stopped:
            one.stopped(now_us, cause)

    def _void(self, now_us: int, by: str) -> None:
        if self.permit is not None and self.permit.voided_us is None:
            self.permit.voided_us, self.permit.voided_by = now_us, by

    def _hear(self, now_us: int, frame: Frame) -> None:
        message = frame.message
        match message:
            case Heartbeat():  # most are
                if frame.session == self.session:
                    issued_us = self._challenges.get(message.challenge, -SILENT_US)
                    self.alive_from_us = max(self.alive_from_us, issued_us)
            case Stop():
                self._void(now_us, "STOP arrived")
                self._stop(now_us, "STOP arrived")
            case StageSetpoint():
                self._energies[_set_point(message).hash] = message.pulse_energy_uj
            case Arm() | Grant() | Standby() | CommitSetpoint() if frame.session == self.session:
                self._requests[frame.seq] = message
            case _:
                pass
        for one in self._heard:
            one.heard(now_us, frame)

    def _tell(self, now_us: int, frame: Frame) -> None:
        message = frame.message
        match message:
            case Status():
                self.status, self.status_us = message, now_us
                if self.counted_before is None:
                    self.counted_before = message.pulse_number - self.trigger
                self._challenges[message.challenge] = now_us
                while len(self._challenges) > CHALLENGES_KEPT:
                    self._challenges.popitem(last=False)
            case Connected():
                self._void(now_us, "another session was opened")
                self.session = frame.session
                self._requests.clear()
                self._challenges.clear()
            case Reply(result) if frame.seq in self._requests:
                request = self._requests.pop(frame.seq)
                if result is Result.DONE:
                    self._done(now_us, request)
            case _:
                pass
        for one in self._told:
            one.told(now_us, frame)

    def _done(self, now_us: int, request: Message) -> None:
        if isinstance(request, Standby):
            self._void(now_us, "asked for STANDBY")
        elif isinstance(request, Grant) and request.permit_id not in self._granted:
            self._granted.add(request.permit_id)
            self.permit = Permit(request, now_us, self._energies.get(request.setpoint_hash))


def is_contact(cause: str) -> bool:
    """Whether this cause of a stop is a contact that opened."""
    return cause.endswith(OPENED)


def _set_point(staged: StageSetpoint) -> Setpoint:
    return Setpoint(
        staged.wavelength_nm,
        staged.mode_width_ps,
        staged.pulse_energy_uj,
        staged.rep_rate_mhz,
        staged.handpiece,
        staged.spot_um,
    )
