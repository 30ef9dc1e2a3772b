"""Whole-stack runs: the same seed gives the same bytes, the verdict is about what truly happened."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.exits import CommandFailed
from controller.treatment import Treatment
from protocols.states import State
from rig.campaign import disturbed
from rig.cli.simulate import simulate as command
from rig.invariants import BY_NAME, Violation
from rig.invariants.excuses import EXCUSES, bridged_by, excuse_of
from rig.invariants.spells import Spell, Spells
from rig.result import UNSEEN, Result
from rig.scenario import read_scenario
from rig.script import Happening, Script
from rig.simulate import simulate
from rig.stack import PLAN, plan_text
from sim_device.faults import CATALOGUE, FaultError
from sim_device.firmware.core import Reference

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHORT = Script("short", 9.0, plan_text(series=[10, 10]))


def played(script: Script, seed: int = 1) -> Result:
    return simulate(script, seed, clock=time.perf_counter)


def test_another_seed_gives_another_trace_and_the_same_one_the_same() -> None:
    first, again, other = played(SHORT), played(SHORT), played(SHORT, 2)
    assert first.trace_sha256 == again.trace_sha256 != other.trace_sha256
    assert replace(again, wall_s=first.wall_s) == first


def test_a_plan_is_carried_out_and_every_pulse_is_recorded() -> None:
    result = played(SHORT)
    assert (result.pulses_true, result.pulses_recorded, result.plans_given) == (20, 20, 1)
    assert not result.violations
    assert result.simulated_s >= 9.0


def test_a_tireless_operator_begins_again() -> None:
    assert played(replace(SHORT, operator="tireless", duration_s=25.0)).plans_given > 2


def test_a_cold_laser_is_turned_on_and_warms_up() -> None:
    result = played(Script("cold", 720.0, plan_text(series=[5]), start="cold", operator="steady"))
    assert not result.violations
    assert result.plans_given == 1
    assert result.pulses_true == result.pulses_recorded == 37  # 32 of them the calibration's


def test_an_operator_who_does_nothing_gives_nothing() -> None:
    assert played(replace(SHORT, operator="none", duration_s=3.0)).pulses_true == 0


def test_the_operator_goes_on_after_a_trip_a_lost_line_and_a_killed_daemon() -> None:
    events = (
        Happening(4.0, "door", {"to": "open"}), Happening(5.0, "door", {"to": "close"}),
        Happening(9.0, "cable", {"to": "unplug"}), Happening(10.0, "cable", {"to": "plug"}),
        Happening(15.0, "kill-daemon"),
    )  # fmt: skip
    result = played(Script("trouble", 45.0, plan_text(series=[20, 20, 20]), events=events))
    assert not result.violations
    assert result.plans_given == 1
    assert result.pulses_true == result.pulses_recorded == 60


def test_a_fault_that_was_expected_and_never_fired_is_told() -> None:
    idle = {"name": "shutter-slow-to-close", "at_s": 2.0, "for_s": 0.1, "travel_ms": 60.0}
    result = played(replace(SHORT, faults=(idle,)))
    assert result.idle_faults == ("shutter-slow-to-close",)
    assert not played(replace(SHORT, faults=({**idle, "expected": False},))).idle_faults


def test_a_fault_that_fires_is_counted_and_the_laser_survives_it() -> None:
    stuck = {"name": "shutter-stuck", "on": "pulse", "nth": 8, "for_s": 3.0}
    result = played(replace(SHORT, faults=(stuck,)))
    assert result.faults_fired == 1
    assert not result.idle_faults
    assert not result.violations
    assert "shutter-closed" in result.excused


def test_an_exception_in_the_stack_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, pulse: object) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    monkeypatch.setattr(Treatment, "recorded", broken)
    result = played(SHORT)
    assert {violation.invariant for violation in result.violations} >= {UNSEEN}
    assert "ZeroDivisionError" in str(result.violations)


def test_a_firmware_that_crashes_is_a_violation_and_the_campaign_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Reference.step

    def crashing(self: Reference, now_us: int, *given: Any) -> Any:
        if self.state is State.EMITTING:
            raise ZeroDivisionError("in the firmware")
        return step(self, now_us, *given)

    monkeypatch.setattr(Reference, "step", crashing)
    result = played(SHORT)
    assert {violation.invariant for violation in result.violations} == {UNSEEN}
    assert "in the firmware (test_simulate.py" in result.violations[0].text


def test_a_script_that_cannot_be_is_no_violation() -> None:
    with pytest.raises(FaultError, match="is not known"):
        played(replace(SHORT, faults=({"name": "shutter-stuk"},)))


def test_a_loop_in_which_time_stands_still_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def for_ever(self: object) -> None:
        while True:  # noqa: ASYNC110 # the very thing that must not be
            await asyncio.sleep(0)

    monkeypatch.setattr(Treatment, "run", for_ever)
    result = played(SHORT)
    assert "turns of the loop" in str(result.violations)


# -- scenario files


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_the_nominal_scenario_is_ten_minutes_of_lasing_at_10_hz() -> None:
    scenario = read_scenario(SCENARIOS / "nominal-10hz.toml")
    result = simulate(scenario.script, scenario.seed, clock=time.perf_counter)
    assert (result.pulses_true, result.pulses_recorded, result.plans_given) == (6000, 6000, 1)
    assert not result.violations


HOSTED = [
    file
    for file in sorted(SCENARIOS.glob("*.toml"))
    if "[host]" in file.read_text("utf-8") and file.name != "nominal-10hz.toml"
]
SHOWN = {
    "cable-pulled-in-a-series": pytest.mark.shows("REQ-032", "HZ-034"),
    "daemon-killed-in-a-series": pytest.mark.shows("REQ-032", "REQ-042", "HZ-035"),
    "disk-full-in-a-series": pytest.mark.shows("REQ-042", "HZ-035"),
    "door-opened-in-a-series": pytest.mark.shows("REQ-007", "REQ-008", "HZ-040"),
    "noisy-line": pytest.mark.shows("REQ-033", "HZ-033"),
    "power-cut-in-a-series": pytest.mark.shows("REQ-026", "HZ-003"),
    "processor-hangs-in-a-series": pytest.mark.shows("REQ-032", "HZ-024"),
    "shutter-sticks-in-a-series": pytest.mark.shows("REQ-035", "HZ-005"),
}


@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=SHOWN.get(file.stem, ()), id=file.stem) for file in HOSTED]
)
def test_every_other_whole_stack_scenario_keeps_the_promises(file: Path) -> None:
    scenario = read_scenario(file)
    result = simulate(scenario.script, scenario.seed, clock=time.perf_counter)
    assert not result.violations
    assert not result.idle_faults
    assert result.pulses_true == result.pulses_recorded > 0


# -- the command

FILE = """\
format = 1
name = "short"
seed = 5
duration_s = 8.0
[host]
plan = "plan.toml"
[[fault]]
name = "line-cut"
at_s = {at_s}
for_s = 1.0
"""


def written(folder: Path, at_s: float = 4.0) -> Path:
    (folder / "plan.toml").write_text(plan_text(series=[10]))
    file = folder / "short.toml"
    file.write_text(FILE.format(at_s=at_s))
    return file


def test_the_command_prints_what_came_of_it_as_json(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command, [str(written(tmp_path)), "--json"])
    told = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert told["seed"] == 5
    assert len(told["trace_sha256"]) == 64
    assert told["violations"] == 0 == len(told["violation_list"])
    assert told["pulses_true"] == told["pulses_recorded"] > 0
    assert told["faults_fired"] == 1
    assert told["simulated_s"] > 8
    assert told["wall_s"] > 0


def test_the_command_takes_another_seed_and_tells_in_words(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command, [str(written(tmp_path)), "--seed", "6"])
    assert ran.exit_code == 0
    assert "seed             6" in ran.stdout
    assert "line-cut: came 1 times, fired" in ran.stdout


def test_the_command_fails_when_an_expected_fault_never_fired(tmp_path: Path) -> None:
    file = written(tmp_path, at_s=0.1)
    file.write_text(
        file.read_text().replace("line-cut", "shutter-slow-to-close").replace("_s = 1.0", "_s = 0.1")
    )
    ran = CliRunner().invoke(command, [str(file)])
    assert isinstance(ran.exception, CommandFailed)
    assert "shutter-slow-to-close never fired" in str(ran.exception)


def test_a_scenario_without_a_host_is_for_another_command(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text('format = 1\nname = "device"\nduration_s = 1.0\n')
    ran = CliRunner().invoke(command, [str(file)])
    assert "picolase sim --scenario" in str(ran.exception)


# -- excuses


def test_excuses_are_for_faults_and_promises_that_exist() -> None:
    assert set(EXCUSES) <= set(CATALOGUE)
    for excuses in EXCUSES.values():
        for excuse in excuses:
            assert excuse.invariants <= set(BY_NAME)


def spell(name: str, begin_us: int = 0, end_us: int | None = None, **parameters: Any) -> Spell:
    return Spell(name, parameters, begin_us, end_us)


@pytest.mark.parametrize(
    "promise", ["light-by-permit", "fresh-press", "interlocks-closed", "host-alive", "audit-holds"]
)
def test_no_single_fault_excuses_light_that_hurts_or_a_broken_audit(promise: str) -> None:
    for name in CATALOGUE:
        at_work = spell(name, line="gate_enable", ppm=-200_000)
        assert not excuse_of(Violation(promise, 1, "", 1), [at_work])


def test_no_hang_of_the_processor_excuses_anything() -> None:
    for promise in BY_NAME:
        assert not excuse_of(Violation(promise, 0, "", 0), [spell("processor-hangs")])


STUCK = ("shutter-closed", "shutter-stuck")
LOST = ("books-balance", "memory-fails")


@pytest.mark.parametrize(
    ("promise", "fault", "since_us", "at_us", "excused"),
    [
        (*STUCK, 100, 199, False),  # over before the fault came
        (*STUCK, 100, 200, True),
        (*STUCK, 250, 260, True),
        (*STUCK, 300, 350, True),
        (*STUCK, 301, 351, False),  # began when the fault was gone
        (*LOST, 199, 199, False),
        (*LOST, 900, 900, True),  # what is lost stays lost
    ],
)
def test_a_fault_excuses_what_happens_while_it_is_at_work(
    promise: str, fault: str, since_us: int, at_us: int, *, excused: bool
) -> None:
    violation = Violation(promise, at_us, "", since_us)
    assert bool(excuse_of(violation, [spell(fault, 200, 300)])) is excused


def test_spells_tell_when_which_fault_was_at_work() -> None:
    spells = Spells()
    assert not spells.take(5, "door", {"to": "open"})
    assert spells.take(10, "fault-begins", {"name": "interlock-bridged", "contact": "door"})
    assert spells.take(20, "fault-begins", {"name": "interlock-bridged", "contact": "arm"})
    assert spells.take(30, "fault-begins", {"name": "processor-hangs"})
    assert spells.take(40, "fault-ends", {"name": "interlock-bridged", "contact": "arm"})
    assert [(one.begin_us, one.end_us) for one in spells.all] == [(10, None), (20, 40), (30, 30)]
    assert bridged_by(spells.active()) == {"door_closed"}
    assert spells.hung_until_us(30) == 59_030 == spells.hung_until_us(59_030)
    assert spells.hung_until_us(59_031) == -1


def test_a_bridged_contact_is_that_contact_and_no_other() -> None:
    assert bridged_by([spell("interlock-bridged", contact="remote")]) == {"remote_closed"}
    assert bridged_by([spell("input-stuck", line="arm_connected", to=True)]) == {"arm_connected"}
    assert not bridged_by([spell("input-stuck", line="hv_mv", to=1), spell("shutter-stuck")])
    assert "estop_closed" not in bridged_by([spell("interlocks-unseen")])


def test_a_schedule_of_chance_is_played_as_it_is_spelled_out() -> None:
    script = disturbed(Script("any", 15.0, PLAN, operator="random"), 11)
    assert script.operator == "tireless"
    assert played(script, 11).trace_sha256 == played(script, 11).trace_sha256
