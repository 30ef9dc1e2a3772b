"""Every state and every event by the table, and what each state may drive."""

import itertools

import pytest

from protocols.messages import Leave
from protocols.states import ARMED, TRANSITIONS, Event, State
from sim_device.board import Outputs
from sim_device.firmware.drive import Wants, drive
from tests.sim_device.bench import Bench, at

STAGE_OF = {
    State.STANDBY: "set",
    State.ARMING: "arming",
    State.READY: "granted",
    State.EMITTING: "emitting",
}


def bench_in(state: State) -> Bench:
    if state in STAGE_OF:
        return at(STAGE_OF[state])
    if state is State.FAULT:
        bench = at("ready")
        bench.set(remote_closed=False)
        return bench
    if state is State.OFF:
        bench = at("set")
        bench.set(key_on=False)
        return bench
    return at(state.name.lower())


@pytest.mark.shows("REQ-001")
@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_in_every_state_goes_where_the_table_says_or_nowhere(state: State, event: Event) -> None:
    bench = bench_in(state)
    device = bench.firmware.device
    entered_us = device.entered_us
    expected = TRANSITIONS[state].get(event)
    assert device.go(event, Leave.STANDBY_ASKED) is (expected is not None)
    assert device.state is (state if expected is None else expected)
    if expected in (None, state):
        assert device.entered_us == entered_us, "what is refused or changes nothing restarts nothing"
    if expected is not None and expected not in ARMED:
        assert not device.permit.held
        assert not bench.outputs.gate_enable
        assert not bench.outputs.shutter_open


EVERYTHING = Wants(
    hv_mv=1_000_000,
    charge=True,
    prove_charger=True,
    gate=True,
    shutter_open=True,
    mode_width_ps=750,
    comparator_uj=100,
    comparator_reset=True,
    indicator=True,
    monitor_test=True,
    aiming=True,
    simmer=True,
    pump=True,
    heater=True,
)
S = State
MAY = {  # written down again from the design, line by line
    "hv_enable": {S.CALIBRATING, S.ARMING, S.READY, S.EMITTING},
    "dump_hold": {S.CALIBRATING, S.READY, S.EMITTING},
    "gate_enable": {S.CALIBRATING, S.ARMING, S.EMITTING},
    "shutter_open": {S.CALIBRATING, S.ARMING, S.EMITTING},
    "indicator_on": {S.SELF_TEST, S.CALIBRATING, S.ARMING, S.READY, S.EMITTING},
    "aiming_on": {S.STANDBY, S.ARMING, S.READY, S.EMITTING},
    "simmer_start": {S.WARM_UP, S.CALIBRATING, S.STANDBY, S.ARMING, S.READY, S.EMITTING},
    "pump_on": set(S) - {S.OFF},
    "heater_on": set(S) - {S.OFF},
    "monitor_test": {S.SELF_TEST, S.ARMING},
    "comparator_reset": {S.SELF_TEST, S.ARMING},
    "buzzer_on": {S.ARMING, S.EMITTING},
}


@pytest.mark.shows("REQ-001", "REQ-013", "HZ-001")
@pytest.mark.parametrize("state", State)
def test_a_state_drives_nothing_beyond_its_mask_whatever_its_sequence_wants(state: State) -> None:
    outputs = Outputs()
    drive(state, EVERYTHING, outputs)
    for line, states in MAY.items():
        assert getattr(outputs, line) is (state in states), line
    assert outputs.hv_set_mv == (1_000_000 if state in MAY["dump_hold"] else 0)


@pytest.mark.parametrize("state", State)
def test_a_state_whose_sequence_wants_nothing_drives_nothing_that_makes_light(state: State) -> None:
    outputs = Outputs()
    drive(state, EVERYTHING, outputs)
    drive(state, Wants(), outputs)
    lines = ("hv_enable", "dump_hold", "hv_set_mv", "gate_enable", "shutter_open", "mode_width_ps")
    assert not any(getattr(outputs, line) for line in lines)


def test_charge_and_dump_are_never_driven_against_each_other() -> None:
    for state, hv_mv, charge in itertools.product(State, (0, 1, 2_000_000), (False, True)):
        outputs = Outputs()
        drive(state, Wants(hv_mv=hv_mv, charge=charge), outputs)
        assert not outputs.hv_enable or outputs.dump_hold
        assert outputs.hv_set_mv <= 1_250_000
