"""Energy and width against the truth: measured within 5 %, judged within a pulse, never off unflagged."""

from __future__ import annotations

import contextlib
import copy
import functools
import math
from typing import Any, cast

import pytest

from protocols.faults import Fault
from protocols.messages import Leave, PulseFlag, PulseReport
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, Calibrate
from protocols.states import State
from rig.laser import cold_laser, warm_up
from sim_device.faults import clear
from sim_device.firmware import Reference
from sim_device.plant import TruePulse
from tests.safety_case.ward import MS, SWEEP, S, Ward, staged, ward_at

MEASURED = 0.05  # REQ-016: of the truth
SET = 0.20  # REQ-018, REQ-021: true output of what was set, if it is not flagged
ENERGIES_UJ = (10_000, 20_000, 50_000, 100_000, 150_000, 200_000)
ROOMS_C = (20.0, 30.0, 40.0)
WEARS = (0.0, 0.5, 0.999)  # at 1 a lamp is broken
WRONG = frozenset({PulseFlag.ENERGY_HIGH, PulseFlag.ENERGY_LOW, PulseFlag.COMPARATOR})
ENERGY_FAULTS = (
    *(Fault.ENERGY_HIGH, Fault.ENERGY_LOW, Fault.OVER_ENERGY_COMPARATOR),
    *(Fault.MONITORS_DISAGREE, Fault.PULSE_WIDTH),
)


def told(ward: Ward, pulses: list[TruePulse]) -> list[tuple[TruePulse, PulseReport]]:
    """Each pulse with its report: plant and device count alike."""
    return [(pulse, ward.reports[pulse.number]) for pulse in pulses]


def given(ward: Ward, pulses: int) -> list[TruePulse]:
    """Press until so many more pulses have come, or the laser leaves; release."""
    before = len(ward.pulses)
    ward.press()
    ward.when(lambda: len(ward.pulses) >= before + pulses, pulses * S + 2 * S)
    ward.release()
    ward.run(500 * MS)
    return ward.pulses[before:]


@functools.cache
def _warmed(room_c: float) -> Ward:
    """A laser that was warmed up and calibrated in this room."""
    simulator = cold_laser(11)
    simulator.act(lambda plant: setattr(plant.coolant, "ambient_c", room_c), simulator.now_us)
    warm_up(simulator)
    return Ward.on(simulator, staged())


@pytest.mark.shows("REQ-016", "REQ-018", "HZ-011", "HZ-014")
@pytest.mark.parametrize("energy_uj", ENERGIES_UJ)
@pytest.mark.parametrize("wear", WEARS)
@pytest.mark.parametrize("room_c", ROOMS_C)
def test_both_monitors_read_within_5_percent_of_the_truth(room_c: float, wear: float, energy_uj: int) -> None:
    ward = copy.deepcopy(_warmed(room_c))
    ward.simulator.act(lambda plant: setattr(plant.lamp, "wear", wear), ward.now_us)
    ward.commit(staged(energy_uj=energy_uj))
    ward.to_ready()
    pulses = given(ward, 20)
    assert len(pulses) >= 20 or wear  # a worn lamp gives less than was set: that ends it
    for pulse, report in told(ward, pulses):
        if pulse.energy_uj >= ENERGIES_UJ[0]:  # what is weaker is no pulse that anybody may set
            assert report.monitor_a_uj == pytest.approx(pulse.energy_uj, rel=MEASURED)
            assert report.monitor_b_uj == pytest.approx(pulse.transmitted_uj, rel=MEASURED)
        assert abs(pulse.transmitted_uj / energy_uj - 1) <= SET or report.flags & WRONG


@pytest.mark.shows("REQ-016", "HZ-010")
@pytest.mark.parametrize("energy_uj", ENERGIES_UJ)
@pytest.mark.parametrize("kelvin", [-1.5, 1.5])
def test_so_they_do_when_the_coolant_has_moved_within_its_window(kelvin: float, energy_uj: int) -> None:
    ward = ward_at("standby", staged(energy_uj=energy_uj))
    ward.inject("coolant-step", kelvin=kelvin)
    ward.to_ready()
    pulses = given(ward, 20)
    assert pulses
    for pulse, report in told(ward, pulses):
        assert report.monitor_a_uj == pytest.approx(pulse.energy_uj, rel=MEASURED)
        assert abs(pulse.transmitted_uj / energy_uj - 1) <= SET or report.flags & WRONG


