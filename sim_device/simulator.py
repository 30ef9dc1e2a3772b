"""One simulated laser: a firmware, the plant around it and its memory, coupled on simulated time.

Theory of operation: nothing runs until something is due: an event of the plant, the firmware's own wake-up,
the watchdog, a received byte, or somebody's act. At each such instant the plant is brought there, the
firmware takes one step if an input changed, and its outputs go back to the plant. Between these instants
time passes for free. Whoever owns the simulator decides what its time means: `advance` is the only clock.

Three doors let others in. `at` puts work on the agenda: a scenario's time line. `disturbances` alter board
lines on their way between plant and firmware: faults of wires. `observers` see everything and change nothing:
recordings, invariants. All that hangs on a simulator must survive `copy.deepcopy` (bound methods and
`functools.partial` do, closures do not), because a snapshot is a copy.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

from protocols.states import State
from sim_device.board import FirmwareBackend, Inputs, Memory, Outputs, Step
from sim_device.clock import Clock
from sim_device.doors import Disturbance, Observer
from sim_device.line import Line, Way
from sim_device.plant import NEVER, Plant
from sim_device.plant.watchdog import Watchdog

SENT_MAX: Final = 64 * 1024
"""Bytes kept for an owner who does not fetch them; what comes then is lost, as when nobody hears a UART."""

RESET_US: Final = 1_000  # [C] a supervisor chip holds the processor in reset for about a millisecond

_WARMING: Final = frozenset({State.SELF_TEST, State.WARM_UP})


class Simulator:
    """The device as its owner sees it: bytes in, bytes out, time, power, and hands that act on the plant."""

    __slots__ = (
        *("bytes_lost", "disturbances", "firmware", "hung", "memory", "now_us", "observers", "on_agenda"),
        *("plant", "resets", "watchdog", "wire"),
        *("_agenda", "_agenda_count", "_boot_us", "_clock", "_console_sent", "_plain", "_planned_us"),
        *("_pulses_shown", "_sent", "_wake_us", "_watchdog_reset"),
        "__dict__",  # for an ear or a hand that somebody puts in the place of a method
    )

    def __init__(self, firmware: FirmwareBackend, plant: Plant, memory: Memory) -> None:
        """Power on at the plant's present time."""
        self.firmware = firmware
        self.plant = plant
        self.memory = memory
        self.watchdog = Watchdog()
        self.wire = Line()  # of the binary port
        self.now_us = plant.now_us
        self.resets = 0  # by the watchdog
        self.bytes_lost = 0
        self.disturbances: list[Disturbance] = []
        self.observers: list[Observer] = []
        self.hung = False  # the processor executes nothing and drives what it last drove
        self._plain = False  # the plant has the firmware's outputs as they were after the latest step
        self._clock = Clock()  # the processor's
        self.on_agenda = False  # what happens now was on the agenda, not done from outside
        self._agenda: list[tuple[int, int, Callable[[Simulator], None]]] = []
        self._agenda_count = 0
        self._pulses_shown = plant.truth.total
        self._wake_us = NEVER
        self._boot_us = NEVER  # end of the reset pulse
        self._planned_us = NEVER  # this, or the first of the agenda
        self._watchdog_reset = False
        self._sent = bytearray()
        self._console_sent = bytearray()
        self._boot(watchdog_reset=False)

    @property
    def next_event_us(self) -> int:
        """When something will happen by itself; NEVER if nothing is going on."""
        return min(
            self.plant.next_event_us,
            self._wake_us,
            self.watchdog.bites_us,
            self.wire.next_us,
            self._planned_us,
        )

    @property
    def running(self) -> bool:
        """The processor has power, is not held in reset and executes."""
        return self._runs()

    def _runs(self) -> bool:
        return self.plant.powered and self._boot_us == NEVER and not self.hung

    @property
    def warming(self) -> bool:
        """Self-test or warm-up is going on, as far as the firmware tells."""
        return self.running and self.state in _WARMING

    @property
    def state(self) -> State | None:
        """The firmware's own idea of its state; None from one that keeps it to itself."""
        state = getattr(self.firmware, "state", None)
        return state if isinstance(state, State) else None

    def advance(self, to_us: int, *, until_sent: bool = False) -> int:
        """Let everything happen that is due up to and including `to_us`; ValueError for a time gone by.

        With `until_sent` it ends at the instant at which the device has sent the host something, or the line
        was plugged in or out, if that comes before. Returns `next_event_us`.
        """
        if to_us < self.now_us:
            raise ValueError(f"to_us = {to_us} lies before {self.now_us}: time does not go backwards")
        plant, truth, watchdog, wire = self.plant, self.plant.truth, self.watchdog, self.wire
        plugged = wire.plugged
        while True:  # some hundred times in a simulated second: no call that a comparison can spare
            event_us, wake_us = plant.next_event_us, self._wake_us
            due_us = event_us if event_us < wake_us else wake_us
            seldom = watchdog.bites_us <= due_us or wire.next_us <= due_us or self._planned_us <= due_us
            if seldom:
                due_us = min(watchdog.bites_us, wire.next_us, self._planned_us)
            if until_sent and (self._sent or wire.plugged is not plugged):
                return due_us
            if due_us > to_us:
                break
            self.now_us = due_us
            if event_us <= due_us:
                plant.advance(due_us)
                if truth.total != self._pulses_shown:
                    self._show_pulses()
            else:
                plant.now_us = due_us  # all that `advance` would do
            if seldom:
                self._do_seldom(due_us)
            elif due_us == wake_us:
                self._step()
            if plant.changed and self._runs():
                self._step()
        if to_us > self.now_us:  # nothing is due up to then
            plant.now_us = self.now_us = to_us
        return due_us

    def _do_seldom(self, due_us: int) -> None:
        """Do the first of what is due, besides the plant's events and the firmware's wakings."""
        if self._agenda and due_us >= self._agenda[0][0]:
            self._do_agenda()
        elif due_us >= self._boot_us:
            self._boot(watchdog_reset=self._watchdog_reset)
        elif due_us >= self.watchdog.bites_us:
            self._bite()
        else:
            self._deliver()

    def at(self, when_us: int, work: Callable[[Simulator], None]) -> None:
        """Put `work` on the agenda: it is called with the simulator at `when_us`, before all else due then.

        ValueError for a time gone by.
        """
        if when_us < self.now_us:
            raise ValueError(f"when_us = {when_us} lies before {self.now_us}: time does not go backwards")
        self._agenda_count += 1  # keeps the order of what is due together
        heapq.heappush(self._agenda, (when_us, self._agenda_count, work))
        self._plan()

    def receive(self, data: bytes, now_us: int) -> None:
        """The host sends bytes to the binary port at `now_us`; an answer that comes at once is in `sent`."""
        self.advance(now_us)
        for observer in self.observers:
            observer.entered(now_us, "wire", data)
        if not self.wire.to_device.straight:
            self._send(self.wire.to_device, data)
        elif self._runs():
            self._step(received=data)

    def receive_console(self, data: bytes, now_us: int) -> None:
        """Hand bytes to the console port at `now_us`."""
        self.advance(now_us)
        for observer in self.observers:
            observer.entered(now_us, "console", data)
        if self.running:
            self._step(console=data)

    def sent(self) -> bytes:
        """Fetch what has come from the binary port to the host since the last call."""
        if not self._sent:
            return b""
        data, self._sent = bytes(self._sent), bytearray()
        return data

    def console_sent(self) -> bytes:
        """Fetch what the console port has sent since the last call."""
        data = bytes(self._console_sent)
        self._console_sent.clear()
        return data

    def act(self, change: Callable[[Plant], None], now_us: int) -> None:
        """Let `change` work on the plant at `now_us`: a hand, the room, a fault."""
        self.advance(now_us)
        self.plant.act(change)
        if self.running:
            self._step()

    def rewire(self) -> None:
        """A disturbance came or went just now: both sides get what the wires carry from now on.

        A firmware that runs takes a step; of one that does not, the plant gets what is driven all the same.
        """
        self._plain = False
        if self.running:
            self._step()
        elif self.plant.powered:
            outputs = self._disturbed(self.firmware.outputs if self.hung else Outputs())
            self.plant.drive(outputs)
            for observer in self.observers:
                observer.rewired(self.now_us, outputs)

    def set_power(self, on: bool, now_us: int) -> None:
        """Cut the device's supply (the processor is gone in that instant) or return it (it boots)."""
        self.advance(now_us)
        if on == self.plant.powered:
            return
        self.plant.set_power(on)
        if on:
            self._boot(watchdog_reset=False)
        else:
            self._wake_us = self.watchdog.bites_us = self._boot_us = NEVER
            self._plan()

    def reset(self, now_us: int) -> None:
        """Pull the processor's reset line; without power it does nothing."""
        self.advance(now_us)
        if self.plant.powered:
            self._hold_in_reset(watchdog_reset=False)

    def show_act(self, name: str, fields: dict[str, object]) -> None:
        """Tell the observers what was done just now; whoever does something calls it, before doing it."""
        for observer in self.observers:
            observer.acted(self.now_us, name, fields)

    def hang(self, now_us: int) -> None:
        """Stop the processor where it is; its watchdog, a reset or a power cycle brings it back."""
        self.advance(now_us)
        if self.running:
            self.hung = True
            self._wake_us = NEVER

    def drift(self, ppm: int, now_us: int) -> None:
        """Let the processor's clock run faster by `ppm` from now on; 0 ends it, without a jump."""
        self.advance(now_us)
        self._clock.drift(ppm, now_us)
        if self.running:
            self._step()

    def _plan(self) -> None:
        """The agenda or the end of a reset has changed."""
        self._planned_us = min(self._boot_us, self._agenda[0][0]) if self._agenda else self._boot_us

    def _do_agenda(self) -> None:
        _, _, work = heapq.heappop(self._agenda)
        self._plan()
        self.on_agenda = True
        try:
            work(self)
        finally:
            self.on_agenda = False

    def _show_pulses(self) -> None:
        truth = self.plant.truth
        unseen = truth.total - self._pulses_shown
        self._pulses_shown = truth.total  # of whoever comes later these are no news
        if self.observers:
            for pulse in list(islice(reversed(truth.pulses), unseen))[::-1]:
                for observer in self.observers:
                    observer.pulsed(pulse)

    def _boot(self, *, watchdog_reset: bool) -> None:
        self._boot_us = NEVER
        self._plan()
        self.hung = False
        for observer in self.observers:
            observer.booted(self.now_us, watchdog_reset=watchdog_reset)
        self.firmware.boot(self._clock.processor_us(self.now_us), self.memory, watchdog_reset=watchdog_reset)
        self.plant.drive(self._disturbed(self.firmware.outputs))
        self._plain = False
        self.watchdog.start(self.now_us, self.firmware.outputs.watchdog_kicks)
        self._step()

    def _bite(self) -> None:
        self.resets += 1
        self._hold_in_reset(watchdog_reset=True)

    def _hold_in_reset(self, *, watchdog_reset: bool) -> None:
        """A processor in reset drives nothing, hears nothing, and starts again when the pulse is over."""
        self.plant.drive(self._disturbed(Outputs()))
        self._plain = False
        self._wake_us = self.watchdog.bites_us = NEVER
        self._boot_us = self.now_us + RESET_US
        self._plan()
        self._watchdog_reset = watchdog_reset

    def _step(self, received: bytes = b"", console: bytes = b"") -> None:
        now_us, plant, firmware, clock = self.now_us, self.plant, self.firmware, self._clock
        plant.changed = False
        inputs, outputs = plant.read(), firmware.outputs
        if self.disturbances:
            inputs = replace(inputs)
            for disturbance in self.disturbances:
                disturbance.alter_inputs(now_us, inputs)
        skewed = clock.skewed
        step = firmware.step(clock.processor_us(now_us) if skewed else now_us, inputs, received, console)
        wake_us = step.wake_us
        if skewed and wake_us < NEVER:
            wake_us = clock.simulator_us(wake_us)
        if wake_us <= now_us:
            raise RuntimeError(f"the firmware asks to be woken at {wake_us}, not after {now_us}")
        self._wake_us = wake_us
        if self.disturbances:
            outputs = self._disturbed(outputs)
            self._plain = False
            plant.drive(outputs)
        elif step.driven or not self._plain:
            self._plain = True
            plant.drive(outputs)
        if self.observers:
            self._show_step(inputs, outputs, received, console, step)
        if step.sent:
            if self.wire.to_host.straight:
                self._give(step.sent)
            else:
                self._send(self.wire.to_host, step.sent)
        if step.console:
            self._keep(self._console_sent, step.console)
        watchdog = self.watchdog
        if outputs.watchdog_kicks != watchdog.kicks and watchdog.see(now_us, outputs.watchdog_kicks):
            self._bite()

    def _send(self, way: Way, data: bytes) -> None:
        """Put bytes on a way of the wire that is not straight."""
        way.put(data, self.now_us)
        self._deliver()

    def _deliver(self) -> None:
        """Hand over what the wire has carried by now."""
        wire = self.wire
        while wire.next_us <= self.now_us:
            if data := wire.to_host.arrived(self.now_us):
                self._give(data)
            if (data := wire.to_device.arrived(self.now_us)) and self.running:
                self._step(received=data)

    def _give(self, data: bytes) -> None:
        """Let the host have what came from the binary port."""
        for observer in self.observers:
            observer.left(self.now_us, "wire", data)
        self._keep(self._sent, data)

    def _disturbed(self, outputs: Outputs) -> Outputs:
        """What arrives at the plant of what the processor drives."""
        outputs = replace(outputs)
        for disturbance in self.disturbances:
            disturbance.alter_outputs(self.now_us, outputs)
        return outputs

    def _show_step(
        self, inputs: Inputs, outputs: Outputs, received: bytes, console: bytes, step: Step
    ) -> None:
        for observer in self.observers:
            if received:
                observer.received(self.now_us, "wire", received)
            if console:
                observer.received(self.now_us, "console", console)
            observer.stepped(self.now_us, inputs, outputs)
            if step.sent:
                observer.sent(self.now_us, "wire", step.sent)
            if step.console:
                observer.sent(self.now_us, "console", step.console)
                observer.left(self.now_us, "console", step.console)

    def _keep(self, buffer: bytearray, data: bytes) -> None:
        room = SENT_MAX - len(buffer)
        buffer += data[:room]
        if len(data) > room:
            self.bytes_lost += len(data) - room
