"""What the device tells unasked: Status and challenge, Telemetry, pulse reports, answers to a stop.

While the lamp rings nothing of it is sent but the answers to a stop: what would be garbled waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.device_link import DeviceLink
from protocols.faults import Fault
from protocols.fields import members_of
from protocols.interlocks import Interlock
from protocols.messages import Shutter, Status, Stopped, Telemetry
from protocols.states import State
from protocols.timing import (
    REPORT_REPEAT_US,
    REPORTS_OUTSTANDING,
    STATUS_ARMED_US,
    STATUS_IDLE_US,
    TELEMETRY_US,
)
from sim_device.firmware import changes
from sim_device.firmware.limits import NEVER_US, STATUS_SPACING_US, U32
from sim_device.firmware.refuse import blocks, words

if TYPE_CHECKING:
    from sim_device.firmware.device import Device

_UNSENT: Final = -1
_NO_FAULT: Final[frozenset[Fault]] = frozenset()

# No field of Status tells of these.
_ON_STATUS: Final = changes.ALL & ~(
    changes.VOLTAGE | changes.CHARGE | changes.SIMMER | changes.LIGHT | changes.DARK | changes.DRIVEN
)
# `reports_waiting` alone is no news: reports tell of more, and less is the host's own doing.
_COMPARED: Final = slice(-1)
_ON_REPORTS: Final = changes.PULSE | changes.RECORDS
ON_TELLING: Final = _ON_STATUS | _ON_REPORTS


class Reporter:
    """Sends to the live session; with none, nothing is due."""

    def __init__(self) -> None:
        self.deadline_us = NEVER_US  # when something is due without anything changing
        self._visible: tuple[object, ...] = ()  # as it is
        self._told: tuple[object, ...] = ()  # as the latest Status has it, as far as it is compared
        self._news = True  # the two differ
        self._repeat_us = NEVER_US  # when the next report is due again
        self._status_us = -STATUS_SPACING_US
        self._period_us = STATUS_IDLE_US
        self._telemetry_us = 0
        self._sample = 0
        self._stop_id = 0
        self._stop_told = True  # the latest stop was answered as confirmed, or there was none
        self._sent_us = [_UNSENT] * REPORTS_OUTSTANDING
        self._sent_number = [0] * REPORTS_OUTSTANDING
        self._live = False
        self._held_back = 0  # what has changed since the lamp was triggered

    def open_session(self, now_us: int) -> None:
        """A new session hears everything anew."""
        self._live = True
        self._told, self._news = (), True
        self._status_us = now_us - STATUS_SPACING_US
        self._telemetry_us = now_us
        self._sample = 0
        self._sent_us = [_UNSENT] * REPORTS_OUTSTANDING

    def stopped(self, device: Device, link: DeviceLink, stop_id: int) -> None:
        """Answer a stop now; once more when its conditions are all met."""
        self._stop_id = stop_id
        self._stop_told = self._tell_stop(device, link)

    def tell(self, device: Device, link: DeviceLink, changed: int) -> None:
        """Send whatever is due, when this has changed in the step."""
        if not self._stop_told and self._stop_of(device).confirmed:
            self._stop_told = self._tell_stop(device, link)
        if not self._live:
            return
        now_us = device.now_us
        if now_us < device.pulser.rings_until_us:
            self._held_back |= changed
            self.deadline_us = device.pulser.rings_until_us
            return
        changed |= self._held_back
        self._held_back = 0
        if changed & _ON_STATUS:
            self._visible = visible(device)
            self._news = self._visible[_COMPARED] != self._told
            self._period_us = STATUS_ARMED_US if device.armed else STATUS_IDLE_US
        status_us = self._status_us + (STATUS_SPACING_US if self._news else self._period_us)
        if now_us >= status_us:
            self._told, self._news = self._visible[_COMPARED], False
            self._status_us = now_us
            status_us = now_us + self._period_us
            link.send(Status(now_us, device.boot_number, device.host.challenge(now_us), *self._visible))  # type: ignore[arg-type] # in the order of its declaration
        if now_us >= self._telemetry_us:
            self._telemetry_us += TELEMETRY_US
            self._sample = self._sample + 1 & U32
            link.send(self.telemetry(device, link))
        if changed & _ON_REPORTS or now_us >= self._repeat_us:
            self._send_reports(device, link)
        self.deadline_us = min(status_us, self._telemetry_us, self._repeat_us)

    def _window(self, device: Device) -> range:
        first = device.memory.acknowledged + 1
        return range(first, min(reported(device), device.memory.acknowledged + REPORTS_OUTSTANDING) + 1)

    def _send_reports(self, device: Device, link: DeviceLink) -> None:
        self._repeat_us = NEVER_US
        for number in self._window(device):
            slot = number % REPORTS_OUTSTANDING
            sent = self._sent_number[slot] == number and self._sent_us[slot] != _UNSENT
            if not sent or device.now_us - self._sent_us[slot] >= REPORT_REPEAT_US:
                self._sent_number[slot], self._sent_us[slot] = number, device.now_us
                link.send(device.memory.report(number))
            self._repeat_us = min(self._repeat_us, self._sent_us[slot] + REPORT_REPEAT_US)

    def _tell_stop(self, device: Device, link: DeviceLink) -> bool:
        answer = self._stop_of(device)
        link.send(answer)
        return answer.confirmed

    def _stop_of(self, device: Device) -> Stopped:
        return Stopped(
            self._stop_id,
            device.stop_epoch,
            device.now_us,
            not device.permit.held,
            device.state not in (State.READY, State.EMITTING),
            device.inputs.gate_inhibited,
            device.shutter.position is Shutter.CLOSED,
        )

    def telemetry(self, device: Device, link: DeviceLink) -> Telemetry:
        """The slow values as they are now; `sample` is that of the latest told."""
        inputs = device.inputs
        return Telemetry(
            self._sample,
            device.now_us,
            _within(inputs.hv_mv, 0, 2_000_000),
            _within(inputs.coolant_mc, -50_000, 150_000),
            _within(inputs.flow_ml_min, 0, 100_000),
            _within(inputs.indicator_ua, 0, 10_000_000),
            _within(inputs.aiming_uw, 0, 1_000_000),
            inputs.simmer_on,
            device.outputs.heater_on,
            device.memory.lamp_shots,
            link.frames_rejected & U32,
            device.pulser.skipped,
        )


def reported(device: Device) -> int:
    """Highest pulse whose report exists: a pulse on its way has none yet."""
    return device.memory.pulse_number - (device.pulser.shot is not None)


def _within(value: int, low: int, high: int) -> int:
    """A reading saturated at what the wire can carry."""
    return max(low, min(high, value))


def visible(device: Device) -> tuple[object, ...]:
    """The fields of Status after time, boot and challenge, in their declared order."""
    inputs, permit, faults, memory = device.inputs, device.permit, device.faults, device.memory
    latched = faults.latched
    return (
        device.state,
        device.beam,
        device.leave,
        members_of(Interlock, device.open_interlocks),
        words(blocks(device)),
        members_of(Fault, latched),
        device.causes_present() if latched else _NO_FAULT,
        faults.first if latched else Fault.NONE,
        faults.instance if latched else 0,
        device.stop_epoch,
        device.arm_epoch,
        permit.id,
        permit.pulses_left,
        permit.ends_us,
        device.setpoints.hash,
        device.handpiece,
        _within(inputs.spot_um, 0, 20_000),
        _within(inputs.wavelength_nm, 0, 2_000),
        device.foot.level,
        device.shutter.position,
        inputs.gate_inhibited,
        inputs.hv_inhibited,
        device.indicator_lit,
        device.aiming_lit,
        device.docked,
        device.calibrator.valid,
        memory.pulse_number,
        memory.waiting,
    )
