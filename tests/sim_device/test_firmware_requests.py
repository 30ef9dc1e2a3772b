"""Every message handler: what it does, and every refusal it can give, all at once."""

from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import FAULTS, Fault
from protocols.interface import BY_OPCODE, INTERFACE_HASH
from protocols.messages import Beam, Handpiece, Leave, Result
from protocols.refusals import Refusal
from protocols.requests import (
    Acknowledge,
    Calibrate,
    Calibration,
    CalibrationPoint,
    Capabilities,
    CommitSetpoint,
    Counters,
    Mode,
    ReadCalibration,
    ReadCalibrationPoint,
    ReadCapabilities,
    ReadCounters,
    ReadFault,
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    Request,
    SetAiming,
    Setpoint,
    StageSetpoint,
    Standby,
)
from protocols.states import State
from tests.sim_device.bench import MS, SETPOINT, Bench, S, at

R = Refusal


def test_every_declared_request_has_a_handler_and_gets_its_declared_answer() -> None:
    requests: list[Request] = [
        ReadIdentity(),
        ReadCapabilities(),
        ReadMode(0),
        ReadSetpoint(),
        ReadCounters(),
        ReadFault(0),
        ReadCalibration(),
        ReadCalibrationPoint(0),
        SETPOINT,
        CommitSetpoint(1),
        SetAiming(True),
        Calibrate(),
        Acknowledge(1),
        Standby(),
        at("set").arm_request(),
        at("ready").grant_request(),
    ]
    assert {type(r) for r in requests} == {m for m in BY_OPCODE.values() if issubclass(m, Request)}
    for request in requests:
        assert type(at("standby").ask(request)) is request.answer


def test_identity_names_this_device_and_its_interface() -> None:
    identity = at("standby").ask(ReadIdentity())
    assert (identity.serial, identity.interface_hash, identity.boot) == ("PL755-0001", INTERFACE_HASH, 1)
    assert identity.simulated is True


def test_capabilities_and_modes_are_those_of_the_facts() -> None:
    bench = at("standby")
    told = bench.ask(ReadCapabilities())
    assert told == Capabilities(
        1_000, 2_500, 5_000, 10_000, 3, 2_000, 10_000, 1_000, 120 * S, 256, 2 * S, 100
    )
    modes = [bench.ask(ReadMode(index)) for index in range(16)]
    assert modes[:3] == [
        Mode(0, 755, 750, 10_000, 200_000),
        Mode(1, 755, 650, 10_000, 180_000),
        Mode(2, 755, 550, 10_000, 165_000),
    ]
    assert set(modes[3:]) == {modes[2]}


def test_counters_and_calibration_tell_what_happened() -> None:
    bench = at("standby")
    assert bench.ask(ReadCounters()) == Counters(32, 32, 0, 32, 1, 0)
    told = bench.ask(ReadCalibration())
    assert isinstance(told, Calibration)
    assert (told.valid, told.boot, told.lamp_shots, told.points) == (True, 1, 32, 15)
    assert told.gain_a_ppm == told.gain_b_ppm == 1_000_000


def test_calibration_points_tell_each_level_of_each_mode() -> None:
    bench = at("standby")
    points = [bench.ask(ReadCalibrationPoint(index)) for index in range(16)]
    assert all(isinstance(point, CalibrationPoint) for point in points)
    told = [point for point in points if isinstance(point, CalibrationPoint)]
    assert [point.index for point in told] == [*range(15), 14]
    assert [point.mode_width_ps for point in told[:15]] == [750] * 5 + [650] * 5 + [550] * 5
    assert [point.lamp_mv for point in told[:5]] == [615_000, 820_000, 980_000, 1_120_000, 1_240_000]
    for mode in range(3):
        energies_uj = [point.reference_uj for point in told[5 * mode : 5 * mode + 5]]
        assert energies_uj == sorted(energies_uj)
        assert energies_uj[0] > 0


# --- set-points ---

