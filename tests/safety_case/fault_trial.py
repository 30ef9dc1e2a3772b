"""One fault on trial: it comes into a treatment, and the laser's day goes on until something tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from protocols.faults import Fault
from protocols.fields import members_of
from protocols.frame import ParseError
from protocols.host_link import LinkState, Received
from protocols.messages import Leave, Result
from protocols.requests import Acknowledge, Calibrate, Reply, Request, SetAiming, Standby
from protocols.states import ARMED, State
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.firmware import Reference
from sim_device.firmware.device import Device
from sim_device.plant import TruePulse
from tests.safety_case.fault_cases import Case
from tests.safety_case.ward import GUARDS, MS, S, Ward, ward_at

STAGES: Final = (
    "treatment",
    "next press",
    "next arming",
    "guard opened",
    "restart",
    "calibration",
    "half an hour",
)
"""What happens after the injection, in order, until the fault is found; the last only where time tells."""

OFF: Final = 0.2  # REQ-018: light further off than this was not what was set
BESIDE_MM: Final = 1.0  # [C] a third of the smallest usual spot
FOOT_US: Final = 20 * MS  # REQ-005
GUARD_US: Final = 10 * MS  # REQ-007
DEMAND_US: Final = 100 * MS  # REQ-006, the slowest of the demands

_ASKED: Final = {Leave.NEVER, Leave.STANDBY_ASKED}
_OPENS: Final = {
    "estop": Fault.ESTOP,
    "remote": Fault.REMOTE_INTERLOCK,
    "door": Fault.DOOR,
    "cover": Fault.COVER,
    "arm": Fault.ARTICULATED_ARM,
    "mains": Fault.MAINS,
    "handpiece": Fault.HANDPIECE,
}


@dataclass(frozen=True)
class Finding:
    """What came of a trial."""

    case: Case
    stage: str  # of STAGES; empty: never found
    by: str
    after_ms: float  # from the injection, or from what the stage begins with
    wrong: int  # pulses that left the aperture and must not have
    unmet: tuple[str, ...]  # guards that were opened and ended nothing

    @property
    def found(self) -> bool:
        """Whether any diagnostic of the device told of it."""
        return bool(self.stage)


class Trial(Ward):
    """A treatment at 10 Hz in which one fault comes; what the device tells is noted in its own instant."""

    by: str = ""
    found_us: int = 0
    wrong: int = 0
    expected: frozenset[Fault] = frozenset()
    opened_us: int | None = None
    released_us: int = 0
    pulse_us: int = -S

    @classmethod
    def begin(cls) -> Trial:
        """At a treatment's third second."""
        ward = ward_at("emitting")
        ward.run(30 * MS)
        ward.__class__ = cls
        assert isinstance(ward, Trial)
        ward.simulator.observers.append(_Watch(ward))
        ward._count_discards()
        return ward

    @property
    def laser(self) -> Device:
        """The firmware's inside, of the present boot."""
        assert isinstance(self.simulator.firmware, Reference)
        return self.simulator.firmware.device

    def tell(self, by: str) -> None:
        """A diagnostic told something for the first time."""
        if not self.by:
            self.by, self.found_us = by, self.simulator.now_us

    def wait(self, for_us: int, unless: Callable[[], bool] = lambda: False) -> bool:
        """Let so much time pass, or until something is found; whether it was."""
        self.when(lambda: bool(self.by) or unless(), for_us)
        return bool(self.by)

    def ask(self, request: Request, within_us: int = 500 * MS) -> Any:
        """The answer; a link that is lost is opened anew, and tells something."""
        if self.link.state is not LinkState.UP:
            self.connect()
        if self.link.state is not LinkState.UP:
            self.tell("link lost")
            return None
        answer = super().ask(request, within_us)
        if answer is None:
            self.tell("no answer")
        return answer

    def want(self, request: Request) -> bool:
        """Ask for something that nothing is in the way of; a refusal tells something."""
        reply = self.ask(request)
        if isinstance(reply, Reply) and reply.result is not Result.DONE:
            self.tell(f"refused: {', '.join(sorted(reason.name for reason in reply.reasons))}")
        return isinstance(reply, Reply) and reply.result is Result.DONE

    # -- the stages

    def treatment(self) -> None:
        """The foot stays down for three seconds."""
        self.wait(3 * S)

    def next_press(self) -> None:
        """Released, pressed once more, released."""
        self.lift()
        self.wait(500 * MS)
        self.press()
        self.wait(S)
        self.lift()
        self.wait(500 * MS)

    def next_arming(self) -> None:
        """Standby, armed with all its proofs, a second of light."""
        self.want(Standby())
        self.wait(S)
        if self.arm_and_permit():
            self.press()
            self.wait(S)
            self.lift()
            self.wait(500 * MS)
            self.want(Standby())
            self.wait(200 * MS)

    def arm_and_permit(self) -> bool:
        """The way to READY with a permit; whether it got there."""
        if self.status is None or not self.want(SetAiming(True)):
            return False
        self.wait(200 * MS)
        if not self.want(self.arm_request()):
            return False
        if self.wait(4 * S, lambda: self.state is State.READY):
            return False
        if self.state is not State.READY:
            self.tell("READY never came")
            return False
        self.wait(100 * MS)
        return self.want(self.grant_request(beam=self.laser.beam))

    def guard_opened(self) -> tuple[str, ...]:
        """Each guard in turn, with the foot down; those that ended nothing."""
        unmet = []
        for guard in (*GUARDS, "key"):
            if self.by:
                break
            if not self.arm_and_permit():
                self.tell("READY never came")
                break
            self.press()
            self.wait(310 * MS)
            if self.by:
                break
            self.opened_us = self.now_us
            if guard == "key":
                self.act("key", to="off")
            else:
                self.expected = frozenset({_OPENS[guard]})
                self.act(guard, **GUARDS[guard][0])
            self.wait(DEMAND_US)
            if self.state in ARMED:
                unmet.append(guard)
            self.wait(S)
            if guard == "key":
                self.act("key", to="on")
            else:
                self.act(guard, **GUARDS[guard][1])
            self.lift()
            self.wait(S)
            self.opened_us = None
            if self.laser.faults.latched and not self.by:
                self.want(Acknowledge(self.laser.faults.instance))
            elif self.state in ARMED:
                self.want(Standby())
            self.wait(200 * MS)
            self.expected = frozenset()
        if not self.by:
            self.wait(75 * S)  # the key was off: self-test and warm-up run again
        return tuple(unmet)

    def restart(self) -> None:
        """The supply goes for a second; start-up, and one more arming."""
        self.act("power", to="cut")
        self.run(S)
        self.act("power", to="return")
        self.wait(S)
        self.connect()
        self.wait(150 * S, lambda: self.state is State.STANDBY)
        if not self.by and self.state is not State.STANDBY:
            self.tell("STANDBY never came")
        if not self.by:
            self.commit_again()
            self.next_arming()

    def commit_again(self) -> None:
        """What a restart forgot."""
        if not self.by:
            self.commit(self.setpoint)
            self.want(SetAiming(True))
            self.wait(S)

    def calibration(self) -> None:
        """Into the port, a calibration of energy, and out again."""
        self.act("dock")
        self.wait(S)
        if self.want(Calibrate()):
            self.wait(10 * S, lambda: self.state is State.STANDBY)
            if not self.laser.calibrator.valid:
                self.tell("calibration not valid")
        self.act("undock")
        self.wait(200 * MS)

    def half_an_hour(self) -> None:
        """Nobody does anything in STANDBY, without a host; then one more treatment."""
        end_us = self.now_us + 1_800 * S
        while not self.by and self.now_us < end_us:
            self.simulator.advance(self.now_us + 10 * S)
        self.connect()
        if not self.by:
            self.next_arming()

    def lift(self) -> None:
        """Take the foot off."""
        self.released_us = self.now_us
        self.release()

    # -- within

    def see(self, pulse: TruePulse) -> None:
        """Count light that must not be."""
        double = pulse.time_us - self.pulse_us < 50 * MS
        self.pulse_us = pulse.time_us
        if pulse.aperture and (double or self._is_wrong(pulse)):
            self.wrong += 1

    def _is_wrong(self, pulse: TruePulse) -> bool:
        setpoint = self.setpoint
        return (
            abs(pulse.transmitted_uj / setpoint.pulse_energy_uj - 1) > OFF
            or abs(pulse.width_ps / setpoint.mode_width_ps - 1) > OFF
            or pulse.free_running
            or not pulse.triggered
            or (pulse.wavelength_nm, pulse.spot_um) != (setpoint.wavelength_nm, setpoint.spot_um)
            or pulse.aiming_offset_mm > BESIDE_MM
            or (not pulse.foot_pressed and pulse.time_us > self.released_us + FOOT_US)
            or (self.opened_us is not None and pulse.time_us > self.opened_us + GUARD_US)
        )

    def connect(self) -> None:
        """Another session; its link is counted as the one before."""
        super().connect()
        self._count_discards()

    def _count_discards(self) -> None:
        """See what either end takes: a frame that arrives and is not taken was recognised as bad."""
        assert isinstance(self.simulator.firmware, Reference)
        for link in (self.link, self.simulator.firmware._comms._link):
            if not hasattr(link, "tapped"):
                _tap(self, link)


