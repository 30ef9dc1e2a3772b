"""Every message handler: what it does, set-points, and the states in which a request is taken."""

from dataclasses import replace
from typing import Any

import pytest

from protocols.interface import INTERFACE_HASH
from protocols.messages import Handpiece, Leave, Result
from protocols.refusals import Refusal
from protocols.requests import (
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
    ReadIdentity,
    ReadMode,
    ReadSetpoint,
    SetAiming,
    Setpoint,
    Standby,
)
from protocols.states import State
from tests.sim_device.bench import MS, SETPOINT, S, at
from tests.sim_device.stages import STAGES, bench_at, every_request

R = Refusal


def test_every_declared_request_has_a_handler_and_gets_its_declared_answer() -> None:
    for request in every_request(at("ready")):
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
    lowest_mv = 1e6 * (11.65 / 30) ** 0.5  # what gives 10 mJ in the ideal laser: 11.65 J of 60 uF
    assert told[0].lamp_mv == pytest.approx(lowest_mv, abs=10)
    assert [point.lamp_mv for point in told[1:5]] == [820_000, 980_000, 1_120_000, 1_240_000]
    for mode in range(3):
        energies_uj = [point.reference_uj for point in told[5 * mode : 5 * mode + 5]]
        assert energies_uj == sorted(energies_uj)
        assert energies_uj[0] > 0


# --- set-points ---


@pytest.mark.shows("REQ-022", "REQ-023")
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
    asked = replace(SETPOINT, **changes)
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
        reasons = bench.reasons(replace(SETPOINT, handpiece=handpiece, spot_um=spot_um))
        assert reasons == (set() if low_um <= spot_um <= high_um else {R.SPOT_DIFFERS})


@pytest.mark.shows("REQ-024", "HZ-019")
def test_what_is_connected_may_change_between_stage_and_commit() -> None:
    bench = at("standby")
    assert not bench.reasons(SETPOINT)
    staged = Setpoint(*[getattr(SETPOINT, name) for name in SETPOINT.__slots__])
    bench.set(spot_um=4_000)
    assert bench.reasons(CommitSetpoint(staged.hash)) == {R.SPOT_DIFFERS}
    assert bench.status.setpoint_hash == 0


# --- where a request is taken ---


@pytest.mark.shows("REQ-024", "HZ-019")
@pytest.mark.parametrize("stage", STAGES)
def test_settings_are_changed_in_standby_only(stage: str) -> None:
    expected = {"fault": {R.WRONG_STATE, R.FAULT_LATCHED}, "off": {R.WRONG_STATE, R.KEY_OFF}}.get(
        stage, {R.WRONG_STATE}
    )
    if stage in ("standby", "set"):
        expected = set()
    for request in (SETPOINT, CommitSetpoint(1), Calibrate()):
        bench = bench_at(stage)
        reasons = bench.reasons(request)
        assert (R.WRONG_STATE in reasons) == bool(expected)
        assert expected <= reasons


@pytest.mark.shows("REQ-001")
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


@pytest.mark.shows("REQ-015")
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