@functools.cache
def _calibrated(wear: float) -> Ward:
    """A laser that was warmed up and calibrated with a lamp as worn as this."""
    simulator = cold_laser(11)
    simulator.act(lambda plant: setattr(plant.lamp, "wear", wear), simulator.now_us)
    warm_up(simulator)
    return Ward.on(simulator, staged())


@pytest.mark.shows("REQ-016", "REQ-017", "REQ-018", "HZ-011")
@pytest.mark.parametrize("mode_width_ps", [750, 650, 550])
@pytest.mark.parametrize("energy_uj", [10_000, 15_000, 30_000, 80_000, 120_000, 200_000])
@pytest.mark.parametrize("wear", [0.0, 0.36, 0.6, 0.8, 0.99])
def test_a_laser_calibrated_with_a_worn_lamp_gives_what_is_set_or_refuses_it(
    wear: float, energy_uj: int, mode_width_ps: int
) -> None:
    most_uj = {750: 200_000, 650: 180_000, 550: 165_000}[mode_width_ps]
    energy_uj = min(energy_uj, most_uj)
    ward = copy.deepcopy(_calibrated(wear))
    ward.commit(staged(energy_uj=energy_uj, mode_width_ps=mode_width_ps))
    # 46.9 J at the charger's ceiling, less what the lamp has lost: 43 J of a new one give the mode's top
    reached = 46.875 * (1 - 0.2 * wear) / 43
    if energy_uj == most_uj and reached < 1.03:
        assert Refusal.ENERGY_RANGE in ward.refusals(ward.arm_request()) or reached > 0.97
        return
    ward.to_ready()
    pulses = given(ward, 10)
    assert len(pulses) >= 10
    mean_uj = sum(pulse.transmitted_uj for pulse in pulses) / len(pulses)
    assert mean_uj == pytest.approx(energy_uj, rel=0.07)
    for pulse, report in told(ward, pulses):
        assert abs(pulse.transmitted_uj / energy_uj - 1) <= SET
        assert report.monitor_a_uj == pytest.approx(pulse.energy_uj, rel=MEASURED)


@pytest.mark.shows("REQ-017", "HZ-021")
def test_whatever_the_lamp_gives_a_calibration_ends_well_or_says_that_the_lamp_is_weak() -> None:
    seen = set()
    for percent in range(30, 101, 5 if SWEEP == 1 else 1):
        simulator = cold_laser(11)
        simulator.plant.lamp.output_ratio = percent / 100
        with contextlib.suppress(RuntimeError):
            warm_up(simulator)
        fault = cast("Reference", simulator.firmware).device.faults.first
        assert simulator.plant.truth.aperture == 0
        if percent >= 65:
            assert (simulator.state, fault) == (State.STANDBY, Fault.NONE)
        elif percent >= 48:
            assert fault is Fault.LAMP_WEAK
        else:  # under its threshold at 820 V, or hardly above: nothing left the laser at all
            assert fault in {Fault.PULSE_MISSING, Fault.MONITOR_FAILED}
            assert simulator.plant.truth.total <= 1
        seen.add(fault)
    assert {Fault.NONE, Fault.LAMP_WEAK, Fault.PULSE_MISSING} <= seen


@pytest.mark.shows("REQ-017")
def test_a_weak_lamp_is_told_from_a_closed_port() -> None:
    for fault, more, latched in (
        ("lamp-weak", {"ratio": 0.55}, Fault.LAMP_WEAK),
        ("monitor-gain", {"monitor": "port", "ratio": 0.05}, Fault.PORT_DARK),
        ("monitor-gain", {"monitor": "port", "ratio": 0.2}, Fault.PORT_DARK),
    ):
        ward = ward_at("standby")
        ward.inject(fault, **more)
        ward.act("dock")
        ward.run(S)
        before = len(ward.pulses)
        ward.do(Calibrate())
        ward.run(5 * S)
        assert ward.fault is latched
        assert len(ward.pulses) == before + 3  # two into the shutter, one into the port
        assert not ward.device.calibrator.valid


