"""Faults come and go: triggers, counts, knobs given back, copies, and what is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from protocols.faults import Fault as Latched
from protocols.states import State
from sim_device.faults import CATALOGUE, FaultError, Injection, Injector, clear, inject
from sim_device.faults.fault import Fault
from sim_device.faults.trigger import FORMS, Event
from sim_device.simulator import Simulator
from tests.sim_device.desk import MS, Desk, S, at

NEEDED: dict[str, dict[str, Any]] = {
    "input-stuck": {"line": "door_closed", "to": False},
    "output-stuck": {"line": "pump_on", "to": False},
    "input-frozen": {"line": "door_closed"},
    "output-frozen": {"line": "pump_on"},
    "inputs-swapped": {"line": "door_closed", "other": "docked_a_closed"},
    "input-offset": {"line": "coolant_mc", "by": 100},
    "input-scaled": {"line": "hv_mv", "ratio": 0.5},
    "input-delayed": {"line": "door_closed", "delay_ms": 10.0},
    "output-bit-stuck": {"line": "hv_set_mv", "bit": 3, "to": True},
}
LASTING = [name for name, fault in CATALOGUE.items() if fault.lasting]


def standing(simulator: Simulator) -> dict[str, Any]:
    """All that a fault may turn, and all that hangs on the simulator."""
    parts = {"plant": simulator.plant, "contacts": simulator.plant.contacts, "memory": simulator.memory}
    parts |= {
        name: getattr(simulator.plant, name) for name in ("capacitor", "lamp", "head", "coolant", "shutter")
    }
    parts |= {name: getattr(simulator.plant.monitors, name) for name in ("a", "b", "port")}
    parts |= {"monitors": simulator.plant.monitors, "lights": simulator.plant.lights}
    knobs = {fault.knob for fault in CATALOGUE.values() if hasattr(fault, "knob")}
    names = {knob.rpartition(".")[2] for knob in knobs}
    found: dict[str, Any] = {
        f"{part}.{name}": getattr(owner, name)
        for part, owner in parts.items()
        for name in names
        if hasattr(owner, name)
    }
    found["powered"] = simulator.plant.powered
    found["plugged"] = simulator.wire.plugged
    found["vices"] = (simulator.wire.to_device.vices, simulator.wire.to_host.vices)
    found["foot"] = simulator.plant.foot.pressed
    found["drift"] = simulator._clock.ppm
    return found


def begun(simulator: Simulator, name: str, **given: Any) -> Injection:
    return inject(simulator, name, **NEEDED.get(name, {}), **given)


@pytest.mark.parametrize("name", LASTING)
def test_a_fault_that_ends_leaves_everything_as_it_was(name: str) -> None:
    simulator = at("standby").simulator
    Injector.of(simulator)
    before, hanging = standing(simulator), len(simulator.observers)
    injection = begun(simulator, name)
    assert injection.report().active
    clear(simulator, injection)
    assert not injection.report().active
    assert standing(simulator) == before
    # What stays may be the keeper of the knobs, and of a counting line the difference.
    assert len(simulator.observers) <= hanging + 1
    assert len(simulator.disturbances) == (name in {"trigger-lost", "watchdog-kicks-lost"})


@pytest.mark.parametrize("first_to_go", [0, 1])
def test_of_two_faults_on_one_knob_the_later_counts_and_the_last_to_go_gives_it_back(
    first_to_go: int,
) -> None:
    simulator = at("standby").simulator
    coolant = simulator.plant.coolant
    both = [inject(simulator, "flow-low", ratio=0.9), inject(simulator, "flow-low", ratio=0.7)]
    assert coolant.flow_ratio == 0.7
    clear(simulator, both[first_to_go])
    assert coolant.flow_ratio == (0.7 if first_to_go == 0 else 0.9)
    clear(simulator)
    assert coolant.flow_ratio == 1.0


def test_a_fault_that_changes_nothing_has_not_fired() -> None:
    desk = at("emitting")
    idle = [
        desk.inject("interlock-bridged"),  # the door is closed
        desk.inject("energy-off", ratio=1.0),
        desk.inject("estop-relay-welded"),
        desk.inject("dump-stuck"),
        desk.inject("input-scaled", line="hv_mv", ratio=1.0),
        desk.inject("line-drops", message="Connect"),
    ]
    desk.run(S)
    assert desk.state is State.EMITTING
    assert [injection.report().fired for injection in idle] == [0] * 6
    assert all(injection.report().idle for injection in idle)


def test_a_fault_that_is_not_expected_to_fire_is_never_idle() -> None:
    assert not inject(at("standby").simulator, "interlock-bridged", expected=False).report().idle


# -- triggers


def active_times(injection: Injection, desk: Desk, for_us: int) -> list[int]:
    """When it was active, in ms from now, looked at each millisecond."""
    times = []
    for ms in range(for_us // MS):
        desk.run(MS)
        if injection.active:
            times.append(ms + 1)
    return times


def test_a_fault_comes_at_its_time_and_lasts_as_long_as_it_should() -> None:
    desk = at("standby")
    Injector.of(desk.simulator)
    injection = desk.inject("flow-low", at_s=0.1, after_s=0.05, for_s=0.2, ratio=0.9)
    assert active_times(injection, desk, 500 * MS) == list(range(150, 350))
    assert injection.report().begun == 1


def test_without_a_trigger_a_fault_is_there_at_once() -> None:
    assert inject(at("standby").simulator, "flow-low").active


def test_a_time_gone_by_is_refused() -> None:
    desk = at("standby")
    Injector.of(desk.simulator)
    desk.run(S)
    with pytest.raises(FaultError, match=r"flow-low.at_s = 0.5: lies in the past; give 1 s or later"):
        desk.inject("flow-low", at_s=0.5)
    assert desk.reports_of_faults() == {}


def test_a_state_entered_brings_a_fault() -> None:
    desk = at("standby")
    injection = desk.inject("indicator-fails", on="state READY", after_s=0.5)
    desk.arm()
    desk.until(State.READY)
    assert not injection.report().begun
    desk.run(400 * MS)
    assert desk.state is State.READY
    desk.run(110 * MS)
    assert desk.fault is Latched.INDICATOR


def test_the_nth_pulse_brings_a_fault() -> None:
    desk = at("ready")
    before = len(desk.pulses)
    injection = desk.inject("energy-off", on="pulse", nth=4)
    desk.press()
    desk.run(2 * S)
    energies = [pulse.energy_uj for pulse in desk.pulses[before:]]
    assert [energy < 150_000 for energy in energies] == [False] * 4 + [True]
    assert injection.report().fired == 1
    assert desk.fault is Latched.ENERGY_LOW


def test_a_board_line_brings_a_fault_with_its_edge() -> None:
    desk = at("ready")
    rising = desk.inject("foot-contact-open", on="rises shutter_open", after_s=0.005)
    falling = desk.inject("aiming-offset", on="falls shutter_closed_switch")
    counting = desk.inject("coolant-step", on="rises lamp_triggers", nth=2, times=2, kelvin=0.1)
    desk.run(S)
    assert (rising.report().begun, falling.report().begun, counting.report().begun) == (0, 0, 0)
    desk.press()
    desk.run(20 * MS)
    assert rising.report().begun == 1
    desk.run(S)
    assert falling.report().begun == 1
    assert counting.report().begun == 0  # the contact opened before any pulse


def test_a_fault_comes_as_often_as_it_may() -> None:
    desk = at("emitting")
    injection = desk.inject("coolant-step", on="rises lamp_triggers", nth=2, times=3, kelvin=0.1)
    desk.run(2 * S)
    assert injection.report().begun == injection.report().fired == 3


def test_a_boot_brings_a_fault() -> None:
    desk = at("standby")
    injection = desk.inject("memory-fails", on="boot")
    desk.run(S)
    assert not injection.active
    desk.inject("processor-reset")
    desk.run(S)
    assert injection.active
    assert desk.state is not State.STANDBY


@pytest.mark.parametrize(
    ("on", "nth", "least_ms", "most_ms"),
    [
        ("frame to_device Heartbeat", 5, 400, 500),  # each answers a Status, every 100 ms
        ("frame to_host Status", 5, 400, 500),
        ("frame to_host", 1, 0, 100),
        ("frame to_device", 3, 200, 300),
    ],
)
def test_the_nth_frame_of_a_kind_brings_a_fault(on: str, nth: int, least_ms: int, most_ms: int) -> None:
    desk = at("standby")
    desk.run(50 * MS)
    injection = desk.inject("flow-low", on=on, nth=nth, ratio=0.9)
    (first, *_) = active_times(injection, desk, S)
    assert least_ms <= first <= most_ms


def begun_after(seed: int) -> list[int]:
    desk = at("emitting")
    injector = Injector.of(desk.simulator, seed)
    injection = injector.inject("coolant-step", on="pulse", probability=0.3, kelvin=0.001)
    counts = []
    for _ in range(30):
        desk.run(100 * MS)
        counts.append(injection.report().begun)
    return counts


def test_chance_is_of_the_seed_alone() -> None:
    runs = [begun_after(seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 2 < runs[0][-1] < 18  # 9 of 30 expected; binomial, beyond 3 sigma on either side


def test_a_probability_may_keep_a_fault_away_altogether() -> None:
    simulator = at("standby").simulator
    came = [
        inject(simulator, "coolant-step", probability=0.5, kelvin=0.001).report().begun for _ in range(60)
    ]
    assert 15 < sum(came) < 45  # 30 expected, sigma 3.9


def test_a_cleared_fault_does_not_come_again() -> None:
    desk = at("emitting")
    injection = desk.inject("aiming-offset", on="pulse", times=100, for_s=0.01)
    desk.run(S)
    came = injection.report().begun
    clear(desk.simulator, injection)
    desk.run(S)
    assert injection.report().begun == came > 5


def test_a_fault_that_comes_again_is_not_ended_by_its_former_end() -> None:
    desk = at("standby")
    injection = desk.inject("flow-low", ratio=0.9, on="frame to_host Status", times=2, for_s=10.0)
    desk.run(150 * MS)
    assert injection.active
    desk.run(9 * S)
    assert injection.report().begun == 1
    desk.run(S)
    assert injection.report().begun == 2
    desk.run(5 * S)
    assert injection.active


def test_a_trigger_line_that_is_mended_fires_nothing_of_what_was_lost() -> None:
    desk = at("emitting")
    truth = desk.simulator.plant.truth
    injection = desk.inject("trigger-lost")
    desk.run(S)
    assert desk.fault is Latched.PULSE_MISSING
    triggers = truth.triggers
    clear(desk.simulator, injection)
    desk.run(S)
    assert truth.triggers == triggers


def test_a_welded_output_is_welded_while_the_processor_is_in_reset_too() -> None:
    desk = at("standby")
    desk.inject("shutter-driver-welded")
    stuck = desk.inject("output-stuck", line="pump_on", to=True)
    desk.inject("processor-reset")
    desk.simulator.advance(desk.simulator.now_us + 500)
    assert not desk.simulator.running
    assert desk.simulator.plant.coolant.flow.level
    assert stuck.report().fired


# -- copies


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_copy_of_a_faulty_laser_goes_its_own_way_and_the_same(name: str) -> None:
    desk = at("emitting")
    begun(desk.simulator, name, on="pulse", nth=2)
    desk.run(250 * MS)
    twin = copy.deepcopy(desk)
    for one in (desk, twin):
        one.run(300 * MS)
    reports = [Injector.of(one.simulator).reports() for one in (desk, twin)]
    assert reports[0] == reports[1]
    assert reports[0][0].begun == 1
    assert desk.pulses == twin.pulses
    clear(twin.simulator)
    assert desk.simulator.plant is not twin.simulator.plant
    if CATALOGUE[name].lasting:
        assert Injector.of(desk.simulator).injections[0].active


def test_a_fault_copied_before_its_simulator_is_copied_once() -> None:
    simulator = at("standby").simulator
    injection = inject(simulator, "flow-low")
    twin, other = copy.deepcopy((injection, simulator))
    assert Injector.of(other).injections[0] is twin
    assert twin.fault in other.observers


def test_a_pickled_faulty_laser_goes_on_alike() -> None:
    simulator = at("standby").simulator
    for name in LASTING:
        begun(simulator, name, at_s=0.1, for_s=0.5)
    simulator.advance(simulator.now_us + 300 * MS)
    twin = pickle.loads(pickle.dumps(simulator))  # noqa: S301  # our own bytes
    for one in (simulator, twin):
        one.advance(one.now_us + S)
    reports = Injector.of(simulator).reports()
    assert Injector.of(twin).reports() == reports
    assert {report.begun for report in reports} == {1}
    assert standing(twin) == standing(simulator)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_fault_survives_pickling(name: str) -> None:
    fault: Fault = CATALOGUE[name](**NEEDED.get(name, {}))
    again = pickle.loads(pickle.dumps(fault))  # noqa: S301  # our own bytes
    assert again.parameters() == fault.parameters()
    assert type(again) is type(fault)


# -- bad input


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "shuter-stuck"}, "fault = 'shuter-stuck' is not known: did you mean shutter-stuck?"),
        ({"name": "qqq"}, "`picolase faults` lists them all"),
        ({"name": "energy-off", "ratio": 9.0}, r"energy-off.ratio = 9.0: .*less than or equal to 5"),
        ({"name": "energy-off", "ratio": "1"}, r"energy-off.ratio = '1': .*valid number"),
        ({"name": "energy-off", "ration": 1.0}, r"energy-off.ration = 1.0: .*not permitted"),
        ({"name": "input-stuck", "line": "door", "to": True}, r"input-stuck.line = 'door': .*door_closed"),
        ({"name": "input-stuck", "line": "door_closed", "to": 1}, "door_closed carries a level"),
        ({"name": "input-stuck", "line": "hv_mv", "to": True}, "hv_mv carries a whole number"),
        ({"name": "input-stuck", "line": "hv_mv"}, r"input-stuck.to: .*required"),
        (
            {"name": "output-stuck", "line": "lamp_triggers", "to": 3},
            "is no level or value among the outputs",
        ),
        (
            {"name": "inputs-swapped", "line": "hv_mv", "other": "door_closed"},
            "both levels or both values",
        ),
        ({"name": "line-drops", "message": "Heartbaet"}, "is no message"),
        ({"name": "flow-low", "at_s": -1.0}, r"at_s = -1.0"),
        ({"name": "flow-low", "at_s": float("nan")}, r"at_s = nan"),
        ({"name": "flow-low", "at_s": 1.0, "on": "pulse"}, "a fault has one trigger"),
        ({"name": "flow-low", "on": "puls"}, "is no event: write one like"),
        ({"name": "flow-low", "on": "state REDY"}, "did you mean 'state READY'?"),
        ({"name": "flow-low", "on": "pulse 3"}, "write only 'pulse'"),
        ({"name": "flow-low", "on": "rises"}, "give one of key_on, "),
        ({"name": "flow-low", "nth": 2}, "give `on`, or leave nth out"),
        ({"name": "flow-low", "on": "pulse", "nth": 2, "probability": 0.5}, "nth or probability, not both"),
        ({"name": "flow-low", "at_s": 1.0, "times": 2}, "without `on` it comes once"),
        ({"name": "processor-reset", "for_s": 1.0}, "happens at once; leave for_s out"),
    ],
)
def test_what_is_not_possible_is_refused_in_words_and_nothing_begins(
    given: dict[str, Any], words: str
) -> None:
    simulator = at("standby").simulator
    before = standing(simulator)
    with pytest.raises(FaultError, match=words):
        inject(simulator, **given)
    assert Injector.of(simulator).injections == []
    assert standing(simulator) == before
    assert simulator.disturbances == []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_event_that_is_shown_is_understood(form: str) -> None:
    event = Event.parse(form)
    assert f"{event.kind.value} {event.about}".strip() == form
