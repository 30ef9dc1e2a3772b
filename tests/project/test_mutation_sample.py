"""A sample of the mutants, judged by their tests; a new one when the code that decides on light changes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutation_report import reasons, why
from tools.mutation_runs import ALIVE

ROOT = Path(__file__).parents[2]
SAMPLE = 90
MODULES = [
    f"safety/{name}.py"
    for name in ("supervisor", "gate", "permits", "judgement", "freshness", "latches", "sequence", "known")
]
NAMES = ("gate", "judgement", "latches", "permits", "known_permits", "sequence", "freshness", "service_plan")
SUPERVISOR = ("", "_asides", "_latches", "_link", "_machine", "_permission")


def read(folder: Path) -> dict[str, str]:
    """Key and status of everything that was judged."""
    lines = [line for path in folder.glob("results*.jsonl") for line in path.read_text().splitlines()]
    return {result["key"]: result["status"] for result in map(json.loads, lines)}


def mutate(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.mutate", *arguments, "--results", str(results)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_mutant_of_a_sample_is_killed_or_may_live_for_a_reason(tmp_path: Path) -> None:
    files = [f"tests/safety/test_{name}.py" for name in NAMES]
    files += [f"tests/safety/test_supervisor{name}.py" for name in SUPERVISOR]
    files += ["tests/safety/test_gate_messages.py", "tests/safety/test_pulses_without_light.py"]
    code = b"".join((ROOT / module).read_bytes() for module in MODULES)
    seed = hashlib.sha256(code).hexdigest()
    done = mutate(tmp_path, *MODULES, "--sample", str(SAMPLE), "--seed", seed, "--tests", *files)
    assert done.returncode in {0, 1}, done.stderr
    results = read(tmp_path)
    assert len(results) == SAMPLE, done.stdout + done.stderr
    alive = [key for key, status in results.items() if status in ALIVE]
    said = reasons()
    assert [key for key in alive if not why(key, said)[0]] == []
    assert len(alive) < 0.15 * SAMPLE


@pytest.mark.timeout(900)
def test_a_test_that_shows_little_lets_mutants_live(tmp_path: Path) -> None:
    weak = tmp_path / "test_weak.py"
    weak.write_text(
        "from safety.latches import Latches, LatchId\n\n"
        "def test_weak():\n    Latches().set(LatchId.STALE, '', 0)\n",
        encoding="utf-8",
    )
    done = mutate(tmp_path / "results", "safety/latches.py", "--kind", "inside", "--tests", str(weak))
    assert done.returncode == 1, done.stderr
    told = {key.split(":")[1]: status for key, status in read(tmp_path / "results").items()}
    assert told["Latches.set"] == "survived"
    assert told["Latches.find"] == "untested"


def test_with_tests_that_fail_on_the_unchanged_code_nothing_is_judged(tmp_path: Path) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text("def test_failing():\n    raise AssertionError\n", encoding="utf-8")
    done = mutate(tmp_path / "results", "safety/latches.py", "--tests", str(failing))
    assert done.returncode == 1
    assert "the unchanged code fails its tests" in done.stderr
    assert not list((tmp_path / "results").glob("*.jsonl"))