GOOD = SETPOINT


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, set()),
        ({"pulse_energy_uj": 10_000}, set()),
        ({"pulse_energy_uj": 9_999}, {R.ENERGY_RANGE}),
        ({"pulse_energy_uj": 200_000}, set()),
        ({"pulse_energy_uj": 200_001}, {R.ENERGY_RANGE}),
        ({"mode_width_ps": 650, "pulse_energy_uj": 180_000}, set()),
        ({"mode_width_ps": 650, "pulse_energy_uj": 180_001}, {R.ENERGY_RANGE}),
        ({"mode_width_ps": 550, "pulse_energy_uj": 165_000}, set()),
        ({"mode_width_ps": 550, "pulse_energy_uj": 165_001}, {R.ENERGY_RANGE}),
        ({"mode_width_ps": 600}, {R.MODE_NOT_OFFERED}),
        ({"mode_width_ps": 600, "pulse_energy_uj": 200_001}, {R.MODE_NOT_OFFERED, R.ENERGY_RANGE}),
        ({"wavelength_nm": 532}, {R.MODE_NOT_OFFERED, R.WAVELENGTH_DIFFERS}),
        ({"rep_rate_mhz": 0}, {R.RATE_NOT_OFFERED}),
        ({"rep_rate_mhz": 10_001}, {R.RATE_NOT_OFFERED}),
        ({"rep_rate_mhz": 20_000}, {R.RATE_NOT_OFFERED}),
        *[({"rep_rate_mhz": rate}, set()) for rate in (1_000, 2_500, 5_000, 10_000)],
        ({"spot_um": 3_501}, {R.SPOT_DIFFERS}),
        ({"spot_um": 6_001}, {R.SPOT_DIFFERS}),
        ({"handpiece": Handpiece.FIXED_6, "spot_um": 6_000}, {R.HANDPIECE_DIFFERS, R.SPOT_DIFFERS}),
        ({"handpiece": Handpiece.NONE}, {R.HANDPIECE_DIFFERS, R.SPOT_DIFFERS}),
        (
            {
                "wavelength_nm": 1_064,
                "mode_width_ps": 1,
                "pulse_energy_uj": 0,
                "rep_rate_mhz": 3,
                "handpiece": Handpiece.FIXED_8,
                "spot_um": 1,
            },
            {
                R.MODE_NOT_OFFERED,
                R.ENERGY_RANGE,
                R.RATE_NOT_OFFERED,
                R.HANDPIECE_DIFFERS,
                R.SPOT_DIFFERS,
                R.WAVELENGTH_DIFFERS,
            },
        ),
    ],
)
def test_a_set_point_is_staged_or_refused_with_every_reason(
    changes: dict[str, Any], reasons: set[Refusal]
) -> None:
    bench = at("set")
    before = bench.ask(ReadSetpoint())
    asked = replace(GOOD, **changes)
    assert bench.reasons(asked) == reasons
    assert bench.ask(ReadSetpoint()) == before, "staging alone changes nothing"
    staged = Setpoint(*[getattr(asked, name) for name in asked.__slots__])
    if reasons:
        assert bench.reasons(CommitSetpoint(staged.hash)) == {R.NO_SETPOINT}
        assert bench.ask(ReadSetpoint()) == before
    else:
        assert bench.reasons(CommitSetpoint(staged.hash ^ 1)) == {R.SETPOINT_DIFFERS}
        assert bench.reasons(CommitSetpoint(staged.hash)) == set()
        assert bench.ask(ReadSetpoint()) == staged
        assert bench.reasons(CommitSetpoint(staged.hash)) == {R.NO_SETPOINT}


@pytest.mark.parametrize(
    ("handpiece", "low_um", "high_um"),
    [
        (Handpiece.ZOOM, 2_000, 6_000),
        (Handpiece.FIXED_6, 6_000, 6_000),
        (Handpiece.FIXED_8, 8_000, 8_000),
        (Handpiece.FIXED_10, 10_000, 10_000),
        (Handpiece.LENS_ARRAY_6, 6_000, 6_000),
    ],
)
def test_each_handpiece_takes_its_own_spots_only(handpiece: Handpiece, low_um: int, high_um: int) -> None:
    for spot_um in (low_um - 1, low_um, high_um, high_um + 1):
        bench = at("standby")
        bench.set(handpiece=int(handpiece), spot_um=spot_um)
        reasons = bench.reasons(replace(GOOD, handpiece=handpiece, spot_um=spot_um))
        assert reasons == (set() if low_um <= spot_um <= high_um else {R.SPOT_DIFFERS})


