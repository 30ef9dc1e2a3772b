"""Faults at work in one simulator: what triggers them, what ends them, and how often each really fired."""

from __future__ import annotations

import dataclasses
import difflib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from protocols.frame import Decoder, Frame
from sim_device.board import Inputs, Outputs
from sim_device.doors import Observer
from sim_device.faults.catalogue import CATALOGUE
from sim_device.faults.fault import Fault, FaultError
from sim_device.faults.trigger import INPUT_LINES, Event, Kind, Trigger, microseconds
from sim_device.operator import explain
from sim_device.plant import TruePulse
from sim_device.simulator import Simulator

TRIGGER_FIELDS: Final = frozenset(Trigger.model_fields)


@dataclass(frozen=True, slots=True)
class Report:
    """What one injection did up to now."""

    name: str
    index: int  # of the injections of this name, from 0
    parameters: dict[str, Any]
    expected: bool  # whether a run without it having fired is worth nothing
    active: bool
    begun: int  # how often it came
    fired: int  # how often it changed something that would have been different

    @property
    def idle(self) -> bool:
        """Whether it was expected to fire and never did."""
        return self.expected and not self.fired

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


@dataclass(eq=False)
class Injection:
    """One fault with its trigger."""

    fault: Fault
    trigger: Trigger
    index: int
    expected: bool
    chance: random.Random
    active: bool = False
    begun: int = 0
    cleared: bool = False
    seen: int = 0  # occurrences of its event
    event: Event | None = field(init=False)

    def __post_init__(self) -> None:
        self.event = self.trigger.event

    def report(self) -> Report:
        """What it did up to now."""
        fault = self.fault
        return Report(
            fault.name, self.index, fault.parameters(), self.expected, self.active, self.begun, fault.fired
        )

    def accepts(self) -> bool:
        """Whether it comes on this occurrence of its event; each occurrence is asked for once."""
        self.seen += 1
        if self.seen < (self.trigger.nth or 1):
            return False
        probability = self.trigger.probability
        return probability is None or self.chance.random() < probability


