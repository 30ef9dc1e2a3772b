"""READY and EMITTING: who may fire, since when, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.messages import Beam, Leave, PulseFlag
from protocols.states import Event, State
from sim_device.firmware import limits
from sim_device.firmware.calibration import voltage_mv
from sim_device.firmware.judge import Expected
from sim_device.firmware.pulser import Order, Outcome
from sim_device.firmware.setpoint import comparator_uj

if TYPE_CHECKING:
    from sim_device.firmware.device import Device


_NO_ORDER: Final = Order(0, Expected(0, 0, shutter_open=False, calibration=False), 1)


class Emission:
    """One arming's emission: it starts with a fresh press under a permit and ends with the first doubt."""

    def __init__(self) -> None:
        self._drifts_running = 0
        self._hv_mv = 0
        self._comparator_uj = 0
        self._order = _NO_ORDER  # of the present press

    def enter(self, device: Device) -> None:
        """A new arming: its voltage is worked out once."""
        setpoint = device.setpoints.committed
        mode = limits.mode_of(setpoint.wavelength_nm, setpoint.mode_width_ps)
        self._hv_mv = voltage_mv(device.memory.calibration, mode, setpoint.pulse_energy_uj)
        self._comparator_uj = comparator_uj(setpoint.pulse_energy_uj)
        self._drifts_running = 0

    def watch(self, device: Device) -> None:
        """In ARMING, READY and EMITTING: what returns the laser to STANDBY without being a fault."""
        setpoint, inputs = device.setpoints.committed, device.inputs
        aperture = device.beam is Beam.APERTURE
        leave = Leave.NEVER
        if not inputs.defeat_key_out:
            leave = Leave.COVER_DEFEATED
        elif inputs.handpiece != setpoint.handpiece or (aperture and not device.undocked):
            leave = Leave.HANDPIECE
        elif inputs.spot_um != setpoint.spot_um:
            leave = Leave.SPOT
        elif inputs.wavelength_nm != setpoint.wavelength_nm:
            leave = Leave.WAVELENGTH
        elif aperture and not device.aiming_good:
            leave = Leave.AIMING
        elif not device.calibrator.valid:
            leave = Leave.NOT_CALIBRATED
        elif device.permit.held and inputs.internal_trigger_strap is not device.permit.internal:
            leave = Leave.TRIGGER
        elif device.state is State.READY and device.now_us >= self.idle_us(device):
            leave = Leave.IDLE
        if leave is not Leave.NEVER:
            device.go(Event.RETURN, leave)
        elif device.permit.held:
            used_up = device.permit.pulses_left == 0 and device.pulser.shot is None
            if used_up or device.now_us >= device.permit.ends_us:
                device.void_permit()

    def ready(self, device: Device) -> None:
        """Hold the charge; a fresh press under a permit opens the way, or the permit's internal trigger."""
        self._prepare(device)
        permit = device.permit
        fired = device.inputs.internal_trigger_strap if permit.internal else device.foot.fresh
        if permit.held and permit.pulses_left and fired:
            device.go(Event.PRESS)
            self._order = self._order_of(device)
            device.pulser.begin(device.now_us, self._order)

    def emitting(self, device: Device) -> None:
        """Fire while the foot is down (a strap that goes ends the arming) and the permit lasts."""
        self._prepare(device)
        held = device.permit.held and (device.permit.internal or device.foot.down)
        if not held:
            device.go(Event.RELEASE)
        elif (
            device.permit.pulses_left == 0
        ):  # the permit ends when the last pulse is judged: its light is on the way
            device.wants.shutter_open = device.beam is Beam.APERTURE
            device.wants.gate = True
        elif device.memory.room <= 0 and device.pulser.shot is None:
            device.go(Event.RETURN, Leave.REPORTS_FULL)
        else:
            device.pulser.run(device, self._order)

    def take(self, device: Device, outcome: Outcome) -> None:
        """A shot was judged: three running beyond 10 % end the arming."""
        if outcome.order.expected.calibration:
            return
        drifted = PulseFlag.ENERGY_DRIFT in outcome.report.flags
        self._drifts_running = self._drifts_running + 1 if drifted else 0
        if self._drifts_running >= limits.DRIFTS_MAX and device.armed:
            device.go(Event.RETURN, Leave.DRIFT)

    def idle_us(self, device: Device) -> int:
        """When READY has been idle for too long."""
        return max(device.entered_us, device.foot.began_us) + limits.IDLE_US

    def _prepare(self, device: Device) -> None:
        wants = device.wants
        wants.hv_mv = self._hv_mv
        wants.charge = device.pulser.shot is None
        wants.mode_width_ps = device.setpoints.committed.mode_width_ps
        wants.comparator_uj = self._comparator_uj

    def _order_of(self, device: Device) -> Order:
        setpoint = device.setpoints.committed
        expected = Expected(
            setpoint.pulse_energy_uj,
            setpoint.mode_width_ps,
            shutter_open=device.beam is Beam.APERTURE,
            calibration=False,
        )
        permit = device.permit
        press = 0 if permit.internal else device.foot.press
        return Order(self._hv_mv, expected, setpoint.rep_rate_mhz, permit.id, press)