@pytest.mark.shows("REQ-018", "REQ-019", "HZ-008", "HZ-011")
@pytest.mark.parametrize("cause", ["energy-off", "voltage-high", "lamp-weak", "monitor-gain"])
def test_whatever_the_energy_no_pulse_off_by_a_fifth_is_unflagged_and_none_follows_it(cause: str) -> None:
    steps = range(60, 150, 5 if SWEEP == 1 else 1)
    stopped, expected = 0, cause in {"energy-off", "lamp-weak"}  # the others are caught before that
    for percent in steps:
        if cause == "lamp-weak" and percent > 100:
            continue
        ward = ward_at("ready")
        more: dict[str, Any] = {"monitor": "a"} if cause == "monitor-gain" else {}
        ward.inject(cause, ratio=percent / 100, **more)
        pulses = given(ward, 12)
        set_uj = ward.setpoint.pulse_energy_uj
        for index, (pulse, report) in enumerate(told(ward, pulses)):
            if abs(pulse.transmitted_uj / set_uj - 1) > SET:
                assert report.flags & WRONG
                assert index == len(pulses) - 1  # the next trigger never came
                stopped += 1
        drifting = [PulseFlag.ENERGY_DRIFT in report.flags for _, report in told(ward, pulses)]
        if drifting[-3:] == [True] * 3:
            assert ward.device.leave is Leave.DRIFT
    assert bool(stopped) is expected


@pytest.mark.shows("REQ-018")
def test_a_pulse_beyond_15_percent_measured_stops_and_three_beyond_10_pause() -> None:
    seen = set()
    for percent in range(80, 121, 2 if SWEEP == 1 else 1):
        ward = ward_at("ready")
        ward.simulator.act(lambda plant: setattr(plant.head, "shot_sigma", 0.0), ward.now_us)
        ward.inject("energy-off", ratio=percent / 100)
        reports = [report for _, report in told(ward, given(ward, 12))]
        set_uj = ward.setpoint.pulse_energy_uj
        errors = [
            max(abs(report.monitor_a_uj - set_uj), abs(report.monitor_b_uj - set_uj)) / set_uj
            for report in reports
        ]
        beyond_15 = [error > 0.15 for error in errors]
        in_a_row = [all(error > 0.10 for error in errors[at : at + 3]) for at in range(len(errors) - 2)]
        if True in beyond_15:
            assert beyond_15.index(True) == len(errors) - 1
            assert ward.state is State.FAULT
            seen.add("stop")
        elif True in in_a_row:
            assert in_a_row.index(True) == len(errors) - 3
            assert ward.state is State.STANDBY
            assert ward.device.leave is Leave.DRIFT
            seen.add("pause")
        else:
            assert ward.state is State.READY
            seen.add("goes on")
    assert seen == {"stop", "pause", "goes on"}


@pytest.mark.shows("REQ-019", "HZ-008", "HZ-021")
def test_over_energy_closes_the_gate_in_hardware_before_the_next_trigger() -> None:
    ward = ward_at("emitting")
    ward.inject("energy-off", ratio=1.35)
    simulator, truth = ward.simulator, ward.simulator.plant.truth
    before = truth.triggers
    ward.when(lambda: truth.triggers > before, S)
    simulator.hang(simulator.now_us)  # no firmware from the lamp's trigger on
    ward.when(lambda: ward.simulator.plant.comparator.tripped, S)
    assert not ward.gate_open
    since_us = ward.now_us
    for _ in range(2):
        ward.inject("spurious-trigger")
        ward.run(40 * MS)
    assert ward.light_after(since_us) == []


@pytest.mark.shows("REQ-019", "HZ-014", "HZ-015")
@pytest.mark.parametrize("monitor", ["a", "b"])
@pytest.mark.parametrize("percent", [-50, -20, -13, 13, 20, 100])
def test_monitors_that_differ_by_more_than_a_tenth_latch_within_a_pulse(monitor: str, percent: int) -> None:
    ward = ward_at("emitting")
    ward.inject("monitor-gain", monitor=monitor, ratio=1 + percent / 100)
    since_us = ward.now_us
    ward.run(S)
    assert ward.state is State.FAULT
    assert ward.device.faults.has(Fault.MONITORS_DISAGREE)
    assert len(ward.light_after(since_us)) <= 2 if abs(percent) < 15 else len(ward.light_after(since_us)) == 1


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "disconnected": ("monitor-gain", {"ratio": 0.0}),
    "saturated": ("monitor-saturates", {"top_mj": 20.0}),
    "offset +20 %": ("monitor-dark", {"dark_mj": 34.6}),
    "gain -50 %": ("monitor-gain", {"ratio": 0.5}),
    "frozen": ("monitor-frozen", {}),
}


