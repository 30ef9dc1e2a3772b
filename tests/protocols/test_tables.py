"""Faults, refusals and interlocks: codes pinned, a row for each, words that an operator can tell apart."""

import enum

import pytest

from protocols import messages, timing
from protocols.faults import FAULTS, Fault
from protocols.interlocks import INTERLOCKS, Interlock
from protocols.refusals import REFUSALS, Refusal, reasons
from protocols.requests import Trigger

# Codes are on the wire, in records and in the C header: a number once given stays.
CODES = {
    Fault: "NONE ESTOP REMOTE_INTERLOCK DOOR COVER HANDPIECE ARTICULATED_ARM MAINS"
    " FOOT_DISAGREES SHUTTER_STUCK_CLOSED SHUTTER_STUCK_OPEN SHUTTER_FEEDBACK INDICATOR"
    " COOLANT_FLOW COOLANT_LEVEL COOLANT_COLD COOLANT_HOT HEATER_THERMOSTAT CHARGER_HOT"
    " NO_END_OF_CHARGE OVER_VOLTAGE DUMP_FAILED SIMMER_LOST SIMMER_TIMEOUT ENERGY_HIGH"
    " ENERGY_LOW OVER_ENERGY_COMPARATOR MONITORS_DISAGREE MONITOR_FAILED PULSE_WIDTH"
    " PULSE_MISSING PULSE_DOUBLE LIGHT_WITHOUT_TRIGGER LINK_LOST NONVOLATILE"
    " WATCHDOG_RESET SELF_TEST GATE_CHANNEL HV_CHANNEL WARM_UP_TIMEOUT ESTOP_DISAGREES"
    " COVER_DISAGREES DOCK_DISAGREES PORT_DARK LAMP_WEAK",
    Refusal: "WRONG_STATE KEY_OFF FAULT_LATCHED INTERLOCK_OPEN FOOT_HELD NOT_WARM NOT_CALIBRATED"
    " AIMING_BEAM NO_SETPOINT SETPOINT_DIFFERS STOPPED_SINCE ARM_EPOCH BOOT INTERFACE"
    " HANDPIECE_DIFFERS SPOT_DIFFERS WAVELENGTH_DIFFERS ENERGY_RANGE RATE_NOT_OFFERED"
    " MODE_NOT_OFFERED PULSES_RANGE PERMIT_END PERMIT_HELD REPORTS_FULL HOST_SILENT"
    " CAUSE_PRESENT OTHER_FAULT SERVICE_NEEDED NOT_DOCKED DOCKED SESSION BEAM DOCK_DISAGREES TRIGGER"
    " COVER_DEFEATED",
    Interlock: "ESTOP KEY MAINS REMOTE DOOR COVER ARTICULATED_ARM HANDPIECE COOLANT_LEVEL"
    " COOLANT_FLOW HEATER_THERMOSTAT CHARGER_TEMPERATURE",
    messages.Handpiece: "NONE ZOOM FIXED_6 FIXED_8 FIXED_10 LENS_ARRAY_6",
    messages.Beam: "- APERTURE SHUTTER",
    messages.Intent: "IDLE ARMED PERMIT",
    messages.Foot: "RELEASED PRESSED DISAGREES",
    messages.Shutter: "CLOSED OPEN MOVING CONTRADICTION",
    messages.PulseFlag: "UNKNOWN SHUTTER_CLOSED CALIBRATION MISSING DOUBLE ENERGY_HIGH ENERGY_LOW"
    " ENERGY_DRIFT WIDTH MONITORS_DISAGREE COMPARATOR SKIPPED",
    messages.Leave: "NEVER STANDBY_ASKED STOP HANDPIECE SPOT WAVELENGTH SETPOINT IDLE SESSION DRIFT"
    " REPORTS_FULL AIMING FOOT_HELD NOT_CALIBRATED INTENT TRIGGER COVER_DEFEATED",
    messages.NakReason: "- CRC LENGTH VERSION OPCODE FIELD SESSION SEQUENCE ENCODING",
    messages.Result: "DONE REFUSED",
    Trigger: "FOOT INTERNAL",
}
# An interlock, the fault it latches, and whether it does so in every state (hazard table: what no one may
# leave open although nothing is armed) or only while armed.
CHAIN = [
    ("ESTOP", "ESTOP", True),
    ("KEY", None, False),
    ("MAINS", "MAINS", True),
    ("REMOTE", "REMOTE_INTERLOCK", False),
    ("DOOR", "DOOR", False),
    ("COVER", "COVER", True),
    ("ARTICULATED_ARM", "ARTICULATED_ARM", False),
    ("HANDPIECE", "HANDPIECE", False),
    ("COOLANT_LEVEL", "COOLANT_LEVEL", True),
    ("COOLANT_FLOW", "COOLANT_FLOW", True),
    ("HEATER_THERMOSTAT", "HEATER_THERMOSTAT", True),
    ("CHARGER_TEMPERATURE", "CHARGER_HOT", True),
]
# Faults behind which the next pulse, the charge or the dose cannot be trusted: no operator clears them.
FOR_SERVICE = {
    "OVER_VOLTAGE",
    "DUMP_FAILED",
    "LIGHT_WITHOUT_TRIGGER",
    "NONVOLATILE",
    "GATE_CHANNEL",
    "HV_CHANNEL",
}
# The public fault-word pattern of a flash-lamp laser driver: which of its bits a fault follows.
QUANTEL = {
    "IQS.b": "WARM_UP_TIMEOUT",
    "IQS.d": "SHUTTER_STUCK_CLOSED",
    "IF2.a": "HEATER_THERMOSTAT",
    "IF2.b": "CHARGER_HOT",
    "IF2.c": "COOLANT_COLD",
    "IF2.d": "COOLANT_HOT",
    "IF2.e": "COOLANT_LEVEL",
    "IF2.f": "COOLANT_FLOW",
    "IF3.a": "NO_END_OF_CHARGE",
    "IF3.b": "OVER_VOLTAGE",
    "IF3.c": "SIMMER_LOST",
    "IF3.f": "DUMP_FAILED",
    "IF3.g": "SIMMER_TIMEOUT",
}


