"""The laser as its own firmware sees it: state, parts, and the two ways to change it: an event and a trip."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from protocols.faults import Fault
from protocols.fields import members_of
from protocols.interlocks import INTERLOCKS
from protocols.messages import Beam, Handpiece, Leave, Shutter
from protocols.states import ARMED, Event, State, following
from sim_device.board import SAFE_OUTPUTS, Inputs, Memory, Outputs
from sim_device.firmware import limits
from sim_device.firmware.arming import Arming
from sim_device.firmware.calibration import Calibrator
from sim_device.firmware.chain import ALWAYS_CLOSED, open_contacts
from sim_device.firmware.changes import ALL
from sim_device.firmware.cooling import Cooling
from sim_device.firmware.drive import Wants, drive
from sim_device.firmware.emission import Emission
from sim_device.firmware.faults import VOID_CALIBRATION, Faults
from sim_device.firmware.footswitch import Footswitch
from sim_device.firmware.high_voltage import HighVoltage, charged, over_voltage
from sim_device.firmware.host import Host
from sim_device.firmware.limits import U32
from sim_device.firmware.memory import NonVolatile
from sim_device.firmware.pairs import PAIRS, Pairs, differ
from sim_device.firmware.permit import Permit
from sim_device.firmware.pulser import Order, Pulser
from sim_device.firmware.setpoint import Setpoints
from sim_device.firmware.shutter import ShutterMonitor
from sim_device.firmware.startup import SelfTest, WarmUp


class Device:
    """All parts of one running firmware. Everything here but `memory` is gone after a restart."""

    def __init__(self, memory: Memory, outputs: Outputs) -> None:
        self.memory = NonVolatile(memory)
        self.memory.books.boots = self.memory.books.boots + 1 & U32 or 1
        self.memory.save_books()
        self.boot_number = self.memory.books.boots
        self.outputs = outputs
        for line in fields(outputs):
            setattr(outputs, line.name, getattr(SAFE_OUTPUTS, line.name))
        self.now_us = 0
        self.inputs = Inputs()
        self.changed = ALL  # what the parts have to look at in this step
        self.noted = ALL  # of it: what was changed inside since the step began
        self.carried = 0  # what was changed inside in the step before
        self.open_interlocks = 0
        self.state = State.OFF
        self.armed = False  # the state is ARMING, READY or EMITTING
        self.entered_us = 0
        self.leave = Leave.NEVER
        self.beam = Beam.APERTURE
        self.stop_epoch = 0
        self.arm_epoch = 0
        self.wants = Wants()
        self.faults = Faults(self.memory)
        self.foot = Footswitch()
        self.pairs = Pairs()
        self.host = Host(self.boot_number)
        self.permit = Permit()
        self.setpoints = Setpoints()
        self.shutter = ShutterMonitor()
        self.cooling = Cooling()
        self.high_voltage = HighVoltage()
        self.pulser = Pulser()
        self.self_test = SelfTest()
        self.warm_up = WarmUp()
        self.calibrator = Calibrator()
        self.arming = Arming()
        self.emission = Emission()
        self.aiming_on = False
        self.aiming_since_us = 0

    @property
    def handpiece(self) -> Handpiece:
        """What is connected now."""
        return limits.handpiece_of(self.inputs.handpiece)

    @property
    def docked(self) -> bool:
        """Whether the handpiece is in the calibration port, by both contacts."""
        return self.inputs.docked_a_closed and self.inputs.docked_b_closed

    @property
    def undocked(self) -> bool:
        """Whether the handpiece is out of the calibration port, by both; it may be neither."""
        return not (self.inputs.docked_a_closed or self.inputs.docked_b_closed)

    @property
    def indicator_lit(self) -> bool:
        """Whether the indicator's current is in its window."""
        return limits.INDICATOR_MIN_UA <= self.inputs.indicator_ua <= limits.INDICATOR_MAX_UA

    @property
    def aiming_lit(self) -> bool:
        """Whether the aiming beam's power is in its window."""
        return limits.AIMING_MIN_UW <= self.inputs.aiming_uw <= limits.AIMING_MAX_UW

    @property
    def aiming_good(self) -> bool:
        """Whether the aiming beam is switched on and its power is in its window."""
        return self.aiming_on and self.aiming_lit

    def note(self, changed: int) -> None:
        """Something was changed inside: let everything look that depends on it."""
        self.changed |= changed
        self.noted |= changed

    def go(self, event: Event, leave: Leave = Leave.NEVER) -> bool:
        """Follow the table; False: the event is refused here, and nothing changed. Outputs follow at once."""
        state = following(self.state, event)
        if state is None:
            return False
        if state is self.state:
            return True
        before, self.state = self.state, state
        self.armed = state in ARMED
        self.note(ALL)
        self.entered_us = self.now_us
        self.wants = Wants()
        self.pulser.end()
        self.foot.consume(self.now_us)
        if before in ARMED and not self.armed:
            self.void_permit()
            self.host.armed_changed(self.now_us)
            if state is State.STANDBY:
                self.leave = leave
        if state is State.OFF:
            self.self_test.passed = False
            self.calibrator.valid = False
        if not self.armed and state is not State.STANDBY:
            self.set_aiming(False)
        elif before is not State.STANDBY and state is State.STANDBY:
            self.aiming_since_us = self.now_us
        self._enter(state)
        drive(self.state, self.wants, self.outputs)
        return True

    def trip(self, fault: Fault, value: int = 0) -> None:
        """Latch a fault and go to FAULT; with the key off it is latched and the laser stays OFF."""
        state = self.state
        if state is not State.OFF or self.inputs.key_on:
            self.go(Event.TRIP)  # first of all the outputs: memory may take its time
        if fault in VOID_CALIBRATION and self.calibrator.valid:
            self.calibrator.valid = False
            self.note(ALL)
        if self.faults.latch(fault, self.now_us, state, self.open_interlocks, value):
            self.note(ALL)

    def void_permit(self) -> None:
        """End permission: no permit, and the present press counts no more."""
        if self.permit.held:
            self.host.permit_changed(self.now_us)
        self.permit.void()
        self.foot.consume(self.now_us)
        self.note(ALL)

    def set_aiming(self, on: bool) -> None:
        """Switch the aiming beam; the time until it is judged and until it goes off by itself begins."""
        self.aiming_on = on
        self.aiming_since_us = self.now_us
        self.note(ALL)

    def clear_to_trigger(self, order: Order) -> bool:
        """The last look, at wires and permit themselves: whether nothing speaks against the lamp trigger.

        It trusts neither the order nor what was looked at before: the state says whether this calibrates.
        """
        inputs = self.inputs
        opened = open_contacts(inputs, flow_low=self.cooling.flow_low)
        expected = order.expected
        calibrating = self.state is State.CALIBRATING
        if calibrating and not expected.shutter_open:
            opened &= ALWAYS_CLOSED
        position = (inputs.shutter_open_switch, inputs.shutter_closed_switch)
        return (
            not opened
            and inputs.defeat_key_out
            and not self.faults.latched
            and (calibrating or (self._permitted(order) and self.as_set()))
            and position == (expected.shutter_open, not expected.shutter_open)
            and not inputs.gate_inhibited
            and not inputs.comparator_tripped
            and inputs.simmer_on
            and charged(inputs, order.hv_mv)
            and not over_voltage(inputs.hv_mv, order.hv_mv)
            and self.shutter.position is (Shutter.OPEN if expected.shutter_open else Shutter.CLOSED)
            and (not expected.shutter_open or (self.docked if calibrating else self.undocked))
        )

    def _permitted(self, order: Order) -> bool:
        """Whether the permit that this order came from stands, its host lives, and foot or strap fires."""
        inputs, permit = self.inputs, self.permit
        strap = inputs.internal_trigger_strap
        return (
            self.state is State.EMITTING
            and permit.held
            and permit.id == order.permit_id
            and self.now_us < permit.ends_us
            and self.host.alive(self.now_us)
            and order.expected.shutter_open is (self.beam is Beam.APERTURE)
            and (strap if permit.internal else inputs.foot_a_closed and inputs.foot_b_closed and not strap)
        )

    def as_set(self) -> bool:
        """Whether handpiece, spot and wavelength are those of the committed set-point."""
        setpoint = self.setpoints.committed
        return (
            self.inputs.handpiece == setpoint.handpiece
            and self.inputs.spot_um == setpoint.spot_um
            and self.inputs.wavelength_nm == setpoint.wavelength_nm
        )

    def causes_present(self) -> frozenset[Fault]:
        """The latched faults whose cause is still there."""
        present = 0
        if self.faults.latched:
            for fault in members_of(Fault, self.faults.latched):
                present |= self._cause_present(fault) << fault
        return members_of(Fault, present)

    def _cause_present(self, fault: Fault) -> bool:
        inputs = self.inputs
        interlock = _INTERLOCK_OF.get(fault)
        if fault is Fault.COOLANT_FLOW and not self.outputs.pump_on:
            return False  # nothing to measure: warm-up will see
        if interlock is not None:
            return bool(self.open_interlocks >> interlock & 1)
        if fault in PAIRS:
            return differ(inputs, fault)
        match fault:
            case Fault.FOOT_DISAGREES:
                return inputs.foot_a_closed or inputs.foot_b_closed
            case Fault.SHUTTER_STUCK_CLOSED | Fault.SHUTTER_STUCK_OPEN | Fault.SHUTTER_FEEDBACK:
                return self.shutter.position is not Shutter.CLOSED
            case Fault.INDICATOR:
                return inputs.indicator_ua >= limits.INDICATOR_DARK_UA
            case Fault.COOLANT_HOT:
                return inputs.coolant_mc > limits.COOLANT_HOT_MC
            case Fault.OVER_VOLTAGE | Fault.DUMP_FAILED:
                return inputs.hv_mv > limits.HV_SAFE_MV
            case Fault.GATE_CHANNEL:
                return not inputs.gate_inhibited
            case Fault.HV_CHANNEL:
                return not inputs.hv_inhibited
            case Fault.NONVOLATILE:
                return self.memory.broken
            case _:
                return False

    def _enter(self, state: State) -> None:
        self.wants.pump = self.outputs.pump_on or state in _PUMPS
        self.wants.simmer = state in _SIMMERS
        match state:
            case State.SELF_TEST:
                self.calibrator.valid = False
                self.self_test.enter(self)
            case State.CALIBRATING:
                self.calibrator.enter(self)
            case State.ARMING:
                self.permit.void()  # there is none; if there were, it would not be for this arming
                self.setpoints.forget_staged()
                self.arm_epoch = self.arm_epoch + 1 & U32
                self.emission.enter(self)
                self.host.armed_changed(self.now_us)
                self.foot.renumber()
                self.arming.enter(self)
            case _:
                pass


_INTERLOCK_OF: Final = {row.fault: number for number, row in INTERLOCKS.items() if row.fault is not None}
# Here the coolant is pumped; FAULT and SELF_TEST leave the pump as it was: a hot laser must cool.
_PUMPS: Final = ARMED | {State.WARM_UP, State.CALIBRATING, State.STANDBY}
_SIMMERS: Final = _PUMPS - {State.WARM_UP}  # there it starts once the coolant is warm
