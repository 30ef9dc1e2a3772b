"""Start-up: self-test, warm-up, calibration."""

from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import PulseFlag
from protocols.refusals import Refusal
from protocols.requests import Calibrate, ReadCalibration
from protocols.states import State
from sim_device.firmware.changes import ALL
from tests.sim_device.bench import MS, Bench, S, at


def booted(**levels: Any) -> Bench:
    bench = Bench()
    bench.connect()
    for name, level in levels.items():
        setattr(bench.inputs, name, level)
        bench.stuck.add(name)
    return bench


# --- self-test ---


def test_the_self_test_takes_a_second_and_leads_through_warm_up_and_calibration_to_standby() -> None:
    bench = Bench()
    seen = [(bench.now_us, bench.state)]
    for state in (State.WARM_UP, State.CALIBRATING, State.STANDBY):
        bench.until(state)
        seen.append((bench.now_us, state))
    times = [now_us for now_us, _ in seen]
    assert times[1] - times[0] == S
    assert times[2] - times[1] >= 60 * S
    assert not any(bench.shutter_was_open[:2])
    assert all(bench.shutter_was_open[2:])
    assert bench.state is State.STANDBY


@pytest.mark.shows("REQ-012", "REQ-020")
@pytest.mark.parametrize(
    ("levels", "first"),
    [
        ({"dark_a_uj": 500}, Fault.MONITOR_FAILED),
        ({"dark_b_uj": -500}, Fault.MONITOR_FAILED),
        ({"dark_a_uj": 499}, Fault.MONITOR_FAILED),  # stuck: no flash either
        ({"indicator_ua": 1_000}, Fault.INDICATOR),
        ({"indicator_ua": 0}, Fault.INDICATOR),
        ({"shutter_closed_switch": False}, Fault.SHUTTER_FEEDBACK),
        ({"shutter_open_switch": True, "shutter_closed_switch": False}, Fault.SHUTTER_STUCK_OPEN),
        ({"shutter_open_switch": True}, Fault.SHUTTER_FEEDBACK),
        ({"comparator_tripped": True}, Fault.SELF_TEST),
        ({"hv_mv": 60_001}, Fault.DUMP_FAILED),
    ],
)
def test_a_part_that_does_not_pass_the_self_test_is_the_first_cause(
    levels: dict[str, Any], first: Fault
) -> None:
    bench = booted(**levels)
    bench.until(State.FAULT, 6 * S)
    assert bench.first_fault is first
    assert bench.dark


@pytest.mark.shows("REQ-020")
@pytest.mark.parametrize(
    ("low_uj", "good"), [(34_999, False), (35_000, True), (65_000, True), (65_001, False)]
)
@pytest.mark.parametrize("monitor", ["dark_a_uj", "dark_b_uj"])
def test_the_reference_flash_has_an_exact_window(monitor: str, low_uj: int, good: bool) -> None:
    bench = Bench()
    while not bench.outputs.monitor_test:
        bench.run(MS)
    bench.run(5 * MS)
    bench.set(**{monitor: low_uj})
    bench.run(S)
    assert bench.state is (State.WARM_UP if good else State.FAULT)


def test_a_held_foot_blocks_the_self_test_and_clears_by_itself() -> None:
    bench = Bench()
    bench.connect()
    bench.press()
    bench.run(20 * S)
    assert bench.status.state is State.SELF_TEST
    assert Refusal.FOOT_HELD in bench.status.blocks
    bench.release()
    bench.run(MS)
    assert bench.state is State.WARM_UP


# --- warm-up ---


@pytest.mark.shows("REQ-030")
@pytest.mark.parametrize(
    ("coolant_mc", "warm"), [(58_999, False), (59_000, True), (61_000, True), (61_001, False)]
)
def test_warm_means_within_one_kelvin_for_a_minute(coolant_mc: int, warm: bool) -> None:
    bench = booted(coolant_mc=coolant_mc)
    bench.run(70 * S)
    assert (bench.state is not State.WARM_UP) is warm


