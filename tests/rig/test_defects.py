"""The invariants can fail: each seeded defect is found, and without any of them nothing is."""

import time
from functools import cache

import pytest

from rig.invariants import BY_NAME
from rig.result import Result
from rig.script import Script
from rig.simulate import simulate
from tests.rig.defects import DEFECTS, SEEDS, Defect
from tests.rig.scenes import SCENES


@cache
def unharmed(scene: str) -> Result:
    (script,) = [one for one in SCENES if one.name == scene]
    return simulate(script, 1, clock=time.perf_counter)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_without_a_defect_no_promise_is_broken(scene: Script) -> None:
    result = unharmed(scene.name)
    assert not result.violations
    assert not result.excused
    if scene.operator == "steady":
        assert result.pulses_true == result.pulses_recorded > 5
    assert not result.idle_faults


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_seeded_defect_is_found(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    if defect.patch is not None:
        defect.patch(monkeypatch)
    found: set[str] = set()
    for seed in range(1, SEEDS + 1):
        result = simulate(defect.scene, seed, clock=time.perf_counter, attach=defect.attach)
        found |= {violation.invariant for violation in result.violations}
        if defect.breaks in found:
            return
    pytest.fail(f"{defect.breaks} was not found broken within {SEEDS} seeds, only {sorted(found)}")


def test_there_is_a_defect_for_each_promise() -> None:
    assert {defect.breaks for defect in DEFECTS} == set(BY_NAME)
