"""Random histories of wires, bytes, stops, sessions and resets: what must hold in all of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.faults import Fault
from protocols.messages import Heartbeat, Intent, PulseFlag
from protocols.refusals import Refusal
from protocols.requests import Acknowledge, SetAiming, Standby
from protocols.states import ARMED, State
from tests.sim_device.bench import MS, Bench, S, at

WIRES: dict[str, list[Any]] = {
    "key_on": [False, True],
    "estop_a_closed": [False, True],
    "remote_closed": [False, True],
    "door_closed": [False, True],
    "cover_b_closed": [False, True],
    "defeat_key_out": [False, True],
    "arm_connected": [False, True],
    "foot_a_closed": [False, True],
    "foot_b_closed": [False, True],
    "internal_trigger_strap": [False, True],
    "docked_a_closed": [False, True],
    "docked_b_closed": [False, True],
    "handpiece": [0, 1, 2, 99],
    "spot_um": [3_500, 3_501, 0],
    "wavelength_nm": [755, 0, 1_064],
    "coolant_mc": [60_000, 54_000, 70_000, -50_000],
    "mains_ok": [False, True],
}
TIMES = st.sampled_from([1, 100, 299, 999, 4_999, 5_000, 15_000, 50_000, 100_000, 400_000])
ACTS = st.one_of(
    st.tuples(st.just("press"), st.none()),
    st.tuples(st.just("release"), st.none()),
    st.tuples(st.just("grant"), st.integers(1, 6)),
    st.tuples(st.just("arm"), st.none()),
    st.tuples(
        st.just("wire"),
        st.sampled_from(sorted(WIRES)).flatmap(lambda w: st.tuples(st.just(w), st.sampled_from(WIRES[w]))),
    ),
    st.tuples(st.just("mend"), st.none()),
    st.tuples(st.just("stop"), st.integers(1, 3)),
    st.tuples(st.just("standby"), st.none()),
    st.tuples(st.just("bytes"), st.binary(max_size=40)),
    st.tuples(st.just("connect"), st.none()),
    st.tuples(st.just("silence"), st.booleans()),
    st.tuples(st.just("acknowledge"), st.none()),
    st.tuples(st.just("energy"), st.sampled_from([1_000, 1_120, 1_160, 880])),
    st.tuples(st.just("reset"), st.booleans()),
)


class Watched(Bench):
    """A bench that looks at every step: light is triggered by a permit and a foot, or not at all."""

    def step(self, received: bytes = b"") -> None:
        before = self.outputs.lamp_triggers
        super().step(received)
        device = self.firmware.device
        if self.outputs.lamp_triggers == before + 1:
            commit = device.memory.report(device.memory.pulse_number)
            calibration = PulseFlag.CALIBRATION in commit.flags
            foot = self.inputs.foot_a_closed and self.inputs.foot_b_closed
            assert calibration or self.state is State.EMITTING
            assert calibration or (foot and not self.inputs.internal_trigger_strap)
            assert calibration or (commit.permit_id and device.host.alive(self.now_us))
            assert self.inputs.key_on
            assert self.inputs.defeat_key_out
            assert self.inputs.estop_a_closed
            assert commit.pulse_number == len(self.triggers) + self.uncounted
        open_chain = not (self.inputs.door_closed and self.inputs.remote_closed and self.inputs.arm_connected)
        if device.state in ARMED:
            assert not open_chain
            assert not device.faults.latched
        if device.state not in (State.EMITTING, State.CALIBRATING, State.ARMING):
            assert not self.outputs.gate_enable
            assert not self.outputs.shutter_open
        if device.permit.held:
            assert device.state in (State.READY, State.EMITTING)

    uncounted = 0  # numbered without a trigger


def act(bench: Bench, what: str, detail: Any) -> None:  # noqa: PLR0912 # one line for each act
    match what:
        case "press":
            bench.press()
        case "release":
            bench.release()
        case "grant":
            bench.ask(bench.grant_request(detail, permit_id=bench.now_us % 2**32 or 1))
        case "arm":
            bench.ask(SetAiming(True))
            bench.run(2 * MS)
            bench.ask(bench.arm_request())
            bench.run(2_050 * MS)
        case "wire":
            bench.set(**{detail[0]: detail[1]})
        case "mend":
            bench.set(**{wire: getattr(at("set").inputs, wire) for wire in WIRES})
        case "stop":
            bench.stop(detail)
        case "standby":
            bench.ask(Standby())
        case "bytes":
            bench.step(detail + b"\0")
        case "connect":
            bench.connect()
        case "silence":
            bench.host_alive = detail
        case "acknowledge":
            bench.ask(Acknowledge(max(1, bench.firmware.device.faults.instance)))
        case "energy":
            bench.energy_permille = detail
        case _:
            bench.boot(watchdog_reset=detail)
            bench.connect()


def watched(stage: str) -> Bench:
    bench = at(stage)
    bench.__class__ = Watched
    return bench


@pytest.mark.shows("REQ-001", "REQ-003", "HZ-001")
@settings(max_examples=30)
@given(st.lists(st.tuples(ACTS, TIMES), max_size=12))
def test_in_every_history_light_needs_permit_foot_host_and_chain_and_every_pulse_is_told_once(
    history: list[tuple[tuple[str, Any], int]],
) -> None:
    bench = watched("granted")
    for (what, detail), for_us in history:
        act(bench, what, detail)
        bench.run(for_us)
    act(bench, "mend", None)
    bench.connect()
    bench.run(3 * S)
    assert sorted(bench.reports) == list(range(1, bench.firmware.device.memory.pulse_number + 1))
    assert len(bench.triggers) <= bench.firmware.device.memory.pulse_number


@settings(max_examples=10)
@given(st.lists(st.tuples(ACTS, TIMES), min_size=3, max_size=10))
def test_the_same_history_gives_the_same_bytes_and_outputs_every_time(
    history: list[tuple[tuple[str, Any], int]],
) -> None:
    ends = []
    for _ in range(2):
        bench = at("granted")
        for (what, detail), for_us in history:
            act(bench, what, detail)
            bench.run(for_us)
        ends.append((bench.statuses, bench.heard, bench.reports, bench.outputs, bytes(bench.memory.data)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("stage", ["standby", "arming", "ready", "emitting"])
def test_being_called_more_often_than_asked_changes_nothing_but_the_watchdogs_rhythm(stage: str) -> None:
    one, other = at(stage), at(stage)
    one.run(2_200 * MS)
    for _ in range(5_500):
        other.run(400)
        other.step()
    assert [s.state for s in one.statuses] == [s.state for s in other.statuses]
    assert one.triggers == other.triggers
    assert one.firmware.device.entered_us == other.firmware.device.entered_us
    assert one.reports == other.reports


@pytest.mark.shows("REQ-033")
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_disturb_the_firmware(pieces: list[bytes]) -> None:
    bench = at("ready")
    for piece in pieces:
        bench.step(piece)
        bench.run(MS)
    assert bench.state is State.READY
    bench.step(b"\0")
    bench.say(Heartbeat(bench.status.challenge, Intent.ARMED))
    assert bench.state is State.READY


ESTOP = ("estop_a_closed", "estop_b_closed")
COVER = ("cover_a_closed", "cover_b_closed")
CAUSES: list[tuple[Fault, dict[str, Any], dict[str, Any]]] = [
    (Fault.ESTOP, dict.fromkeys(ESTOP, False), dict.fromkeys(ESTOP, True)),
    (Fault.MAINS, {"mains_ok": False}, {"mains_ok": True}),
    (Fault.COVER, dict.fromkeys(COVER, False), dict.fromkeys(COVER, True)),
    (Fault.REMOTE_INTERLOCK, {"remote_closed": False}, {"remote_closed": True}),
    (Fault.HANDPIECE, {"handpiece": 0}, {"handpiece": 1}),
    (Fault.ARTICULATED_ARM, {"arm_connected": False}, {"arm_connected": True}),
    (Fault.CHARGER_HOT, {"charger_cool": False}, {"charger_cool": True}),
    (Fault.HEATER_THERMOSTAT, {"thermostat_closed": False}, {"thermostat_closed": True}),
    (Fault.COOLANT_LEVEL, {"level_ok": False}, {"level_ok": True}),
    (Fault.COOLANT_HOT, {"coolant_mc": 68_001}, {"coolant_mc": 68_000}),
    (Fault.SHUTTER_FEEDBACK, {"shutter_open_switch": True}, {"shutter_open_switch": False}),
]


@pytest.mark.shows("REQ-037")
@pytest.mark.parametrize(("fault", "bad", "good"), CAUSES)
def test_a_fault_is_not_cleared_while_its_cause_is_there(
    fault: Fault, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    bench = at("ready")
    bench.set(**bad)
    assert bench.first_fault is fault
    bench.run(200 * MS)
    instance = bench.firmware.device.faults.instance
    assert bench.status.faults_present == {fault}
    assert bench.reasons(Acknowledge(instance)) == {Refusal.CAUSE_PRESENT}
    assert bench.state is State.FAULT
    bench.set(**good)
    assert bench.reasons(Acknowledge(instance)) == set()
    assert not bench.firmware.device.faults.latched


def test_a_bench_is_a_copy_of_its_own() -> None:
    one = at("ready")
    other = copy.deepcopy(one)
    one.set(door_closed=False)
    assert other.state is State.READY
