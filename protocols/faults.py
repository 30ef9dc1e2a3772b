"""The fault table: every latched fault with its code, words for the operator, and the way out of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Fault(enum.IntEnum):
    """Code of a latched fault; also its bit number in a set of faults on the wire."""

    NONE = 0
    ESTOP = 1
    REMOTE_INTERLOCK = 2
    DOOR = 3
    COVER = 4
    HANDPIECE = 5
    ARTICULATED_ARM = 6
    MAINS = 7
    FOOT_DISAGREES = 8
    SHUTTER_STUCK_CLOSED = 9
    SHUTTER_STUCK_OPEN = 10
    SHUTTER_FEEDBACK = 11
    INDICATOR = 12
    COOLANT_FLOW = 13
    COOLANT_LEVEL = 14
    COOLANT_COLD = 15
    COOLANT_HOT = 16
    HEATER_THERMOSTAT = 17
    CHARGER_HOT = 18
    NO_END_OF_CHARGE = 19
    OVER_VOLTAGE = 20
    DUMP_FAILED = 21
    SIMMER_LOST = 22
    SIMMER_TIMEOUT = 23
    ENERGY_HIGH = 24
    ENERGY_LOW = 25
    OVER_ENERGY_COMPARATOR = 26
    MONITORS_DISAGREE = 27
    MONITOR_FAILED = 28
    PULSE_WIDTH = 29
    PULSE_MISSING = 30
    PULSE_DOUBLE = 31
    LIGHT_WITHOUT_TRIGGER = 32
    LINK_LOST = 33
    NONVOLATILE = 34
    WATCHDOG_RESET = 35
    SELF_TEST = 36
    GATE_CHANNEL = 37
    HV_CHANNEL = 38
    WARM_UP_TIMEOUT = 39
    ESTOP_DISAGREES = 40
    COVER_DISAGREES = 41
    DOCK_DISAGREES = 42
    PORT_DARK = 43
    LAMP_WEAK = 44


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What an operator reads; `quantel` is the bit of the public fault-word pattern it follows, if any."""

    text: str
    cause: str
    action: str
    service: bool = (
        False  # True: an operator's acknowledge is refused, the console must be power-cycled by service
    )
    quantel: str = ""


