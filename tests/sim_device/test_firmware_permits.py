"""Arm, Grant, Calibrate, Acknowledge: every refusal, and what a permit must say."""

from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import FAULTS, Fault
from protocols.interface import INTERFACE_HASH
from protocols.messages import Beam, Handpiece, Result
from protocols.refusals import Refusal
from protocols.requests import (
    Acknowledge,
    Calibrate,
    CommitSetpoint,
    Counters,
    ReadCalibration,
    ReadCounters,
    ReadSetpoint,
    SetAiming,
    Setpoint,
    StageSetpoint,
)
from protocols.states import State
from tests.sim_device.bench import MS, SETPOINT, S, at
from tests.sim_device.stages import STAGES, bench_at

R = Refusal


# --- arm ---


@pytest.mark.shows("REQ-007", "REQ-010", "REQ-015", "REQ-030")
@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"door_closed": False}, R.INTERLOCK_OPEN),
        ({"remote_closed": False}, R.INTERLOCK_OPEN),
        ({"arm_connected": False}, R.INTERLOCK_OPEN),
        ({"defeat_key_out": False}, R.COVER_DEFEATED),
        ({"foot_a_closed": True, "foot_b_closed": True}, R.FOOT_HELD),
        ({"coolant_mc": 57_999}, R.NOT_WARM),
        ({"coolant_mc": 62_001}, R.NOT_WARM),
        ({"spot_um": 4_000}, R.SPOT_DIFFERS),
        ({"handpiece": 2, "spot_um": 6_000}, R.HANDPIECE_DIFFERS),
        ({"wavelength_nm": 532}, R.WAVELENGTH_DIFFERS),
        ({"aiming_uw": 99}, R.AIMING_BEAM),
        ({"aiming_uw": 5_001}, R.AIMING_BEAM),
        ({"docked_a_closed": True, "docked_b_closed": True}, R.DOCKED),
        ({"docked_a_closed": True}, R.DOCKED),
        ({"docked_b_closed": True}, R.DOCKED),
    ],
)
def test_each_thing_in_the_way_refuses_arming_by_its_name_and_clears_by_itself(
    levels: dict[str, Any], reason: Refusal
) -> None:
    bench = at("set")
    good = {name: getattr(bench.inputs, name) for name in levels}
    bench.set(**levels)
    assert reason in bench.reasons(bench.arm_request())
    assert bench.state is State.STANDBY
    bench.run(20 * MS)
    assert (reason in bench.status.blocks) is (reason not in (R.AIMING_BEAM, R.DOCKED))
    bench.set(**good)
    # an aiming beam that is too strong was switched off, and stays off
    too_strong = levels.get("aiming_uw") == 5_001
    assert bench.reasons(bench.arm_request()) == ({R.AIMING_BEAM} if too_strong else set())


@pytest.mark.parametrize("coolant_mc", [58_000, 62_000])
def test_the_edges_of_the_coolant_window_are_inside(coolant_mc: int) -> None:
    bench = at("set")
    bench.set(coolant_mc=coolant_mc)
    assert not bench.reasons(bench.arm_request())


def test_arming_tells_all_reasons_at_once() -> None:
    bench = at("standby")
    bench.host_alive = False
    bench.run(500 * MS)
    bench.set(door_closed=False, coolant_mc=57_000)
    bench.dock(True)
    request = replace(bench.arm_request(), stop_epoch=9)
    assert bench.reasons(request) == {
        R.INTERLOCK_OPEN,
        R.NOT_WARM,
        R.DOCKED,
        R.AIMING_BEAM,
        R.NO_SETPOINT,
        R.HOST_SILENT,
        R.STOPPED_SINCE,
    }


@pytest.mark.shows("REQ-024", "HZ-019")
def test_arming_wants_the_hash_that_was_read_back_and_the_epoch_that_was_seen() -> None:
    bench = at("set")
    request = bench.arm_request()
    assert bench.reasons(replace(request, setpoint_hash=request.setpoint_hash ^ 1)) == {R.SETPOINT_DIFFERS}
    bench.stop()
    assert bench.reasons(request) == {R.STOPPED_SINCE}
    bench.run(20 * MS)
    assert not bench.reasons(bench.arm_request())


def test_a_rehearsal_needs_no_aiming_beam_and_may_be_docked() -> None:
    bench = at("set")
    bench.ask(SetAiming(False))
    bench.dock(True)
    bench.run(20 * MS)
    assert bench.reasons(bench.arm_request()) == {R.AIMING_BEAM, R.DOCKED}
    assert not bench.reasons(bench.arm_request(Beam.SHUTTER))