def _tap(trial: Trial, link: Any) -> None:
    """Compare the frames that reach this end with those that it takes."""
    feed, receive = link._decoder.feed, link.receive
    arrived: list[int] = [0]

    def counted_feed(data: bytes) -> list[Any]:
        found: list[Any] = feed(data)
        arrived[0] += len(found)
        return found

    def counted_receive(data: bytes, *now_us: int) -> list[Any]:
        arrived[0] = 0
        events: list[Any] = receive(data, *now_us)
        taken = [event for event in events if not isinstance(event, ParseError)]
        if arrived[0] > len(taken):
            trial.tell("frame discarded")
        if any(isinstance(event, Received) and event.lost for event in taken):
            trial.tell("frame missed")
        return events

    link._decoder.feed, link.receive, link.tapped = counted_feed, counted_receive, True


class _Watch(Observer):
    """Looks at what the device tells, at every step."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        trial = self._trial
        if trial.by:
            return
        device = trial.laser
        latched = members_of(Fault, device.faults.latched) - trial.expected
        if latched:
            first = device.faults.first
            trial.tell((first if first in latched else min(latched)).name)
        elif device.state is State.STANDBY and device.leave not in _ASKED and not trial.expected:
            trial.tell(f"left: {device.leave.name}")

    def pulsed(self, pulse: TruePulse) -> None:
        self._trial.see(pulse)


def stages_of(case: Case) -> tuple[str, ...]:
    """In their order. What was altered in memory shows at the next start, if nothing was written over it."""
    stages: tuple[str, ...] = STAGES if case.slow else STAGES[:-1]
    if case.fault == "memory-corrupted":
        stages = (stages[0], "restart", *(stage for stage in stages[1:] if stage != "restart"))
    return stages


def on_trial(case: Case) -> Finding:
    """Carry it out."""
    trial = Trial.begin()
    injected_us = began_us = trial.now_us
    trial.inject(case.fault, **dict(case.given))
    unmet: tuple[str, ...] = ()
    found = ""
    for stage in stages_of(case):
        began_us = injected_us if stage == STAGES[0] else trial.now_us
        result = getattr(trial, stage.replace(" ", "_"))()
        unmet = result if result is not None else unmet
        if trial.by:
            found = stage
            break
    after_ms = (trial.found_us - began_us) / 1000
    trial.run(300 * MS)
    return Finding(case, found, trial.by, after_ms, trial.wrong, unmet)
