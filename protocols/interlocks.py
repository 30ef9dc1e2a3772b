"""The interlock chain: every contact that must be closed, in the order in which the first cause is judged."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from protocols.faults import Fault


class Interlock(enum.IntEnum):
    """Number of a contact, and its bit in a set of open ones: open, unknown, or unlike its twin."""

    ESTOP = 0
    KEY = 1
    MAINS = 2
    REMOTE = 3
    DOOR = 4
    COVER = 5
    ARTICULATED_ARM = 6
    HANDPIECE = 7
    COOLANT_LEVEL = 8
    COOLANT_FLOW = 9
    HEATER_THERMOSTAT = 10
    CHARGER_TEMPERATURE = 11


@dataclass(frozen=True, slots=True)
class InterlockRow:
    """What the interlock guards, which fault it latches, and in which states it does so."""

    fault: Fault | None  # None: it moves the state machine by itself (the key)
    latches_always: bool  # False: only in ARMING, READY, EMITTING; elsewhere it refuses and clears by itself
    meaning: str


INTERLOCKS: Final[dict[Interlock, InterlockRow]] = {
    Interlock.ESTOP: InterlockRow(Fault.ESTOP, True, "both e-stop contacts closed"),
    Interlock.KEY: InterlockRow(None, False, "key present and on"),
    Interlock.MAINS: InterlockRow(Fault.MAINS, True, "mains within its window"),
    Interlock.REMOTE: InterlockRow(Fault.REMOTE_INTERLOCK, False, "remote interlock connector closed"),
    Interlock.DOOR: InterlockRow(Fault.DOOR, False, "treatment room door closed"),
    Interlock.COVER: InterlockRow(Fault.COVER, True, "both contacts of the housing cover closed"),
    Interlock.ARTICULATED_ARM: InterlockRow(Fault.ARTICULATED_ARM, False, "articulated arm connected"),
    Interlock.HANDPIECE: InterlockRow(Fault.HANDPIECE, False, "handpiece connected and identified"),
    Interlock.COOLANT_LEVEL: InterlockRow(Fault.COOLANT_LEVEL, True, "coolant level above its switch"),
    Interlock.COOLANT_FLOW: InterlockRow(Fault.COOLANT_FLOW, True, "coolant flow above its minimum"),
    Interlock.HEATER_THERMOSTAT: InterlockRow(Fault.HEATER_THERMOSTAT, True, "heater thermostat closed"),
    Interlock.CHARGER_TEMPERATURE: InterlockRow(Fault.CHARGER_HOT, True, "charger within its temperature"),
}
