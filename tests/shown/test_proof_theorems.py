"""The theorems hold from every state, and what the prover read of the code is what the code does."""

import itertools
import random
from types import SimpleNamespace
from typing import Any

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages import Handpiece
from safety.freshness import Consequence, Input, Quality, not_good
from sim_device.firmware import Reference, limits
from tests.shown import firmware as shown_firmware
from tests.shown.lifted import Lifted
from tests.shown.paths import explore
from tests.shown.proof import Given, Scene, Theorem, prove, replayed, retrace
from tests.shown.supervisor import Safety
from tests.shown.symbolic import Number
from tests.shown.theorems import NAMES, theorem
from tests.sim_device import ideal_laser
from tests.sim_device.bench import MS, Bench, at
from tests.sim_device.twins import benches_of

SHOWS = {
    "firmware/trigger": (
        "REQ-001",
        "REQ-003",
        "REQ-007",
        "REQ-010",
        "REQ-028",
        "REQ-031",
        "HZ-001",
        "HZ-007",
    ),
    "firmware/emitting": ("HZ-044",),
    "firmware/press": ("REQ-003",),
    "firmware/proofs": ("REQ-002", "REQ-014", "HZ-032"),
    "firmware/outputs": ("REQ-035",),
    "firmware/granting": ("REQ-003", "REQ-024", "HZ-036"),
    "firmware/arming": ("REQ-001", "REQ-015"),
    "firmware/acknowledging": ("REQ-008", "REQ-037", "HZ-040"),
    "firmware/watchdog": ("REQ-032", "HZ-034"),
    "firmware/ending": ("HZ-002",),
    "firmware/tripping": ("REQ-037",),
    "firmware/going": ("REQ-001", "REQ-006"),
    "firmware/heartbeat": ("REQ-032", "HZ-036"),
    "firmware/foot": ("REQ-004", "REQ-005", "HZ-002"),
    "firmware/resetting": ("REQ-026", "HZ-003"),
    "supervisor/grant_leaves": ("REQ-024", "REQ-037"),
    "supervisor/arm_leaves": ("REQ-045",),
    "supervisor/withholding": ("REQ-032", "HZ-035"),
    "supervisor/acknowledging": ("REQ-037", "HZ-040"),
    "supervisor/causes": ("REQ-037",),
    "supervisor/freshness": ("HZ-037",),
    "supervisor/counting": ("HZ-044",),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.shows(*SHOWS.get(name, ("REQ-040",)))) for name in NAMES]
)
def test_a_theorem_holds_from_every_state_on_the_paths_that_the_code_takes(name: str, soak: bool) -> None:
    shown = theorem(name)
    assert not [str(found) for found in prove(shown)]
    assert retrace(shown, theorem(name, lifting=False), every=1 if soak else 50) > 0


@pytest.fixture
def soak(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--hypothesis-profile") == "soak")


# -- the recompiled modules are the modules


def story(bench: Bench) -> Any:
    bench.run(300 * MS)
    bench.release()
    bench.run(100 * MS)
    bench.stop()
    bench.run(200 * MS)
    return bench.now_us, bench.statuses, bench.reports, bench.triggers, bench.answers, bench.heard


def test_the_recompiled_firmware_says_and_does_the_same_from_key_to_light() -> None:
    assert vars(ideal_laser)["Reference"] is Reference
    told = story(at("emitting"))
    recompiled = Lifted().module("sim_device.firmware.core").Reference
    with benches_of(recompiled):
        bench = at("emitting")
        assert type(bench.firmware) is recompiled
        assert story(bench) == told


# -- what stands in for a look-up says the same


@given(identity=st.integers(-10, 20) | st.integers())
def test_the_formula_for_handpieces_says_what_the_table_says(identity: int) -> None:
    assert shown_firmware.handpiece_of(identity) is limits.handpiece_of(identity)


@given(handpiece=st.sampled_from(Handpiece), spot_um=st.integers(1_900, 10_100) | st.integers())
def test_the_formula_for_spots_says_what_the_table_says(handpiece: Handpiece, spot_um: int) -> None:
    assert bool(shown_firmware.spot_fits(limits, handpiece, spot_um)) is limits.spot_fits(handpiece, spot_um)


def test_the_inputs_one_by_one_are_the_inputs_at_once() -> None:
    safety = Safety(lifting=False)
    kinds = safety.part("freshness")
    for worth in itertools.product(Quality, repeat=len(Input)):
        if worth.count(Quality.GOOD) < len(Input) - 3:
            continue  # each alone and with two others: one does not see another
        qualities = dict(zip(Input, worth, strict=True))
        theirs = {kinds.Input(which.value): kinds.Quality(seen.value) for which, seen in qualities.items()}
        for consequence in Consequence:
            one_by_one = [
                which.value for which in safety._not_good(theirs, kinds.Consequence(consequence.value))
            ]
            assert one_by_one == [which.value for which in not_good(qualities, consequence)]


# -- the prover itself


def scene_of(act: Any) -> Any:
    return lambda make: Scene(None, SimpleNamespace(), None, act(make))


def test_a_false_claim_is_found_with_the_values_that_make_it_false() -> None:
    def halves(make: Any) -> Any:
        number = make("number", 0)
        return number, (number // 2 if number > 10 else number)

    wrong = Theorem("halves", scene_of(halves), lambda s: {"it is less than 100": s.answer[1] < 100})
    (found,) = prove(wrong)
    assert found.values["number"] >= 200
    assert "number = " in str(found)
    assert replayed(wrong, found)
    right = Theorem("halves", scene_of(halves), lambda s: {"it is no more": s.answer[1] <= s.answer[0]})
    assert not prove(right)


def test_paths_cover_every_value_and_share_none() -> None:
    x, y = z3.Int("x"), z3.Int("y")

    def act() -> int:
        a: Any = Number(x)
        b: Any = Number(y)
        if a > b:
            return 1
        return 2 if a == 7 else 3

    paths = explore(act)
    assert sorted(path.result for path in paths) == [1, 2, 3]
    solver = z3.Solver()
    solver.add(z3.Not(z3.Or(*(z3.And(*path.conditions) for path in paths))))
    assert solver.check() == z3.unsat
    for one, other in itertools.combinations(paths, 2):
        solver = z3.Solver()
        solver.add(*one.conditions, *other.conditions)
        assert solver.check() == z3.unsat


@given(values=st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)))
def test_values_that_are_given_are_taken(values: dict[str, int]) -> None:
    make = Given(values, random.Random(1))
    assert all(make(name, 0) == value for name, value in values.items())
