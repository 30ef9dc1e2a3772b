"""Arming: its time, its proofs, and the supervision of the shutter."""

import pytest

from protocols.faults import Fault
from protocols.messages import Leave
from protocols.refusals import Refusal
from protocols.requests import Acknowledge
from protocols.states import State
from tests.sim_device.bench import MS, S, at

# --- arming ---


@pytest.mark.shows("REQ-002", "REQ-012", "HZ-032")
def test_arming_lasts_between_two_and_two_and_a_half_seconds_with_the_indicator_on() -> None:
    bench = at("set")
    began_us = bench.now_us
    assert not bench.reasons(bench.arm_request())
    assert bench.outputs.indicator_on
    bench.until(State.READY)
    assert 2 * S <= bench.now_us - began_us <= 2_500 * MS


@pytest.mark.shows("REQ-012", "REQ-014", "REQ-020")
@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("gate_inhibited", Fault.GATE_CHANNEL),
        ("hv_inhibited", Fault.HV_CHANNEL),
        ("shutter_open_switch", Fault.SHUTTER_STUCK_CLOSED),
        ("dark_a_uj", Fault.MONITOR_FAILED),
        ("dark_b_uj", Fault.MONITOR_FAILED),
        ("indicator_ua", Fault.INDICATOR),
    ],
)
def test_a_part_that_follows_no_command_any_more_is_found_while_arming(line: str, fault: Fault) -> None:
    bench = at("set")
    bench.stuck.add(line)
    assert not bench.reasons(bench.arm_request())
    bench.run(3 * S)
    assert bench.first_fault is fault
    assert bench.dark


def test_an_end_of_charge_that_is_told_with_nothing_charged_is_found_before_the_shutter_opens() -> None:
    bench = at("set")
    bench.set(charge_done=True)
    bench.stuck.add("charge_done")
    assert not bench.reasons(bench.arm_request())
    bench.run(3 * S)
    assert bench.first_fault is Fault.HV_CHANNEL
    assert bench.dark


@pytest.mark.shows("REQ-035")
@pytest.mark.parametrize(
    ("line", "fault"), [("gate_inhibited", Fault.GATE_CHANNEL), ("hv_inhibited", Fault.HV_CHANNEL)]
)
def test_a_stop_channel_that_no_longer_inhibits_is_found_before_the_shutter_opens(
    line: str, fault: Fault
) -> None:
    bench = at("set")
    bench.set(**{line: False})
    bench.stuck.add(line)
    assert not bench.reasons(bench.arm_request())
    opened = False
    for _ in range(3_000):
        bench.run(MS)
        opened |= bench.outputs.shutter_open
    assert bench.first_fault is fault
    assert not opened


@pytest.mark.shows("REQ-014")
def test_the_shutter_proof_runs_with_both_channels_inhibited() -> None:
    bench = at("arming")
    seen = 0
    for _ in range(1_000):
        bench.run(MS)
        if bench.outputs.shutter_open:
            seen += 1
            assert bench.inputs.gate_inhibited
            assert bench.inputs.hv_inhibited
            assert bench.inputs.hv_mv < 60_000
    assert 20 <= seen <= 40


@pytest.mark.shows("REQ-003", "HZ-032")
@pytest.mark.parametrize("held_us", [2 * S, 6 * S, 11_900 * MS])
def test_a_foot_held_when_ready_is_due_blocks_until_it_is_released(held_us: int) -> None:
    bench = at("arming")
    began_us = bench.now_us
    bench.press()
    bench.advance(began_us + held_us)
    assert bench.status.state is State.ARMING
    assert Refusal.FOOT_HELD in bench.status.blocks
    bench.release()
    bench.run(S)
    assert bench.state is State.READY
    bench.run(10 * S)
    assert len(bench.triggers) == 32


def test_a_foot_held_for_ten_more_seconds_gives_up() -> None:
    bench = at("arming")
    began_us = bench.now_us
    bench.press()
    bench.until(State.STANDBY)
    assert bench.now_us == began_us + 12 * S
    assert bench.left is Leave.FOOT_HELD


# --- shutter ---


@pytest.mark.shows("REQ-013", "HZ-006")
@pytest.mark.parametrize(
    ("travel_us", "good"), [(10_000, True), (30_000, True), (30_001, False), (200_000, False)]
)
def test_the_shutter_has_30_ms(travel_us: int, good: bool) -> None:
    bench = at("granted")
    bench.shutter_us = travel_us
    bench.press()
    bench.run(50 * MS)
    assert bench.first_fault is (Fault.NONE if good else Fault.SHUTTER_STUCK_CLOSED)
    bench = at("emitting")
    bench.shutter_us = travel_us
    bench.release()
    bench.run(40 * MS)
    assert bench.first_fault is (Fault.NONE if good else Fault.SHUTTER_STUCK_OPEN)


@pytest.mark.shows("REQ-013", "HZ-005")
@pytest.mark.parametrize("stage", ["standby", "set", "arming", "ready", "rehearsal ready"])
def test_a_shutter_that_opens_by_itself_is_caught_in_30_ms(stage: str) -> None:
    bench = at(stage)
    bench.set(shutter_open_switch=True, shutter_closed_switch=False)
    bench.run(30 * MS - 1)
    assert not bench.firmware.device.faults.latched
    bench.run(1)
    assert bench.first_fault is Fault.SHUTTER_STUCK_OPEN


@pytest.mark.shows("REQ-013", "HZ-007")
def test_switches_that_contradict_or_vanish_are_a_feedback_fault() -> None:
    bench = at("ready")
    bench.set(shutter_open_switch=True)
    assert bench.first_fault is Fault.SHUTTER_FEEDBACK
    bench = at("ready")
    bench.set(shutter_closed_switch=False)
    bench.run(30 * MS - 1)
    assert not bench.firmware.device.faults.latched
    bench.run(1)
    assert bench.first_fault is Fault.SHUTTER_FEEDBACK
    instance = bench.firmware.device.faults.instance
    bench.run(50 * MS)
    assert bench.reasons(Acknowledge(instance)) == {Refusal.CAUSE_PRESENT}
