"""The pulse sequence: charge, wait until due, number, look again, trigger, judge, report.

Theory of operation. Whoever may fire (EMITTING, CALIBRATING) calls `run` with its order in every step. The
trigger leaves in a step whose inputs were read in that very step; after the number is in memory everything is
looked at once more. From the trigger on the shot lives by itself: it is observed, judged and reported in
whatever state the laser is by then, because its light comes 200 us later all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from protocols.faults import Fault
from protocols.messages import PulseFlag, PulseReport, Shutter
from sim_device.firmware import limits
from sim_device.firmware.changes import PULSE
from sim_device.firmware.high_voltage import charged, over_voltage
from sim_device.firmware.judge import Expected, Readings, calibrated, judge
from sim_device.firmware.limits import NEVER_US, U32

if TYPE_CHECKING:
    from sim_device.firmware.device import Device


_sensors: Final = attrgetter("light_count", "pulse_width_ps", "monitor_a_uj", "monitor_b_uj", "port_meter_uj")
_UNKNOWN: Final = frozenset({PulseFlag.UNKNOWN})
_SKIPPED: Final = frozenset({PulseFlag.SKIPPED})


@dataclass(frozen=True, slots=True)
class Order:
    """What the next pulse is to be."""

    hv_mv: int
    expected: Expected
    rep_rate_mhz: int
    permit_id: int = 0
    press: int = 0

    @property
    def period_us(self) -> int:
        """Time from trigger to trigger."""
        return 1_000_000_000 // self.rep_rate_mhz


@dataclass(slots=True)
class Shot:
    """A pulse between its commit and its report."""

    order: Order
    commit: dict[str, Any]  # fields of the report as they were put on record
    trigger_us: int
    light_count: int
    seen: bool = False  # by any sensor
    comparator: bool = False
    withdrawn: bool = False  # the gate closed before its light was seen: none may come, and that is no fault


class Outcome(NamedTuple):
    """A pulse that was judged and reported, with the monitors as they read, uncalibrated."""

    order: Order
    report: PulseReport
    raw_a_uj: int
    raw_b_uj: int
    port_uj: int


class Pulser:
    """Fires by order, one pulse at a time, never faster than the order's rate over whatever came before."""

    def __init__(self) -> None:
        self.shot: Shot | None = None
        self.skipped = 0  # triggers skipped since boot for want of charge
        self._skips_running = 0
        self._due_us = NEVER_US
        self._first = True
        self._earliest_us = 0  # the previous trigger plus a period
        self.rings_until_us = 0  # the lamp's discharge disturbs the serial line
        self._seen_light = 0
        self._readings: tuple[int, ...] = ()
        self.deadline_us = NEVER_US  # when a trigger or a judgement is due

    def begin(self, now_us: int, order: Order) -> None:
        """A new run of pulses: the first as soon as all is ready, later ones a period apart."""
        self._first = True
        self._due_us = now_us + order.period_us
        self._skips_running = 0
        self._plan()

    def end(self) -> None:
        """The run is over; a shot on its way is not."""
        self._first = True
        self._due_us = NEVER_US
        self._plan()

    def watch_light(self, device: Device) -> None:
        """Light that no trigger of ours explains is the worst there is, in every state.

        Any sensor proves it, before the shutter or behind it: one that holds another pulse than before.
        """
        readings = _sensors(device.inputs)
        if readings == self._readings:
            return
        explained = self.shot is not None or not self._readings
        if device.memory.unknown_at_boot and device.now_us <= limits.RESET_LIGHT_US:
            explained = True  # a reset cut that pulse off: its light is on record as UNKNOWN
        self._readings = readings
        self._seen_light = device.inputs.light_count & U32
        if self.shot is not None:
            self.shot.seen = True
        self._plan()
        if not explained:
            device.trip(Fault.LIGHT_WITHOUT_TRIGGER, device.inputs.monitor_a_uj)

    def run(self, device: Device, order: Order) -> None:
        """Prepare the next pulse of this order and fire it when it is due."""
        wants, inputs, now_us = device.wants, device.inputs, device.now_us
        wants.hv_mv = order.hv_mv
        wants.charge = self.shot is None
        wants.mode_width_ps = order.expected.mode_width_ps
        wants.shutter_open = order.expected.shutter_open
        position = Shutter.OPEN if order.expected.shutter_open else Shutter.CLOSED
        wants.gate = device.shutter.position is position
        if self.shot is not None or not wants.gate:
            return
        if inputs.gate_inhibited:
            if now_us >= self._due_us and device.outputs.gate_enable:
                device.trip(Fault.GATE_CHANNEL)  # it was told to open long ago
            return
        full = charged(inputs, order.hv_mv)
        if self._first and full and now_us >= self._earliest_us:
            self._due_us = now_us
            self._plan()
        if now_us < self._due_us or now_us < self._earliest_us:
            return
        if not full:
            self._skip(device, order)
            return
        if over_voltage(inputs.hv_mv, order.hv_mv):
            device.trip(Fault.OVER_VOLTAGE, inputs.hv_mv)
            return
        self._fire(device, order)

    def observe(self, device: Device) -> Outcome | None:
        """Watch the shot on its way; its outcome once it is judged and reported."""
        shot = self.shot
        if shot is None:
            return None
        inputs = device.inputs
        shot.comparator |= inputs.comparator_tripped
        shot.withdrawn |= inputs.gate_inhibited and not shot.seen
        wait_us = limits.JUDGE_US if shot.seen else limits.MISSING_US
        if device.now_us - shot.trigger_us < wait_us:
            return None
        self.shot = None
        self._plan()
        device.note(PULSE)
        calibration = device.memory.calibration
        gains = (calibration.gain_a_ppm, calibration.gain_b_ppm)
        if shot.order.expected.calibration:
            gains = (1_000_000, 1_000_000)  # reported as they read: the gains are what is being measured
        counted = self._seen_light - shot.light_count & U32
        readings = Readings(
            max(counted, int(shot.seen)),
            calibrated(inputs.monitor_a_uj, gains[0]) if shot.seen else 0,
            calibrated(inputs.monitor_b_uj, gains[1]) if shot.seen else 0,
            inputs.pulse_width_ps if counted else 0,  # the photodiode, which counts, measures it too
            shot.comparator,
        )
        verdict = judge(shot.order.expected, readings)
        flags = shot.commit["flags"] - _UNKNOWN | verdict.flags
        if shot.withdrawn and PulseFlag.MISSING in flags:
            flags = flags - {PulseFlag.MISSING} | _SKIPPED  # no light was meant to come any more
        report = PulseReport(
            **shot.commit
            | {
                "flags": flags,
                "monitor_a_uj": readings.monitor_a_uj,
                "monitor_b_uj": readings.monitor_b_uj,
                "pulse_width_ps": max(0, min(U32, readings.pulse_width_ps)),
            }
        )
        device.memory.finish(report)
        for fault, value in verdict.faults:
            if not (fault is Fault.PULSE_MISSING and shot.withdrawn):
                device.trip(fault, value)
        port_uj = inputs.port_meter_uj if shot.seen else 0
        return Outcome(shot.order, report, inputs.monitor_a_uj, inputs.monitor_b_uj, port_uj)

    def _skip(self, device: Device, order: Order) -> None:
        self.skipped = self.skipped + 1 & U32
        self._skips_running += 1
        self._due_us += order.period_us
        self._plan()
        if self._skips_running >= limits.SKIPS_MAX:
            device.trip(Fault.NO_END_OF_CHARGE, device.inputs.hv_mv)

    def _fire(self, device: Device, order: Order) -> None:
        commit = self._commit_of(device, order)
        if not device.memory.commit(PulseReport(**commit)):
            device.trip(Fault.NONVOLATILE)  # a pulse that is not on record is not fired
            return
        device.note(PULSE)
        if order.permit_id:
            device.permit.pulses_left -= 1
        if not device.clear_to_trigger(order):  # memory took its time: look again, at everything
            skipped = commit["flags"] - _UNKNOWN | _SKIPPED
            device.memory.finish(PulseReport(**commit | {"flags": skipped}))
            self._due_us += order.period_us
            self._plan()
            return
        device.outputs.lamp_triggers = device.outputs.lamp_triggers + 1 & U32
        device.wants.charge = False  # the lamp must go out before the charger runs again
        self.shot = Shot(order, commit, device.now_us, self._seen_light)
        self.rings_until_us = device.now_us + limits.QUIET_US
        self._skips_running = 0
        self._first = False
        self._earliest_us = self._due_us = device.now_us + order.period_us
        self._plan()

    def _plan(self) -> None:
        """Work out the deadline anew."""
        if self.shot is not None:
            wait_us = limits.JUDGE_US if self.shot.seen else limits.MISSING_US
            self.deadline_us = self.shot.trigger_us + wait_us
        else:
            self.deadline_us = min(self._due_us, self._earliest_us) if self._first else self._due_us

    @staticmethod
    def _commit_of(device: Device, order: Order) -> dict[str, Any]:
        """Fields of the report as they are known before the trigger."""
        expected, inputs = order.expected, device.inputs
        flags = _UNKNOWN  # what it remains if power goes before the report
        if not expected.shutter_open:
            flags |= {PulseFlag.SHUTTER_CLOSED}
        if expected.calibration:
            flags |= {PulseFlag.CALIBRATION}
        return dict(
            pulse_number=device.memory.pulse_number + 1,
            boot=device.boot_number,
            device_time_us=device.now_us,
            permit_id=order.permit_id,
            press=order.press,
            flags=flags,
            set_energy_uj=expected.set_energy_uj,
            monitor_a_uj=0,
            monitor_b_uj=0,
            pulse_width_ps=0,
            mode_width_ps=expected.mode_width_ps,
            wavelength_nm=min(2_000, max(0, inputs.wavelength_nm)),
            handpiece=limits.handpiece_of(inputs.handpiece),
            spot_um=min(20_000, max(0, inputs.spot_um)),
            rep_rate_mhz=order.rep_rate_mhz,
            lamp_mv=min(2_000_000, max(0, inputs.hv_mv)),
            coolant_mc=min(150_000, max(-50_000, inputs.coolant_mc)),
        )
