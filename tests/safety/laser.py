"""A laser in words: messages of a device that is ready for the forearm plan, to be changed field by field."""

from dataclasses import replace
from typing import Any

from protocols.messages import (
    Beam,
    Handpiece,
    PulseReport,
    Result,
    Status,
    Telemetry,
)
from protocols.requests import Arm, Counters, Grant, Reply, Setpoint, Trigger
from protocols.states import State
from safety.limits import DeviceLimits, ModeLimits
from safety.plan import TreatmentPlan
from tests import still_laser

DEVICE = DeviceLimits(
    modes=(
        ModeLimits(755, 750, 10.0, 200.0),
        ModeLimits(755, 650, 10.0, 180.0),
        ModeLimits(755, 550, 10.0, 165.0),
    ),
    rates_hz=(1.0, 2.5, 5.0, 10.0),
    spot_min_mm=2.0,
    spot_max_mm=10.0,
    permit_pulses_max=1000,
    permit_max_us=120_000_000,
    energy_step_mj=1.0,
)

FOREARM = TreatmentPlan(
    name="tattoo forearm",
    indication="tattoo",
    skin_type="II",
    wavelength_nm=755,
    mode_width_ps=750,
    handpiece="zoom",
    spot_mm=3.5,
    pulse_energy_mj=173.0,
    rep_rate_hz=5.0,
    passes=1,
    series=(20, 20, 20),
    fluence_j_cm2=1.80,
)

SETPOINT = Setpoint(755, 750, 173_000, 5_000, Handpiece.ZOOM, 3_500)

STATUS = still_laser.status(
    device_time_us=1_000_000,
    boot=7,
    challenge=4711,
    stop_epoch=3,
    arm_epoch=11,
    setpoint_hash=SETPOINT.hash,
    aiming_on=True,
    pulse_number=100,
)

TELEMETRY = Telemetry(
    sample=1,
    device_time_us=1_000_000,
    hv_mv=800_000,
    coolant_mc=60_000,
    flow_ml_min=6_000,
    indicator_ua=20_000,
    aiming_uw=1_000,
    simmer_on=True,
    heater_on=True,
    lamp_shots=100,
    frames_rejected=0,
    skipped_pulses=0,
)

COUNTERS = Counters(pulse_number=100, acknowledged=100, reports_waiting=0, lamp_shots=100, boots=7, trips=0)

REPORT = PulseReport(
    pulse_number=101,
    boot=7,
    device_time_us=5_000_000,
    permit_id=900,
    press=1,
    flags=frozenset(),
    set_energy_uj=173_000,
    monitor_a_uj=173_000,
    monitor_b_uj=173_000,
    pulse_width_ps=750,
    mode_width_ps=750,
    wavelength_nm=755,
    handpiece=Handpiece.ZOOM,
    spot_um=3_500,
    rep_rate_mhz=5_000,
    lamp_mv=800_000,
    coolant_mc=60_000,
)

ARM = Arm(SETPOINT.hash, 3, Beam.APERTURE)

GRANT = Grant(
    permit_id=900,
    boot=7,
    session=77,
    arm_epoch=12,
    stop_epoch=3,
    pulses=20,
    beam=Beam.APERTURE,
    trigger=Trigger.FOOT,
    wavelength_nm=755,
    mode_width_ps=750,
    rep_rate_mhz=5_000,
    handpiece=Handpiece.ZOOM,
    spot_um=3_500,
    setpoint_hash=SETPOINT.hash,
    ends_us=60_000_000,
)

DONE = Reply(Result.DONE, frozenset(), 12)


def status(**changes: Any) -> Status:
    """The Status of a laser in STANDBY with these fields changed."""
    return replace(STATUS, **changes)


def ready(**changes: Any) -> Status:
    """The Status of the same laser in READY by our arming."""
    return replace(STATUS, **({"state": State.READY, "arm_epoch": 12} | changes))


def report(**changes: Any) -> PulseReport:
    """A pulse as it was set, with these fields changed."""
    return replace(REPORT, **changes)


def plan(**changes: Any) -> TreatmentPlan:
    """The forearm plan with these fields changed."""
    return replace(FOREARM, **changes)
