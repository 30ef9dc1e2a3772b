"""No trip is forgotten, and nothing but a person's act leads back to READY."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from controller.store import EventKind
from protocols.frame import Frame
from protocols.messages import Status
from protocols.requests import Acknowledge, Arm, Reply
from protocols.states import ARMED, State
from rig.invariants.witness import INHIBIT_US, Invariant, Witness, is_contact
from sim_device.simulator import Simulator

Latches = Callable[[], tuple[str, frozenset[tuple[str, int]]] | None]
"""The run of the daemon that lives and its standing latches by name and instance; None without one."""

FOLLOWS_THE_DEVICE: Final = "device_fault"  # the mirror of the device's own latch, which it follows
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
    """The Arm: each is one that a person asked the daemon for."""

    name = "armed-by-a-person"
    rule = "the daemon arms no more often than people asked it to"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._armings = 0

    def moved(self, now_us: int, before: State | None, after: State | None) -> None:
        """Count."""
        del now_us, before
        if after is State.ARMING:
            self._armings += 1
            if self._armings > self.witness.asked.arms:
                self.broken(f"armed {self._armings} times, people asked {self.witness.asked.arms} times")


class GuardTrips(Invariant):
    """Opened guards: a contact that opens while armed latches."""

    name = "guard-trips"
    rule = "10 ms after a guard opened while armed the laser is in FAULT, or OFF by the key"

    def stopped(self, now_us: int, cause: str) -> None:
        """Look again when the time is over."""
        if is_contact(cause) and self.witness.state in ARMED:
            work = partial(self._look, cause)
            self.witness.simulator.at(now_us + INHIBIT_US + 1, work)

    def _look(self, cause: str, simulator: Simulator) -> None:
        state = self.witness.state
        # The key leads to OFF, and, turned back at once, on from there.
        good = state not in ARMED if cause.startswith("key_on") else state in {State.FAULT, State.OFF, None}
        if simulator.running and not good:
            self.broken(f"{state.name if state else state} {INHIBIT_US} us after this: {cause}")


class TripsStay(Invariant):
    """The device's latch: it goes only after an acknowledgement that names it came."""

    name = "trips-stay"
    rule = "a latched fault of the device stays, over key and power too, until its instance is acknowledged"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._standing = 0
        self._acknowledged: set[int] = set()
        self._waiting: dict[int, int] = {}  # instance by sequence number

    def heard(self, now_us: int, frame: Frame) -> None:
        """An acknowledgement came."""
        del now_us
        if isinstance(frame.message, Acknowledge):
            self._waiting[frame.seq] = frame.message.fault_instance

    def told(self, now_us: int, frame: Frame) -> None:
        """The instance as Status tells it."""
        del now_us
        if isinstance(frame.message, Reply) and frame.seq in self._waiting:
            self._acknowledged.add(self._waiting.pop(frame.seq))
        if isinstance(frame.message, Status):
            instance = frame.message.fault_instance
            if self._standing and instance != self._standing and self._standing not in self._acknowledged:
                self.broken(f"fault instance {self._standing} is gone, and nobody acknowledged it")
            self._standing = instance


class TripsRecorded(Invariant):
    """The device's trips: those the host knew of are in its record."""

    name = "trips-recorded"
    rule = "every fault of the device that the host acknowledged is in the record, with its instance"

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._known: set[int] = set()

    def heard(self, now_us: int, frame: Frame) -> None:
        """An acknowledgement proves that the host knew."""
        del now_us
        if isinstance(frame.message, Acknowledge):
            self._known.add(frame.message.fault_instance)

    def ended(self) -> None:
        """Look them up."""
        reader = self.witness.reader
        if reader is None or not self._known:
            return
        texts = [event.text for event in reader.events(limit=EVENTS_READ) if event.kind is EventKind.FAULT]
        for instance in sorted(self._known):
            if not any(text.endswith(f"instance {instance}") for text in texts):
                self.broken(f"fault instance {instance} was acknowledged and never recorded")


class HostTripsStay(Invariant):
    """The host's latches: each goes only by a person's acknowledgement of it."""

    name = "host-trips-stay"
    rule = "a latch of the daemon's stays until somebody acknowledges that very instance"

    latches: Latches | None = None  # whoever runs the daemon sets it

    def __init__(self, witness: Witness) -> None:
        super().__init__(witness)
        self._run = ""
        self._standing: frozenset[tuple[str, int]] = frozenset()

    def heard(self, now_us: int, frame: Frame) -> None:
        """Look whenever the daemon speaks."""
        del now_us, frame
        found = self.latches() if self.latches is not None else None
        if found is None:
            return
        run, standing = found
        if run == self._run:
            for name, instance in sorted(self._standing - standing):
                if name != FOLLOWS_THE_DEVICE and (name, instance) not in self.witness.asked.acknowledged:
                    self.broken(f"latch {name} #{instance} is gone, and nobody acknowledged it")
        elif self._run:
            self.witness.asked.acknowledged.clear()  # instances count anew
        self._run, self._standing = run, standing
