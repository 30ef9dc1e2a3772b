"""Why the device refuses a request: every reason with the words an operator can act on."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


class Refusal(enum.IntEnum):
    """Number of a reason, and its bit in a set of reasons."""

    WRONG_STATE = 0
    KEY_OFF = 1
    FAULT_LATCHED = 2
    INTERLOCK_OPEN = 3
    FOOT_HELD = 4
    NOT_WARM = 5
    NOT_CALIBRATED = 6
    AIMING_BEAM = 7
    NO_SETPOINT = 8
    SETPOINT_DIFFERS = 9
    STOPPED_SINCE = 10
    ARM_EPOCH = 11
    BOOT = 12
    INTERFACE = 13
    HANDPIECE_DIFFERS = 14
    SPOT_DIFFERS = 15
    WAVELENGTH_DIFFERS = 16
    ENERGY_RANGE = 17
    RATE_NOT_OFFERED = 18
    MODE_NOT_OFFERED = 19
    PULSES_RANGE = 20
    PERMIT_END = 21
    PERMIT_HELD = 22
    REPORTS_FULL = 23
    HOST_SILENT = 24
    CAUSE_PRESENT = 25
    OTHER_FAULT = 26
    SERVICE_NEEDED = 27
    NOT_DOCKED = 28
    DOCKED = 29
    SESSION = 30
    BEAM = 31
    DOCK_DISAGREES = 32
    TRIGGER = 33
    COVER_DEFEATED = 34


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason against something, from whichever side, in words an operator can act on."""

    code: str
    text: str
    action: str

    def __str__(self) -> str:
        return f"{self.text}: {self.action}"


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """What is in the way, and what to do about it."""

    text: str
    action: str


_R, _T = Refusal, RefusalRow

REFUSALS: Final[dict[Refusal, RefusalRow]] = {
    _R.WRONG_STATE: _T("the laser is in another state", "look at the state and bring the laser there first"),
    _R.KEY_OFF: _T("the key is off", "turn the key on"),
    _R.FAULT_LATCHED: _T("a fault is latched", "remove its cause and acknowledge it"),
    _R.INTERLOCK_OPEN: _T("an interlock is open", "close it; the chain names the first one"),
    _R.FOOT_HELD: _T("the footswitch is pressed", "release the footswitch"),
    _R.NOT_WARM: _T("the coolant is outside its window", "wait for warm-up to end"),
    _R.NOT_CALIBRATED: _T(
        "no valid energy calibration",
        "dock the handpiece and calibrate; undocked, a stored calibration is only checked again",
    ),
    _R.AIMING_BEAM: _T(
        "the aiming beam is off or outside its power window", "switch it on; if it stays dark, service"
    ),
    _R.NO_SETPOINT: _T("no set-point is committed", "stage and commit a set-point"),
    _R.SETPOINT_DIFFERS: _T(
        "the set-point is not the one that was read back", "read it back and confirm it again"
    ),
    _R.STOPPED_SINCE: _T("a stop came in between", "look why it was stopped, then arm again"),
    _R.ARM_EPOCH: _T("the permit belongs to an earlier arming", "ask for a new permit"),
    _R.BOOT: _T("the device restarted since", "connect again and check its state"),
    _R.INTERFACE: _T("host and device were built from different interfaces", "install matching versions"),
    _R.HANDPIECE_DIFFERS: _T("another handpiece is connected", "check the handpiece and confirm again"),
    _R.SPOT_DIFFERS: _T("the spot read back is not the planned one", "turn the zoom to the planned spot"),
    _R.WAVELENGTH_DIFFERS: _T(
        "another wavelength module is active", "check module and eyewear, confirm again"
    ),
    _R.ENERGY_RANGE: _T(
        "pulse energy outside the mode's range, or beyond what the lamp still gives",
        "choose an energy the mode can give; if it is in the range, replace the worn lamp",
    ),
    _R.RATE_NOT_OFFERED: _T("the device does not offer this rate", "choose one of 1, 2.5, 5, 10 Hz"),
    _R.MODE_NOT_OFFERED: _T("the device does not offer this pulse width mode", "choose one it lists"),
    _R.PULSES_RANGE: _T("too few or too many pulses for one permit", "split the series"),
    _R.PERMIT_END: _T(
        "the permit ends in the past or too far ahead", "check the clocks; ask for a new permit"
    ),
    _R.PERMIT_HELD: _T("another permit is still held", "let it end, or stop"),
    _R.REPORTS_FULL: _T(
        "too many pulse reports wait to be acknowledged", "connect the host so that it can record them"
    ),
    _R.HOST_SILENT: _T("no live heartbeat from the host", "check the daemon and its cable"),
    _R.CAUSE_PRESENT: _T("the cause of the fault is still there", "remove the cause first"),
    _R.OTHER_FAULT: _T(
        "that is not the fault that is latched", "read the fault again, then acknowledge that one"
    ),
    _R.SERVICE_NEEDED: _T("this fault is for service", "call service; only a service power-cycle clears it"),
    _R.NOT_DOCKED: _T("the handpiece is not in the calibration port", "put the handpiece into the port"),
    _R.DOCKED: _T("the handpiece is still in the calibration port", "take the handpiece out of the port"),
    _R.SESSION: _T("the session is not the live one", "connect again"),
    _R.BEAM: _T("the permit's beam path is not the one that was armed", "arm again for this beam path"),
    _R.DOCK_DISAGREES: _T(
        "the two contacts of the calibration port disagree",
        "put the handpiece into the port fully, or take it out; if it stays so, call service",
    ),
    _R.TRIGGER: _T(
        "the permit is for another trigger than the laser has",
        "remove the strap of the internal trigger, or fit it for a service plan that says so",
    ),
    _R.COVER_DEFEATED: _T(
        "the interlock of the housing cover is defeated",
        "take service's defeat key out and close the cover; the laser gives no light before",
    ),
}


def reasons(refusals: Iterable[Refusal]) -> tuple[Reason, ...]:
    """The device's refusals in words, by number; codes read `device.foot_held`."""
    return tuple(
        Reason(f"device.{refusal.name.lower()}", REFUSALS[refusal].text, REFUSALS[refusal].action)
        for refusal in sorted(refusals)
    )
