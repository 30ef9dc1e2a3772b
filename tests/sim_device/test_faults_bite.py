"""Each fault of the catalogue bites: what firmware and hardware do about it, on a whole simulated laser."""

from __future__ import annotations

import pytest

# What bites is registered by importing it.
import tests.sim_device.bites_around
import tests.sim_device.bites_board
import tests.sim_device.bites_laser  # noqa: F401
from protocols.requests import Standby
from protocols.states import State
from sim_device.faults import CATALOGUE
from tests.sim_device.bites import BITES, fails_its_proof
from tests.sim_device.desk import S, at

SHOWN = [
    (pytest.mark.shows("HZ-001"), "strap-bridged"),
    (pytest.mark.shows("REQ-035", "HZ-001"), "gate-welded charger-welded"),
    (pytest.mark.shows("REQ-001", "REQ-035", "HZ-001"), "spurious-trigger"),
    (pytest.mark.shows("HZ-002"), "line-delays"),
    (pytest.mark.shows("REQ-004", "HZ-002"), "foot-contact-welded foot-contact-open"),
    (pytest.mark.shows("REQ-026", "HZ-003"), "power-cut processor-reset"),
    (pytest.mark.shows("REQ-006", "HZ-004"), "key-lost"),
    (pytest.mark.shows("HZ-005"), "shutter-driver-welded"),
    (pytest.mark.shows("REQ-035", "HZ-005"), "shutter-stuck output-frozen"),
    (pytest.mark.shows("REQ-035", "HZ-006"), "shutter-slow-to-close"),
    (pytest.mark.shows("HZ-007"), "shutter-switches-swapped shutter-slow-to-open"),
    (pytest.mark.shows("HZ-008"), "voltage-misread comparator-unset"),
    (pytest.mark.shows("REQ-028", "HZ-008"), "voltage-high voltage-bit-stuck output-bit-stuck"),
    (pytest.mark.shows("REQ-021", "HZ-009"), "first-pulse-high"),
    (pytest.mark.shows("HZ-010", "HZ-030"), "coolant-step coolant-sensor-offset"),
    (pytest.mark.shows("REQ-018", "HZ-011"), "lamp-weak energy-off dump-mistimed"),
    (pytest.mark.shows("REQ-047", "HZ-012"), "modelock-lost pulse-wide"),
    (pytest.mark.shows("REQ-048", "HZ-013"), "double-pulse"),
    (pytest.mark.shows("REQ-020", "HZ-014"), "monitor-dark monitor-frozen monitor-saturates"),
    (pytest.mark.shows("REQ-019", "HZ-014", "HZ-015"), "monitor-gain monitor-drifts"),
    (pytest.mark.shows("HZ-014"), "monitor-noisy photodiode-dead photodiode-weak"),
    (pytest.mark.shows("REQ-010", "REQ-022", "HZ-016"), "spot-misread spot-turned"),
    (pytest.mark.shows("REQ-010", "HZ-017"), "handpiece-misread"),
    (pytest.mark.shows("HZ-018"), "wavelength-misread module-exchanged"),
    (pytest.mark.shows("HZ-020"), "memory-corrupted"),
    (pytest.mark.shows("REQ-025", "HZ-020"), "counters-near-their-end"),
    (pytest.mark.shows("REQ-011", "HZ-021"), "interlocks-unseen estop-contact-welded"),
    (pytest.mark.shows("REQ-009", "HZ-021"), "cover-contact-welded"),
    (pytest.mark.shows("HZ-021"), "estop-relay-welded"),
    (pytest.mark.shows("REQ-032", "HZ-024"), "processor-hangs watchdog-kicks-lost"),
    (pytest.mark.shows("HZ-024"), "mains-dip"),
    (pytest.mark.shows("HZ-025"), "charger-hot output-stuck trigger-lost lamp-broken"),
    (pytest.mark.shows("REQ-031", "HZ-026"), "simmer-fails"),
    (pytest.mark.shows("REQ-027", "HZ-027"), "dump-stuck"),
    (pytest.mark.shows("REQ-028", "HZ-028"), "charger-weak end-of-charge-stuck bleeder-changed"),
    (pytest.mark.shows("REQ-029", "HZ-029"), "pump-fails flow-low coolant-leaks coolant-level-low"),
    (pytest.mark.shows("REQ-029", "HZ-030"), "heater-fails coolant-sensor-cut input-offset"),
    (pytest.mark.shows("HZ-031"), "lamp-overloaded lamp-wears"),
    (pytest.mark.shows("REQ-003", "HZ-032"), "foot-held"),
    (pytest.mark.shows("REQ-012", "HZ-032"), "indicator-fails"),
    (pytest.mark.shows("REQ-033", "HZ-033"), "line-noise line-lamp-noise line-garbled"),
    (pytest.mark.shows("REQ-032", "HZ-034"), "line-cut line-unplugged line-falls-silent line-drops"),
    (pytest.mark.shows("REQ-033", "HZ-036"), "line-repeats line-reorders"),
    (pytest.mark.shows("REQ-008", "HZ-040"), "contact-flutters"),
    (pytest.mark.shows("REQ-015", "HZ-041"), "aiming-fails"),
    (pytest.mark.shows("REQ-051", "HZ-046"), "hold-off-lost"),
]
"""What a bite shows besides that the fault is one: a hazard that is caught, a requirement that is met."""

CASES = [
    pytest.param(fault, marks=[mark for mark, faults in SHOWN if fault in faults.split()])
    for fault in CATALOGUE
]


@pytest.mark.parametrize("fault", CASES)
def test_each_fault_bites(fault: str) -> None:
    stage, parameters, bite = BITES[fault]
    desk = at(stage)
    injection = desk.inject(fault, **parameters)
    bite(desk, injection)
    assert injection.report().fired > 0


def test_every_bite_is_of_a_fault_that_there_is() -> None:
    assert set(BITES) == set(CATALOGUE)


@pytest.mark.shows("REQ-020", "HZ-014")
@pytest.mark.parametrize("monitor", ["a", "b"])
def test_a_monitor_that_freezes_between_pulses_is_found_by_the_next_proof(monitor: str) -> None:
    desk = at("emitting")
    injection = desk.inject("monitor-frozen", monitor=monitor)
    desk.run(S)
    assert desk.state is State.EMITTING  # it reads what the pulse before was, which was right
    assert injection.report().fired > 5
    desk.release()
    desk.do(Standby())
    desk.run(S)
    fails_its_proof(desk, injection)
