"""Supervision of the safety shutter: its switches against its command, in every state."""

from __future__ import annotations

from protocols.faults import Fault
from protocols.messages import Shutter
from sim_device.firmware.limits import NEVER_US, SHUTTER_US


class ShutterMonitor:
    """Judges what the shutter does with the command it was given; knows no reason for the command."""

    def __init__(self) -> None:
        self.position = Shutter.CLOSED
        self._command_open = False
        self._wrong_since_us = -1
        self._arrived = True  # it has been where the present command wants it

    def command(self, now_us: int, command_open: bool) -> bool:
        """Take what is driven from now on: a change begins a travel. True: it is a change."""
        if command_open == self._command_open:
            return False
        self._command_open = command_open
        self._wrong_since_us = now_us
        self._arrived = False
        return True

    def update(self, now_us: int, open_switch: bool, closed_switch: bool) -> Fault:
        """Take both switches; the fault they prove, or NONE."""
        if open_switch and closed_switch:
            self.position = Shutter.CONTRADICTION
        elif open_switch or closed_switch:
            self.position = Shutter.OPEN if open_switch else Shutter.CLOSED
        else:
            self.position = Shutter.MOVING
        if self.position is (Shutter.OPEN if self._command_open else Shutter.CLOSED):
            self._arrived = True
            self._wrong_since_us = -1
        elif self._wrong_since_us < 0:
            self._wrong_since_us = now_us
        if self.position is Shutter.CONTRADICTION:
            return Fault.SHUTTER_FEEDBACK
        if self._wrong_since_us < 0 or now_us - self._wrong_since_us < SHUTTER_US:
            return Fault.NONE
        if self.position is Shutter.MOVING and self._arrived:
            return Fault.SHUTTER_FEEDBACK  # it was there, and now no switch answers
        return Fault.SHUTTER_STUCK_CLOSED if self._command_open else Fault.SHUTTER_STUCK_OPEN

    @property
    def deadline_us(self) -> int:
        """When patience with the present travel ends."""
        return NEVER_US if self._wrong_since_us < 0 else self._wrong_since_us + SHUTTER_US