class Injector(Observer):
    """All faults of one simulator, among its observers: a copy of the simulator has its own.

    What an event triggers begins as work on the agenda, at the time of the event and right after it.
    """

    def __init__(self, simulator: Simulator, seed: int = 1) -> None:
        """Take over a simulator; the run begins now."""
        self.injections: list[Injection] = []
        self.seed = seed
        self.began_us = simulator.now_us
        self._simulator = simulator
        self._state = simulator.state
        self._lines: dict[str, int | None] = {}  # what is waited for, as last seen; None: not yet
        self._decoders = {Kind.TO_DEVICE: Decoder(), Kind.TO_HOST: Decoder()}
        simulator.show_act("injector", {"seed": seed})
        simulator.observers.append(self)

    @classmethod
    def of(cls, simulator: Simulator, seed: int = 1) -> Injector:
        """The injector of this simulator; the first call makes it, with the seed of all its chance."""
        for observer in simulator.observers:
            if isinstance(observer, Injector):
                return observer
        return cls(simulator, seed)

    def inject(self, name: str, /, *, expected: Any = True, **given: Any) -> Injection:
        """Add the fault of this name; `given` are its parameters and its trigger's fields.

        Raises FaultError, with nothing begun, for anything that is not possible.
        """
        fault, trigger = compose(name, given)
        if not isinstance(expected, bool):
            raise FaultError(f"{name}.expected = {expected!r}: give true or false")
        return self.add(fault, trigger, expected=expected)

    def inject_stated(self, stated: Mapping[str, Any]) -> Injection:
        """Add a fault as a scenario states it: its name is one of its fields."""
        given = dict(stated)
        return self.inject(given.pop("name"), **given)

    def add(self, fault: Fault, trigger: Trigger | None = None, *, expected: bool = True) -> Injection:
        """Add this fault; without a trigger it begins now. Raises FaultError for a time gone by."""
        trigger = trigger or Trigger()
        if trigger.for_s is not None and not fault.lasting:
            raise FaultError(f"{fault.name}.for_s = {trigger.for_s}: it happens at once; leave for_s out")
        now_us = self._simulator.now_us
        due_us = now_us
        if trigger.at_s is not None:
            due_us = self.began_us + microseconds(trigger.at_s)
            if due_us < now_us:
                run_s = (now_us - self.began_us) / 1e6
                raise FaultError(
                    f"{fault.name}.at_s = {trigger.at_s}: lies in the past; give {run_s:g} s or later"
                )
        timing = trigger.model_dump(exclude_defaults=True)
        told = {"name": fault.name, "expected": expected, **fault.parameters(), **timing}
        self._simulator.show_act("inject", told)
        index = sum(other.fault.name == fault.name for other in self.injections)
        key = f"{self.seed}/{fault.name}/{index}"
        fault.seed(f"{key}/fault")
        injection = Injection(fault, trigger, index, expected, random.Random(f"{key}/trigger"))
        self.injections.append(injection)
        if injection.event is not None:
            if injection.event.kind in {Kind.RISES, Kind.FALLS}:
                self._lines.setdefault(injection.event.about, None)
        elif trigger.probability is None or injection.accepts():
            due_us += microseconds(trigger.after_s)
            if due_us == now_us and trigger.at_s is None:
                self._begin(injection, self._simulator)
            else:
                self._simulator.at(due_us, partial(self._begin, injection))
        return injection

    def clear(self, injection: Injection) -> None:
        """End it now, and for good; its report stays."""
        self._simulator.show_act("clear", {"number": self.injections.index(injection)})
        injection.cleared = True
        self._end(injection, injection.begun, self._simulator)

    def clear_all(self) -> None:
        """End every fault."""
        for injection in self.injections:
            self.clear(injection)

    def reports(self) -> list[Report]:
        """What each injection did up to now, in the order in which they were added."""
        return [injection.report() for injection in self.injections]

    # -- what may trigger

    def pulsed(self, pulse: TruePulse) -> None:
        """Light."""
        self._occur(Event(Kind.PULSE, ""))

    def booted(self, now_us: int, *, watchdog_reset: bool) -> None:
        """The processor starts."""
        self._state = None
        self._occur(Event(Kind.BOOT, ""))

    def stepped(self, now_us: int, inputs: Inputs, outputs: Outputs) -> None:
        """States and board lines, as the firmware had them."""
        state = self._simulator.state
        if state is not self._state:
            self._state = state
            if state is not None:
                self._occur(Event(Kind.STATE, state.name))
        for line in self._lines:
            self._watch(line, inputs, outputs)

    def received(self, now_us: int, port: str, data: bytes) -> None:
        """Frames to the device."""
        self._read(Kind.TO_DEVICE, port, data)

    def sent(self, now_us: int, port: str, data: bytes) -> None:
        """Frames to the host."""
        self._read(Kind.TO_HOST, port, data)

    def _watch(self, line: str, inputs: Inputs, outputs: Outputs) -> None:
        level = getattr(inputs if line in INPUT_LINES else outputs, line)
        before, self._lines[line] = self._lines[line], level
        if before is not None and level != before:
            self._occur(Event(Kind.RISES if level > before else Kind.FALLS, line))

    def _read(self, kind: Kind, port: str, data: bytes) -> None:
        if not self.injections or port != "wire":
            return
        if not any(i.event is not None and i.event.kind is kind for i in self._waiting()):
            return
        for found in self._decoders[kind].feed(data):
            if isinstance(found, Frame):
                self._occur(Event(kind, type(found.message).__name__))
                self._occur(Event(kind, ""))

    def _occur(self, event: Event) -> None:
        simulator = self._simulator
        for injection in self._waiting():
            if injection.event == event and injection.accepts():
                due_us = simulator.now_us + microseconds(injection.trigger.after_s)
                simulator.at(due_us, partial(self._begin, injection))

    def _waiting(self) -> Iterator[Injection]:
        """Those whose event may still bring them."""
        for injection in self.injections:
            over = injection.cleared or injection.begun >= injection.trigger.times_max
            if injection.event is not None and not over and not injection.active:
                yield injection

    # -- coming and going

    def _begin(self, injection: Injection, simulator: Simulator) -> None:
        if injection.cleared or injection.active or injection.begun >= injection.trigger.times_max:
            return
        fault = injection.fault
        injection.begun += 1
        injection.active = fault.lasting
        simulator.show_act("fault-begins", {"name": fault.name, **fault.parameters()})
        if injection.trigger.for_s is not None:
            end_us = simulator.now_us + microseconds(injection.trigger.for_s)
            simulator.at(end_us, partial(self._end, injection, injection.begun))
        fault.begin(simulator)

    def _end(self, injection: Injection, begun: int, simulator: Simulator) -> None:
        if injection.active and injection.begun == begun:
            injection.active = False
            simulator.show_act("fault-ends", {"name": injection.fault.name, **injection.fault.parameters()})
            injection.fault.end(simulator)


def compose(name: str, given: dict[str, Any]) -> tuple[Fault, Trigger]:
    """The fault of this name and its trigger from their fields in one table; raises FaultError."""
    kind = fault_class(name)
    timing = {key: value for key, value in given.items() if key in TRIGGER_FIELDS}
    parameters = {key: value for key, value in given.items() if key not in TRIGGER_FIELDS}
    try:
        return kind(**parameters), Trigger(**timing)
    except ValidationError as error:
        details = [dict(detail) for detail in error.errors()]
        raise FaultError(explain(name, details, (*kind.model_fields, *TRIGGER_FIELDS))) from error


def fault_class(name: str) -> type[Fault]:
    """The fault of this name; FaultError names the nearest one there is."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=1)
    hint = f"did you mean {near[0]}?" if near else "`picolase faults` lists them all"
    raise FaultError(f"fault = {name!r} is not known: {hint}")


def inject(simulator: Simulator, name: str, **given: Any) -> Injection:
    """Add a fault to this simulator, by name, with its parameters, its trigger's fields and `expected`.

    Without `at_s` or `on` it begins now. Raises FaultError, with nothing begun, for what is not possible.
    """
    return Injector.of(simulator).inject(name, **given)


def clear(simulator: Simulator, injection: Injection | None = None) -> None:
    """End this fault, or all, now."""
    injector = Injector.of(simulator)
    if injection is None:
        injector.clear_all()
    else:
        injector.clear(injection)
