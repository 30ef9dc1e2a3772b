"""The pulse sequence: rate, charge, last look, judgement."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from protocols.faults import Fault
from protocols.messages import Beam, Leave, PulseFlag, Stop, Stopped
from protocols.requests import SetAiming
from protocols.states import State
from tests.sim_device.bench import MS, SETPOINT, S, at
from tests.sim_device.ideal_laser import true_energy_uj


@pytest.mark.shows("REQ-046", "HZ-044")
@pytest.mark.parametrize(
    ("rate_mhz", "period_us"), [(1_000, 1_000_000), (2_500, 400_000), (5_000, 200_000), (10_000, 100_000)]
)
def test_pulses_come_at_exactly_the_set_period_and_the_permit_ends_them(
    rate_mhz: int, period_us: int
) -> None:
    bench = at("standby")
    bench.commit(replace(SETPOINT, rep_rate_mhz=rate_mhz))
    bench.ask(SetAiming(True))
    bench.run(50 * MS)
    assert not bench.reasons(bench.arm_request())
    bench.until(State.READY)
    bench.run(50 * MS)
    bench.grant(7)
    bench.run(MS)
    first = len(bench.triggers)
    bench.press()
    bench.run(10 * S)
    fired = bench.triggers[first:]
    assert len(fired) == 7
    assert {b - a for a, b in itertools.pairwise(fired)} == {period_us}
    assert all(bench.shutter_was_open[first:])
    assert bench.state is State.READY
    assert bench.status.permit_id == 0
    assert all(bench.reports[n].flags == frozenset() for n in range(33, 40))
    assert {bench.reports[n].press for n in range(33, 40)} == {1}


def test_the_first_pulse_waits_for_the_open_shutter_only() -> None:
    bench = at("granted")
    pressed_us = bench.now_us
    bench.press()
    bench.run(100 * MS)
    # 5 ms stable press + 10 ms shutter + 1 us gate read-back
    assert pressed_us + 15 * MS <= bench.triggers[-1] <= pressed_us + 15 * MS + 10


def test_a_quick_second_press_does_not_beat_the_rate() -> None:
    bench = at("emitting")
    first_us = bench.triggers[-1]
    bench.run(5 * MS)
    bench.release()
    bench.run(2 * MS)
    bench.press()
    bench.run(200 * MS)
    assert bench.triggers[-2] == first_us + 100 * MS or bench.triggers[-1] >= first_us + 100 * MS
    assert min(b - a for a, b in itertools.pairwise(bench.triggers)) >= 100 * MS
    assert bench.last_report.press == 2


@pytest.mark.shows("REQ-005", "REQ-006", "REQ-007", "HZ-002")
@pytest.mark.parametrize("phase_us", [*range(0, 1_200, 100), 5_000, 50_000, 99_000, 99_999, 100_000])
@pytest.mark.parametrize("how", ["foot", "stop", "door", "estop", "key", "silent wire"])
def test_whatever_ends_emission_does_so_in_its_step_at_every_phase_of_a_pulse(
    how: str, phase_us: int
) -> None:
    bench = at("emitting")
    bench.advance(bench.triggers[-1] + phase_us)
    fired = len(bench.triggers)
    number = bench.firmware.device.memory.pulse_number
    match how:
        case "foot":
            bench.release()
        case "stop":
            bench.stop()
        case "door":
            bench.set(door_closed=False)
        case "estop":
            bench.set(estop_a_closed=False)
        case "key":
            bench.set(key_on=False)
        case _:
            bench.set(arm_connected=False)
    assert not bench.outputs.gate_enable
    assert not bench.outputs.shutter_open
    bench.run(3 * S)
    assert len(bench.triggers) == fired
    assert bench.firmware.device.memory.pulse_number == number
    assert sorted(bench.reports) == list(range(1, number + 1))
    assert bench.first_fault is {
        "door": Fault.DOOR,
        "estop": Fault.ESTOP,
        "silent wire": Fault.ARTICULATED_ARM,
    }.get(how, Fault.NONE)


@pytest.mark.parametrize("phase_us", [0, 100, 299, 300, 999, 1_000, 1_001, 50_000])
def test_a_stop_is_answered_at_once_and_again_when_it_is_confirmed(phase_us: int) -> None:
    bench = at("emitting")
    bench.advance(bench.triggers[-1] + phase_us)
    now = bench.stop(7)
    assert (now.stop_id, now.stop_epoch, now.no_permit, now.not_emitting) == (7, 1, True, True)
    assert not now.confirmed
    bench.run(12 * MS)
    answers = [m for m in bench.heard if isinstance(m, Stopped)]
    assert [m.confirmed for m in answers] == [False, True]
    assert answers[1].device_time_us - answers[0].device_time_us <= 11 * MS
    assert bench.state is State.STANDBY
    assert bench.left is Leave.STOP
    bench.stop(7)
    assert bench.firmware.device.stop_epoch == 1
    bench.stop(8)
    assert bench.firmware.device.stop_epoch == 2


@pytest.mark.parametrize("session", [0, 1, 0xFFFF_FFFF])
def test_a_stop_of_any_session_is_taken(session: int) -> None:
    bench = at("emitting")
    bench.say(Stop(3), session=session)
    assert bench.state is State.STANDBY


@pytest.mark.shows("REQ-018", "HZ-008")
@pytest.mark.parametrize(
    ("permille", "fault", "flags"),
    [
        (1_149, Fault.NONE, {PulseFlag.ENERGY_DRIFT}),
        (1_151, Fault.ENERGY_HIGH, {PulseFlag.ENERGY_HIGH}),
        (851, Fault.NONE, {PulseFlag.ENERGY_DRIFT}),
        (849, Fault.ENERGY_LOW, {PulseFlag.ENERGY_LOW}),
        (1_099, Fault.NONE, set()),
    ],
)
def test_a_wrong_energy_stops_within_its_pulse(permille: int, fault: Fault, flags: set[PulseFlag]) -> None:
    bench = at("granted")
    bench.energy_permille = permille
    bench.press()
    bench.run(60 * MS)
    assert bench.first_fault is fault
    assert bench.last_report.flags == flags
    if fault:
        assert bench.dark
        assert not bench.status.calibrated
        assert not bench.firmware.device.memory.calibration.valid


@pytest.mark.shows("REQ-018", "HZ-010")
def test_three_drifting_pulses_running_return_to_standby_and_two_do_not() -> None:
    bench = at("emitting")
    for permille in (1_120, 1_000, 880):
        bench.energy_permille = permille
        bench.run(200 * MS)
        assert bench.state is State.EMITTING
    bench.run(110 * MS)
    assert bench.status.state is State.STANDBY
    assert bench.left is Leave.DRIFT


@pytest.mark.shows("REQ-047", "REQ-048")
@pytest.mark.parametrize(
    ("vice", "value", "fault", "flag"),
    [
        ("flashes", 0, Fault.PULSE_MISSING, PulseFlag.MISSING),
        ("flashes", 2, Fault.PULSE_DOUBLE, PulseFlag.DOUBLE),
        ("width_offset_ps", 76, Fault.PULSE_WIDTH, PulseFlag.WIDTH),
        ("width_offset_ps", -113, Fault.PULSE_WIDTH, PulseFlag.WIDTH),
        ("gain_b_permille", 890, Fault.MONITORS_DISAGREE, PulseFlag.MONITORS_DISAGREE),
    ],
)
def test_a_bad_pulse_is_flagged_and_latched_before_the_next(
    vice: str, value: int, fault: Fault, flag: PulseFlag
) -> None:
    bench = at("granted")
    setattr(bench, vice, value)
    fired = len(bench.triggers)
    bench.press()
    bench.run(500 * MS)
    assert bench.first_fault is fault
    assert flag in bench.last_report.flags
    assert len(bench.triggers) == fired + 1


@pytest.mark.shows("REQ-028", "HZ-028")
def test_missing_end_of_charge_skips_counts_and_latches_the_third_time() -> None:
    bench = at("emitting")
    bench.charge_us = 90 * MS
    bench.run(500 * MS)
    assert bench.state is State.EMITTING  # slow, but in time
    bench.charge_us = 150 * MS
    fired = len(bench.triggers)
    bench.run(S)
    assert bench.firmware.device.pulser.skipped > 0
    assert len(bench.triggers) > fired  # every second one is charged by then
    bench.charge_us = 100 * S
    bench.run(S)
    assert bench.first_fault is Fault.NO_END_OF_CHARGE
    assert bench.dark


def test_a_skipped_trigger_keeps_the_beat() -> None:
    bench = at("emitting")
    bench.charge_us = 150 * MS
    bench.run(S)
    assert {(b - a) % (100 * MS) for a, b in itertools.pairwise(bench.triggers[-4:])} == {0}


@pytest.mark.shows("REQ-028", "HZ-008")
@pytest.mark.parametrize(("permille", "fault"), [(1_015, Fault.NONE), (1_016, Fault.OVER_VOLTAGE)])
def test_over_voltage_beyond_one_and_a_half_percent_dumps(permille: int, fault: Fault) -> None:
    bench = at("ready")
    bench.set(hv_mv=bench.outputs.hv_set_mv * permille // 1_000)
    assert bench.first_fault is fault
    assert bench.outputs.dump_hold is (fault is Fault.NONE)


@pytest.mark.parametrize(
    ("wire", "level"),
    [
        ("foot_a_closed", False),
        ("foot_b_closed", False),
        ("estop_a_closed", False),
        ("door_closed", False),
        ("remote_closed", False),
        ("arm_connected", False),
        ("cover_b_closed", False),
        ("defeat_key_out", False),
        ("key_on", False),
        ("mains_ok", False),
        ("handpiece", 2),
        ("spot_um", 3_600),
        ("wavelength_nm", 1_064),
        ("shutter_open_switch", False),
        ("shutter_closed_switch", True),
        ("gate_inhibited", True),
        ("comparator_tripped", True),
        ("simmer_on", False),
        ("charge_done", False),
        ("hv_mv", 900_000),
        ("hv_mv", 1_300_000),
        ("docked_a_closed", True),
        ("docked_b_closed", True),
        ("internal_trigger_strap", True),
        ("charger_cool", False),
        ("level_ok", False),
    ],
)
def test_an_input_that_refuses_between_commit_and_trigger_skips_the_numbered_pulse(
    wire: str, level: Any
) -> None:
    bench = at("emitting")
    bench.run(50 * MS)
    fired = len(bench.triggers)
    bench.memory.on_write = (bench.inputs, wire, level)
    while bench.memory.on_write is not None:
        bench.run(MS)
    assert len(bench.triggers) == fired
    bench.run(20 * MS)
    skipped = bench.reports[max(bench.reports)]
    assert skipped.flags == {PulseFlag.SKIPPED}
    assert skipped.monitor_a_uj == 0
    assert bench.firmware.device.memory.lamp_shots == fired


def test_a_rehearsal_fires_into_the_closed_shutter() -> None:
    bench = at("rehearsal ready")
    bench.grant(5)
    bench.run(MS)
    fired = len(bench.triggers)
    bench.press()
    bench.run(S)
    assert len(bench.triggers) == fired + 5
    assert not any(bench.shutter_was_open[fired:])
    assert {r.flags for n, r in bench.reports.items() if n > 32} == {frozenset({PulseFlag.SHUTTER_CLOSED})}
    assert bench.status.beam is Beam.SHUTTER


def test_each_mode_is_fired_at_the_voltage_its_calibration_says() -> None:
    for width_ps, energy_uj in [(750, 200_000), (750, 10_000), (650, 180_000), (550, 165_000), (550, 12_345)]:
        bench = at("standby")
        bench.commit(replace(SETPOINT, mode_width_ps=width_ps, pulse_energy_uj=energy_uj))
        bench.ask(SetAiming(True))
        bench.run(50 * MS)
        assert not bench.reasons(bench.arm_request())
        bench.until(State.READY)
        assert abs(true_energy_uj(bench.outputs.hv_set_mv, width_ps) - energy_uj) < energy_uj // 200
        assert bench.outputs.mode_width_ps == width_ps


@pytest.mark.parametrize("ends_in_us", [30 * MS, 250 * MS])
def test_a_permit_that_ends_in_time_ends_emission_then(ends_in_us: int) -> None:
    bench = at("ready")
    ends_us = bench.now_us + ends_in_us
    assert not bench.reasons(bench.grant_request(20, ends_us=ends_us))
    bench.run(MS)
    bench.press()
    bench.advance(ends_us - 1)
    assert bench.state is State.EMITTING
    bench.run(1)
    assert not bench.outputs.gate_enable
    assert not bench.firmware.device.permit.held


def test_a_step_that_comes_late_never_makes_two_pulses_closer_than_the_period() -> None:
    bench = at("emitting")
    first_us = bench.triggers[-1]
    bench.advance(first_us + 90 * MS)
    bench.now_us = first_us + 160 * MS  # whoever calls the firmware was held up
    bench.step()
    assert bench.triggers[-1] == first_us + 160 * MS
    bench.run(500 * MS)
    assert min(b - a for a, b in itertools.pairwise(bench.triggers)) >= 100 * MS


@pytest.mark.parametrize(("withdrawn", "fault"), [(True, Fault.NONE), (False, Fault.PULSE_MISSING)])
def test_a_pulse_missing_because_the_gate_closed_after_its_trigger_is_no_fault(
    withdrawn: bool, fault: Fault
) -> None:
    bench = at("granted")
    bench.flashes = 0
    fired = len(bench.triggers)
    bench.press()
    while len(bench.triggers) == fired:
        bench.run(10)
    bench.run(100)
    if withdrawn:
        bench.release()
    bench.run(50 * MS)
    flag = PulseFlag.SKIPPED if withdrawn else PulseFlag.MISSING
    assert bench.last_report.flags == {flag}
    assert bench.first_fault is fault
