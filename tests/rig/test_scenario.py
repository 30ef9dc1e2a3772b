"""Scenario files: what they may say, what they may not, and that each shipped one is worth running."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from controller.tomlfile import TomlError
from protocols.faults import Fault
from protocols.messages import Handpiece
from protocols.states import State
from rig.laser import cold_laser
from rig.scenario import Staged, parse_scenario, read_scenario
from rig.script import HOST_EVENTS, Happening
from sim_device.firmware import Reference
from sim_device.operator import ACTIONS
from sim_device.simulator import Simulator

SCENARIOS = Path(__file__).parents[2] / "scenarios"
HERE = Path("/rooms/s.toml")
HEAD = 'format = 1\nname = "n"\nduration_s = 10.0\n'
GOOD = (
    HEAD
    + """seed = 7
[laser]
start = "cold"
spot_mm = 2.5
handpiece = "ZOOM"
wavelength_nm = 532
strap = "on"
door = "open"
[[event]]
at_s = 3.0
do = "door"
to = "close"
[[event]]
at_s = 1
do = "key"
to = "on"
[[fault]]
name = "flow-low"
at_s = 2.0
for_s = 5.0
ratio = 0.5
[[fault]]
name = "processor-reset"
on = "state WARM_UP"
expected = false
"""
)


def device_files() -> list[Path]:
    return [file for file in sorted(SCENARIOS.glob("*.toml")) if "[host]" not in file.read_text("utf-8")]


def played(file: Path) -> tuple[Simulator, Staged]:
    scenario = read_scenario(file)
    simulator = cold_laser(scenario.seed)
    staged = Staged(scenario.script, simulator, scenario.seed)
    simulator.advance(staged.ends_us)
    return simulator, staged


def first_fault(simulator: Simulator) -> Fault:
    assert isinstance(simulator.firmware, Reference)
    return simulator.firmware.device.faults.first


# -- the shipped ones

EXPECTED = {
    "books-damaged": Fault.NONVOLATILE,
    "cable-pulled": Fault.NONE,
    "coolant-leaks": Fault.COOLANT_LEVEL,
    "door-flutters": Fault.NONE,
    "estop-relay-welded": Fault.ESTOP,
    "foot-held": Fault.NONE,
    "heater-open": Fault.WARM_UP_TIMEOUT,
    "hold-off-lost": Fault.PULSE_WIDTH,
    "port-meter-reads-half": Fault.NONE,
    "power-flickers": Fault.NONE,
    "processor-hangs": Fault.WATCHDOG_RESET,
    "shutter-welded": Fault.SHUTTER_STUCK_OPEN,
    "triggers-from-nowhere": Fault.NONE,
    "wrong-spot": Fault.NONE,
}


def test_every_device_scenario_that_is_shipped_is_expected_to_come_to_something() -> None:
    assert {file.stem for file in device_files()} == set(EXPECTED)


@pytest.mark.parametrize("file", device_files(), ids=lambda file: file.stem)
def test_a_shipped_scenario_fires_all_its_faults_and_the_laser_answers(file: Path) -> None:
    simulator, staged = played(file)
    assert [report.name for report in staged.injector.reports() if report.idle] == []
    assert staged.declined == []
    assert first_fault(simulator) is EXPECTED[file.stem]
    assert simulator.state is not State.READY
    assert simulator.plant.truth.aperture == 0


@pytest.mark.shows("REQ-017", "HZ-015")
def test_a_calibration_with_a_wrong_meter_is_not_valid() -> None:
    simulator, _ = played(SCENARIOS / "port-meter-reads-half.toml")
    assert isinstance(simulator.firmware, Reference)
    assert simulator.state is State.STANDBY
    assert not simulator.firmware.device.calibrator.valid


def test_the_same_seed_plays_the_same() -> None:
    texts = []
    for _ in range(2):
        simulator, staged = played(SCENARIOS / "hold-off-lost.toml")
        texts.append((list(simulator.plant.truth.pulses), staged.injector.reports()))
    assert texts[0] == texts[1]


# -- what a file says


def test_a_good_file_is_read_whole() -> None:
    scenario = parse_scenario(GOOD, HERE)
    script = scenario.script
    assert (scenario.seed, scenario.hosted, script.operator, script.plan) == (7, False, "none", "")
    assert (script.name, script.duration_s, script.start) == ("n", 10.0, "cold")
    assert script.contacts == {
        "zoom_um": 2_500,
        "handpiece": Handpiece.ZOOM,
        "wavelength_nm": 532,
        "internal_trigger_strap": True,
        "door_closed": False,
    }
    assert script.events == (
        Happening(1.0, "key", {"to": "on"}),
        Happening(3.0, "door", {"to": "close"}),
    )
    assert script.faults == (
        {"name": "flow-low", "at_s": 2.0, "for_s": 5.0, "ratio": 0.5},
        {"name": "processor-reset", "on": "state WARM_UP", "expected": False},
    )


def test_a_staged_file_stands_on_the_lasers_agenda() -> None:
    simulator = cold_laser(7)
    simulator.advance(5_000_000)
    staged = Staged(parse_scenario(GOOD, HERE).script, simulator, 7)
    twin = copy.deepcopy(staged)
    contacts = simulator.plant.contacts
    assert (contacts.zoom_um, contacts.wavelength_nm, contacts.door_closed) == (2_500, 532, False)
    simulator.advance(5_999_999)
    assert not contacts.key_on
    simulator.advance(8_000_000)
    assert contacts.key_on
    assert contacts.door_closed
    simulator.advance(staged.ends_us)
    assert [report.begun for report in staged.injector.reports()] == [1, 1]
    assert staged.ends_us == 15_000_000
    assert [report.begun for report in twin.injector.reports()] == [0, 0]


def test_what_people_cannot_do_is_told_and_stops_nothing() -> None:
    text = HEAD + '[laser]\nhandpiece = "FIXED_6"\n[[event]]\nat_s = 1.0\ndo = "spot"\nspot_mm = 3.0\n'
    simulator = cold_laser(1)
    staged = Staged(parse_scenario(text, HERE).script, simulator, 1)
    simulator.advance(staged.ends_us)
    (sentence,) = staged.declined
    assert "FIXED_6 has no zoom ring" in sentence


def test_a_host_part_is_read_with_its_plan(tmp_path: Path) -> None:
    plan = (SCENARIOS.parent / "plans" / "tattoo-forearm.toml").read_text("utf-8")
    (tmp_path / "plan.toml").write_text(plan, "utf-8")
    file = tmp_path / "s.toml"
    events = "".join(f'[[event]]\nat_s = 1.0\ndo = "{name}"\n' for name in HOST_EVENTS if name != "aiming")
    aiming = '[[event]]\nat_s = 2.0\ndo = "aiming"\nto = "off"\n'
    file.write_text(HEAD + '[host]\nplan = "plan.toml"\noperator = "random"\n' + events + aiming, "utf-8")
    scenario = read_scenario(file)
    assert scenario.hosted
    assert (scenario.script.plan, scenario.script.operator) == (plan, "random")
    assert len(scenario.script.events) == len(HOST_EVENTS)
    assert scenario.device_script.events == ()


def test_no_host_event_is_called_as_an_action_of_people_is() -> None:
    assert not set(HOST_EVENTS) & set(ACTIONS)


# -- what a file may not say

FLOW = '[[fault]]\nname = "flow-low"\n'
DOOR = '[[event]]\nat_s = 1.0\ndo = "door"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("format = 1\n= 3", 2, "is not TOML"),
        (
            HEAD.replace("format = 1", "format = 2"),
            1,
            "format = 2: change it (allowed: a whole number from 1 to 1)",
        ),
        (HEAD.replace("duration_s = 10.0", ""), None, "duration_s: is missing"),
        (HEAD + "seeed = 3\n", 4, "unknown section; did you mean seed?"),
        (HEAD + '[laser]\nstart = "hot"\n', 5, "laser.start = 'hot': change it"),
        (
            HEAD + "[laser]\nspot_mm = 9.0\n",
            5,
            "laser.spot_mm = 9.0: change it (allowed: a number from 2 to 6)",
        ),
        (HEAD + '[[fault]]\nname = "flow-lwo"\nat_s = 1.0\n', 5, "is no fault; did you mean flow-low?"),
        (HEAD + "[[fault]]\nat_s = 1.0\n", 4, "fault.0.name: is missing"),
        (
            HEAD + FLOW + "at_s = 1.0\nratio = 7.0\n",
            7,
            "fault.0.ratio = 7.0: change it (allowed: a number from 0 to 2)",
        ),
        (HEAD + FLOW + "at_s = 1.0\nrtaio = 0.7\n", 7, "fault.0.rtaio: unknown key; did you mean ratio?"),
        (HEAD + FLOW + "at_s = 1.0\natt_s = 2.0\n", 7, "unknown key; did you mean at_s?"),
        (HEAD + FLOW + "at_s = -1.0\n", 6, "fault.0.at_s = -1.0"),
        (HEAD + FLOW + "at_s = 10.5\n", 6, "comes after the end: give at most duration_s, 10"),
        (HEAD + FLOW + 'at_s = 1.0\non = "pulse"\n', 4, "a fault has one trigger"),
        (HEAD + FLOW, 4, "has no trigger: give at_s, or on (an event)"),
        (HEAD + FLOW + 'on = "state REDY"\n', 6, "did you mean 'state READY'?"),
        (HEAD + FLOW + 'at_s = 1.0\nexpected = "no"\n', 7, "fault.0.expected = 'no': change it"),
        (HEAD + '[[fault]]\nname = "processor-reset"\nat_s = 1.0\nfor_s = 2.0\n', 7, "happens at once"),
        (HEAD + DOOR + 'to = "ajar"\n', 7, 'event.0.to = \'ajar\': change it (allowed: "open" or "close")'),
        (HEAD + DOOR + 'too = "open"\n', 7, "event.0.too: unknown key; did you mean to?"),
        (HEAD + DOOR, 4, "event.0.to: is missing"),
        (HEAD + DOOR.replace("1.0", "11.0") + 'to = "open"\n', 5, "comes after the end"),
        (HEAD + DOOR.replace("door", "dor") + 'to = "open"\n', 6, "is no event; did you mean door?"),
        (HEAD + DOOR.replace("door", "kill-daemon"), 6, "is the host's: add a table [host]"),
        (HEAD + "event = 3\n", 4, "event = 3: change it (allowed: a list)"),
        (HEAD + '[host]\nplan = "nowhere.toml"\n', 5, "nowhere.toml': there is no such file"),
        (HEAD + '[host]\noperator = "steady"\n', 4, "host.plan: is missing"),
    ],
)
def test_each_mistake_is_told_with_its_line_and_what_to_do(text: str, line: int | None, words: str) -> None:
    with pytest.raises(TomlError) as refused:
        parse_scenario(text, HERE)
    (told,) = str(refused.value).splitlines()
    place, _, rest = told.partition(": ")
    assert place == (f"{HERE}:{line}" if line else str(HERE))
    assert words in rest


def test_all_mistakes_are_told_together_in_the_order_of_their_lines() -> None:
    text = HEAD + FLOW + 'ratio = 9.0\n[[fault]]\nname = "x"\nat_s = 1.0\n' + DOOR + 'to = "ajar"\n'
    with pytest.raises(TomlError) as refused:
        parse_scenario(text, HERE)
    lines = [problem.line for problem in refused.value.problems]
    assert lines == [4, 6, 8, 13]


def test_no_mistake_of_an_event_or_a_fault_hides_another() -> None:
    event = '[[event]]\nat_s = -1.0\ndo = "dor"\n'
    fault = '[[fault]]\nname = "x"\nexpected = "no"\nat_s = 1.0\n'
    with pytest.raises(TomlError) as refused:
        parse_scenario(HEAD + event + fault, HERE)
    told = [problem.path for problem in refused.value.problems]
    assert told == ["event.0.at_s", "event.0.do", "fault.0.name", "fault.0.expected"]
    with pytest.raises(TomlError) as refused:
        parse_scenario(HEAD + event.replace("dor", "door") + 'to = "ajar"\n', HERE)
    assert [problem.path for problem in refused.value.problems] == ["event.0.at_s", "event.0.to"]


def test_a_plan_that_is_none_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("format = 1\n", "utf-8")
    file = tmp_path / "s.toml"
    file.write_text(HEAD + '[host]\nplan = "plan.toml"\n', "utf-8")
    with pytest.raises(TomlError, match=r"plan\.toml"):
        read_scenario(file)