def test_a_host_of_another_interface_may_read_and_stop_but_not_arm() -> None:
    bench = at("set")
    bench.connect(INTERFACE_HASH ^ 1)
    bench.run(120 * MS)
    assert isinstance(bench.ask(ReadCounters()), Counters)
    assert R.INTERFACE in bench.reasons(bench.arm_request())
    assert R.INTERFACE in bench.reasons(SETPOINT)
    assert R.INTERFACE in bench.status.blocks
    assert bench.stop().confirmed


# --- grant ---


@pytest.mark.shows("REQ-024", "HZ-019")
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, set()),
        ({"boot": 2}, {R.BOOT}),
        ({"session": 1}, {R.SESSION}),
        ({"arm_epoch": 0}, {R.ARM_EPOCH}),
        ({"stop_epoch": 1}, {R.STOPPED_SINCE}),
        ({"pulses": 1_001}, {R.PULSES_RANGE, R.REPORTS_FULL} - {R.REPORTS_FULL}),
        ({"pulses": 1_000}, set()),
        ({"beam": Beam.SHUTTER}, {R.BEAM}),
        ({"wavelength_nm": 532}, {R.WAVELENGTH_DIFFERS}),
        ({"mode_width_ps": 650}, {R.SETPOINT_DIFFERS}),
        ({"rep_rate_mhz": 5_000}, {R.SETPOINT_DIFFERS}),
        ({"handpiece": Handpiece.FIXED_6}, {R.HANDPIECE_DIFFERS}),
        ({"spot_um": 3_400}, {R.SPOT_DIFFERS}),
        ({"setpoint_hash": 0}, {R.SETPOINT_DIFFERS}),
        ({"ends_us": 0}, {R.PERMIT_END}),
        (
            {"boot": 2, "session": 1, "arm_epoch": 7, "stop_epoch": 7, "ends_us": 1, "pulses": 65_535},
            {R.BOOT, R.SESSION, R.ARM_EPOCH, R.STOPPED_SINCE, R.PERMIT_END, R.PULSES_RANGE},
        ),
    ],
)
def test_every_field_of_a_grant_must_be_as_the_device_has_it(
    changes: dict[str, Any], reasons: set[Refusal]
) -> None:
    bench = at("ready")
    assert bench.reasons(bench.grant_request(**changes)) == reasons
    assert bench.firmware.device.permit.held is not bool(reasons)


@pytest.mark.parametrize(
    ("offset_us", "good"), [(0, False), (1, True), (120 * S, True), (120 * S + 1, False)]
)
def test_a_permit_ends_between_now_and_two_minutes_from_now(offset_us: int, good: bool) -> None:
    bench = at("ready")
    request = bench.grant_request(ends_us=bench.now_us + offset_us)
    assert bench.reasons(request) == (set() if good else {R.PERMIT_END})


@pytest.mark.shows("REQ-003")
def test_a_grant_is_refused_while_the_foot_is_held() -> None:
    bench = at("ready")
    bench.press()
    assert bench.reasons(bench.grant_request()) == {R.FOOT_HELD}
    bench.release()
    bench.run(MS)
    assert not bench.reasons(bench.grant_request(permit_id=2))


@pytest.mark.shows("REQ-033", "HZ-036")
def test_the_same_grant_again_gets_the_same_answer_and_no_second_permit() -> None:
    bench = at("ready")
    request = bench.grant_request(3)
    first = bench.ask(request)
    bench.run(MS)
    bench.press()
    bench.run(S)
    bench.release()
    fired = len(bench.triggers)
    assert bench.ask(request) == first
    assert not bench.firmware.device.permit.held
    bench.run(MS)
    bench.press()
    bench.run(S)
    assert len(bench.triggers) == fired
    bench.release()
    assert bench.reasons(replace(request, pulses=4)) == {R.PERMIT_HELD}, "an identity is for one permit"
    assert not bench.reasons(bench.grant_request(permit_id=2))
    assert bench.reasons(bench.grant_request(permit_id=3)) == {R.PERMIT_HELD}


@pytest.mark.shows("REQ-001")
@pytest.mark.parametrize("stage", STAGES)
def test_a_grant_is_taken_in_ready_only(stage: str) -> None:
    bench = bench_at(stage)
    bench.run(50 * MS)
    state = bench.state
    reply = bench.ask(bench.grant_request(permit_id=9))
    assert (reply.result is Result.DONE) is (stage == "ready")
    assert (R.WRONG_STATE in reply.reasons) is (state is not State.READY)


