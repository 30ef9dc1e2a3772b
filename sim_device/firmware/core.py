"""The reference firmware: the order of things within one step, and what of it a step can leave out.

Theory of operation. A step is called for a change of an input, for bytes, or because a deadline came. It
collects what may have changed (`changes`) and runs only what depends on that, always in the same order, so
that it ends as if everything had been run. Nothing is left out that time alone could change: a deadline of
any part makes everything count as changed, except for the four that come with every pulse or Status and look
after themselves: watchdog, host, pulse sequence and reports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocols.faults import Fault
from protocols.states import ARMED, Event, State
from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.firmware import changes, limits
from sim_device.firmware.chain import faults_of, open_contacts
from sim_device.firmware.changes import ALL, Lines
from sim_device.firmware.comms import Comms
from sim_device.firmware.console import ConsoleLaser, ConsolePort
from sim_device.firmware.cooling import coolant_fault
from sim_device.firmware.device import Device
from sim_device.firmware.drive import drive
from sim_device.firmware.limits import KICK_PERIOD_US, KICK_SPACING_US, NEVER_US, U32
from sim_device.firmware.pairs import PAIRS
from sim_device.firmware.report import ON_TELLING, Reporter

_PAST_WARM_UP = ARMED | {State.CALIBRATING, State.STANDBY}
_LIT = ARMED | {State.CALIBRATING}
_CHAINED_CHANGES = 4  # one step may at most go ARMING, READY, EMITTING and trip
_COMPARED = frozenset({State.CALIBRATING, State.READY, State.EMITTING})

# What each part of a step depends on, besides what is not named and counts as ALL.
_ON_CHAIN: Final = changes.CHAIN | changes.COOLANT | changes.DRIVEN
_ON_SHUTTER: Final = changes.SHUTTER | changes.DRIVEN
_ON_CAPACITOR: Final = changes.VOLTAGE | changes.SIMMER | changes.DRIVEN
_ON_PARTS: Final = changes.LAMPS | changes.COOLANT | changes.DRIVEN
_ON_EMISSION: Final = changes.HEAD | changes.LAMPS | changes.PULSE
_ON_OUTPUTS: Final = ALL & ~(  # no sequence wants something else because of these
    changes.VOLTAGE | changes.CHARGE | changes.LIGHT | changes.DARK | changes.STOPS | changes.DRIVEN
)
_ON_EMITTING: Final = changes.FOOT | changes.SHUTTER | changes.STOPS | changes.DRIVEN | changes.PULSE
_ON_CONTACTS: Final = changes.CHAIN | changes.PAIRS | changes.FOOT
_ON_DEADLINES: Final = _ON_CONTACTS | changes.SHUTTER | changes.COOLANT | changes.SIMMER | changes.DRIVEN
_ON_SEQUENCE: Final = tuple(  # in the order of `State`
    {
        State.SELF_TEST: ALL,
        State.WARM_UP: ALL,
        State.CALIBRATING: ALL,
        State.ARMING: ALL,
        State.READY: changes.FOOT | changes.PULSE,
        State.EMITTING: _ON_EMITTING,
    }.get(state, 0)
    for state in State
)

Sequence = Callable[[Device], None]


class Reference:
    """Firmware of the laser in Python: integers only, no clock, no chance, bounded memory.

    Within one step safety comes first, then the host's messages, then the console's, then the sequence of
    the state, then the outputs, then what is told. Times on the wire are device time, counted from `boot`.
    """

    def __init__(self, serial: str = "PL755-0001") -> None:
        self.outputs = Outputs()
        self._serial = serial
        self._boot_us = 0
        self._device: Device | None = None

    def boot(self, now_us: int, memory: Memory, *, watchdog_reset: bool) -> None:
        """Start as after power-on: outputs at their safe level, RAM forgotten. `now_us` becomes time zero.

        Raises ValueError when `memory` is too small for the firmware's books.
        """
        self._boot_us = now_us
        device = self._device = Device(memory, self.outputs)
        self._reporter = Reporter()
        self._comms = Comms(device, self._reporter, self._serial)
        self._console = ConsolePort(ConsoleLaser(device, self._comms))
        self._sequences = _sequences(device)
        self._lines = Lines()
        self._host_alive = False
        self._due_us = 0  # the earliest deadline of those that make everything count as changed
        self._kick_us = 0
        self._indicator_since_us = 0
        self._indicator_driven = False
        if watchdog_reset:
            device.faults.latch(Fault.WATCHDOG_RESET, 0, State.OFF, 0, 0)
        if device.memory.broken:
            device.faults.latch(Fault.NONVOLATILE, 0, State.OFF, 0, 0)

    @property
    def state(self) -> State:
        """Operating state."""
        return State.OFF if self._device is None else self._device.state

    @property
    def device(self) -> Device:
        """The running firmware's inside, for inspection. Raises RuntimeError before boot."""
        if self._device is None:
            raise RuntimeError("the firmware was not booted: call boot first")
        return self._device

    def step(self, now_us: int, inputs: Inputs, received: bytes, console: bytes) -> Step:
        """Advance to `now_us` (the simulator's time) with these inputs and received bytes."""
        device = self._device or self.device
        device.now_us = now_us = now_us - self._boot_us
        device.inputs = inputs
        fresh = self._lines.changes(inputs)
        alive = now_us < device.host.alive_until_us
        if now_us >= self._due_us or alive is not self._host_alive:
            self._host_alive = alive
            fresh = ALL
        elif device.high_voltage.awaits_simmer:
            fresh |= changes.SIMMER
        device.changed = changed = fresh | device.noted | device.carried
        if changed or device.pulser.shot is not None:
            self._watch(device)
        if received:
            self._receive(device, received)
        answered = b""
        if console or self._console.deadline_us < NEVER_US:
            answered = self._console.step(console, now_us)
        if device.changed & _ON_SEQUENCE[device.state] or now_us >= device.pulser.deadline_us:
            self._work(device)
        if device.memory.broken and not device.faults.has(Fault.NONVOLATILE):
            device.trip(Fault.NONVOLATILE)
        fresh |= device.noted
        if fresh & _ON_OUTPUTS:
            self._drive(device)
        if now_us >= self._kick_us + KICK_SPACING_US:
            self._kick_us = now_us
            self.outputs.watchdog_kicks = self.outputs.watchdog_kicks + 1 & U32
        sent = b""
        if received or fresh & ON_TELLING or now_us >= self._reporter.deadline_us:
            sent = self._comms.tell(fresh)
        device.carried, device.noted = device.noted, 0
        return Step(sent, answered, self._boot_us + self._wake_us(device))

    def _receive(self, device: Device, received: bytes) -> None:
        self._comms.receive(received)
        alive = device.host.alive(device.now_us)
        if alive is not self._host_alive:
            self._host_alive = alive
            device.note(ALL)

    def _watch(self, device: Device) -> None:
        """Safety first: every input, in the order in which a first cause is judged."""
        inputs, now_us = device.inputs, device.now_us
        if device.changed & _ON_CHAIN:
            self._watch_chain(device)
        if device.changed & changes.PAIRS:
            self._watch_pairs(device)
        if device.changed & changes.FOOT:
            device.foot.update(now_us, inputs.foot_a_closed, inputs.foot_b_closed)
            if device.foot.disagrees and device.state is not State.OFF:
                device.trip(Fault.FOOT_DISAGREES)
        if inputs.comparator_tripped:
            self._watch_comparator(device)
        if device.changed & changes.LIGHT:
            device.pulser.watch_light(device)
        if device.changed & _ON_SHUTTER:
            fault = device.shutter.update(now_us, inputs.shutter_open_switch, inputs.shutter_closed_switch)
            if fault is not Fault.NONE:
                device.trip(fault)
        if device.changed & _ON_CAPACITOR:
            fault, value = device.high_voltage.update(now_us, inputs)
            if fault is not Fault.NONE:
                device.trip(fault, value)
        if device.changed & _ON_PARTS:
            self._watch_parts(device)
        self._watch_emission(device)

    def _watch_emission(self, device: Device) -> None:
        """What may not go on without host, and the shot on its way."""
        if device.armed and not device.host.alive(device.now_us):
            device.trip(Fault.LINK_LOST)
        if device.pulser.shot is not None:
            outcome = device.pulser.observe(device)
            if outcome is not None:
                if device.state is State.CALIBRATING:
                    device.calibrator.take(device, outcome)
                device.emission.take(device, outcome)
        if device.armed and device.changed & _ON_EMISSION:
            device.emission.watch(device)

    def _watch_chain(self, device: Device) -> None:
        inputs, cooling = device.inputs, device.cooling
        if not inputs.key_on:
            device.go(Event.KEY_OFF)
        if cooling.update(device.now_us, inputs):
            device.note(changes.COOLANT)
        device.open_interlocks = open_contacts(inputs, flow_low=cooling.flow_low)
        if inputs.key_on and device.state is State.OFF:
            device.go(Event.TRIP if device.faults.latched else Event.KEY_ON)
        for fault in faults_of(device.open_interlocks, device.state, cooling_runs=cooling.runs):
            device.trip(fault)

    def _watch_pairs(self, device: Device) -> None:
        """After the chain: the contact that is open has tripped before its twin is looked for."""
        device.pairs.update(device.now_us, device.inputs)
        for fault in PAIRS:
            # Elsewhere the port's contacts only refuse: nothing is let out on their word.
            dock, state = fault is Fault.DOCK_DISAGREES, device.state
            watched = state is State.CALIBRATING if dock else state is not State.OFF
            if watched and device.pairs.disagree(fault):
                device.trip(fault)

    def _watch_comparator(self, device: Device) -> None:
        judged = device.state in _COMPARED or (
            device.state is State.ARMING and not self.outputs.comparator_reset
        )
        if judged:
            device.trip(Fault.OVER_ENERGY_COMPARATOR, device.inputs.monitor_a_uj)

    def _watch_parts(self, device: Device) -> None:
        inputs, now_us = device.inputs, device.now_us
        settled = now_us - self._indicator_since_us >= limits.INDICATOR_SETTLE_US
        if device.state in _LIT and settled and not device.indicator_lit:
            device.trip(Fault.INDICATOR, inputs.indicator_ua)
        if device.state in _PAST_WARM_UP:
            fault = coolant_fault(inputs.coolant_mc)
            if fault is not Fault.NONE:
                device.trip(fault, inputs.coolant_mc)
        if device.state is State.STANDBY and device.aiming_on:
            on_for_us = now_us - device.aiming_since_us
            too_bright = inputs.aiming_uw > limits.AIMING_MAX_UW
            if on_for_us >= limits.AIMING_OFF_US or too_bright:
                device.set_aiming(False)

    def _work(self, device: Device) -> None:
        """Go on with the sequence of the state, and of those that it leads to."""
        for _ in range(_CHAINED_CHANGES):
            state = device.state
            self._sequences[state](device)
            if device.state is state:
                break

    def _drive(self, device: Device) -> None:
        now_us, wants, outputs = device.now_us, device.wants, self.outputs
        wants.aiming = device.aiming_on
        wants.heater = device.cooling.heater_wanted
        if device.state is State.FAULT and (
            not device.inputs.level_ok or device.faults.has(Fault.COOLANT_FLOW)
        ):
            wants.pump = False  # a dry or blocked pump cools nothing
        gated = outputs.gate_enable
        drive(device.state, wants, outputs)
        outputs.defeat_lamp_on = not device.inputs.defeat_key_out  # in every state
        moved = outputs.gate_enable is not gated
        moved |= device.shutter.command(now_us, outputs.shutter_open)
        moved |= device.cooling.command(now_us, outputs.pump_on)
        moved |= device.high_voltage.command(now_us, outputs)
        if outputs.indicator_on is not self._indicator_driven:
            self._indicator_driven = outputs.indicator_on
            self._indicator_since_us = now_us
            moved = True
        if moved:
            device.note(changes.DRIVEN)

    def _wake_us(self, device: Device) -> int:
        """The earliest deadline that is still to come."""
        now_us, changed = device.now_us, device.changed
        # While the dump is in, the voltage decides how long it may take.
        if changed & _ON_DEADLINES or (changed & changes.VOLTAGE and not self.outputs.dump_hold):
            self._due_us = self._next_due_us(device)
        pulser_us = device.pulser.deadline_us
        return min(
            self._kick_us + KICK_PERIOD_US,
            self._due_us,
            pulser_us if pulser_us > now_us else NEVER_US,
            device.host.alive_until_us if self._host_alive else NEVER_US,
            self._reporter.deadline_us,
            self._console.deadline_us,
        )

    def _next_due_us(self, device: Device) -> int:
        """When the next of the deadlines comes that make everything count as changed."""
        now_us = device.now_us
        deadlines = [
            device.foot.deadline_us,
            device.pairs.deadline_us,
            device.shutter.deadline_us,
            device.cooling.deadline_us,
            device.high_voltage.deadline_us,
            device.permit.deadline_us,
        ]
        match device.state:
            case State.SELF_TEST:
                deadlines.append(device.self_test.deadline_us)
            case State.WARM_UP:
                deadlines.append(device.warm_up.deadline_us(device.entered_us))
            case State.STANDBY if device.aiming_on:
                deadlines.append(device.aiming_since_us + limits.AIMING_OFF_US)
            case State.ARMING:
                deadlines.append(device.arming.deadline_us(device.entered_us))
                deadlines.append(device.arming.patience_us(device.entered_us))
            case State.READY:
                deadlines.append(device.emission.idle_us(device))
            case _:
                pass
        if device.state in _LIT:
            deadlines.append(self._indicator_since_us + limits.INDICATOR_SETTLE_US)
        return min((deadline_us for deadline_us in deadlines if deadline_us > now_us), default=NEVER_US)


def _sequences(device: Device) -> tuple[Sequence, ...]:
    """What each state does besides watching, in the order of `State`."""
    sequences: dict[State, Sequence] = {
        State.SELF_TEST: device.self_test.work,
        State.WARM_UP: device.warm_up.work,
        State.CALIBRATING: device.calibrator.work,
        State.ARMING: device.arming.work,
        State.READY: device.emission.ready,
        State.EMITTING: device.emission.emitting,
    }
    return tuple(sequences.get(state, _nothing) for state in State)


def _nothing(_: Device) -> None:
    """Neither OFF nor STANDBY nor FAULT goes anywhere by itself."""
