"""The metrics: each declared once.

What a stale or absent laser said last is left out, not repeated: a series that ends says more than an old
value. No label names a person, a subject or a session; all but those of the two `_info` come from
enumerations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from controller.meter import MONITORS, OUTCOMES
from controller.metric import (
    Kind,
    Label,
    Metric,
    Readings,
    Snapshot,
    Value,
    counter,
    each,
    gauge,
    members,
    names_of,
    of_laser,
    of_slow,
    position,
    single,
)
from protocols.faults import Fault
from protocols.interlocks import INTERLOCKS
from protocols.messages import Foot, PulseFlag, Shutter
from protocols.states import State
from safety.freshness import Input
from safety.latches import LatchId
from safety.proof_tests import DAY_US, PROOF_TESTS, Standing

DAY_S: Final = DAY_US / 1e6
OUTBOX_COUNTED_MAX: Final = 10_000  # [C] counting more would keep the disk from the pulses


def _latches(seen: Snapshot) -> Mapping[str, Value]:
    standing = {latch["name"] for latch in seen.report["supervisor"]["latches"]}
    return {latch.value: float(latch.value in standing) for latch in LatchId}


def _alarms(seen: Snapshot) -> float:
    """As many as there are `alarm` topics: the laser's faults, and the host's own latches."""
    own = [one for one in seen.report["supervisor"]["latches"] if one["name"] != LatchId.DEVICE_FAULT.value]
    return len(own) + len(seen.laser["faults"] if seen.laser else ())


def _permit_left_s(seen: Snapshot) -> float | None:
    laser = seen.laser
    if laser is None:
        return None
    left_s = float(laser["permit_ends_s"] - laser["device_time_s"] - laser["age_s"])
    return max(0.0, left_s) if laser["permit_id"] else 0.0


def _proofs(wanted: Callable[[Mapping[str, Any]], float]) -> Callable[[Snapshot], Mapping[str, Value]]:
    return lambda seen: {one["interlock"]: wanted(one) for one in seen.report["proof_tests"]["inputs"]}


def _standing(*standings: Standing) -> Callable[[Mapping[str, Any]], float]:
    names = {standing.value for standing in standings}
    return lambda one: float(one["standing"] in names)


def _device(seen: Snapshot) -> Readings:
    device = seen.report["device"]
    if device is None:
        return {}
    named = (device["serial"], device["model"], device["firmware"], str(device["simulated"]).lower())
    return {named: 1.0}


def _calibration_age_s(seen: Snapshot) -> float | None:
    calibration = (seen.report["device"] or {}).get("calibration")
    if calibration is None:
        return None
    taken, made = (datetime.fromisoformat(text) for text in (seen.report["time"], calibration["calibrated"]))
    return (taken - made).total_seconds()


def _last(field: str, per_base: float) -> Callable[[Snapshot], float | None]:
    def read(seen: Snapshot) -> float | None:
        value = None if seen.meter.last is None else seen.meter.last[field]
        return None if value is None else value / per_base

    return read


def _broker(wanted: Callable[[Mapping[str, Any]], float]) -> Callable[[Snapshot], float | None]:
    return lambda seen: None if seen.report["mqtt"]["state"] == "off" else wanted(seen.report["mqtt"])


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_CONTACTS: Final = names_of(PROOF_TESTS)

METRICS: Final[tuple[Metric, ...]] = (
    # -- who is there
    Metric(
        "picolase_build", Kind.INFO, "The daemon.", lambda seen: {(seen.version,): 1.0}, (Label("version"),)
    ),
    gauge(
        "picolase_start_time_seconds",
        "When the daemon was started, in seconds since 1970.",
        lambda seen: seen.started.timestamp(),
    ),
    Metric(
        "picolase_laser",
        Kind.INFO,
        "The laser that was identified last; a simulated one is no laser.",
        _device,
        (
            Label("serial"),
            Label("model"),
            Label("firmware"),
            Label("simulated"),
        ),
    ),
    gauge(
        "picolase_link_up",
        "Whether the line to the laser is up.",
        lambda seen: float(seen.report["link"]["state"] == "up"),
    ),
    gauge(
        "picolase_laser_data_age_seconds",
        "Age of the laser's last Status; infinite when nothing is known of it. Always there.",
        lambda seen: seen.age_s(Input.STATUS),
    ),
    gauge(
        "picolase_laser_slow_data_age_seconds",
        "The same of its slow values.",
        lambda seen: seen.age_s(Input.TELEMETRY),
    ),
    # -- the laser, while its Status is fresh
    position(
        "picolase_laser_state",
        "Its operating state: 1 for the one it is in.",
        Label("state", names_of(State)),
        "state",
    ),
    members(
        "picolase_interlock_closed",
        "Whether the contact is closed and good.",
        Label("interlock", names_of(INTERLOCKS)),
        "open_interlocks",
        inside=0.0,
    ),
    members(
        "picolase_fault_latched",
        "Whether the laser has latched the fault.",
        Label("fault", names_of(fault for fault in Fault if fault is not Fault.NONE)),
        "faults",
    ),
    members(
        "picolase_fault_present",
        "Whether the cause of the latched fault is still there.",
        Label("fault", names_of(fault for fault in Fault if fault is not Fault.NONE)),
        "faults_present",
    ),
    position(
        "picolase_shutter_position",
        "The shutter by its switches.",
        Label("position", names_of(Shutter)),
        "shutter",
    ),
    position("picolase_footswitch_position", "The footswitch.", Label("position", names_of(Foot)), "foot"),
    of_laser("picolase_emission_indicator_on", "Whether the emission indicator is lit.", "indicator_on"),
    of_laser("picolase_aiming_on", "Whether the aiming beam is on.", "aiming_on"),
    of_laser("picolase_laser_calibrated", "Whether the laser calls itself calibrated.", "calibrated"),
    of_laser("picolase_permit_pulses", "Pulses that the permit still allows.", "permit_pulses_left"),
    gauge(
        "picolase_permit_remaining_seconds", "Time that the permit still allows; 0 without.", _permit_left_s
    ),
    of_laser(
        "picolase_laser_pulse_number",
        "The laser's own count of pulses, over its whole life.",
        "pulse_number",
    ),
    of_laser(
        "picolase_laser_reports_waiting", "Pulse reports not yet acknowledged to it.", "reports_waiting"
    ),
    # -- its slow values, while they are fresh
    of_slow("picolase_coolant_celsius", "Coolant temperature.", "coolant_c"),
    of_slow("picolase_coolant_flow_liters_per_second", "Coolant flow.", "flow_l_min", 60.0),
    of_slow("picolase_capacitor_volts", "Voltage of the lamp's capacitor.", "hv_v"),
    of_slow("picolase_emission_indicator_amperes", "Current of the indicator.", "indicator_ma", 1e3),
    of_slow("picolase_aiming_watts", "Power of the aiming beam.", "aiming_mw", 1e3),
    of_slow("picolase_simmer_on", "Whether the lamp's simmer current is present.", "simmer_on"),
    of_slow("picolase_heater_on", "Whether the coolant heater is commanded on.", "heater_on"),
    of_slow("picolase_lamp_shots", "Triggers of this lamp.", "lamp_shots", kind=_C),
    of_slow("picolase_frames_rejected", "Frames that the laser did not take.", "frames_rejected", kind=_C),
    of_slow("picolase_skipped_triggers", "Triggers it skipped: no end of charge.", "skipped_pulses", kind=_C),
    # -- pulses on record, counted since the daemon was started
    each(
        "picolase_pulses",
        _C,
        "Numbered pulses put on record, by what became of them; an unknown one counts as delivered dose.",
        Label("outcome", OUTCOMES),
        lambda seen: {outcome: seen.meter.outcomes[outcome] for outcome in OUTCOMES},
    ),
    each(
        "picolase_pulse_flags",
        _C,
        "Pulses with this judgement of the laser's.",
        Label("flag", names_of(PulseFlag)),
        lambda seen: {flag: seen.meter.flags[flag] for flag in names_of(PulseFlag)},
    ),
    each(
        "picolase_pulse_energy_joules",
        _H,
        "Measured energy of pulses delivered, by monitor a also of those into the closed shutter.",
        Label("monitor", MONITORS),
        lambda seen: seen.meter.energy_j,
    ),
    each(
        "picolase_pulse_energy_to_set_ratio",
        _H,
        "The same as a share of what was set.",
        Label("monitor", MONITORS),
        lambda seen: seen.meter.energy_ratio,
    ),
    single(
        "picolase_pulse_width_seconds", _H, "Measured width of the same.", lambda seen: seen.meter.width_s
    ),
    each(
        "picolase_last_pulse_energy_joules",
        _G,
        "Measured energy of the last of them, however long ago.",
        Label("monitor", MONITORS),
        lambda seen: {monitor: _last(f"monitor_{monitor}_mj", 1e3)(seen) for monitor in MONITORS},
    ),
    gauge(
        "picolase_last_pulse_set_energy_joules",
        "The energy that was set for it.",
        _last("set_energy_mj", 1e3),
    ),
    gauge("picolase_last_pulse_width_seconds", "Its width.", _last("pulse_width_ps", 1e12)),
    counter(
        "picolase_pulses_uncounted",
        "Pulses on record that these counts missed: the daemon was too busy to count them.",
        lambda seen: seen.uncounted,
    ),
    # -- the plan in hand
    gauge(
        "picolase_set_energy_joules",
        "Pulse energy of the plan in hand; absent without one.",
        lambda seen: None if seen.set_energy_mj is None else seen.set_energy_mj / 1e3,
    ),
    gauge(
        "picolase_plan_pulses",
        "Pulses of the plan in hand.",
        lambda seen: None if seen.planned is None else seen.planned[0],
    ),
    gauge(
        "picolase_plan_pulses_given",
        "How many of them were given, unknown ones included.",
        lambda seen: None if seen.planned is None else seen.planned[1],
    ),
    # -- the host's supervision
    each(
        "picolase_latch_standing",
        _G,
        "Whether the host's latch stands.",
        Label("latch", tuple(latch.value for latch in LatchId)),
        _latches,
    ),
    gauge("picolase_alarms", "Active alarms: the laser's faults and the host's latches.", _alarms),
    each(
        "picolase_input_good",
        _G,
        "Whether what the supervisor relies on is known and good.",
        Label("input", tuple(which.value for which in Input)),
        lambda seen: {
            which.value: float(seen.report["supervisor"]["inputs"][which.value]["quality"] == "good")
            for which in Input
        },
    ),
    gauge(
        "picolase_heartbeat_sent",
        "Whether the laser is sent its heartbeat: withheld, emission ends.",
        lambda seen: float(seen.report["supervisor"]["heartbeat"] == "sent"),
    ),
    gauge(
        "picolase_arm_refusals",
        "How many reasons there are not to arm now.",
        lambda seen: len(seen.report["supervisor"]["arm_refusals"]),
    ),
    gauge(
        "picolase_uncertain_commands",
        "Commands whose outcome is not known.",
        lambda seen: len(seen.report["uncertain"]),
    ),
    gauge(
        "picolase_calibration_age_seconds",
        "Age of the energy calibration; absent when its date is not known.",
        _calibration_age_s,
    ),
    gauge(
        "picolase_calibration_remaining_seconds",
        "Time until it ends; below 0 it has ended.",
        lambda seen: seen.calibration_left_s,
    ),
    each(
        "picolase_proof_test_age_seconds",
        _G,
        "Time since the contact was seen open, or since it is looked at.",
        Label("interlock", _CONTACTS),
        _proofs(lambda one: one["days"] * DAY_S),
    ),
    each(
        "picolase_proof_test_due",
        _G,
        "Whether its proof test is asked for.",
        Label("interlock", _CONTACTS),
        _proofs(_standing(Standing.DUE, Standing.OVERDUE)),
    ),
    each(
        "picolase_proof_test_overdue",
        _G,
        "Whether no treatment begins before it.",
        Label("interlock", _CONTACTS),
        _proofs(_standing(Standing.OVERDUE)),
    ),
    # -- records, broker, this computer
    gauge(
        "picolase_pulses_missing",
        "Pulses the laser has counted that are not on record.",
        lambda seen: seen.report["books"]["missing"],
    ),
    gauge(
        "picolase_records_waiting",
        "Pulses and events that wait to be written.",
        lambda seen: seen.report["books"]["waiting"],
    ),
    counter(
        "picolase_events_dropped",
        "Events lost because too many waited to be written.",
        lambda seen: seen.report["store"]["events_dropped"],
    ),
    gauge(
        "picolase_store_waiting",
        "Pieces of work that wait for the database.",
        lambda seen: seen.store_waiting,
    ),
    gauge(
        "picolase_store_answer_seconds",
        "How long the database took to answer, its queue included; while it does not, how long it has not.",
        lambda seen: seen.store_answer_s,
    ),
    gauge(
        "picolase_mqtt_connected",
        "Whether the broker is connected; absent where nothing is published.",
        _broker(lambda mqtt: float(mqtt["state"] == "up")),
    ),
    counter(
        "picolase_mqtt_messages_sent",
        "Messages that the broker took.",
        _broker(lambda mqtt: mqtt["sent"]),
    ),
    counter(
        "picolase_mqtt_samples_dropped",
        "Samples that newer ones replaced before they were published.",
        _broker(lambda mqtt: mqtt["dropped"]),
    ),
    gauge(
        "picolase_outbox_waiting",
        f"Pulses and events that wait for the broker; {OUTBOX_COUNTED_MAX} are that many or more.",
        lambda seen: None if seen.report["mqtt"]["state"] == "off" else seen.outbox_waiting,
    ),
    single(
        "picolase_loop_lag_seconds",
        _H,
        "How late the daemon's event loop was, looked at every 50 ms.",
        lambda seen: seen.meter.lag_s,
    ),
)
