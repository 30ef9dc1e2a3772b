"""The reference firmware: the order of things within one step."""

from __future__ import annotations

from protocols.faults import Fault
from protocols.states import ARMED, Event, State
from sim_device.board import Inputs, Memory, Outputs, Step
from sim_device.firmware import limits
from sim_device.firmware.chain import faults_of, open_contacts
from sim_device.firmware.comms import Comms
from sim_device.firmware.console import ConsoleLaser, ConsolePort
from sim_device.firmware.cooling import coolant_fault
from sim_device.firmware.device import Device
from sim_device.firmware.drive import drive
from sim_device.firmware.limits import NEVER_US, U32

_PAST_WARM_UP = ARMED | {State.CALIBRATING, State.STANDBY}
_LIT = ARMED | {State.CALIBRATING}
_CHAINED_CHANGES = 4  # one step may at most go ARMING, READY, EMITTING and trip
_COMPARED = frozenset({State.CALIBRATING, State.READY, State.EMITTING})


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
        self._comms = Comms(device, self._serial)
        self._console = ConsolePort(ConsoleLaser(device, self._comms))
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
        device = self.device
        device.now_us = now_us - self._boot_us
        device.inputs = inputs
        self._watch(device)
        if received:
            self._comms.receive(received)
        answered = self._console.step(console, device.now_us)
        for _ in range(_CHAINED_CHANGES):
            before = device.state
            self._work(device)
            if device.state is before:
                break
        if device.memory.broken and not device.faults.has(Fault.NONVOLATILE):
            device.trip(Fault.NONVOLATILE)
        self._drive(device)
        sent = self._comms.tell()
        return Step(sent, answered, self._boot_us + self._wake_us(device))

    def _watch(self, device: Device) -> None:
        """Safety first: every input, in the order in which a first cause is judged."""
        inputs, now_us = device.inputs, device.now_us
        if not inputs.key_on:
            device.go(Event.KEY_OFF)
        device.cooling.update(now_us, inputs)
        device.open_interlocks = open_contacts(inputs, flow_low=device.cooling.flow_low)
        if inputs.key_on and device.state is State.OFF:
            device.go(Event.TRIP if device.faults.latched else Event.KEY_ON)
        for fault in faults_of(device.open_interlocks, device.state, cooling_runs=device.cooling.runs):
            device.trip(fault)
        device.foot.update(now_us, inputs.foot_a_closed, inputs.foot_b_closed)
        if device.foot.disagrees and device.state is not State.OFF:
            device.trip(Fault.FOOT_DISAGREES)
        self._watch_comparator(device)
        device.pulser.watch_light(device)
        position_fault = device.shutter.update(
            now_us, inputs.shutter_open_switch, inputs.shutter_closed_switch
        )
        if position_fault is not Fault.NONE:
            device.trip(position_fault)
        fault, value = device.high_voltage.update(now_us, inputs)
        if fault is not Fault.NONE:
            device.trip(fault, value)
        self._watch_parts(device)
        if device.armed and not device.host.alive(now_us):
            device.trip(Fault.LINK_LOST)
        outcome = device.pulser.observe(device)
        if outcome is not None:
            if device.state is State.CALIBRATING:
                device.calibrator.take(device, outcome)
            device.emission.take(device, outcome)
        if device.armed:
            device.emission.watch(device)

    def _watch_comparator(self, device: Device) -> None:
        judged = device.state in _COMPARED or (
            device.state is State.ARMING and not self.outputs.comparator_reset
        )
        if judged and device.inputs.comparator_tripped:
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
        """The sequence of the present state."""
        match device.state:
            case State.SELF_TEST:
                device.self_test.work(device)
            case State.WARM_UP:
                device.warm_up.work(device)
            case State.CALIBRATING:
                device.calibrator.work(device)
            case State.ARMING:
                device.arming.work(device)
            case State.READY:
                device.emission.ready(device)
            case State.EMITTING:
                device.emission.emitting(device)
            case _:
                pass

    def _drive(self, device: Device) -> None:
        wants, outputs = device.wants, self.outputs
        wants.aiming = device.aiming_on
        wants.heater = device.cooling.heater_wanted
        if device.state is State.FAULT and (
            not device.inputs.level_ok or device.faults.has(Fault.COOLANT_FLOW)
        ):
            wants.pump = False  # a dry or blocked pump cools nothing
        drive(device.state, wants, outputs)
        device.shutter.command(device.now_us, outputs.shutter_open)
        device.cooling.command(device.now_us, outputs.pump_on)
        device.high_voltage.command(device.now_us, outputs)
        if outputs.indicator_on and not self._indicator_driven:
            self._indicator_since_us = device.now_us
        self._indicator_driven = outputs.indicator_on
        if device.now_us - self._kick_us >= limits.KICK_SPACING_US:
            self._kick_us = device.now_us
            outputs.watchdog_kicks = outputs.watchdog_kicks + 1 & U32

    def _wake_us(self, device: Device) -> int:
        """The earliest deadline that is still to come."""
        now_us = device.now_us
        deadlines = [
            self._kick_us + limits.KICK_PERIOD_US,
            device.foot.deadline_us,
            device.shutter.deadline_us,
            device.cooling.deadline_us,
            device.high_voltage.deadline_us,
            device.pulser.deadline_us,
            device.host.deadline_us,
            device.permit.deadline_us,
            self._comms.deadline_us,
            self._console.deadline_us,
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