@pytest.mark.shows("REQ-030")
def test_leaving_the_window_starts_the_minute_anew() -> None:
    bench = booted()
    bench.almost_warm()
    bench.set(coolant_mc=58_000)
    bench.run(MS)
    bench.set(coolant_mc=60_000)
    bench.run(59 * S)
    assert bench.state is State.WARM_UP


def test_the_heater_keeps_its_band_and_never_runs_without_flow_or_with_a_cut_sensor() -> None:
    bench = booted()
    bench.run(2 * S)
    for coolant_mc, heater in [
        (59_699, True),
        (59_700, True),
        (60_300, True),
        (60_301, False),
        (59_700, False),
        (59_699, True),
        (-50_000, False),
        (59_000, True),
        (99_000, False),
        (59_000, True),
    ]:
        bench.set(coolant_mc=coolant_mc)
        assert bench.outputs.heater_on is heater
    for wire, level in [("flow_ml_min", 1_999), ("level_ok", False), ("thermostat_closed", False)]:
        bench = booted(coolant_mc=40_000)
        bench.run(2 * S)
        assert bench.outputs.heater_on
        bench.set(**{wire: level})
        assert not bench.outputs.heater_on


def test_warm_up_gives_up_after_half_an_hour() -> None:
    bench = booted(coolant_mc=40_000)
    bench.until(State.WARM_UP)
    bench.firmware.device.entered_us -= 1_790 * S  # as if it had been warming for so long
    bench.firmware.device.note(ALL)
    bench.until(State.FAULT)
    assert bench.first_fault is Fault.WARM_UP_TIMEOUT
    assert bench.now_us == 11 * S


@pytest.mark.shows("REQ-031", "HZ-026")
def test_simmer_must_start_within_a_second_and_stay() -> None:
    bench = booted(simmer_on=False)
    bench.until(State.FAULT)
    assert bench.first_fault is Fault.SIMMER_TIMEOUT
    bench = at("standby")
    bench.set(simmer_on=False)
    assert bench.first_fault is Fault.SIMMER_LOST


@pytest.mark.shows("REQ-029", "HZ-030")
@pytest.mark.parametrize(
    ("coolant_mc", "fault"),
    [(54_999, Fault.COOLANT_COLD), (55_000, Fault.NONE), (68_000, Fault.NONE), (68_001, Fault.COOLANT_HOT)],
)
@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
def test_coolant_far_outside_its_window_latches(stage: str, coolant_mc: int, fault: Fault) -> None:
    bench = at(stage)
    bench.set(coolant_mc=coolant_mc)
    assert bench.first_fault is fault


# --- calibration ---


def test_undocked_a_stored_calibration_holds_if_the_shutter_test_agrees() -> None:
    for permille, valid in [(1_000, True), (1_149, True), (1_151, False), (851, True), (849, False)]:
        bench = at("standby")
        bench.boot()
        bench.connect()
        bench.energy_permille = permille
        before = len(bench.triggers)
        bench.almost_warm()
        bench.until(State.STANDBY)
        bench.run(100 * MS)
        assert len(bench.triggers) == before + 2
        assert bench.status.calibrated is valid
        assert (Refusal.NOT_CALIBRATED in bench.status.blocks) is not valid


def test_undocked_a_check_that_a_stop_cut_short_can_be_made_again_and_no_other() -> None:
    bench = at("standby")
    assert bench.reasons(Calibrate()) == {Refusal.NOT_DOCKED}, "nothing was cut short"
    bench.boot()
    bench.connect()
    bench.almost_warm()
    bench.until(State.CALIBRATING)
    bench.stop()
    bench.run(100 * MS)
    assert bench.state is State.STANDBY
    assert bench.status.calibrated is False
    stored = bench.ask(ReadCalibration())
    assert bench.reasons(Calibrate()) == set()
    assert bench.firmware.state is State.CALIBRATING
    shutter_before = len(bench.shutter_was_open)
    bench.until(State.STANDBY)
    bench.run(100 * MS)
    assert not any(bench.shutter_was_open[shutter_before:])
    assert bench.status.calibrated is True
    assert bench.ask(ReadCalibration()) == replace(stored, valid=True)
    assert bench.reasons(Calibrate()) == {Refusal.NOT_DOCKED}, "it holds: only the port could tell more"


