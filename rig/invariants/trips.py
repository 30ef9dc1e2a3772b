"""No trip is forgotten, and nothing but a person's act leads back to READY."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from controller.store import EventKind
from protocols.frame import Frame
from protocols.messages import Result, Status
from protocols.requests import Acknowledge, Arm, Grant, Reply
from protocols.states import ARMED, State
from rig.invariants.invariant import Invariant
from rig.invariants.stops import hung_until_us
from rig.invariants.witness import INHIBIT_US, Witness, is_contact
from safety.latches import Latch
from sim_device.simulator import Simulator

if TYPE_CHECKING:
    from rig.stack import Stack

START_UP: Final = "start_up"
FOLLOWS_THE_DEVICE: Final = "device_fault"  # the mirror of the device's own latch, which it follows
WRITES_US: Final = 1_000_000  # [C] of life until a daemon has written what it was told
EVENTS_READ: Final = 100_000  # [C] more than any run writes


class ReadyByArm(Invariant):
    """READY: reached from ARMING, and ARMING by an Arm that had come since the laser was last disarmed."""

    name = "ready-by-arm"
    rule = "every road to READY begins with an Arm on the wire"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._arm_heard = False

    def heard(self, now_us: int, frame: Frame) -> None:
        """An Arm came; the step that took it is shown next."""
        del now_us
        if isinstance(frame.message, Arm):
            self._arm_heard = True

    def moved(self, now_us: int, before: State | None, after: State | None) -> None:
        """Judge the way."""
        del now_us
        if after is State.ARMING:
            if not self._arm_heard:
                self.broken("ARMING, and no Arm came")
            self._arm_heard = False
        elif after in ARMED and before not in ARMED:
            self.broken(
                f"{after.name if after else after} straight from {before.name if before else 'the start'}"
            )
        elif after not in ARMED:
            self._arm_heard = False


class ArmedByAPerson(Invariant):
    """The Arm: each is one that a person asked the daemon for, while the laser was not armed."""

    name = "armed-by-a-person"
    rule = "each arming was asked for by a person since the laser was last disarmed"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._spent = 0

    def moved(self, now_us: int, before: State | None, after: State | None) -> None:
        """Spend what was asked for."""
        del now_us
        arms = self.witness.asked.arms
        if after is State.ARMING and arms <= self._spent:
            self.broken("armed, and nobody had asked for it since the laser was last disarmed")
        if after is State.ARMING or (before in ARMED and after not in ARMED):
            self._spent = arms


class GuardTrips(Invariant):
    """Opened guards: a contact that opens while armed latches."""

    name = "guard-trips"
    rule = "10 ms after a guard opened while armed the laser is in FAULT, or OFF by the key"

    def stopped(self, now_us: int, cause: str) -> None:
        """Look again when the time is over."""
        if is_contact(cause) and self.witness.state in ARMED:
            self._look_at(now_us + INHIBIT_US + 1, cause, now_us)

    def _look_at(self, when_us: int, cause: str, since_us: int) -> None:
        self.witness.simulator.at(when_us, partial(self._look, cause, since_us))

    def _look(self, cause: str, since_us: int, simulator: Simulator) -> None:
        state = self.witness.state
        # The key leads to OFF, and, turned back at once, on from there; so does the reset of one that hung.
        hung_us = hung_until_us(self.witness, "", since_us)
        disarmed = cause.startswith("key_on") or hung_us >= 0
        good = state not in ARMED if disarmed else state in {State.FAULT, State.OFF, None}
        if good or not (simulator.running or simulator.hung):
            return
        later_us = hung_us + INHIBIT_US + 1
        if later_us > simulator.now_us:
            self._look_at(later_us, cause, since_us)
        else:
            passed_us = simulator.now_us - since_us - 1
            self.broken(f"{state.name if state else state} {passed_us} us after this: {cause}",
                        since_us=since_us)  # fmt: skip


class TripsStay(Invariant):
    """The device's latch: it goes only after an acknowledgement that names it was done."""

    name = "trips-stay"
    rule = "a latched fault of the device stays, over key and power too, until its instance is acknowledged"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._standing = 0
        self._acknowledged: set[int] = set()
        self._waiting: dict[tuple[int, int], int] = {}  # instance by session and sequence number

    def heard(self, now_us: int, frame: Frame) -> None:
        """An acknowledgement came."""
        del now_us
        if isinstance(frame.message, Acknowledge):
            self._waiting[frame.session, frame.seq] = frame.message.fault_instance

    def told(self, now_us: int, frame: Frame) -> None:
        """The instance as Status tells it."""
        del now_us
        message, request = frame.message, (frame.session, frame.seq)
        if isinstance(message, Reply) and request in self._waiting:
            instance = self._waiting.pop(request)
            if message.result is Result.DONE:
                self._acknowledged.add(instance)
        if isinstance(message, Status):
            instance = message.fault_instance
            if self._standing and instance != self._standing and self._standing not in self._acknowledged:
                self.broken(f"fault instance {self._standing} is gone, and nobody acknowledged it")
            self._standing = instance


