"""The same seed gives the same bytes, in another process, by the other firmware, whatever Python's chance."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).parents[2] / "scenarios"
HOSTED = sorted(file.name for file in SCENARIOS.glob("*.toml") if "[host]" in file.read_text("utf-8"))
LONGEST_S = 40.0  # of the comparison: the ten minutes at 10 Hz show nothing more of Python's chance

TRACES = """\
import json, sys, time
from dataclasses import replace
from pathlib import Path
from rig.campaign import disturbed
from rig.scenario import read_scenario
from rig.script import Script
from rig.simulate import simulate
from rig.stack import PLAN

ANY = Script("any", 20.0, PLAN, operator="random")
runs = {f"any-{seed}": (disturbed(ANY, seed), seed) for seed in (3, 4)}
for file in Path(sys.argv[1]).glob("*.toml"):
    scenario = read_scenario(file)
    if scenario.hosted:
        shorter = replace(scenario.script, duration_s=min(scenario.script.duration_s, float(sys.argv[2])))
        runs[file.name] = shorter, scenario.seed
print(json.dumps({
    name: replace(
        simulate(script, seed, firmware=sys.argv[4], clock=time.perf_counter),
        firmware="", wall_s=0.0, turn_ms_max=0.0,
    ).as_dict()
    for name, (script, seed) in (reversed(runs.items()) if sys.argv[3] == "backwards" else runs.items())
}))
"""


@pytest.fixture(scope="module")
def two_processes() -> tuple[dict[str, Any], dict[str, Any]]:
    """What the same runs came to in two processes, with another order and another firmware."""
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", TRACES, str(SCENARIOS), str(LONGEST_S), order, firmware],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
        )
        for order, hash_seed, firmware in (("forwards", "0", "reference"), ("backwards", "4711", "native"))
    ]
    first, second = (json.loads(one.communicate(timeout=800)[0]) for one in begun)
    return first, second


@pytest.mark.processes
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["any-3", "any-4", *HOSTED])
def test_two_processes_and_two_firmwares_give_the_same_whatever_pythons_own_chance(
    two_processes: tuple[dict[str, Any], dict[str, Any]], name: str
) -> None:
    first, second = two_processes
    assert first.keys() == {"any-3", "any-4", *HOSTED}
    assert first[name] == second[name]
    assert len(first[name]["trace_sha256"]) == 64
    assert first[name]["simulated_s"] > 9
