"""What the firmware does by itself: leaves a state, dumps, feeds its watchdog, minds its lamps."""

from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Leave, PulseFlag
from protocols.requests import Calibrate, SetAiming
from protocols.states import ARMED, State
from sim_device.firmware.changes import ALL
from tests.sim_device.bench import MS, Bench, S, at

# --- leaving by itself ---


@pytest.mark.shows("REQ-010", "REQ-015", "REQ-022", "HZ-016", "HZ-018", "HZ-041")
@pytest.mark.parametrize(
    ("levels", "leave"),
    [
        ({"handpiece": 2, "spot_um": 6_000}, Leave.HANDPIECE),
        ({"docked_a_closed": True, "docked_b_closed": True}, Leave.HANDPIECE),
        ({"docked_a_closed": True}, Leave.HANDPIECE),
        ({"docked_b_closed": True}, Leave.HANDPIECE),
        ({"spot_um": 3_501}, Leave.SPOT),
        ({"wavelength_nm": 532}, Leave.WAVELENGTH),
        ({"wavelength_nm": 0}, Leave.WAVELENGTH),
        ({"aiming_uw": 99}, Leave.AIMING),
        ({"aiming_uw": 5_001}, Leave.AIMING),
    ],
)
@pytest.mark.parametrize("stage", ["arming", "ready", "emitting"])
def test_a_change_of_what_was_confirmed_returns_to_standby_in_the_same_step(
    stage: str, levels: dict[str, Any], leave: Leave
) -> None:
    bench = at(stage)
    bench.set(**levels)
    assert (bench.state, bench.left) == (State.STANDBY, leave)
    assert bench.dark
    assert not bench.firmware.device.permit.held


@pytest.mark.shows("REQ-045")
def test_ready_without_a_press_for_five_minutes_returns_to_standby() -> None:
    bench = at("ready")
    bench.firmware.device.entered_us -= 295 * S  # as if READY had lasted so long
    bench.firmware.device.foot.began_us = -400 * S
    bench.firmware.device.note(ALL)
    entered_us = bench.firmware.device.entered_us
    bench.until(State.STANDBY)
    assert bench.now_us == entered_us + 300 * S
    assert bench.left is Leave.IDLE


@pytest.mark.shows("REQ-015")
def test_the_aiming_beam_goes_off_by_itself_after_ten_minutes_in_standby() -> None:
    bench = at("standby")
    bench.ask(SetAiming(True))
    bench.firmware.device.aiming_since_us -= 595 * S
    on_us = bench.now_us - 595 * S
    bench.advance(on_us + 600 * S - 1)
    assert bench.outputs.aiming_on
    bench.run(1)
    assert not bench.outputs.aiming_on


# --- dump and watchdog ---


@pytest.mark.shows("REQ-027", "HZ-027")
def test_a_capacitor_that_does_not_empty_in_five_seconds_latches_even_with_the_key_off() -> None:
    bench = at("ready")
    bench.run(100 * MS)
    bench.stuck.add("hv_mv")
    bench.set(key_on=False)
    began_us = bench.now_us
    bench.advance(began_us + 5 * S - 1)
    assert not bench.firmware.device.faults.latched
    bench.run(1)
    assert bench.first_fault is Fault.DUMP_FAILED
    assert bench.state is State.OFF


@pytest.mark.shows("REQ-032")
@pytest.mark.parametrize("stage", ["standby", "arming", "emitting", "off", "boot"])
def test_the_watchdog_is_refreshed_within_50_ms_and_never_twice_within_2(stage: str) -> None:
    bench = Bench() if stage == "boot" else at("standby" if stage == "off" else stage)
    if stage == "off":
        bench.set(key_on=False)
    kicks, last_us, gaps = bench.outputs.watchdog_kicks, bench.now_us, []
    bench.run(100 * MS)
    for index in range(3_000):
        bench.run(100)
        if index % 7 == 0:
            bench.set(flow_ml_min=4_000 + index % 5)  # a busy line must not refresh it early
        if bench.outputs.watchdog_kicks != kicks:
            assert bench.outputs.watchdog_kicks == kicks + 1 or index == 0
            gaps.append(bench.now_us - last_us)
            kicks, last_us = bench.outputs.watchdog_kicks, bench.now_us
    assert max(gaps[1:]) <= 50 * MS + 100
    assert min(gaps[1:]) >= 2 * MS


@pytest.mark.shows("REQ-032")
def test_a_watchdog_reset_is_latched_and_leads_to_fault() -> None:
    bench = at("emitting")
    fired = len(bench.triggers)
    bench.boot(watchdog_reset=True)
    assert bench.dark
    assert bench.state is State.FAULT
    assert bench.first_fault is Fault.WATCHDOG_RESET
    bench.run(S)
    assert len(bench.triggers) == fired


def test_the_light_of_a_pulse_cut_off_by_a_reset_is_unknown_and_no_light_without_trigger() -> None:
    bench = at("emitting")
    bench.advance(bench.triggers[-1] + 100 * MS)
    bench.boot(watchdog_reset=True)
    bench.connect()
    bench.run(S)
    assert bench.firmware.device.faults.latched == 1 << Fault.WATCHDOG_RESET
    assert bench.last_report.flags == {PulseFlag.UNKNOWN}


@pytest.mark.parametrize(("after_us", "excused"), [(2 * MS, True), (2 * MS + 1, False), (S, False)])
def test_light_after_a_reset_that_cut_a_pulse_off_is_excused_for_two_milliseconds_and_no_longer(
    after_us: int, excused: bool
) -> None:
    bench = at("emitting")
    bench.advance(bench.triggers[-1] + 100 * MS)
    bench.boot(watchdog_reset=True)
    bench.advance(bench.boot_us + after_us)
    assert not bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER)
    bench.set(light_count=bench.inputs.light_count + 1)
    assert bench.firmware.device.faults.has(Fault.LIGHT_WITHOUT_TRIGGER) is not excused


@pytest.mark.shows("REQ-012")
def test_buzzer_and_indicator_are_on_when_they_must_be() -> None:
    for stage, buzzer, indicator in [
        ("standby", False, False),
        ("arming", True, True),
        ("ready", False, True),
        ("emitting", True, True),
    ]:
        outputs = at(stage).outputs
        assert (outputs.buzzer_on, outputs.indicator_on) == (buzzer, indicator)


@pytest.mark.shows("REQ-012", "HZ-032")
def test_an_indicator_that_fails_while_armed_latches() -> None:
    for stage in ("ready", "emitting"):
        bench = at(stage)
        assert bench.state in ARMED
        bench.set(indicator_ua=9_999)
        assert bench.first_fault is Fault.INDICATOR


@pytest.mark.parametrize("wire", ["door_closed", "remote_closed", "arm_connected"])
def test_an_open_chain_closes_the_shutter_of_a_calibration_too(wire: str) -> None:
    bench = at("standby")
    bench.dock(True)
    assert not bench.reasons(Calibrate())
    while len(bench.triggers) < 40:
        bench.run(MS)
    bench.run(50 * MS)
    assert bench.outputs.shutter_open
    bench.set(**{wire: False})
    assert not bench.outputs.shutter_open
    assert not bench.outputs.gate_enable
    bench.set(**{wire: True})  # it does not go on by itself
    bench.run(200 * MS)
    assert (bench.state, len(bench.triggers)) == (State.STANDBY, 40)
    assert not bench.status.calibrated