class TripsRecorded(Invariant):
    """The device's trips: those the host knew of are in its record."""

    name = "trips-recorded"
    rule = "every fault of the device that a daemon was told of, and lived on to write, is in the record"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._stack: Stack | None = None
        self._told_us: dict[tuple[str, int], int] = {}
        self._known: set[int] = set()

    def attach(self, stack: Stack) -> None:
        """Know the daemon."""
        self._stack = stack

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look whenever the daemon speaks; what it acknowledges it knows at once."""
        if isinstance(frame.message, Acknowledge):
            self._known.add(frame.message.fault_instance)
        self._look(now_us)

    def told(self, now_us: int, frame: Frame) -> None:
        """Look before the next Status takes the place of the last."""
        if isinstance(frame.message, Status):
            self._look(now_us)

    def _newest(self) -> tuple[str, int]:
        """The run of the daemon that lives and the fault instance in its newest Status; 0 without."""
        if self._stack is None or not self._stack.running:
            return "", 0
        status = self._stack.status
        return self._stack.daemon.boot, status.fault_instance if status is not None else 0

    def _look(self, now_us: int) -> None:
        run, instance = self._newest()
        if not instance and not self._told_us:
            return
        if instance and instance not in self._known:
            self._told_us.setdefault((run, instance), now_us)
        for (told_run, told), since_us in list(self._told_us.items()):
            if told_run != run:
                del self._told_us[told_run, told]  # killed before it could write; the next one is told anew
            elif now_us > since_us + WRITES_US:
                self._known.add(told)
                del self._told_us[told_run, told]

    def ended(self) -> None:
        """Look them up."""
        reader = self.witness.reader
        if reader is None or not self._known:
            return
        texts = [event.text for event in reader.events(limit=EVENTS_READ) if event.kind is EventKind.FAULT]
        for instance in sorted(self._known):
            if not any(text.endswith(f"instance {instance}") for text in texts):
                self.broken(f"fault instance {instance} was told to the daemon and never recorded")


class HostTripsStay(Invariant):
    """The host's latches: each goes only by a person's acknowledgement of it."""

    name = "host-trips-stay"
    rule = "a latch of the daemon's stays until somebody acknowledges it, and each start of it is one"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._stack: Stack | None = None
        self._run = ""
        self._latches: tuple[Latch, ...] = ()
        self._standing: frozenset[tuple[str, int]] = frozenset()

    def attach(self, stack: Stack) -> None:
        """Know the daemon."""
        self._stack = stack

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look whenever the daemon speaks."""
        del now_us
        if self._stack is None or not self._stack.running:
            return
        daemon = self._stack.daemon
        run, latches = daemon.boot, daemon.supervisor.latches
        acknowledged = self.witness.asked.acknowledged
        if run != self._run or latches != self._latches:
            standing = frozenset((latch.id.value, latch.instance) for latch in latches)
            gone = self._standing - standing if run == self._run else ()
            for name, instance in sorted(gone):
                if name != FOLLOWS_THE_DEVICE and not acknowledged.has(run, name, instance):
                    self.broken(f"latch {name} #{instance} is gone, and nobody acknowledged it")
            self._run, self._latches, self._standing = run, latches, standing
        if isinstance(frame.message, Arm | Grant) and not acknowledged.has(run, START_UP):
            self.broken(
                f"{type(frame.message).__name__}, and nobody acknowledged that the daemon was started"
            )