def test_what_is_connected_may_change_between_stage_and_commit() -> None:
    bench = at("standby")
    assert not bench.reasons(GOOD)
    staged = Setpoint(*[getattr(GOOD, name) for name in GOOD.__slots__])
    bench.set(spot_um=4_000)
    assert bench.reasons(CommitSetpoint(staged.hash)) == {R.SPOT_DIFFERS}
    assert bench.status.setpoint_hash == 0


# --- where a request is taken ---

STAGES = [
    "self_test",
    "warm_up",
    "calibrating",
    "standby",
    "set",
    "arming",
    "ready",
    "granted",
    "emitting",
    "fault",
    "off",
]


def bench_at(stage: str) -> Bench:
    if stage == "fault":
        bench = at("ready")
        bench.set(door_closed=False)
        bench.set(door_closed=True)
        return bench
    if stage == "off":
        bench = at("standby")
        bench.set(key_on=False)
        return bench
    return at(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_settings_are_changed_in_standby_only(stage: str) -> None:
    expected = {"fault": {R.WRONG_STATE, R.FAULT_LATCHED}, "off": {R.WRONG_STATE, R.KEY_OFF}}.get(
        stage, {R.WRONG_STATE}
    )
    if stage in ("standby", "set"):
        expected = set()
    for request in (GOOD, CommitSetpoint(1), Calibrate()):
        bench = bench_at(stage)
        reasons = bench.reasons(request)
        assert (R.WRONG_STATE in reasons) == bool(expected)
        assert expected <= reasons


@pytest.mark.parametrize("stage", STAGES)
def test_arming_is_refused_outside_standby_and_changes_nothing(stage: str) -> None:
    bench = bench_at(stage)
    state = bench.state
    epoch = bench.firmware.device.arm_epoch
    reply = bench.ask(bench.arm_request())
    if stage == "set":
        assert (reply.result, reply.epoch, bench.state) == (Result.DONE, epoch + 1, State.ARMING)
    else:
        assert reply.result is Result.REFUSED
        assert (R.WRONG_STATE in reply.reasons) == (stage != "standby")
        assert (bench.state, bench.firmware.device.arm_epoch) == (state, epoch)


@pytest.mark.parametrize("stage", STAGES)
def test_standby_is_asked_for_in_every_state(stage: str) -> None:
    bench = bench_at(stage)
    reasons = bench.reasons(Standby())
    if stage in ("arming", "ready", "granted", "emitting"):
        assert (bench.state, bench.left) == (State.STANDBY, Leave.STANDBY_ASKED)
        assert bench.dark
    assert reasons == {
        "off": {R.WRONG_STATE, R.KEY_OFF},
        "fault": {R.WRONG_STATE, R.FAULT_LATCHED},
        "self_test": {R.WRONG_STATE},
        "warm_up": {R.WRONG_STATE},
    }.get(stage, set())


@pytest.mark.parametrize("stage", STAGES)
def test_the_aiming_beam_goes_on_only_where_it_may_and_off_everywhere(stage: str) -> None:
    bench = bench_at(stage)
    may = stage in ("standby", "set", "arming", "ready", "granted", "emitting")
    assert (bench.reasons(SetAiming(True)) == set()) is may
    assert bench.outputs.aiming_on is may
    assert bench.reasons(SetAiming(False)) == set()
    assert not bench.outputs.aiming_on
    bench.run(2 * MS)
    if stage in ("arming", "ready", "granted", "emitting"):
        assert (bench.state, bench.left) == (State.STANDBY, Leave.AIMING)


# --- arm ---


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({"door_closed": False}, R.INTERLOCK_OPEN),
        ({"remote_closed": False}, R.INTERLOCK_OPEN),
        ({"arm_connected": False}, R.INTERLOCK_OPEN),
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
    assert R.INTERFACE in bench.reasons(GOOD)
    assert R.INTERFACE in bench.status.blocks
    assert bench.stop().confirmed


# --- grant ---


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


def test_a_grant_is_refused_while_the_foot_is_held() -> None:
    bench = at("ready")
    bench.press()
    assert bench.reasons(bench.grant_request()) == {R.FOOT_HELD}
    bench.release()
    bench.run(MS)
    assert not bench.reasons(bench.grant_request(permit_id=2))


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
