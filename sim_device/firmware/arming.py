"""The proofs of ARMING: indicator, monitors, stop channels, shutter, comparator; at least two seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.faults import Fault
from protocols.messages import Leave, Shutter
from protocols.states import Event
from protocols.timing import MS
from sim_device.firmware import limits
from sim_device.firmware.limits import NEVER_US
from sim_device.firmware.script import Script
from sim_device.firmware.setpoint import comparator_uj
from sim_device.firmware.startup import check_dark, check_flash, flash

if TYPE_CHECKING:
    from sim_device.firmware.device import Device


def _dark(device: Device) -> None:
    device.wants.comparator_reset = False
    check_dark(device)


def _flash_then_gate(device: Device) -> None:
    check_flash(device)
    device.wants.gate = True


def _gate_open(device: Device) -> None:
    if device.inputs.gate_inhibited:
        device.trip(Fault.GATE_CHANNEL)
    device.wants.gate = False


def _gate_shut_then_charger(device: Device) -> None:
    if not device.inputs.gate_inhibited:
        device.trip(Fault.GATE_CHANNEL)
    device.wants.prove_charger = True


def _charger_free(device: Device) -> None:
    if device.inputs.hv_inhibited:
        device.trip(Fault.HV_CHANNEL)
    device.wants.prove_charger = False


def _charger_inhibited_then_shutter(device: Device) -> None:
    """Both channels stop light now, each by itself: only so may the shutter open for its proof."""
    if not device.inputs.hv_inhibited:
        device.trip(Fault.HV_CHANNEL)
    elif device.inputs.hv_mv >= limits.HV_SAFE_MV or device.inputs.charge_done:
        # charged, or said to be, with nothing to charge it
        device.trip(Fault.HV_CHANNEL, device.inputs.hv_mv)
    else:
        device.wants.shutter_open = True


def _shutter_open(device: Device) -> None:
    if device.shutter.position is not Shutter.OPEN:
        device.trip(Fault.SHUTTER_STUCK_CLOSED)
    device.wants.shutter_open = False


def _shutter_closed(device: Device) -> None:
    if device.shutter.position is not Shutter.CLOSED:
        device.trip(Fault.SHUTTER_STUCK_OPEN)


_PROOFS: Final = (
    (200 * MS, _dark),
    (0, flash),
    (200 * MS, _flash_then_gate),
    (20 * MS, _gate_open),
    (20 * MS, _gate_shut_then_charger),
    (20 * MS, _charger_free),
    (20 * MS, _charger_inhibited_then_shutter),
    (limits.SHUTTER_US + 1, _shutter_open),
    (limits.SHUTTER_US + 1, _shutter_closed),
)


class Arming:
    """One run of proofs; READY follows when they are done, the delay is over and the foot is up."""

    def __init__(self) -> None:
        self._script = Script(_PROOFS)

    def enter(self, device: Device) -> None:
        """Begin."""
        self._script.start(device.now_us)
        device.wants.comparator_reset = (
            True  # released with the test of the dark level; supervised from then on
        )
        device.wants.comparator_uj = comparator_uj(device.setpoints.committed.pulse_energy_uj)

    def work(self, device: Device) -> None:
        """Go on; `device.entered_us` is when the indicator went on."""
        self._script.run(device)
        due_us = device.entered_us + limits.READY_DELAY_US
        if not device.armed or not self._script.done or device.now_us < due_us:
            return
        if device.foot.down:
            if device.now_us >= due_us + limits.FOOT_HELD_US:
                device.go(Event.RETURN, Leave.FOOT_HELD)
        elif device.inputs.simmer_on:
            device.go(Event.PROVEN)

    def deadline_us(self, entered_us: int) -> int:
        """When the next proof, the end of the delay or of patience is due."""
        due_us = entered_us + limits.READY_DELAY_US
        return min(NEVER_US, self._script.deadline_us, due_us)

    def patience_us(self, entered_us: int) -> int:
        """When a held foot has been waited for long enough."""
        return entered_us + limits.READY_DELAY_US + limits.FOOT_HELD_US