@pytest.mark.parametrize("numbered", CODES, ids=lambda numbered: numbered.__name__)
def test_codes_are_pinned_and_fit_a_set_of_64(numbered: type[enum.IntEnum]) -> None:
    expected = {name: code for code, name in enumerate(CODES[numbered].split()) if name != "-"}
    assert {member.name: member.value for member in numbered} == expected
    assert len(numbered.__members__) == len(numbered), "two names for one code"
    assert max(numbered) < 64


@pytest.mark.shows("REQ-041", "HZ-022")
def test_every_fault_has_its_words_and_no_two_the_same() -> None:
    assert set(FAULTS) == set(Fault) - {Fault.NONE}
    for row in FAULTS.values():
        assert all(text == text.strip() != "" for text in (row.text, row.cause, row.action))
    assert len({row.text for row in FAULTS.values()}) == len(FAULTS)
    assert len({row.cause for row in FAULTS.values()}) == len(FAULTS)


@pytest.mark.shows("REQ-041")
def test_service_faults_are_pinned() -> None:
    assert {fault.name for fault, row in FAULTS.items() if row.service} == FOR_SERVICE
    assert all("service" in FAULTS[Fault[name]].action for name in FOR_SERVICE)


def test_the_faults_that_follow_a_public_fault_word_are_pinned() -> None:
    followed = [(row.quantel, fault.name) for fault, row in FAULTS.items() if row.quantel]
    assert dict(followed) == QUANTEL
    assert len(followed) == len(QUANTEL)


@pytest.mark.parametrize(("name", "fault", "always"), CHAIN)
def test_the_interlock_chain_is_pinned(name: str, fault: str | None, always: bool) -> None:
    row = INTERLOCKS[Interlock[name]]
    assert (row.fault.name if row.fault else None, row.latches_always) == (fault, always)
    assert row.meaning


def test_the_chain_is_judged_in_the_order_of_its_codes() -> None:
    assert [interlock.name for interlock in INTERLOCKS] == [name for name, *_ in CHAIN]
    assert list(INTERLOCKS) == sorted(Interlock)
    assert len({row.meaning for row in INTERLOCKS.values()}) == len(Interlock)


@pytest.mark.shows("REQ-041", "HZ-022")
def test_every_refusal_says_what_is_in_the_way_and_what_to_do() -> None:
    assert list(REFUSALS) == sorted(Refusal)
    for row in REFUSALS.values():
        assert row.text == row.text.strip() != ""
        assert row.action == row.action.strip() != ""
    assert len({row.text for row in REFUSALS.values()}) == len(REFUSALS)


@pytest.mark.shows("REQ-041", "HZ-022")
def test_reasons_come_in_words_all_of_them_and_in_order() -> None:
    first, second = reasons(frozenset({Refusal.DOCKED, Refusal.KEY_OFF}))
    assert (first.code, str(first)) == ("device.key_off", "the key is off: turn the key on")
    assert second.code == "device.docked"
    assert len(reasons(Refusal)) == len(Refusal)
    assert reasons(frozenset()) == ()


# DESIGN.md, "The wire" and "A stop", in microseconds.
TIMES_US = {
    "HEARTBEAT_PERIOD_US": 50_000,
    "PERMIT_LIFE_US": 200_000,
    "STATUS_ARMED_US": 50_000,
    "STATUS_IDLE_US": 100_000,
    "TELEMETRY_US": 1_000_000,
    "LINK_SILENT_US": 1_000_000,
    "ANSWER_FIRST_US": 200_000,
    "ANSWER_MIN_US": 30_000,
    "ANSWER_MAX_US": 800_000,
    "STOP_REPEAT_US": 50_000,
    "STOP_UNCONFIRMED_US": 500_000,
    "REPORT_REPEAT_US": 300_000,
}


def test_times_are_pinned() -> None:
    declared = {name: value for name, value in vars(timing).items() if name.endswith("_US")}
    assert declared == TIMES_US
    assert (timing.MS, timing.SECOND) == (1_000, 1_000_000)
    assert (timing.TRIES_MAX, timing.REQUESTS_QUEUED_MAX) == (5, 16)
    assert (timing.CHALLENGES_KEPT, timing.REPORTS_OUTSTANDING) == (8, 8)


def test_a_silent_host_leaves_the_device_time_to_act() -> None:
    """DESIGN.md: no emission 250 ms after the host fell silent, of which the device needs 50."""
    assert timing.PERMIT_LIFE_US + 50_000 <= 250_000
    assert timing.CHALLENGES_KEPT * timing.STATUS_ARMED_US >= timing.PERMIT_LIFE_US