@pytest.mark.shows("REQ-020", "HZ-014")
@pytest.mark.parametrize("monitor", ["a", "b"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_monitor_is_found_before_ready(broken: str, monitor: str) -> None:
    ward = ward_at("standby")
    fault, more = BROKEN[broken]
    ward.inject(fault, monitor=monitor, **more)
    before = len(ward.pulses)
    ward.arm()
    ward.run(4 * S)
    assert ward.fault is Fault.MONITOR_FAILED
    assert len(ward.pulses) == before


@pytest.mark.shows("REQ-020", "HZ-014")
@pytest.mark.parametrize("monitor", ["a", "b"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_monitor_that_breaks_while_it_emits_is_found_by_the_first_pulse_it_reads_wrong(
    broken: str, monitor: str
) -> None:
    ward = ward_at("emitting")
    fault, more = BROKEN[broken]
    ward.inject(fault, monitor=monitor, **more)
    if broken == "frozen":  # it reads what was right, until the energy is another one
        ward.run(500 * MS)
        assert ward.state is State.EMITTING
        ward.inject("energy-off", ratio=0.86)
    since_us = ward.now_us
    ward.run(S)
    assert ward.state is State.FAULT
    assert len(ward.light_after(since_us)) == 1


@pytest.mark.shows("REQ-021", "HZ-009")
@pytest.mark.parametrize("idle_s", [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 290.0, 600.0])
@pytest.mark.parametrize("energy_uj", [10_000, 173_000, 200_000])
def test_the_first_pulse_after_any_pause_is_within_a_fifth_or_never_leaves(
    energy_uj: int, idle_s: float
) -> None:
    ward = ward_at("emitting", staged(energy_uj=energy_uj))
    ward.run(2 * S)
    ward.release()
    ward.run(math.ceil(idle_s * S))
    if ward.state is not State.READY:  # after 5 minutes it has gone to STANDBY by itself
        assert ward.device.leave is Leave.IDLE
        ward.to_ready()
    elif not ward.device.permit.held:
        ward.grant()
        ward.run(100 * MS)
    pulses = given(ward, 3)
    assert len(pulses) >= 3
    for pulse in pulses:
        assert abs(pulse.transmitted_uj / energy_uj - 1) <= SET


@pytest.mark.shows("REQ-047", "HZ-012")
@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("modelock-lost", {}),
        *(("pulse-wide", {"ratio": ratio}) for ratio in (0.5, 0.75, 1.25, 2.0, 100.0)),
        ("hold-off-lost", {}),
    ],
)
@pytest.mark.parametrize("mode_width_ps", [550, 650, 750])
def test_a_pulse_of_a_wrong_width_is_the_last(mode_width_ps: int, fault: str, more: dict[str, float]) -> None:
    ward = ward_at("emitting", staged(energy_uj=120_000, mode_width_ps=mode_width_ps))
    ward.inject(fault, **more)
    since_us = ward.now_us
    ward.run(2 * S)
    assert ward.state is State.FAULT
    assert ward.device.faults.has(Fault.PULSE_WIDTH)
    assert len(ward.light_after(since_us)) == 1


@pytest.mark.shows("REQ-048", "HZ-013")
@pytest.mark.parametrize("pulses", [2, 3, 10])
def test_more_than_one_pulse_for_a_trigger_ends_it_before_the_next(pulses: int) -> None:
    ward = ward_at("emitting")
    ward.inject("double-pulse", pulses=pulses)
    truth = ward.simulator.plant.truth
    since_us, triggers, lit = ward.now_us, truth.triggers, truth.total
    ward.run(S)
    assert ward.device.faults.has(Fault.PULSE_DOUBLE)
    assert truth.triggers == triggers + 1
    assert truth.total == lit + pulses
    assert ward.light_after(since_us + 110 * MS) == []
    report = ward.reports[max(ward.reports)]
    assert PulseFlag.DOUBLE in report.flags


@pytest.mark.shows("REQ-041", "REQ-017", "HZ-022")
@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("energy-off", {"ratio": 1.18}),
        ("energy-off", {"ratio": 1.5}),
        ("energy-off", {"ratio": 0.7}),
        ("monitor-gain", {"ratio": 0.88}),
        ("modelock-lost", {}),
    ],
)
def test_an_energy_fault_cannot_be_acknowledged_into_going_on(fault: str, more: dict[str, float]) -> None:
    ward = ward_at("emitting")
    injection = ward.inject(fault, **more)
    ward.run(2 * S)
    ward.release()
    assert ward.fault in ENERGY_FAULTS
    for wrong in (ward.device.faults.instance + 1, 2**32 - 1):  # one key for all does not exist
        assert Refusal.OTHER_FAULT in ward.refusals(Acknowledge(wrong))
    clear(ward.simulator, injection)
    ward.do(Acknowledge(ward.device.faults.instance))
    ward.run(2 * S)
    assert Refusal.NOT_CALIBRATED in ward.refusals(ward.arm_request())
    assert Refusal.NOT_DOCKED in ward.refusals(Calibrate())