# --- calibrate and acknowledge ---


def test_calibration_is_refused_undocked_and_with_an_open_chain() -> None:
    bench = at("standby")
    assert bench.reasons(Calibrate()) == {R.NOT_DOCKED}
    bench.dock(True)
    bench.set(door_closed=False)
    assert bench.reasons(Calibrate()) == {R.INTERLOCK_OPEN}
    bench.set(door_closed=True, coolant_mc=57_000)
    assert bench.reasons(Calibrate()) == {R.NOT_WARM}
    bench.set(coolant_mc=60_000)
    assert bench.reasons(Calibrate()) == set()
    assert bench.state is State.CALIBRATING
    bench.until(State.STANDBY)
    assert bench.ask(ReadCalibration()).valid


@pytest.mark.shows("REQ-037")
def test_a_fault_is_acknowledged_by_its_instance_once_its_cause_is_gone() -> None:
    bench = at("ready")
    bench.set(door_closed=False)
    instance = bench.firmware.device.faults.instance
    assert bench.reasons(Acknowledge(instance)) == {R.CAUSE_PRESENT}
    assert bench.reasons(Acknowledge(instance + 1)) == {R.OTHER_FAULT}
    bench.set(door_closed=True)
    assert not bench.reasons(Acknowledge(instance))
    assert bench.state is State.STANDBY
    assert bench.reasons(Acknowledge(instance)) == {R.WRONG_STATE, R.OTHER_FAULT}
    bench.run(50 * MS)
    assert bench.status.fault_instance == 0
    bench.set(coolant_mc=50_000)
    assert bench.firmware.device.faults.instance == instance + 1


@pytest.mark.shows("REQ-041", "HZ-022")
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if FAULTS[fault].service])
def test_a_service_fault_needs_a_restart_and_the_service_strap(fault: Fault) -> None:
    bench = at("standby")
    bench.firmware.device.trip(fault)
    bench.run(MS)
    instance = bench.firmware.device.faults.instance
    assert bench.reasons(Acknowledge(instance)) == {R.SERVICE_NEEDED}
    bench.set(internal_trigger_strap=True)
    assert bench.reasons(Acknowledge(instance)) == {R.SERVICE_NEEDED}
    bench.set(internal_trigger_strap=False)
    bench.boot()
    bench.connect()
    assert bench.reasons(Acknowledge(instance)) == {R.SERVICE_NEEDED}
    bench.set(internal_trigger_strap=True)
    assert bench.reasons(Acknowledge(instance)) == set()
    assert bench.state is State.SELF_TEST


@pytest.mark.shows("REQ-008", "REQ-037", "HZ-040")
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not FAULTS[fault].service])
def test_after_an_acknowledge_the_laser_goes_where_the_table_allows_and_never_to_ready(fault: Fault) -> None:
    bench = at("ready")
    bench.firmware.device.trip(fault)
    bench.run(100 * MS)
    assert bench.reasons(Acknowledge(bench.firmware.device.faults.instance)) == set()
    spoils = {
        Fault.ENERGY_HIGH,
        Fault.ENERGY_LOW,
        Fault.OVER_ENERGY_COMPARATOR,
        Fault.MONITORS_DISAGREE,
        Fault.PULSE_WIDTH,
        Fault.COOLANT_FLOW,  # the pump is stopped: it must warm up anew
    }
    assert bench.state is (State.SELF_TEST if fault in spoils else State.STANDBY)


def test_the_key_must_be_on_to_acknowledge() -> None:
    bench = bench_at("fault")
    bench.set(key_on=False)
    instance = bench.firmware.device.faults.instance
    assert bench.reasons(Acknowledge(instance)) == {R.WRONG_STATE, R.KEY_OFF}


def test_stage_and_commit_do_not_survive_a_restart() -> None:
    bench = at("set")
    bench.boot()
    bench.connect()
    assert bench.ask(ReadSetpoint()) == Setpoint(0, 0, 0, 0, Handpiece.NONE, 0)
    assert bench.status.setpoint_hash == 0


def test_a_new_session_forgets_what_was_staged() -> None:
    bench = at("standby")
    assert not bench.reasons(StageSetpoint(755, 750, 50_000, 1_000, Handpiece.ZOOM, 3_500))
    staged = bench.firmware.device.setpoints.staged_hash
    bench.connect()
    assert bench.reasons(CommitSetpoint(staged)) == {R.NO_SETPOINT}