def test_undocked_there_is_nothing_to_check_without_a_stored_calibration() -> None:
    bench = Bench(docked=False)
    bench.connect()
    bench.until(State.STANDBY)
    assert bench.reasons(Calibrate()) == {Refusal.NOT_DOCKED}


@pytest.mark.shows("REQ-017")
def test_a_stored_calibration_ages_with_the_lamp() -> None:
    for shots, valid in [(99_998, True), (99_999, False)]:
        bench = at("standby")
        memory = bench.firmware.device.memory
        memory.lamp_shots = memory.calibration.lamp_shots + shots
        memory.save_books()
        bench.boot()
        bench.almost_warm()
        bench.until(State.STANDBY)  # its own two shots included
        assert bench.firmware.device.calibrator.valid is valid


@pytest.mark.shows("REQ-017")
def test_without_port_or_stored_calibration_the_laser_stands_by_blocked() -> None:
    bench = Bench(docked=False)
    bench.connect()
    bench.until(State.STANDBY)
    bench.run(100 * MS)
    assert Refusal.NOT_CALIBRATED in bench.status.blocks
    assert len(bench.triggers) == 2
    assert not any(bench.shutter_was_open)


@pytest.mark.parametrize("phase_us", [0, 100, 5_000, 50_000])
def test_undocking_closes_the_shutter_in_its_step_and_ends_the_calibration_not_valid(phase_us: int) -> None:
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    while len(bench.triggers) < 44:
        bench.run(100)
    bench.run(phase_us)
    bench.dock(False)
    assert not bench.outputs.shutter_open
    assert not bench.outputs.gate_enable
    bench.run(100 * MS)
    assert bench.status.state is State.STANDBY
    assert not bench.status.calibrated
    assert len(bench.triggers) == 44
    assert sorted(bench.reports) == list(range(1, 45))


@pytest.mark.shows("REQ-017", "HZ-015")
@pytest.mark.parametrize(
    ("gain_b_permille", "valid"), [(1_000, True), (600, True), (501, True), (499, False), (1_900, True)]
)
def test_a_calibration_measures_the_gains_and_refuses_absurd_ones(gain_b_permille: int, valid: bool) -> None:
    bench = at("standby")
    bench.gain_b_permille = 1_000_000 // gain_b_permille
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    bench.until(State.STANDBY)
    told = bench.ask(ReadCalibration())
    assert abs(told.gain_b_ppm - gain_b_permille * 1_000) < 5_000
    assert told.gain_a_ppm == 1_000_000
    assert told.worst_residual_ppm < 50_000
    assert told.valid is (valid and told.gain_b_ppm >= 500_000)


def test_calibration_pulses_are_numbered_reported_and_flagged() -> None:
    bench = at("standby")
    flags = [bench.reports[n].flags for n in range(1, 33)]
    assert flags[:2] == [{PulseFlag.CALIBRATION, PulseFlag.SHUTTER_CLOSED}] * 2
    assert set(flags[2:]) == {frozenset({PulseFlag.CALIBRATION})}
    assert {bench.reports[n].permit_id for n in range(1, 33)} == {0}
    assert [r.mode_width_ps for r in bench.reports.values()][2:] == [750] * 10 + [650] * 10 + [550] * 10


@pytest.mark.shows("REQ-014", "HZ-005")
def test_light_behind_the_closed_shutter_in_the_first_test_is_a_fault() -> None:
    bench = at("calibrating")
    while not bench.triggers:
        bench.run(100)
    bench.run(350)
    bench.set(monitor_b_uj=2_000)
    bench.run(MS)
    assert bench.first_fault is Fault.SHUTTER_STUCK_OPEN