FAULTS: Final[dict[Fault, FaultRow]] = {
    Fault.ESTOP: FaultRow(
        "emergency stop pressed",
        "the red emergency stop opened its loop",
        "make the room safe, release the button, then acknowledge",
    ),
    Fault.REMOTE_INTERLOCK: FaultRow(
        "remote interlock opened",
        "the remote interlock connector opened while armed",
        "close the remote interlock, then acknowledge",
    ),
    Fault.DOOR: FaultRow(
        "door opened",
        "the treatment room door opened while armed",
        "close the door, then acknowledge",
    ),
    Fault.COVER: FaultRow(
        "housing cover open",
        "a contact of the protective housing opened",
        "close the cover; if both contacts do not agree, call service",
    ),
    Fault.HANDPIECE: FaultRow(
        "handpiece removed",
        "the handpiece was unplugged or could not be identified while armed",
        "connect the handpiece, check its spot, then acknowledge",
    ),
    Fault.ARTICULATED_ARM: FaultRow(
        "articulated arm disconnected",
        "the arm's contact opened while armed",
        "connect the arm, then acknowledge",
    ),
    Fault.MAINS: FaultRow(
        "mains failure",
        "the mains left its window",
        "restore the mains, then acknowledge",
    ),
    Fault.FOOT_DISAGREES: FaultRow(
        "footswitch contacts disagree",
        "the two contacts of the footswitch differed for more than 50 ms",
        "release the footswitch, inspect it and its cable, then acknowledge",
    ),
    Fault.SHUTTER_STUCK_CLOSED: FaultRow(
        "shutter does not open",
        "commanded open, the open switch did not answer within 30 ms",
        "acknowledge and arm once more; if it returns, call service",
        quantel="IQS.d",
    ),
    Fault.SHUTTER_STUCK_OPEN: FaultRow(
        "shutter does not close",
        "commanded closed, the closed switch did not answer within 30 ms",
        "keep everybody's eyewear on, remove the key, call service",
    ),
    Fault.SHUTTER_FEEDBACK: FaultRow(
        "shutter switches contradict each other",
        "open and closed switch both answered, or neither did for more than 30 ms",
        "call service",
    ),
    Fault.INDICATOR: FaultRow(
        "emission indicator failed",
        "the indicator's lamp current left its window",
        "replace the indicator lamp, then acknowledge",
    ),
    Fault.COOLANT_FLOW: FaultRow(
        "coolant flow too low",
        "flow stayed under its minimum for 0.5 s with the pump on",
        "check pump and hoses, then acknowledge",
        quantel="IF2.f",
    ),
    Fault.COOLANT_LEVEL: FaultRow(
        "coolant level too low",
        "the level switch opened",
        "refill deionised water, look for a leak, then acknowledge",
        quantel="IF2.e",
    ),
    Fault.COOLANT_COLD: FaultRow(
        "coolant too cold",
        "the coolant fell under its window after warm-up",
        "acknowledge; warm-up runs again",
        quantel="IF2.c",
    ),
    Fault.COOLANT_HOT: FaultRow(
        "coolant too hot",
        "the coolant rose above its window",
        "let it cool with the pump running, check the fan, then acknowledge",
        quantel="IF2.d",
    ),
    Fault.HEATER_THERMOSTAT: FaultRow(
        "heater thermostat open",
        "the heater's own thermostat cut it off",
        "let it cool, call service if it returns",
        quantel="IF2.a",
    ),
    Fault.CHARGER_HOT: FaultRow(
        "charger too hot",
        "the capacitor charger's temperature contact opened",
        "let it cool, check the fan, then acknowledge",
        quantel="IF2.b",
    ),
    Fault.NO_END_OF_CHARGE: FaultRow(
        "capacitor did not charge in time",
        "no end of charge when the trigger was due, three times running",
        "lower the rate; if it returns, call service",
        quantel="IF3.a",
    ),
    Fault.OVER_VOLTAGE: FaultRow(
        "capacitor over-voltage",
        "the capacitor rose more than 1.5 % above its set voltage",
        "call service",
        service=True,
        quantel="IF3.b",
    ),
    Fault.DUMP_FAILED: FaultRow(
        "capacitor not discharged",
        "the capacitor stayed above 60 V for 5 s after the dump",
        "do not open the console: it may hold a lethal charge; call service",
        service=True,
        quantel="IF3.f",
    ),
    Fault.SIMMER_LOST: FaultRow(
        "simmer lost",
        "the lamp's simmer current went out",
        "acknowledge; if it returns, replace the lamp",
        quantel="IF3.c",
    ),
    Fault.SIMMER_TIMEOUT: FaultRow(
        "simmer did not start",
        "no simmer current within its time",
        "acknowledge; if it returns, replace the lamp",
        quantel="IF3.g",
    ),
    Fault.ENERGY_HIGH: FaultRow(
        "pulse energy too high",
        "a pulse was measured more than 15 % above its set energy",
        "inspect the treated site, acknowledge, then calibrate before going on",
    ),
    Fault.ENERGY_LOW: FaultRow(
        "pulse energy too low",
        "a pulse was measured more than 15 % below its set energy",
        "acknowledge, then calibrate; if it returns, call service",
    ),
    Fault.OVER_ENERGY_COMPARATOR: FaultRow(
        "over-energy comparator tripped",
        "the hardware comparator saw more than 1.2 times the set energy",
        "inspect the treated site, acknowledge, then calibrate before going on",
    ),
    Fault.MONITORS_DISAGREE: FaultRow(
        "energy monitors disagree",
        "the two energy monitors differed by more than 10 % on one pulse",
        "clean the output optics, calibrate; if it returns, call service",
    ),
    Fault.MONITOR_FAILED: FaultRow(
        "energy monitor failed its test",
        "dark level or reference flash out of its window",
        "acknowledge to test again; if it returns, call service",
    ),
    Fault.PULSE_WIDTH: FaultRow(
        "pulse width out of its window",
        "width outside 450-825 ps or more than 15 % from the mode's: mode-locking was lost",
        "inspect the treated site, acknowledge, then calibrate; if it returns, call service",
    ),
    Fault.PULSE_MISSING: FaultRow(
        "pulse missing",
        "a trigger gave no light",
        "acknowledge; if it returns, replace the lamp or call service",
    ),
    Fault.PULSE_DOUBLE: FaultRow(
        "more than one pulse for a trigger",
        "the photodiode counted more than one pulse",
        "inspect the treated site, then call service",
    ),
    Fault.LIGHT_WITHOUT_TRIGGER: FaultRow(
        "light without a trigger",
        "a monitor saw light although nothing was triggered: the Pockels cell does not hold off",
        "keep everybody's eyewear on, remove the key, call service",
        service=True,
    ),
    Fault.LINK_LOST: FaultRow(
        "host silent",
        "no valid heartbeat within 200 ms while armed",
        "check the daemon and its cable, then acknowledge",
    ),
    Fault.NONVOLATILE: FaultRow(
        "non-volatile memory failed",
        "counters, calibration or pulse reports could not be read or written",
        "call service",
        service=True,
    ),
    Fault.WATCHDOG_RESET: FaultRow(
        "processor was reset by its watchdog",
        "the firmware missed its watchdog window",
        "acknowledge; report it to service",
    ),
    Fault.SELF_TEST: FaultRow(
        "self-test failed",
        "a part did not pass the test at power-on; the fault list names it",
        "acknowledge to test again; if it returns, call service",
    ),
    Fault.GATE_CHANNEL: FaultRow(
        "trigger gate does not inhibit",
        "the Pockels and trigger gate did not follow its command",
        "call service",
        service=True,
    ),
    Fault.HV_CHANNEL: FaultRow(
        "high-voltage inhibit does not work",
        "the charger's inhibit did not follow its command",
        "call service",
        service=True,
    ),
    Fault.WARM_UP_TIMEOUT: FaultRow(
        "warm-up took too long",
        "the coolant did not reach its window in 30 minutes",
        "check heater and coolant, then acknowledge",
        quantel="IQS.b",
    ),
    Fault.ESTOP_DISAGREES: FaultRow(
        "emergency stop contacts disagree",
        "the two contacts of the emergency stop differed for more than 50 ms",
        "call service: one of its channels does not work; acknowledge when both answer again",
    ),
    Fault.COVER_DISAGREES: FaultRow(
        "housing cover contacts disagree",
        "the two contacts of the housing cover differed for more than 50 ms",
        "call service: one of its channels does not work; acknowledge when both answer again",
    ),
    Fault.DOCK_DISAGREES: FaultRow(
        "calibration port contacts disagree",
        "the two contacts of the calibration port differed for more than 50 ms during a calibration",
        "put the handpiece into the port fully, or take it out, then acknowledge; if it returns, service",
    ),
    Fault.PORT_DARK: FaultRow(
        "no light in the calibration port",
        "a shot of the calibration went through the shutter, and the port's meter did not see it, or saw "
        "less than half of what the energy monitors did",
        "keep everybody's eyewear on; see that the handpiece is in the port and its window clean, "
        "then acknowledge",
    ),
    Fault.LAMP_WEAK: FaultRow(
        "lamp too weak to calibrate",
        "at 820 V a shot of the calibration gave less than 15 mJ, by the port's meter and the monitors "
        "alike: there a new lamp gives some 70 mJ, and one at the end of its life 35",
        "replace the lamp, acknowledge, calibrate; if a new lamp gives no more, call service: the laser head",
    ),
}
